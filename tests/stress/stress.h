/* stress.h: what the stress programs share: a seed that is printed and taken back, random numbers, and
 * failing. Each program takes `[rounds [seed]]`. */
#ifndef STRESS_H
#define STRESS_H

#include "base/random.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define STRESS_CHECK(condition)                                                                    \
    ((condition) ? (void)0 : stress_fail(__FILE__, __LINE__, #condition))

static inline _Noreturn void stress_fail(const char *file, int line, const char *condition) {
    fprintf(stderr, "%s:%d: %s\n", file, line, condition);
    abort();
}

struct stress {
    long rounds;
    uint64_t random;
};

static inline struct stress stress_begin(int argc, char **argv, const char *name, long rounds) {
    struct stress stress = {.rounds = argc > 1 ? atol(argv[1]) : rounds};
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
    printf("%s: %ld rounds, seed %llu\n", name, stress.rounds, (unsigned long long)seed);
    fflush(stdout);
    random_seed(&stress.random, seed);
    return stress;
}

static inline pthread_t stress_start(void *(*main)(void *), void *arg) {
    pthread_t thread;
    STRESS_CHECK(pthread_create(&thread, NULL, main, arg) == 0);
    return thread;
}

#endif
