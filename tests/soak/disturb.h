/* disturb.h: what happens to workers from outside while others play: they are stopped and go on, are moved to
 * other CPUs, and die. */
#ifndef FILCH_SOAK_DISTURB_H
#define FILCH_SOAK_DISTURB_H

#include "stress/stress.h"
#include <filch/filch.h>

struct disturber {
    filch_executor *executor;
    const char *prefix; /* of the names of its workers, which no others have */
    bool has_processes;
    bool is_deadly;
    uint64_t random;
    atomic_bool is_to_stop;
    pthread_t thread;
    uint64_t n_stops, n_moves, n_kills; /* so far */
};

/* Before the first thread: remembers where the program may run. */
void disturb_init(void);

void disturb_start(struct disturber *disturber);

/* Nobody is left stopped. */
void disturb_stop(struct disturber *disturber);

#endif
