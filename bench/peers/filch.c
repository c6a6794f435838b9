/* filch.c: this library. A future per task, each collected with filch_result and filch_release.
 * Compiled twice: BENCH_PROCESSES is 0 for threads, 1 for processes, and little depends on it. */
#include "bench.h"

#include <filch/filch.h>
#include <stdlib.h>
#include <unistd.h>

static long sum_bytes(filch_bytes bytes) {
    return bench_pages(bytes.data, bytes.size);
}

static pid_t get_pid(void) {
    return getpid();
}

FILCH_TASK(long, bench_small, long);
FILCH_TASK(long, bench_busy, long);
FILCH_TASK(long, bench_wide, long, long, long, long, long);
FILCH_TASK(long, bench_pages, const void *, size_t);
FILCH_TASK(long, sum_bytes, filch_bytes);
FILCH_TASK(pid_t, get_pid);
FILCH_TASK_VOID(bench_gate_pass);

/* Two arrays, in shared memory themselves. */
struct arrays {
    const long *items;
    long *results;
};

static filch_executor *pool;
static struct arrays *arrays;
static size_t capacity;
static filch_future **futures; /* `capacity` of each lane */

static void *alloc(size_t size) {
    void *memory = filch_shared_alloc(pool, size);
    if (memory == NULL)
        bench_fail("%s", filch_error_message());
    return memory;
}

static void dealloc(void *memory) {
    filch_shared_free(pool, memory);
}

static void open_pool(const struct setup *setup) {
    int workers = (int)setup->workers;
    double spin = setup->spin_s < 0 ? FILCH_NO_SPIN : setup->spin_s;
    pool = BENCH_PROCESSES ? filch_process_pool(.max_workers = workers, .spin = spin)
                           : filch_thread_pool(.max_workers = workers, .spin = spin);
    if (pool == NULL)
        bench_fail("%s", filch_error_message());
    arrays = alloc(sizeof *arrays);
    capacity = setup->size;
    futures = bench_alloc(setup->submitters * capacity * sizeof(filch_future *));
}

static void close_pool(void) {
    dealloc(arrays);
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

static void loop_over(size_t begin, size_t end, void *arg) {
    const struct arrays *given = arg;
    for (size_t i = begin; i < end; i++)
        given->results[i] = bench_small(given->items[i]);
}

static void loop(const long *items, long *results, size_t n) {
    *arrays = (struct arrays){items, results};
    if (filch_for(pool, 0, n, loop_over, arrays) != FILCH_OK)
        bench_fail("for: %s", filch_error_message());
}

static long argument(const void *data, size_t size) {
    return finish(checked(filch_submit(pool, sum_bytes, ((filch_bytes){data, size}))));
}

static long argument_shared(const void *data, size_t size) {
    return finish(checked(filch_submit(pool, bench_pages, data, size)));
}

static pid_t worker_pid(void) {
    pid_t pid;
    filch_future *future = checked(filch_submit(pool, get_pid));
    if (filch_result(future, &pid) != FILCH_OK)
        bench_fail("result: %s", filch_error_message());
    filch_release(future);
    return pid;
}

/* The worker may have had time to take the task with it: then it runs again, in the next one. */
static bool heal(long i, long *result) {
    filch_future *future = filch_submit_with(pool, FILCH_OPTIONS(.retries = 1), bench_small, i);
    filch_status status = future != NULL ? filch_result(future, result) : filch_error_status();
    if (status != FILCH_OK && status != FILCH_BROKEN)
        bench_fail("heal: %s", filch_error_message());
    if (future != NULL)
        filch_release(future);
    return status == FILCH_OK;
}

const struct contender bench_contender = {
    .name = BENCH_PROCESSES ? "filch_process" : "filch",
    .note = BENCH_PROCESSES ? "a process pool, by default: fork server" : "",
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
    .argument = argument,
    .argument_shared = argument_shared,
    .worker = BENCH_PROCESSES ? worker_pid : NULL,
    .heal = BENCH_PROCESSES ? heal : NULL,
    .alloc = alloc,
    .dealloc = dealloc,
};
