/* scheduler/park.h: who sleeps, who searches, and how a push wakes somebody. README.md has the
 * protocol and the sketch of its proof.
 *
 * Sets of seats are bitmaps, 64 seats to a domain and a domain to a cache line. A worker sits on a
 * seat as long as it may start tasks (substitute.h). A vacant seat counts as asleep; waking it finds
 * or starts a worker for it.
 *
 * Edges:
 *   ASLEEP  sleep bit set, search bit cleared (seq_cst), heavy barrier, last look  ->  push, light
 *           barrier, look at the bits: one of the two sees the other.
 *   HANDED  search bit cleared (seq_cst), look  ->  push, full fence, look at the search bits: a push
 *           that leaves its entry to a searcher is seen by that searcher's look after it stops.
 *   CLAIM   search bit set, then sleep bit cleared, both by the claimer (seq_cst) -> a worker that finds
 *           its sleep bit cleared is searching already.
 *   TOKEN   the sleep word: waker's exchange (acq_rel) -> sleeper's exchange (acquire).
 *   SAT     who sits there (release), taken bit set (seq_cst) -> taken bit seen, or for a thief the
 *           pointer alone (acquire): who sits, or sat, there. */
#ifndef FILCHI_PARK_H
#define FILCHI_PARK_H

#include "base/cc.h"
#include "platform/barrier.h"
#include "scheduler/claims.h"
#include <filch/detail/atomic.h>

enum { PARK_DOMAINS = 64, PARK_MAX_SEATS = 64 * PARK_DOMAINS };

struct park_domain {
    _Alignas(CACHE_LINE) filch_atomic_u64 search;
    filch_atomic_u64 sleep;
    filch_atomic_u64 taken; /* not vacant */
};

struct park {
    uint32_t n_domains;
    bool is_shared; /* between processes */
    struct barrier barrier;
    struct claims claims; /* of seats: who claims one has its word, up to park_release */
    struct park_domain domains[PARK_DOMAINS];
};

/* A worker's own sleep word. */
enum { SLEEP_WORD_EMPTY, SLEEP_WORD_TOKEN, SLEEP_WORD_WAITING };

/* All seats are vacant, and asleep. */
void filchi_park_init(struct park *park, uint32_t n_seats, bool is_shared);

/* May one more worker search? At most one, or half of the busy workers. A racy count. */
bool filchi_park_may_search(const struct park *park);

void filchi_park_begin_search(struct park *park, uint32_t seat);
void filchi_park_end_search(struct park *park, uint32_t seat);

/* The seat is asleep and not searching, and whoever pushed before is seen by looks from now on. */
void filchi_park_enter(struct park *park, uint32_t seat);

/* Returns: true if the seat is awake again by its worker's own doing; false if a waker was faster,
 * whose token must be awaited. */
bool filchi_park_leave(struct park *park, uint32_t seat);

/* Sleeps until a token comes, and takes it. It may be a stray one, which says no more than: look.
 * Returns: false if the deadline passed first. */
bool filchi_park_await_token(const struct park *park, filch_atomic_u32 *sleep_word,
                             uint64_t deadline_ns);

/* A token has come to who parked on this seat: it is awake from here on, and counts as searching. */
void filchi_park_wake_up(struct park *park, uint32_t seat);

/* Claims a sleeping seat to be woken: a taken one if there is one. It counts as searching from just
 * before. A claim that came too late may have hidden a sleeper from somebody who pushed: then a vacant
 * one may be claimed though `only_taken`. Returns: its number, or -1 if none sleeps. */
int filchi_park_claim_sleeper(struct park *park, bool only_taken, bool *is_taken);

/* The same among `n` seats. */
int filchi_park_claim_among(struct park *park, const uint16_t *seats, uint32_t n, bool *is_taken);

/* Claims a vacant seat to sit down there: `preferred` if that is one. It does not count as searching.
 * Somebody may have sat down, and fallen asleep, meanwhile (`*is_taken`): the claimer wakes him.
 * Returns: its number, or -1 if none is vacant. */
int filchi_park_claim_vacant(struct park *park, uint32_t preferred, bool *is_taken);

/* The claimer is done: the seat's worker has its token, or the claim was undone. Returns: has somebody else
 * wanted to wake this seat meanwhile? */
static inline bool park_release(struct park *park, uint32_t seat) {
    return claims_release(&park->claims, seat);
}

/* Undoes a claim for which no worker could be started. */
void filchi_park_unclaim(struct park *park, uint32_t seat);

/* By who has claimed the seat, or sits there; before it sleeps for the first time. */
void filchi_park_set_taken(struct park *park, uint32_t seat, bool is_taken);

/* The same, and wakes it even if somebody else has given it a token: that one may have died then. */
void filchi_park_rouse(const struct park *park, filch_atomic_u32 *sleep_word);

/* Nobody counts as searching any more. Who does goes on; it only is not seen. */
void filchi_park_forget_searchers(struct park *park);

/* Gives a token, after a claim or (a stray one) without. */
void filchi_park_give_token(const struct park *park, filch_atomic_u32 *sleep_word);

static inline bool park_is_asleep(const struct park *park, uint32_t seat) {
    uint64_t sleep = filch_load_seq_cst(&park->domains[seat / 64].sleep);
    return (sleep >> seat % 64 & 1) != 0;
}

static inline bool park_is_taken(const struct park *park, uint32_t seat) {
    uint64_t taken = filch_load_seq_cst(&park->domains[seat / 64].taken);
    return (taken >> seat % 64 & 1) != 0;
}

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

/* Does anybody sit anywhere? */
static inline bool park_is_attended(const struct park *park) {
    for (uint32_t i = 0; i < park->n_domains; i++)
        if (filch_load_seq_cst(&park->domains[i].taken) != 0)
            return true;
    return false;
}

/* After a push: must somebody be woken? */
static inline bool park_must_wake(const struct park *park) {
    barrier_light(&park->barrier); /* ASLEEP */
    if (!park_has_searchers(park))
        return park_has_sleepers(park);
    filch_fence_seq_cst(); /* HANDED */
    return !park_has_searchers(park) && park_has_sleepers(park);
}

#endif
