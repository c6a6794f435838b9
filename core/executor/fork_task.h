/* executor/fork_task.h: tasks that spawn: their stack, and what a child leaves to who syncs it. */
#ifndef FILCHI_FORK_TASK_H
#define FILCHI_FORK_TASK_H

#include "scheduler/fork_stack.h"

/* Runs a stolen child of this task, its result in place of its arguments. Returns: what else it leaves, to be
 * given to filchi_fork_task_take; NULL: nothing. */
void *filchi_fork_task_run(struct worker *worker, filch_stack *child, filch_stack *top, void *task);

/* That is the calling task's, as if the child had run here. */
void filchi_fork_task_take(struct worker *worker, void *spoils);

/* There was no memory for this child: the task fails. */
void filchi_fork_task_lose(struct worker *worker, const filch_stack *child);

#endif
