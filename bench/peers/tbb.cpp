/* tbb.cpp: oneTBB. It has no futures: a task writes its result to an array.
 *
 * In futures and memory it is used as it is meant to be: the submitting thread is one of the
 * workers, task_group::run spawns and task_group::wait takes part (with one worker nothing runs
 * before it). The same for map and loop, by parallel_for. In submitters, roundtrip, storm and idle
 * the tasks are enqueued into an arena that has no place for the threads that submit, and a
 * countdown for each of these says when all are done.
 */
#include "bench.h"

#include <cstdlib>
#include <memory>
#include <new>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>
#include <tbb/version.h>

namespace {

setup given;
std::unique_ptr<tbb::global_control> control;
std::unique_ptr<tbb::task_arena> arena;
std::unique_ptr<tbb::task_group> group;
long *results; // given.size of each lane
countdown *countdowns;

void limit_threads(unsigned n) {
    control.reset();
    control =
        std::make_unique<tbb::global_control>(tbb::global_control::max_allowed_parallelism, n);
}

void open_group(const setup *setup) {
    given = *setup;
    limit_threads(given.workers);
    group = std::make_unique<tbb::task_group>();
    results = static_cast<long *>(bench_alloc(given.submitters * given.size * sizeof *results));
    countdowns = static_cast<countdown *>(bench_alloc(given.submitters * sizeof *countdowns));
    arena = std::make_unique<tbb::task_arena>(static_cast<int>(given.workers), 0);
}

void close_group() {
    group.reset();
    arena.reset();
    control.reset();
    std::free(results);
    std::free(countdowns);
}

void submit(unsigned, size_t n) {
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

long sum_of(const long *from, size_t n) {
    long sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += from[i];
    return sum;
}

long collect(unsigned, size_t n) {
    group->wait();
    return sum_of(results, n);
}

template <long call(long)> void enqueue(unsigned lane, size_t n) {
    static const bool is_limited = (limit_threads(given.workers + 1), true);
    (void)is_limited;
    long *mine = results + lane * given.size;
    countdown *done = &countdowns[lane];
    countdown_start(done, n);
    for (size_t i = 0; i < n; i++)
        arena->enqueue([mine, done, i] {
            mine[i] = call(static_cast<long>(i));
            countdown_finish(done);
        });
}

void submit_shared(unsigned lane, size_t n) {
    enqueue<bench_small>(lane, n);
}

long collect_shared(unsigned lane, size_t n) {
    countdown_wait(&countdowns[lane]);
    return sum_of(results + lane * given.size, n);
}

long roundtrip(long i) {
    static const bool is_limited = (limit_threads(given.workers + 1), true);
    (void)is_limited;
    countdown_start(countdowns, 1);
    arena->enqueue([i] {
        results[0] = bench_small(i);
        countdown_finish(countdowns);
    });
    return collect_shared(0, 1);
}

long burst(size_t n) {
    enqueue<bench_busy>(0, n);
    return collect_shared(0, n);
}

void loop(const long *items, long *out, size_t n) {
    tbb::parallel_for(tbb::blocked_range<size_t>(0, n),
                      [items, out](const tbb::blocked_range<size_t> &range) {
                          for (size_t i = range.begin(); i < range.end(); i++)
                              out[i] = bench_small(items[i]);
                      });
}

long map(const long *items, size_t n) {
    loop(items, results, n);
    return sum_of(results, n);
}

contender make_contender() {
    contender c = {};
    c.name = "tbb";
    c.note = "no futures. futures, memory, map, loop: the submitter is one of the workers";
    c.version = [] { return TBB_runtime_version(); };
    c.open = open_group;
    c.close = close_group;
    c.submit = submit;
    c.collect = collect;
    c.submit_shared = submit_shared;
    c.collect_shared = collect_shared;
    c.submit_wide = submit_wide;
    c.roundtrip = roundtrip;
    c.burst = burst;
    c.map = map;
    c.loop = loop;
    return c;
}

} // namespace

extern const contender bench_contender = make_contender();
