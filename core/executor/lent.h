/* executor/lent.h: where a task of a shared pool builds its result: its process's own memory.
 *
 * A task may fork, and its child may return from it before it ends (executor/execute.h). In a pool of
 * threads all that such a child writes is its own copy; in shared memory its result would be taken for the
 * task's. So the result is copied to where others see it when it is clear which process returned. */
#ifndef FILCHI_LENT_H
#define FILCHI_LENT_H

#include "base/cc.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct lent {
    _Alignas(CACHE_LINE) char room[512];
    void *memory; /* the room, or malloc'ed */
};

static inline void *lend_aligned(size_t bytes) {
    return aligned_alloc(CACHE_LINE, round_up(bytes, CACHE_LINE));
}

/* Returns: NULL without memory; the task does without, then. */
static inline void *lend(struct lent *lent, size_t bytes) {
    lent->memory = bytes <= sizeof lent->room ? lent->room : lend_aligned(bytes);
    return lent->memory;
}

static inline void take_back(struct lent *lent) {
    if (lent->memory != lent->room)
        free(lent->memory);
}

#endif
