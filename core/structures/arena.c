/* structures/arena.c: claiming runs of chunks by CAS on their words. How a shared arena gets its pages,
 * and what becomes of them, is in backing.c. */
#include "structures/arena.h"

#include "base/assert.h"
#include "platform/headroom.h"
#include "platform/memory.h"
#include "platform/process.h"
#include "structures/backing.h"
#include "structures/record.h"
#include <errno.h>
#include <stdio.h>

/* Of the whole, so that large pages fit. */
enum { ALIGNMENT = 2 << 20 };

/* Memory is asked of the system in steps of this many chunks (4 MiB). */
enum { COMMIT_STEP = 64 };

/* Beyond so many chunks (8 MiB) large pages are asked for: a small pool stays small, and one that grows
 * does not pay for a page fault (0.5 us here) with every thirty-second task. */
enum { LARGE_PAGES_FROM = 128 };

/* Chunks for header and table; 0 if nothing would be left. */
static size_t head_chunks(size_t bytes) {
    size_t n_chunks = bytes / CHUNK_BYTES;
    size_t head = round_up(sizeof(struct arena), CACHE_LINE) + n_chunks * sizeof(filch_atomic_u64);
    size_t first_chunk = round_up(head, CHUNK_BYTES) / CHUNK_BYTES;
    return first_chunk < n_chunks ? first_chunk : 0;
}

static size_t fit(size_t bytes) {
    return bytes > ARENA_MAX_BYTES ? ARENA_MAX_BYTES : round_up(bytes, CHUNK_BYTES);
}

static struct arena *fill_header(struct arena *arena, size_t bytes, size_t first_chunk) {
    arena->bytes = bytes;
    arena->n_chunks = (uint32_t)(bytes / CHUNK_BYTES);
    arena->first_chunk = (uint32_t)first_chunk;
    arena->words = (filch_atomic_u64 *)((char *)arena + round_up(sizeof *arena, CACHE_LINE));
    filch_store_relaxed(&arena->low_hint, (uint32_t)first_chunk);
    filch_store_relaxed(&arena->n_usable, (uint32_t)first_chunk);
    filch_store_relaxed(&arena->expected, EXPECTED_BIAS);
    return arena;
}

struct arena *filchi_arena_open(size_t bytes) {
    bytes = fit(bytes);
    size_t first_chunk = head_chunks(bytes);
    struct arena *arena = filchi_memory_reserve(bytes, ALIGNMENT);
    if (arena == NULL)
        return NULL;
    if (first_chunk == 0 || !filchi_memory_commit(arena, first_chunk * CHUNK_BYTES)) {
        filchi_memory_release(arena, bytes);
        return NULL;
    }
    return fill_header(arena, bytes, first_chunk);
}

struct arena *filchi_arena_open_shared(size_t bytes) {
    bytes = fit(bytes);
    size_t first_chunk = head_chunks(bytes);
    if (first_chunk == 0) {
        errno = ENOMEM;
        return NULL;
    }
    struct shared_memory memory;
    struct headroom *headroom = filchi_headroom_open("");
    if (headroom == NULL || !filchi_shared_memory_open(&memory, bytes, ALIGNMENT)) {
        if (headroom != NULL)
            filchi_headroom_close(headroom);
        return NULL;
    }
    /* The rest of a long table comes when it is reached. */
    if (filchi_headroom_read(headroom) < first_chunk * CHUNK_BYTES ||
        !filchi_shared_memory_back(&memory, memory.start, CHUNK_BYTES)) {
        filchi_shared_memory_close(&memory);
        filchi_headroom_close(headroom);
        errno = ENOMEM;
        return NULL;
    }
    struct arena *arena = fill_header(memory.start, bytes, first_chunk);
    arena->is_shared = true;
    arena->memory = memory;
    arena->headroom = headroom;
    size_t n_reach =
        (CHUNK_BYTES - (size_t)((char *)arena->words - (char *)arena)) / sizeof arena->words[0];
    filch_store_relaxed(&arena->n_reach,
                        n_reach < arena->n_chunks ? (uint32_t)n_reach : arena->n_chunks);
    if (arena->n_chunks > LARGE_PAGES_FROM)
        filchi_memory_use_large_pages((char *)arena + (size_t)LARGE_PAGES_FROM * CHUNK_BYTES,
                                      bytes - (size_t)LARGE_PAGES_FROM * CHUNK_BYTES);
    return arena;
}

void filchi_arena_close(struct arena *arena) {
    if (!arena->is_shared) {
        filchi_memory_release(arena, arena->bytes);
        return;
    }
    filchi_headroom_close(arena->headroom);
    filchi_shared_memory_close(&arena->memory);
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

/* A word's next value; what outlives a change of hands stays. */
static uint64_t word_of(uint64_t before, uint64_t n, uint64_t owner, enum chunk_kind kind) {
    return (before & (CHUNK_BACKED | CHUNK_GENERATION)) | n | owner << CHUNK_OWNER_SHIFT |
           (uint64_t)kind << CHUNK_KIND_SHIFT;
}

void filchi_arena_free(struct arena *arena, uint32_t at, size_t n) {
    for (size_t i = n; i-- > 0;) {
        uint64_t word = 0;
        if (arena->is_shared)
            word = word_of(filch_load_relaxed(&arena->words[at + i]), 0, 0, CHUNK_FREE) +
                   CHUNK_GENERATION_ONE;
        filch_store_release(&arena->words[at + i], word); /* RUN-FREE */
    }
}

/* Claims the `n` words from `at` on. Returns: `n`, or the index of the one that was taken. */
static size_t try_claim(struct arena *arena, uint32_t at, size_t n, enum chunk_kind kind) {
    uint32_t tag = arena->is_shared ? filchi_process_tag(arena->owner) : 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t word = arena->is_shared ? filch_load_relaxed(&arena->words[at + i]) : 0;
        uint64_t mine = i == 0 ? word_of(word, n, tag, arena->is_shared ? CHUNK_TAKING : kind)
                               : word_of(word, i, tag, CHUNK_INSIDE);
        if (chunk_kind(word) != CHUNK_FREE ||
            !filch_cas_acq_rel(&arena->words[at + i], &word, mine)) { /* RUN-FREE */
            filchi_arena_free(arena, at, i);
            return i;
        }
    }
    return n;
}

/* Looks for a run from `from` on. Where the pages of a shared arena cannot be made, it goes on to look
 * for one that has them. */
static void *search(struct arena *arena, uint32_t from, size_t n, enum chunk_kind kind) {
    bool must_be_backed = false, is_zero = kind != CHUNK_RUN && kind != CHUNK_SHARED;
    uint32_t end = arena->n_chunks;
    for (uint32_t at = from; at + n <= end;) {
        if (arena->is_shared && !backing_reaches(arena, at + (uint32_t)n))
            return NULL;
        uint64_t word = filch_load_relaxed(&arena->words[at]);
        if (chunk_kind(word) != CHUNK_FREE) {
            at += chunk_kind(word) == CHUNK_INSIDE ? 1 : chunk_n(word);
            continue;
        }
        if (must_be_backed && (word & CHUNK_BACKED) == 0) {
            at++;
            continue;
        }
        size_t claimed = try_claim(arena, at, n, kind);
        if (claimed < n) {
            at += (uint32_t)claimed + 1;
            continue;
        }
        bool is_usable = arena->is_shared
                             ? filchi_backing_make(arena, at, n, must_be_backed, is_zero)
                             : make_usable(arena, at + (uint32_t)n);
        if (!is_usable) {
            filchi_arena_free(arena, at, n);
            if (!arena->is_shared)
                return NULL;
            must_be_backed = true;
            end = filch_load_relaxed(&arena->n_usable);
            at++;
            continue;
        }
        void *run = (char *)arena + (size_t)at * CHUNK_BYTES;
        if (arena->is_shared) {
            record_taken(record_of(arena), run);
            word = filch_load_relaxed(&arena->words[at]);
            filch_store_release(&arena->words[at], word_of(word, n, chunk_owner(word), kind));
        }
        if (n == 1)
            filch_store_relaxed(&arena->low_hint, at + 1);
        return run;
    }
    return NULL;
}

void *filchi_arena_take(struct arena *arena, size_t n_chunks, enum chunk_kind kind) {
    void *run = NULL;
    if (n_chunks > 0 && n_chunks <= arena->n_chunks) {
        uint32_t hint = filch_load_relaxed(&arena->low_hint);
        run = search(arena, hint, n_chunks, kind);
        if (run == NULL && hint > arena->first_chunk)
            run = search(arena, arena->first_chunk, n_chunks, kind);
    }
    if (run == NULL)
        errno = ENOMEM;
    return run;
}

/* In a shared arena one CAS makes the run the giver's to free. */
static void announce_giving(struct arena *arena, uint32_t at, uint64_t word) {
    uint64_t giving = word_of(word, chunk_n(word), filchi_process_tag(arena->owner), CHUNK_GIVING);
    bool is_mine = filch_cas_acq_rel(&arena->words[at], &word, giving);
    check(is_mine); /* else it was given back twice */
}

void filchi_arena_give(struct arena *arena, void *run) {
    uint32_t at = (uint32_t)(((uintptr_t)run - (uintptr_t)arena) / CHUNK_BYTES);
    uint64_t word = filch_load_relaxed(&arena->words[at]);
    size_t n = chunk_n(word);
    check(chunk_kind(word) >= CHUNK_RUN && n > 0 && n < arena->n_chunks);
    if (arena->is_shared) {
        announce_giving(arena, at, word);
        filchi_backing_release(arena, at, n);
    } else {
        filchi_memory_discard(run, n * CHUNK_BYTES);
    }
    filchi_arena_free(arena, at, n);
    uint32_t hint = filch_load_relaxed(&arena->low_hint);
    while (hint > at && !filch_cas_relaxed(&arena->low_hint, &hint, at))
        ;
}

uint64_t filchi_arena_find(const struct arena *arena, const void *address, void **start) {
    size_t at = ((uintptr_t)address - (uintptr_t)arena) / CHUNK_BYTES;
    if ((uintptr_t)address < (uintptr_t)arena || at < arena->first_chunk ||
        at >= filch_load_acquire(&arena->n_usable)) /* USABLE */
        return 0;
    uint64_t word = filch_load_acquire(&arena->words[at]);
    if (chunk_kind(word) == CHUNK_INSIDE && chunk_n(word) <= at) {
        at -= chunk_n(word);
        word = filch_load_acquire(&arena->words[at]);
    }
    *start = (char *)arena + at * CHUNK_BYTES;
    return chunk_kind(word) >= CHUNK_RUN ? word : 0;
}

static bool is_run_valid(const struct arena *arena, uint32_t at, char *why, size_t size) {
    uint64_t head = filch_load_relaxed(&arena->words[at]);
    uint32_t n = chunk_n(head);
    if (chunk_kind(head) < CHUNK_RUN || chunk_kind(head) > CHUNK_SHARED_SLAB || n == 0 ||
        n > arena->n_chunks - at) {
        snprintf(why, size, "chunk %u: no head of a run: %#llx", at, (unsigned long long)head);
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint64_t word = filch_load_relaxed(&arena->words[at + i]);
        bool is_inside = i == 0 || (chunk_kind(word) == CHUNK_INSIDE && chunk_n(word) == i);
        if (!is_inside || (arena->is_shared && (word & CHUNK_BACKED) == 0)) {
            snprintf(why, size, "chunk %u, number %u of a run of %u: %#llx", at + i, i, n,
                     (unsigned long long)word);
            return false;
        }
    }
    return true;
}

bool filchi_arena_is_valid(const struct arena *arena, char *why, size_t size) {
    uint32_t n_taken = 0, n_spare = 0;
    uint32_t end = filch_load_relaxed(arena->is_shared ? &arena->n_reach : &arena->n_usable);
    for (uint32_t at = arena->first_chunk; at < end;) {
        uint64_t word = filch_load_relaxed(&arena->words[at]);
        if (chunk_kind(word) == CHUNK_FREE) {
            n_spare += (word & CHUNK_BACKED) != 0;
            at++;
            continue;
        }
        if (!is_run_valid(arena, at, why, size))
            return false;
        n_taken += chunk_n(word);
        at += chunk_n(word);
    }
    if (!arena->is_shared)
        return true;
    uint32_t taken = chunk_count(filch_load_relaxed(&arena->n_taken));
    uint32_t spare = chunk_count(filch_load_relaxed(&arena->n_spare));
    if (n_taken == taken && n_spare == spare)
        return true;
    snprintf(why, size, "%u chunks in use and %u spare, counted as %u and %u", n_taken, n_spare,
             taken, spare);
    return false;
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
