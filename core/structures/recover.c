/* structures/recover.c: undoing, or ending, what a dead process had begun. */
#include "structures/recover.h"

#include "base/assert.h"
#include <stdio.h>

/* ---- records ---- */

static void free_bits(struct slab *slab, uint32_t word, uint64_t bits) {
    if (bits != 0)
        (void)filch_fetch_or_acq_rel(&slab->free[word], bits); /* CELL-FREE */
}

/* The cell's bit, whether it was set or not. Returns: whether it was. */
static bool free_cell(void *cell) {
    struct slab *slab = slab_of(cell);
    uint32_t at = slab_cell_number(slab, cell);
    uint64_t bit = UINT64_C(1) << at % CELLS_PER_WORD;
    uint64_t before = filch_fetch_or_acq_rel(&slab->free[at / CELLS_PER_WORD], bit); /* CELL-FREE */
    return (before & bit) != 0;
}

static bool is_free(const void *cell) {
    const struct slab *slab = slab_of(cell);
    uint32_t at = slab_cell_number(slab, cell);
    return (filch_load_relaxed(&slab->free[at / CELLS_PER_WORD]) >> at % CELLS_PER_WORD & 1) != 0;
}

static bool is_run(const void *cell) {
    return (uintptr_t)cell % CHUNK_BYTES == 0;
}

static uint64_t run_word(const struct arena *arena, const void *run) {
    return filch_load_acquire(&arena->words[((uintptr_t)run - (uintptr_t)arena) / CHUNK_BYTES]);
}

static bool is_linked(const struct arena *arena, uint64_t where, const void *cell) {
    if (where & RECORD_REFERENCE) {
        const filch_atomic_u32 *word = (const filch_atomic_u32 *)(uintptr_t)(where - 1);
        return filch_load_relaxed(word) == arena_reference(arena, cell);
    }
    return filch_load_relaxed((const filch_atomic_pointer *)(uintptr_t)where) == cell;
}

/* Bits that were being moved from a word to the heap's hand go back, and so does what was at hand: only
 * the dead could have taken one. */
static void recover_harvest(struct memory_record *record) {
    uint64_t bits = filch_load_relaxed(&record->bits);
    if (bits == 0)
        return;
    filch_atomic_u64 *word = (filch_atomic_u64 *)(uintptr_t)filch_load_relaxed(&record->word);
    (void)filch_fetch_or_acq_rel(word, bits); /* CELL-FREE */
    filch_store_release(&record->bits, UINT64_C(0));
}

static void pour_back(struct heap *heap) {
    if (heap->mask == 0)
        return;
    struct slab *slab = slab_of(heap->cells);
    uint32_t first = slab_cell_number(slab, heap->cells);
    free_bits(slab, first / CELLS_PER_WORD, heap->mask);
    slab_set_mask(heap, 0);
}

/* A cell or run that left what is free, and did not get where it belongs. A run that is TAKING still is
 * left to filchi_arena_recover. */
static void recover_take(struct memory_record *record, uint32_t level, uint32_t tag) {
    struct record_take *take = &record->takes[level];
    struct arena *arena = (struct arena *)(uintptr_t)record->arena;
    void *cell = (void *)(uintptr_t)filch_load_relaxed(&take->cell);
    uint64_t where = filch_load_relaxed(&take->where);
    if (cell != NULL && !is_linked(arena, where, cell)) {
        uint64_t word = is_run(cell) ? run_word(arena, cell) : 0;
        if (!is_run(cell))
            (void)free_cell(cell);
        else if (chunk_kind(word) >= CHUNK_RUN && chunk_owner(word) == tag)
            filchi_arena_give(arena, cell);
    }
    filch_store_release(&take->cell, UINT64_C(0));
    filch_store_release(&take->where, UINT64_C(0));
}

/* Returns: 1 if a cell's fate cannot be told. */
static uint32_t recover_give(struct memory_record *record) {
    struct arena *arena = (struct arena *)(uintptr_t)record->arena;
    void *cell = (void *)(uintptr_t)filch_load_relaxed(&record->give.cell);
    if (cell == NULL)
        return 0;
    uint64_t where = filch_load_relaxed(&record->give.where);
    bool was_linked = is_linked(arena, where, cell);
    if (was_linked) /* nothing had been done */
        record_unlink((uintptr_t)where);
    uint32_t n_limbo = 0;
    if (is_run(cell)) {
        uint64_t word = run_word(arena, cell);
        if (chunk_kind(word) >= CHUNK_RUN &&
            (word & CHUNK_GENERATION) == filch_load_relaxed(&record->generation))
            filchi_arena_give(arena, cell);
    } else if (was_linked || slab_of(slab_of(cell)->heap) == slab_of(record)) {
        /* Not given; or the dead thread's own cell, which nobody else takes. */
        (void)free_cell(cell);
    } else {
        n_limbo = is_free(cell) ? 0 : 1;
    }
    filch_store_release(&record->give.cell, UINT64_C(0));
    return n_limbo;
}

uint32_t filchi_record_recover(struct memory_record *record, uint32_t tag,
                               struct extents *const *extents, size_t n) {
    if (record->arena == NULL)
        return 0; /* its thread never used it */
    recover_take(record, RECORD_SLAB, tag);
    recover_harvest(record);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < EXTENT_CLASSES; j++)
            pour_back(&extents[i]->heaps[j]);
    recover_take(record, RECORD_CELL, tag);
    record->level = RECORD_CELL;
    return recover_give(record);
}

/* ---- heaps ---- */

static void *cell_at(const struct slab *slab, uint32_t at) {
    return (char *)(uintptr_t)slab + SLAB_HEAD_BYTES + ((size_t)at << slab->cell_log2);
}

static const filch_atomic_pointer *pointer_at(struct slab *const *where) {
    return (const void *)where;
}

/* Round to the slab where it began: its owner may go on in the ring, and add to it, meanwhile. */
void filchi_heap_walk(const struct heap *heap, void (*visit)(void *cell, void *arg), void *arg) {
    struct slab *const first = filch_load_acquire(pointer_at(&heap->slab)); /* RECORDED */
    struct slab *slab = first;
    if (slab == NULL)
        return;
    do {
        for (uint32_t i = 0; i < slab->n_cells; i++)
            visit(cell_at(slab, i), arg);
        slab = filch_load_acquire(pointer_at(&slab->next)); /* RECORDED */
    } while (slab != first);
}

void filchi_heap_rebuild(struct heap *heap, bool (*is_free_by_itself)(const void *cell)) {
    struct slab *slab = heap->slab;
    slab_set_mask(heap, 0);
    if (slab == NULL)
        return;
    do {
        uint64_t bits = 0;
        for (uint32_t i = 0; i < slab->n_cells; i++) {
            if (is_free_by_itself(cell_at(slab, i)))
                bits |= UINT64_C(1) << i % CELLS_PER_WORD;
            if ((i + 1) % CELLS_PER_WORD == 0 || i + 1 == slab->n_cells) {
                free_bits(slab, i / CELLS_PER_WORD, bits);
                bits = 0;
            }
        }
        slab = slab->next;
    } while (slab != heap->slab);
}

static bool is_slab_valid(const struct heap *heap, const struct slab *slab, char *why,
                          size_t size) {
    const struct arena *arena = heap->arena;
    uint64_t word = run_word(arena, slab);
    if (slab->arena != arena || slab->cell_log2 != heap->cell_log2 ||
        slab->n_cells != (uint32_t)(CHUNK_BYTES - SLAB_HEAD_BYTES) >> slab->cell_log2 ||
        chunk_kind(word) != heap->kind || chunk_n(word) != 1) {
        snprintf(why, size, "slab %p: header or chunk word %#llx is wrong", (const void *)slab,
                 (unsigned long long)word);
        return false;
    }
    for (uint32_t i = 0; i < SLAB_WORDS; i++) {
        uint32_t first = i * CELLS_PER_WORD;
        uint32_t here = first < slab->n_cells ? slab->n_cells - first : 0;
        uint64_t all = here >= CELLS_PER_WORD ? UINT32_MAX : (UINT64_C(1) << here) - 1;
        uint64_t bits = filch_load_relaxed(&slab->free[i]) & ~SLAB_RETIRED;
        bool is_at_hand = heap->mask != 0 && heap->cells == (char *)cell_at(slab, first);
        if ((bits & ~all) != 0 || (is_at_hand && (bits & heap->mask) != 0)) {
            snprintf(why, size, "slab %p: word %u is %#llx", (const void *)slab, i,
                     (unsigned long long)bits);
            return false;
        }
    }
    return true;
}

bool filchi_heap_is_valid(const struct heap *heap, char *why, size_t size) {
    const struct slab *slab = heap->slab;
    if (slab == NULL)
        return true;
    uint32_t n = 0;
    do {
        if (!is_slab_valid(heap, slab, why, size))
            return false;
        slab = slab->next;
        n++;
    } while (slab != NULL && slab != heap->slab && n <= heap->arena->n_chunks);
    if (slab == heap->slab)
        return true;
    snprintf(why, size, "the slabs' ring does not close");
    return false;
}

/* ---- runs ---- */

/* How many words from a head on belong to it. Whoever claims goes forwards, whoever frees backwards, so
 * they are those behind it up to the first that is not. */
static uint32_t count_words(const struct arena *arena, uint32_t at) {
    uint32_t n = 1, most = chunk_n(filch_load_relaxed(&arena->words[at]));
    while (n < most && at + n < arena->n_chunks) {
        uint64_t word = filch_load_relaxed(&arena->words[at + n]);
        if (chunk_kind(word) != CHUNK_INSIDE || chunk_n(word) != n)
            break;
        n++;
    }
    return n;
}

void filchi_arena_recover(struct arena *arena, uint32_t tag) {
    for (uint32_t at = arena->first_chunk; at < filch_load_acquire(&arena->n_reach); at++) {
        uint64_t word = filch_load_acquire(&arena->words[at]);
        enum chunk_kind kind = chunk_kind(word);
        if ((kind == CHUNK_TAKING || kind == CHUNK_GIVING) && chunk_owner(word) == tag)
            filchi_arena_free(arena, at, count_words(arena, at));
    }
}

/* Returns: false if somebody is taking or giving one. */
static bool count_chunks(const struct arena *arena, uint32_t *n_taken, uint32_t *n_spare) {
    uint32_t end = filch_load_acquire(&arena->n_reach); /* USABLE */
    for (uint32_t at = arena->first_chunk; at < end;) {
        uint64_t word = filch_load_acquire(&arena->words[at]); /* COUNTED */
        bool is_free = chunk_kind(word) == CHUNK_FREE;
        if (!is_free && chunk_kind(word) < CHUNK_RUN)
            return false;
        *n_taken += is_free ? 0 : chunk_n(word);
        *n_spare += is_free && (word & CHUNK_BACKED) != 0;
        at += is_free ? 1 : chunk_n(word);
    }
    return true;
}

static bool correct_count(filch_atomic_u64 *count, uint64_t before, uint32_t n) {
    uint64_t change = CHUNK_COUNT_CHANGE + n - chunk_count(before);
    return chunk_count(before) == n
               ? filch_load_acquire(count) == before
               : filch_cas_acq_rel(count, &before, before + change); /* COUNTED */
}

bool filchi_arena_recount(struct arena *arena) {
    uint64_t taken = filch_load_acquire(&arena->n_taken); /* COUNTED */
    uint64_t spare = filch_load_acquire(&arena->n_spare); /* COUNTED */
    uint32_t n_taken = 0, n_spare = 0;
    return count_chunks(arena, &n_taken, &n_spare) &&
           correct_count(&arena->n_taken, taken, n_taken) &&
           correct_count(&arena->n_spare, spare, n_spare);
}
