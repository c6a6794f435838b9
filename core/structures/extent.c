/* structures/extent.c: size classes over slabs, and runs above them. */
#include "structures/extent.h"

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
    return heap_take(&extents->heaps[log2 - EXTENT_MIN_LOG2]);
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
