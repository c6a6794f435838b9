/* serial.c: the same recursion without a library: plain calls in the calling thread. */
#include "suite.h"

static void open_nothing(const struct setup *setup) {
    if (setup->workers != 1)
        bench_fail("there is one worker");
}

static void close_nothing(void) {}

static long fib(long n) {
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static long skynet(long first, long size, long n_children) {
    if (size == 1)
        return first;
    long sum = 0, part = size / n_children;
    for (long i = 0; i < n_children; i++)
        sum += skynet(first + i * part, part, n_children);
    return sum;
}

static long nqueens(struct queens queens) {
    if (queens.row == queens.n)
        return 1;
    long ways = 0;
    for (int column = 0; column < queens.n; column++)
        if (suite_is_safe(&queens, column))
            ways += nqueens(suite_with_queen(queens, column));
    return ways;
}

static long uts(struct uts_node node) {
    int n = suite_count_children(&node);
    long nodes = 1;
    for (int i = 0; i < n; i++)
        nodes += uts(suite_child(&node, i));
    return nodes;
}

static void matmul(struct matmul m) {
    if (m.n <= MATMUL_BASE) {
        suite_matmul_base(&m);
        return;
    }
    for (int k = 0; k < 2; k++) {
        matmul(suite_quarter(&m, 0, 0, k));
        matmul(suite_quarter(&m, 0, 1, k));
        matmul(suite_quarter(&m, 1, 0, k));
        matmul(suite_quarter(&m, 1, 1, k));
    }
}

static void merge(struct merge m) {
    if (m.n_a + m.n_b <= MERGE_BASE) {
        suite_merge_base(&m);
        return;
    }
    struct merge low, high;
    suite_split(&m, &low, &high);
    merge(low);
    merge(high);
}

static void cilksort(long *items, long *scratch, size_t n) {
    if (n <= SORT_BASE) {
        suite_sort_base(items, n);
        return;
    }
    size_t quarter = n / 4, half = 2 * quarter;
    for (size_t at = 0; at < 3 * quarter; at += quarter)
        cilksort(items + at, scratch + at, quarter);
    cilksort(items + 3 * quarter, scratch + 3 * quarter, n - 3 * quarter);
    merge(suite_merge_of(items, quarter, half, scratch));
    merge(suite_merge_of(items + half, quarter, n - half, scratch + half));
    merge(suite_merge_of(scratch, half, n, items));
}

static long range(long (*leaf)(long i), long first, long end) {
    if (end - first == 1)
        return leaf(first);
    long middle = first + (end - first) / 2;
    return range(leaf, first, middle) + range(leaf, middle, end);
}

const struct contender bench_contender = {
    .name = SUITE_NAME,
    .note = "plain calls",
    .open = open_nothing,
    .close = close_nothing,
};

const struct applications suite_applications = {
    .fib = fib,
    .skynet = skynet,
    .nqueens = nqueens,
    .uts = uts,
    .matmul = matmul,
    .cilksort = cilksort,
    .range = range,
};
