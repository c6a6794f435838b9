/* test_arena.c: runs of chunks; who closes the arena; several threads that take and give. */
#include "structures/arena.h"

#include "contract/gate.h"
#include <errno.h>
#include <sys/mman.h>

enum { SMALL = 64 /* chunks */, THREADS = 3, ROUNDS = 3000, RUNS = 8 };

static bool is_mapped(void *page) {
    unsigned char seen;
    return mincore(page, 1, &seen) == 0 || errno != ENOMEM;
}

static struct arena *open_small(void) {
    struct arena *arena = filchi_arena_open((size_t)SMALL * CHUNK_BYTES);
    CHECK_NOT_NULL(arena);
    return arena;
}

/* What the arena's table says about a run. */
static size_t run_bytes(const struct arena *arena, const void *run) {
    size_t at = ((uintptr_t)run - (uintptr_t)arena) / CHUNK_BYTES;
    return (size_t)chunk_n(filch_load_relaxed(&arena->words[at])) * CHUNK_BYTES;
}

TEST(arena, smoke) {
    struct arena *arena = open_small();
    unsigned char *run = filchi_arena_take(arena, 3, CHUNK_RUN);
    CHECK_NOT_NULL(run);
    CHECK_EQ((uintptr_t)run % CHUNK_BYTES, 0);
    CHECK_EQ(run_bytes(arena, run), 3 * CHUNK_BYTES);
    for (size_t i = 0; i < 3 * CHUNK_BYTES; i++)
        CHECK_EQ(run[i], 0);
    memset(run, 0xee, 3 * CHUNK_BYTES);
    unsigned char *other = filchi_arena_take(arena, 1, CHUNK_RUN);
    CHECK(other >= run + 3 * CHUNK_BYTES || other + CHUNK_BYTES <= run);
    filchi_arena_give(arena, run);
    filchi_arena_give(arena, other);
    filchi_arena_close(arena);
}

TEST(arena, empty) {
    struct arena *arena = open_small();
    CHECK_NULL(filchi_arena_take(arena, 0, CHUNK_RUN));
    CHECK_NULL(filchi_arena_take(arena, SMALL + 1, CHUNK_RUN));
    CHECK_NULL(filchi_arena_take(arena, SIZE_MAX, CHUNK_RUN));
    CHECK_NULL(filchi_arena_take(arena, SMALL, CHUNK_RUN)); /* the head takes one */
    filchi_arena_close(arena);
}

TEST(arena, full) {
    struct arena *arena = open_small();
    enum { USABLE = SMALL - 1 };
    void *runs[USABLE];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < USABLE; i++) {
            runs[i] = filchi_arena_take(arena, 1, CHUNK_RUN);
            CHECK_NOT_NULL(runs[i]);
            memset(runs[i], i, CHUNK_BYTES);
            for (int j = 0; j < i; j++)
                CHECK(runs[j] != runs[i]);
        }
        CHECK_NULL(filchi_arena_take(arena, 1, CHUNK_RUN));
        filchi_arena_give(arena, runs[17]); /* one hole, and no run of two */
        CHECK_NULL(filchi_arena_take(arena, 2, CHUNK_RUN));
        void *again = filchi_arena_take(arena, 1, CHUNK_RUN);
        CHECK_PTR_EQ(again, runs[17]);
        for (int i = 0; i < USABLE; i += 2) /* every second one */
            filchi_arena_give(arena, runs[i]);
        CHECK_NULL(filchi_arena_take(arena, 2, CHUNK_RUN));
        for (int i = 1; i < USABLE; i += 2)
            filchi_arena_give(arena, runs[i]);
        void *all =
            filchi_arena_take(arena, USABLE, CHUNK_RUN); /* what was given back is whole again */
        CHECK_NOT_NULL(all);
        CHECK_NULL(filchi_arena_take(arena, 1, CHUNK_RUN));
        filchi_arena_give(arena, all);
    }
    filchi_arena_close(arena);
}

TEST(arena, pages_that_are_given_back_are_clean) {
    struct arena *arena = open_small();
    for (int i = 0; i < 3; i++) {
        unsigned char *run = filchi_arena_take(arena, 2, CHUNK_RUN);
        for (size_t j = 0; j < 2 * CHUNK_BYTES; j += 512)
            CHECK_EQ(run[j], 0);
        memset(run, 0xff, 2 * CHUNK_BYTES);
        filchi_arena_give(arena, run);
    }
    filchi_arena_close(arena);
}

TEST(arena, references_are_addresses) {
    struct arena *arena = open_small();
    char *run = filchi_arena_take(arena, 2, CHUNK_RUN);
    for (size_t i = 0; i < 2 * CHUNK_BYTES; i += 64)
        CHECK_PTR_EQ(arena_address(arena, arena_reference(arena, run + i)), run + i);
    filchi_arena_close(arena);
}

TEST(arena, too_small_and_too_large) {
    CHECK_NULL(filchi_arena_open(CHUNK_BYTES)); /* the head alone */
    struct arena *arena = filchi_arena_open(2 * CHUNK_BYTES);
    CHECK_NOT_NULL(arena);
    CHECK_NOT_NULL(filchi_arena_take(arena, 1, CHUNK_RUN));
    CHECK_NULL(filchi_arena_take(arena, 1, CHUNK_RUN));
    filchi_arena_close(arena);
    arena = filchi_arena_open(SIZE_MAX / 2); /* cut at what references reach, or refused */
    if (arena != NULL) {
        CHECK_LE(arena->bytes, ARENA_MAX_BYTES);
        filchi_arena_close(arena);
    }
}

TEST(arena, destroy) { /* the last of closer and cells unmaps, in whatever order they come */
    for (int n_before = 0; n_before <= 3; n_before++) {
        struct arena *arena = open_small();
        for (int i = 0; i < n_before; i++)
            filchi_arena_cell_is_gone(arena);
        CHECK(is_mapped(arena));
        filchi_arena_expect(arena, 3);
        for (int i = n_before; i < 3; i++) {
            CHECK(is_mapped(arena));
            filchi_arena_cell_is_gone(arena);
        }
        CHECK(!is_mapped(arena));
    }
    struct arena *arena = open_small();
    filchi_arena_expect(arena, 0);
    CHECK(!is_mapped(arena));
}

static struct arena *shared;

/* Takes and gives runs of 1 to 4 chunks; nobody else writes into them meanwhile. */
static void *take_and_give(void *arg) {
    unsigned char own = (unsigned char)(uintptr_t)arg;
    uint32_t random = own;
    unsigned char *runs[RUNS] = {NULL};
    for (int i = 0; i < ROUNDS; i++) {
        random = random * 1664525 + 1013904223;
        unsigned char **run = &runs[random >> 8 & (RUNS - 1)];
        size_t n = 1 + (random >> 16) % 4;
        if (*run != NULL) {
            size_t bytes = run_bytes(shared, *run);
            for (size_t at = 0; at < bytes; at += 8192)
                CHECK_EQ((*run)[at], own);
            CHECK_EQ((*run)[bytes - 1], own);
            filchi_arena_give(shared, *run);
            *run = NULL;
            continue;
        }
        *run = filchi_arena_take(shared, n, CHUNK_RUN);
        if (*run == NULL)
            continue; /* full for the moment */
        CHECK_EQ(run_bytes(shared, *run), n * CHUNK_BYTES);
        for (size_t at = 0; at < n * CHUNK_BYTES; at += 8192) {
            CHECK_EQ((*run)[at], 0);
            (*run)[at] = own;
        }
        (*run)[n * CHUNK_BYTES - 1] = own;
    }
    for (int i = 0; i < RUNS; i++)
        if (runs[i] != NULL)
            filchi_arena_give(shared, runs[i]);
    return NULL;
}

static void run_threads(void) {
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        threads[i] = thread_start(take_and_give, (void *)(i + 1));
    for (int i = 0; i < THREADS; i++)
        thread_join(threads[i]);
    void *all = filchi_arena_take(shared, shared->n_chunks - shared->first_chunk, CHUNK_RUN);
    CHECK_NOT_NULL(all); /* nothing leaked */
    filchi_arena_close(shared);
}

TEST(arena, mpmc) {
    shared = filchi_arena_open((size_t)256 * CHUNK_BYTES);
    run_threads();
}

TEST(arena, stampede) { /* for the same few chunks */
    shared = filchi_arena_open((size_t)12 * CHUNK_BYTES);
    run_threads();
}
