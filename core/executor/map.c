/* executor/map.c: filch_map: the input into chunks, and chunks to the workers.
 *
 * The items are packed into chunks in the order of the input; each chunk is one task. Up to `window`
 * chunks are submitted ahead of the iteration; the others are packed and held back, or, with .next,
 * not even read. How large a chunk is the grain says, from what the chunks before it took. */
#include "base/status.h"
#include "executor/modules.h"
#include "executor/options.h"
#include "executor/results.h"
#include "executor/transport.h"
#include "platform/clock.h"
#include <stdlib.h>
#include <string.h>

enum {
    CHUNKS_PER_WORKER = 32, /* at least so many, as long as nobody knows how long items take, and */
    CHUNKS_LEFT = 4,        /* of what is left when somebody does */
};

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
        read_options(function, has_items, n, given, &options, &seconds) != FILCH_OK ||
        filchi_modules_check_type(function, executor->pool, type) != FILCH_OK)
        return NULL;
    if (n > SIZE_MAX / 2 / filchi_chunk_item_bytes(type)) {
        filchi_fail(FILCH_NO_MEMORY, "%s: n is %zu, more items than memory can hold", function, n);
        return NULL;
    }
    filch_results *results = calloc(1, sizeof *results);
    struct consumer *consumer =
        results == NULL || !options.unordered ? NULL : filchi_consumer_open();
    if (results == NULL || (options.unordered && consumer == NULL)) {
        free(results);
        filchi_fail(FILCH_NO_MEMORY, "%s: no memory for the results", function);
        return NULL;
    }
    results->hand.size = type->result_size;
    results->hand.kind = type->result_kind;
    results->pool = executor->pool;
    results->type = type;
    results->options = options;
    results->consumer = consumer;
    results->window = options.buffersize == 0 ? SIZE_MAX : (size_t)options.buffersize;
    results->deadline_ns = filchi_clock_deadline(seconds);
    results->n_items = n;
    results->index = SIZE_MAX; /* nothing has been given */
    results->input_ended = options.next == NULL;
    return results;
}

void filchi_map_measure(filch_results *results) {
    struct chunk *chunk = results->unmeasured;
    for (; chunk != NULL && state_is_done(future_state(chunk->future)); chunk = chunk->newer)
        if (chunk->n_run > 0 && chunk->ns > 0)
            grain_note(&results->grain, chunk->n_run, chunk->ns);
    results->unmeasured = chunk;
}

static size_t next_chunksize(filch_results *results) {
    bool is_array = results->options.next == NULL;
    size_t left = is_array ? results->n_items - results->n_read : SIZE_MAX;
    size_t fixed = (size_t)results->options.chunksize;
    if (fixed > 0)
        return fixed < left ? fixed : left;
    filchi_map_measure(results);
    size_t n_workers = results->pool->scheduler->n_seats;
    bool is_known = results->grain.ns_per_item > 0;
    size_t share = !is_array  ? SIZE_MAX
                   : is_known ? left / (CHUNKS_LEFT * n_workers)
                              : results->n_items / (CHUNKS_PER_WORKER * n_workers);
    return grain_next(&results->grain, left, share > 0 ? share : 1,
                      filchi_chunk_items(results->type));
}

static filch_future *new_chunk(filch_results *results, size_t capacity) {
    filch_future *future = filchi_chunk_new(results->pool, results->type, capacity);
    if (future != NULL) {
        chunk_of(future)->first = results->n_read;
        chunk_of(future)->is_timed = results->options.chunksize == 0;
    }
    return future;
}

/* Puts what is sealed of a chunk behind those waiting to be submitted; an empty one is forgotten.
 * Returns: why the item behind could not be sealed, if one could not. */
static filch_status pass_on(filch_results *results, filch_future *future, bool is_sealed) {
    struct chunk *chunk = chunk_of(future);
    filch_status status = is_sealed ? FILCH_OK : filch_error_status();
    if (chunk->n > 0) {
        results->n_read += chunk->n;
        chunk_list_add(&results->held, chunk);
    } else {
        filchi_submit_give_back(future);
    }
    return status;
}

/* Passes on the chunk that the caller of filch_map has filled. */
static filch_status pass_packing_on(filch_results *results) {
    filch_future *future = results->packing;
    struct chunk *chunk = chunk_of(future);
    bool is_sealed = true;
    if (!filchi_transport_must_check(results->pool, results->type))
        chunk->n = results->packing_room;
    while (chunk->n < results->packing_room && is_sealed)
        is_sealed = filchi_chunk_seal_item(results->pool, chunk);
    results->packing = NULL;
    return pass_on(results, future, is_sealed);
}

/* Has reading this chunk taken so long that what is in it should go? Who reads slowly should not keep
 * the workers waiting for a large chunk. */
static bool is_late(const filch_results *results, uint64_t began_ns) {
    return results->options.chunksize == 0 && filchi_clock_ns() - began_ns > GRAIN_TARGET_NS;
}

/* Reads one chunk from .next; what an item refers to is copied before the next one is asked for. */
static filch_status produce(filch_results *results) {
    size_t capacity = next_chunksize(results);
    filch_future *future = new_chunk(results, capacity);
    if (future == NULL)
        return filch_error_status();
    struct chunk *chunk = chunk_of(future);
    uint64_t began_ns = capacity > 1 ? filchi_clock_ns() : 0;
    bool is_sealed = true;
    while (is_sealed && !results->input_ended && chunk->n < capacity) {
        char *item = chunk->args + chunk->n * chunk->args_stride;
        if (results->options.next(item, results->options.next_arg))
            is_sealed = filchi_chunk_seal_item(results->pool, chunk);
        else
            results->input_ended = true;
        if (chunk->n < capacity && is_late(results, began_ns))
            break;
    }
    return pass_on(results, future, is_sealed);
}

/* Has the consumer told when a submitted chunk is done. Without memory it stays without a node, and is
 * waited for by itself. */
static void watch(filch_results *results, struct chunk *chunk) {
    struct consumer *consumer = results->consumer;
    (void)filchi_subscribers_add(chunk->future, consumer, consumer->generation, &chunk->node);
    results->n_unwatched += chunk->node == NULL;
}

static filch_status submit_held(filch_results *results) {
    struct chunk *chunk = chunk_list_take(&results->held);
    filch_status status = filchi_submit_queue("filch_map", results->pool, chunk->future);
    if (status != FILCH_OK) { /* it has been given back; those behind it will not run either */
        while ((chunk = chunk_list_take(&results->held)) != NULL)
            filchi_submit_give_back(chunk->future);
        results->input_ended = true;
        return status;
    }
    chunk_list_add(&results->ahead, chunk);
    if (results->unmeasured == NULL && chunk->is_timed)
        results->unmeasured = chunk;
    if (results->consumer != NULL)
        watch(results, chunk);
    return FILCH_OK;
}

filch_status filchi_map_submit_ahead(filch_results *results, size_t ahead) {
    while (results->ahead.n < ahead) {
        filch_status status = FILCH_OK;
        if (results->held.n > 0)
            status = submit_held(results);
        else if (results->input_ended)
            return FILCH_OK;
        else
            status = produce(results);
        if (status != FILCH_OK)
            return status;
    }
    return FILCH_OK;
}

void *filch_map_room(filch_results **out, size_t *room) {
    filch_results *results = *out;
    filch_status status = FILCH_OK;
    if (results->packing != NULL)
        status = pass_packing_on(results);
    if (status == FILCH_OK)
        status = filchi_map_submit_ahead(results, results->window);
    if (status == FILCH_OK) {
        results->packing_room = next_chunksize(results);
        results->packing = new_chunk(results, results->packing_room);
    }
    if (results->packing == NULL) {
        filch_results_close(results);
        *out = NULL;
        *room = 0;
        return NULL;
    }
    *room = results->packing_room;
    return chunk_of(results->packing)->args;
}

filch_results *filch_map_start(filch_results *results) {
    if (results == NULL)
        return NULL;
    filch_status status = FILCH_OK;
    if (results->packing != NULL)
        status = pass_packing_on(results);
    if (status == FILCH_OK)
        status = filchi_map_submit_ahead(results, results->window);
    if (status == FILCH_OK)
        return results;
    filch_results_close(results);
    return NULL;
}

void filchi_map_abandon(filch_results *results) {
    struct chunk *chunk;
    while ((chunk = chunk_list_take(&results->held)) != NULL)
        filchi_submit_give_back(chunk->future);
    while ((chunk = chunk_list_take(&results->ahead)) != NULL) {
        if (chunk->node != NULL)
            filchi_subscribers_abandon(chunk->node);
        (void)filch_cancel(chunk->future);
        filchi_chunk_release(results->pool, chunk->future);
    }
    results->unmeasured = NULL;
    results->input_ended = true;
}
