/** @file
 * shared.h: memory that every worker of an executor sees at the same address.
 *
 * A process pool takes no other pointers: workers have their own copy of everything else. In a thread
 * pool it is memory like any other, so that a program runs on both.
 */
#ifndef FILCH_SHARED_H
#define FILCH_SHARED_H

#include <filch/executor.h>

#ifdef __cplusplus
extern "C" {
#endif

/** `size` bytes (0 counts as 1), aligned to 64, not cleared; on the NUMA nodes of the workers. They stay
 * until filch_shared_free, past the end of the task that asked for them, of its worker, and of the
 * executor.
 * Threads: any; tasks, too.
 * Owns: the caller; one filch_shared_free.
 * Units: bytes.
 * @return NULL: FILCH_INVALID, FILCH_NO_MEMORY (a process pool's limit is its option .memory). */
FILCH_API void *filch_shared_alloc(filch_executor *executor, size_t size);

/** Gives memory of filch_shared_alloc back. Whoever has it may do that, not only who asked for it. NULL is
 * allowed for `memory`; for `executor` once that is closed, and only in the process that had it open.
 * What is not such memory is left alone, and is the thread's last failure (FILCH_INVALID).
 * Threads: any; tasks, too. */
FILCH_API void filch_shared_free(filch_executor *executor, void *memory);

/** Does the pointer lie in memory of filch_shared_alloc? If that has been freed, either answer is
 * possible. NULL for `executor` asks for those that are closed.
 * Threads: any; tasks, too. Progress: wait-free while the executor is open. */
FILCH_API bool filch_shared_contains(filch_executor *executor, const void *pointer);

#ifdef __cplusplus
}
#endif

#endif
