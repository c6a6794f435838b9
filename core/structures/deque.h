/* structures/deque.h: a work-stealing deque of 64-bit entries.
 *
 * Chase and Lev, "Dynamic Circular Work-Stealing Deque" (SPAA 2005), in a form without fences:
 * `bottom` is stored seq_cst in pop, and top and bottom are loaded seq_cst in pop and steal, so that
 * pop's store and the thief's loads are ordered by the single total order alone.
 *
 * (take_back, compact: as take_many, by the owner. compact_popped: steal and push, by the owner.)
 *
 *                 push       pop        grow       steal      take_many
 *     push        owner      owner      owner      allowed    allowed
 *     pop         owner      owner      owner      allowed    EXCLUDED
 *     grow        owner      owner      owner      allowed    allowed
 *     steal       allowed    allowed    allowed    allowed    allowed
 *     take_many   allowed    EXCLUDED   allowed    allowed    allowed
 *
 * take_many moves top by several; a pop in between could take one of those entries, so a deque is
 * either popped by its owner or taken from in batches, never both.
 *
 * Edges:
 *   PUSHED   bottom: push (release) -> steal, take_many (acquire or stronger): the entry, and what it
 *            refers to, is visible. pop's stores that restore bottom are release too, since a thief
 *            may read that value instead of push's.
 *   TAKEN    top: CAS seq_cst -> load of top in push: the slot may be written again.
 *   GROWN    ring: grow (release) -> load of ring (acquire): the copied slots are visible.
 *   POP-ONE  bottom store, top load in pop against top load, bottom load in steal, all seq_cst: owner
 *            and thief do not both take the last entry without meeting at the CAS on top.
 *   HANDED-OUT  the caller's entries (relaxed) -> the step that takes them: a taker that dies between
 *            that and its next step has them there, or (pop) in the slot at its bottom.
 * Left out on purpose: slots are relaxed; a slot read for a stale top is thrown away when the CAS
 * fails.
 *
 * Readers (steal, take_many) run between filchi_reclaim_enter and leave, since grow replaces rings; or
 * replaced rings stay as they are. A ring that became another deque's would give a late reader a strange
 * entry, and its CAS would not notice.
 * Progress: push and pop wait-free, but for growing; steal and take_many lock-free. */
#ifndef FILCHI_DEQUE_H
#define FILCHI_DEQUE_H

#include "base/cc.h"
#include <filch/detail/atomic.h>
#include <stddef.h>

struct ring {
    uint64_t mask; /* capacity - 1 */
    struct ring *next_retired;
    filch_atomic_u64 slots[];
};

struct deque {
    _Alignas(CACHE_LINE) filch_atomic_u64 top;
    _Alignas(CACHE_LINE) filch_atomic_u64 bottom;
    filch_atomic_pointer ring;
    uint64_t top_seen; /* the owner's last look at top: never ahead of it */
};
_Static_assert(sizeof(struct deque) == 2 * CACHE_LINE, "thieves' line and owner's line");

enum deque_outcome { DEQUE_EMPTY, DEQUE_LOST, DEQUE_TOOK };

static inline size_t ring_bytes(size_t capacity) {
    return sizeof(struct ring) + capacity * sizeof(filch_atomic_u64);
}

static inline void ring_init(struct ring *ring, size_t capacity_power_of_two) {
    ring->mask = capacity_power_of_two - 1;
    ring->next_retired = NULL;
}

static inline void deque_init(struct deque *deque, struct ring *ring) {
    filch_store_relaxed(&deque->top, (uint64_t)0);
    filch_store_relaxed(&deque->bottom, (uint64_t)0);
    filch_store_release(&deque->ring, (void *)ring);
    deque->top_seen = 0;
}

/* Before the step that takes it: where entries go may be all that tells of one whose taker dies. */
static inline void deque_hand_out(uint64_t *to, uint64_t entry) {
    filch_store_relaxed((filch_atomic_u64 *)to, entry);
}

/* A racy snapshot of the number of entries. */
static inline uint64_t deque_count(const struct deque *deque) {
    uint64_t bottom = filch_load_seq_cst(&deque->bottom);
    uint64_t top = filch_load_seq_cst(&deque->top);
    return bottom > top ? bottom - top : 0;
}

static inline bool deque_is_empty(const struct deque *deque) {
    return deque_count(deque) == 0;
}

/* Returns: false if the ring is full. Owner. */
static inline bool deque_push(struct deque *deque, uint64_t entry) {
    uint64_t bottom = filch_load_relaxed(&deque->bottom);
    struct ring *ring = (struct ring *)filch_load_relaxed(&deque->ring);
    if (unlikely(bottom - deque->top_seen > ring->mask)) {
        deque->top_seen = filch_load_acquire(&deque->top); /* TAKEN */
        if (bottom - deque->top_seen > ring->mask)
            return false;
    }
    filch_store_relaxed(&ring->slots[bottom & ring->mask], entry);
    filch_store_release(&deque->bottom, bottom + 1); /* PUSHED */
    return true;
}

/* Takes the newest entry. Returns: false if there is none. Owner. */
static inline bool deque_pop(struct deque *deque, uint64_t *entry) {
    uint64_t bottom = filch_load_relaxed(&deque->bottom);
    if (bottom == filch_load_relaxed(&deque->top))
        return false; /* an owner cannot miss its own pushes */
    bottom--;
    struct ring *ring = (struct ring *)filch_load_relaxed(&deque->ring);
    filch_store_seq_cst(&deque->bottom, bottom);    /* POP-ONE */
    uint64_t top = filch_load_seq_cst(&deque->top); /* POP-ONE */
    if ((int64_t)(bottom - top) < 0) {
        filch_store_release(&deque->bottom, bottom + 1); /* PUSHED */
        return false;
    }
    deque_hand_out(entry, filch_load_relaxed(&ring->slots[bottom & ring->mask]));
    if (bottom > top)
        return true;
    bool won = filch_cas_seq_cst(&deque->top, &top, top + 1); /* TAKEN */
    filch_store_release(&deque->bottom, bottom + 1);          /* PUSHED */
    return won;
}

/* Takes this entry if it is the newest one. Returns: false if it is not. Owner. */
static inline bool deque_drop_newest(struct deque *deque, uint64_t entry) {
    uint64_t bottom = filch_load_relaxed(&deque->bottom);
    struct ring *ring = (struct ring *)filch_load_relaxed(&deque->ring);
    uint64_t newest = filch_load_relaxed(&ring->slots[(bottom - 1) & ring->mask]);
    return newest == entry && deque_pop(deque, &newest);
}

/* Takes the oldest entry. Lost: somebody else took it; there may be more. */
static inline enum deque_outcome deque_steal(struct deque *deque, uint64_t *entry) {
    uint64_t top = filch_load_seq_cst(&deque->top);       /* POP-ONE */
    uint64_t bottom = filch_load_seq_cst(&deque->bottom); /* POP-ONE, PUSHED */
    if ((int64_t)(bottom - top) <= 0)
        return DEQUE_EMPTY;
    struct ring *ring = (struct ring *)filch_load_acquire(&deque->ring); /* GROWN */
    deque_hand_out(entry, filch_load_relaxed(&ring->slots[top & ring->mask]));
    return filch_cas_seq_cst(&deque->top, &top, top + 1) ? DEQUE_TOOK : DEQUE_LOST; /* TAKEN */
}

/* Takes up to `max` of the oldest entries, at most `share` of what is there (1: all, 2: half).
 * Returns: how many; 0 if there is none or somebody else was faster. Never on a deque that is
 * popped. */
static inline size_t deque_take_many(struct deque *deque, uint64_t *entries, size_t max,
                                     size_t share) {
    uint64_t top = filch_load_acquire(&deque->top);
    uint64_t bottom = filch_load_acquire(&deque->bottom); /* PUSHED */
    if ((int64_t)(bottom - top) <= 0)
        return 0;
    struct ring *ring = (struct ring *)filch_load_acquire(&deque->ring); /* GROWN */
    size_t n = (size_t)((bottom - top + share - 1) / share);
    if (n > max)
        n = max;
    for (size_t i = 0; i < n; i++)
        deque_hand_out(&entries[i], filch_load_relaxed(&ring->slots[(top + i) & ring->mask]));
    return filch_cas_seq_cst(&deque->top, &top, top + n) ? n : 0; /* TAKEN */
}

/* Puts `n` entries, at most the ring's capacity, into a deque whose owner found it empty and who
 * takes by steal like everybody. Owner. */
static inline void deque_refill(struct deque *deque, const uint64_t *entries, size_t n) {
    uint64_t bottom = filch_load_relaxed(&deque->bottom);
    struct ring *ring = (struct ring *)filch_load_relaxed(&deque->ring);
    (void)filch_load_acquire(&deque->top); /* TAKEN */
    for (size_t i = 0; i < n; i++)
        filch_store_relaxed(&ring->slots[(bottom + i) & ring->mask], entries[i]);
    filch_store_release(&deque->bottom, bottom + n); /* PUSHED */
}

/* Several at once: is there room for n, then put each behind the bottom, then show them all by one
 * store. Owner. */
static inline bool deque_has_room(struct deque *deque, size_t n) {
    struct ring *ring = (struct ring *)filch_load_relaxed(&deque->ring);
    deque->top_seen = filch_load_acquire(&deque->top); /* TAKEN */
    return filch_load_relaxed(&deque->bottom) - deque->top_seen + n <= ring->mask + 1;
}

static inline void deque_put(struct deque *deque, size_t i, uint64_t entry) {
    struct ring *ring = (struct ring *)filch_load_relaxed(&deque->ring);
    uint64_t at = filch_load_relaxed(&deque->bottom) + i;
    filch_store_relaxed(&ring->slots[at & ring->mask], entry);
}

/* Returns: the bottom before. */
static inline uint64_t deque_show(struct deque *deque, size_t n) {
    uint64_t bottom = filch_load_relaxed(&deque->bottom);
    filch_store_release(&deque->bottom, bottom + n); /* PUSHED */
    return bottom;
}

/* Takes back what was pushed since the bottom was `from`, all of it, by one CAS; what is older stays.
 * Returns: false if somebody has taken one of them, and then nothing is changed. Owner of a deque that
 * is never popped. */
bool filchi_deque_take_back(struct deque *deque, uint64_t from);

/* Moves to a larger ring. Returns: the old one, to be retired. Owner. */
struct ring *filchi_deque_grow(struct deque *deque, struct ring *larger);

/* Is is_live(arg, entry) false for at least half of the entries? Judged by a few dozen of them, spread over
 * all, since to look at each would cost a burst of pushes more than the growing. Owner. */
bool filchi_deque_is_mostly_stale(const struct deque *deque,
                                  bool (*is_live)(void *arg, uint64_t entry), void *arg);

/* Drops the entries for which is_live(arg, entry) is false, keeping the order of the others: all are
 * taken by one CAS and pushed again. Returns: how many stayed. Owner of a deque that is never
 * popped. */
size_t filchi_deque_compact(struct deque *deque, bool (*is_live)(void *arg, uint64_t entry),
                            void *arg);

/* The same on a deque that is popped: entry by entry is stolen and pushed again, so that at most one is
 * out of sight; a thief meanwhile may get a newer one before an older one. Returns: how many were
 * pushed again. Owner. */
size_t filchi_deque_compact_popped(struct deque *deque, bool (*is_live)(void *arg, uint64_t entry),
                                   void *arg);

#endif
