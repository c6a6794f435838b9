/* executor/frame.c: filch_raise, filch_own, filch_result_alloc, and who am I. */
#include "executor/frame.h"

#include "base/status.h"
#include "future/error.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static THREAD_LOCAL struct frame *current;

struct frame *filchi_frame_current(void) {
    return current;
}

struct frame *filchi_frame_task(void) {
    struct frame *frame = current;
    while (frame != NULL && frame->future == NULL)
        frame = frame->below;
    return frame;
}

void filchi_frame_enter(struct frame *frame) {
    frame->below = current;
    current = frame;
}

void filchi_frame_leave(struct frame *frame) {
    current = frame->below;
}

static void report_raise(const char *file, int line, int code, const char *format, va_list list) {
    char message[512];
    vsnprintf(message, sizeof message, format, list);
    filchi_report("filch_raise outside a task: %s (code %d, at %s:%d)", message, code, file, line);
}

void filchi_frame_raise(struct frame *frame, int code, const char *file, int line,
                        const char *format, va_list list) {
    struct producer *producer = filchi_pool_producer(frame->pool);
    struct extents *extents = producer == NULL ? NULL : &producer->extents;
    struct worker *worker = filchi_worker_self();
    int number = worker == NULL ? -1 : (int)worker->number;
    filch_atomic_pointer *where = frame->run == NULL ? NULL : &frame->run->raised;
    if (where == NULL) {
        filchi_error_give(frame->pool->arena, frame_take_raised(frame));
        frame->raised =
            filchi_error_new(extents, frame->name, code, number, file, line, format, list);
    } else {
        filchi_error_give_from(frame->pool->arena, where);
        frame->raised = filchi_error_new_into(where, extents, frame->name, code, number, file, line,
                                              format, list);
    }
}

void *filchi_frame_allocate(struct frame *frame, size_t bytes, const void *content) {
    struct producer *producer = filchi_pool_producer(frame->pool);
    struct extents *extents = producer == NULL ? NULL : &producer->extents;
    void *before = frame->allocated, *memory = NULL;
    if (extents != NULL && frame->run == NULL)
        memory = filchi_extent_take(extents, bytes);
    else if (extents != NULL)
        memory = filchi_extent_take_into(extents, bytes, &frame->run->allocated);
    if (memory == NULL) {
        if (frame->run != NULL)
            filch_store_relaxed(&frame->run->allocated, before);
        return NULL;
    }
    frame->allocated = memory;
    if (content != NULL)
        memcpy(memory, content, bytes); /* it may be in what was allocated before */
    if (before != NULL)
        filchi_extent_give(frame->pool->arena, before);
    return memory;
}

void filchi_frame_give_allocated(struct frame *frame) {
    struct arena *arena = frame->pool->arena;
    if (frame->run != NULL)
        filchi_extent_give_from(arena, &frame->run->allocated);
    else if (frame->allocated != NULL)
        filchi_extent_give(arena, frame->allocated);
    frame->allocated = NULL;
}

int filch_raise_at(const char *file, int line, int code, const char *format, ...) {
    va_list list;
    va_start(list, format);
    if (current == NULL)
        report_raise(file, line, code, format, list);
    else
        filchi_frame_raise(current, code, file, line, format, list);
    va_end(list);
    return code;
}

void *filch_own(void *p) {
    if (current != NULL)
        current->owned = p;
    return p;
}

void *filch_result_alloc(size_t size) {
    struct frame *frame = filchi_frame_task();
    if (frame == NULL || frame != current) {
        filchi_fail(FILCH_INVALID_STATE, "filch_result_alloc: no task is running here; call it "
                                         "inside a task that returns filch_bytes");
        return NULL;
    }
    void *memory = filchi_frame_allocate(frame, size, NULL);
    if (memory == NULL)
        filchi_fail(FILCH_NO_MEMORY, "filch_result_alloc: no memory for size %zu", size);
    return memory;
}

bool filch_cancel_requested(void) {
    struct frame *frame = filchi_frame_task();
    return frame != NULL && (future_state(frame->future) & FUTURE_CANCEL_REQUESTED) != 0;
}

filch_executor *filch_this_executor(void) {
    struct frame *frame = filchi_frame_task();
    return frame == NULL ? NULL : frame->pool->executor;
}

int filch_this_worker(void) {
    struct frame *frame = filchi_frame_task();
    struct worker *worker = filchi_worker_self();
    /* The body of a loop may run in a worker of another executor, whose number says nothing here. */
    bool is_own = frame != NULL && worker != NULL && pool_of_worker(worker) == frame->pool;
    return is_own ? (int)worker->number : -1;
}

void filchi_frame_forget(void) {
    /* In the child's copy: a chunk of a map goes on to its next item unless this one has failed, and keeps
     * no result of one that has. */
    for (struct frame *frame = current; frame != NULL; frame = frame->below)
        frame->raised = filchi_error_without_memory();
    current = NULL;
}

bool filchi_frame_is_in(const struct pool *pool) {
    for (struct frame *frame = current; frame != NULL; frame = frame->below)
        if (frame->pool == pool)
            return true;
    return false;
}
