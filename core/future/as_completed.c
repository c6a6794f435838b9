/* future/as_completed.c: iterating over futures in the order of their completion.
 *
 * Those already done come first, in the order given; the others as their nodes arrive in the
 * consumer's list. Each slot retains its future until it has been given. */
#include "base/status.h"
#include "future/subscribers.h"
#include "platform/clock.h"
#include <filch/collect.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

struct slot {
    filch_future *future;    /* NULL once given */
    struct subscriber *node; /* NULL: it was done already */
};

struct filch_completed {
    struct consumer *consumer; /* NULL if all were done already */
    struct completion_node *arrived;
    struct slot *slots; /* the ones done already first */
    size_t n;
    size_t n_ready; /* slots[0..n_ready) were done already */
    size_t n_given_ready;
    size_t n_given;
};

static size_t hash(const filch_future *future) {
    return (size_t)(((uint64_t)(uintptr_t)future >> 7) * UINT64_C(0x9E3779B97F4A7C15) >> 20);
}

/* Copies the distinct futures. Returns: their number, or SIZE_MAX without memory. */
static size_t copy_distinct(struct slot *slots, filch_future *const *futures, size_t n) {
    size_t capacity = 16;
    while (capacity < 2 * n)
        capacity *= 2;
    filch_future **seen = calloc(capacity, sizeof(filch_future *));
    if (seen == NULL)
        return SIZE_MAX;
    size_t distinct = 0;
    for (size_t i = 0; i < n; i++) {
        size_t at = hash(futures[i]) & (capacity - 1);
        while (seen[at] != NULL && seen[at] != futures[i])
            at = (at + 1) & (capacity - 1);
        if (seen[at] == NULL) {
            seen[at] = futures[i];
            slots[distinct++].future = futures[i];
        }
    }
    free(seen);
    return distinct;
}

/* Puts the slots whose future was done already in front, keeping their order. */
static bool sort_ready_first(filch_completed *completed) {
    struct slot *waiting = malloc(completed->n * sizeof *waiting + 1);
    if (waiting == NULL)
        return false;
    size_t n_waiting = 0;
    for (size_t i = 0; i < completed->n; i++) {
        if (completed->slots[i].node == NULL)
            completed->slots[completed->n_ready++] = completed->slots[i];
        else
            waiting[n_waiting++] = completed->slots[i];
    }
    for (size_t i = 0; i < n_waiting; i++) {
        struct slot *slot = &completed->slots[completed->n_ready + i];
        *slot = waiting[i];
        slot->node->arg = slot; /* read by this thread alone, when the node arrives */
    }
    free(waiting);
    return true;
}

static bool subscribe(filch_completed *completed) {
    for (size_t i = 0; i < completed->n; i++) {
        struct slot *slot = &completed->slots[i];
        if (state_is_done(future_state(slot->future)))
            continue;
        if (completed->consumer == NULL)
            completed->consumer = filchi_consumer_open();
        if (completed->consumer == NULL)
            return false;
        struct consumer *consumer = completed->consumer;
        if (filchi_subscribers_add(slot->future, consumer, consumer->generation, &slot->node) !=
            FILCH_OK)
            return false;
    }
    return sort_ready_first(completed);
}

filch_completed *filch_as_completed(filch_future *const *futures, size_t n) {
    if (futures == NULL && n > 0) {
        filchi_fail(FILCH_INVALID, "filch_as_completed: futures is NULL, but n is %zu", n);
        return NULL;
    }
    if (n > PTRDIFF_MAX / sizeof(struct slot)) {
        filchi_fail(FILCH_INVALID, "filch_as_completed: n is %zu, more than an array can have", n);
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        if (futures[i] == NULL) {
            filchi_fail(FILCH_INVALID, "filch_as_completed: futures[%zu] is NULL", i);
            return NULL;
        }
    filch_completed *completed = calloc(1, sizeof *completed);
    struct slot *slots = completed == NULL ? NULL : calloc(n + 1, sizeof *slots);
    size_t distinct = slots == NULL ? SIZE_MAX : copy_distinct(slots, futures, n);
    if (distinct == SIZE_MAX) {
        free(slots);
        free(completed);
        filchi_fail(FILCH_NO_MEMORY, "filch_as_completed: no memory for %zu futures", n);
        return NULL;
    }
    completed->slots = slots;
    completed->n = distinct;
    for (size_t i = 0; i < distinct; i++)
        filch_retain(slots[i].future);
    if (subscribe(completed))
        return completed;
    filch_completed_close(completed);
    filchi_fail(FILCH_NO_MEMORY, "filch_as_completed: no memory to watch %zu futures", n);
    return NULL;
}

static filch_future *give(filch_completed *completed, struct slot *slot) {
    filch_future *future = slot->future;
    slot->future = NULL;
    completed->n_given++;
    /* The caller has a handle of its own, so this one is not the last. */
    filch_release(future);
    return future;
}

static filch_future *take_arrived(filch_completed *completed) {
    if (completed->arrived == NULL)
        completed->arrived = consumer_take_all(completed->consumer);
    if (completed->arrived == NULL)
        return NULL;
    struct subscriber *node = container_of(completed->arrived, struct subscriber, link);
    completed->arrived = (struct completion_node *)filch_load_relaxed(&node->link.next);
    filchi_future_await_outcome(node->future);
    return give(completed, node->arg);
}

static filch_status fail_timeout(const filch_completed *completed) {
    return filchi_fail(FILCH_TIMEOUT, "filch_completed_next: %zu (of %zu) futures unfinished",
                       completed->n - completed->n_given, completed->n);
}

/* One that is left and may be waited for is enough. `*host`: the host of that one. */
static filch_status before_wait_next(const filch_completed *completed, struct future_host **host) {
    filch_status status = FILCH_INVALID_STATE;
    for (size_t i = completed->n_ready; i < completed->n && status != FILCH_OK; i++) {
        filch_future *future = completed->slots[i].future;
        if (future == NULL)
            continue;
        *host = future_host(future);
        status = (*host)->before_wait(*host, future, true);
    }
    return status;
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
    if (completed->n_given_ready < completed->n_ready) {
        *future = give(completed, &completed->slots[completed->n_given_ready++]);
        return FILCH_OK;
    }
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

void filch_completed_close(filch_completed *completed) {
    if (completed == NULL)
        return;
    for (size_t i = 0; i < completed->n; i++) {
        struct slot *slot = &completed->slots[i];
        if (slot->future == NULL)
            continue;
        if (slot->node != NULL)
            filchi_subscribers_abandon(slot->node);
        filch_release(slot->future);
    }
    if (completed->consumer != NULL)
        filchi_consumer_close(completed->consumer);
    free(completed->slots);
    free(completed);
}
