/* workloads_pool.c: what a pool does as a whole: map, loop, storm, idle. */
#include "workloads.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool has_map(void) {
    return bench_contender.map != NULL;
}

static bool has_loop(void) {
    return bench_contender.loop != NULL;
}

static long *fill(long *items, size_t n) {
    for (size_t i = 0; i < n; i++)
        items[i] = (long)i;
    return items;
}

static void print_items(const double *total_ns) {
    for (int is_warm = 0; is_warm < 2; is_warm++) {
        double ns = total_ns[is_warm ? measure_median_pass(total_ns) : 0];
        measure_print_head(is_warm ? "warm" : "cold", ns * 1e-9);
        printf(",\"item_ns\":%.3f}\n", ns / (double)bench_options.size);
    }
}

/* The items one after another into the library's map, the results out of it in the same order. */
static void run_map(void) {
    size_t n = bench_options.size;
    long *items = fill(bench_alloc(n * sizeof *items), n);
    double total_ns[1 + N_WARM];
    for (int pass = 0; pass <= N_WARM; pass++) {
        uint64_t start = measure_now_ns();
        long sum = bench_contender.map(items, n);
        total_ns[pass] = (double)(measure_now_ns() - start);
        measure_check_sum(sum, n);
    }
    print_items(total_ns);
    free(items);
}

/* The library's parallel loop, from one array to another that has its memory already. */
static void run_loop(void) {
    size_t n = bench_options.size;
    long *items = fill(measure_alloc(n * sizeof *items), n),
         *results = measure_alloc(n * sizeof *results);
    double total_ns[1 + N_WARM];
    for (int pass = 0; pass <= N_WARM; pass++) {
        uint64_t start = measure_now_ns();
        bench_contender.loop(items, results, n);
        total_ns[pass] = (double)(measure_now_ns() - start);
        for (size_t i = 0; i < n; i++) {
            if (results[i] != (long)(2 * i + 1))
                bench_fail("wrong result: item %zu gave %ld", i, results[i]);
            results[i] = 0;
        }
    }
    print_items(total_ns);
    measure_free(items);
    measure_free(results);
}

static bool has_burst(void) {
    return bench_contender.burst != NULL;
}

/* As many tasks as workers. */
static void run_burst(void) {
    size_t n_tasks = bench_options.setup.workers;
    measure_check_sum(bench_contender.burst(n_tasks), n_tasks);
}

static void enter_burst(void) {
    if (bench_contender.enter != NULL)
        bench_contender.enter(run_burst);
    else
        run_burst();
}

/* A task for each worker, all of whom are asleep: from the first submit until the caller has all
 * results. Context switches are those of the whole process, without the caller's own sleep between
 * two bursts, by which the workers have gone to sleep again. */
static void run_storm(void) {
    size_t n = bench_options.size;
    uint64_t *ns = bench_alloc(n * sizeof *ns), total = 0;
    for (int i = 0; i < 10; i++)
        enter_burst();
    measure_sleep(bench_options.pause_s);
    struct usage before = measure_usage(false), own = {0, 0, 0};
    for (size_t i = 0; i < n; i++) {
        uint64_t start = measure_now_ns();
        enter_burst();
        total += ns[i] = measure_now_ns() - start;
        struct usage awake = measure_usage(true);
        measure_sleep(bench_options.pause_s);
        struct usage slept = measure_difference(measure_usage(true), awake);
        own.voluntary += slept.voluntary;
        own.involuntary += slept.involuntary;
    }
    struct usage used = measure_difference(measure_difference(measure_usage(false), before), own);
    measure_sort(ns, n);
    measure_print_head("", (double)total * 1e-9);
    printf(",\"p50_ns\":%ju,\"p90_ns\":%ju,\"p99_ns\":%ju,\"cpu_us\":%.2f,\"switches\":%.3f}\n",
           (uintmax_t)ns[n / 2], (uintmax_t)ns[n * 9 / 10], (uintmax_t)ns[n * 99 / 100],
           used.cpu_s * 1e6 / (double)n, (double)(used.voluntary + used.involuntary) / (double)n);
    free(ns);
}

/* A pool that was used and is left alone: what all threads do but the calling one, which has the
 * clock to look at. */
static void run_idle(void) {
    enter_burst();
    measure_sleep(fmin(0.5, bench_options.seconds / 2)); /* workers go to sleep */
    struct usage before = measure_difference(measure_usage(false), measure_usage(true));
    uint64_t start = measure_now_ns();
    measure_sleep(bench_options.seconds);
    double seconds = (double)(measure_now_ns() - start) * 1e-9;
    struct usage after = measure_difference(measure_usage(false), measure_usage(true));
    struct usage used = measure_difference(after, before);
    measure_print_head("", seconds);
    printf(",\"cpu_s_per_min\":%.6f,\"wakeups_per_min\":%.1f}\n",
           fmax(used.cpu_s, 0) * 60 / seconds, (double)used.voluntary * 60 / seconds);
}

const struct workload bench_pool_workloads[] = {
    {"map", has_map, run_map, false},
    {"loop", has_loop, run_loop, false},
    {"storm", has_burst, run_storm, true},
    {"idle", has_burst, run_idle, true},
    {NULL, NULL, NULL, false},
};
