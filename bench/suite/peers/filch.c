/* filch.c: this library. Each application is one filch_run, from a thread that is not a worker. Where the
 * order matters to the caches, what comes last is spawned first: the newest is taken back first. */
#include "suite.h"

#include <filch/filch.h>

static filch_executor *pool;

static void open_pool(const struct setup *setup) {
    pool = filch_thread_pool(.max_workers = (int)setup->workers);
    if (pool == NULL)
        bench_fail("%s", filch_error_message());
}

static void close_pool(void) {
    filch_close(pool);
}

static void expect_ok(filch_status status) {
    if (status != FILCH_OK)
        bench_fail("%s: %s", filch_status_name(status), filch_error_message());
}

/* --- fib --- */

static long fib(filch_stack *top, long n);
FILCH_FORK_TASK(long, fib, long);

static long fib(filch_stack *top, long n) {
    if (n < 2)
        return n;
    filch_spawn(top, fib, n - 1);
    long b = fib(top, n - 2);
    return filch_sync(top, fib) + b;
}

static long run_fib(long n) {
    long value;
    expect_ok(filch_run(pool, fib, &value, n));
    return value;
}

/* --- skynet --- */

static long skynet(filch_stack *top, long first, long size, long n_children);
FILCH_FORK_TASK(long, skynet, long, long, long);

static long skynet(filch_stack *top, long first, long size, long n_children) {
    if (size == 1)
        return first;
    long sum = 0, part = size / n_children;
    for (long i = 0; i < n_children; i++)
        filch_spawn(top, skynet, first + i * part, part, n_children);
    for (long i = 0; i < n_children; i++)
        sum += filch_sync(top, skynet);
    return sum;
}

static long run_skynet(long first, long size, long n_children) {
    long sum;
    expect_ok(filch_run(pool, skynet, &sum, first, size, n_children));
    return sum;
}

/* --- nqueens --- */

static long nqueens(filch_stack *top, struct queens queens);
FILCH_FORK_TASK(long, nqueens, struct queens);

static long nqueens(filch_stack *top, struct queens queens) {
    if (queens.row == queens.n)
        return 1;
    int n_children = 0;
    for (int column = 0; column < queens.n; column++)
        if (suite_is_safe(&queens, column)) {
            filch_spawn(top, nqueens, suite_with_queen(queens, column));
            n_children++;
        }
    long ways = 0;
    while (n_children-- > 0)
        ways += filch_sync(top, nqueens);
    return ways;
}

static long run_nqueens(struct queens queens) {
    long ways;
    expect_ok(filch_run(pool, nqueens, &ways, queens));
    return ways;
}

/* --- uts --- */

static long uts(filch_stack *top, struct uts_node node);
FILCH_FORK_TASK(long, uts, struct uts_node);

static long uts(filch_stack *top, struct uts_node node) {
    int n = suite_count_children(&node);
    for (int i = 0; i < n; i++)
        filch_spawn(top, uts, suite_child(&node, i));
    long nodes = 1;
    for (int i = 0; i < n; i++)
        nodes += filch_sync(top, uts);
    return nodes;
}

static long run_uts(struct uts_node root) {
    long nodes;
    expect_ok(filch_run(pool, uts, &nodes, root));
    return nodes;
}

/* --- matmul --- */

static void matmul(filch_stack *top, struct matmul m);
FILCH_FORK_TASK_VOID(matmul, struct matmul);

static void matmul(filch_stack *top, struct matmul m) {
    if (m.n <= MATMUL_BASE) {
        suite_matmul_base(&m);
        return;
    }
    for (int k = 0; k < 2; k++) {
        filch_spawn(top, matmul, suite_quarter(&m, 1, 1, k));
        filch_spawn(top, matmul, suite_quarter(&m, 1, 0, k));
        filch_spawn(top, matmul, suite_quarter(&m, 0, 1, k));
        matmul(top, suite_quarter(&m, 0, 0, k));
        for (int i = 0; i < 3; i++)
            filch_sync(top, matmul);
    }
}

static void run_matmul(struct matmul m) {
    expect_ok(filch_run(pool, matmul, NULL, m));
}

/* --- cilksort --- */

static void merge(filch_stack *top, struct merge m);
FILCH_FORK_TASK_VOID(merge, struct merge);

static void merge(filch_stack *top, struct merge m) {
    if (m.n_a + m.n_b <= MERGE_BASE) {
        suite_merge_base(&m);
        return;
    }
    struct merge low, high;
    suite_split(&m, &low, &high);
    filch_spawn(top, merge, high);
    merge(top, low);
    filch_sync(top, merge);
}

static void cilksort(filch_stack *top, long *items, long *scratch, size_t n);
FILCH_FORK_TASK_VOID(cilksort, long *, long *, size_t);

static void cilksort(filch_stack *top, long *items, long *scratch, size_t n) {
    if (n <= SORT_BASE) {
        suite_sort_base(items, n);
        return;
    }
    size_t quarter = n / 4, half = 2 * quarter;
    filch_spawn(top, cilksort, items + 3 * quarter, scratch + 3 * quarter, n - 3 * quarter);
    for (size_t at = half; at > 0; at -= quarter)
        filch_spawn(top, cilksort, items + at, scratch + at, quarter);
    cilksort(top, items, scratch, quarter);
    for (int i = 0; i < 3; i++)
        filch_sync(top, cilksort);
    filch_spawn(top, merge, suite_merge_of(items + half, quarter, n - half, scratch + half));
    merge(top, suite_merge_of(items, quarter, half, scratch));
    filch_sync(top, merge);
    merge(top, suite_merge_of(scratch, half, n, items));
}

static void run_cilksort(long *items, long *scratch, size_t n) {
    expect_ok(filch_run(pool, cilksort, NULL, items, scratch, n));
}

/* --- range --- */

typedef long leaf_function(long i);
static long range(filch_stack *top, leaf_function *leaf, long first, long end);
FILCH_FORK_TASK(long, range, leaf_function *, long, long);

static long range(filch_stack *top, leaf_function *leaf, long first, long end) {
    if (end - first == 1)
        return leaf(first);
    long middle = first + (end - first) / 2;
    filch_spawn(top, range, leaf, middle, end);
    long sum = range(top, leaf, first, middle);
    return filch_sync(top, range) + sum;
}

static long run_range(long (*leaf)(long i), long first, long end) {
    long sum;
    expect_ok(filch_run(pool, range, &sum, leaf, first, end));
    return sum;
}

const struct contender bench_contender = {
    .name = SUITE_NAME,
    .note = "",
    .open = open_pool,
    .close = close_pool,
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
