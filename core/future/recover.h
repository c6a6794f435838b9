/* future/recover.h: what is done to futures when a process that had to do with them has ended.
 *
 * By the opener's reaper, which runs none of the program's code: what would run it is left to the notifier.
 * A future that the dead was running says so by its state, and by the worker's stack of runs; so does one
 * that it was ending, up to the time when it was through with the block. Of those the last is the only one
 * that need not be running any more:
 *
 *     RUNNING                           it ends as lost, or is pending again; or, if its outcome was
 *                                       recorded before consumers were told, with that
 *     done, not DELIVERED               who would have delivered: the dead, unless it had left that to
 *                                       others
 *     DELIVERED and RELEASED            freed by who delivered
 *
 * What nobody delivers any more goes to the notifier (filchi_future_find_rest), in whose hands most of them
 * are anyway: so nobody else has it then. Those who sleep are woken here. */
#ifndef FILCHI_FUTURE_RECOVER_H
#define FILCHI_FUTURE_RECOVER_H

#include "future/future.h"

/* Makes the counts of what a dead process has cancelled and broken right. */
void filchi_life_recover_count(struct process_life *life, uint32_t tag);

/* RUNNING in a process that has ended -> this outcome, FAILED with future->error set; what runs the
 * program's code is deferred. Returns: false if it was not running, in that generation. */
bool filchi_future_end_for(filch_future *future, uint32_t generation, uint64_t outcome);

/* RUNNING in a process that has ended -> PENDING, to be queued again. Returns: as above. */
bool filchi_future_run_again(filch_future *future, uint32_t generation);

/* Of a future that is done: wakes who sleeps on it. */
void filchi_future_wake(const filch_future *future);

/* Is this future's process dead `owner` (a worker's number) the one who settled it, without having
 * delivered? For futures that were cancelled or broken. */
bool filchi_future_was_left_settled(const filch_future *future, uint32_t owner);

enum future_rest { REST_NOTHING, REST_DELIVERY, REST_BLOCK };

/* What is left to be done for a future that a dead process was about to deliver. By who delivers for the
 * dead, when the future is in nobody's hands but, MAILED, a worker's. */
enum future_rest filchi_future_find_rest(const filch_future *future, uint32_t generation);

/* Makes an undelivered one DEFERRED. By the same. */
void filchi_future_defer(filch_future *future);

/* The process that had the handles of this future has ended: it counts as released, and its callbacks, which
 * nobody can call any more, as called. Not while it is being mailed. */
void filchi_future_disown(filch_future *future);

#endif
