/* executor/chunk.c: making, running and freeing chunks. */
#include "executor/chunk.h"

#include "base/status.h"
#include "executor/execute.h"
#include "executor/lent.h"
#include "executor/transport.h"
#include "future/error.h"
#include "platform/clock.h"
#include "platform/process.h"
#include <string.h>

static int run_chunk(const void *args, void *result);

static const filch_task_type chunk_type = {
    .name = "chunk of filch_map",
    .run = run_chunk,
    .result_align = 1,
    .result_kind = FILCH_KIND_VOID,
};

static size_t args_stride(const filch_task_type *type) {
    return type->args_size > 0 ? type->args_size : 1; /* C has no empty tuples */
}

static bool is_packed(const filch_task_type *type) {
    return type->run_many != NULL && !type->copies && chunk_is_plain(type) &&
           type->result_size <= args_stride(type);
}

static size_t head_bytes(size_t capacity) {
    return round_up(sizeof(struct chunk) + (capacity + 63) / 64 * sizeof(uint64_t), CACHE_LINE);
}

size_t filchi_chunk_item_bytes(const filch_task_type *type) {
    return args_stride(type) + (is_packed(type) ? 0 : type->result_size) +
           (type->copies ? sizeof(void *) : 0);
}

size_t filchi_chunk_items(const filch_task_type *type) {
    /* An eighth of a byte for the failed bit, and what rounding may cost. */
    size_t room = (CHUNK_BYTES - sizeof(struct chunk) - 5 * CACHE_LINE) * 8;
    size_t n = room / (filchi_chunk_item_bytes(type) * 8 + 1);
    return n > 0 ? n : 1;
}

static uint64_t spare_head(uint64_t before, uint32_t reference) {
    return ((before >> 32) + 1) << 32 | reference;
}

/* A process that may die at any step leaves them to the arena, which can be put right. */
static bool may_keep_spares(const struct pool *pool) {
    return !pool->host.is_shared || !filchi_process_serves(&pool->host);
}

/* Shared memory has a limit, and others want some, too. */
static uint32_t most_spares(const struct pool *pool) {
    uint32_t share = pool->arena->n_chunks / 16;
    return pool->host.is_shared && share < SPARE_CHUNKS ? share : SPARE_CHUNKS;
}

/* Returns: NULL if there is none. */
static void *take_spare(struct pool *pool) {
    uint64_t head = filch_load_acquire(&pool->spare_chunks); /* SPARE */
    uint64_t next;
    struct chunk *chunk;
    do {
        if ((uint32_t)head == 0)
            return NULL;
        chunk = arena_address(pool->arena, (uint32_t)head);
        next = spare_head(head, (uint32_t)filch_load_relaxed(&chunk->next_spare));
    } while (!filch_cas_acq_rel(&pool->spare_chunks, &head, next)); /* SPARE */
    (void)filch_fetch_sub_acq_rel(&pool->n_spare_chunks, 1u);
    return chunk;
}

static void keep_spare(struct pool *pool, struct chunk *chunk) {
    if (filch_fetch_add_relaxed(&pool->n_spare_chunks, 1u) >= most_spares(pool)) {
        (void)filch_fetch_sub_acq_rel(&pool->n_spare_chunks, 1u);
        filchi_extent_give(pool->arena, chunk);
        return;
    }
    uint32_t reference = arena_reference(pool->arena, chunk);
    uint64_t head = filch_load_relaxed(&pool->spare_chunks);
    do {
        filch_store_relaxed(&chunk->next_spare, head & UINT32_MAX);
    } while (
        !filch_cas_acq_rel(&pool->spare_chunks, &head, spare_head(head, reference))); /* SPARE */
}

/* Does an extent of so many bytes come from, and go to, the spare ones? */
static bool is_spare_size(size_t bytes) {
    return bytes > (size_t)1 << EXTENT_MAX_LOG2 && bytes <= CHUNK_BYTES;
}

static size_t whole_bytes(const filch_task_type *type, size_t capacity) {
    size_t args_bytes = round_up(capacity * args_stride(type), CACHE_LINE);
    size_t value_bytes = is_packed(type) ? 0 : round_up(capacity * type->result_size, CACHE_LINE);
    size_t text_bytes = round_up(type->copies ? capacity * sizeof(void *) : 0, CACHE_LINE);
    return head_bytes(capacity) + args_bytes + value_bytes + text_bytes;
}

static void lay_out(struct chunk *chunk, const filch_task_type *type, size_t capacity) {
    char *memory = (char *)chunk;
    char *args = memory + head_bytes(capacity);
    char *behind_args = args + round_up(capacity * args_stride(type), CACHE_LINE);
    size_t value_bytes = is_packed(type) ? 0 : round_up(capacity * type->result_size, CACHE_LINE);
    chunk->type = type;
    chunk->n = chunk->n_run = chunk->n_given = 0;
    filch_store_relaxed(&chunk->running, (uint64_t)0);
    chunk->capacity = capacity;
    chunk->args_stride = args_stride(type);
    chunk->value_stride = type->result_size;
    chunk->args = args;
    chunk->values = is_packed(type) ? args : behind_args;
    chunk->texts = type->copies ? (void **)(behind_args + value_bytes) : NULL;
    chunk->failed = (uint64_t *)(chunk + 1);
    chunk->errors = NULL;
    chunk->has_errors = chunk->is_timed = false;
    chunk->is_packed = is_packed(type);
    chunk->ns = 0;
    chunk->older = chunk->newer = NULL;
    chunk->node = NULL;
    chunk->first = 0;
}

filch_future *filchi_chunk_new(struct pool *pool, const filch_task_type *type, size_t capacity) {
    const char *function = "filch_map";
    struct producer *producer;
    filch_future *future = filchi_submit_take_block(function, pool, &chunk_type, &producer);
    if (future == NULL)
        return NULL;
    size_t bytes = whole_bytes(type, capacity);
    future->value = NULL; /* who disposes of a half-made block finds this, or the extent */
    filch_fence_compiler();
    future->extents = BLOCK_HAS_VALUE;
    struct chunk *chunk = is_spare_size(bytes) && may_keep_spares(pool) ? take_spare(pool) : NULL;
    if (chunk != NULL)
        future->value = chunk;
    else
        chunk = filchi_extent_take_into(&producer->extents, bytes, &future->value);
    if (chunk == NULL) {
        filchi_fail(FILCH_NO_MEMORY, "%s: no memory for a chunk of %zu items", function, capacity);
        filchi_submit_give_back(future);
        return NULL;
    }
    lay_out(chunk, type, capacity);
    chunk->future = future;
    struct block *block = block_of(future);
    block->args = block->room;
    future->value_size = 0;
    filch_fence_compiler();
    future->extents = BLOCK_HAS_VALUE | BLOCK_HAS_CHUNK;
    return future;
}

void filchi_chunk_release(struct pool *pool, filch_future *future) {
    struct chunk *chunk = chunk_of(future);
    if (state_is_done(future_state(future)) && may_keep_spares(pool) &&
        is_spare_size(whole_bytes(chunk->type, chunk->capacity))) {
        filchi_chunk_dispose(future);
        future->extents = 0;
        keep_spare(pool, chunk); /* before the future goes, which keeps the arena */
    }
    filch_release(future);
}

bool filchi_chunk_seal_item(struct pool *pool, struct chunk *chunk) {
    const filch_task_type *type = chunk->type;
    char *args = chunk->args + chunk->n * chunk->args_stride;
    if ((type->copies | pool->must_look) &&
        filchi_transport_check("filch_map", pool, type, args) != FILCH_OK)
        return false;
    if (type->copies) {
        struct producer *producer = filchi_pool_producer(pool);
        size_t size = filchi_transport_size(type, args);
        void **text = &chunk->texts[chunk->n];
        *text = NULL;
        filch_fence_compiler();
        chunk->n++; /* so the copy is found there if this process dies */
        void *copy = producer == NULL || size == SIZE_MAX
                         ? NULL
                         : filchi_extent_take_into(&producer->extents, size, text);
        if (copy == NULL) {
            chunk->n--;
            filchi_fail(FILCH_NO_MEMORY, "filch_map: no memory for an item of task '%s'",
                        type->name);
            return false;
        }
        filchi_transport_copy(type, args, copy);
        memcpy(args, copy, type->args_size);
        return true;
    }
    chunk->n++;
    return true;
}

/* Item `at` has failed. */
static void mark_failed(struct pool *pool, struct chunk *chunk, size_t at) {
    if (!chunk->has_errors) {
        memset(chunk->failed, 0, (chunk->n + 63) / 64 * sizeof(uint64_t));
        chunk->errors = NULL;
        filch_fence_compiler();
        chunk->has_errors = true;
    }
    if (chunk->errors == NULL) {
        struct producer *producer = filchi_pool_producer(pool);
        if (producer != NULL)
            (void)filchi_extent_take_zero_into(&producer->extents, chunk->n * sizeof(filch_error *),
                                               &chunk->errors);
    }
    chunk->failed[at / 64] |= (uint64_t)1 << at % 64;
}

/* Keeps what item `at` raised. Without memory for it the item has failed all the same. */
static void keep_error(struct frame *frame, struct chunk *chunk, size_t at) {
    mark_failed(frame->pool, chunk, at);
    if (chunk->errors != NULL) {
        chunk->errors[at] = frame->raised;
        (void)frame_take_raised(frame);
    } else {
        filchi_error_give(frame->pool->arena, frame_take_raised(frame));
    }
}

filch_error *filchi_chunk_error(const struct chunk *chunk, size_t at) {
    if (!chunk_has_failed(chunk, at))
        return NULL;
    filch_error *error = chunk->errors != NULL ? chunk->errors[at] : NULL;
    return error != NULL ? error : filchi_error_without_memory();
}

size_t filchi_chunk_end_of_good(const struct chunk *chunk, size_t at) {
    if (!chunk->has_errors)
        return chunk->n_run;
    while (at < chunk->n_run && !chunk_has_failed(chunk, at))
        at++;
    return at;
}

static void drop_text(struct arena *arena, struct chunk *chunk, size_t at) {
    if (chunk->texts != NULL)
        filchi_extent_give_from(arena, &chunk->texts[at]);
}

static bool is_cancelled(const filch_future *future) {
    return (filch_load_relaxed(&future->state) & FUTURE_CANCEL_REQUESTED) != 0;
}

/* Runs the items by their type's own loop, which comes back when an item has raised or when the chunk
 * is cancelled; in a child that the item forked, it has (frame.c). Only for results that need no care. */
static void run_by_loop(struct frame *frame, struct chunk *chunk) {
    const filch_task_type *type = chunk->type;
    const filch_task_watch watch = {&frame->future->state, FUTURE_CANCEL_REQUESTED,
                                    (const void *const *)&frame->raised, &chunk->running};
    uint32_t generation = filchi_process_generation();
    for (size_t i = chunk->n_run; i < chunk->n && !is_cancelled(frame->future);) {
        i += type->run_many(chunk->args + i * chunk->args_stride,
                            chunk->values + i * chunk->value_stride, chunk->n - i, &watch);
        execute_leave_if_forked(generation);
        if (unlikely(frame->raised != NULL))
            keep_error(frame, chunk, i - 1);
        chunk->n_run = i;
    }
    if (unlikely(frame->allocated != NULL))
        filchi_transport_conclude(frame, type, chunk->values, 0, &(void *){NULL});
}

static void run_one_by_one(struct frame *frame, struct chunk *chunk) {
    const filch_task_type *type = chunk->type;
    bool is_plain = chunk_is_plain(type) && !type->copies;
    uint32_t generation = filchi_process_generation();
    struct lent lent;
    void *lent_value = frame->pool->host.is_shared ? lend(&lent, chunk->value_stride) : NULL;
    for (size_t i = chunk->n_run; i < chunk->n && !is_cancelled(frame->future); i++) {
        void *value = chunk->values + i * chunk->value_stride;
        char *args = chunk->args + i * chunk->args_stride;
        filch_store_relaxed(&chunk->running, (uint64_t)(uintptr_t)args);
        int code = type->run(args, lent_value != NULL ? lent_value : value);
        execute_leave_if_forked(generation);
        if (lent_value != NULL)
            memcpy(value, lent_value, chunk->value_stride);
        if (unlikely(!is_plain || code != 0 || frame->raised != NULL || frame->allocated != NULL))
            filchi_transport_conclude(frame, type, value, code, &(void *){NULL});
        if (unlikely(frame->raised != NULL))
            keep_error(frame, chunk, i);
        filch_fence_compiler();
        chunk->n_run = i + 1;
        if (unlikely(frame->allocated != NULL)) /* it is the item's */
            (void)frame_take_allocated(frame);
        drop_text(frame->pool->arena, chunk, i);
    }
    if (lent_value != NULL)
        take_back(&lent);
}

/* Cancelled while it runs, a chunk stops between two items. */
static int run_chunk(const void *args, void *result) {
    (void)args;
    struct chunk *chunk = result;
    struct frame *frame = filchi_frame_current();
    frame->name = chunk->type->name;
    uint64_t began = chunk->is_timed ? filchi_clock_ns() : 0;
    if (chunk->type->run_many != NULL && !chunk->type->copies && chunk_is_plain(chunk->type))
        run_by_loop(frame, chunk);
    else
        run_one_by_one(frame, chunk);
    chunk->ns = chunk->is_timed ? filchi_clock_ns() - began : 0;
    return 0;
}

/* Where the pointer to the result's text is, or NULL. */
static void *text_of_value(const struct chunk *chunk, size_t at) {
    bool has_text = chunk->type->result_kind == FILCH_KIND_STRING ||
                    chunk->type->result_kind == FILCH_KIND_BYTES;
    /* filch_bytes begins with its pointer */
    return has_text && !chunk_has_failed(chunk, at) ? chunk->values + at * chunk->value_stride
                                                    : NULL;
}

bool filchi_chunk_has(const struct chunk *chunk, const void *extent) {
    uint64_t running = filch_load_acquire(&chunk->running);
    if (running == 0)
        return false;
    size_t at = (size_t)(running - (uint64_t)(uintptr_t)chunk->args) / chunk->args_stride;
    void *text = at < chunk->n_run ? text_of_value(chunk, at) : NULL;
    return (text != NULL && *(void **)text == extent) ||
           (chunk->has_errors && chunk->errors != NULL && chunk->errors[at] == extent);
}

size_t filchi_chunk_find_running(struct chunk *chunk) {
    uint64_t running = filch_load_acquire(&chunk->running);
    if (running == 0)
        return SIZE_MAX;
    size_t at = (size_t)(running - (uint64_t)(uintptr_t)chunk->args) / chunk->args_stride;
    if (at < chunk->n_run) { /* it had ended */
        drop_text(future_arena(chunk->future), chunk, at);
        return SIZE_MAX;
    }
    chunk->n_run = at;
    return at;
}

void filchi_chunk_fail_running(struct pool *pool, struct chunk *chunk, size_t at,
                               filch_error *error) {
    mark_failed(pool, chunk, at);
    if (chunk->errors != NULL && chunk->errors[at] == NULL)
        chunk->errors[at] = error;
    else
        filchi_error_give(pool->arena, error);
    drop_text(pool->arena, chunk, at);
    chunk->n_run = at + 1;
    chunk->is_timed = false;
    filch_store_release(&chunk->running, (uint64_t)0);
}

void filchi_chunk_forget(struct arena *arena, struct chunk *chunk, size_t end) {
    end = end < chunk->n_run ? end : chunk->n_run;
    for (; chunk->n_given < end && (chunk->has_errors || !chunk_is_plain(chunk->type));
         chunk->n_given++) {
        void *text = text_of_value(chunk, chunk->n_given);
        if (text != NULL)
            filchi_extent_give_from(arena, text);
        if (chunk->errors != NULL)
            filchi_error_give_from(arena,
                                   (filch_atomic_pointer *)(void *)&chunk->errors[chunk->n_given]);
    }
    chunk->n_given = end > chunk->n_given ? end : chunk->n_given;
}

static void report_unseen(const struct chunk *chunk) {
    if (!host_is_here(future_host(chunk->future)))
        return; /* the parent's to report */
    const filch_error *first = NULL;
    size_t n = 0;
    for (size_t i = chunk->n_given; chunk->has_errors && i < chunk->n_run; i++) {
        const filch_error *error = filchi_chunk_error(chunk, i);
        first = first == NULL ? error : first;
        n += error != NULL;
    }
    if (n > 0 && filchi_worker_self() != NULL)
        filchi_worker_is_busy(filchi_worker_self());
    if (n > 0)
        filchi_report("%zu item%s of filch_map over '%s' failed and nobody looked at the error%s: "
                      "%s (code %d%s%s)",
                      n, n == 1 ? "" : "s", chunk->type->name, n == 1 ? "" : "s", first->message,
                      first->code, first->where[0] != '\0' ? ", at " : "", first->where);
}

void filchi_chunk_dispose(filch_future *future) {
    struct chunk *chunk = chunk_of(future);
    struct arena *arena = future_arena(future);
    report_unseen(chunk);
    filchi_chunk_forget(arena, chunk, chunk->n_run);
    if (chunk->texts != NULL)
        for (size_t i = chunk->n_run; i < chunk->n; i++)
            drop_text(arena, chunk, i);
    filchi_extent_give_from(arena, &chunk->errors);
}
