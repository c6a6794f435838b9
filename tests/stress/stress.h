/* stress.h: what the stress programs share: a seed that is printed and taken back, random numbers,
 * threads, and failing. Each program takes `[rounds [seed]]`.
 *
 * Nothing here waits with a time limit: a hang is a failure, and the limit of the test finds it. */
#ifndef STRESS_H
#define STRESS_H

#include "base/random.h"
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define STRESS_CHECK(condition)                                                                    \
    ((condition) ? (void)0 : stress_fail(__FILE__, __LINE__, "%s is false", #condition))

/* The same, and says what printf makes of the rest. */
#define STRESS_CHECK_MSG(condition, ...)                                                           \
    ((condition) ? (void)0 : stress_fail(__FILE__, __LINE__, __VA_ARGS__))

__attribute__((format(printf, 3, 4))) static inline _Noreturn void
stress_fail(const char *file, int line, const char *format, ...) {
    va_list list;
    va_start(list, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    abort();
}

struct stress {
    long rounds;
    uint64_t seed;
    uint64_t random; /* the main thread's */
};

static inline struct stress stress_begin(int argc, char **argv, const char *name, long rounds) {
    struct stress stress = {.rounds = argc > 1 ? atol(argv[1]) : rounds};
    stress.seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
    printf("%s: %ld rounds, seed %llu\n", name, stress.rounds, (unsigned long long)stress.seed);
    fflush(stdout);
    random_seed(&stress.random, stress.seed);
    return stress;
}

static inline pthread_t stress_start(void *(*main)(void *), void *arg) {
    pthread_t thread;
    STRESS_CHECK(pthread_create(&thread, NULL, main, arg) == 0);
    return thread;
}

static inline void stress_join(pthread_t thread) {
    STRESS_CHECK(pthread_join(thread, NULL) == 0);
}

/* The entries of a directory like /proc/self/task. */
static inline int stress_count_entries(const char *path) {
    int n = 0;
    DIR *directory = opendir(path);
    STRESS_CHECK(directory != NULL);
    while (readdir(directory) != NULL)
        n++;
    closedir(directory);
    return n;
}

/* ThreadSanitizer starts a thread of its own beside the program's first one. */
#if defined(__SANITIZE_THREAD__)
enum { STRESS_FOREIGN_THREADS = 1 };
#else
enum { STRESS_FOREIGN_THREADS = 0 };
#endif

/* Waits until as many threads are left as /proc showed at the start: one that has been joined is seen
 * there a moment longer, and one that stays is a hang. */
static inline void stress_await_threads(int n_before) {
    while (stress_count_entries("/proc/self/task") > n_before + STRESS_FOREIGN_THREADS)
        sched_yield();
}

/* The start of a stream of its own for each thread of each round. */
static inline uint64_t stress_stream(const struct stress *stress, long round, int thread) {
    uint64_t random;
    random_seed(&random, stress->seed + (uint64_t)round * 1000003 + (uint64_t)thread * 7919);
    return random;
}

/* Threads that start something at once: returns when `all` have come. */
static inline void stress_meet(atomic_int *n_come, int all) {
    atomic_fetch_add(n_come, 1);
    while (atomic_load(n_come) < all)
        sched_yield();
}

/* A gap of a random kind: none, some turns, the rest of the time slice, or some sleep. */
static inline void stress_gap(uint64_t *random, uint32_t longest_us) {
    struct timespec time = {0};
    switch (random_below(random, 4)) {
    case 0:
        break;
    case 1:
        for (uint32_t i = random_below(random, 2000); i > 0; i--)
            atomic_signal_fence(memory_order_seq_cst);
        break;
    case 2:
        sched_yield();
        break;
    default:
        time.tv_nsec = random_below(random, longest_us * 1000);
        nanosleep(&time, NULL);
    }
}

#endif
