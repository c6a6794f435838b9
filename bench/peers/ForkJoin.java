// ForkJoin.java: Java's ForkJoinPool: the options and the lines of harness/bench.c. Every task has a
// future of its own (ForkJoinTask), and the caller is no worker. map and loop are parallel streams
// inside the pool. "warm" is the median of N_WARM passes, after WARM_UP more than others need, for the
// sake of the compiler. suite/peers/Suite.java shares what is not about workloads.

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ForkJoinTask;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

public class ForkJoin {
    static final int WARM_UP = 5, N_WARM = 5, N_PASSES = 1 + WARM_UP + N_WARM, UNSUPPORTED = 77;
    static final Map<String, String> options = new HashMap<>();
    static {
        setAll("workers=1 submitters=1 size=1000000 bytes=0 spin=0 pause=0 work=0 seconds=10 steps=0"
            + " processes=1 place=free round=0");
    }
    static String workload, note = "ForkJoinPool; warm: after " + WARM_UP + " more passes";
    static int n, workers, submitters;
    static ForkJoinPool pool;

    static void setAll(String defaults) {
        for (String option : defaults.split(" "))
            options.put(option.split("=")[0], option.split("=")[1]);
    }

    static long small(long i) {
        return 2 * i + 1;
    }

    static long wide(long a, long b, long c, long d, long e) {
        return a + b + c + d + e;
    }

    static long busy(long i, long workNs) {
        if (workNs > 0)
            for (long end = System.nanoTime() + workNs; System.nanoTime() < end;)
                ;
        return 2 * i + 1;
    }

    static double number(String name) {
        return Double.parseDouble(options.get(name));
    }

    static void check(boolean isRight) {
        if (!isRight)
            throw new IllegalStateException("java: wrong result");
    }

    static long statusKb(String name) throws Exception {
        for (String line : Files.readAllLines(Path.of("/proc/self/status")))
            if (line.startsWith(name))
                return Long.parseLong(line.replaceAll("[^0-9]", ""));
        return -1;
    }

    static void report(String pass, double ns, String figures, Object... values) throws Exception {
        System.out.printf(Locale.ROOT, "{\"workload\":\"%s\",\"contender\":\"java\","
                + "\"version\":\"%s\",\"note\":\"%s\","
                + "\"flags\":\"%s\",\"round\":%s,\"pass\":\"%s\",\"workers\":%d,"
                + "\"submitters\":%d,\"size\":%d,\"place\":\"%s\",\"spin_s\":%s,\"pause_s\":%s,"
                + "\"work_s\":%s,\"processes\":%s,\"seconds\":%.9f,\"peak_kb\":%d,", workload,
            System.getProperty("java.version"), note, System.getProperty("java.vm.name"),
            options.get("round"), pass, workers, submitters, n, options.get("place"),
            options.get("spin"), options.get("pause"), options.get("work"), options.get("processes"),
            ns * 1e-9, statusKb("VmHWM:"));
        System.out.printf(Locale.ROOT, figures + "}\n", values);
    }

    static void sleep(double seconds) {
        for (long end = System.nanoTime() + (long) (seconds * 1e9); System.nanoTime() < end;)
            LockSupport.parkNanos(Math.max(end - System.nanoTime(), 1));
    }

    interface Submitter {
        ForkJoinTask<Long> submit(long i);
    }

    static void submitAll(ForkJoinTask<Long>[] futures, Submitter submitter) {
        for (int i = 0; i < futures.length; i++)
            futures[i] = submitter.submit(i);
    }

    static void collectAll(ForkJoinTask<Long>[] futures) {
        long sum = 0;
        for (int i = 0; i < futures.length; i++) {
            sum += futures[i].join();
            futures[i] = null;
        }
        check(sum == (long) futures.length * futures.length);
    }

    static ForkJoinTask<Long> submitSmall(long i) {
        return pool.submit((Callable<Long>) () -> small(i));
    }

    @SuppressWarnings("unchecked")
    static ForkJoinTask<Long>[] makeFutures(int size) {
        return new ForkJoinTask[size];
    }

    /** The number of the warm pass with the median time. */
    static int medianPass(double[] ns) {
        return IntStream.range(1 + WARM_UP, N_PASSES).boxed()
            .sorted((a, b) -> Double.compare(ns[a], ns[b])).skip(N_WARM / 2).findFirst().get();
    }

    static void runFutures() throws Exception {
        ForkJoinTask<Long>[] futures = makeFutures(n);
        double[] ns = new double[N_PASSES], submitNs = new double[N_PASSES];
        for (int pass = 0; pass < N_PASSES; pass++) {
            long start = System.nanoTime();
            submitAll(futures, ForkJoin::submitSmall);
            submitNs[pass] = System.nanoTime() - start;
            collectAll(futures);
            ns[pass] = System.nanoTime() - start;
        }
        for (int pass : new int[] {0, medianPass(ns)})
            report(pass == 0 ? "cold" : "warm", ns[pass], "\"submit_ns\":%.2f,\"task_ns\":%.2f",
                submitNs[pass] / n, ns[pass] / n);
    }

    static void runSubmitters() throws Exception {
        CyclicBarrier barrier = new CyclicBarrier(submitters);
        long[][] begin = new long[N_PASSES][submitters], end = new long[N_PASSES][submitters];
        Thread[] threads = new Thread[submitters];
        for (int i = 0; i < submitters; i++) {
            int lane = i;
            ForkJoinTask<Long>[] futures = makeFutures(n);
            threads[i] = new Thread(() -> {
                try {
                    for (int pass = 0; pass < N_PASSES; pass++) {
                        barrier.await();
                        begin[pass][lane] = System.nanoTime();
                        submitAll(futures, ForkJoin::submitSmall);
                        collectAll(futures);
                        end[pass][lane] = System.nanoTime();
                    }
                } catch (Exception e) {
                    e.printStackTrace();
                    System.exit(1);
                }
            });
            threads[i].start();
        }
        for (Thread thread : threads)
            thread.join();
        double[] ns = new double[N_PASSES];
        double all = (double) n * submitters;
        for (int pass = 0; pass < N_PASSES; pass++)
            ns[pass] = Arrays.stream(end[pass]).max().getAsLong()
                - Arrays.stream(begin[pass]).min().getAsLong();
        for (int pass : new int[] {0, medianPass(ns)})
            report(pass == 0 ? "cold" : "warm", ns[pass],
                "\"task_ns\":%.2f,\"tasks_per_s\":%.0f", ns[pass] / all, all / ns[pass] * 1e9);
    }

    static void runMemory() throws Exception {
        ForkJoinTask<Long>[] futures = makeFutures(n);
        CountDownLatch entered = new CountDownLatch(1), opened = new CountDownLatch(1);
        pool.submit(() -> {
            entered.countDown();
            opened.await();
            return null;
        });
        entered.await();
        long before = statusKb("VmRSS:");
        long start = System.nanoTime();
        submitAll(futures, i -> {
            long a = i, b = i, c = 1, d = i - i, e = b - i;
            return pool.submit((Callable<Long>) () -> wide(a, b, c, d, e));
        });
        double ns = System.nanoTime() - start;
        long after = statusKb("VmHWM:");
        opened.countDown();
        collectAll(futures);
        report("", ns, "\"task_bytes\":%.1f", (after - before) * 1024.0 / n);
    }

    /** Pins the pool's workers to the second usable processor, all other threads to the first. */
    static void pinApart() throws Exception {
        String list = Files.readAllLines(Path.of("/proc/self/status")).stream()
            .filter(line -> line.startsWith("Cpus_allowed_list:")).findFirst().get();
        String[] ranges = list.replaceAll(".*:\\s*", "").split(",");
        int[] cpus = Arrays.stream(ranges).flatMapToInt(range -> {
            String[] ends = range.split("-");
            return IntStream.rangeClosed(Integer.parseInt(ends[0]),
                Integer.parseInt(ends[ends.length - 1]));
        }).limit(2).toArray();
        for (File thread : new File("/proc/self/task").listFiles()) {
            String name = Files.readString(thread.toPath().resolve("comm"));
            new ProcessBuilder("taskset", "-cp", "" + cpus[name.startsWith("ForkJoin") ? 1 : 0],
                thread.getName()).redirectOutput(ProcessBuilder.Redirect.DISCARD).start().waitFor();
        }
    }

    static void runRoundtrip() throws Exception {
        double pause = number("pause");
        int warmUp = pause > 0 ? n / 10 + 1 : Math.max(n, 10000);
        long[] ns = new long[n];
        check(submitSmall(1).join() == 3);
        if (!options.get("place").equals("free"))
            pinApart();
        for (int i = 0; i < warmUp + n; i++) {
            if (pause > 0)
                sleep(pause);
            long start = System.nanoTime();
            long result = submitSmall(i).join();
            long taken = System.nanoTime() - start;
            check(result == 2L * i + 1);
            if (i >= warmUp)
                ns[i - warmUp] = taken;
        }
        Arrays.sort(ns);
        report("", Arrays.stream(ns).sum(),
            "\"min_ns\":%d,\"p50_ns\":%d,\"p90_ns\":%d,\"p99_ns\":%d", ns[0], ns[n / 2],
            ns[(int) (n * 9L / 10)], ns[(int) (n * 99L / 100)]);
    }

    static void reportItems(double[] ns) throws Exception {
        for (int pass : new int[] {0, medianPass(ns)})
            report(pass == 0 ? "cold" : "warm", ns[pass], "\"item_ns\":%.3f", ns[pass] / n);
    }

    static void runMap() throws Exception {
        long[] items = LongStream.range(0, n).toArray();
        double[] ns = new double[N_PASSES];
        for (int pass = 0; pass < N_PASSES; pass++) {
            long start = System.nanoTime(), sum = 0;
            long[] results = pool.submit(
                () -> Arrays.stream(items).parallel().map(ForkJoin::small).toArray()).get();
            for (long result : results)
                sum += result;
            ns[pass] = System.nanoTime() - start;
            check(sum == (long) n * n);
        }
        reportItems(ns);
    }

    static void runLoop() throws Exception {
        long[] items = LongStream.range(0, n).toArray(), results = new long[n];
        double[] ns = new double[N_PASSES];
        for (int pass = 0; pass < N_PASSES; pass++) {
            long start = System.nanoTime();
            pool.submit(() -> IntStream.range(0, n).parallel()
                .forEach(i -> results[i] = small(items[i]))).get();
            ns[pass] = System.nanoTime() - start;
            for (int i = 0; i < n; i++) {
                check(results[i] == 2L * i + 1);
                results[i] = 0;
            }
        }
        reportItems(ns);
    }

    static void burst(ForkJoinTask<Long>[] futures, long workNs) {
        submitAll(futures, i -> pool.submit((Callable<Long>) () -> busy(i, workNs)));
        collectAll(futures);
    }

    /** Context switches cannot be asked for in Java; they are left out. */
    static void runStorm() throws Exception {
        long[] ns = new long[n];
        ForkJoinTask<Long>[] futures = makeFutures(workers);
        long workNs = (long) (number("work") * 1e9);
        for (int i = 0; i < 5000; i++)
            burst(futures, 0);
        sleep(number("pause"));
        for (int i = 0; i < n; i++) {
            long start = System.nanoTime();
            burst(futures, workNs);
            ns[i] = System.nanoTime() - start;
            sleep(number("pause"));
        }
        Arrays.sort(ns);
        report("", Arrays.stream(ns).sum(), "\"p50_ns\":%d,\"p90_ns\":%d,\"p99_ns\":%d",
            ns[n / 2], ns[(int) (n * 9L / 10)], ns[(int) (n * 99L / 100)]);
    }

    /** Seconds in the two clocks and context switches, of the pool's threads. */
    static double[] poolUsage() throws Exception {
        double[] sum = {0, 0};
        for (File thread : new File("/proc/self/task").listFiles()) {
            if (!Files.readString(thread.toPath().resolve("comm")).startsWith("ForkJoin"))
                continue;
            String schedule = Files.readString(thread.toPath().resolve("schedstat"));
            sum[0] += Long.parseLong(schedule.split(" ")[0]) * 1e-9;
            for (String line : Files.readAllLines(thread.toPath().resolve("status")))
                if (line.startsWith("voluntary_ctxt_switches:"))
                    sum[1] += Long.parseLong(line.replaceAll("[^0-9]", ""));
        }
        return sum;
    }

    static void runIdle() throws Exception {
        burst(makeFutures(workers), 0);
        sleep(0.5);
        double[] before = poolUsage();
        long start = System.nanoTime();
        sleep(number("seconds"));
        double ns = System.nanoTime() - start;
        double[] after = poolUsage();
        report("", ns, "\"cpu_s_per_min\":%.6f,\"wakeups_per_min\":%.1f",
            (after[0] - before[0]) * 60e9 / ns, (after[1] - before[1]) * 60e9 / ns);
    }

    interface Workload {
        void run() throws Exception;
    }

    /** Takes the options, and opens the pool. */
    static void parse(String[] args) {
        for (String arg : args)
            if (arg.startsWith("--")) {
                String[] parts = arg.substring(2).split("=", 2);
                if (parts.length != 2 || options.replace(parts[0], parts[1]) == null)
                    throw new IllegalArgumentException(arg);
            } else {
                workload = arg;
            }
        n = (int) number("size");
        workers = (int) number("workers");
        submitters = (int) number("submitters");
        pool = new ForkJoinPool(workers);
    }

    public static void main(String[] args) throws Exception {
        parse(args);
        Workload run = Map.<String, Workload>of("futures", ForkJoin::runFutures, "submitters",
            ForkJoin::runSubmitters, "memory", ForkJoin::runMemory, "roundtrip",
            ForkJoin::runRoundtrip, "map", ForkJoin::runMap, "loop", ForkJoin::runLoop, "storm",
            ForkJoin::runStorm, "idle", ForkJoin::runIdle).get(workload);
        // All threads of the virtual machine on one core would measure the compiler.
        if (run == null || number("spin") > 0 || options.get("place").equals("same"))
            System.exit(UNSUPPORTED);
        run.run();
        System.exit(0);
    }
}
