/* executor/results.c: iterating over a map: in input order, or as chunks arrive. */
#include "executor/results.h"

#include "base/status.h"
#include "future/error.h"
#include "platform/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Accounts for what the header gave from the hand, and takes the hand back. */
static void settle(filch_results *results) {
    filch_results_at_hand *hand = &results->hand;
    if (hand->next != results->hand_from) {
        size_t n = (size_t)(hand->next - results->hand_from) / hand->size;
        results->at += n;
        results->index += n;
        results->item = FILCH_OK;
    }
    hand->next = hand->end = results->hand_from = NULL;
}

/* Lets the header give the good items from `at` on. */
static void deal(filch_results *results) {
    struct chunk *chunk = chunk_of(results->current);
    if (!chunk_is_plain(results->type) || chunk->value_stride == 0)
        return;
    size_t end = filchi_chunk_end_of_good(chunk, results->at);
    results->hand.next = results->hand_from = chunk->values + results->at * chunk->value_stride;
    results->hand.end = chunk->values + end * chunk->value_stride;
}

static filch_status end(filch_results *results, filch_status status) {
    results->ended = status;
    filchi_map_abandon(results);
    return status;
}

/* A forked child has its copy of the map, but not the consumer, which goes on telling the parent. It may
 * take what was done before, in the order of the input. */
static void leave_parent(filch_results *results) {
    if (results->consumer == NULL || filchi_consumer_is_here(results->consumer))
        return;
    results->consumer = NULL;
    results->arrived = NULL;
    for (struct chunk *chunk = results->ahead.oldest; chunk != NULL; chunk = chunk->newer)
        chunk->node = NULL;
}

/* Are its chunks another process's? Then they are left alone here. */
static bool is_lost(const filch_results *results) {
    return results->pool->host.is_shared && !host_is_here(&results->pool->host);
}

/* Waits for the oldest chunk. */
static filch_status await_oldest(filch_results *results, struct chunk **chunk) {
    *chunk = results->ahead.oldest;
    return filchi_future_await((*chunk)->future, results->deadline_ns);
}

/* Chunks that a process that died has not told of: they are done, and nobody tells of them any more. */
static void take_lost(filch_results *results) {
    for (struct chunk *chunk = results->ahead.oldest; chunk != NULL; chunk = chunk->newer)
        if (chunk->node != NULL && filchi_subscribers_take_lost(chunk->node)) {
            chunk->node = NULL;
            results->n_unwatched++;
        }
}

/* The chunk that has arrived first, if any has, or that nobody can tell of. */
static struct chunk *take_arrived(filch_results *results) {
    if (results->arrived == NULL) {
        bool must_rescan = consumer_must_rescan(results->consumer);
        results->arrived = filchi_subscribers_take_all(results->consumer);
        if (must_rescan)
            take_lost(results);
    }
    if (results->arrived == NULL)
        return NULL;
    struct subscriber *node = container_of(results->arrived, struct subscriber, link);
    results->arrived = (struct completion_node *)filch_load_relaxed(&node->link.next);
    filchi_future_await_outcome(node->future);
    return chunk_of(node->future);
}

/* A chunk without a node: it was done before it could be watched, or there was no memory to. */
static struct chunk *find_unwatched(filch_results *results) {
    while (results->n_unwatched > 0)
        for (struct chunk *chunk = results->ahead.oldest;; chunk = chunk->newer)
            if (chunk->node == NULL)
                return chunk;
    return NULL;
}

static filch_status await_first(filch_results *results, struct chunk **chunk) {
    uint64_t deadline_ns = results->deadline_ns;
    for (;;) {
        *chunk = find_unwatched(results);
        if (*chunk != NULL)
            return filchi_future_await((*chunk)->future, deadline_ns);
        *chunk = take_arrived(results);
        if (*chunk != NULL)
            return FILCH_OK;
        if (results->n_unwatched > 0)
            continue;
        if (filchi_clock_passed(deadline_ns))
            return FILCH_TIMEOUT;
        struct future_host *host = &results->pool->host;
        filch_status status = host->before_wait(host, results->ahead.oldest->future, true);
        if (status == FILCH_OK)
            status = filchi_consumer_await(results->consumer, host, deadline_ns);
        if (status == FILCH_TIMEOUT)
            return status;
        /* No worker more may block: then one after the other, which runs them here. */
        if (status != FILCH_OK && deadline_ns == FILCHI_NEVER)
            status = await_oldest(results, chunk);
        if (status != FILCH_OK)
            return status;
    }
}

/* The rest of the input cannot be submitted, which is told when what was has been given. It is not read
 * on: an item that was read is lost, so those behind it would get wrong indices. */
static void cut_short(filch_results *results, filch_status status) {
    results->cut_short = status;
    snprintf(results->cut_short_why, sizeof results->cut_short_why, "%s", filch_error_message());
    results->input_ended = true;
}

static filch_status fail_ended(filch_results *results) {
    if (results->cut_short != FILCH_OK) {
        filchi_fail(results->cut_short,
                    "filch_results_next: the rest of the input could not be submitted: %s",
                    results->cut_short_why);
        end(results, FILCH_END); /* told once, since some callers go on after FILCH_BROKEN */
        return results->cut_short;
    }
    filchi_fail(FILCH_END, "filch_results_next: all results have been given");
    return end(results, FILCH_END);
}

/* Makes the next chunk the current one; waits for it. The next input is submitted before. */
static filch_status take_chunk(filch_results *results) {
    filch_future *done_with = results->current;
    size_t ahead = results->window == SIZE_MAX ? SIZE_MAX : results->window + 1;
    filch_status status = filchi_map_submit_ahead(results, ahead);
    if (status != FILCH_OK && results->cut_short == FILCH_OK) {
        cut_short(results, status);
        (void)filchi_map_submit_ahead(results, ahead); /* what was packed before */
    }
    if (results->ahead.n == 0)
        return fail_ended(results);
    results->current = NULL;
    if (done_with != NULL) /* it kept the pool, if that is closed; those ahead do from here on */
        filchi_chunk_release(results->pool, done_with);
    struct chunk *chunk;
    status =
        results->consumer != NULL ? await_first(results, &chunk) : await_oldest(results, &chunk);
    if (status == FILCH_TIMEOUT)
        filchi_fail(FILCH_TIMEOUT, "filch_results_next: the time limit of filch_map has passed");
    if (status != FILCH_OK)
        return end(results, status);
    if (results->unmeasured == chunk)
        filchi_map_measure(results);
    if (results->unmeasured == chunk)
        results->unmeasured = chunk->newer;
    results->n_unwatched -= results->consumer != NULL && chunk->node == NULL;
    chunk_list_remove(&results->ahead, chunk);
    results->current = chunk->future;
    results->at = 0;
    return FILCH_OK;
}

/* The status of item `at` of a chunk that has ended. */
static filch_status item_status(const filch_results *results, const struct chunk *chunk,
                                size_t at) {
    uint64_t state = future_state(results->current);
    const char *name = results->type->name;
    if (state & FUTURE_BROKEN)
        return filchi_fail(FILCH_BROKEN, "an item of filch_map over '%s' was lost: %s", name,
                           results->pool->host.broken_because);
    if (state_phase(state) == FUTURE_CANCELLED || at >= chunk->n_run)
        return filchi_fail(FILCH_CANCELLED, "an item of filch_map over '%s' was cancelled", name);
    const filch_error *error = filchi_chunk_error(chunk, at);
    if (error != NULL)
        return filchi_fail(FILCH_FAILED, "an item of filch_map over '%s' failed: %s (code %d)",
                           name, error->message, error->code);
    return FILCH_OK;
}

static filch_status give_next(filch_results *results, void *out) {
    if (unlikely(is_lost(results)))
        return filchi_fail(
            FILCH_INVALID_STATE,
            "filch_results_next: results belong to the parent process, and cannot be "
            "used in this forked child");
    leave_parent(results);
    settle(results);
    if (results->ended != FILCH_OK)
        return filchi_fail(results->ended, "filch_results_next: the iteration is over (%s)",
                           filch_status_text(results->ended));
    results->item = FILCH_OK; /* its error goes */
    if (results->current != NULL)
        filchi_chunk_forget(results->pool->arena, chunk_of(results->current), results->at);
    while (results->current == NULL || results->at == chunk_of(results->current)->n) {
        filch_status status = take_chunk(results);
        if (status != FILCH_OK)
            return status;
    }
    struct chunk *chunk = chunk_of(results->current);
    size_t at = results->at++;
    results->index = chunk->first + at;
    results->item = item_status(results, chunk, at);
    if (results->item != FILCH_OK) {
        filch_store_relaxed(&results->current->looked_at, 1u);
        return results->item;
    }
    if (out != NULL)
        memcpy(out, chunk->values + at * chunk->value_stride, chunk->value_stride);
    deal(results);
    return FILCH_OK;
}

filch_status filch_results_next_into(filch_results *results, void *out, size_t size,
                                     filch_kind kind) {
    const char *function = "filch_results_next";
    if (results == NULL || out == NULL)
        return filchi_fail(FILCH_INVALID, "%s: %s is NULL", function,
                           results == NULL ? "results" : "out");
    const filch_task_type *type = results->type;
    if (size != type->result_size || kind != type->result_kind) {
        filch_status status =
            filchi_future_check_fit(function, type, type->result_size, size, kind);
        if (status != FILCH_OK)
            return status;
    }
    return give_next(results, out);
}

filch_status filch_results_skip(filch_results *results) {
    if (results == NULL)
        return filchi_fail(FILCH_INVALID, "filch_results_skip: results is NULL");
    return give_next(results, NULL);
}

size_t filch_results_index(filch_results *results) {
    if (results == NULL) {
        filchi_fail(FILCH_INVALID, "filch_results_index: results is NULL");
        return SIZE_MAX;
    }
    const filch_results_at_hand *hand = &results->hand;
    if (hand->next != results->hand_from)
        return results->index + (size_t)(hand->next - results->hand_from) / hand->size;
    return results->index;
}

const filch_error *filch_results_exception(filch_results *results) {
    if (results == NULL) {
        filchi_fail(FILCH_INVALID, "filch_results_exception: results is NULL");
        return NULL;
    }
    if (results->current == NULL || results->at == 0 || results->item == FILCH_OK)
        return NULL;
    if (results->item == FILCH_FAILED)
        return filchi_chunk_error(chunk_of(results->current), results->at - 1);
    bool is_broken = results->item == FILCH_BROKEN;
    results->made = (filch_error){
        .status = results->item,
        .message = is_broken ? results->pool->host.broken_because : "the item was cancelled",
        .task = results->type->name,
        .where = "",
        .worker = -1,
        .host = "",
        .exit_status = -1,
    };
    return &results->made;
}

void filch_results_close(filch_results *results) {
    if (results == NULL)
        return;
    if (is_lost(results)) {
        free(results);
        return;
    }
    leave_parent(results);
    settle(results);
    if (results->packing != NULL)
        filchi_submit_give_back(results->packing);
    filchi_map_abandon(results);
    if (results->current != NULL) {
        filchi_chunk_forget(results->pool->arena, chunk_of(results->current), results->at);
        filchi_chunk_release(results->pool, results->current);
    }
    if (results->consumer != NULL)
        filchi_consumer_close(results->consumer);
    free(results);
}
