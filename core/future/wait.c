/* future/wait.c: filch_wait. */
#include "base/status.h"
#include "future/future.h"
#include "future/subscribers.h"
#include "platform/clock.h"
#include <filch/collect.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

static bool is_failed(filch_future *future) {
    return state_phase(future_state(future)) == FUTURE_FAILED;
}

static bool is_done(filch_future *future) {
    return state_is_done(future_state(future));
}

/* Has what the caller waits for come, as far as one future tells? */
static bool suffices(filch_future *future, filch_return_when when) {
    return is_done(future) && (when == FILCH_FIRST_COMPLETED || is_failed(future));
}

/* All: one after the other; inside a worker each may run right here. */
static filch_status wait_all(filch_future **futures, size_t n, uint64_t deadline_ns) {
    for (size_t i = 0; i < n; i++) {
        filch_status status = filchi_future_await(futures[i], deadline_ns);
        if (status != FILCH_OK)
            return status;
    }
    return FILCH_OK;
}

/* The same, for all of them: one suffices, or none is left to wait for. */
static bool has_come(filch_future **futures, size_t n, filch_return_when when) {
    size_t n_done = 0;
    for (size_t i = 0; i < n; i++) {
        if (suffices(futures[i], when))
            return true;
        n_done += is_done(futures[i]);
    }
    return n_done == n;
}

/* What a process that died has not told. */
static bool take_lost(struct subscriber **nodes, size_t n, filch_return_when when, size_t *n_left) {
    bool came = false;
    for (size_t i = 0; i < n; i++)
        if (nodes[i] != NULL && filchi_subscribers_take_lost(nodes[i])) {
            came = came || suffices(nodes[i]->future, when);
            (*n_left)--;
        }
    return came;
}

/* Takes what has come; counts it. Returns: true if one of them is what the caller waits for. */
static bool take(struct consumer *consumer, struct subscriber **nodes, size_t n,
                 filch_return_when when, size_t *n_left) {
    bool must_rescan = consumer_must_rescan(consumer), came = false;
    struct completion_node *node = filchi_subscribers_take_all(consumer);
    for (; node != NULL; node = (struct completion_node *)filch_load_relaxed(&node->next)) {
        filch_future *future = container_of(node, struct subscriber, link)->future;
        filchi_future_await_outcome(future);
        came = came || suffices(future, when);
        (*n_left)--;
    }
    return (must_rescan && take_lost(nodes, n, when, n_left)) || came;
}

/* One of them that may be waited for is enough. */
static filch_status before_wait_first(filch_future **futures, size_t n) {
    filch_status status = FILCH_INVALID_STATE;
    for (size_t i = 0; i < n && status != FILCH_OK; i++) {
        struct future_host *host = future_host(futures[i]);
        status = host->before_wait(host, futures[i], true);
    }
    return status;
}

static filch_status wait_first(filch_future **futures, size_t n, filch_return_when when,
                               uint64_t deadline_ns) {
    if (has_come(futures, n, when))
        return FILCH_OK;
    if (filchi_clock_passed(deadline_ns))
        return FILCH_TIMEOUT;
    filch_status status = before_wait_first(futures, n);
    if (status != FILCH_OK)
        return status;
    struct subscriber **nodes = calloc(n, sizeof *nodes);
    struct consumer *consumer = nodes == NULL ? NULL : filchi_consumer_open();
    if (consumer == NULL) {
        free(nodes);
        return filchi_fail(FILCH_NO_MEMORY, "filch_wait: no memory to watch %zu futures", n);
    }
    size_t n_left = 0;
    for (size_t i = 0; i < n && status == FILCH_OK; i++) {
        status = filchi_subscribers_add(futures[i], consumer, consumer->generation, &nodes[i]);
        if (nodes[i] != NULL)
            n_left++;
        else if (status == FILCH_OK && suffices(futures[i], when))
            goto done;
    }
    while (status == FILCH_OK && !take(consumer, nodes, n, when, &n_left) && n_left > 0)
        status = filchi_consumer_await(consumer, future_host(futures[0]), deadline_ns);
done:
    for (size_t i = 0; i < n; i++)
        if (nodes[i] != NULL)
            filchi_subscribers_abandon(nodes[i]);
    filchi_consumer_close(consumer);
    free(nodes);
    if (status == FILCH_TIMEOUT && has_come(futures, n, when)) /* meanwhile */
        return FILCH_OK;
    return status;
}

/* Moves the done ones to the front; a stable partition with room for the others. */
static filch_status split(filch_future **futures, size_t n, size_t *n_done) {
    filch_future **pending = malloc(n * sizeof(filch_future *) + 1);
    if (pending == NULL)
        return filchi_fail(FILCH_NO_MEMORY, "filch_wait: no memory to sort %zu futures", n);
    size_t done = 0, left = 0;
    for (size_t i = 0; i < n; i++) {
        if (is_done(futures[i]))
            futures[done++] = futures[i];
        else
            pending[left++] = futures[i];
    }
    for (size_t i = 0; i < left; i++)
        futures[done + i] = pending[i];
    free(pending);
    *n_done = done;
    return FILCH_OK;
}

filch_status filch_wait(filch_future **futures, size_t n, filch_return_when when, double timeout,
                        size_t *n_done) {
    if (futures == NULL && n > 0)
        return filchi_fail(FILCH_INVALID, "filch_wait: futures is NULL, but n is %zu", n);
    if (when != FILCH_FIRST_COMPLETED && when != FILCH_FIRST_EXCEPTION &&
        when != FILCH_ALL_COMPLETED)
        return filchi_fail(FILCH_INVALID,
                           "filch_wait: when is %d; use FILCH_FIRST_COMPLETED, "
                           "FILCH_FIRST_EXCEPTION or FILCH_ALL_COMPLETED",
                           (int)when);
    if (isnan(timeout))
        return filchi_fail(FILCH_INVALID, "filch_wait: timeout is not a number; pass FILCH_FOREVER "
                                          "for no limit");
    if (n > PTRDIFF_MAX / sizeof *futures)
        return filchi_fail(FILCH_INVALID, "filch_wait: n is %zu, more than an array can have", n);
    for (size_t i = 0; i < n; i++) {
        if (futures[i] == NULL)
            return filchi_fail(FILCH_INVALID, "filch_wait: futures[%zu] is NULL", i);
        if (!filchi_future_check_held("filch_wait", futures[i]))
            return FILCH_INVALID_STATE;
    }
    filch_status status = FILCH_OK;
    if (n > 0) {
        uint64_t deadline_ns = filchi_clock_deadline(timeout);
        status = when == FILCH_ALL_COMPLETED ? wait_all(futures, n, deadline_ns)
                                             : wait_first(futures, n, when, deadline_ns);
    }
    if (status == FILCH_TIMEOUT)
        filchi_fail(FILCH_TIMEOUT, "filch_wait: the time limit passed first");
    if (n_done != NULL && (status == FILCH_OK || status == FILCH_TIMEOUT)) {
        filch_status sorted = split(futures, n, n_done);
        if (sorted != FILCH_OK)
            return sorted;
    }
    return status;
}
