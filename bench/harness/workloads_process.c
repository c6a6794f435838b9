/* workloads_process.c: what tells processes from threads: large arguments, and a worker's death. */
#include "workloads.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_argument(void) {
    return bench_contender.argument != NULL;
}

static bool has_argument_shared(void) {
    return bench_contender.argument_shared != NULL;
}

/* One task with one large argument, several times in the same pool. Its first byte is another one
 * each time, so that an old copy would be noticed. */
static void time_argument(unsigned char *data, long (*argument)(const void *, size_t)) {
    size_t n = bench_options.bytes;
    double total_ns[1 + N_WARM];
    for (int pass = 0; pass <= N_WARM; pass++) {
        data[0] = (unsigned char)pass;
        long expected = bench_pages(data, n);
        uint64_t start = measure_now_ns();
        long sum = argument(data, n);
        total_ns[pass] = (double)(measure_now_ns() - start);
        if (sum != expected)
            bench_fail("wrong result: an argument of %zu bytes gave %ld", n, sum);
    }
    for (int is_warm = 0; is_warm < 2; is_warm++) {
        measure_print_head(is_warm ? "warm" : "cold",
                           total_ns[is_warm ? measure_median_pass(total_ns) : 0] * 1e-9);
        printf(",\"bytes\":%zu}\n", n);
    }
}

static void run_argument(void) {
    unsigned char *data = bench_alloc(bench_options.bytes);
    time_argument(data, bench_contender.argument);
    free(data);
}

static void run_argument_shared(void) {
    unsigned char *data = measure_alloc(bench_options.bytes);
    time_argument(data, bench_contender.argument_shared);
    measure_free(data);
}

static bool has_heal(void) {
    return bench_contender.heal != NULL && bench_contender.worker != NULL;
}

/* The only worker is killed while it sleeps: from there to the result of a task that is submitted
 * right after. A pool that breaks is a result, too: the line says so and has no figures. */
static void run_heal(void) {
    size_t n = bench_options.size;
    uint64_t *ns = bench_alloc(n * sizeof *ns), first_ns = 0;
    double total_s = 0;
    for (size_t i = 0; i < n; i++) {
        pid_t before = bench_contender.worker();
        measure_sleep(0.005);
        long result = 0;
        uint64_t start = measure_now_ns();
        if (kill(before, SIGKILL) != 0)
            bench_fail("the worker %d cannot be killed", (int)before);
        bool is_healed = bench_contender.heal((long)i, &result);
        ns[i] = measure_now_ns() - start;
        if (!is_healed) {
            measure_print_head("", 0);
            printf(",\"outcome\":\"pool broke\"}\n");
            free(ns);
            return;
        }
        if (result != (long)(2 * i + 1))
            bench_fail("wrong result: task %zu gave %ld", i, result);
        if (bench_contender.worker() == before)
            bench_fail("the worker %d is still there", (int)before);
        total_s += (double)ns[i] * 1e-9;
    }
    first_ns = ns[0];
    measure_sort(ns, n);
    measure_print_head("", total_s);
    printf(
        ",\"outcome\":\"healed\",\"first_ns\":%ju,\"p50_ns\":%ju,\"p90_ns\":%ju,\"p99_ns\":%ju}\n",
        (uintmax_t)first_ns, (uintmax_t)ns[n / 2], (uintmax_t)ns[n * 9 / 10],
        (uintmax_t)ns[n * 99 / 100]);
    free(ns);
}

const struct workload bench_process_workloads[] = {
    {"argument", has_argument, run_argument, false},
    {"argument_shared", has_argument_shared, run_argument_shared, false},
    {"heal", has_heal, run_heal, false},
    {NULL, NULL, NULL, false},
};
