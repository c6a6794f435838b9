/* platform/process.c: counting forks with pthread_atfork; what a worker process serves. */
#include "platform/process.h"

#include "base/cc.h"
#include <pthread.h>
#include <stddef.h>

uint32_t filchi_process_forks;

/* Written while the process has one thread. */
static struct served {
    const void *arena_owner; /* NULL: nothing */
    uint32_t tag;
} process_serves;

static THREAD_LOCAL struct served thread_serves;

static void count_fork(void) {
    filchi_process_forks++;
    process_serves = thread_serves = (struct served){NULL, PROCESS_OPENER};
}

int filchi_process_watch_forks(void (*prepare)(void), void (*parent)(void), void (*child)(void)) {
    /* Called again after a failure, this may count each fork twice, which does no harm. */
    int error = pthread_atfork(NULL, NULL, count_fork);
    return error != 0 ? error : pthread_atfork(prepare, parent, child);
}

void filchi_process_serve(const void *arena_owner, uint32_t tag) {
    process_serves = (struct served){arena_owner, tag};
}

void filchi_process_serve_on_thread(const void *arena_owner, uint32_t tag) {
    thread_serves = (struct served){arena_owner, tag};
}

uint32_t filchi_process_tag(const void *arena_owner) {
    if (process_serves.arena_owner == arena_owner)
        return process_serves.tag;
    return thread_serves.arena_owner == arena_owner ? thread_serves.tag : PROCESS_OPENER;
}

bool filchi_process_serves(const void *arena_owner) {
    return filchi_process_tag(arena_owner) != PROCESS_OPENER;
}
