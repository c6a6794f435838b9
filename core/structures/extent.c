/* structures/extent.c: size classes over slabs, and runs above them. */
#include "structures/extent.h"

void filchi_extents_init(struct extents *extents, struct arena *arena) {
    extents->arena = arena;
    for (uint32_t i = 0; i < EXTENT_CLASSES; i++)
        filchi_heap_init(&extents->heaps[i], arena, EXTENT_MIN_LOG2 + i, false);
}

void *filchi_extent_take(struct extents *extents, size_t bytes) {
    if (bytes > (size_t)1 << EXTENT_MAX_LOG2) {
        if (bytes > extents->arena->bytes)
            return NULL;
        return filchi_arena_take(extents->arena, (bytes + CHUNK_BYTES - 1) / CHUNK_BYTES,
                                 CHUNK_RUN);
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
