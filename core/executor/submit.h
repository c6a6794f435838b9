/* executor/submit.h: the steps of a submit, for those who make blocks of their own kind. */
#ifndef FILCHI_SUBMIT_H
#define FILCHI_SUBMIT_H

#include "executor/block.h"
#include "executor/pool.h"

/* A block in INIT from the calling thread's producer; NULL with the thread's failure set if the pool
 * takes nothing any more or memory is short. */
filch_future *filchi_submit_take_block(const char *function, struct pool *pool,
                                       const filch_task_type *type, struct producer **producer);

/* A block in INIT with its arguments and options. Returns: NULL with the thread's failure set. */
filch_future *filchi_submit_pack(const char *function, filch_executor *executor,
                                 const filch_task_type *type, const void *args,
                                 const filch_submit_options *options);

/* Gives back a block that was not queued, and what it holds. */
void filchi_submit_give_back(filch_future *future);

/* Queues a block in INIT and wakes somebody if need be.
 * Returns: FILCH_OK; else it was given back: FILCH_NO_MEMORY, FILCH_SYSTEM (no worker could be
 * started), FILCH_SHUTDOWN, FILCH_BROKEN. */
filch_status filchi_submit_queue(const char *function, struct pool *pool, filch_future *future);

/* In a process that may die alone: n_submitted is about to become n_before + 1 because of this block, which
 * is in INIT, or to become n_before again since it goes back there. Whoever recovers counts by its state. */
void filchi_submit_announce(struct producer *producer, const filch_future *future,
                            uint64_t n_before);

static inline void submit_announce(struct producer *producer, const filch_future *future,
                                   uint64_t n_before) {
    if (unlikely(producer->process != PROCESS_OPENER))
        filchi_submit_announce(producer, future, n_before);
}

/* Makes n_submitted right, of a producer whose process has died. Before its blocks are touched. */
void filchi_submit_recover_count(struct producer *producer);

#endif
