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

void filchi_process_watch_forks(void (*prepare)(void), void (*parent)(void), void (*child)(void)) {
    pthread_atfork(NULL, NULL, count_fork);
    pthread_atfork(prepare, parent, child);
}
