/* executor/results.h: a map under way: what filch_map (map.c) starts and filch_results_* (results.c)
 * iterate over.
 *
 * Chunks go through two lists: `held` are packed and wait to be submitted, `ahead` are submitted and
 * not yet given. One chunk is current: its items are being given. A chunk is in one place at a time.
 *
 *     packing -> held -> ahead -> current
 *
 * In order, the oldest of `ahead` is the next current one. Unordered, each is watched by the consumer
 * when it has been submitted, and the next is the one that arrives first.
 *
 * `hand` is a run of the current chunk's items that the header gives without a call; what it gave is
 * accounted for (settle) at the next call. */
#ifndef FILCHI_RESULTS_H
#define FILCHI_RESULTS_H

#include "executor/chunk.h"
#include "executor/grain.h"
#include "future/subscribers.h"
#include <filch/collect.h>

struct chunk_list {
    struct chunk *oldest, *newest;
    size_t n;
};

struct filch_results {
    filch_results_at_hand hand; /* first: the header reads it */
    const char *hand_from;      /* where it began */
    struct pool *pool;
    const filch_task_type *type;
    filch_map_options options;
    struct grain grain;
    size_t window; /* chunks submitted ahead; SIZE_MAX: all */
    uint64_t deadline_ns;

    size_t n_items;        /* of the input, if it is an array */
    size_t n_read;         /* items of the input that are in chunks */
    bool input_ended;      /* nothing is left to read */
    filch_future *packing; /* being filled by the caller */
    size_t packing_room;

    struct chunk_list held, ahead;
    struct chunk *unmeasured;  /* of `ahead`: the oldest whose duration has not been noted */
    struct consumer *consumer; /* unordered: of all in `ahead` with a node */
    struct completion_node *arrived;
    size_t n_unwatched;     /* unordered: of `ahead`, those without a node */
    filch_status cut_short; /* why the rest of the input was not submitted; FILCH_OK: it was */
    char cut_short_why[160];

    filch_future *current; /* its items are being given */
    size_t at;             /* the next item of it */
    size_t index;          /* input index of the item given last, the hand left out */
    filch_status item;     /* of the item given last */
    filch_error made;      /* its error, if it was cancelled or lost */
    filch_status ended;    /* why the iteration is over; FILCH_OK: it is not */
};

/* Learns from the chunks that have run since the last look, in the order of their submission. */
void filchi_map_measure(struct filch_results *results);

/* Submits until `ahead` chunks are, or the input is used up. */
filch_status filchi_map_submit_ahead(struct filch_results *results, size_t ahead);

/* Cancels what has not started; what was held back is forgotten, and the input is not read on. */
void filchi_map_abandon(struct filch_results *results);

static inline void chunk_list_add(struct chunk_list *list, struct chunk *chunk) {
    chunk->older = list->newest;
    chunk->newer = NULL;
    if (list->newest != NULL)
        list->newest->newer = chunk;
    else
        list->oldest = chunk;
    list->newest = chunk;
    list->n++;
}

static inline void chunk_list_remove(struct chunk_list *list, struct chunk *chunk) {
    if (chunk->older != NULL)
        chunk->older->newer = chunk->newer;
    else
        list->oldest = chunk->newer;
    if (chunk->newer != NULL)
        chunk->newer->older = chunk->older;
    else
        list->newest = chunk->older;
    chunk->older = chunk->newer = NULL;
    list->n--;
}

static inline struct chunk *chunk_list_take(struct chunk_list *list) {
    struct chunk *chunk = list->oldest;
    if (chunk != NULL)
        chunk_list_remove(list, chunk);
    return chunk;
}

#endif
