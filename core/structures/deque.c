/* structures/deque.c: growing and compacting, the owner's rare operations. */
#include "structures/deque.h"

#include "base/assert.h"

struct ring *filchi_deque_grow(struct deque *deque, struct ring *larger) {
    struct ring *old = (struct ring *)filch_load_relaxed(&deque->ring);
    uint64_t top = filch_load_acquire(&deque->top);
    uint64_t bottom = filch_load_relaxed(&deque->bottom);
    for (uint64_t i = top; i != bottom; i++) {
        uint64_t entry = filch_load_relaxed(&old->slots[i & old->mask]);
        filch_store_relaxed(&larger->slots[i & larger->mask], entry);
    }
    filch_store_release(&deque->ring, (void *)larger); /* GROWN */
    return old;
}

bool filchi_deque_take_back(struct deque *deque, uint64_t from) {
    struct ring *ring = (struct ring *)filch_load_relaxed(&deque->ring);
    uint64_t bottom = filch_load_relaxed(&deque->bottom);
    uint64_t top = filch_load_acquire(&deque->top);
    do {
        if ((int64_t)(top - from) > 0)
            return false;
    } while (!filch_cas_seq_cst(&deque->top, &top, bottom)); /* TAKEN */
    deque->top_seen = bottom;
    uint64_t to = bottom; /* in place, as in compact */
    for (uint64_t i = top; i != from; i++, to++) {
        uint64_t entry = filch_load_relaxed(&ring->slots[i & ring->mask]);
        filch_store_relaxed(&ring->slots[to & ring->mask], entry);
    }
    filch_store_release(&deque->bottom, to); /* PUSHED */
    return true;
}

bool filchi_deque_is_mostly_stale(const struct deque *deque,
                                  bool (*is_live)(void *arg, uint64_t entry), void *arg) {
    enum { LOOKS = 64 };
    const struct ring *ring = filch_load_relaxed(&deque->ring);
    uint64_t top = filch_load_relaxed(&deque->top); /* a guess; the entries are the owner's own */
    uint64_t n = filch_load_relaxed(&deque->bottom) - top;
    uint64_t stride = n / LOOKS | 1; /* odd: no pattern of 2, 4, 8, ... entries is always missed */
    size_t n_looks = 0, n_live = 0;
    for (uint64_t i = 0; i < n; i += stride, n_looks++)
        n_live += is_live(arg, filch_load_relaxed(&ring->slots[(top + i) & ring->mask]));
    return n_live * 2 <= n_looks;
}

size_t filchi_deque_compact(struct deque *deque, bool (*is_live)(void *arg, uint64_t entry),
                            void *arg) {
    struct ring *ring = (struct ring *)filch_load_relaxed(&deque->ring);
    uint64_t bottom = filch_load_relaxed(&deque->bottom);
    uint64_t top = filch_load_acquire(&deque->top);
    while (!filch_cas_seq_cst(&deque->top, &top, bottom)) /* TAKEN */
        ;
    deque->top_seen = bottom;
    /* In place: the k-th write goes to the slot of the k-th entry or of one read before it, since
     * the writes begin where the entries end and the ring is at most full. */
    uint64_t to = bottom;
    for (uint64_t from = top; from != bottom; from++) {
        uint64_t entry = filch_load_relaxed(&ring->slots[from & ring->mask]);
        if (!is_live(arg, entry))
            continue;
        filch_store_relaxed(&ring->slots[to & ring->mask], entry);
        to++;
    }
    filch_store_release(&deque->bottom, to); /* PUSHED */
    return (size_t)(to - bottom);
}

size_t filchi_deque_compact_popped(struct deque *deque, bool (*is_live)(void *arg, uint64_t entry),
                                   void *arg) {
    size_t n_live = 0;
    uint64_t end = filch_load_relaxed(&deque->bottom);
    while ((int64_t)(end - filch_load_relaxed(&deque->top)) > 0) {
        uint64_t entry;
        if (deque_steal(deque, &entry) != DEQUE_TOOK || !is_live(arg, entry))
            continue;
        bool is_back = deque_push(deque, entry);
        check(is_back); /* into the room that it left */
        n_live++;
    }
    return n_live;
}
