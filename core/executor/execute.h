/* executor/execute.h: running the task of a block, on a worker or inside a wait. */
#ifndef FILCHI_EXECUTE_H
#define FILCHI_EXECUTE_H

#include "executor/block.h"
#include "executor/pool.h"

/* The operations that the scheduler needs; the start of a worker goes through the pool's table. */
extern const struct scheduler_operations filchi_execute_operations;

/* The operations that futures need. */
void filchi_execute_host(struct future_host *host, uint64_t spin_ns, bool is_shared);

/* Runs an initializer (or, with `init` NULL, the finalizer) in this worker.
 * Returns: what the initializer returned; a raise counts as failure. `why` gets the text. */
int filchi_execute_hook(struct pool *pool, const char *name, int (*init)(void *),
                        void (*fini)(void *), void *arg, char *why, size_t why_size);

#endif
