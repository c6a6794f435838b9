/* kill_point.h: a worker process that dies before a chosen access to shared memory. The library is
 * compiled with this before everything else (-include); only a process that has armed itself counts. */
#ifndef FILCH_TORTURE_KILL_POINT_H
#define FILCH_TORTURE_KILL_POINT_H

#include <stdint.h>

/* How many accesses are left to the calling thread; 0: it is not armed. */
extern __thread uint64_t torture_left;

void torture_pass(void);

static inline __attribute__((unused)) int torture_point(void) {
    if (torture_left != 0)
        torture_pass();
    return 0;
}

#define FILCH_ATOMIC_HOOK(operation, address, bytes, order) ((void)torture_point())

#endif
