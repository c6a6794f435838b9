/* bench.c: the workloads, the same lines for every contender of C and C++.
 *
 * One call measures one workload and prints one line of JSON per measurement (futures: two, cold
 * and warm). peers/python.py prints the same lines.
 */
#include "bench.h"

#include <argp.h>
#include <dirent.h>
#include <errno.h>
#include <linux/futex.h>
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef BENCH_FLAGS
#define BENCH_FLAGS ""
#endif

enum place { PLACE_FREE, PLACE_SAME, PLACE_CROSS };
static const char *const place_names[] = {"free", "same", "cross"};

static struct options {
    const char *workload;
    unsigned workers;
    size_t size;
    double spin_s;
    double pause_s;
    double seconds;
    enum place place;
    int round;
} options = {.workers = 1, .size = 1000000, .seconds = 10};

static const struct contender *contender;

void bench_fail(const char *format, ...) {
    va_list list;
    va_start(list, format);
    fprintf(stderr, "%s: ", contender != NULL ? contender->name : "bench");
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    exit(EXIT_FAILURE);
}

void *bench_alloc(size_t size) {
    void *p = malloc(size);
    if (p == NULL)
        bench_fail("no memory for %zu bytes", size);
    memset(p, 0xA5, size);
    return p;
}

uint64_t bench_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void sleep_s(double seconds) {
    struct timespec left = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

void bench_futex_wait(uint32_t *word, uint32_t value) {
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value)
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

void bench_futex_wake(uint32_t *word) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* The gate: a worker that entered stays in until it is opened. */
static uint32_t gate_entered, gate_opened;

void bench_gate_pass(void) {
    __atomic_store_n(&gate_entered, 1, __ATOMIC_RELEASE);
    bench_futex_wake(&gate_entered);
    bench_futex_wait(&gate_opened, 0);
}

static void gate_open(void) {
    __atomic_store_n(&gate_opened, 1, __ATOMIC_RELEASE);
    bench_futex_wake(&gate_opened);
}

/* A line of /proc/self/status in kilobytes: VmRSS now, VmHWM at its peak. (ru_maxrss would carry
 * the peak of the shell that started us.) */
static long status_kb(const char *name) {
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    long kb = -1;
    while (file != NULL && kb < 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            kb = atol(line + strlen(name) + 1);
    if (file != NULL)
        fclose(file);
    return kb;
}

/* The part of the JSON line that all workloads have; the caller ends the line. */
static void print_head(const char *pass, double seconds) {
    printf("{\"workload\":\"%s\",\"contender\":\"%s\",\"version\":\"%s\",\"note\":\"%s\","
           "\"round\":%d,\"pass\":\"%s\",\"workers\":%u,\"size\":%zu,\"place\":\"%s\","
           "\"spin_s\":%g,\"pause_s\":%g,\"seconds\":%.9f,\"peak_kb\":%ld,\"flags\":\"%s\"",
           options.workload, contender->name, contender->version, contender->note, options.round,
           pass, options.workers, options.size, place_names[options.place], options.spin_s,
           options.pause_s, seconds, status_kb("VmHWM:"), BENCH_FLAGS);
}

static void check_sum(long sum, size_t n) {
    if (sum != (long)(n * n))
        bench_fail("wrong result: the sum of %zu tasks is %ld", n, sum);
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

/* This thread on one processor, all other threads of the process on another, whatever the contender
 * did about it. */
static void pin_apart(void) {
    int mine = allowed_cpu(0), theirs = allowed_cpu(1);
    DIR *dir = opendir("/proc/self/task");
    if (dir == NULL)
        bench_fail("/proc/self/task: %s", strerror(errno));
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != getpid())
            pin(atoi(entry->d_name), theirs);
    closedir(dir);
    pin(0, mine);
}

static void open_contender(void) {
    if (options.place == PLACE_SAME)
        pin(0, allowed_cpu(0));
    contender->open(options.workers, options.spin_s, options.size);
}

/* All submitted, then all collected; twice in the same pool: the first time its memory is new. */
static void run_futures(void) {
    open_contender();
    for (int pass = 0; pass < 2; pass++) {
        uint64_t start = bench_now_ns();
        contender->submit(options.size);
        uint64_t submitted = bench_now_ns();
        long sum = contender->collect(options.size);
        uint64_t end = bench_now_ns();
        check_sum(sum, options.size);
        print_head(pass == 0 ? "cold" : "warm", (double)(end - start) * 1e-9);
        printf(",\"submit_ns\":%.2f,\"task_ns\":%.2f}\n",
               (double)(submitted - start) / (double)options.size,
               (double)(end - start) / (double)options.size);
    }
    contender->close();
}

/* Tasks that wait behind a gate; what they add to the resident memory. */
static void run_memory(void) {
    open_contender();
    if (contender->hold != NULL) {
        contender->hold();
        bench_futex_wait(&gate_entered, 0);
    }
    long before = status_kb("VmRSS:");
    uint64_t start = bench_now_ns();
    contender->submit_wide(options.size);
    uint64_t end = bench_now_ns();
    long after = status_kb("VmHWM:");
    gate_open();
    check_sum(contender->collect(options.size), options.size);
    print_head("", (double)(end - start) * 1e-9);
    printf(",\"task_bytes\":%.1f}\n", (double)(after - before) * 1024 / (double)options.size);
    contender->close();
}

static int compare_ns(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* One task at a time. */
static void run_roundtrip(void) {
    size_t n = options.size, warm_up = n / 10 + 1;
    uint64_t *ns = (uint64_t *)bench_alloc(n * sizeof *ns);
    open_contender();
    if (contender->roundtrip(1) != 3)
        bench_fail("wrong result");
    if (options.place == PLACE_CROSS)
        pin_apart();
    uint64_t total = 0;
    for (size_t i = 0; i < warm_up + n; i++) {
        if (options.pause_s > 0)
            sleep_s(options.pause_s);
        uint64_t start = bench_now_ns();
        long result = contender->roundtrip((long)i);
        uint64_t taken = bench_now_ns() - start;
        if (result != (long)(2 * i + 1))
            bench_fail("wrong result: task %zu gave %ld", i, result);
        if (i >= warm_up)
            total += ns[i - warm_up] = taken;
    }
    contender->close();
    qsort(ns, n, sizeof *ns, compare_ns);
    print_head("", (double)total * 1e-9);
    printf(",\"min_ns\":%ju,\"p50_ns\":%ju,\"p90_ns\":%ju,\"p99_ns\":%ju}\n", (uintmax_t)ns[0],
           (uintmax_t)ns[n / 2], (uintmax_t)ns[n * 9 / 10], (uintmax_t)ns[n * 99 / 100]);
    free(ns);
}

struct usage {
    double cpu_s;
    long wakeups;
};

/* Of all threads but the calling one, which has the clock to look at. */
static struct usage others_usage(void) {
    struct usage sum = {0, 0};
    for (int who = 0; who < 2; who++) {
        struct rusage usage;
        int sign = who == 0 ? 1 : -1;
        getrusage(who == 0 ? RUSAGE_SELF : RUSAGE_THREAD, &usage);
        sum.cpu_s += sign * (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec);
        sum.cpu_s += sign * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
        sum.wakeups += sign * usage.ru_nvcsw;
    }
    return sum;
}

/* A pool that was used and is left alone. */
static void run_idle(void) {
    open_contender();
    if (contender->roundtrip(1) != 3)
        bench_fail("wrong result");
    sleep_s(0.5);
    struct usage before = others_usage();
    uint64_t start = bench_now_ns();
    sleep_s(options.seconds);
    double seconds = (double)(bench_now_ns() - start) * 1e-9;
    struct usage after = others_usage();
    print_head("", seconds);
    printf(",\"cpu_s_per_min\":%.6f,\"wakeups_per_min\":%.1f}\n",
           fmax(after.cpu_s - before.cpu_s, 0) * 60 / seconds,
           (double)(after.wakeups - before.wakeups) * 60 / seconds);
    contender->close();
}

static const struct workload {
    const char *name;
    void (*run)(void);
} workloads[] = {
    {"futures", run_futures},
    {"memory", run_memory},
    {"roundtrip", run_roundtrip},
    {"idle", run_idle},
};

static bool has_functions(const char *workload) {
    if (strcmp(workload, "futures") == 0)
        return contender->submit != NULL && contender->collect != NULL;
    if (strcmp(workload, "memory") == 0)
        return contender->submit_wide != NULL && contender->collect != NULL;
    return contender->roundtrip != NULL;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    switch (key) {
    case 'w':
        options.workers = (unsigned)strtoul(arg, NULL, 10);
        return 0;
    case 'n':
        options.size = strtoul(arg, NULL, 10);
        return 0;
    case 's':
        options.spin_s = strtod(arg, NULL);
        return 0;
    case 'p':
        options.pause_s = strtod(arg, NULL);
        return 0;
    case 't':
        options.seconds = strtod(arg, NULL);
        return 0;
    case 'r':
        options.round = atoi(arg);
        return 0;
    case 'l':
        for (int i = 0; i < 3; i++)
            if (strcmp(arg, place_names[i]) == 0) {
                options.place = (enum place)i;
                return 0;
            }
        argp_error(state, "unknown place: %s", arg);
        return 0;
    case ARGP_KEY_ARG:
        if (options.workload != NULL)
            return ARGP_ERR_UNKNOWN;
        options.workload = arg;
        return 0;
    case ARGP_KEY_END:
        if (options.workload == NULL || options.workers == 0 || options.size == 0)
            argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int bench_main(int argc, char **argv, const struct contender *chosen) {
    static const struct argp_option argp_options[] = {
        {"workers", 'w', "N", 0, "workers (1)", 0},
        {"size", 'n', "N", 0, "tasks (1000000)", 0},
        {"spin", 's', "SECONDS", 0, "workers search so long before they sleep (0)", 0},
        {"pause", 'p', "SECONDS", 0, "roundtrip: sleep before each task (0)", 0},
        {"seconds", 't', "SECONDS", 0, "idle: how long to watch (10)", 0},
        {"place", 'l', "PLACE", 0,
         "free; same: all threads on one core; cross: the workers on another core", 0},
        {"round", 'r', "N", 0, "copied to the output", 0},
        {0},
    };
    static const struct argp argp = {argp_options,
                                     parse,
                                     "futures|memory|roundtrip|idle",
                                     "One contender, one workload, one line of JSON each.",
                                     NULL,
                                     NULL,
                                     NULL};
    contender = chosen;
    argp_parse(&argp, argc, argv, 0, NULL, NULL);
    if (options.spin_s > 0 && !contender->can_spin)
        bench_fail("has no spinning to set");
    for (size_t i = 0; i < sizeof workloads / sizeof workloads[0]; i++)
        if (strcmp(options.workload, workloads[i].name) == 0) {
            if (!has_functions(options.workload))
                bench_fail("does not do the workload %s", options.workload);
            workloads[i].run();
            return EXIT_SUCCESS;
        }
    bench_fail("unknown workload: %s", options.workload);
}
