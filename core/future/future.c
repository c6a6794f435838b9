/* future/future.c: transitions, delivery, and the end of a block. */
#include "future/future.h"

#include "base/assert.h"
#include "base/status.h"
#include "future/error.h"
#include "future/subscribers.h"
#include "platform/futex.h"
#include "platform/thread.h"

/* Is the calling process (in its thread mode: thread) the one that has the handles? Not if it has only
 * taken the place of that one. */
static bool is_own(const filch_future *future) {
    return slab_of(future)->owner == filchi_process_tag(future_arena(future)->owner) &&
           (filch_load_relaxed(&future->state) & FUTURE_DISOWNED) == 0;
}

bool filchi_future_is_held(const filch_future *future) {
    const struct future_host *host = future_host(future);
    return !host->is_shared || host->fork_generation == filchi_process_generation() ||
           (filchi_process_serves(host) && is_own(future));
}

bool filchi_future_check_held(const char *function, const filch_future *future) {
    if (future_is_held(future))
        return true;
    filchi_fail(
        FILCH_INVALID_STATE,
        "%s: future belongs to another process, the one that submitted the task, and cannot "
        "be used in this one",
        function);
    return false;
}

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

/* What the calling process is, where it may die alone; else NULL. */
static struct process_life *own_life(const struct future_host *host) {
    if (host->lives == NULL)
        return NULL;
    uint32_t tag = filchi_process_tag(host);
    return tag == PROCESS_OPENER || tag == PROCESS_REAPER ? NULL : &host->lives[tag];
}

/* Who ends a future that never ran, as an owner in its state. */
static uint64_t settler(const struct future_host *host) {
    uint32_t tag = filchi_process_tag(host);
    uint32_t owner =
        tag == PROCESS_OPENER || tag == PROCESS_REAPER ? FUTURE_OWNER_PROGRAM : tag - 1;
    return (uint64_t)owner << FUTURE_OWNER_SHIFT;
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

void filchi_future_destroy(filch_future *future) {
    destroy(future);
}

static void give_up(filch_future *future) {
    uint64_t before = filch_fetch_or_acq_rel(&future->state, FUTURE_DELIVERED); /* GONE */
    if (before & FUTURE_RELEASED)
        destroy(future);
}

/* Tells subscribers, then gives the block up. The outcome is in the state word already. */
static void deliver(filch_future *future) {
    if (likely(filchi_subscribers_fire(future)))
        give_up(future);
}

/* What must still be so for a transition from `from` in this generation; nobody ends a future whose
 * time is over. */
static bool is_still(uint64_t state, enum future_phase from, uint32_t generation) {
    uint64_t expected = (uint64_t)generation << FUTURE_GENERATION_SHIFT | from;
    return ((state ^ expected) & (FUTURE_PHASE | FUTURE_GENERATION | FUTURE_TIMED_OUT)) == 0;
}

enum settled { LOST, DELIVERED, WATCHED };

/* Moves from a phase to a done one. Without subscribers the same CAS delivers; with them (WATCHED)
 * the caller does, or, where `flags_if_watched` says DEFERRED, somebody else. */
static enum settled settle(filch_future *future, enum future_phase from, uint32_t generation,
                           uint64_t outcome, uint64_t flags_if_watched) {
    uint64_t state = filch_load_relaxed(&future->state), next;
    bool is_watched, is_shared = false;
    do {
        if (!is_still(state, from, generation))
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

/* PENDING to an outcome that is not delivered, and makes nothing but itself known. */
static bool settle_quietly(filch_future *future, uint32_t generation, uint64_t outcome) {
    uint64_t state = filch_load_relaxed(&future->state);
    do {
        if (!is_still(state, FUTURE_PENDING, generation))
            return false;
    } while (!filch_cas_acq_rel(&future->state, &state,
                                (state & ~FUTURE_PHASE) | outcome)); /* OUTCOME */
    if (state & FUTURE_WAITER)
        filchi_futex_wake((const uint32_t *)&future->state.value, INT32_MAX, true);
    return true;
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
    if (likely((state & FUTURE_DISOWNED) == 0)) {
        deliver(future);
        return;
    }
    (void)filchi_subscribers_leave_callbacks(future);
    give_up(future);
}

static void defer(filch_future *future) {
    struct future_host *host = future_host(future);
    host->defer(host, future);
}

/* A process that may die in it frees no more than the block itself: that can be done twice. */
static void destroy_elsewhere(filch_future *future) {
    bool is_bare = filch_load_relaxed(&future->subscribers) == NULL && future->extents == 0 &&
                   filch_load_relaxed(&future->error) == NULL;
    if (is_bare)
        free_block(future);
    else
        defer(future);
}

/* As deliver, where no callback may be called. */
static void deliver_but_callbacks(filch_future *future) {
    if (filchi_subscribers_leave_callbacks(future)) {
        filch_fetch_or_acq_rel(&future->state, FUTURE_DEFERRED); /* OUTCOME */
        defer(future);
        return;
    }
    uint64_t before = filch_fetch_or_acq_rel(&future->state, FUTURE_DELIVERED); /* GONE */
    if (before & FUTURE_RELEASED)
        destroy_elsewhere(future);
}

/* As settle_and_deliver, where none of the program's code may run. Nobody here knows whether a failure
 * will have been looked at, so whoever may report it delivers that. */
static bool settle_elsewhere(filch_future *future, enum future_phase from, uint32_t generation,
                             uint64_t outcome) {
    uint64_t state = filch_load_relaxed(&future->state), next;
    bool is_failure = state_phase(outcome) == FUTURE_FAILED, is_watched;
    do {
        if (!is_still(state, from, generation))
            return false;
        is_watched = (state & FUTURE_SUBSCRIBED) != 0;
        next = (state & ~FUTURE_PHASE) | outcome |
               (is_failure   ? FUTURE_DEFERRED
                : is_watched ? 0
                             : FUTURE_DELIVERED);
    } while (!filch_cas_acq_rel(&future->state, &state, next)); /* OUTCOME, GONE */
    if (state & FUTURE_WAITER)
        filchi_futex_wake((const uint32_t *)&future->state.value, INT32_MAX, true);
    if (is_failure) {
        if (is_watched)
            filchi_subscribers_fire_consumers(future);
        defer(future);
    } else if (is_watched) {
        deliver_but_callbacks(future);
    } else if (state & FUTURE_RELEASED) {
        destroy_elsewhere(future);
    }
    return true;
}

bool filchi_future_finish_shared(filch_future *future, enum future_phase phase, bool may_deliver) {
    uint32_t generation = before_outcome(future);
    if (may_deliver && is_own(future))
        return settle_and_deliver(future, FUTURE_RUNNING, generation, phase);
    return settle_elsewhere(future, FUTURE_RUNNING, generation, phase);
}

bool filchi_future_end_for(filch_future *future, uint32_t generation, uint64_t outcome) {
    uint64_t state = future_state(future);
    if (state_phase(state) != FUTURE_RUNNING || state_generation(state) != generation)
        return false;
    filch_fetch_and_acq_rel(&future->state, ~FUTURE_TIMED_OUT);
    (void)before_outcome(future);
    return settle_elsewhere(future, FUTURE_RUNNING, generation, outcome);
}

bool filchi_future_mail(filch_future *future) {
    if (!filchi_subscribers_leave_callbacks(future) ||
        (filch_load_relaxed(&future->state) & FUTURE_DISOWNED) != 0)
        return false;
    /* Whoever put it into the sender's hands is through with it, and nobody else delivers it. */
    uint64_t state = filch_load_relaxed(&future->state), next;
    do {
        next = (state & ~FUTURE_DEFERRED) | FUTURE_MAILED;
    } while (!filch_cas_acq_rel(&future->state, &state, next)); /* OUTCOME */
    return true;
}

void filchi_future_deliver_mailed(filch_future *future) {
    if (!filchi_subscribers_fire(future))
        return;
    uint64_t state = filch_load_relaxed(&future->state), next;
    do {
        next = state | FUTURE_DELIVERED;
        /* What is to be freed here stays MAILED: so it says by whom. */
        if ((state & FUTURE_RELEASED) == 0)
            next &= ~FUTURE_MAILED;
    } while (!filch_cas_acq_rel(&future->state, &state, next)); /* GONE */
    if (state & FUTURE_RELEASED)
        destroy(future);
}

static void begin_count(struct process_life *life, filch_future *future, uint32_t generation,
                        filch_atomic_u64 *counter) {
    while (filch_exchange_acquire(&life->is_counting, 1u) != 0)
        filchi_thread_yield();
    uint64_t n_before = filch_load_relaxed(counter);
    filch_store_release(&life->generation, generation);   /* ANNOUNCED: read after the death */
    filch_store_release(&life->counter, (void *)counter); /* ANNOUNCED */
    filch_store_release(&life->n_before, n_before);       /* ANNOUNCED */
    filch_store_release(&life->settling, (void *)future); /* ANNOUNCED */
    filch_store_relaxed(counter, n_before + 1);
}

static void end_count(struct process_life *life, bool is_settled, filch_atomic_u64 *counter) {
    if (!is_settled)
        filch_store_relaxed(counter, filch_load_relaxed(counter) - 1);
    filch_store_release(&life->settling, NULL); /* ANNOUNCED */
    filch_store_release(&life->is_counting, 0u);
}

/* By a process that may die in it: until it has counted, the future is not delivered, and so stays. */
static bool settle_mortal(struct process_life *life, filch_future *future, uint32_t generation,
                          uint64_t outcome) {
    bool is_failure = state_phase(outcome) == FUTURE_FAILED, may_deliver = is_own(future);
    uint64_t flags = is_failure && !may_deliver ? FUTURE_DEFERRED : 0;
    filch_atomic_u64 *counter = is_failure ? &life->n_broken : &life->n_cancelled;
    (void)filch_fetch_add_acq_rel(&life->n_settling, 1u); /* ANNOUNCED */
    begin_count(life, future, generation, counter);
    bool is_settled = settle_quietly(future, generation, outcome | flags);
    end_count(life, is_settled, counter);
    if (is_settled && may_deliver) {
        deliver(future);
    } else if (is_settled && is_failure) {
        filchi_subscribers_fire_consumers(future);
        defer(future);
    } else if (is_settled) {
        deliver_but_callbacks(future);
    }
    (void)filch_fetch_sub_acq_rel(&life->n_settling, 1u); /* ANNOUNCED */
    return is_settled;
}

static bool settle_immortal(filch_future *future, uint32_t generation, uint64_t outcome) {
    return is_own(future) ? settle_and_deliver(future, FUTURE_PENDING, generation, outcome)
                          : settle_elsewhere(future, FUTURE_PENDING, generation, outcome);
}

/* PENDING to an outcome without a run. Counted first: the host may be gone together with the future. */
static bool settle_pending(filch_future *future, uint32_t generation, uint64_t outcome) {
    struct future_host *host = future_host(future);
    struct process_life *life = own_life(host);
    if (life != NULL)
        return settle_mortal(life, future, generation, outcome | settler(host));
    filch_atomic_u64 *counter =
        state_phase(outcome) == FUTURE_FAILED ? &host->n_broken : &host->n_cancelled;
    bool is_shared = host->is_shared;
    filch_fetch_add_relaxed(counter, (uint64_t)1);
    if (is_shared ? settle_immortal(future, generation, outcome | settler(host))
                  : settle_and_deliver(future, FUTURE_PENDING, generation, outcome))
        return true;
    filch_fetch_add_relaxed(counter, UINT64_MAX);
    return false;
}

bool filchi_future_break(filch_future *future, uint32_t generation) {
    return settle_pending(future, generation, FUTURE_FAILED | FUTURE_BROKEN);
}

bool filchi_future_cancel_pending(filch_future *future, uint32_t generation) {
    return settle_pending(future, generation, FUTURE_CANCELLED);
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
    if (future != NULL && future_is_held(future))
        (void)filch_fetch_add_relaxed(&future->handles, 1u);
    return future;
}

/* Without a handle nobody can complete a promise any more, unless somebody is just doing it. */
static bool is_forsaken(uint64_t state) {
    return (state & FUTURE_PROMISE) && !state_is_done(state) &&
           state_owner(state) != FUTURE_OWNER_SETTING;
}

static inline void give_handle_back(filch_future *future) {
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

void filchi_future_give_handle_back(filch_future *future) {
    give_handle_back(future);
}

static COLD void release_in_descendant(filch_future *future) {
    if (filchi_future_is_held(future))
        give_handle_back(future);
}

void filch_release(filch_future *future) {
    if (future == NULL)
        return;
    if (unlikely(filchi_process_generation() != 0))
        release_in_descendant(future);
    else
        give_handle_back(future);
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
    if (!filchi_future_check_held("filch_cancel", future))
        return false;
    if (!host_is_here(host)) {
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
