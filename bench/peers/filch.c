/* filch.c: this library. A future per task, each collected with filch_result and filch_release. */
#include "bench.h"

#include <filch/filch.h>
#include <stdlib.h>

FILCH_TASK(long, bench_small, long);
FILCH_TASK(long, bench_busy, long);
FILCH_TASK(long, bench_wide, long, long, long, long, long);
FILCH_TASK_VOID(bench_gate_pass);

static filch_executor *pool;
static size_t capacity;
static filch_future **futures; /* `capacity` of each lane */

static void open_pool(const struct setup *setup) {
    pool = filch_thread_pool(.max_workers = (int)setup->workers,
                             .spin = setup->spin_s < 0 ? FILCH_NO_SPIN : setup->spin_s);
    if (pool == NULL)
        bench_fail("%s", filch_error_message());
    capacity = setup->size;
    futures = bench_alloc(setup->submitters * capacity * sizeof(filch_future *));
}

static void close_pool(void) {
    filch_close(pool);
    free((void *)futures);
}

static filch_future *checked(filch_future *future) {
    if (future == NULL)
        bench_fail("submit: %s", filch_error_message());
    return future;
}

static long finish(filch_future *future) {
    long result;
    if (filch_result(future, &result) != FILCH_OK)
        bench_fail("result: %s", filch_error_message());
    filch_release(future);
    return result;
}

static void submit(unsigned lane, size_t n) {
    filch_future **mine = futures + lane * capacity;
    for (size_t i = 0; i < n; i++)
        mine[i] = checked(filch_submit(pool, bench_small, (long)i));
}

static void submit_wide(size_t n) {
    for (size_t i = 0; i < n; i++)
        futures[i] = checked(filch_submit(pool, bench_wide, (long)i, (long)i, 1, 0, 0));
}

static long collect(unsigned lane, size_t n) {
    filch_future **mine = futures + lane * capacity;
    long sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += finish(mine[i]);
    return sum;
}

static long roundtrip(long i) {
    return finish(checked(filch_submit(pool, bench_small, i)));
}

static long burst(size_t n) {
    for (size_t i = 0; i < n; i++)
        futures[i] = checked(filch_submit(pool, bench_busy, (long)i));
    return collect(0, n);
}

static void hold(void) {
    filch_release(checked(filch_submit(pool, bench_gate_pass)));
}

static long map(const long *items, size_t n) {
    if (items == NULL)
        bench_fail("map: no items");
    filch_results *results = filch_map(pool, bench_small, items, n);
    filch_status status;
    long sum = 0, value;
    while ((status = filch_results_next(results, &value)) == FILCH_OK)
        sum += value;
    if (status != FILCH_END)
        bench_fail("map: %s", filch_error_message());
    filch_results_close(results);
    return sum;
}

struct arrays {
    const long *items;
    long *results;
};

static void loop_over(size_t begin, size_t end, void *arg) {
    const struct arrays *arrays = arg;
    for (size_t i = begin; i < end; i++)
        arrays->results[i] = bench_small(arrays->items[i]);
}

static void loop(const long *items, long *results, size_t n) {
    struct arrays arrays = {items, results};
    if (filch_for(pool, 0, n, loop_over, &arrays) != FILCH_OK)
        bench_fail("for: %s", filch_error_message());
}

const struct contender bench_contender = {
    .name = "filch",
    .note = "",
    .can_spin = true,
    .open = open_pool,
    .close = close_pool,
    .submit = submit,
    .collect = collect,
    .submit_shared = submit,
    .collect_shared = collect,
    .submit_wide = submit_wide,
    .hold = hold,
    .roundtrip = roundtrip,
    .burst = burst,
    .map = map,
    .loop = loop,
};
