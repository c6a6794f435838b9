/* test_slab.c: cells of one size; stress/slab.c has the threads. */
#include "structures/slab.h"

#include "contract/gate.h"
#include <errno.h>
#include <sys/mman.h>

enum { ARENA_BYTES = 4 << 20, CELLS_MOST = ARENA_BYTES / 64 };

static bool is_mapped(void *page) {
    unsigned char seen;
    return mincore(page, 1, &seen) == 0 || errno != ENOMEM;
}

static struct arena *arena;
static struct heap heap;

static void start(uint32_t cell_log2, bool is_stable) {
    arena = filchi_arena_open(ARENA_BYTES);
    CHECK_NOT_NULL(arena);
    filchi_heap_init(&heap, arena, cell_log2, is_stable);
}

/* Cells in one slab. */
static uint32_t per_slab(uint32_t cell_log2) {
    return (CHUNK_BYTES - SLAB_HEAD_BYTES) >> cell_log2;
}

static uint32_t free_chunks(void) {
    uint32_t n = 0;
    for (uint32_t i = arena->first_chunk; i < arena->n_chunks; i++)
        n += filch_load_relaxed(&arena->words[i]) == 0;
    return n;
}

TEST(slab, smoke) {
    for (uint32_t log2 = 6; log2 <= 14; log2++) {
        start(log2, log2 % 2 == 0);
        char *a = heap_take(&heap), *b = heap_take(&heap);
        CHECK_NOT_NULL(a);
        CHECK_NOT_NULL(b);
        CHECK_EQ((uintptr_t)a % 64, 0);
        CHECK_GE(b > a ? b - a : a - b, (ptrdiff_t)1 << log2);
        CHECK_PTR_EQ(slab_of(a), slab_of(b));
        CHECK_PTR_EQ(slab_of(a)->arena, arena);
        memset(a, 1, (size_t)1 << log2);
        memset(b, 2, (size_t)1 << log2);
        CHECK_EQ(a[((size_t)1 << log2) - 1], 1);
        slab_free(a);
        slab_free(b);
        filchi_arena_close(arena);
    }
}

TEST(slab, empty) {
    start(7, true);
    CHECK_NULL(heap_peek(&heap));
    CHECK_EQ(filchi_heap_retire(&heap), 0); /* a heap that never had a slab */
    filchi_arena_expect(arena, 0);
    CHECK(!is_mapped(arena));
}

TEST(slab, peek_is_what_take_gives) {
    start(6, false);
    for (int i = 0; i < 3000; i++) {
        void *next = heap_peek(&heap), *cell = heap_take(&heap);
        CHECK(next == NULL || next == cell);
    }
    filchi_arena_close(arena);
}

TEST(slab, full) {
    for (uint32_t log2 = 6; log2 <= 14; log2 += 2) {
        start(log2, true);
        static void *cells[CELLS_MOST];
        uint32_t n_chunks = free_chunks(), n = 0;
        for (void *cell; (cell = heap_take(&heap)) != NULL; n++) {
            memset(cell, 0, sizeof(void *));
            cells[n] = cell;
        }
        CHECK_EQ(n, n_chunks * per_slab(log2)); /* every cell of the arena */
        CHECK_NULL(heap_take(&heap));
        for (uint32_t i = 0; i < n; i++) {
            CHECK_EQ(*(char *)cells[i], 0); /* each once */
            *(char *)cells[i] = 1;
        }
        void *one = cells[n / 2];
        slab_free(one);
        CHECK_PTR_EQ(heap_take(&heap), one); /* found, wherever it is */
        CHECK_NULL(heap_take(&heap));
        for (uint32_t i = 0; i < n; i++)
            slab_free(cells[i]);
        for (uint32_t i = 0; i < n; i++)
            CHECK_NOT_NULL(heap_take(&heap));
        CHECK_NULL(heap_take(&heap));
        filchi_arena_close(arena);
    }
}

TEST(slab, freed_cells_are_used_again_before_new_slabs) {
    start(7, true);
    enum { SET = 1000 };
    void *cells[SET];
    for (int i = 0; i < SET; i++)
        cells[i] = heap_take(&heap);
    uint32_t before = free_chunks();
    for (int round = 0; round < 50; round++)
        for (int i = 0; i < SET; i++) {
            slab_free(cells[i]);
            cells[i] = heap_take(&heap);
            CHECK_NOT_NULL(cells[i]);
        }
    CHECK_GE(free_chunks() + 1, before);
    filchi_arena_close(arena);
}

TEST(slab, unstable_heaps_give_empty_slabs_back) {
    for (int is_stable = 0; is_stable <= 1; is_stable++) {
        start(10, is_stable);
        enum { SET = 1500 };
        void *cells[SET];
        for (int i = 0; i < SET; i++)
            cells[i] = heap_take(&heap);
        uint32_t low = free_chunks();
        for (int i = 0; i < SET; i++)
            slab_free(cells[i]);
        /* Refills look around, and find the empty ones. */
        for (int i = 0; i < 20 * SET; i++)
            slab_free(heap_take(&heap));
        if (is_stable)
            CHECK_LE(free_chunks(), low);
        else
            CHECK_GT(free_chunks(), low + SET / per_slab(10) / 2);
        filchi_arena_close(arena);
    }
}

TEST(slab, what_a_stable_cell_holds_stays) {
    start(7, true);
    enum { SET = 600 };
    uint64_t *cells[SET];
    for (uint64_t i = 0; i < SET; i++) {
        cells[i] = heap_take(&heap);
        CHECK_EQ(cells[i][0], 0); /* zero at first */
        cells[i][0] = (uint64_t)(uintptr_t)cells[i];
    }
    for (int i = 0; i < SET; i++)
        slab_free(cells[i]);
    for (int i = 0; i < 2 * SET; i++) {
        uint64_t *cell = heap_take(&heap);
        CHECK(cell[0] == 0 || cell[0] == (uint64_t)(uintptr_t)cell);
    }
    filchi_arena_close(arena);
}

TEST(slab, destroy) { /* retire counts what is live; the last free unmaps the arena */
    for (int n = 0; n < 1100; n += 1 + n / 2) {
        start(7, true);
        static void *cells[1100];
        for (int i = 0; i < n; i++)
            cells[i] = heap_take(&heap);
        int n_freed = n / 3;
        for (int i = 0; i < n_freed; i++)
            slab_free(cells[i]);
        uint64_t live = filchi_heap_retire(&heap);
        CHECK_EQ(live, n - n_freed);
        int at = n_freed;
        for (; at < n_freed + (n - n_freed) / 2; at++) /* before the closer has counted */
            slab_free(cells[at]);
        CHECK(is_mapped(arena));
        filchi_arena_expect(arena, live);
        for (; at < n; at++) {
            CHECK(is_mapped(arena));
            slab_free(cells[at]);
        }
        CHECK(!is_mapped(arena));
    }
}

static filch_atomic_pointer box;

static void *free_from_box(void *arg) {
    for (int left = *(int *)arg; left > 0;) {
        void *cell = filch_exchange_acquire(&box, NULL);
        if (cell == NULL) {
            sched_yield();
            continue;
        }
        *(uint64_t *)cell = 0; /* the next user of the cell sees it */
        slab_free(cell);
        left--;
    }
    return NULL;
}

TEST(slab, spsc) { /* one takes, another frees */
    start(6, true);
    int n = 20000;
    pthread_t other = thread_start(free_from_box, &n);
    for (int i = 0; i < n; i++) {
        uint64_t *cell = heap_take(&heap);
        CHECK_NOT_NULL(cell);
        CHECK_EQ(*cell, 0);
        *cell = 1;
        void *empty = NULL;
        while (!filch_cas_acq_rel(&box, &empty, (void *)cell)) {
            empty = NULL;
            sched_yield();
        }
    }
    thread_join(other);
    CHECK_EQ(filchi_heap_retire(&heap), 0);
    filchi_arena_close(arena);
}
