/* scheduler/park.c: the bitmaps and the sleep words. */
#include "scheduler/park.h"

#include "platform/clock.h"
#include "platform/futex.h"

static struct park_domain *domain_of(struct park *park, uint32_t seat) {
    return &park->domains[seat / 64];
}

static uint64_t bit_of(uint32_t seat) {
    return (uint64_t)1 << (seat % 64);
}

void filchi_park_init(struct park *park, uint32_t n_seats, bool is_shared) {
    park->n_domains = (n_seats + 63) / 64;
    park->is_shared = is_shared;
    filchi_barrier_make(&park->barrier, is_shared);
    park->claims = (struct claims){NULL, NULL};
    for (uint32_t i = 0; i < park->n_domains; i++) {
        uint32_t here = n_seats - i * 64;
        uint64_t all = here >= 64 ? UINT64_MAX : ((uint64_t)1 << here) - 1;
        filch_store_relaxed(&park->domains[i].search, (uint64_t)0);
        filch_store_relaxed(&park->domains[i].sleep, all);
        filch_store_relaxed(&park->domains[i].taken, (uint64_t)0);
    }
}

bool filchi_park_may_search(const struct park *park) {
    int n_searching = 0, n_taken = 0, n_asleep = 0;
    for (uint32_t i = 0; i < park->n_domains; i++) {
        const struct park_domain *domain = &park->domains[i];
        uint64_t taken = filch_load_relaxed(&domain->taken);
        n_searching += __builtin_popcountll(filch_load_relaxed(&domain->search));
        n_taken += __builtin_popcountll(taken);
        n_asleep += __builtin_popcountll(filch_load_relaxed(&domain->sleep) & taken);
    }
    int n_busy = n_taken - n_asleep - n_searching;
    return n_searching == 0 || n_searching < n_busy / 2;
}

void filchi_park_begin_search(struct park *park, uint32_t seat) {
    filch_fetch_or_seq_cst(&domain_of(park, seat)->search, bit_of(seat));
}

void filchi_park_end_search(struct park *park, uint32_t seat) {
    filch_fetch_and_seq_cst(&domain_of(park, seat)->search, ~bit_of(seat)); /* HANDED */
}

void filchi_park_enter(struct park *park, uint32_t seat) {
    filch_fetch_or_seq_cst(&domain_of(park, seat)->sleep, bit_of(seat)); /* ASLEEP */
    filchi_park_end_search(park, seat);
    filchi_barrier_heavy(&park->barrier); /* ASLEEP */
}

bool filchi_park_leave(struct park *park, uint32_t seat) {
    uint64_t before = filch_fetch_and_seq_cst(&domain_of(park, seat)->sleep, ~bit_of(seat));
    return (before & bit_of(seat)) != 0;
}

bool filchi_park_await_token(const struct park *park, filch_atomic_u32 *sleep_word,
                             uint64_t deadline_ns) {
    for (bool in_time = true;;) {
        uint32_t seen = SLEEP_WORD_EMPTY;
        if (!filch_cas_acq_rel(sleep_word, &seen, (uint32_t)SLEEP_WORD_WAITING) &&
            seen == SLEEP_WORD_TOKEN)
            break;
        if (!in_time)
            return false;
        in_time =
            filchi_futex_wait(&sleep_word->value, SLEEP_WORD_WAITING, deadline_ns, park->is_shared);
    }
    (void)filch_exchange_acquire(sleep_word, (uint32_t)SLEEP_WORD_EMPTY); /* TOKEN */
    return true;
}

void filchi_park_wake_up(struct park *park, uint32_t seat) {
    /* Who claims the seat sets the search bit first (CLAIM): after a stray token nobody has. */
    if (!park_is_asleep(park, seat))
        return;
    (void)filchi_park_leave(park, seat);
    filchi_park_begin_search(park, seat);
}

/* Clears one bit of `wanted` in the domain's sleep set. Returns: the bit's number, or -1. */
static int claim_in(struct park *park, uint32_t index, uint64_t wanted) {
    struct park_domain *domain = &park->domains[index];
    for (uint64_t first = 0;;) {
        uint64_t candidates = filch_load_seq_cst(&domain->sleep) & wanted;
        if (candidates == 0)
            return -1;
        int at = __builtin_ctzll(candidates & first ? first : candidates);
        uint64_t bit = (uint64_t)1 << at;
        uint32_t seat = index * 64 + (uint32_t)at;
        if (unlikely(!claims_take(&park->claims, seat)))
            wanted &= ~bit;
        else if (filch_fetch_and_seq_cst(&domain->sleep, ~bit) & bit)
            return at;
        else
            first = park_release(park, seat) ? bit : 0; /* its worker may sleep again already */
    }
}

/* Read after a claim: somebody may have sat down, and fallen asleep, since the claimer chose. */
static bool is_taken_at(const struct park_domain *domain, int at) {
    return (filch_load_acquire(&domain->taken) >> at & 1) != 0; /* SAT */
}

/* Claims a sleeping seat of `among` in the domain; `*has_lost` if another thread was faster with one.
 * Returns: its number there, or -1. */
static int claim_sleeper_in(struct park *park, uint32_t index, uint64_t among, bool want_taken,
                            bool *is_taken, bool *has_lost) {
    struct park_domain *domain = &park->domains[index];
    uint64_t taken = filch_load_acquire(&domain->taken); /* SAT */
    uint64_t wanted = among & (want_taken ? taken : ~taken);
    for (uint64_t first = 0;;) {
        uint64_t candidates = filch_load_seq_cst(&domain->sleep) & wanted;
        if (candidates == 0)
            return -1;
        int at = __builtin_ctzll(candidates & first ? first : candidates);
        uint64_t bit = (uint64_t)1 << at;
        if (unlikely(!claims_take(&park->claims, index * 64 + (uint32_t)at))) {
            wanted &= ~bit;
            continue;
        }
        uint64_t search = filch_fetch_or_seq_cst(&domain->search, bit); /* CLAIM */
        if (filch_fetch_and_seq_cst(&domain->sleep, ~bit) & bit) {      /* CLAIM */
            *is_taken = is_taken_at(domain, at);
            return at;
        }
        *has_lost = true;
        if ((search & bit) == 0)
            filch_fetch_and_seq_cst(&domain->search, ~bit); /* HANDED */
        first = park_release(park, index * 64 + (uint32_t)at) ? bit : 0;
    }
}

/* Who pushed while a search bit was set in vain left its entry to a worker that does not search. By
 * HANDED somebody looks after the bit is cleared: whoever is claimed instead, now or in another round
 * over all seats. */
int filchi_park_claim_sleeper(struct park *park, bool only_taken, bool *is_taken) {
    for (bool has_lost = true; has_lost; only_taken = false) {
        has_lost = false;
        for (int want_taken = 1; want_taken >= (only_taken ? 1 : 0); want_taken--) {
            for (uint32_t i = 0; i < park->n_domains; i++) {
                int at = claim_sleeper_in(park, i, UINT64_MAX, want_taken, is_taken, &has_lost);
                if (at >= 0)
                    return (int)(i * 64) + at;
            }
        }
    }
    return -1;
}

int filchi_park_claim_among(struct park *park, const uint16_t *seats, uint32_t n, bool *is_taken) {
    bool has_lost = false; /* who finds none here goes on with all seats */
    for (int want_taken = 1; want_taken >= 0; want_taken--)
        for (uint32_t i = 0; i < n; i++)
            if (claim_sleeper_in(park, seats[i] / 64, bit_of(seats[i]), want_taken, is_taken,
                                 &has_lost) >= 0)
                return seats[i];
    return -1;
}

int filchi_park_claim_vacant(struct park *park, uint32_t preferred, bool *is_taken) {
    struct park_domain *first = domain_of(park, preferred);
    uint64_t vacant = ~filch_load_acquire(&first->taken);
    int at = claim_in(park, preferred / 64, vacant & bit_of(preferred));
    *is_taken = at >= 0 && is_taken_at(first, at);
    if (at >= 0)
        return (int)preferred;
    for (uint32_t i = 0; i < park->n_domains; i++) {
        struct park_domain *domain = &park->domains[i];
        at = claim_in(park, i, ~filch_load_acquire(&domain->taken));
        *is_taken = at >= 0 && is_taken_at(domain, at);
        if (at >= 0)
            return (int)(i * 64) + at;
    }
    return -1;
}

void filchi_park_unclaim(struct park *park, uint32_t seat) {
    filch_fetch_or_seq_cst(&domain_of(park, seat)->sleep, bit_of(seat));
    filchi_park_end_search(park, seat);
}

void filchi_park_set_taken(struct park *park, uint32_t seat, bool is_taken) {
    if (is_taken)
        filch_fetch_or_seq_cst(&domain_of(park, seat)->taken, bit_of(seat)); /* SAT */
    else
        filch_fetch_and_seq_cst(&domain_of(park, seat)->taken, ~bit_of(seat));
}

void filchi_park_give_token(const struct park *park, filch_atomic_u32 *sleep_word) {
    uint32_t before = filch_exchange_acq_rel(sleep_word, (uint32_t)SLEEP_WORD_TOKEN); /* TOKEN */
    if (before == SLEEP_WORD_WAITING)
        filchi_futex_wake(&sleep_word->value, 1, park->is_shared);
}

void filchi_park_rouse(const struct park *park, filch_atomic_u32 *sleep_word) {
    (void)filch_exchange_acq_rel(sleep_word, (uint32_t)SLEEP_WORD_TOKEN); /* TOKEN */
    filchi_futex_wake(&sleep_word->value, 1, park->is_shared);
}

void filchi_park_forget_searchers(struct park *park) {
    for (uint32_t i = 0; i < park->n_domains; i++)
        (void)filch_exchange_seq_cst(&park->domains[i].search, (uint64_t)0); /* HANDED */
}
