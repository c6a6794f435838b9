/* scheduler/substitute.h: what happens when a worker has to block.
 *
 * A pool of n workers has n seats, and only who sits starts tasks. A worker that blocks in a wait
 * leaves its seat vacant, which is to sleep as far as others can see (park.h): the next push, or the
 * leaver itself if there is work, wakes the seat, and for that a substitute sits down: a spare, or a
 * worker that is started for it. So a seat costs a thread only if there is something to do.
 *
 * When the wait ends, the worker sits down again if a seat is vacant; else it goes on with its task
 * without one (it is absent), and when the task has ended it stands by as a spare, until it is needed
 * or nobody has needed it for a while. At most SUBSTITUTES workers are absent at a time; beyond that
 * no seat is given up.
 *
 * Edges: those of park.h, and
 *   SPARE    spare bit set (seq_cst), flags read -> flags set, heavy barrier, spare bits read: a spare
 *            sees that the pool ends, or is woken to see it.
 *   GIVEN    seated, taken, then what the spare was given (release) -> the spare goes on (acquire). A token
 *            alone tells it nothing: it may be stray.
 *   ABSENT   spare or slot bit set, count of absent workers lowered (release) -> raised by the next
 *            one (acquire): who fills that one's seat finds the spare, or a free slot.
 *   HIDDEN   (scheduler.h) an absent worker counts as having entries in its hands: nobody leaves for
 *            good before it sits again or stands by. */
#ifndef FILCHI_SUBSTITUTE_H
#define FILCHI_SUBSTITUTE_H

#include "scheduler/scheduler.h"

/* The calling worker is about to block: leaves its seat, if it has one, to a substitute.
 * Returns: 0; EBUSY if too many are absent; another errno value if there is work and nobody could be
 * started for it. The worker keeps its seat then, and must not block. In an initializer or finalizer it
 * keeps it, too (0), and may. */
int filchi_substitute_leave(struct worker *worker);

/* The calling worker goes on with its task, on a seat if it has one or one is vacant. */
void filchi_substitute_return(struct worker *worker);

/* Between two tasks: the worker has no seat. Waits for one, and serves its mail meanwhile.
 * Returns: false if it is to end: it retires, the pool ends, or it has not been needed for a while. */
bool filchi_substitute_stand_by(struct worker *worker);

/* Finds a worker for a vacant seat that the caller has claimed. Returns: 0 or an errno value. */
int filchi_substitute_fill(struct scheduler *scheduler, uint32_t seat);

/* Wakes all spares, to see that the pool ends. */
void filchi_substitute_wake_spares(struct scheduler *scheduler);

/* The worker has ended; another one may be started in its slot. */
void filchi_substitute_free_slot(struct worker *worker);

#endif
