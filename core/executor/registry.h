/* executor/registry.h: which executors this process has open, and which producer each thread has in
 * which of them.
 *
 * The exit of the program, a fork and the end of a thread all need the open executors; a thread's
 * producers are keyed by the executor's serial number, so that what is left of a closed executor is
 * recognised without being touched. */
#ifndef FILCHI_REGISTRY_H
#define FILCHI_REGISTRY_H

#include "executor/pool.h"

/* Adds an executor and gives its pool a serial number. Returns: 0, or an errno value if the process
 * cannot get what it needs once (fork handlers, a thread-specific key): that is `*what`. */
int filchi_registry_add(filch_executor *executor, const char **what);

/* The registry's lock, for other short lists of this process: no forked child finds it taken. */
void filchi_registry_lock(void);
void filchi_registry_unlock(void);

/* In a new worker process: this is the only executor that there is. */
void filchi_registry_serve(filch_executor *executor);

/* Blocks: while the end of the program waits for the executor's tasks. */
void filchi_registry_remove(filch_executor *executor);

#endif
