/* structures/deque.c: growing and compacting, the owner's rare operations. */
#include "structures/deque.h"

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
