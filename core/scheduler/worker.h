/* scheduler/worker.h: a worker's loop: find an entry, run it, search, sleep. */
#ifndef FILCHI_WORKER_H
#define FILCHI_WORKER_H

#include "scheduler/scheduler.h"

/* The worker that the calling thread is, or NULL. The one accessor. */
struct worker *filchi_worker_self(void);

/* Makes the calling thread this worker, or (NULL) none. */
void filchi_worker_become(struct worker *worker);

/* The worker of this slot, which the caller has claimed; made if it has never been, in memory on the
 * seat's NUMA node if the system likes.
 * Returns: NULL if there is no memory. */
struct worker *filchi_worker_make(struct scheduler *scheduler, uint32_t number, uint32_t seat);

/* Runs entries until the pool is told to stop and there is nothing left to run, or until the worker
 * retires or, a substitute, is no longer needed. */
void filchi_worker_loop(struct worker *worker);

/* The worker is about to make an outcome known, and has nothing else to do: it counts as searching
 * from now on, so that whoever learns of the outcome and submits again finds it awake and wakes
 * nobody else. To be followed soon by a return to the loop, or by filchi_worker_is_busy. */
void filchi_worker_is_nearly_free(struct worker *worker);

/* Takes that back: the worker goes on with something long. */
void filchi_worker_is_busy(struct worker *worker);

/* A new worker's initializer may take long: until it ends the worker does not count as searching, so
 * pushes wake others. What was left to it before goes to another worker, unless as many as there are
 * entries are coming already. */
void filchi_worker_begin_initializer(struct worker *worker);
void filchi_worker_end_initializer(struct worker *worker);

/* Something will be put into its mail, or what was to be has been seen to. In its process, any thread. */
static inline void worker_expect_mail(struct worker *worker) {
    (void)filch_fetch_add_relaxed(&worker->n_expected, 1u);
}

void filchi_worker_end_expected(struct worker *worker);

static inline bool worker_expects_mail(const struct worker *worker) {
    return filch_load_relaxed(&worker->n_expected) != 0;
}

/* Something was put into its mail, or somebody died who may have been about to wake it: it looks, now
 * or after its task. Any thread of any process. */
void filchi_worker_notify(struct worker *worker);

/* The calling worker, inside a task, takes no seat any more and ends when no task is left on its stack.
 * Who takes its place runs what it has queued. Nothing happens if it must not give its seat up now (see
 * filchi_substitute_leave): to be called again after the next task. */
void filchi_worker_retire(struct worker *worker);

/* Internal to the layer. */
void filchi_producer_init(struct producer *producer, struct scheduler *scheduler);
void filchi_scheduler_free_retired(struct scheduler *scheduler);

#endif
