/* structures/backing.c: making pages within what is left, and keeping those of freed runs. */
#include "structures/backing.h"

#include "platform/clock.h"
#include "platform/headroom.h"
#include <string.h>

/* Before so many chunks (1 MiB) are made the limits are looked at; so what several processes make at
 * once stays within the reserve of headroom.h. */
enum { STEP = 16 };

/* A reading is good for so long. */
enum { READING_NS = 10 * 1000 * 1000 };

/* So many free chunks (68 MiB) keep their pages, or half as many as are in use. Making a page costs
 * 2.2 us, giving it back 0.6: a task with an argument of 64 MiB would pay 45 ms. */
enum { SPARE_CHUNKS = 1088 };

static void read_headroom(struct arena *arena, uint64_t now_ns) {
    filch_store_relaxed(&arena->left, (uint64_t)filchi_headroom_read(arena->headroom));
    filch_store_relaxed(&arena->left_at_ns, now_ns);
}

/* May so many bytes more be asked for? Then they count as taken. */
static bool reserve_bytes(struct arena *arena, uint64_t bytes) {
    uint64_t now_ns = filchi_clock_ns();
    if (now_ns - filch_load_relaxed(&arena->left_at_ns) > READING_NS)
        read_headroom(arena, now_ns);
    uint64_t left = filch_load_relaxed(&arena->left);
    if (left < bytes) { /* somebody may have given memory back meanwhile */
        read_headroom(arena, now_ns);
        left = filch_load_relaxed(&arena->left);
    }
    do
        if (left < bytes)
            return false;
    while (!filch_cas_relaxed(&arena->left, &left, left - bytes));
    return true;
}

static void mark(struct arena *arena, size_t from, size_t end, bool is_backed) {
    for (size_t i = from; i < end; i++) {
        uint64_t word = filch_load_relaxed(&arena->words[i]);
        word = is_backed ? word | CHUNK_BACKED : word & ~CHUNK_BACKED;
        filch_store_relaxed(&arena->words[i], word); /* nobody else changes it now */
    }
}

static bool is_backed(const struct arena *arena, size_t at) {
    return (filch_load_relaxed(&arena->words[at]) & CHUNK_BACKED) != 0;
}

/* Makes the pages of the chunks [from, end). */
static bool make_pages(struct arena *arena, size_t from, size_t end) {
    size_t bytes = (end - from) * CHUNK_BYTES;
    if (!reserve_bytes(arena, bytes) ||
        !filchi_shared_memory_back(&arena->memory, (char *)arena + from * CHUNK_BYTES, bytes))
        return false;
    mark(arena, from, end, true);
    return true;
}

bool filchi_backing_reach(struct arena *arena, uint32_t end) {
    uint32_t reach = filch_load_acquire(&arena->n_reach); /* USABLE */
    size_t page = CHUNK_BYTES / 16;
    uintptr_t from = (uintptr_t)&arena->words[reach] & ~(uintptr_t)(page - 1);
    uintptr_t to = round_up((uintptr_t)&arena->words[end], page);
    size_t head_end = (size_t)arena->first_chunk * CHUNK_BYTES + (uintptr_t)arena;
    if (to > head_end)
        to = head_end;
    if (!reserve_bytes(arena, to - from) ||
        !filchi_shared_memory_back(&arena->memory, (void *)from, to - from))
        return false;
    end = (uint32_t)((to - (uintptr_t)arena->words) / sizeof arena->words[0]);
    if (end > arena->n_chunks)
        end = arena->n_chunks;
    while (reach < end && !filch_cas_acq_rel(&arena->n_reach, &reach, end)) /* USABLE */
        ;
    return true;
}

static void note_taken(struct arena *arena, uint32_t end) {
    uint32_t usable = filch_load_relaxed(&arena->n_usable);
    while (usable < end && !filch_cas_relaxed(&arena->n_usable, &usable, end))
        ;
}

/* Returns: the new number. */
static uint32_t change_count(filch_atomic_u64 *count, int64_t change) {
    uint64_t by = CHUNK_COUNT_CHANGE + (uint64_t)change;
    return chunk_count(filch_fetch_add_acq_rel(count, by) + by); /* COUNTED */
}

bool filchi_backing_make(struct arena *arena, uint32_t at, size_t n, bool must_exist,
                         bool is_zero) {
    size_t end = at + n, n_made = 0;
    bool is_whole = true;
    note_taken(arena, (uint32_t)end);
    for (size_t i = at; i < end && is_whole;) {
        if (is_backed(arena, i)) {
            if (is_zero)
                memset((char *)arena + i * CHUNK_BYTES, 0, CHUNK_BYTES);
            i++;
            continue;
        }
        size_t to = i + 1;
        while (to < end && to - i < STEP && !is_backed(arena, to))
            to++;
        is_whole = !must_exist && make_pages(arena, i, to);
        n_made += is_whole ? to - i : 0;
        i = to;
    }
    /* Spare ones are what it has now without what was made; if it failed, all that was made is spare. */
    if (is_whole) {
        (void)change_count(&arena->n_taken, (int64_t)n);
        (void)change_count(&arena->n_spare, (int64_t)n_made - (int64_t)n);
    } else if (n_made > 0) {
        (void)change_count(&arena->n_spare, (int64_t)n_made);
    }
    return is_whole;
}

void filchi_backing_release(struct arena *arena, uint32_t at, size_t n) {
    uint32_t n_taken = change_count(&arena->n_taken, -(int64_t)n);
    uint32_t most = n_taken / 2 > SPARE_CHUNKS ? n_taken / 2 : SPARE_CHUNKS;
    if (change_count(&arena->n_spare, (int64_t)n) <= most)
        return;
    (void)change_count(&arena->n_spare, -(int64_t)n);
    mark(arena, at, at + n, false);
    filchi_shared_memory_discard((char *)arena + (size_t)at * CHUNK_BYTES, n * CHUNK_BYTES);
}
