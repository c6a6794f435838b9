/* scheduler/recover.h: what a worker's process leaves in the scheduler when it dies, at whatever step.
 *
 * By a thread of the opener, the reaper, which has a tag of its own and serves all deaths, one after the
 * other. It acts for the dead one, all of whose threads are gone, while everybody else goes on. What it
 * goes by:
 *
 *     what may have left a deque       the record of what is taken (intent.h), the slot at the bottom of its
 *                                      deque (an interrupted pop), or the whole ring where something was
 *                                      out of sight (an interrupted compaction): all that is live is queued
 *                                      again. What is in two queues then runs once: its state says so.
 *     a seat or slot it had claimed    the words of claims.h
 *     a seat that it was leaving       intent.leaving
 *     its own seat                     taken, and seated is the dead one
 *     somebody it was about to wake    nothing: everybody is woken, once. A search bit that it set for
 *                                      somebody who did not wake is cleared with all others.
 *
 * What the dead one ran is not known here: intent.runs is the layer above's to read. The slot stays
 * claimed by the reaper until filchi_substitute_free_slot, so that nobody starts another worker there
 * before its memory is in order (structures/recover.h). */
#ifndef FILCHI_SCHEDULER_RECOVER_H
#define FILCHI_SCHEDULER_RECOVER_H

#include "scheduler/scheduler.h"

/* `own` is the caller's producer; what has to be queued again goes there. Any number of calls.
 * Returns: false if something is left that somebody else is in the middle of, who may be stopped, or if
 * there was no memory: to be called again, in a while. */
bool filchi_scheduler_recover(struct worker *dead, struct producer *own);

/* A worker that sits, and was asked for, will not come: its seat is vacant again, and somebody who sits
 * and sleeps looks at what was left to it. */
void filchi_scheduler_vacate(struct worker *worker);

#endif
