// Suite.java: Java's ForkJoinPool: the options and the lines of harness/bench.c, and in Java what the other
// contenders have in kernels.c. Every child is a RecursiveTask. The passes of WARM_UP times the seconds that
// are measured, three at least, are for the compiler.

import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ForkJoinTask;
import java.util.concurrent.RecursiveAction;
import java.util.concurrent.RecursiveTask;
import java.util.function.LongSupplier;
import java.util.function.LongUnaryOperator;

public class Suite {
    static final double WARM_UP = 2;
    static final int WARM_UP_PASSES = 3;

    /** Invokes all, and adds their results. */
    static long sumAll(RecursiveTask<Long>[] children, int n) {
        for (int i = 1; i < n; i++)
            children[i].fork();
        long sum = n > 0 ? children[0].invoke() : 0;
        for (int i = n - 1; i > 0; i--)
            sum += children[i].join();
        return sum;
    }

    static final class Fib extends RecursiveTask<Long> {
        final long n;

        Fib(long n) {
            this.n = n;
        }

        @Override
        protected Long compute() {
            if (n < 2)
                return n;
            Fib a = new Fib(n - 1);
            a.fork();
            long b = new Fib(n - 2).compute();
            return a.join() + b;
        }
    }

    static final class Skynet extends RecursiveTask<Long> {
        final long first, size;
        final int nChildren;

        Skynet(long first, long size, int nChildren) {
            this.first = first;
            this.size = size;
            this.nChildren = nChildren;
        }

        @Override
        protected Long compute() {
            if (size == 1)
                return first;
            Skynet[] children = new Skynet[nChildren];
            long part = size / nChildren;
            for (int i = 0; i < nChildren; i++)
                children[i] = new Skynet(first + i * part, part, nChildren);
            return sumAll(children, nChildren);
        }
    }

    static final class Queens extends RecursiveTask<Long> {
        final int n, row;
        final byte[] columns;

        Queens(int n, int row, byte[] columns) {
            this.n = n;
            this.row = row;
            this.columns = columns;
        }

        boolean isSafe(int column) {
            for (int above = 0; above < row; above++) {
                int right = column - columns[above], down = row - above;
                if (right == 0 || right == down || right == -down)
                    return false;
            }
            return true;
        }

        @Override
        protected Long compute() {
            if (row == n)
                return 1L;
            Queens[] children = new Queens[n];
            int nChildren = 0;
            for (int column = 0; column < n; column++)
                if (isSafe(column)) {
                    byte[] next = columns.clone();
                    next[row] = (byte) column;
                    children[nChildren++] = new Queens(n, row + 1, next);
                }
            return sumAll(children, nChildren);
        }
    }

    static final class Uts extends RecursiveTask<Long> {
        static boolean isBinomial;
        static int size;
        static final ThreadLocal<MessageDigest> digests = ThreadLocal.withInitial(() -> {
            try {
                return MessageDigest.getInstance("SHA-1");
            } catch (java.security.NoSuchAlgorithmException e) {
                throw new IllegalStateException(e);
            }
        });
        final byte[] state;
        final int depth;

        Uts(byte[] state, int depth) {
            this.state = state;
            this.depth = depth;
        }

        static byte[] hash(byte[] parent, int index) {
            byte[] bytes = Arrays.copyOf(parent, parent.length + 4);
            for (int i = 0; i < 4; i++)
                bytes[parent.length + i] = (byte) (index >> 24 - 8 * i);
            return digests.get().digest(bytes);
        }

        int countChildren() {
            int word = (state[16] & 0x7f) << 24 | (state[17] & 0xff) << 16 | (state[18] & 0xff) << 8
                | state[19] & 0xff;
            double random = word / 2147483648.0;
            if (isBinomial)
                return depth == 0 ? size : random < 0.124875 ? 8 : 0;
            if (depth >= size)
                return 0;
            int n = (int) Math.floor(Math.log(1 - random) / Math.log(1 - 1 / (1 + 4.0)));
            return Math.min(n, 100);
        }

        @Override
        protected Long compute() {
            int n = countChildren();
            Uts[] children = new Uts[n];
            for (int i = 0; i < n; i++)
                children[i] = new Uts(hash(state, i), depth + 1);
            return 1 + sumAll(children, n);
        }
    }

    static final class Matmul extends RecursiveAction {
        static final int BASE = 64;
        static double[] a, b, c;
        static int stride;
        final int atA, atB, atC, n;

        Matmul(int atA, int atB, int atC, int n) {
            this.atA = atA;
            this.atB = atB;
            this.atC = atC;
            this.n = n;
        }

        Matmul quarter(int row, int column, int k) {
            int half = n / 2, down = half * stride;
            return new Matmul(atA + row * down + k * half, atB + k * down + column * half,
                atC + row * down + column * half, half);
        }

        @Override
        protected void compute() {
            if (n <= BASE) {
                for (int i = 0; i < n; i++)
                    for (int k = 0; k < n; k++) {
                        double factor = a[atA + i * stride + k];
                        int from = atB + k * stride, to = atC + i * stride;
                        for (int j = 0; j < n; j++)
                            c[to + j] += factor * b[from + j];
                    }
                return;
            }
            for (int k = 0; k < 2; k++)
                invokeAll(quarter(0, 0, k), quarter(0, 1, k), quarter(1, 0, k), quarter(1, 1, k));
        }
    }

    static final class Merge extends RecursiveAction {
        static final int BASE = 1024;
        final long[] from, out;
        final int a, nA, b, nB, to;

        Merge(long[] from, int a, int nA, int b, int nB, long[] out, int to) {
            this.from = from;
            this.a = a;
            this.nA = nA;
            this.b = b;
            this.nB = nB;
            this.out = out;
            this.to = to;
        }

        @Override
        protected void compute() {
            if (nA + nB <= BASE) {
                int i = a, j = b, at = to;
                while (i < a + nA && j < b + nB)
                    out[at++] = from[j] < from[i] ? from[j++] : from[i++];
                System.arraycopy(from, i, out, at, a + nA - i);
                System.arraycopy(from, j, out, at + a + nA - i, b + nB - j);
                return;
            }
            boolean isLonger = nA >= nB;
            int x = isLonger ? a : b, nX = isLonger ? nA : nB, y = isLonger ? b : a,
                nY = isLonger ? nB : nA, half = nX / 2, low = 0;
            for (int left = nY; left > 0;) {
                if (from[y + low + left / 2] < from[x + half]) {
                    low += left / 2 + 1;
                    left -= left / 2 + 1;
                } else {
                    left /= 2;
                }
            }
            invokeAll(new Merge(from, x, half, y, low, out, to),
                new Merge(from, x + half, nX - half, y + low, nY - low, out, to + half + low));
        }
    }

    static final class Sort extends RecursiveAction {
        static final int BASE = 1024, INSERTION_MOST = 20;
        static long[] items, scratch;
        final int first, n;

        Sort(int first, int n) {
            this.first = first;
            this.n = n;
        }

        static long medianOfThree(long a, long b, long c) {
            return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
        }

        static void sortBase(int first, int n) {
            while (n > INSERTION_MOST) {
                long pivot = medianOfThree(items[first], items[first + n / 2], items[first + n - 1]);
                int i = first, j = first + n - 1;
                for (;; i++, j--) {
                    while (items[i] < pivot)
                        i++;
                    while (items[j] > pivot)
                        j--;
                    if (i >= j)
                        break;
                    long item = items[i];
                    items[i] = items[j];
                    items[j] = item;
                }
                int nLow = i - first;
                if (nLow <= n / 2) {
                    sortBase(first, nLow);
                    first += nLow;
                    n -= nLow;
                } else {
                    sortBase(first + nLow, n - nLow);
                    n = nLow;
                }
            }
            for (int i = first + 1; i < first + n; i++) {
                long item = items[i];
                int at = i;
                for (; at > first && items[at - 1] > item; at--)
                    items[at] = items[at - 1];
                items[at] = item;
            }
        }

        @Override
        protected void compute() {
            if (n <= BASE) {
                sortBase(first, n);
                return;
            }
            int quarter = n / 4, half = 2 * quarter, third = first + half;
            invokeAll(new Sort(first, quarter), new Sort(first + quarter, quarter),
                new Sort(third, quarter), new Sort(third + quarter, n - 3 * quarter));
            invokeAll(new Merge(items, first, quarter, first + quarter, quarter, scratch, first),
                new Merge(items, third, quarter, third + quarter, n - 3 * quarter, scratch, third));
            new Merge(scratch, first, half, third, n - half, items, first).compute();
        }
    }

    static final class Range extends RecursiveTask<Long> {
        final LongUnaryOperator leaf;
        final long first, end;

        Range(LongUnaryOperator leaf, long first, long end) {
            this.leaf = leaf;
            this.first = first;
            this.end = end;
        }

        @Override
        protected Long compute() {
            if (end - first == 1)
                return leaf.applyAsLong(first);
            long middle = first + (end - first) / 2;
            Range high = new Range(leaf, middle, end);
            high.fork();
            long low = new Range(leaf, first, middle).compute();
            return high.join() + low;
        }
    }

    // --- what the harness does for the others: workloads.c ---

    static int size;
    static long steps;

    static <T> T invoke(ForkJoinTask<T> task) {
        return ForkJoin.pool.invoke(task);
    }

    static long sum(LongUnaryOperator leaf, long end) {
        return invoke(new Range(leaf, 0, end));
    }

    static LongSupplier prepareUts(boolean isBinomial) {
        Uts.isBinomial = isBinomial;
        Uts.size = size;
        long nodes = Map.of(10, 4130071L, 8, 257042L, 5, 3987L, 2000, 4112897L, 200, 2745281L, 20, 6213L)
            .get(size);
        byte[] root = Uts.hash(new byte[16], isBinomial ? 42 : 19);
        return () -> invoke(new Uts(root, 0)) - nodes;
    }

    static LongSupplier prepareNqueens() {
        long[] ways = {1, 1, 0, 0, 2, 10, 4, 40, 92, 352, 724, 2680, 14200, 73712};
        return () -> invoke(new Queens(size, 0, new byte[size])) - ways[size];
    }

    static LongSupplier prepareMatmul() {
        int n = size;
        Matmul.stride = n;
        Matmul.a = new double[n * n];
        Matmul.b = new double[n * n];
        Matmul.c = new double[n * n];
        for (int i = 0; i < n * n; i++) {
            Matmul.a[i] = i * 7L % 13 - 6;
            Matmul.b[i] = i * 5L % 11 - 5;
        }
        reset = () -> Arrays.fill(Matmul.c, 0);
        check = () -> {
            double[] v = new double[n], bv = new double[n];
            for (int i = 0; i < n; i++)
                v[i] = i * 31 % 17 - 8;
            multiply(Matmul.b, v, bv);
            double[] abv = new double[n], cv = new double[n];
            multiply(Matmul.a, bv, abv);
            multiply(Matmul.c, v, cv);
            ForkJoin.check(Arrays.equals(abv, cv));
        };
        return () -> {
            invoke(new Matmul(0, 0, 0, n));
            return 0;
        };
    }

    static void multiply(double[] matrix, double[] vector, double[] product) {
        for (int i = 0; i < vector.length; i++)
            for (int j = 0; j < vector.length; j++)
                product[i] += matrix[i * vector.length + j] * vector[j];
    }

    static LongSupplier prepareCilksort() {
        Sort.items = new long[size];
        Sort.scratch = new long[size];
        long[] sums = new long[1];
        reset = () -> {
            long x = 42;
            sums[0] = 0;
            for (int i = 0; i < size; i++) {
                x = x * 6364136223846793005L + 1442695040888963407L;
                Sort.items[i] = x >>> 24;
                sums[0] += x >>> 24;
            }
        };
        check = () -> {
            long sum = Sort.items[0];
            for (int i = 1; i < size; i++) {
                ForkJoin.check(Sort.items[i - 1] <= Sort.items[i]);
                sum += Sort.items[i];
            }
            ForkJoin.check(sum == sums[0]);
        };
        return () -> {
            invoke(new Sort(0, size));
            return 0;
        };
    }

    static long stepsOf(long i) {
        return steps != 0 ? steps : 64L * size / (i * 2654435761L % size + 1);
    }

    static long factor = 6364136223846793005L; // no constant: several steps would be made one

    static long chain(long i) {
        long x = i, by = factor;
        for (long left = stepsOf(i); left > 0; left--)
            x = by * x + 1;
        return x >>> 40;
    }

    static long chainJump(long i) {
        long x = i, factor = 6364136223846793005L, sum = 1;
        for (long left = stepsOf(i); left > 0; left /= 2) {
            if (left % 2 != 0)
                x = factor * x + sum;
            sum += factor * sum;
            factor *= factor;
        }
        return x >>> 40;
    }

    static LongSupplier prepareChains() {
        long expected = 0;
        for (int i = 0; i < size; i++)
            expected += chainJump(i);
        long sum = expected;
        return () -> sum(Suite::chain, size) - sum;
    }

    static LongSupplier prepareBlocks() {
        final int blockItems = 32768, n = size / blockItems, rounds = 10;
        long[][] blocks = new long[n][];
        sum(i -> {
            blocks[(int) i] = new long[blockItems];
            for (int at = 0; at < blockItems; at++)
                blocks[(int) i][at] = i * blockItems + at;
            return 0;
        }, n);
        long expected = (long) size * (size - 1L) / 2;
        return () -> {
            long wrong = 0;
            for (int round = 0; round < rounds; round++)
                wrong |= sum(i -> {
                    long sum = 0;
                    for (long item : blocks[(int) i])
                        sum += item;
                    return sum;
                }, n) - expected;
            return wrong;
        };
    }

    static long fibOf(int n) {
        long a = 0, b = 1;
        for (; n > 0; n--) {
            long next = a + b;
            a = b;
            b = next;
        }
        return a;
    }

    /** What each application runs; it gives 0 if its result is right. */
    static LongSupplier prepare(String workload) {
        switch (workload) {
        case "fib":
            return () -> invoke(new Fib(size)) - fibOf(size);
        case "skynet":
            return () -> invoke(new Skynet(0, size, 10)) - size * (size - 1L) / 2;
        case "nqueens":
            return prepareNqueens();
        case "uts_t1":
            return prepareUts(false);
        case "uts_t3":
            return prepareUts(true);
        case "matmul":
            return prepareMatmul();
        case "cilksort":
            return prepareCilksort();
        case "skewed":
        case "grain":
            return prepareChains();
        case "blocks":
            return prepareBlocks();
        default:
            return null;
        }
    }

    static Runnable reset = () -> {}, check = () -> {};
    static LongSupplier run;

    static double timePass() {
        reset.run();
        long start = System.nanoTime();
        long wrong = run.getAsLong();
        double seconds = (System.nanoTime() - start) * 1e-9;
        ForkJoin.check(wrong == 0);
        check.run();
        return seconds;
    }

    public static void main(String[] args) throws Exception {
        ForkJoin.parse(args);
        size = ForkJoin.n;
        steps = (long) ForkJoin.number("steps");
        double limit = ForkJoin.number("seconds");
        ForkJoin.note = "RecursiveTask; passes counted after " + WARM_UP * limit + " s";
        run = ForkJoin.options.get("place").equals("free") ? prepare(ForkJoin.workload) : null;
        if (run == null)
            System.exit(ForkJoin.UNSUPPORTED);
        double used = timePass(), first = used;
        for (int i = 1; limit > 0 && (i < WARM_UP_PASSES || used < WARM_UP * limit); i++)
            used += timePass();
        double[] seconds = new double[200];
        int n = 0;
        for (used = 0; n < seconds.length && (n == 0 || used < limit); n++)
            used += seconds[n] = timePass();
        Arrays.sort(seconds, 0, n);
        ForkJoin.report("", seconds[n / 2] * 1e9,
            "\"best_s\":%.9f,\"first_s\":%.9f,\"passes\":%d,\"steps\":%d", seconds[0], first, n, steps);
        System.exit(0);
    }
}
