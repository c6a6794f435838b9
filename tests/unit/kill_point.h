/* kill_point.h: a death before a chosen atomic access. A program that is compiled with this header before
 * everything else (-include) passes kill_point before each access of core/ that it contains; once
 * kill_in is set it dies there, by SIGKILL, when that many have been passed. */
#ifndef FILCH_TEST_KILL_POINT_H
#define FILCH_TEST_KILL_POINT_H

#include <signal.h>
#include <stdint.h>
#include <unistd.h>

extern __thread uint64_t kill_in; /* 0: never */

static inline __attribute__((unused)) int kill_point(void) {
    if (kill_in != 0 && --kill_in == 0)
        kill(getpid(), SIGKILL);
    return 0;
}

#define FILCH_ATOMIC_HOOK(operation, address, bytes, order) ((void)kill_point())

#endif
