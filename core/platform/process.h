/* platform/process.h: which process is this?
 *
 * The generation is 0 in the process that loaded the library and one more in each forked child. What
 * was opened under another generation belongs to an ancestor and is dead here, but for one thing: a
 * worker process serves one shared arena of an ancestor, and has a tag in it. Who wrote what there is
 * told by tags: PROCESS_OPENER, or a worker's slot + 1. */
#ifndef FILCHI_PROCESS_H
#define FILCHI_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PROCESS_OPENER = 0,
    PROCESS_REAPER = 0xffff, /* a thread of the opener that runs none of the program's code */
};

/* How often the process and its ancestors were forked since; written while it has one thread. */
extern uint32_t filchi_process_forks;

/* Progress: wait-free. */
static inline uint32_t filchi_process_generation(void) {
    return filchi_process_forks;
}

/* Registers what to run at every fork; once per process tree. Returns: 0 or an errno value. */
int filchi_process_watch_forks(void (*prepare)(void), void (*parent)(void), void (*child)(void));

/* From now on this process is a worker of the arena that has this owner. A forked child of it is not.
 * For the thread mode of a process pool: only this thread is. */
void filchi_process_serve(const void *arena_owner, uint32_t tag);
void filchi_process_serve_on_thread(const void *arena_owner, uint32_t tag);

/* Is this process, or thread, such a worker? */
bool filchi_process_serves(const void *arena_owner);

/* The calling process's tag in that arena; PROCESS_OPENER if it is not a worker there. */
uint32_t filchi_process_tag(const void *arena_owner);

#endif
