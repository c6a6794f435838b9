/* future/future.c: transitions, delivery, and the end of a block. */
#include "future/future.h"

#include "base/assert.h"
#include "base/status.h"
#include "future/error.h"
#include "future/subscribers.h"
#include "platform/futex.h"
#include "platform/process.h"

bool filchi_future_init(filch_future *future, const filch_task_type *type) {
    /* Bits say which block is free, and bits are hints; the state word is the truth. A free one has
     * nothing but its generation. */
    uint64_t state = filch_load_relaxed(&future->state) & FUTURE_GENERATION;
    uint64_t next = state + (UINT64_C(1) << FUTURE_GENERATION_SHIFT) + FUTURE_INIT;
    if (unlikely(!filch_cas_relaxed(&future->state, &state, next)))
        return false;
    filch_store_relaxed(&future->subscribers, NULL);
    future->type = type;
    filch_store_relaxed(&future->error, NULL);
    filch_store_relaxed(&future->handles, 1u);
    filch_store_relaxed(&future->looked_at, 0u);
    future->extents = 0;
    future->options = 0;
    return true;
}

/* INIT, PENDING or done -> FREE; the block may be taken again at once. */
static void free_block(filch_future *future) {
    uint64_t state = filch_load_relaxed(&future->state);
    filch_store_relaxed(&future->state, (state & FUTURE_GENERATION) | FUTURE_FREE);
    slab_free(future); /* CELL-FREE */
}

void filchi_future_abort(filch_future *future) {
    free_block(future);
}

/* Both DELIVERED and RELEASED: nobody else can reach it. */
static void destroy(filch_future *future) {
    uint64_t state = filch_load_relaxed(&future->state);
    if (unlikely(state_phase(state) == FUTURE_FAILED))
        filchi_error_report_unseen(future, state);
    if (unlikely(filch_load_relaxed(&future->subscribers) != NULL))
        filchi_subscribers_free(future);
    if (unlikely(future->extents != 0 || filch_load_relaxed(&future->error) != NULL)) {
        filchi_error_free(future, state);
        struct future_host *host = future_host(future);
        host->dispose(host, future);
    }
    free_block(future);
}

/* Tells subscribers, then gives the block up. The outcome is in the state word already. */
static void deliver(filch_future *future) {
    filchi_subscribers_fire(future);
    uint64_t before = filch_fetch_or_acq_rel(&future->state, FUTURE_DELIVERED); /* GONE */
    if (before & FUTURE_RELEASED)
        destroy(future);
}

enum settled { LOST, DELIVERED, WATCHED };

/* Moves from a phase to a done one. Without subscribers the same CAS delivers; with them (WATCHED)
 * the caller does, or, where `flags_if_watched` says DEFERRED, somebody else. */
static enum settled settle(filch_future *future, enum future_phase from, uint32_t generation,
                           uint64_t outcome, uint64_t flags_if_watched) {
    uint64_t state = filch_load_relaxed(&future->state), next;
    bool is_watched, is_shared = false;
    do {
        if (state_phase(state) != from || state_generation(state) != generation)
            return LOST;
        is_watched = (state & FUTURE_SUBSCRIBED) != 0;
        if (state & FUTURE_WAITER)
            is_shared = future_host(future)->is_shared;
        next =
            (state & ~FUTURE_PHASE) | outcome | (is_watched ? flags_if_watched : FUTURE_DELIVERED);
    } while (!filch_cas_acq_rel(&future->state, &state, next)); /* OUTCOME, GONE */
    /* A waiter may see the outcome and give its handle back before it is woken here; waking a word
     * that belongs to somebody else by then, or to nobody, is harmless. */
    if (state & FUTURE_WAITER)
        filchi_futex_wake((const uint32_t *)&future->state.value, INT32_MAX, is_shared);
    if (is_watched)
        return WATCHED;
    if (state & FUTURE_RELEASED)
        destroy(future);
    return DELIVERED;
}

static bool settle_and_deliver(filch_future *future, enum future_phase from, uint32_t generation,
                               uint64_t outcome) {
    enum settled settled = settle(future, from, generation, outcome, 0);
    if (settled == WATCHED)
        deliver(future);
    return settled != LOST;
}

/* The generation of a running future whose outcome is about to be made known. */
static uint32_t before_outcome(filch_future *future) {
    uint64_t state = filch_load_relaxed(&future->state);
    if (state & FUTURE_SUBSCRIBED)
        filchi_subscribers_fire_consumers(future);
    return state_generation(state);
}

void filchi_future_finish(filch_future *future, enum future_phase phase) {
    uint32_t generation = before_outcome(future);
    bool settled = settle_and_deliver(future, FUTURE_RUNNING, generation, phase);
    check(settled);
}

bool filchi_future_finish_deferred(filch_future *future, enum future_phase phase) {
    uint32_t generation = before_outcome(future);
    if (settle(future, FUTURE_RUNNING, generation, phase, FUTURE_DEFERRED) != WATCHED)
        return false;
    filchi_subscribers_fire_consumers(future); /* those that came since; callbacks are left */
    return true;
}

void filchi_future_deliver_deferred(filch_future *future, uint32_t generation) {
    uint64_t state = filch_load_relaxed(&future->state);
    do {
        if (state_generation(state) != generation || (state & FUTURE_DEFERRED) == 0)
            return;
    } while (!filch_cas_acq_rel(&future->state, &state, state & ~FUTURE_DEFERRED)); /* OUTCOME */
    deliver(future);
}

/* PENDING to an outcome without a run. Counted first: the host may be gone together with the future. */
static bool settle_pending(filch_future *future, uint32_t generation, uint64_t outcome,
                           filch_atomic_u64 *counter) {
    filch_fetch_add_relaxed(counter, (uint64_t)1);
    if (settle_and_deliver(future, FUTURE_PENDING, generation, outcome))
        return true;
    filch_fetch_add_relaxed(counter, UINT64_MAX);
    return false;
}

bool filchi_future_break(filch_future *future, uint32_t generation) {
    return settle_pending(future, generation, FUTURE_FAILED | FUTURE_BROKEN,
                          &future_host(future)->n_broken);
}

bool filchi_future_cancel_pending(filch_future *future, uint32_t generation) {
    return settle_pending(future, generation, FUTURE_CANCELLED, &future_host(future)->n_cancelled);
}

bool filchi_future_withdraw(filch_future *future) {
    uint64_t state = filch_load_relaxed(&future->state);
    do {
        if (state_phase(state) != FUTURE_PENDING)
            return false;
        /* INIT, not FREE: the caller still has to free what it holds, then aborts it. Relaxed: nobody
         * else has written anything, or will. */
    } while (!filch_cas_relaxed(&future->state, &state, (state & ~FUTURE_PHASE) | FUTURE_INIT));
    return true;
}

filch_future *filch_retain(filch_future *future) {
    if (future != NULL)
        (void)filch_fetch_add_relaxed(&future->handles, 1u);
    return future;
}

/* Without a handle nobody can complete a promise any more, unless somebody is just doing it. */
static bool is_forsaken(uint64_t state) {
    return (state & FUTURE_PROMISE) && !state_is_done(state) &&
           state_owner(state) != FUTURE_OWNER_SETTING;
}

void filch_release(filch_future *future) {
    if (future == NULL)
        return;
    /* The only handle needs no read-modify-write: nobody else can make a second one. */
    if (filch_load_acquire(&future->handles) != 1 &&        /* HANDLE */
        filch_fetch_sub_acq_rel(&future->handles, 1u) != 1) /* HANDLE */
        return;
    uint64_t state = future_state(future);
    while ((state & FUTURE_DELIVERED) == 0 && !is_forsaken(state))
        if (filch_cas_acq_rel(&future->state, &state, state | FUTURE_RELEASED)) /* GONE */
            return;
    destroy(future);
}

static bool is_given(const filch_future *future, const char *function) {
    if (future == NULL)
        filchi_fail(FILCH_INVALID, "%s: future is NULL; pass what filch_submit returned", function);
    return future != NULL;
}

bool filch_done(filch_future *future) {
    return is_given(future, "filch_done") && state_is_done(future_state(future));
}

bool filch_running(filch_future *future) {
    return is_given(future, "filch_running") && state_phase(future_state(future)) == FUTURE_RUNNING;
}

bool filch_cancelled(filch_future *future) {
    return is_given(future, "filch_cancelled") &&
           state_phase(future_state(future)) == FUTURE_CANCELLED;
}

bool filch_cancel(filch_future *future) {
    if (!is_given(future, "filch_cancel"))
        return false;
    struct future_host *host = future_host(future);
    if (host->fork_generation != filchi_process_generation()) {
        filchi_fail(FILCH_INVALID_STATE,
                    "filch_cancel: future belongs to the parent process and cannot be cancelled in "
                    "this forked child");
        return false;
    }
    uint64_t state = future_state(future);
    for (;;) {
        switch (state_phase(state)) {
        case FUTURE_CANCELLED:
            return true;
        case FUTURE_PENDING:
            host->enter_delivery(host);
            /* The caller's handle keeps the future, but a callback may give that one back. */
            bool cancelled = filchi_future_cancel_pending(future, state_generation(state));
            host->leave_delivery(host);
            if (cancelled)
                return true;
            state = future_state(future);
            break;
        case FUTURE_RUNNING:
            if (!filch_cas_relaxed(&future->state, &state, state | FUTURE_CANCEL_REQUESTED))
                break; /* a hint, which orders nothing */
            return false;
        default:
            return false;
        }
    }
}
