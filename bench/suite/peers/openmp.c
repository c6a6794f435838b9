/* openmp.c: OpenMP tasks, by gcc (libgomp) and by clang (libomp). The calling thread opens a team of
 * as many threads as there are workers for each application, and is one of them. The last
 * child is a call; where the order matters to the caches that is the first part. */
#include "suite.h"

#include <omp.h>
#include <stdio.h>

static int workers;

static void open_team(const struct setup *setup) {
    workers = (int)setup->workers;
    omp_set_dynamic(0);
}

static void close_team(void) {}

/* --- fib --- */

static long fib(long n) {
    if (n < 2)
        return n;
    long a, b;
#pragma omp task shared(a)
    a = fib(n - 1);
    b = fib(n - 2);
#pragma omp taskwait
    return a + b;
}

static long run_fib(long n) {
    long value;
#pragma omp parallel num_threads(workers)
#pragma omp single
    value = fib(n);
    return value;
}

/* --- skynet --- */

static long skynet(long first, long size, long n_children) {
    if (size == 1)
        return first;
    long sums[SKYNET_CHILDREN], sum = 0, part = size / n_children;
    for (long i = 0; i < n_children; i++)
#pragma omp task shared(sums) firstprivate(i)
        sums[i] = skynet(first + i * part, part, n_children);
#pragma omp taskwait
    for (long i = 0; i < n_children; i++)
        sum += sums[i];
    return sum;
}

static long run_skynet(long first, long size, long n_children) {
    long sum;
#pragma omp parallel num_threads(workers)
#pragma omp single
    sum = skynet(first, size, n_children);
    return sum;
}

/* --- nqueens --- */

static long nqueens(struct queens queens) {
    if (queens.row == queens.n)
        return 1;
    long ways[sizeof queens.column], sum = 0;
    int n_children = 0;
    for (int column = 0; column < queens.n; column++)
        if (suite_is_safe(&queens, column)) {
            struct queens next = suite_with_queen(queens, column);
            long *to = &ways[n_children++];
#pragma omp task firstprivate(next, to)
            *to = nqueens(next);
        }
#pragma omp taskwait
    for (int i = 0; i < n_children; i++)
        sum += ways[i];
    return sum;
}

static long run_nqueens(struct queens queens) {
    long ways;
#pragma omp parallel num_threads(workers)
#pragma omp single
    ways = nqueens(queens);
    return ways;
}

/* --- uts --- */

static long uts(struct uts_node node) {
    int n = suite_count_children(&node);
    if (n == 0)
        return 1;
    long nodes[n], sum = 1;
    for (int i = 0; i < n; i++) {
        struct uts_node child = suite_child(&node, i);
#pragma omp task shared(nodes) firstprivate(child, i)
        nodes[i] = uts(child);
    }
#pragma omp taskwait
    for (int i = 0; i < n; i++)
        sum += nodes[i];
    return sum;
}

static long run_uts(struct uts_node root) {
    long nodes;
#pragma omp parallel num_threads(workers)
#pragma omp single
    nodes = uts(root);
    return nodes;
}

/* --- matmul --- */

static void matmul(struct matmul m) {
    if (m.n <= MATMUL_BASE) {
        suite_matmul_base(&m);
        return;
    }
    for (int k = 0; k < 2; k++) {
#pragma omp task firstprivate(m, k)
        matmul(suite_quarter(&m, 1, 1, k));
#pragma omp task firstprivate(m, k)
        matmul(suite_quarter(&m, 1, 0, k));
#pragma omp task firstprivate(m, k)
        matmul(suite_quarter(&m, 0, 1, k));
        matmul(suite_quarter(&m, 0, 0, k));
#pragma omp taskwait
    }
}

static void run_matmul(struct matmul m) {
#pragma omp parallel num_threads(workers)
#pragma omp single
    matmul(m);
}

/* --- cilksort --- */

static void merge(struct merge m) {
    if (m.n_a + m.n_b <= MERGE_BASE) {
        suite_merge_base(&m);
        return;
    }
    struct merge low, high;
    suite_split(&m, &low, &high);
#pragma omp task firstprivate(high)
    merge(high);
    merge(low);
#pragma omp taskwait
}

static void cilksort(long *items, long *scratch, size_t n) {
    if (n <= SORT_BASE) {
        suite_sort_base(items, n);
        return;
    }
    size_t quarter = n / 4, half = 2 * quarter;
#pragma omp task
    cilksort(items + 3 * quarter, scratch + 3 * quarter, n - 3 * quarter);
    for (size_t at = half; at > 0; at -= quarter)
#pragma omp task firstprivate(at)
        cilksort(items + at, scratch + at, quarter);
    cilksort(items, scratch, quarter);
#pragma omp taskwait
#pragma omp task
    merge(suite_merge_of(items + half, quarter, n - half, scratch + half));
    merge(suite_merge_of(items, quarter, half, scratch));
#pragma omp taskwait
    merge(suite_merge_of(scratch, half, n, items));
}

static void run_cilksort(long *items, long *scratch, size_t n) {
#pragma omp parallel num_threads(workers)
#pragma omp single
    cilksort(items, scratch, n);
}

/* --- range --- */

static long range(long (*leaf)(long i), long first, long end) {
    if (end - first == 1)
        return leaf(first);
    long middle = first + (end - first) / 2, low, high;
#pragma omp task shared(high)
    high = range(leaf, middle, end);
    low = range(leaf, first, middle);
#pragma omp taskwait
    return low + high;
}

static long run_range(long (*leaf)(long i), long first, long end) {
    long sum;
#pragma omp parallel num_threads(workers)
#pragma omp single
    sum = range(leaf, first, end);
    return sum;
}

/* The OpenMP version that the compiler follows, by its date. */
static const char *version(void) {
    static char text[32];
    snprintf(text, sizeof text, "OpenMP %d", _OPENMP);
    return text;
}

const struct contender bench_contender = {
    .name = SUITE_NAME,
    .note = "tasks",
    .version = version,
    .open = open_team,
    .close = close_team,
};

const struct applications suite_applications = {
    .fib = run_fib,
    .skynet = run_skynet,
    .nqueens = run_nqueens,
    .uts = run_uts,
    .matmul = run_matmul,
    .cilksort = run_cilksort,
    .range = run_range,
};
