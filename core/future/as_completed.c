/* future/as_completed.c: iterating over futures in the order of their completion.
 *
 * Those that were done when they came in are given first, in that order; the others as their nodes
 * arrive in the consumer's list. Each slot retains its future until it has been given. */
#include "base/status.h"
#include "future/ringer.h"
#include "future/watched.h"
#include "platform/clock.h"
#include "platform/event.h"
#include <filch/collect.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

struct filch_completed {
    struct consumer *consumer; /* NULL as long as nobody needs it */
    int fd;                    /* its descriptor, if it was asked for; else -1 */
    struct completion_node *arrived;
    struct watched watched;
    size_t first_ready, last_ready; /* slots of futures that were done already; number + 1 */
    size_t n;                       /* futures that came in */
    size_t n_given;
    size_t first_left; /* no slot before it holds a future */
};

static bool need_consumer(filch_completed *completed) {
    if (completed->consumer == NULL)
        completed->consumer = filchi_consumer_open();
    return completed->consumer != NULL;
}

static void make_ready(filch_completed *completed, size_t number) {
    if (completed->last_ready != 0)
        completed->watched.slots[completed->last_ready - 1].next = number + 1;
    else
        completed->first_ready = number + 1;
    completed->last_ready = number + 1;
}

/* A forked child has its copy of the iteration, but not the consumer, which goes on telling the parent:
 * what is done by now is given as what was done when it came in. */
static void leave_parent(filch_completed *completed) {
    if (completed->consumer == NULL || filchi_consumer_is_here(completed->consumer))
        return;
    completed->consumer = NULL;
    if (completed->fd >= 0)
        filchi_event_close(completed->fd);
    completed->fd = -1;
    completed->arrived = NULL;
    for (size_t i = 0; i < completed->watched.n_slots; i++) {
        struct slot *slot = &completed->watched.slots[i];
        if (slot->future == NULL || slot->node == NULL || !filchi_future_is_held(slot->future) ||
            !state_is_done(future_state(slot->future)))
            continue;
        slot->node = NULL;
        make_ready(completed, i);
    }
}

/* Takes a future in, unless it is there. The set has room for it. Returns: false without memory. */
static bool take_in(filch_completed *completed, filch_future *future) {
    bool is_new, is_done = state_is_done(future_state(future));
    if (!is_done && !need_consumer(completed))
        return false;
    size_t number = filchi_watched_put(&completed->watched, future, &is_new);
    if (!is_new)
        return true;
    struct consumer *consumer = completed->consumer;
    struct subscriber *node = NULL;
    if (!is_done &&
        filchi_subscribers_add(future, consumer, consumer->generation, &node) != FILCH_OK) {
        filchi_watched_remove(&completed->watched, number);
        return false;
    }
    completed->watched.slots[number].node = node;
    if (node != NULL)
        node->arg = (void *)(uintptr_t)number; /* read by this side alone, when the node arrives */
    else
        make_ready(completed, number);
    filch_retain(future);
    completed->n++;
    if (number < completed->first_left)
        completed->first_left = number;
    return true;
}

filch_completed *filch_as_completed(filch_future *const *futures, size_t n) {
    if (futures == NULL && n > 0) {
        filchi_fail(FILCH_INVALID, "filch_as_completed: futures is NULL, but n is %zu", n);
        return NULL;
    }
    if (n > PTRDIFF_MAX / sizeof(filch_future *)) {
        filchi_fail(FILCH_INVALID, "filch_as_completed: n is %zu, more than an array can have", n);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        if (futures[i] == NULL) {
            filchi_fail(FILCH_INVALID, "filch_as_completed: futures[%zu] is NULL", i);
            return NULL;
        }
        if (!filchi_future_check_held("filch_as_completed", futures[i]))
            return NULL;
    }
    filch_completed *completed = calloc(1, sizeof *completed);
    if (completed != NULL)
        completed->fd = -1;
    bool is_in = completed != NULL && filchi_watched_reserve(&completed->watched, n);
    for (size_t i = 0; i < n && is_in; i++)
        is_in = take_in(completed, futures[i]);
    if (is_in)
        return completed;
    filch_completed_close(completed);
    filchi_fail(FILCH_NO_MEMORY, "filch_as_completed: no memory for %zu futures", n);
    return NULL;
}

static filch_future *give(filch_completed *completed, size_t number) {
    filch_future *future = completed->watched.slots[number].future;
    filchi_watched_remove(&completed->watched, number);
    completed->n_given++;
    /* The caller has a handle of its own, so this one is not the last. */
    filch_release(future);
    return future;
}

static filch_future *take_ready(filch_completed *completed) {
    if (completed->first_ready == 0)
        return NULL;
    size_t number = completed->first_ready - 1;
    completed->first_ready = completed->watched.slots[number].next;
    if (completed->first_ready == 0)
        completed->last_ready = 0;
    return give(completed, number);
}

/* What a process that died has not told becomes ready. */
static void take_lost(filch_completed *completed) {
    for (size_t i = 0; i < completed->watched.n_slots; i++) {
        struct slot *slot = &completed->watched.slots[i];
        if (slot->future == NULL || slot->node == NULL || !filchi_subscribers_take_lost(slot->node))
            continue;
        slot->node = NULL;
        make_ready(completed, i);
    }
}

static filch_future *take_arrived(filch_completed *completed) {
    struct consumer *consumer = completed->consumer;
    if (completed->arrived == NULL && consumer != NULL) {
        bool must_rescan = consumer_must_rescan(consumer);
        completed->arrived = filchi_subscribers_take_all(consumer);
        if (must_rescan)
            take_lost(completed);
    }
    if (completed->arrived == NULL)
        return take_ready(completed);
    struct subscriber *node = container_of(completed->arrived, struct subscriber, link);
    completed->arrived = (struct completion_node *)filch_load_relaxed(&node->link.next);
    filchi_future_await_outcome(node->future);
    return give(completed, (size_t)(uintptr_t)node->arg);
}

static filch_status fail_timeout(const filch_completed *completed) {
    return filchi_fail(FILCH_TIMEOUT, "filch_completed_next: %zu (of %zu) futures unfinished",
                       completed->n - completed->n_given, completed->n);
}

/* One that is left and may be waited for is enough. `*host`: the host of that one. */
static filch_status before_wait_next(filch_completed *completed, struct future_host **host) {
    const struct watched *watched = &completed->watched;
    while (watched->slots[completed->first_left].future == NULL)
        completed->first_left++;
    filch_status status = FILCH_INVALID_STATE;
    for (size_t i = completed->first_left; i < watched->n_slots && status != FILCH_OK; i++) {
        filch_future *future = watched->slots[i].future;
        if (future == NULL)
            continue;
        *host = future_host(future);
        status = (*host)->before_wait(*host, future, true);
    }
    return status;
}

static filch_status await_next(filch_completed *completed, filch_future **future, double timeout) {
    uint64_t deadline_ns = filchi_clock_deadline(timeout);
    for (struct future_host *host = NULL;;) {
        *future = take_arrived(completed);
        if (*future != NULL)
            return FILCH_OK;
        filch_status status = FILCH_OK;
        if (host == NULL) {
            if (filchi_clock_passed(deadline_ns))
                return fail_timeout(completed);
            status = before_wait_next(completed, &host);
        }
        if (status == FILCH_OK)
            status = filchi_consumer_await(completed->consumer, host, deadline_ns);
        if (status != FILCH_OK)
            return status == FILCH_TIMEOUT ? fail_timeout(completed) : status;
    }
}

/* Makes the descriptor, if there is one, say whether the next call would give something. */
static void show(filch_completed *completed) {
    if (completed->consumer != NULL)
        filchi_ringer_show(completed->consumer, completed->first_ready != 0 ||
                                                    completed->arrived != NULL ||
                                                    completed->n_given == completed->n);
}

filch_status filch_completed_next(filch_completed *completed, filch_future **future,
                                  double timeout) {
    if (completed == NULL || future == NULL)
        return filchi_fail(FILCH_INVALID, "filch_completed_next: %s is NULL",
                           completed == NULL ? "completed" : "future");
    *future = NULL;
    if (isnan(timeout))
        return filchi_fail(FILCH_INVALID, "filch_completed_next: timeout is not a number; pass "
                                          "FILCH_FOREVER for no limit");
    if (completed->n_given == completed->n)
        return filchi_fail(FILCH_END, "filch_completed_next: all %zu futures have been given",
                           completed->n);
    leave_parent(completed);
    filch_status status = FILCH_OK;
    *future = take_ready(completed);
    if (*future == NULL)
        status = await_next(completed, future, timeout);
    show(completed);
    return status;
}

filch_status filch_completed_add(filch_completed *completed, filch_future *future) {
    if (completed == NULL || future == NULL)
        return filchi_fail(FILCH_INVALID, "filch_completed_add: %s is NULL",
                           completed == NULL ? "completed" : "future");
    if (!filchi_future_check_held("filch_completed_add", future))
        return FILCH_INVALID_STATE;
    leave_parent(completed);
    if (!filchi_watched_reserve(&completed->watched, completed->watched.n_futures + 1) ||
        !take_in(completed, future))
        return filchi_fail(FILCH_NO_MEMORY, "filch_completed_add: no memory for one future more");
    show(completed);
    return FILCH_OK;
}

int filch_completed_fd(filch_completed *completed) {
    if (completed == NULL) {
        filchi_fail(FILCH_INVALID, "filch_completed_fd: completed is NULL");
        return -1;
    }
    leave_parent(completed);
    if (!need_consumer(completed)) {
        filchi_fail(FILCH_NO_MEMORY, "filch_completed_fd: no memory for a descriptor");
        return -1;
    }
    completed->fd = filchi_ringer_fd(completed->consumer);
    if (completed->fd < 0)
        filchi_fail(FILCH_SYSTEM, "filch_completed_fd: the system gave no eventfd; close "
                                  "descriptors, or raise their limit (ulimit -n)");
    else
        show(completed);
    return completed->fd;
}

void filch_completed_close(filch_completed *completed) {
    if (completed == NULL)
        return;
    leave_parent(completed);
    for (size_t i = 0; i < completed->watched.n_slots; i++) {
        struct slot *slot = &completed->watched.slots[i];
        if (slot->future == NULL)
            continue;
        if (slot->node != NULL && future_is_held(slot->future))
            filchi_subscribers_abandon(slot->node);
        filch_release(slot->future);
    }
    if (completed->consumer != NULL)
        filchi_consumer_close(completed->consumer);
    filchi_watched_fini(&completed->watched);
    free(completed);
}
