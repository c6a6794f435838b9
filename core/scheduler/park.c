/* scheduler/park.c: the bitmaps and the sleep words. */
#include "scheduler/park.h"

#include "platform/clock.h"
#include "platform/futex.h"

static struct park_domain *domain_of(struct park *park, uint32_t worker) {
    return &park->domains[worker / 64];
}

static uint64_t bit_of(uint32_t worker) {
    return (uint64_t)1 << (worker % 64);
}

void filchi_park_init(struct park *park, uint32_t n_workers, bool is_shared) {
    park->n_workers = n_workers;
    park->n_domains = (n_workers + 63) / 64;
    park->is_shared = is_shared;
    for (uint32_t i = 0; i < park->n_domains; i++) {
        uint32_t here = n_workers - i * 64;
        uint64_t all = here >= 64 ? UINT64_MAX : ((uint64_t)1 << here) - 1;
        filch_store_relaxed(&park->domains[i].search, (uint64_t)0);
        filch_store_relaxed(&park->domains[i].sleep, all);
        filch_store_relaxed(&park->domains[i].started, (uint64_t)0);
    }
}

bool filchi_park_may_search(const struct park *park) {
    int n_searching = 0, n_started = 0, n_asleep = 0;
    for (uint32_t i = 0; i < park->n_domains; i++) {
        const struct park_domain *domain = &park->domains[i];
        uint64_t started = filch_load_relaxed(&domain->started);
        n_searching += __builtin_popcountll(filch_load_relaxed(&domain->search));
        n_started += __builtin_popcountll(started);
        n_asleep += __builtin_popcountll(filch_load_relaxed(&domain->sleep) & started);
    }
    int n_busy = n_started - n_asleep - n_searching;
    return n_searching == 0 || n_searching < n_busy / 2;
}

void filchi_park_begin_search(struct park *park, uint32_t worker) {
    filch_fetch_or_seq_cst(&domain_of(park, worker)->search, bit_of(worker));
}

void filchi_park_end_search(struct park *park, uint32_t worker) {
    filch_fetch_and_seq_cst(&domain_of(park, worker)->search, ~bit_of(worker)); /* HANDED */
}

void filchi_park_enter(struct park *park, uint32_t worker) {
    filch_fetch_or_seq_cst(&domain_of(park, worker)->sleep, bit_of(worker)); /* ASLEEP */
    filchi_park_end_search(park, worker);
    filchi_barrier_heavy(); /* ASLEEP */
}

bool filchi_park_leave(struct park *park, uint32_t worker) {
    uint64_t before = filch_fetch_and_seq_cst(&domain_of(park, worker)->sleep, ~bit_of(worker));
    return (before & bit_of(worker)) != 0;
}

void filchi_park_await_token(const struct park *park, filch_atomic_u32 *sleep_word) {
    for (;;) {
        uint32_t seen = SLEEP_WORD_EMPTY;
        if (!filch_cas_acq_rel(sleep_word, &seen, (uint32_t)SLEEP_WORD_WAITING) &&
            seen == SLEEP_WORD_TOKEN)
            break;
        filchi_futex_wait(&sleep_word->value, SLEEP_WORD_WAITING, FILCHI_NEVER, park->is_shared);
    }
    (void)filch_exchange_acquire(sleep_word, (uint32_t)SLEEP_WORD_EMPTY); /* TOKEN */
}

/* Clears one bit of `wanted` in the domain's sleep set. Returns: the bit's number, or -1. */
static int claim_in(struct park_domain *domain, uint64_t wanted) {
    for (;;) {
        uint64_t candidates = filch_load_seq_cst(&domain->sleep) & wanted;
        if (candidates == 0)
            return -1;
        int at = __builtin_ctzll(candidates);
        uint64_t bit = (uint64_t)1 << at;
        if (filch_fetch_and_seq_cst(&domain->sleep, ~bit) & bit) {
            filch_fetch_or_seq_cst(&domain->search, bit);
            return at;
        }
    }
}

int filchi_park_claim_sleeper(struct park *park, bool only_started, bool *is_started) {
    for (int want_started = 1; want_started >= (only_started ? 1 : 0); want_started--) {
        for (uint32_t i = 0; i < park->n_domains; i++) {
            struct park_domain *domain = &park->domains[i];
            uint64_t started = filch_load_acquire(&domain->started);
            int at = claim_in(domain, want_started ? started : ~started);
            if (at >= 0) {
                /* Read again: it may have been started, and gone to sleep, meanwhile. */
                *is_started = filch_load_acquire(&domain->started) >> at & 1;
                return (int)(i * 64) + at;
            }
        }
    }
    return -1;
}

void filchi_park_unclaim(struct park *park, uint32_t worker) {
    filch_fetch_or_seq_cst(&domain_of(park, worker)->sleep, bit_of(worker));
    filchi_park_end_search(park, worker);
}

void filchi_park_set_started(struct park *park, uint32_t worker, bool is_started) {
    if (is_started)
        filch_fetch_or_seq_cst(&domain_of(park, worker)->started, bit_of(worker));
    else
        filch_fetch_and_seq_cst(&domain_of(park, worker)->started, ~bit_of(worker));
}

void filchi_park_give_token(const struct park *park, filch_atomic_u32 *sleep_word) {
    uint32_t before = filch_exchange_acq_rel(sleep_word, (uint32_t)SLEEP_WORD_TOKEN); /* TOKEN */
    if (before == SLEEP_WORD_WAITING)
        filchi_futex_wake(&sleep_word->value, 1, park->is_shared);
}
