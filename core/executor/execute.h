/* executor/execute.h: running the task of a block, on a worker or inside a wait. */
#ifndef FILCHI_EXECUTE_H
#define FILCHI_EXECUTE_H

#include "executor/block.h"
#include "executor/pool.h"
#include <stdlib.h>

/* The program's code has returned on a worker. If it forked, this may be the child, where the pool
 * does not exist and this is the only thread: what would be the end of the worker is its end. */
static inline void execute_leave_if_forked(uint32_t generation) {
    if (unlikely(generation != filchi_process_generation()))
        exit(EXIT_SUCCESS);
}

/* The operations that the scheduler needs; the start of a worker goes through the pool's table. */
extern const struct scheduler_operations filchi_execute_operations;

/* Runs a pending future of this worker's pool right here, on top of the task that waits for it. If that
 * cannot be, it is as pending as before. */
void filchi_execute_inline(struct worker *worker, filch_future *future);

/* Runs an initializer (or, with `init` NULL, the finalizer) in this worker.
 * Returns: what the initializer returned; a raise counts as failure. `why` gets the text. */
int filchi_execute_hook(struct pool *pool, const char *name, int (*init)(void *),
                        void (*fini)(void *), void *arg, char *why, size_t why_size);

#endif
