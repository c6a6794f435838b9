/* future/watched.h: the futures of a collection: each once, found by its address.
 *
 * Slots are numbered and keep their number; a slot that was given is used again, so adding and giving
 * without end does not grow. An open hash table leads from a future to its slot. Giving does not touch
 * the table: what it says of a slot that is free, or used again, is skipped or happens to be right, and
 * goes when the table is made anew.
 *
 * Invariant: a slot whose future is not NULL is in the table; the others are on the free list.
 * Threads: one at a time. */
#ifndef FILCHI_WATCHED_H
#define FILCHI_WATCHED_H

#include "future/subscribers.h"

struct slot {
    filch_future *future;    /* NULL: free */
    struct subscriber *node; /* NULL: it was done already */
    size_t next;             /* free, or ready: number + 1 of the next one; 0: the last */
};

struct watched {
    struct slot *slots;
    size_t n_slots, capacity; /* used at least once; there is room for */
    size_t first_free;        /* number + 1 */
    size_t n_futures;
    size_t *table; /* number + 1; 0: nothing */
    size_t mask;   /* of the table: twice the capacity */
    size_t n_used; /* of the table's places; at most three quarters */
};

/* Room for `n` futures. Returns: false without memory. */
bool filchi_watched_reserve(struct watched *watched, size_t n);

/* Its slot, a new one if `*is_new`; there must be room for one more. */
size_t filchi_watched_put(struct watched *watched, filch_future *future, bool *is_new);

/* Frees a slot. */
void filchi_watched_remove(struct watched *watched, size_t at);

void filchi_watched_fini(struct watched *watched);

#endif
