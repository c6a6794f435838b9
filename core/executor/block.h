/* executor/block.h: the 128 bytes of a pending task: a future and its inline room.
 *
 * Arguments and result share the room where they fit; what does not lies in extents of the arena, and
 * the future's `extents` says which there are. A queue entry is the block's arena reference and its
 * generation. */
#ifndef FILCHI_BLOCK_H
#define FILCHI_BLOCK_H

#include "future/future.h"

enum { BLOCK_ROOM = 48, BLOCK_LOG2 = 7 };

enum block_extents {
    BLOCK_HAS_ARGS = 1,
    BLOCK_HAS_VALUE = 2,
    BLOCK_HAS_TEXT = 4, /* the result is a string or bytes, in an extent of its own */
    BLOCK_HAS_OPTIONS = 8,
    BLOCK_HAS_CHUNK = 16, /* the task is a chunk of a map */
};

struct block {
    struct filch_future future;
    _Alignas(64) unsigned char room[BLOCK_ROOM];
    void *args;
    union {
        filch_raw_fn *raw;         /* of filch_submit_raw, until it has run */
        filch_atomic_pointer next; /* from then on: of what is to be delivered (notifier.h) */
    };
};
_Static_assert(sizeof(struct block) == 1 << BLOCK_LOG2, "two cache lines to a pending small task");

static inline struct block *block_of(filch_future *future) {
    return container_of(future, struct block, future);
}

static inline uint64_t entry_of(const filch_future *future, uint32_t generation) {
    return (uint64_t)arena_reference(future_arena(future), future) << 32 | generation;
}

static inline filch_future *entry_future(struct arena *arena, uint64_t entry) {
    return (filch_future *)arena_address(arena, (uint32_t)(entry >> 32));
}

static inline uint32_t entry_generation(uint64_t entry) {
    return (uint32_t)entry;
}

#endif
