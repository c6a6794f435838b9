/* future/ringer.h: the descriptors of this process's consumers, for event loops.
 *
 * A consumer has, on demand, a descriptor that is set while its owner would get something. Its owner
 * clears it, and whoever pushes to an armed one (BELL_POLLED) sets it; both under one lock, since a late
 * finisher must not write to a descriptor that was closed and is somebody else's by then.
 *
 * A descriptor belongs to one process. A finisher in another one raises a word of that process in shared
 * memory and wakes its ringer: a thread that runs while there is such a consumer, looks at the lists of
 * all that have a descriptor and sets those that are due. It is no part of any pool: a task may poll in
 * its worker process, whose only other thread this is. */
#ifndef FILCHI_RINGER_H
#define FILCHI_RINGER_H

#include "future/consumer.h"

/* The descriptor, which is made if there is none; not set. Owner. Returns: -1 with errno set. */
int filchi_ringer_fd(struct consumer *consumer);

/* Another process may push to a consumer, which may have a descriptor. Owner, before it subscribes.
 * Returns: 0 or an errno value. */
int filchi_ringer_expect_remote(struct consumer *consumer);

/* Sets the descriptor, if there is one, if `is_ready` or the list is not empty; else clears it. Owner,
 * whenever what it has taken and not given has changed. */
void filchi_ringer_show(struct consumer *consumer, bool is_ready);

/* Something has been pushed to an armed one, in whatever process that was. */
void filchi_ringer_ring(struct consumer *consumer);

/* Closes the descriptor, if there is one. Owner. */
void filchi_ringer_close(struct consumer *consumer);

/* The lock is not held over a fork; the child has no descriptors and no thread. */
void filchi_ringer_before_fork(void);
void filchi_ringer_after_fork(void);
void filchi_ringer_after_fork_in_child(void);

#endif
