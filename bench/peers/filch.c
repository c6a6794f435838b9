/* filch.c: this library. A future per task, each collected with filch_result and filch_release. */
#include "bench.h"

#include <filch/filch.h>
#include <stdlib.h>

FILCH_TASK(long, bench_small, long);
FILCH_TASK(long, bench_wide, long, long, long, long, long);
FILCH_TASK_VOID(bench_gate_pass);

static filch_executor *pool;
static filch_future **futures;

static void open_pool(unsigned workers, double spin_s, size_t size) {
    pool =
        filch_thread_pool(.max_workers = (int)workers, .spin = spin_s > 0 ? spin_s : FILCH_NO_SPIN);
    if (pool == NULL)
        bench_fail("%s", filch_error_message());
    futures = (filch_future **)bench_alloc(size * sizeof *futures);
}

static void close_pool(void) {
    filch_close(pool);
    free(futures);
}

static filch_future *checked(filch_future *future) {
    if (future == NULL)
        bench_fail("submit: %s", filch_error_message());
    return future;
}

static void submit(size_t n) {
    for (size_t i = 0; i < n; i++)
        futures[i] = checked(filch_submit(pool, bench_small, (long)i));
}

static void submit_wide(size_t n) {
    for (size_t i = 0; i < n; i++)
        futures[i] = checked(filch_submit(pool, bench_wide, (long)i, (long)i, 1, 0, 0));
}

static long finish(filch_future *future) {
    long result;
    if (filch_result(future, &result) != FILCH_OK)
        bench_fail("result: %s", filch_error_message());
    filch_release(future);
    return result;
}

static long collect(size_t n) {
    long sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += finish(futures[i]);
    return sum;
}

static long roundtrip(long i) {
    return finish(checked(filch_submit(pool, bench_small, i)));
}

static void hold(void) {
    filch_release(checked(filch_submit(pool, bench_gate_pass)));
}

int main(int argc, char **argv) {
    static const struct contender filch = {
        .name = "filch",
        .version = "",
        .note = "",
        .can_spin = true,
        .open = open_pool,
        .close = close_pool,
        .submit = submit,
        .submit_wide = submit_wide,
        .collect = collect,
        .roundtrip = roundtrip,
        .hold = hold,
    };
    return bench_main(argc, argv, &filch);
}
