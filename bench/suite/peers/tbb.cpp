/* tbb.cpp: oneTBB. Two or four children go to parallel_invoke, others to a task_group; fib takes the
 * same time with either, within 3 %. The calling thread is one of the workers. */
#include "suite.h"

#include <memory>
#include <tbb/global_control.h>
#include <tbb/parallel_invoke.h>
#include <tbb/task_group.h>
#include <tbb/version.h>

namespace {

std::unique_ptr<tbb::global_control> control;

void open_control(const setup *setup) {
    control = std::make_unique<tbb::global_control>(tbb::global_control::max_allowed_parallelism,
                                                    setup->workers);
}

void close_control() {
    control.reset();
}

long fib(long n) {
    if (n < 2)
        return n;
    long a, b;
    tbb::parallel_invoke([&] { a = fib(n - 1); }, [&] { b = fib(n - 2); });
    return a + b;
}

long skynet(long first, long size, long n_children) {
    if (size == 1)
        return first;
    long sums[SKYNET_CHILDREN], sum = 0, part = size / n_children;
    tbb::task_group group;
    for (long i = 0; i < n_children; i++)
        group.run([=, to = &sums[i]] { *to = skynet(first + i * part, part, n_children); });
    group.wait();
    for (long i = 0; i < n_children; i++)
        sum += sums[i];
    return sum;
}

long nqueens(queens board) {
    if (board.row == board.n)
        return 1;
    long ways[sizeof board.column], sum = 0;
    int n_children = 0;
    tbb::task_group group;
    for (int column = 0; column < board.n; column++)
        if (suite_is_safe(&board, column))
            group.run([next = suite_with_queen(board, column), to = &ways[n_children++]] {
                *to = nqueens(next);
            });
    group.wait();
    for (int i = 0; i < n_children; i++)
        sum += ways[i];
    return sum;
}

long uts(uts_node node) {
    int n = suite_count_children(&node);
    long *nodes = static_cast<long *>(__builtin_alloca(sizeof(long) * static_cast<size_t>(n)));
    long sum = 1;
    tbb::task_group group;
    for (int i = 0; i < n; i++)
        group.run([child = suite_child(&node, i), to = &nodes[i]] { *to = uts(child); });
    group.wait();
    for (int i = 0; i < n; i++)
        sum += nodes[i];
    return sum;
}

void multiply(matmul m) {
    if (m.n <= MATMUL_BASE) {
        suite_matmul_base(&m);
        return;
    }
    for (int k = 0; k < 2; k++)
        tbb::parallel_invoke([=] { multiply(suite_quarter(&m, 0, 0, k)); },
                             [=] { multiply(suite_quarter(&m, 0, 1, k)); },
                             [=] { multiply(suite_quarter(&m, 1, 0, k)); },
                             [=] { multiply(suite_quarter(&m, 1, 1, k)); });
}

void merge_parts(merge m) {
    if (m.n_a + m.n_b <= MERGE_BASE) {
        suite_merge_base(&m);
        return;
    }
    merge low, high;
    suite_split(&m, &low, &high);
    tbb::parallel_invoke([=] { merge_parts(low); }, [=] { merge_parts(high); });
}

void cilksort(long *items, long *scratch, size_t n) {
    if (n <= SORT_BASE) {
        suite_sort_base(items, n);
        return;
    }
    size_t quarter = n / 4, half = 2 * quarter, rest = 3 * quarter;
    tbb::parallel_invoke([=] { cilksort(items, scratch, quarter); },
                         [=] { cilksort(items + quarter, scratch + quarter, quarter); },
                         [=] { cilksort(items + half, scratch + half, quarter); },
                         [=] { cilksort(items + rest, scratch + rest, n - rest); });
    tbb::parallel_invoke(
        [=] { merge_parts(suite_merge_of(items, quarter, half, scratch)); },
        [=] { merge_parts(suite_merge_of(items + half, quarter, n - half, scratch + half)); });
    merge_parts(suite_merge_of(scratch, half, n, items));
}

long range(long (*leaf)(long i), long first, long end) {
    if (end - first == 1)
        return leaf(first);
    long middle = first + (end - first) / 2, low, high;
    tbb::parallel_invoke([&] { low = range(leaf, first, middle); },
                         [&] { high = range(leaf, middle, end); });
    return low + high;
}

contender make_contender() {
    contender c = {};
    c.name = SUITE_NAME;
    c.note = "parallel_invoke, task_group where there are more than four children";
    c.version = [] { return TBB_runtime_version(); };
    c.open = open_control;
    c.close = close_control;
    return c;
}

} // namespace

extern const contender bench_contender = make_contender();
extern const applications suite_applications = {fib,      skynet,   nqueens, uts,
                                                multiply, cilksort, range};
