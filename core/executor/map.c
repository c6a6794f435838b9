/* executor/map.c: filch_map, in input order.
 *
 * The items are packed into chunks in the order of the input; each chunk is one task. Up to `window`
 * chunks are submitted ahead of the iteration, the others are packed and held back, or, with .next,
 * not even read. The iteration waits for its chunks one after the other. */
#include "base/status.h"
#include "executor/chunk.h"
#include "executor/options.h"
#include "future/error.h"
#include "platform/clock.h"
#include <filch/collect.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNKS_PER_WORKER = 32,    /* so many, if the library chooses: small enough to balance */
    LARGEST_CHUNK = 2048,      /* items, and */
    CHUNK_BUDGET = 256 * 1024, /* bytes of one, if the library chooses */
};

struct filch_results {
    struct pool *pool;
    const filch_task_type *type;
    filch_map_options options;
    size_t chunksize;
    size_t window; /* chunks submitted ahead; SIZE_MAX: all */
    uint64_t deadline_ns;
    size_t n_left_to_pack;

    filch_future *packing; /* being filled by the caller */
    size_t packing_room;

    /* Chunks not yet given: chunks[first .. first + n), the first n_submitted of them submitted. */
    filch_future **chunks;
    size_t first, n, capacity, n_submitted;
    bool input_ended;
    filch_status cut_short; /* why the rest of the input was not submitted; FILCH_OK: it was */

    filch_future *current; /* its items are being given */
    size_t at;             /* the next item of it */
    size_t index;          /* input index of the item given last, plus 1 */
    filch_status item;     /* of the item given last */
    filch_error made;      /* its error, if it was cancelled or lost */
    filch_status ended;    /* why the iteration is over; FILCH_OK: it is not */
};

static size_t choose_chunksize(const filch_results *results, size_t n) {
    if (results->options.chunksize > 0)
        return (size_t)results->options.chunksize;
    if (results->options.next != NULL)
        return 1;
    size_t n_workers = results->pool->scheduler->n_seats;
    size_t chunksize = n / (CHUNKS_PER_WORKER * n_workers);
    size_t most = CHUNK_BUDGET / filchi_chunk_item_bytes(results->type);
    if (most > LARGEST_CHUNK)
        most = LARGEST_CHUNK;
    if (chunksize > most)
        chunksize = most;
    return chunksize > 0 ? chunksize : 1;
}

static filch_status read_options(const char *function, bool has_items, size_t n,
                                 const filch_map_options *given, filch_map_options *options,
                                 double *seconds) {
    filch_status status = filchi_options_read(function, options, sizeof *options, given);
    if (status == FILCH_OK)
        status = filchi_options_timeout(function, "timeout", options->timeout, seconds);
    if (status != FILCH_OK)
        return status;
    if (options->chunksize < 0)
        return filchi_fail(FILCH_INVALID,
                           "%s: .chunksize is %d; give 1 or more items to a task, "
                           "or 0 to let the library choose",
                           function, options->chunksize);
    if (options->buffersize < 0)
        return filchi_fail(FILCH_INVALID,
                           "%s: .buffersize is %d; give 1 or more chunks, or 0 for "
                           "all at once",
                           function, options->buffersize);
    if (options->unordered)
        return filchi_fail(FILCH_UNSUPPORTED,
                           "%s: .unordered is not supported yet; submit the "
                           "items and use filch_as_completed",
                           function);
    if (options->next != NULL && (has_items || n > 0))
        return filchi_fail(FILCH_INVALID, "%s: .next is set, so items must be NULL and n 0",
                           function);
    if (options->next != NULL && options->buffersize == 0)
        return filchi_fail(FILCH_INVALID,
                           "%s: .next may be endless, so .buffersize must say how "
                           "many chunks to submit ahead",
                           function);
    if (!has_items && n > 0)
        return filchi_fail(FILCH_INVALID, "%s: items is NULL, but n is %zu", function, n);
    return FILCH_OK;
}

filch_results *filch_map_open(filch_executor *executor, const filch_task_type *type, bool has_items,
                              size_t n, const filch_map_options *given) {
    const char *function = "filch_map";
    filch_map_options options;
    double seconds;
    if (!filchi_executor_check(function, executor) ||
        filchi_executor_check_open(function, executor->pool) != FILCH_OK ||
        read_options(function, has_items, n, given, &options, &seconds) != FILCH_OK)
        return NULL;
    if (n > SIZE_MAX / 2 / filchi_chunk_item_bytes(type)) {
        filchi_fail(FILCH_NO_MEMORY, "%s: n is %zu, more items than memory can hold", function, n);
        return NULL;
    }
    filch_results *results = calloc(1, sizeof *results);
    if (results == NULL) {
        filchi_fail(FILCH_NO_MEMORY, "%s: no memory for the results", function);
        return NULL;
    }
    results->pool = executor->pool;
    results->type = type;
    results->options = options;
    results->chunksize = choose_chunksize(results, n);
    results->window = options.buffersize == 0 ? SIZE_MAX : (size_t)options.buffersize;
    results->deadline_ns = filchi_clock_deadline(seconds);
    results->n_left_to_pack = n;
    results->input_ended = options.next == NULL;
    return results;
}

static filch_status append(filch_results *results, filch_future *chunk) {
    if (results->first + results->n == results->capacity) {
        if (results->first > results->capacity / 2) {
            memmove(results->chunks, results->chunks + results->first,
                    results->n * sizeof *results->chunks);
            results->first = 0;
        } else {
            size_t capacity = results->capacity == 0 ? 16 : results->capacity * 2;
            filch_future **larger = realloc(results->chunks, capacity * sizeof *larger);
            if (larger == NULL)
                return filchi_fail(FILCH_NO_MEMORY, "filch_map: no memory for %zu chunks",
                                   capacity);
            results->chunks = larger;
            results->capacity = capacity;
        }
    }
    results->chunks[results->first + results->n++] = chunk;
    return FILCH_OK;
}

/* Puts a sealed chunk behind those waiting to be submitted; an empty one is forgotten. */
static filch_status pass_on(filch_results *results, filch_future *chunk, bool is_sealed) {
    filch_status status = FILCH_OK;
    if (!is_sealed)
        status = filch_error_status();
    else if (chunk_of(chunk)->n > 0)
        status = append(results, chunk);
    if (status != FILCH_OK || chunk_of(chunk)->n == 0)
        filchi_submit_give_back(chunk);
    return status;
}

/* Passes on the chunk that the caller of filch_map has filled. */
static filch_status pass_packing_on(filch_results *results) {
    filch_future *chunk = results->packing;
    bool is_sealed = true;
    for (size_t i = 0; i < results->packing_room && is_sealed; i++)
        is_sealed = filchi_chunk_seal_item(results->pool, chunk_of(chunk));
    results->packing = NULL;
    return pass_on(results, chunk, is_sealed);
}

/* Reads one chunk from .next; what an item refers to is copied before the next one is asked for. */
static filch_status produce(filch_results *results) {
    filch_future *future = filchi_chunk_new(results->pool, results->type, results->chunksize);
    if (future == NULL)
        return filch_error_status();
    struct chunk *chunk = chunk_of(future);
    bool is_sealed = true;
    while (is_sealed && !results->input_ended && chunk->n < results->chunksize) {
        char *item = chunk->args + chunk->n * chunk->args_stride;
        if (results->options.next(item, results->options.next_arg))
            is_sealed = filchi_chunk_seal_item(results->pool, chunk);
        else
            results->input_ended = true;
    }
    return pass_on(results, future, is_sealed);
}

/* Submits until `ahead` chunks are, or the input is used up. */
static filch_status submit_ahead(filch_results *results, size_t ahead) {
    while (results->n_submitted < ahead) {
        if (results->n_submitted == results->n) {
            if (results->input_ended)
                return FILCH_OK;
            filch_status status = produce(results);
            if (status != FILCH_OK)
                return status;
            continue;
        }
        size_t at = results->first + results->n_submitted;
        filch_status status = filchi_submit_queue("filch_map", results->pool, results->chunks[at]);
        if (status != FILCH_OK) {
            /* It has been given back; those behind it will not run either. */
            for (size_t i = results->n_submitted + 1; i < results->n; i++)
                filchi_submit_give_back(results->chunks[results->first + i]);
            results->n = results->n_submitted;
            results->input_ended = true;
            return status;
        }
        results->n_submitted++;
    }
    return FILCH_OK;
}

void *filch_map_room(filch_results **out, size_t *room) {
    filch_results *results = *out;
    filch_status status = FILCH_OK;
    if (results->packing != NULL)
        status = pass_packing_on(results);
    if (status == FILCH_OK)
        status = submit_ahead(results, results->window);
    size_t n =
        results->n_left_to_pack < results->chunksize ? results->n_left_to_pack : results->chunksize;
    if (status == FILCH_OK)
        results->packing = filchi_chunk_new(results->pool, results->type, n);
    if (results->packing == NULL) {
        filch_results_close(results);
        *out = NULL;
        *room = 0;
        return NULL;
    }
    results->n_left_to_pack -= n;
    results->packing_room = n;
    *room = n;
    return chunk_of(results->packing)->args;
}

filch_results *filch_map_start(filch_results *results) {
    if (results == NULL)
        return NULL;
    filch_status status = FILCH_OK;
    if (results->packing != NULL)
        status = pass_packing_on(results);
    if (status == FILCH_OK)
        status = submit_ahead(results, results->window);
    if (status == FILCH_OK)
        return results;
    filch_results_close(results);
    return NULL;
}

/* Cancels what has not started; what was held back is forgotten. */
static void abandon(filch_results *results) {
    for (size_t i = 0; i < results->n; i++) {
        filch_future *chunk = results->chunks[results->first + i];
        if (i >= results->n_submitted) {
            filchi_submit_give_back(chunk);
        } else {
            (void)filch_cancel(chunk);
            filch_release(chunk);
        }
    }
    results->n = results->n_submitted = 0;
    results->input_ended = true;
}

static filch_status end(filch_results *results, filch_status status) {
    results->ended = status;
    abandon(results);
    return status;
}

static void forget_item(filch_results *results) {
    struct chunk *chunk = results->current == NULL ? NULL : chunk_of(results->current);
    if (chunk != NULL && results->at > 0 && results->at <= chunk->n_run &&
        chunk->n_given < results->at)
        filchi_chunk_forget_item(future_arena(results->current), chunk, results->at - 1);
}

/* Makes the oldest chunk the current one and waits for it. The next input is submitted before. */
static filch_status take_chunk(filch_results *results) {
    filch_future *done_with = results->current;
    size_t ahead = results->window == SIZE_MAX ? SIZE_MAX : results->window + 1;
    filch_status status = submit_ahead(results, ahead);
    if (status != FILCH_OK && results->cut_short == FILCH_OK)
        results->cut_short = status; /* told when what was submitted has been given */
    if (results->n == 0 && results->cut_short != FILCH_OK) {
        filchi_fail(results->cut_short,
                    "filch_results_next: the rest of the input could not be submitted: %s",
                    filch_status_text(results->cut_short));
        end(results, FILCH_END); /* told once, since some callers go on after FILCH_BROKEN */
        return results->cut_short;
    }
    if (results->n == 0) {
        filchi_fail(FILCH_END, "filch_results_next: all results have been given");
        return end(results, FILCH_END);
    }
    results->current = results->chunks[results->first];
    results->first++;
    results->n--;
    results->n_submitted--;
    results->at = 0;
    filch_release(done_with);
    status = filchi_future_await(results->current, results->deadline_ns);
    if (status == FILCH_OK)
        return FILCH_OK;
    if (status == FILCH_TIMEOUT)
        filchi_fail(FILCH_TIMEOUT, "filch_results_next: the time limit of filch_map has passed");
    (void)filch_cancel(results->current);
    return end(results, status);
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
    const filch_error *error = chunk_error(chunk, at);
    if (error != NULL)
        return filchi_fail(FILCH_FAILED, "an item of filch_map over '%s' failed: %s (code %d)",
                           name, error->message, error->code);
    return FILCH_OK;
}

static filch_status give_next(filch_results *results, void *out) {
    if (results->ended != FILCH_OK)
        return filchi_fail(results->ended, "filch_results_next: the iteration is over (%s)",
                           filch_status_text(results->ended));
    forget_item(results);
    while (results->current == NULL || results->at == chunk_of(results->current)->n) {
        filch_status status = take_chunk(results);
        if (status != FILCH_OK)
            return status;
    }
    struct chunk *chunk = chunk_of(results->current);
    size_t at = results->at++;
    results->index++;
    results->item = item_status(results, chunk, at);
    if (results->item != FILCH_OK)
        filch_store_relaxed(&results->current->looked_at, 1u);
    else if (out != NULL)
        memcpy(out, chunk->values + at * chunk->value_stride, chunk->value_stride);
    return results->item;
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
    return results->index - 1;
}

const filch_error *filch_results_exception(filch_results *results) {
    if (results == NULL) {
        filchi_fail(FILCH_INVALID, "filch_results_exception: results is NULL");
        return NULL;
    }
    if (results->current == NULL || results->at == 0 || results->item == FILCH_OK)
        return NULL;
    if (results->item == FILCH_FAILED)
        return chunk_error(chunk_of(results->current), results->at - 1);
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
    forget_item(results);
    if (results->packing != NULL)
        filchi_submit_give_back(results->packing);
    if (results->current != NULL) {
        (void)filch_cancel(results->current);
        filch_release(results->current);
    }
    abandon(results);
    free(results->chunks);
    free(results);
}
