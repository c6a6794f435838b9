/* future/recover.h: what is done to futures when a process that had to do with them has ended.
 *
 * By a thread of the opener that runs none of the program's code: what would run it is deferred. */
#ifndef FILCHI_FUTURE_RECOVER_H
#define FILCHI_FUTURE_RECOVER_H

#include "future/future.h"

/* The process that had the handles of all futures of this heap has ended, and nobody takes from the heap
 * meanwhile: each counts as released, and its callbacks, which nobody can call any more, as called. */
void filchi_future_disown(struct heap *heap);

#endif
