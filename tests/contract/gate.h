/* gate.h: how a test makes threads wait for each other without sleeping.
 *
 * A gate is a counter that only grows; a thread waits until it has reached a value. It works in any
 * memory that the threads share, between processes too. gate_add releases what was written before
 * it, gate_wait acquires it. */
#ifndef FILCH_TEST_GATE_H
#define FILCH_TEST_GATE_H

#include "test.h"
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TEST_HELPER __attribute__((unused)) static

struct gate {
    atomic_int value;
};

TEST_HELPER int gate_value(struct gate *gate) {
    return atomic_load(&gate->value);
}

TEST_HELPER void gate_add(struct gate *gate, int n) {
    atomic_fetch_add(&gate->value, n);
    syscall(SYS_futex, &gate->value, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

TEST_HELPER void gate_open(struct gate *gate) {
    gate_add(gate, 1);
}

TEST_HELPER void gate_wait(struct gate *gate, int at_least) {
    for (int seen; (seen = gate_value(gate)) < at_least;)
        syscall(SYS_futex, &gate->value, FUTEX_WAIT, seen, NULL, NULL, 0);
}

/* For threads that are about to block where no gate can tell: makes it likely that they do. A test
 * holds without it too, it only proves less. */
TEST_HELPER void let_others_block(void) {
    nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
}

TEST_HELPER double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

TEST_HELPER pthread_t thread_start(void *(*fn)(void *), void *arg) {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, fn, arg), 0);
    return thread;
}

TEST_HELPER void thread_join(pthread_t thread) {
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

#endif
