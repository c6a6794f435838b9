/* quick.c: what this machine makes of filch, in about two seconds: tasks per second with 1, 2, 4
 * ... workers, and the time from submit to result of one task alone. Used by tools/quickstart. */
#include <filch/filch.h>

#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { N_TASKS = 100000, N_TRIPS = 20000 };

static long odd(long i) {
    return 2 * i + 1;
}
FILCH_TASK(long, odd, long);

static void fail(const char *what) {
    fprintf(stderr, "bench_quick: %s: %s\n", what, filch_error_message());
    exit(EXIT_FAILURE);
}

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static filch_executor *open_pool(int workers, double spin) {
    filch_executor *pool = filch_thread_pool(.max_workers = workers, .spin = spin);
    if (pool == NULL)
        fail("filch_thread_pool");
    return pool;
}

static filch_future *submit(filch_executor *pool, long i) {
    filch_future *future = filch_submit(pool, odd, i);
    if (future == NULL)
        fail("filch_submit");
    return future;
}

static void finish(filch_future *future, long i) {
    long result;
    if (filch_result(future, &result) != FILCH_OK)
        fail("filch_result");
    if (result != odd(i)) {
        fprintf(stderr, "bench_quick: task %ld gave %ld\n", i, result);
        exit(EXIT_FAILURE);
    }
    filch_release(future);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Seconds per task: the median of as many batches as fit into `limit_s`, after one to warm up. */
static double time_futures(int workers, double limit_s) {
    static filch_future *futures[N_TASKS];
    double seconds[1000];
    int n = -1;
    filch_executor *pool = open_pool(workers, 0);
    for (double begin = now_s(); n < 1 || (n < 1000 && now_s() - begin < limit_s); n++) {
        double start = now_s();
        for (long i = 0; i < N_TASKS; i++)
            futures[i] = submit(pool, i);
        for (long i = 0; i < N_TASKS; i++)
            finish(futures[i], i);
        if (n >= 0)
            seconds[n] = now_s() - start;
    }
    filch_close(pool);
    qsort(seconds, (size_t)n, sizeof seconds[0], compare);
    return seconds[n / 2] / N_TASKS;
}

/* Seconds from submit to result, sorted; returns their number. */
static int time_trips(double *seconds, double spin, double limit_s) {
    int n = -100;
    filch_executor *pool = open_pool(1, spin);
    for (double begin = now_s(); n < 1 || (n < N_TRIPS && now_s() - begin < limit_s); n++) {
        double start = now_s();
        finish(submit(pool, n), n);
        if (n >= 0)
            seconds[n] = now_s() - start;
    }
    filch_close(pool);
    qsort(seconds, (size_t)n, sizeof *seconds, compare);
    return n;
}

int main(void) {
    static double trips[N_TRIPS];
    cpu_set_t set;
    int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;

    printf("Tasks of one submitting thread, each with its future (%d cores)\n", cores);
    printf("%10s %16s %12s\n", "workers", "tasks per second", "ns per task");
    int rows = 1;
    for (int workers = 1; workers < cores; workers *= 2)
        rows++;
    for (int row = 0, workers = 1; row < rows; row++, workers *= 2) {
        if (workers > cores)
            workers = cores;
        double seconds = time_futures(workers, 1.2 / rows);
        printf("%10d %16.0f %12.0f\n", workers, 1 / seconds, seconds * 1e9);
    }

    printf("One task at a time, from submit to result\n");
    printf("%10s %16s %12s\n", "workers", "median us", "99% us");
    for (int spinning = 0; spinning < 2; spinning++) {
        int n = time_trips(trips, spinning ? 1e-3 : FILCH_NO_SPIN, 0.4);
        printf("%10s %16.2f %12.2f\n", spinning ? "spinning" : "asleep", trips[n / 2] * 1e6,
               trips[n * 99 / 100] * 1e6);
    }
    return EXIT_SUCCESS;
}
