/* executor/chunk.c: making, running and freeing chunks. */
#include "executor/chunk.h"

#include "base/status.h"
#include "executor/transport.h"
#include "future/error.h"
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

static size_t value_stride(const filch_task_type *type) {
    return type->result_size;
}

size_t filchi_chunk_item_bytes(const filch_task_type *type) {
    return args_stride(type) + value_stride(type) + sizeof(filch_error *) +
           (type->copies ? sizeof(void *) : 0);
}

filch_future *filchi_chunk_new(struct pool *pool, const filch_task_type *type, size_t capacity) {
    const char *function = "filch_map";
    struct producer *producer;
    filch_future *future = filchi_submit_take_block(function, pool, &chunk_type, &producer);
    if (future == NULL)
        return NULL;
    size_t head = round_up(sizeof(struct chunk), CACHE_LINE);
    size_t args_bytes = round_up(capacity * args_stride(type), CACHE_LINE);
    size_t value_bytes = round_up(capacity * value_stride(type), CACHE_LINE);
    size_t error_bytes = capacity * sizeof(filch_error *);
    size_t text_bytes = type->copies ? capacity * sizeof(void *) : 0;
    char *memory = filchi_extent_take(&producer->extents,
                                      head + args_bytes + value_bytes + error_bytes + text_bytes);
    if (memory == NULL) {
        filchi_fail(FILCH_NO_MEMORY, "%s: no memory for a chunk of %zu items", function, capacity);
        filchi_submit_give_back(future);
        return NULL;
    }
    char *behind_values = memory + head + args_bytes + value_bytes;
    struct chunk *chunk = (struct chunk *)memory;
    *chunk = (struct chunk){
        .type = type,
        .args_stride = args_stride(type),
        .value_stride = value_stride(type),
        .args = memory + head,
        .values = memory + head + args_bytes,
        .errors = (filch_error **)behind_values,
        .texts = type->copies ? (void **)(behind_values + error_bytes) : NULL,
    };
    struct block *block = block_of(future);
    block->args = block->room;
    future->value = chunk;
    future->value_size = 0;
    future->extents = BLOCK_HAS_VALUE | BLOCK_HAS_CHUNK;
    return future;
}

bool filchi_chunk_seal_item(struct pool *pool, struct chunk *chunk) {
    const filch_task_type *type = chunk->type;
    if (type->copies) {
        char *args = chunk->args + chunk->n * chunk->args_stride;
        if (filchi_transport_check("filch_map", type, args) != FILCH_OK)
            return false;
        struct producer *producer = filchi_pool_producer(pool);
        size_t size = filchi_transport_size(type, args);
        void *copy = producer == NULL || size == SIZE_MAX
                         ? NULL
                         : filchi_extent_take(&producer->extents, size);
        if (copy == NULL) {
            filchi_fail(FILCH_NO_MEMORY, "filch_map: no memory for an item of task '%s'",
                        type->name);
            return false;
        }
        filchi_transport_copy(type, args, copy);
        memcpy(args, copy, type->args_size);
        chunk->texts[chunk->n] = copy;
    }
    chunk->n++;
    return true;
}

/* Keeps what item `at` raised. */
static void keep_error(struct frame *frame, struct chunk *chunk, size_t at) {
    if (!chunk->has_errors)
        memset(chunk->errors, 0, chunk->n * sizeof(filch_error *));
    chunk->has_errors = true;
    chunk->errors[at] = frame->raised;
    frame->raised = NULL;
}

static void drop_text(struct arena *arena, struct chunk *chunk, size_t at) {
    if (chunk->texts != NULL && chunk->texts[at] != NULL) {
        filchi_extent_give(arena, chunk->texts[at]);
        chunk->texts[at] = NULL;
    }
}

/* Cancelled while it runs, a chunk stops between two items. */
static int run_chunk(const void *args, void *result) {
    (void)args;
    struct chunk *chunk = result;
    const filch_task_type *type = chunk->type;
    struct frame *frame = filchi_frame_current();
    filch_future *future = frame->future;
    bool is_plain = type->result_kind < FILCH_KIND_STRING && !type->copies;
    frame->name = type->name;
    for (size_t i = 0; i < chunk->n; i++) {
        if (unlikely(filch_load_relaxed(&future->state) & FUTURE_CANCEL_REQUESTED))
            break;
        void *value = chunk->values + i * chunk->value_stride;
        int code = type->run(chunk->args + i * chunk->args_stride, value);
        if (unlikely(!is_plain || code != 0 || frame->raised != NULL || frame->allocated != NULL))
            filchi_transport_conclude(frame, type, value, code, &(void *){NULL});
        if (unlikely(frame->raised != NULL))
            keep_error(frame, chunk, i);
        drop_text(frame->pool->arena, chunk, i);
        chunk->n_run = i + 1;
    }
    return 0;
}

static void *text_of_value(const struct chunk *chunk, size_t at) {
    char *value = chunk->values + at * chunk->value_stride;
    if (chunk_error(chunk, at) != NULL)
        return NULL;
    if (chunk->type->result_kind == FILCH_KIND_STRING ||
        chunk->type->result_kind == FILCH_KIND_BYTES)
        return *(void **)value; /* filch_bytes begins with its pointer */
    return NULL;
}

void filchi_chunk_forget_item(struct arena *arena, struct chunk *chunk, size_t at) {
    void *text = text_of_value(chunk, at);
    if (text != NULL)
        filchi_extent_give(arena, text);
    filchi_error_give(arena, chunk_error(chunk, at));
    chunk->n_given = at + 1;
}

static void report_unseen(const struct chunk *chunk) {
    const filch_error *first = NULL;
    size_t n = 0;
    for (size_t i = chunk->n_given; chunk->has_errors && i < chunk->n_run; i++)
        if (chunk->errors[i] != NULL) {
            first = first == NULL ? chunk->errors[i] : first;
            n++;
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
    while (chunk->n_given < chunk->n_run)
        filchi_chunk_forget_item(arena, chunk, chunk->n_given);
    for (size_t i = chunk->n_run; i < chunk->n; i++)
        drop_text(arena, chunk, i);
}
