/* openmp.c: OpenMP tasks, compiled once by gcc (libgomp) and once by clang (libomp). It has no
 * futures: a task writes its result to an array, and taskwait waits for all. Tasks are there inside
 * a parallel region only, so one thread of the team submits and, in taskwait, takes part; with a
 * team of one a task runs where it is created. There is no way to leave a task to the others, hence
 * no round trip, and a team that waits keeps searching for a while. map and loop are taskloops. */
#include "bench.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

static struct setup setup;
static long *results;

static void open_team(const struct setup *given) {
    setup = *given;
    results = bench_alloc(setup.size * sizeof *results);
    omp_set_dynamic(0);
}

static void close_team(void) {
    free(results);
}

static void enter_team(void (*workload)(void)) {
#pragma omp parallel num_threads(setup.workers)
#pragma omp single
    workload();
}

static void submit(unsigned lane, size_t n) {
    (void)lane;
    for (size_t i = 0; i < n; i++)
#pragma omp task firstprivate(i)
        results[i] = bench_small((long)i);
}

static long collect(unsigned lane, size_t n) {
    long sum = 0;
    (void)lane;
#pragma omp taskwait
    for (size_t i = 0; i < n; i++)
        sum += results[i];
    return sum;
}

static long burst(size_t n) {
    for (size_t i = 0; i < n; i++)
#pragma omp task firstprivate(i)
        results[i] = bench_busy((long)i);
    return collect(0, n);
}

static void loop(const long *items, long *out, size_t n) {
#pragma omp taskloop
    for (size_t i = 0; i < n; i++)
        out[i] = bench_small(items[i]);
}

static long map(const long *items, size_t n) {
    loop(items, results, n);
    return collect(0, n);
}

/* The OpenMP version that the compiler follows, by its date. */
static const char *version(void) {
    static char text[32];
    snprintf(text, sizeof text, "OpenMP %d", _OPENMP);
    return text;
}

const struct contender bench_contender = {
    .name = OPENMP_NAME,
    .note = "no futures; the submitter is one of the team",
    .version = version,
    .open = open_team,
    .close = close_team,
    .enter = enter_team,
    .submit = submit,
    .collect = collect,
    .burst = burst,
    .map = map,
    .loop = loop,
};
