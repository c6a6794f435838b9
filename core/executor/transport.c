/* executor/transport.c: the rows of the argument table in task.h. */
#include "executor/transport.h"

#include "base/status.h"
#include "executor/chunk.h"
#include "executor/shared.h"
#include "future/error.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES_ALIGN = 16 };

static const void *param(const filch_task_type *type, const void *args, unsigned i) {
    return (const char *)args + type->offsets[i];
}

static bool add(size_t *sum, size_t n) {
    return !__builtin_add_overflow(*sum, n, sum) && *sum < SIZE_MAX / 2;
}

bool filchi_transport_must_check(const struct pool *pool, const filch_task_type *type) {
    if (type->copies)
        return true;
    for (unsigned i = 0; !pool->takes_pointers && i < type->n_params; i++)
        if (type->kinds[i] == FILCH_KIND_POINTER)
            return true;
    return false;
}

filch_status filchi_transport_check_pointer(const char *function, const struct pool *pool,
                                            const char *what, const void *pointer) {
    if (pool->takes_pointers || pointer == NULL || filchi_shared_has(pool, pointer))
        return FILCH_OK;
    return filchi_fail(FILCH_INVALID,
                       "%s: %s points to private memory of this process, which workers do not see; "
                       "use filch_shared_alloc, filch_bytes or a value",
                       function, what);
}

static filch_status check_pointer(const char *function, const struct pool *pool,
                                  const filch_task_type *type, const void *args, unsigned i) {
    const void *pointer;
    memcpy(&pointer, param(type, args, i), sizeof pointer);
    if (pool->takes_pointers || pointer == NULL)
        return FILCH_OK;
    char what[160];
    snprintf(what, sizeof what, "argument %u of task '%s'", i + 1, type->name);
    return filchi_transport_check_pointer(function, pool, what, pointer);
}

static filch_status check_bytes(const char *function, const filch_task_type *type, const void *args,
                                unsigned i) {
    const filch_bytes *bytes = param(type, args, i);
    if (bytes->data != NULL || bytes->size == 0)
        return FILCH_OK;
    return filchi_fail(FILCH_INVALID,
                       "%s: argument %u of task '%s' has a size of %zu bytes, but its data is NULL",
                       function, i + 1, type->name, bytes->size);
}

filch_status filchi_transport_check(const char *function, const struct pool *pool,
                                    const filch_task_type *type, const void *args) {
    filch_status status = FILCH_OK;
    for (unsigned i = 0; status == FILCH_OK && i < type->n_params; i++) {
        if (type->kinds[i] == FILCH_KIND_BYTES)
            status = check_bytes(function, type, args, i);
        else if (type->kinds[i] == FILCH_KIND_POINTER)
            status = check_pointer(function, pool, type, args, i);
    }
    return status;
}

size_t filchi_transport_size(const filch_task_type *type, const void *args) {
    size_t sum = type->args_size;
    for (unsigned i = 0; type->copies && i < type->n_params; i++) {
        bool fits = true;
        if (type->kinds[i] == FILCH_KIND_STRING) {
            const char *string = *(const char *const *)param(type, args, i);
            fits = string == NULL || add(&sum, strlen(string) + 1);
        } else if (type->kinds[i] == FILCH_KIND_BYTES) {
            const filch_bytes *bytes = param(type, args, i);
            fits = bytes->data == NULL || (add(&sum, BYTES_ALIGN - 1) && add(&sum, bytes->size));
        }
        if (!fits)
            return SIZE_MAX;
    }
    return sum;
}

void filchi_transport_copy(const filch_task_type *type, const void *args, void *to) {
    if (type->args_size > 0)
        memcpy(to, args, type->args_size);
    char *end = (char *)to + type->args_size;
    for (unsigned i = 0; type->copies && i < type->n_params; i++) {
        char *copied = (char *)to + type->offsets[i];
        if (type->kinds[i] == FILCH_KIND_STRING) {
            const char *string = *(const char *const *)param(type, args, i);
            if (string == NULL)
                continue;
            size_t size = strlen(string) + 1;
            *(char **)copied = memcpy(end, string, size);
            end += size;
        } else if (type->kinds[i] == FILCH_KIND_BYTES) {
            const filch_bytes *bytes = param(type, args, i);
            if (bytes->data == NULL)
                continue;
            end = (char *)round_up((uintptr_t)end, BYTES_ALIGN);
            ((filch_bytes *)copied)->data = memcpy(end, bytes->data, bytes->size);
            end += bytes->size;
        }
    }
}

static filch_status fail_no_memory(const char *function, const filch_task_type *type, size_t size,
                                   const char *what) {
    if (size == SIZE_MAX)
        return filchi_fail(FILCH_NO_MEMORY, "%s: the %s of task '%s' are larger than memory",
                           function, what, type->name);
    return filchi_fail(FILCH_NO_MEMORY, "%s: no memory for the %s of task '%s' (%zu bytes)",
                       function, what, type->name, size);
}

/* memcpy, with the common sizes inlined. */
static inline void copy_small(void *to, const void *from, size_t size) {
    if (size == 8)
        memcpy(to, from, 8);
    else if (size == 16)
        memcpy(to, from, 16);
    else if (size > 0)
        memcpy(to, from, size);
}

filch_status filchi_transport_pack(const char *function, struct producer *producer,
                                   struct block *block, const filch_task_type *type,
                                   const void *args, size_t args_size, size_t value_size) {
    filch_future *future = &block->future;
    size_t value_at = 0;
    block->args = block->room;
    if (args_size > BLOCK_ROOM) {
        block->args = NULL; /* who disposes of a half-made block finds this, or the extent */
        filch_fence_compiler();
        future->extents |= BLOCK_HAS_ARGS;
        if (args_size == SIZE_MAX ||
            filchi_extent_take_into(&producer->extents, args_size, &block->args) == NULL)
            return fail_no_memory(function, type, args_size, "arguments");
    } else {
        value_at = round_up(args_size, type->result_align);
    }
    future->value = block->room + value_at;
    future->value_size = value_size;
    if (unlikely(value_at + value_size < value_size || value_at + value_size > BLOCK_ROOM) &&
        value_size > 0) {
        future->value = NULL;
        filch_fence_compiler();
        future->extents |= BLOCK_HAS_VALUE;
        if (filchi_extent_take_into(&producer->extents, value_size, &future->value) == NULL)
            return fail_no_memory(function, type, value_size, "result");
    }
    if (type->copies)
        filchi_transport_copy(type, args, block->args);
    else
        copy_small(block->args, args, args_size);
    return FILCH_OK;
}

/* The bytes that a result refers to, in an extent: moved if filch_result_alloc made them, else
 * copied. */
static bool keep_bytes(struct frame *frame, const void *data, size_t size, void **text) {
    if (data != frame->allocated && filchi_frame_allocate(frame, size, data) == NULL)
        return false;
    *text = frame->allocated;
    return true;
}

/* Returns: false without memory. */
static bool keep_value(struct frame *frame, filch_kind kind, void *value, void **text) {
    if (kind == FILCH_KIND_STRING) {
        char **string = value;
        if (*string == NULL)
            return true;
        bool kept = keep_bytes(frame, *string, strlen(*string) + 1, text);
        *string = *text;
        return kept;
    }
    if (kind == FILCH_KIND_BYTES) {
        filch_bytes *bytes = value;
        if (bytes->data == NULL)
            return true;
        bool kept = keep_bytes(frame, bytes->data, bytes->size, text);
        bytes->data = *text;
        return kept;
    }
    return true;
}

static PRINTF_LIKE(3, 4) void raise_here(struct frame *frame, int code, const char *format, ...) {
    va_list list;
    va_start(list, format);
    filchi_frame_raise(frame, code, "", 0, format, list);
    va_end(list);
}

void filchi_transport_conclude(struct frame *frame, const filch_task_type *type, void *value,
                               int code, void **text) {
    filch_kind kind = type->result_kind;
    *text = NULL;
    if (frame->raised == NULL && code != 0)
        raise_here(frame, code, "the task returned %d", code);
    if (frame->raised == NULL && !keep_value(frame, kind, value, text))
        raise_here(frame, 0, "no memory to keep the result");
    if (frame->owned != NULL && (kind == FILCH_KIND_STRING || kind == FILCH_KIND_BYTES))
        free(frame->owned);
    if (frame->allocated != *text)
        filchi_frame_give_allocated(frame);
    frame->owned = NULL;
}

void filchi_transport_drop_args(struct block *block) {
    if (block->future.extents & BLOCK_HAS_ARGS) {
        filchi_extent_give_from(future_arena(&block->future), &block->args);
        block->future.extents &= ~(uint32_t)BLOCK_HAS_ARGS;
    }
}

void filchi_transport_dispose(struct block *block) {
    filch_future *future = &block->future;
    struct arena *arena = future_arena(future);
    /* It may be done twice, if who did it first died meanwhile. */
    if ((future->extents & BLOCK_HAS_CHUNK) && future->value != NULL)
        filchi_chunk_dispose(future);
    filchi_transport_drop_args(block);
    if ((future->extents & BLOCK_HAS_TEXT) && future->value != NULL)
        filchi_extent_give_from(arena, future->value);
    if (future->extents & BLOCK_HAS_VALUE)
        filchi_extent_give_from(arena, &future->value);
    if (future->extents & BLOCK_HAS_OPTIONS)
        filchi_extent_give_reference(arena, &future->options);
    future->extents = 0;
}
