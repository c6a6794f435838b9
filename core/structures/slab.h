/* structures/slab.h: cells of one size from 64 KiB slabs; taken by one owner, freed by anyone.
 *
 * A slab is one aligned chunk: this header, then cells of a power of two bytes. Each word of `free`
 * covers 32 cells in its low half: a set bit is a free cell. The owner's heap exchanges a word for 0
 * and hands its cells out without further atomics; whoever frees a cell sets its bit. The bits are
 * hints to the layers above (a future's state word says what it is), but exact here: a bit is set
 * only by the one who frees.
 *
 *     operation         heap_take   slab_free   heap_retire
 *     heap_take         one owner   allowed     excluded
 *     slab_free         allowed     allowed     allowed
 *     heap_retire       excluded    allowed     once
 *
 * Edges: CELL-FREE: slab_free (release) -> the owner's exchange (acquire): the last user of a cell
 * happens before its next one.
 * Progress: slab_free is wait-free; heap_take too, but for taking a chunk from the arena.
 *
 * A type-stable heap never gives a slab back while the arena lives, and in a shared arena no heap does:
 * that step could not be undone for a process that dies in it. The cells of a stable heap may outlive the
 * executor: heap_retire marks the words RETIRED and counts what is still live; frees that meet the
 * mark tell the arena, whose last one closes it. */
#ifndef FILCHI_SLAB_H
#define FILCHI_SLAB_H

#include "base/assert.h"
#include "structures/arena.h"

enum {
    CELLS_PER_WORD = 32,
    SLAB_WORDS = CHUNK_BYTES / 64 / CELLS_PER_WORD,
    SLAB_HEAD_BYTES = 384,
};

struct slab {
    struct arena *arena;
    struct slab *next; /* ring of one heap's slabs; the owner's */
    struct heap *heap;
    uint32_t cell_log2;
    uint32_t n_cells;
    uint32_t owner; /* tag of the process whose heap it belongs to (platform/process.h) */
    filch_atomic_u64 free[SLAB_WORDS];
};
_Static_assert(sizeof(struct slab) <= SLAB_HEAD_BYTES, "the first cell would overlap the header");

struct heap {
    uint64_t mask;     /* cells at hand, bits of the current word */
    char *cells;       /* the first cell of the current word */
    struct slab *slab; /* the current one; NULL before the first */
    struct arena *arena;
    uint32_t word; /* the next word of the current slab */
    uint32_t cell_log2;
    enum chunk_kind kind; /* of its slabs */
    bool is_stable;
};

/* Cells of 2^cell_log2 bytes, 64 to 16 KiB, aligned to at least 64. */
void filchi_heap_init(struct heap *heap, struct arena *arena, uint32_t cell_log2, bool is_stable);

/* Refills an empty heap. Returns: false if there is no memory. */
bool filchi_heap_refill(struct heap *heap);

/* A cell, or NULL. Only the heap's owner. What it holds: anything; in a stable heap, what was left
 * there (zero at first). */
static inline void *heap_take(struct heap *heap) {
    if (unlikely(heap->mask == 0) && !filchi_heap_refill(heap))
        return NULL;
    unsigned at = (unsigned)__builtin_ctzll(heap->mask);
    heap->mask &= heap->mask - 1;
    return heap->cells + ((size_t)at << heap->cell_log2);
}

/* The mask, where recovery may read it. */
static inline void slab_set_mask(struct heap *heap, uint64_t mask) {
    filch_store_release((filch_atomic_u64 *)(void *)&heap->mask, mask); /* RECORDED, record.h */
}

/* The cell that heap_take gives next, if it is known already: for prefetching. */
static inline void *heap_peek(const struct heap *heap) {
    if (heap->mask == 0)
        return NULL;
    return heap->cells + ((size_t)(unsigned)__builtin_ctzll(heap->mask) << heap->cell_log2);
}

static inline struct slab *slab_of(const void *cell) {
    return (struct slab *)((uintptr_t)cell & ~((uintptr_t)CHUNK_BYTES - 1));
}

static inline uint32_t slab_cell_number(const struct slab *slab, const void *cell) {
    return (uint32_t)(((uintptr_t)cell - (uintptr_t)slab - SLAB_HEAD_BYTES) >> slab->cell_log2);
}

#define SLAB_RETIRED ((uint64_t)1 << 63)

/* Frees a cell. After it the caller touches neither the cell nor the arena. */
static inline void slab_free(void *cell) {
    struct slab *slab = slab_of(cell);
    struct arena *arena = slab->arena;
    uint32_t at = slab_cell_number(slab, cell);
    uint64_t bit = (uint64_t)1 << (at % CELLS_PER_WORD);
    uint64_t before = filch_fetch_or_acq_rel(&slab->free[at / CELLS_PER_WORD], bit); /* CELL-FREE */
    debug_check((before & bit) == 0 || arena->is_shared); /* else it was free already */
    if (unlikely(before & SLAB_RETIRED))
        filchi_arena_cell_is_gone(arena);
}

/* The number of a slab's words of free bits. */
static inline uint32_t slab_words(const struct slab *slab) {
    return (slab->n_cells + CELLS_PER_WORD - 1) / CELLS_PER_WORD;
}

/* Marks a stable heap's words RETIRED. Returns: the number of its cells that are in use. A heap of
 * another process than the arena's opener has none: the process is gone, and with it all handles. */
uint64_t filchi_heap_retire(struct heap *heap);

#endif
