/* structures/arena.h: the memory of one executor, handed out in chunks of 64 KiB.
 *
 * One reservation of address space, made usable as it is needed. Its first chunks hold this header and
 * a table of one word per chunk, 0 where nothing ever was. Runs are claimed word by word with CAS and
 * never linked, so a table can be read, and repaired, whatever a holder was doing when it died.
 *
 *     bits 0-31   the head of a run: its length; INSIDE: the distance from the head
 *     bits 32-47  who did the last step: a process's tag (platform/process.h)
 *     bits 48-51  kind
 *     bit  52     BACKED: the chunk's pages exist (shared arenas)
 *     bits 53-63  generation: how often it was given back, to tell two lives of a run apart
 *
 * A private arena belongs to one process, whose threads die together: its words have length, kind and
 * no more, its chunks become usable from the start on, and what is given back goes to the system. A
 * shared arena is seen at one address by all that were forked since. There a run is TAKING until its
 * pages exist and GIVING until its words are free, with the tag of who does it. Pages of runs that were
 * given back stay, within limits: making a page costs more than twice of what giving it back saves.
 *
 * Operations x operations: take and give may run concurrently in any number of threads and processes.
 * Progress: lock-free; take is linear in the number of chunks in use in the worst case.
 *
 * Life: filchi_arena_open makes it. Cells that outlive the executor (futures) keep it: see
 * arena_expect and arena_cell_is_gone. */
#ifndef FILCHI_ARENA_H
#define FILCHI_ARENA_H

#include "base/cc.h"
#include "platform/shared_memory.h"
#include <filch/detail/atomic.h>
#include <stddef.h>

enum { CHUNK_BYTES = 64 * 1024 };

/* What a chunk is. From CHUNK_RUN on: the head of a run that somebody has. */
enum chunk_kind {
    CHUNK_FREE,
    CHUNK_INSIDE,
    CHUNK_TAKING,
    CHUNK_GIVING,
    CHUNK_RUN,
    CHUNK_SLAB,        /* of cells (slab.h) */
    CHUNK_RING,        /* of a deque: stays until the arena goes */
    CHUNK_WORKER,      /* a worker, or an outside thread's producer: stays, too */
    CHUNK_SHARED,      /* the program's, from filch_shared_alloc */
    CHUNK_SHARED_SLAB, /* the same, in cells */
};

#define CHUNK_N UINT64_C(0xffffffff)
#define CHUNK_OWNER_SHIFT 32
#define CHUNK_OWNER (UINT64_C(0xffff) << CHUNK_OWNER_SHIFT)
#define CHUNK_KIND_SHIFT 48
#define CHUNK_KIND (UINT64_C(0xf) << CHUNK_KIND_SHIFT)
#define CHUNK_BACKED (UINT64_C(1) << 52)
#define CHUNK_GENERATION_ONE (UINT64_C(1) << 53)
#define CHUNK_GENERATION (~(CHUNK_GENERATION_ONE - 1))

static inline enum chunk_kind chunk_kind(uint64_t word) {
    return (enum chunk_kind)((word & CHUNK_KIND) >> CHUNK_KIND_SHIFT);
}

static inline uint32_t chunk_n(uint64_t word) {
    return (uint32_t)(word & CHUNK_N);
}

static inline uint32_t chunk_owner(uint64_t word) {
    return (uint32_t)((word & CHUNK_OWNER) >> CHUNK_OWNER_SHIFT);
}

struct headroom;

struct arena {
    size_t bytes; /* in a shared arena this is the limit of its memory, too */
    uint32_t n_chunks;
    uint32_t first_chunk; /* behind the header and the table */
    void *owner;          /* of the layer that opened it; the key of processes' tags */
    bool is_shared;
    filch_atomic_u64 *words;   /* the table */
    filch_atomic_u32 low_hint; /* no chunk below it was free lately */
    filch_atomic_u32
        n_usable;             /* private: chunks from the start on that may be touched; shared: that
                                  were ever taken, */
    filch_atomic_u32 n_reach; /* whose words in the table may be touched */
    filch_atomic_u64 expected; /* see arena_expect */

    /* Shared arenas only. */
    struct shared_memory memory;
    struct headroom *headroom; /* in the opener's memory, which its descendants have, too */
    filch_atomic_u64 left; /* bytes that may still be asked for by the last reading of it, and */
    filch_atomic_u64 left_at_ns; /* when that was */
    filch_atomic_u64 n_taken;    /* chunks in use, and */
    filch_atomic_u64 n_spare;    /* free ones whose pages exist, for the limit of those */
};

/* Of n_taken and n_spare: the number is in the low half; above it stands how often it was changed, so that who
 * counts anew knows whether somebody did meanwhile. A death may leave it wrong until filchi_arena_recount.
 *
 * Edge COUNTED: a count is changed (acq_rel) while its run is TAKING or GIVING; the recount loads it (acquire),
 * then the words (acquire), and changes it by a CAS. So a run that is seen taken, or free, was counted
 * before the CAS, which fails unless it was before the load. */
#define CHUNK_COUNT_CHANGE (UINT64_C(1) << 32)

static inline uint32_t chunk_count(uint64_t count) {
    return (uint32_t)count;
}

/* Returns: NULL if the address space or the first memory is refused (errno set). */
struct arena *filchi_arena_open(size_t bytes);

/* A shared one, for this process and those that it forks later. It never holds more than `bytes`.
 * Returns: as above. */
struct arena *filchi_arena_open_shared(size_t bytes);

/* Unmaps everything, the header included; in this process. */
void filchi_arena_close(struct arena *arena);

/* A run of chunks, of a kind from CHUNK_RUN on. Its content: zero; of CHUNK_RUN and CHUNK_SHARED in a
 * shared arena: anything.
 * Returns: NULL with errno set if there is no such run or the system has no memory. */
void *filchi_arena_take(struct arena *arena, size_t n_chunks, enum chunk_kind kind);

/* Gives a run back. */
void filchi_arena_give(struct arena *arena, void *run);

/* Makes the words of a run free that the caller, or a dead process for which it acts, is taking or
 * giving; from the end on, so that there is never an INSIDE without its head. */
void filchi_arena_free(struct arena *arena, uint32_t at, size_t n);

/* The word of the run that this address lies in, CHUNK_FREE if in none; `*start` is where it begins.
 * For runs that stay meanwhile. */
uint64_t filchi_arena_find(const struct arena *arena, const void *address, void **start);

/* While nobody takes or gives: is the table whole? If not, `why` says what is wrong with it. */
bool filchi_arena_is_valid(const struct arena *arena, char *why, size_t size);

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
