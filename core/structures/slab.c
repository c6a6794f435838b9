/* structures/slab.c: refilling a heap, giving empty slabs back, retiring. */
#include "structures/slab.h"

#include "base/assert.h"
#include "platform/memory.h"
#include "platform/process.h"
#include "structures/record.h"

/* How many slabs a refill looks at before it takes a new one. Bounded, so that growing costs the
 * same for each cell; large enough that a heap with a fair share of free cells finds them. */
enum { SLABS_PER_REFILL = 16 };

void filchi_heap_init(struct heap *heap, struct arena *arena, uint32_t cell_log2, bool is_stable) {
    check(cell_log2 >= 6 && cell_log2 <= 14);
    *heap = (struct heap){
        .arena = arena, .cell_log2 = cell_log2, .kind = CHUNK_SLAB, .is_stable = is_stable};
}

static char *cells_of_word(struct slab *slab, uint32_t at) {
    return (char *)slab + SLAB_HEAD_BYTES + ((size_t)at * CELLS_PER_WORD << slab->cell_log2);
}

/* Only its owner clears bits, so a word that had some has some. */
static void harvest_recorded(struct heap *heap, struct memory_record *record, uint32_t at) {
    struct slab *slab = heap->slab;
    filch_atomic_u64 *word = &slab->free[at];
    filch_store_release(&record->word, (uint64_t)(uintptr_t)word); /* RECORDED */
    uint64_t bits = filch_load_relaxed(word);
    do
        filch_store_release(&record->bits, bits);         /* RECORDED */
    while (!filch_cas_acq_rel(word, &bits, UINT64_C(0))); /* CELL-FREE */
    heap->cells = cells_of_word(slab, at);
    slab_set_mask(heap, bits);
    filch_store_release(&record->bits, UINT64_C(0)); /* RECORDED */
}

/* Takes the free cells of the current slab's next word that has any. */
static bool harvest(struct heap *heap) {
    struct slab *slab = heap->slab;
    struct memory_record *record = record_of(heap->arena);
    for (uint32_t end = slab_words(slab); heap->word < end;) {
        uint32_t at = heap->word++;
        if (filch_load_relaxed(&slab->free[at]) == 0)
            continue;
        if (record != NULL) {
            harvest_recorded(heap, record, at);
            return true;
        }
        heap->mask = filch_exchange_acquire(&slab->free[at], (uint64_t)0); /* CELL-FREE */
        heap->cells = cells_of_word(slab, at);
        return true;
    }
    return false;
}

static bool is_all_free(const struct slab *slab) {
    uint32_t n_free = 0;
    for (uint32_t i = 0; i < slab_words(slab); i++)
        n_free += (uint32_t)__builtin_popcountll(filch_load_relaxed(&slab->free[i]));
    return n_free == slab->n_cells;
}

/* Goes on to the next slab of the ring; an empty one that is not to stay goes back instead. */
static void advance(struct heap *heap) {
    struct slab *next = heap->slab->next;
    bool may_go = !heap->is_stable && !heap->arena->is_shared;
    if (may_go && next != heap->slab && is_all_free(next)) {
        heap->slab->next = next->next;
        for (uint32_t i = 0; i < slab_words(next); i++)
            (void)filch_exchange_acquire(&next->free[i], (uint64_t)0); /* CELL-FREE */
        filchi_arena_give(heap->arena, next);
        return;
    }
    record_link(&heap->slab, next); /* who walks over the heap may begin there */
    heap->word = 0;
}

static void fill_header(struct slab *slab, struct heap *heap) {
    slab->arena = heap->arena;
    slab->heap = heap;
    slab->owner = filchi_process_tag(heap->arena->owner);
    slab->cell_log2 = heap->cell_log2;
    slab->n_cells = (CHUNK_BYTES - SLAB_HEAD_BYTES) >> heap->cell_log2;
    for (uint32_t i = 0; i < SLAB_WORDS; i++) {
        uint32_t first = i * CELLS_PER_WORD;
        uint32_t here = first < slab->n_cells ? slab->n_cells - first : 0;
        uint64_t all = here >= CELLS_PER_WORD ? UINT32_MAX : ((uint64_t)1 << here) - 1;
        filch_store_relaxed(&slab->free[i], all);
    }
    slab->next = heap->slab != NULL ? heap->slab->next : slab;
}

static bool add_slab(struct heap *heap) {
    /* The word that makes it part of the ring. */
    void *where = heap->slab != NULL ? (void *)&heap->slab->next : (void *)&heap->slab;
    struct memory_record *record = record_of(heap->arena);
    if (record != NULL)
        record->level = RECORD_SLAB;
    record_aim(record, (uintptr_t)where);
    struct slab *slab = filchi_arena_take(heap->arena, 1, heap->kind);
    if (slab != NULL) {
        /* A future's first access to its block reads it, which would map the shared zero page; the write
         * behind it would then fault again, and interrupt every core that runs this process. A heap's
         * first slab is left alone: a small pool stays small. */
        if (heap->is_stable && heap->slab != NULL)
            filchi_memory_populate(slab, CHUNK_BYTES);
        fill_header(slab, heap);
        record_link(where, slab);
        record_link(&heap->slab, slab);
        heap->word = 0;
    }
    record_done(record);
    if (record != NULL)
        record->level = RECORD_CELL;
    return slab != NULL;
}

/* Looks at up to `n_slabs` slabs of the ring from the current place on. */
static bool look_around(struct heap *heap, uint32_t n_slabs) {
    for (uint32_t i = 0; heap->slab != NULL && i < n_slabs; i++) {
        if (harvest(heap))
            return true;
        advance(heap);
    }
    return heap->slab != NULL && harvest(heap);
}

static uint32_t count_slabs(const struct heap *heap) {
    uint32_t n = 0;
    const struct slab *slab = heap->slab;
    if (slab != NULL)
        do {
            n++;
            slab = slab->next;
        } while (slab != heap->slab);
    return n;
}

bool filchi_heap_refill(struct heap *heap) {
    return look_around(heap, SLABS_PER_REFILL) || (add_slab(heap) && harvest(heap)) ||
           look_around(heap, count_slabs(heap));
}

uint64_t filchi_heap_retire(struct heap *heap) {
    uint64_t live = 0;
    struct slab *slab = heap->slab;
    if (slab != NULL && slab->owner != PROCESS_OPENER)
        return 0;
    for (uint32_t n = count_slabs(heap); n > 0; n--, slab = slab->next) {
        live += slab->n_cells;
        for (uint32_t i = 0; i < slab_words(slab); i++) {
            uint64_t before = filch_fetch_or_acq_rel(&slab->free[i], SLAB_RETIRED);
            live -= (uint64_t)__builtin_popcountll(before);
        }
    }
    live -= (uint64_t)__builtin_popcountll(heap->mask);
    heap->mask = 0;
    return live;
}
