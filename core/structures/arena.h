/* structures/arena.h: the memory of one executor, handed out in chunks of 64 KiB.
 *
 * One reservation of address space, made usable from its start on as it is needed. Its first chunks
 * hold this header and a table of one word per chunk: 0 is free, otherwise the length of the run
 * that starts here, or INSIDE_RUN. Runs are claimed word by word with CAS and never linked, so a
 * table can be read, and repaired, whatever a holder was doing when it died.
 *
 * Operations x operations: take and give may run concurrently in any number of threads.
 * Progress: lock-free; take is linear in the number of chunks in use in the worst case.
 *
 * Life: filchi_arena_open makes it. Cells that outlive the executor (futures) keep it: see
 * arena_expect and arena_cell_is_gone. */
#ifndef FILCHI_ARENA_H
#define FILCHI_ARENA_H

#include "base/cc.h"
#include <filch/detail/atomic.h>
#include <stddef.h>

enum { CHUNK_BYTES = 64 * 1024 };

struct arena {
    size_t bytes;
    uint32_t n_chunks;
    uint32_t first_chunk;      /* behind the header and the table */
    void *owner;               /* of the layer that opened it; not used here */
    filch_atomic_u64 *words;   /* the table */
    filch_atomic_u32 low_hint; /* no chunk below it was free lately */
    filch_atomic_u32 n_usable; /* chunks from the start on that may be touched */
    filch_atomic_u64 expected; /* see arena_expect */
};

/* Returns: NULL if the address space or the first memory is refused (errno set). */
struct arena *filchi_arena_open(size_t bytes);

/* Unmaps everything, the header included. */
void filchi_arena_close(struct arena *arena);

/* A run of chunks, its content undefined (zero where never used).
 * Returns: NULL if there is no such run or the system refuses the memory. */
void *filchi_arena_take(struct arena *arena, size_t n_chunks);

/* Gives a run back, and its pages to the system. */
void filchi_arena_give(struct arena *arena, void *run);

/* Address <-> 32-bit reference in units of 64 bytes: queue entries hold references. */
enum { ARENA_UNIT_LOG2 = 6 };
#define ARENA_MAX_BYTES ((size_t)1 << (32 + ARENA_UNIT_LOG2))

static inline uint32_t arena_reference(const struct arena *arena, const void *p) {
    return (uint32_t)(((uintptr_t)p - (uintptr_t)arena) >> ARENA_UNIT_LOG2);
}

static inline void *arena_address(struct arena *arena, uint32_t reference) {
    return (char *)arena + ((size_t)reference << ARENA_UNIT_LOG2);
}

/* Closing while cells live on. The closer calls arena_expect once with the number of live cells; each
 * of those calls arena_cell_is_gone once, before or after. Whichever call makes the sum even closes
 * the arena. EXPECTED_BIAS keeps the sum away from 0 until the closer has counted. */
#define EXPECTED_BIAS ((uint64_t)1 << 40)
void filchi_arena_expect(struct arena *arena, uint64_t live_cells);
void filchi_arena_cell_is_gone(struct arena *arena);

#endif
