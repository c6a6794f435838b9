/* scheduler/park.h: who sleeps, who searches, and how a push wakes somebody. README.md has the
 * protocol and the sketch of its proof.
 *
 * Sets of workers are bitmaps, 64 workers to a domain and a domain to a cache line. A worker that has
 * never been started counts as asleep; waking it starts it.
 *
 * Edges:
 *   ASLEEP  sleep bit set, search bit cleared (seq_cst), heavy barrier, last look  ->  push, light
 *           barrier, look at the bits: one of the two sees the other.
 *   HANDED  search bit cleared (seq_cst), look  ->  push, full fence, look at the search bits: a push
 *           that leaves its entry to a searcher is seen by that searcher's look after it stops.
 *   TOKEN   the sleep word: waker's exchange (acq_rel) -> sleeper's exchange (acquire). */
#ifndef FILCHI_PARK_H
#define FILCHI_PARK_H

#include "base/cc.h"
#include "platform/barrier.h"
#include <filch/detail/atomic.h>

enum { PARK_DOMAINS = 64, PARK_MAX_WORKERS = 64 * PARK_DOMAINS };

struct park_domain {
    _Alignas(CACHE_LINE) filch_atomic_u64 search;
    filch_atomic_u64 sleep;
    filch_atomic_u64 started;
};

struct park {
    uint32_t n_workers;
    uint32_t n_domains;
    bool is_shared; /* between processes */
    struct park_domain domains[PARK_DOMAINS];
};

/* A worker's own sleep word. */
enum { SLEEP_WORD_EMPTY, SLEEP_WORD_TOKEN, SLEEP_WORD_WAITING };

void filchi_park_init(struct park *park, uint32_t n_workers, bool is_shared);

/* May one more worker search? At most one, or half of the busy workers. A racy count. */
bool filchi_park_may_search(const struct park *park);

void filchi_park_begin_search(struct park *park, uint32_t worker);
void filchi_park_end_search(struct park *park, uint32_t worker);

/* The worker is asleep and not searching, and whoever pushed before is seen by looks from now on. */
void filchi_park_enter(struct park *park, uint32_t worker);

/* Returns: true if the worker is awake again by its own doing; false if a waker was faster, whose
 * token must be awaited. */
bool filchi_park_leave(struct park *park, uint32_t worker);

/* Sleeps until the token comes, and takes it. */
void filchi_park_await_token(const struct park *park, filch_atomic_u32 *sleep_word);

/* Claims a sleeper to be woken: a started one if there is one. It counts as searching from then on.
 * Returns: its number, or -1 if nobody sleeps. */
int filchi_park_claim_sleeper(struct park *park, bool only_started, bool *is_started);

/* Undoes a claim whose worker could not be started. */
void filchi_park_unclaim(struct park *park, uint32_t worker);

/* Before its first sleep. */
void filchi_park_set_started(struct park *park, uint32_t worker, bool is_started);

/* Gives the token. */
void filchi_park_give_token(const struct park *park, filch_atomic_u32 *sleep_word);

static inline bool park_has_searchers(const struct park *park) {
    for (uint32_t i = 0; i < park->n_domains; i++)
        if (filch_load_seq_cst(&park->domains[i].search) != 0)
            return true;
    return false;
}

static inline bool park_has_sleepers(const struct park *park) {
    for (uint32_t i = 0; i < park->n_domains; i++)
        if (filch_load_seq_cst(&park->domains[i].sleep) != 0)
            return true;
    return false;
}

/* Has any worker ever been started? */
static inline bool park_has_started(const struct park *park) {
    for (uint32_t i = 0; i < park->n_domains; i++)
        if (filch_load_acquire(&park->domains[i].started) != 0)
            return true;
    return false;
}

/* After a push: must somebody be woken? */
static inline bool park_must_wake(const struct park *park) {
    filchi_barrier_light(); /* ASLEEP */
    if (!park_has_searchers(park))
        return park_has_sleepers(park);
    filch_fence_seq_cst(); /* HANDED */
    return !park_has_searchers(park) && park_has_sleepers(park);
}

#endif
