/* structures/reclaim.h: when may memory that others are reading be freed?
 *
 * A thief reads a deque's ring between enter and leave; an owner that has replaced a ring retires it
 * on a list; who takes the list waits with filchi_reclaim_wait until every reader that could have
 * seen the old ring has left. liburcu's flavour bp does it: it registers threads by itself, also the
 * program's own, and its read side is a store where the system has membarrier.
 * Threads of one process only; pools of several processes keep their rings. */
#ifndef FILCHI_RECLAIM_H
#define FILCHI_RECLAIM_H

/* Registers the fork handlers; once. Returns: 0 or an errno value. */
int filchi_reclaim_init(void);

/* Progress: wait-free. */
void filchi_reclaim_enter(void);
void filchi_reclaim_leave(void);

/* Blocks: until all who entered before it have left. Not between enter and leave. */
void filchi_reclaim_wait(void);

#endif
