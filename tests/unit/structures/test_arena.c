/* Arena, slabs and extents in one thread. */
#include "structures/extent.h"
#include "test.h"
#include <stdlib.h>
#include <string.h>

enum { SMALL = 8 << 20 };

TEST(arena, runs) {
    struct arena *arena = filchi_arena_open(SMALL);
    CHECK_NOT_NULL(arena);
    char *one = filchi_arena_take(arena, 1), *three = filchi_arena_take(arena, 3);
    CHECK_NOT_NULL(one);
    CHECK_NOT_NULL(three);
    CHECK_EQ((uintptr_t)one % CHUNK_BYTES, 0);
    CHECK_EQ(filchi_arena_run_bytes(arena, three), 3 * (size_t)CHUNK_BYTES);
    memset(three, 1, 3 * (size_t)CHUNK_BYTES);
    filchi_arena_give(arena, three);
    CHECK_EQ(filchi_arena_run_bytes(arena, one), CHUNK_BYTES);
    CHECK_PTR_EQ(filchi_arena_take(arena, 2), three); /* first fit */
    CHECK_EQ(three[0], 0);                            /* its pages were given back */
    filchi_arena_close(arena);
}

TEST(arena, full) {
    struct arena *arena = filchi_arena_open(SMALL);
    CHECK_NULL(filchi_arena_take(arena, 0));
    CHECK_NULL(filchi_arena_take(arena, SMALL / CHUNK_BYTES)); /* the header takes one */
    CHECK_NULL(filchi_arena_take(arena, SIZE_MAX));
    void *runs[SMALL / CHUNK_BYTES];
    size_t n = 0;
    while ((runs[n] = filchi_arena_take(arena, 1)) != NULL)
        n++;
    CHECK_EQ(n, SMALL / CHUNK_BYTES - 1);
    filchi_arena_give(arena, runs[n / 2]);
    filchi_arena_give(arena, runs[n / 2 + 1]);
    CHECK_NULL(filchi_arena_take(arena, 3));
    CHECK_NOT_NULL(filchi_arena_take(arena, 2));
    CHECK_NULL(filchi_arena_take(arena, 1));
    filchi_arena_close(arena);
}

TEST(arena, references) {
    struct arena *arena = filchi_arena_open(SMALL);
    char *run = filchi_arena_take(arena, 1);
    for (size_t at = 0; at < CHUNK_BYTES; at += 64)
        CHECK_PTR_EQ(arena_address(arena, arena_reference(arena, run + at)), run + at);
    filchi_arena_close(arena);
}

TEST(slab, cells_are_distinct_and_come_back) {
    struct arena *arena = filchi_arena_open(SMALL);
    struct heap heap;
    filchi_heap_init(&heap, arena, 7, true);
    enum { CELLS = 2000 };
    uint64_t *cells[CELLS];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < CELLS; i++) {
            cells[i] = heap_take(&heap);
            CHECK_NOT_NULL(cells[i]);
            CHECK_EQ((uintptr_t)cells[i] % 128, 0);
            cells[i][0] = (uint64_t)i;
        }
        for (int i = 0; i < CELLS; i++) {
            CHECK_EQ(cells[i][0], i);
            slab_free(cells[i]);
        }
    }
    CHECK_EQ(filchi_heap_retire(&heap), 0);
    filchi_arena_close(arena);
}

TEST(slab, empty_ones_go_back) {
    struct arena *arena = filchi_arena_open(SMALL);
    struct heap heap;
    filchi_heap_init(&heap, arena, 14, false); /* three cells to a slab */
    void *cells[60];
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 60; i++)
            CHECK_NOT_NULL(cells[i] = heap_take(&heap));
        for (int i = 0; i < 60; i++)
            slab_free(cells[i]);
    }
    struct heap other; /* which finds room, since the first one kept no more than it needs */
    filchi_heap_init(&other, arena, 14, false);
    for (int i = 0; i < 60; i++)
        CHECK_NOT_NULL(heap_take(&other));
    filchi_arena_close(arena);
}

TEST(slab, full) {
    struct arena *arena = filchi_arena_open(SMALL);
    struct heap heap;
    filchi_heap_init(&heap, arena, 7, true);
    void *last = NULL;
    size_t n = 0;
    for (void *cell; (cell = heap_take(&heap)) != NULL; n++)
        last = cell;
    CHECK_GT(n, 50000);
    CHECK_NULL(heap_take(&heap));
    slab_free(last); /* wherever it lies, it is found */
    CHECK_PTR_EQ(heap_take(&heap), last);
    filchi_arena_close(arena);
}

/* The last cell to be freed closes the arena: AddressSanitizer or a crash would show it too early. */
TEST(slab, cells_outlive_their_heap) {
    for (int n_live = 0; n_live < 100; n_live += 33) {
        struct arena *arena = filchi_arena_open(SMALL);
        struct heap heap;
        filchi_heap_init(&heap, arena, 7, true);
        void *cells[100];
        for (int i = 0; i < 100; i++)
            cells[i] = heap_take(&heap);
        for (int i = n_live; i < 100; i++)
            slab_free(cells[i]);
        uint64_t live = filchi_heap_retire(&heap);
        CHECK_EQ(live, n_live);
        filchi_arena_expect(arena, live);
        for (int i = 0; i < n_live; i++) {
            CHECK_PTR_EQ(slab_of(cells[i])->arena, arena);
            slab_free(cells[i]);
        }
    }
}

TEST(extent, every_size) {
    struct arena *arena = filchi_arena_open((size_t)64 << 20);
    struct extents extents;
    filchi_extents_init(&extents, arena);
    for (size_t bytes = 0; bytes < (1 << 20); bytes = bytes * 5 / 4 + 1) {
        unsigned char *extent = filchi_extent_take(&extents, bytes);
        CHECK_NOT_NULL(extent);
        CHECK_EQ((uintptr_t)extent % 64, 0);
        memset(extent, 0xab, bytes);
        filchi_extent_give(arena, extent);
    }
    CHECK_NULL(filchi_extent_take(&extents, (size_t)1 << 40));
    CHECK_NULL(filchi_extent_take(&extents, SIZE_MAX));
    filchi_arena_close(arena);
}
