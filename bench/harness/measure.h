/* measure.h: what the workloads share among themselves: options, clock, placement, counters, and
 * the JSON line. Not for contenders. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "bench.h"

enum place { PLACE_FREE, PLACE_SAME, PLACE_CROSS };

/* The command line. */
struct options {
    const char *workload;
    struct setup setup;
    size_t size; /* as given; setup.size is what the contender has to make room for */
    size_t bytes;
    double pause_s;
    double work_s;
    double seconds;
    size_t steps;
    unsigned processes;
    enum place place;
    int round;
};
extern struct options bench_options;

struct workload {
    const char *name;
    bool (*is_possible)(void);
    void (*run)(void);
    bool enters_itself; /* `run` is not called by contender.enter, but calls it */
};
/* The tables of a program, ended by NULL; each is ended by a NULL name. */
extern const struct workload *const bench_workloads[];

/* Most workloads run in the same pool once cold, where its memory is new, and then so many times
 * warm; of these the median is reported. */
enum { N_WARM = 5 };
/* The pass with the median time of `total_ns[1 .. N_WARM]`. */
int measure_median_pass(const double *total_ns);

/* Before the contender opens: what its worker processes have to inherit. */
void measure_init(void);

/* contender.alloc, or bench_alloc: touched. */
void *measure_alloc(size_t size);
void measure_free(void *memory);

uint64_t measure_now_ns(void);
void measure_sleep(double seconds);
/* A line of /proc/self/status in kilobytes: VmRSS now, VmHWM at its peak. (ru_maxrss would carry
 * the peak of the shell that started us.) */
long measure_status_kb(const char *name);

/* The calling thread, or all threads, on the first of the usable processors. */
void measure_pin_same(void);
/* This thread on one processor, all other threads of the process, and all worker processes, on
 * another, whatever the contender did about it. */
void measure_pin_apart(void);

/* CPU time and context switches: of the calling thread, or of all threads and worker processes. */
struct usage {
    double cpu_s;
    long voluntary;
    long involuntary;
};
struct usage measure_usage(bool of_this_thread);
struct usage measure_difference(struct usage a, struct usage b);

/* Sorts, in place. */
void measure_sort(uint64_t *ns, size_t n);
/* The sum over n tasks must be n * n. */
void measure_check_sum(long sum, size_t n);

void measure_open_gate(void);
void measure_wait_gate(void);

/* The part of the JSON line that all workloads have; the caller ends the line. */
void measure_print_head(const char *pass, double seconds);

#endif
