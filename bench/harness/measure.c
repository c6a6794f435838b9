/* measure.c: clock, futex, placement, counters. All that the harness asks of the system. */
#include "measure.h"
#include "processes.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef BENCH_FLAGS
#define BENCH_FLAGS ""
#endif

static const char *const place_names[] = {"free", "same", "cross"};

void bench_fail(const char *format, ...) {
    va_list list;
    va_start(list, format);
    fprintf(stderr, "%s: ", bench_contender.name);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    exit(EXIT_FAILURE);
}

void *bench_alloc(size_t size) {
    void *p = aligned_alloc(128, (size + 127) / 128 * 128);
    if (p == NULL)
        bench_fail("no memory for %zu bytes", size);
    memset(p, 0xA5, size);
    return p;
}

uint64_t measure_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

void measure_sleep(double seconds) {
    struct timespec left = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

long bench_busy(long i) {
    if (bench_options.work_s > 0)
        for (uint64_t end = measure_now_ns() + (uint64_t)(bench_options.work_s * 1e9);
             measure_now_ns() < end;)
            ;
    return 2 * i + 1;
}

void bench_futex_wait(uint32_t *word, uint32_t value) {
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value)
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

void bench_futex_wake(uint32_t *word) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void countdown_start(struct countdown *countdown, size_t n) {
    __atomic_store_n(&countdown->is_done, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&countdown->left, (long)n, __ATOMIC_RELEASE);
}

void countdown_wait(struct countdown *countdown) {
    bench_futex_wait(&countdown->is_done, 0);
}

void bench_shared_wait(uint32_t *word, uint32_t value) {
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value)
        syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

void bench_shared_wake(uint32_t *word) {
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void *bench_shared_alloc(size_t size) {
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        bench_fail("no memory for %zu bytes", size);
    return p;
}

void *measure_alloc(size_t size) {
    if (bench_contender.alloc == NULL)
        return bench_alloc(size);
    void *p = bench_contender.alloc(size);
    memset(p, 0xA5, size);
    return p;
}

void measure_free(void *memory) {
    if (bench_contender.alloc == NULL)
        free(memory);
    else
        bench_contender.dealloc(memory);
}

/* The gate: a worker that entered, thread or process, stays in until it is opened. */
static struct gate { uint32_t entered, opened; } * gate;

void measure_init(void) {
    gate = bench_shared_alloc(sizeof *gate);
}

void bench_gate_pass(void) {
    __atomic_store_n(&gate->entered, 1, __ATOMIC_RELEASE);
    bench_shared_wake(&gate->entered);
    bench_shared_wait(&gate->opened, 0);
}

void measure_wait_gate(void) {
    bench_shared_wait(&gate->entered, 0);
}

void measure_open_gate(void) {
    __atomic_store_n(&gate->opened, 1, __ATOMIC_RELEASE);
    bench_shared_wake(&gate->opened);
}

long measure_status_kb(const char *name) {
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    long kb = -1;
    while (file != NULL && kb < 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            kb = strtol(line + strlen(name) + 1, NULL, 10);
    if (file != NULL)
        fclose(file);
    return kb;
}

/* The n-th processor that the program may use. */
static int allowed_cpu(int n) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        bench_fail("sched_getaffinity: %s", strerror(errno));
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &set) && n-- == 0)
            return cpu;
    bench_fail("not enough processors for this placement");
}

static void pin(pid_t thread, int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(thread, sizeof set, &set) != 0)
        bench_fail("sched_setaffinity: %s", strerror(errno));
}

void measure_pin_same(void) {
    pin(0, allowed_cpu(0));
}

static void pin_theirs(pid_t thread, void *cpu) {
    if (thread != getpid())
        pin(thread, *(const int *)cpu);
}

static void pin_process(pid_t process, void *cpu) {
    processes_for_threads(process, pin_theirs, cpu);
}

void measure_pin_apart(void) {
    int mine = allowed_cpu(0), theirs = allowed_cpu(1);
    processes_for_threads(getpid(), pin_theirs, &theirs);
    processes_for_others(gate, pin_process, &theirs);
    pin(0, mine);
}

static void add_process(pid_t process, void *usage) {
    processes_add_usage(process, usage);
}

/* (The CPU time of getrusage is that of the last tick.) */
static struct usage usage_of(int who) {
    struct rusage usage;
    struct timespec used;
    getrusage(who, &usage);
    clock_gettime(who == RUSAGE_THREAD ? CLOCK_THREAD_CPUTIME_ID : CLOCK_PROCESS_CPUTIME_ID, &used);
    return (struct usage){
        .cpu_s = (double)used.tv_sec + (double)used.tv_nsec * 1e-9,
        .voluntary = usage.ru_nvcsw,
        .involuntary = usage.ru_nivcsw,
    };
}

struct usage measure_usage(bool of_this_thread) {
    static struct usage looking; /* what the search for processes itself took so far: taken off */
    struct usage others = {0, 0, 0};
    if (!of_this_thread && bench_contender.worker != NULL) {
        struct usage before = usage_of(RUSAGE_THREAD);
        processes_for_others(gate, add_process, &others);
        struct usage took = measure_difference(usage_of(RUSAGE_THREAD), before);
        looking = (struct usage){looking.cpu_s + took.cpu_s, looking.voluntary + took.voluntary,
                                 looking.involuntary + took.involuntary};
    }
    struct usage all = usage_of(of_this_thread ? RUSAGE_THREAD : RUSAGE_SELF);
    all = measure_difference(all, looking);
    return (struct usage){all.cpu_s + others.cpu_s, all.voluntary + others.voluntary,
                          all.involuntary + others.involuntary};
}

struct usage measure_difference(struct usage a, struct usage b) {
    return (struct usage){a.cpu_s - b.cpu_s, a.voluntary - b.voluntary,
                          a.involuntary - b.involuntary};
}

static int compare_ns(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void measure_sort(uint64_t *ns, size_t n) {
    qsort(ns, n, sizeof *ns, compare_ns);
}

int measure_median_pass(const double *total_ns) {
    for (int pass = 1; pass <= N_WARM; pass++) {
        int before = 0, equal = 0;
        for (int other = 1; other <= N_WARM; other++) {
            before += total_ns[other] < total_ns[pass];
            equal += total_ns[other] == total_ns[pass];
        }
        if (before <= N_WARM / 2 && N_WARM / 2 < before + equal)
            return pass;
    }
    return 1;
}

void measure_check_sum(long sum, size_t n) {
    if (sum != (long)(n * n))
        bench_fail("wrong result: the sum of %zu tasks is %ld", n, sum);
}

void measure_print_head(const char *pass, double seconds) {
    const struct options *o = &bench_options;
    const struct contender *c = &bench_contender;
    printf("{\"workload\":\"%s\",\"contender\":\"%s\",\"version\":\"%s\",\"note\":\"%s\","
           "\"flags\":\"%s\",\"round\":%d,\"pass\":\"%s\",\"workers\":%u,\"submitters\":%u,"
           "\"size\":%zu,\"place\":\"%s\",\"spin_s\":%g,\"pause_s\":%g,\"work_s\":%g,"
           "\"processes\":%u,\"seconds\":%.9f,\"peak_kb\":%ld",
           o->workload, c->name, c->version != NULL ? c->version() : "", c->note,
           c->flags != NULL ? c->flags : BENCH_FLAGS, o->round, pass, o->setup.workers,
           o->setup.submitters, o->size, place_names[o->place], o->setup.spin_s, o->pause_s,
           o->work_s, o->processes, seconds, measure_status_kb("VmHWM:"));
}
