/* executor/shared.h: memory that the program asks an executor for (filch_shared_alloc). */
#ifndef FILCHI_SHARED_H
#define FILCHI_SHARED_H

#include "executor/pool.h"

/* Does every worker of the pool see what is at this address? */
bool filchi_shared_has(const struct pool *pool, const void *pointer);

/* The pool's last act: what is not freed yet keeps the arena, and can be freed without the handle.
 * Returns: how many such cells the arena has to expect. */
uint64_t filchi_shared_leave(struct pool *pool);

#endif
