/* executor/frame.h: what runs on this thread: tasks, innermost first, and callbacks.
 *
 * A frame lies on the stack of who runs the task or callback. Functions that are called "inside a
 * task" (filch_raise, filch_own, ...) find it here. */
#ifndef FILCHI_FRAME_H
#define FILCHI_FRAME_H

#include "executor/pool.h"
#include <stdarg.h>

struct frame {
    struct frame *below;
    struct pool *pool;
    filch_future *future; /* NULL: a callback, an initializer or a finalizer */
    const char *name;
    filch_error *raised; /* the last one */
    void *owned;         /* what filch_own announced */
    void *allocated;     /* the last filch_result_alloc */
    struct run *run;     /* of a task in a shared pool: who may die says there what it has */
};

/* What was made for the frame is somebody else's from now on. */
static inline filch_error *frame_take_raised(struct frame *frame) {
    filch_error *raised = frame->raised;
    frame->raised = NULL;
    if (frame->run != NULL)
        filch_store_relaxed(&frame->run->raised, NULL);
    return raised;
}

static inline void *frame_take_allocated(struct frame *frame) {
    void *allocated = frame->allocated;
    frame->allocated = NULL;
    if (frame->run != NULL)
        filch_store_relaxed(&frame->run->allocated, NULL);
    return allocated;
}

/* Raises, in place of what was raised before. */
void filchi_frame_raise(struct frame *frame, int code, const char *file, int line,
                        const char *format, va_list list);

/* Memory for the frame's result, in place of what was allocated before; a copy of `content`, unless that is
 * NULL. Returns: NULL without memory. */
void *filchi_frame_allocate(struct frame *frame, size_t bytes, const void *content);

/* Gives that back. */
void filchi_frame_give_allocated(struct frame *frame);

struct frame *filchi_frame_current(void);

/* The innermost frame that is a task, or NULL. */
struct frame *filchi_frame_task(void);

static inline void frame_init(struct frame *frame, struct pool *pool, filch_future *future,
                              const char *name) {
    *frame = (struct frame){.pool = pool, .future = future, .name = name};
}

void filchi_frame_enter(struct frame *frame);
void filchi_frame_leave(struct frame *frame);

/* Does a callback of this pool (or a task) run on this thread? */
bool filchi_frame_is_in(const struct pool *pool);

/* In a forked child: nothing of this runs here any more. */
void filchi_frame_forget(void);

#endif
