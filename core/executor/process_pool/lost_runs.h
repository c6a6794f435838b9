/* executor/process_pool/lost_runs.h: the tasks that a worker process was running when it ended.
 *
 * They stand on its stack of runs, the innermost last: those below waited for it, or a callback of theirs did.
 * From the innermost on each fails, or is queued again; or, if it had returned, its outcome is made known and
 * delivered. By the reaper, for recover.c. */
#ifndef FILCHI_LOST_RUNS_H
#define FILCHI_LOST_RUNS_H

#include "executor/process_pool/process_pool.h"

/* Of a worker's process. */
struct death {
    struct process_pool *self;
    struct pool *pool;
    struct worker *worker;
    const struct slot *slot;
    uint32_t tag;
    struct producer *producer; /* of the reaper */
    struct process_end end;
    char how[64];
    const filch_future *inner; /* the last one that was running; those below waited for it */
    bool has_more;             /* than there is memory for */
};

/* Ends them. Returns: false if some are left for the next call. */
bool filchi_lost_runs_recover(struct death *death);

/* The innermost that it was running, before that; NULL: none. */
const filch_future *filchi_lost_runs_find_innermost(const struct death *death);

/* Did one of them, before that, run past its time limit? */
bool filchi_lost_runs_has_late(const struct death *death);

/* Queues a pending future, perhaps once more. */
void filchi_lost_runs_queue(const struct death *death, filch_future *future, uint32_t generation);

#endif
