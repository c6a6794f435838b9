/* inject.h: calls that fail on purpose.
 *
 * The program is linked with --wrap for every call listed here, so that each use in the library (and
 * only there: hwloc, liburcu and libc keep theirs) comes through inject.c, is counted, and fails where
 * inject_arm says so. What a call looks like when it fails is what the system can do:
 *
 *   memory      malloc, calloc, realloc, strdup, asprintf, getline; mmap; mprotect; munmap; and the library's own steps of
 *               taking memory, since the system is asked for 4 MiB at a time: a chunk of the arena, a
 *               word of cells, an extent
 *   threads     pthread_create; pthread_key_create, pthread_setspecific and pthread_atfork
 *   eventfd     no descriptor is left
 *   futex wait  returns at once, with EINTR or EAGAIN: callers look again
 *   futex wake  wakes, and then says EFAULT: the kernel refuses to wake bad addresses only, at which
 *               nobody can sleep, so what a wake returns must be of no interest
 *   machine     membarrier, close_range, the calls for CPU masks, madvise, files of /proc and /sys: wishes,
 *               without which all works
 *   processes   fork; socketpair; signalfd; pidfd_open, without which all works
 *   memfd       memfd_create, ftruncate, seals: an anonymous mapping does the same
 *   populate    pages of shared memory: there are none
 *   fallocate   the same on a system that cannot populate (before Linux 5.14)
 *   ring        a worker may not send the fork server a signal; others do it for it
 *   interrupt   poll and waitpid end with EINTR when nothing is there
 *
 * What is counted is shared with the processes that are forked later: the n-th call is the n-th of all of
 * them. What is left at the end each process counts for itself.
 */
#ifndef FAULT_INJECT_H
#define FAULT_INJECT_H

#include <pthread.h>
#include <stdbool.h>

enum call {
    CALL_MALLOC,
    CALL_MMAP,
    CALL_MPROTECT,
    CALL_MUNMAP,
    CALL_CHUNK,
    CALL_CELLS,
    CALL_EXTENT,
    CALL_THREAD,
    CALL_THREAD_DATA,
    CALL_ATFORK,
    CALL_EVENTFD,
    CALL_FUTEX_WAIT,
    CALL_FUTEX_WAKE,
    CALL_MACHINE,
    CALL_FORK,
    CALL_SOCKETPAIR,
    CALL_SIGNALFD,
    CALL_PIDFD,
    CALL_MEMFD,
    CALL_POPULATE,
    CALL_FALLOCATE,
    CALL_RING,
    CALL_INTERRUPT,
    N_CALLS
};

extern const char *const inject_names[N_CALLS];

/* The n-th call of this kind fails, or that and all later ones. Calls are counted from inject_begin on, and
 * while they are not lifted. To be armed before the process forks any other. */
void inject_arm(enum call call, long n, bool for_ever);
void inject_begin(void);

/* From now on nothing fails and nothing is counted. */
void inject_lift(void);

/* Has a call failed on purpose, in whatever process? */
bool inject_was_reached(void);

/* Is this the kind of call that fails? */
bool inject_is(enum call call);

/* Is it one without which all works? */
bool inject_is_wish(void);

/* Does this one, which sets errno, fail? */
bool inject_fails(enum call call, int error);

/* Bytes that the library has mapped in this process, and blocks that it has on the heap. */
long inject_mapped_bytes(void);
long inject_heap_blocks(void);

/* The real calls, for the tests' own use. */
int inject_real_thread(pthread_t *thread, void *(*fn)(void *), void *arg);

#endif
