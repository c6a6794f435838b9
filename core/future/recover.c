/* future/recover.c: futures whose process has ended. */
#include "future/recover.h"

#include "platform/futex.h"

void filchi_life_recover_count(struct process_life *life, uint32_t tag) {
    const filch_future *future = filch_load_acquire(&life->settling); /* ANNOUNCED */
    if (future != NULL) {
        uint64_t state = future_state(future);
        bool is_settled = state_generation(state) == filch_load_relaxed(&life->generation) &&
                          state_is_done(state) && state_owner(state) == tag - 1;
        filch_atomic_u64 *counter = filch_load_relaxed(&life->counter);
        filch_store_relaxed(counter, filch_load_relaxed(&life->n_before) + is_settled);
    }
    filch_store_relaxed(&life->settling, NULL);
    filch_store_relaxed(&life->is_counting, 0u);
}

bool filchi_future_run_again(filch_future *future, uint32_t generation) {
    uint64_t state = future_state(future), next;
    do {
        if (state_phase(state) != FUTURE_RUNNING || state_generation(state) != generation)
            return false;
        next = (state & ~(FUTURE_PHASE | FUTURE_OWNER | FUTURE_TIMED_OUT)) | FUTURE_PENDING;
    } while (!filch_cas_acq_rel(&future->state, &state, next)); /* PUBLISHED */
    return true;
}

void filchi_future_wake(const filch_future *future) {
    if (filch_load_relaxed(&future->state) & FUTURE_WAITER)
        filchi_futex_wake((const uint32_t *)&future->state.value, INT32_MAX, true);
}

bool filchi_future_was_left_settled(const filch_future *future, uint32_t owner) {
    uint64_t state = future_state(future);
    bool never_ran = state_phase(state) == FUTURE_CANCELLED ||
                     (state_phase(state) == FUTURE_FAILED && (state & FUTURE_BROKEN) != 0);
    bool is_whole = (state & FUTURE_DELIVERED) != 0 && (state & FUTURE_RELEASED) == 0;
    return never_ran && !is_whole && state_owner(state) == owner;
}

enum future_rest filchi_future_find_rest(const filch_future *future, uint32_t generation) {
    uint64_t state = future_state(future);
    if (!state_is_done(state) || state_generation(state) != generation || (state & FUTURE_MAILED))
        return REST_NOTHING;
    if ((state & FUTURE_DELIVERED) == 0)
        return REST_DELIVERY;
    return (state & FUTURE_RELEASED) != 0 ? REST_BLOCK : REST_NOTHING;
}

void filchi_future_defer(filch_future *future) {
    (void)filch_fetch_or_acq_rel(&future->state, FUTURE_DEFERRED); /* OUTCOME */
}

/* What is MAILED was in the dead one's hands alone, and what is DELIVERED and not RELEASED waited for him: it
 * goes to who delivers, and is MAILED on the way, so that nobody takes it for left behind meanwhile. What
 * the dead was about to deliver or free itself is an orphan by its run, or by what it was settling. The others
 * are freed when they have ended, since they are RELEASED then. The chain of callbacks is left alone: who
 * delivers may be freeing it. */
void filchi_future_disown(filch_future *future) {
    struct future_host *host = future_host(future);
    uint64_t state = future_state(future), next;
    do {
        bool is_over = (state & FUTURE_DELIVERED) != 0 && (state & FUTURE_RELEASED) != 0;
        if (state_phase(state) <= FUTURE_INIT || (state & FUTURE_DISOWNED) ||
            (is_over && (state & FUTURE_MAILED) == 0))
            return;
        next = state | FUTURE_RELEASED | FUTURE_DISOWNED;
        if (state & FUTURE_DELIVERED)
            next |= FUTURE_MAILED;
        else if (state & FUTURE_MAILED)
            next |= FUTURE_DEFERRED;
    } while (!filch_cas_acq_rel(&future->state, &state, next)); /* GONE, OUTCOME */
    if (state & (FUTURE_MAILED | FUTURE_DELIVERED))
        host->defer(host, future);
}
