/* workloads_tasks.c: one future per task: futures, submitters, memory, roundtrip. */
#include "workloads.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static bool has_futures(void) {
    return bench_contender.submit != NULL && bench_contender.collect != NULL;
}

/* All submitted, then all collected, several times in the same pool. */
static void run_futures(void) {
    size_t n = bench_options.size;
    double total_ns[1 + N_WARM], submit_ns[1 + N_WARM];
    for (int pass = 0; pass <= N_WARM; pass++) {
        uint64_t start = measure_now_ns();
        bench_contender.submit(0, n);
        uint64_t submitted = measure_now_ns();
        long sum = bench_contender.collect(0, n);
        total_ns[pass] = (double)(measure_now_ns() - start);
        submit_ns[pass] = (double)(submitted - start);
        measure_check_sum(sum, n);
    }
    for (int is_warm = 0; is_warm < 2; is_warm++) {
        int pass = is_warm ? measure_median_pass(total_ns) : 0;
        measure_print_head(is_warm ? "warm" : "cold", total_ns[pass] * 1e-9);
        printf(",\"submit_ns\":%.2f,\"task_ns\":%.2f}\n", submit_ns[pass] / (double)n,
               total_ns[pass] / (double)n);
    }
}

static bool has_submitters(void) {
    return bench_contender.submit_shared != NULL && bench_contender.collect_shared != NULL;
}

struct submitter {
    pthread_t thread;
    unsigned lane;
    pthread_barrier_t *barrier;
    uint64_t begin_ns[1 + N_WARM], end_ns[1 + N_WARM]; /* of each pass */
};

/* All passes of one submitter. They begin together; the clocks are read here, because a thread that
 * watched would compete for the cores. */
static void *run_submitter(void *arg) {
    struct submitter *me = arg;
    size_t n = bench_options.size;
    for (int pass = 0; pass <= N_WARM; pass++) {
        pthread_barrier_wait(me->barrier);
        me->begin_ns[pass] = measure_now_ns();
        bench_contender.submit_shared(me->lane, n);
        measure_check_sum(bench_contender.collect_shared(me->lane, n), n);
        me->end_ns[pass] = measure_now_ns();
    }
    return NULL;
}

/* Several threads, each of which submits as many tasks and collects them; from the first submit to
 * the last result. */
static void run_submitters(void) {
    unsigned n_threads = bench_options.setup.submitters;
    struct submitter *submitters = bench_alloc(n_threads * sizeof *submitters);
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, n_threads);
    for (unsigned i = 0; i < n_threads; i++) {
        submitters[i].lane = i;
        submitters[i].barrier = &barrier;
        if (pthread_create(&submitters[i].thread, NULL, run_submitter, &submitters[i]) != 0)
            bench_fail("pthread_create failed");
    }
    for (unsigned i = 0; i < n_threads; i++)
        pthread_join(submitters[i].thread, NULL);
    double total_ns[1 + N_WARM], n_tasks = (double)n_threads * (double)bench_options.size;
    for (int pass = 0; pass <= N_WARM; pass++) {
        uint64_t begin = UINT64_MAX, end = 0;
        for (unsigned i = 0; i < n_threads; i++) {
            if (submitters[i].begin_ns[pass] < begin)
                begin = submitters[i].begin_ns[pass];
            if (submitters[i].end_ns[pass] > end)
                end = submitters[i].end_ns[pass];
        }
        total_ns[pass] = (double)(end - begin);
    }
    for (int is_warm = 0; is_warm < 2; is_warm++) {
        double ns = total_ns[is_warm ? measure_median_pass(total_ns) : 0];
        measure_print_head(is_warm ? "warm" : "cold", ns * 1e-9);
        printf(",\"task_ns\":%.2f,\"tasks_per_s\":%.0f}\n", ns / n_tasks, n_tasks / ns * 1e9);
    }
    pthread_barrier_destroy(&barrier);
    free(submitters);
}

static bool has_memory(void) {
    return bench_contender.submit_wide != NULL && bench_contender.collect != NULL;
}

/* Tasks that wait behind a gate; what they add to the resident memory. */
static void run_memory(void) {
    size_t n = bench_options.size;
    if (bench_contender.hold != NULL) {
        bench_contender.hold();
        measure_wait_gate();
    }
    long before = measure_status_kb("VmRSS:");
    uint64_t start = measure_now_ns();
    bench_contender.submit_wide(n);
    uint64_t end = measure_now_ns();
    long after = measure_status_kb("VmHWM:");
    measure_open_gate();
    measure_check_sum(bench_contender.collect(0, n), n);
    measure_print_head("", (double)(end - start) * 1e-9);
    printf(",\"task_bytes\":%.1f}\n", (double)(after - before) * 1024 / (double)n);
}

static bool has_roundtrip(void) {
    return bench_contender.roundtrip != NULL;
}

/* One task at a time. */
static void run_roundtrip(void) {
    size_t n = bench_options.size, warm_up = n / 10 + 1;
    uint64_t *ns = bench_alloc(n * sizeof *ns), total = 0;
    if (bench_contender.roundtrip(1) != 3)
        bench_fail("wrong result");
    if (bench_options.place == PLACE_CROSS)
        measure_pin_apart();
    for (size_t i = 0; i < warm_up + n; i++) {
        if (bench_options.pause_s > 0)
            measure_sleep(bench_options.pause_s);
        uint64_t start = measure_now_ns();
        long result = bench_contender.roundtrip((long)i);
        uint64_t taken = measure_now_ns() - start;
        if (result != (long)(2 * i + 1))
            bench_fail("wrong result: task %zu gave %ld", i, result);
        if (i >= warm_up)
            total += ns[i - warm_up] = taken;
    }
    measure_sort(ns, n);
    measure_print_head("", (double)total * 1e-9);
    printf(",\"min_ns\":%ju,\"p50_ns\":%ju,\"p90_ns\":%ju,\"p99_ns\":%ju}\n", (uintmax_t)ns[0],
           (uintmax_t)ns[n / 2], (uintmax_t)ns[n * 9 / 10], (uintmax_t)ns[n * 99 / 100]);
    free(ns);
}

const struct workload bench_task_workloads[] = {
    {"futures", has_futures, run_futures, false},
    {"submitters", has_submitters, run_submitters, false},
    {"memory", has_memory, run_memory, false},
    {"roundtrip", has_roundtrip, run_roundtrip, false},
    {NULL, NULL, NULL, false},
};
