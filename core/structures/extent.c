/* structures/extent.c: size classes over slabs, and runs above them. */
#include "structures/extent.h"

#include "structures/record.h"
#include <string.h>

void filchi_extents_init(struct extents *extents, struct arena *arena) {
    extents->arena = arena;
    extents->run_kind = CHUNK_RUN;
    for (uint32_t i = 0; i < EXTENT_CLASSES; i++)
        filchi_heap_init(&extents->heaps[i], arena, EXTENT_MIN_LOG2 + i, false);
}

void filchi_extents_init_shared(struct extents *extents, struct arena *arena) {
    filchi_extents_init(extents, arena);
    extents->run_kind = CHUNK_SHARED;
    for (uint32_t i = 0; i < EXTENT_CLASSES; i++)
        extents->heaps[i].kind = CHUNK_SHARED_SLAB;
}

static void *take_recorded(struct heap *heap, struct memory_record *record) {
    if (heap->mask == 0 && !filchi_heap_refill(heap))
        return NULL;
    void *cell = heap_peek(heap);
    record_taken(record, cell);
    slab_set_mask(heap, heap->mask & (heap->mask - 1));
    return cell;
}

void *filchi_extent_take(struct extents *extents, size_t bytes) {
    if (bytes > (size_t)1 << EXTENT_MAX_LOG2) {
        if (bytes > extents->arena->bytes)
            return NULL;
        return filchi_arena_take(extents->arena, (bytes + CHUNK_BYTES - 1) / CHUNK_BYTES,
                                 extents->run_kind);
    }
    uint32_t log2 = EXTENT_MIN_LOG2;
    while ((size_t)1 << log2 < bytes)
        log2++;
    struct heap *heap = &extents->heaps[log2 - EXTENT_MIN_LOG2];
    struct memory_record *record = record_of(extents->arena);
    return likely(record == NULL) ? heap_take(heap) : take_recorded(heap, record);
}

static void *take_into(struct extents *extents, size_t bytes, void *where, bool is_zero) {
    struct memory_record *record = record_of(extents->arena);
    record_aim(record, (uintptr_t)where);
    void *extent = filchi_extent_take(extents, bytes);
    if (is_zero && extent != NULL)
        memset(extent, 0, bytes);
    record_link(where, extent);
    record_done(record);
    return extent;
}

void *filchi_extent_take_into(struct extents *extents, size_t bytes, void *where) {
    return take_into(extents, bytes, where, false);
}

void *filchi_extent_take_zero_into(struct extents *extents, size_t bytes, void *where) {
    return take_into(extents, bytes, where, true);
}

void *filchi_extent_take_reference(struct extents *extents, size_t bytes, uint32_t *where) {
    struct memory_record *record = record_of(extents->arena);
    record_aim(record, (uintptr_t)where | RECORD_REFERENCE);
    void *extent = filchi_extent_take(extents, bytes);
    uint32_t reference = extent == NULL ? 0 : arena_reference(extents->arena, extent);
    filch_store_release((filch_atomic_u32 *)(void *)where, reference); /* RECORDED */
    record_done(record);
    return extent;
}

static uint64_t run_generation(const struct arena *arena, const void *run) {
    size_t at = ((uintptr_t)run - (uintptr_t)arena) / CHUNK_BYTES;
    return filch_load_relaxed(&arena->words[at]) & CHUNK_GENERATION;
}

static void give_recorded(struct arena *arena, void *extent, uintptr_t where) {
    struct memory_record *record = record_of(arena);
    if (record != NULL) {
        uint64_t generation =
            (uintptr_t)extent % CHUNK_BYTES == 0 ? run_generation(arena, extent) : 0;
        filch_store_release(&record->generation, generation);                 /* RECORDED */
        filch_store_release(&record->give.where, (uint64_t)where);            /* RECORDED */
        filch_store_release(&record->give.cell, (uint64_t)(uintptr_t)extent); /* RECORDED */
    }
    record_unlink(where);
    filchi_extent_give(arena, extent);
    if (record != NULL)
        filch_store_release(&record->give.cell, UINT64_C(0)); /* RECORDED */
}

void filchi_extent_give_from(struct arena *arena, void *where) {
    void *extent = filch_load_relaxed((filch_atomic_pointer *)where);
    if (extent != NULL)
        give_recorded(arena, extent, (uintptr_t)where);
}

void filchi_extent_give_reference(struct arena *arena, uint32_t *where) {
    uint32_t reference = filch_load_relaxed((filch_atomic_u32 *)(void *)where);
    if (reference != 0)
        give_recorded(arena, arena_address(arena, reference), (uintptr_t)where | RECORD_REFERENCE);
}

void filchi_extent_give(struct arena *arena, void *extent) {
    if ((uintptr_t)extent % CHUNK_BYTES == 0)
        filchi_arena_give(arena, extent);
    else
        slab_free(extent);
}

static bool is_free(const struct slab *slab, uint32_t at) {
    uint64_t bits = filch_load_relaxed(&slab->free[at / CELLS_PER_WORD]);
    return (bits >> at % CELLS_PER_WORD & 1) != 0;
}

void *filchi_extent_find_shared(const struct arena *arena, const void *address, size_t *bytes) {
    void *start;
    uint64_t word = filchi_arena_find(arena, address, &start);
    if (chunk_kind(word) == CHUNK_SHARED) {
        *bytes = (size_t)chunk_n(word) * CHUNK_BYTES;
        return start;
    }
    if (chunk_kind(word) != CHUNK_SHARED_SLAB)
        return NULL;
    const struct slab *slab = start;
    size_t at = (size_t)((const char *)address - (char *)start);
    if (at < SLAB_HEAD_BYTES)
        return NULL;
    uint32_t cell = (uint32_t)((at - SLAB_HEAD_BYTES) >> slab->cell_log2);
    if (cell >= slab->n_cells || is_free(slab, cell))
        return NULL;
    *bytes = (size_t)1 << slab->cell_log2;
    return (char *)start + SLAB_HEAD_BYTES + ((size_t)cell << slab->cell_log2);
}
