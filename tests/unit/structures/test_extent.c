/* test_extent.c: memory of any size. */
#include "structures/extent.h"

#include "contract/gate.h"

enum { ARENA_BYTES = 16 << 20 };

static struct arena *arena;
static struct extents extents;

static void start(void) {
    arena = filchi_arena_open(ARENA_BYTES);
    CHECK_NOT_NULL(arena);
    filchi_extents_init(&extents, arena);
}

TEST(extent, smoke) {
    start();
    static const size_t sizes[] = {0,     1,     63,    64,          65,
                                   128,   129,   1000,  4096,        4097,
                                   16383, 16384, 16385, CHUNK_BYTES, CHUNK_BYTES + 1};
    enum { N = sizeof sizes / sizeof sizes[0] };
    unsigned char *all[N];
    for (size_t i = 0; i < N; i++) {
        all[i] = filchi_extent_take(&extents, sizes[i]);
        CHECK_NOT_NULL(all[i]);
        CHECK_EQ((uintptr_t)all[i] % 64, 0);
        memset(all[i], (int)i, sizes[i]);
    }
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < sizes[i]; j++)
            CHECK_EQ(all[i][j], i);
        filchi_extent_give(arena, all[i]);
    }
    filchi_arena_close(arena);
}

TEST(extent, an_address_says_which_kind_it_is) {
    start();
    for (int i = 0; i < 300; i++) {
        CHECK_NE((uintptr_t)filchi_extent_take(&extents, 64) % CHUNK_BYTES, 0);
        CHECK_NE((uintptr_t)filchi_extent_take(&extents, 1 << EXTENT_MAX_LOG2) % CHUNK_BYTES, 0);
    }
    CHECK_EQ((uintptr_t)filchi_extent_take(&extents, (1 << EXTENT_MAX_LOG2) + 1) % CHUNK_BYTES, 0);
    filchi_arena_close(arena);
}

TEST(extent, full) {
    start();
    CHECK_NULL(filchi_extent_take(&extents, ARENA_BYTES));
    CHECK_NULL(filchi_extent_take(&extents, ARENA_BYTES + 1));
    CHECK_NULL(filchi_extent_take(&extents, SIZE_MAX));
    CHECK_NULL(filchi_extent_take(&extents, SIZE_MAX - CHUNK_BYTES + 2));
    void *large = filchi_extent_take(&extents, ARENA_BYTES / 2);
    CHECK_NOT_NULL(large);
    CHECK_NULL(filchi_extent_take(&extents, ARENA_BYTES / 2));
    CHECK_NOT_NULL(filchi_extent_take(&extents, 100));
    filchi_extent_give(arena, large);
    CHECK_NOT_NULL(filchi_extent_take(&extents, ARENA_BYTES / 2));
    filchi_arena_close(arena);
}

TEST(extent, cycles_of_every_size_do_not_grow) {
    start();
    for (int round = 0; round < 400; round++)
        for (size_t bytes = 1; bytes < ARENA_BYTES / 4; bytes = bytes * 3 + 1) {
            void *extent = filchi_extent_take(&extents, bytes);
            CHECK_NOT_NULL(extent);
            filchi_extent_give(arena, extent);
        }
    CHECK_NOT_NULL(filchi_extent_take(&extents, ARENA_BYTES / 2));
    filchi_arena_close(arena);
}

static void *give(void *extent) {
    filchi_extent_give(arena, extent);
    return NULL;
}

TEST(extent, another_thread_gives) {
    start();
    for (size_t bytes = 100; bytes < 1 << 20; bytes *= 4) {
        void *extent = filchi_extent_take(&extents, bytes);
        memset(extent, 1, bytes);
        thread_join(thread_start(give, extent));
        CHECK_NOT_NULL(filchi_extent_take(&extents, bytes));
    }
    filchi_arena_close(arena);
}
