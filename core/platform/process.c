/* platform/process.c: counting forks with pthread_atfork. */
#include "platform/process.h"

#include <filch/detail/atomic.h>
#include <pthread.h>
#include <stddef.h>

static filch_atomic_u32 generation;

static void count_fork(void) {
    filch_store_relaxed(&generation, filch_load_relaxed(&generation) + 1);
}

uint32_t filchi_process_generation(void) {
    return filch_load_relaxed(&generation);
}

int filchi_process_watch_forks(void (*prepare)(void), void (*parent)(void), void (*child)(void)) {
    /* Called again after a failure, this may count each fork twice, which does no harm. */
    int error = pthread_atfork(NULL, NULL, count_fork);
    return error != 0 ? error : pthread_atfork(prepare, parent, child);
}
