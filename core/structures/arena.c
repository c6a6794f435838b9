/* structures/arena.c: claiming runs of chunks by CAS on their words. */
#include "structures/arena.h"

#include "base/assert.h"
#include "platform/memory.h"

#define INSIDE_RUN UINT64_MAX

/* Of the whole, so that large pages fit. */
enum { ALIGNMENT = 2 << 20 };

/* Memory is asked of the system in steps of this many chunks (4 MiB). */
enum { COMMIT_STEP = 64 };

/* Beyond so many chunks (8 MiB) large pages are asked for: a small pool stays small, and one that grows
 * does not pay for a page fault (0.5 us here) with every thirty-second task. */
enum { LARGE_PAGES_FROM = 128 };

struct arena *filchi_arena_open(size_t bytes) {
    if (bytes > ARENA_MAX_BYTES)
        bytes = ARENA_MAX_BYTES;
    bytes = round_up(bytes, CHUNK_BYTES);
    struct arena *arena = filchi_memory_reserve(bytes, ALIGNMENT);
    if (arena == NULL)
        return NULL;
    size_t n_chunks = bytes / CHUNK_BYTES;
    size_t head = round_up(sizeof(struct arena), CACHE_LINE) + n_chunks * sizeof(filch_atomic_u64);
    size_t first_chunk = round_up(head, CHUNK_BYTES) / CHUNK_BYTES;
    if (first_chunk >= n_chunks || !filchi_memory_commit(arena, first_chunk * CHUNK_BYTES)) {
        filchi_memory_release(arena, bytes);
        return NULL;
    }
    arena->bytes = bytes;
    arena->n_chunks = (uint32_t)n_chunks;
    arena->first_chunk = (uint32_t)first_chunk;
    arena->words = (filch_atomic_u64 *)((char *)arena + round_up(sizeof *arena, CACHE_LINE));
    filch_store_relaxed(&arena->low_hint, (uint32_t)first_chunk);
    filch_store_relaxed(&arena->n_usable, (uint32_t)first_chunk);
    filch_store_relaxed(&arena->expected, EXPECTED_BIAS);
    return arena;
}

void filchi_arena_close(struct arena *arena) {
    filchi_memory_release(arena, arena->bytes);
}

/* Makes all chunks below `end` usable. */
static bool make_usable(struct arena *arena, uint32_t end) {
    uint32_t usable = filch_load_acquire(&arena->n_usable); /* USABLE */
    if (end <= usable)
        return true;
    uint32_t target = end + COMMIT_STEP;
    if (target > arena->n_chunks)
        target = arena->n_chunks;
    char *start = (char *)arena + (size_t)usable * CHUNK_BYTES;
    if (!filchi_memory_commit(start, (size_t)(target - usable) * CHUNK_BYTES)) {
        target = end; /* a smaller wish may be granted */
        if (!filchi_memory_commit(start, (size_t)(target - usable) * CHUNK_BYTES))
            return false;
    }
    if (usable >= LARGE_PAGES_FROM)
        filchi_memory_use_large_pages(start, (size_t)(target - usable) * CHUNK_BYTES);
    while (usable < target && !filch_cas_acq_rel(&arena->n_usable, &usable, target)) /* USABLE */
        ;
    return true;
}

/* Claims the `n` words from `at` on. Returns: `n`, or the index of the one that was taken. */
static size_t try_claim(struct arena *arena, uint32_t at, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint64_t free_word = 0;
        uint64_t mine = i == 0 ? n : INSIDE_RUN;
        if (!filch_cas_acq_rel(&arena->words[at + i], &free_word, mine)) { /* RUN-FREE */
            for (size_t j = 0; j < i; j++)
                filch_store_release(&arena->words[at + j], (uint64_t)0);
            return i;
        }
    }
    return n;
}

static void *search(struct arena *arena, uint32_t from, size_t n) {
    for (uint32_t at = from; at + n <= arena->n_chunks;) {
        uint64_t word = filch_load_relaxed(&arena->words[at]);
        if (word != 0) {
            at += word == INSIDE_RUN ? 1 : (uint32_t)word;
            continue;
        }
        size_t claimed = try_claim(arena, at, n);
        if (claimed < n) {
            at += (uint32_t)claimed + 1;
            continue;
        }
        void *run = (char *)arena + (size_t)at * CHUNK_BYTES;
        if (!make_usable(arena, at + (uint32_t)n)) {
            for (size_t i = 0; i < n; i++)
                filch_store_release(&arena->words[at + i], (uint64_t)0);
            return NULL;
        }
        if (n == 1)
            filch_store_relaxed(&arena->low_hint, at + 1);
        return run;
    }
    return NULL;
}

void *filchi_arena_take(struct arena *arena, size_t n_chunks) {
    if (n_chunks == 0 || n_chunks > arena->n_chunks)
        return NULL;
    uint32_t hint = filch_load_relaxed(&arena->low_hint);
    void *run = search(arena, hint, n_chunks);
    if (run == NULL && hint > arena->first_chunk)
        run = search(arena, arena->first_chunk, n_chunks);
    return run;
}

void filchi_arena_give(struct arena *arena, void *run) {
    size_t at = ((uintptr_t)run - (uintptr_t)arena) / CHUNK_BYTES;
    size_t n = (size_t)filch_load_relaxed(&arena->words[at]);
    check(n > 0 && n < arena->n_chunks);
    filchi_memory_discard(run, n * CHUNK_BYTES);
    for (size_t i = n; i-- > 0;)
        filch_store_release(&arena->words[at + i], (uint64_t)0); /* RUN-FREE */
    uint32_t hint = filch_load_relaxed(&arena->low_hint);
    while (hint > at && !filch_cas_relaxed(&arena->low_hint, &hint, (uint32_t)at))
        ;
}

void filchi_arena_expect(struct arena *arena, uint64_t live_cells) {
    uint64_t change = live_cells - EXPECTED_BIAS;
    if (filch_fetch_add_acq_rel(&arena->expected, change) + change == 0) /* LAST-CELL */
        filchi_arena_close(arena);
}

void filchi_arena_cell_is_gone(struct arena *arena) {
    if (filch_fetch_sub_acq_rel(&arena->expected, (uint64_t)1) == 1) /* LAST-CELL */
        filchi_arena_close(arena);
}
