/* tbb.cpp: oneTBB. It has no futures: a task writes its result to an array, and task_group::wait
 * says when all are done. In futures and memory the submitting thread is one of the workers, as
 * task_group is meant to be used (with one worker nothing runs before wait). In roundtrip and idle
 * the task is enqueued into an arena that has no place for the submitting thread. */
#include "bench.h"

#include <cstdlib>
#include <memory>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>
#include <tbb/version.h>

namespace {

std::unique_ptr<tbb::global_control> control;
std::unique_ptr<tbb::task_arena> arena;
std::unique_ptr<tbb::task_group> group;
unsigned n_workers;
long *results;
alignas(128) std::uint32_t is_done;

void open_group(unsigned workers, double, size_t size) {
    n_workers = workers;
    control = std::make_unique<tbb::global_control>(tbb::global_control::max_allowed_parallelism,
                                                    workers);
    group = std::make_unique<tbb::task_group>();
    results = static_cast<long *>(bench_alloc(size * sizeof *results));
}

void close_group() {
    group.reset();
    arena.reset();
    control.reset();
    std::free(results);
}

void submit(size_t n) {
    for (size_t i = 0; i < n; i++)
        group->run([i] { results[i] = bench_small(static_cast<long>(i)); });
}

void submit_wide(size_t n) {
    long b = 1, c = 0, d = 0;
    for (size_t i = 0; i < n; i++) {
        long a = static_cast<long>(i), *result = &results[i];
        group->run([=, e = a] { *result = bench_wide(a, e, b, c, d); });
    }
}

long collect(size_t n) {
    long sum = 0;
    group->wait();
    for (size_t i = 0; i < n; i++)
        sum += results[i];
    return sum;
}

long roundtrip(long i) {
    if (!arena) {
        control.reset();
        control = std::make_unique<tbb::global_control>(
            tbb::global_control::max_allowed_parallelism, n_workers + 1);
        arena = std::make_unique<tbb::task_arena>(static_cast<int>(n_workers), 0);
    }
    __atomic_store_n(&is_done, 0, __ATOMIC_RELAXED);
    arena->enqueue([i] {
        results[0] = bench_small(i);
        __atomic_store_n(&is_done, 1, __ATOMIC_RELEASE);
        bench_futex_wake(&is_done);
    });
    bench_futex_wait(&is_done, 0);
    return results[0];
}

} // namespace

int main(int argc, char **argv) {
    contender tbb_contender = {};
    tbb_contender.name = "tbb";
    tbb_contender.version = TBB_runtime_version();
    tbb_contender.note = "no futures: task_group; the submitter is one of the workers";
    tbb_contender.open = open_group;
    tbb_contender.close = close_group;
    tbb_contender.submit = submit;
    tbb_contender.submit_wide = submit_wide;
    tbb_contender.collect = collect;
    tbb_contender.roundtrip = roundtrip;
    return bench_main(argc, argv, &tbb_contender);
}
