/* kill_point.h: a worker process that dies before a chosen access to shared memory. The library is
 * compiled with this before everything else (-include); only a process that has armed itself counts. */
#ifndef FILCH_TORTURE_KILL_POINT_H
#define FILCH_TORTURE_KILL_POINT_H

#include <stdint.h>

/* How many accesses are left to the calling thread; 0: it is not armed. */
extern __thread uint64_t torture_left;

void torture_pass(void);

#define FILCH_ATOMIC_HOOK(operation, address, bytes, order)                                        \
    ((void)(torture_left != 0 ? (torture_pass(), 0) : 0))

#endif
