/* executor/fork_task.c: what FILCH_FORK_TASK calls, and stolen children. */
#include "executor/fork_task.h"

#include "base/status.h"
#include "executor/execute.h"
#include "executor/frame.h"
#include "future/error.h"
#include "platform/process.h"
#include <errno.h>
#include <filch/fork.h>
#include <stdlib.h>
#include <string.h>

/* What a child had raised, announced and allocated: in its own frame, since it ran elsewhere. */
struct spoils {
    filch_error *raised;
    void *owned;
    void *allocated;
};

static struct spoils no_memory;

filch_stack *filch_stack_begin(void) {
    struct worker *worker = filchi_worker_self();
    struct frame *frame = filchi_frame_task();
    filch_stack *top = NULL;
    if (worker != NULL && frame != NULL)
        top = filchi_fork_stack_begin(worker, frame->future);
    if (top == NULL)
        (void)filch_raise(ENOMEM, "no memory for a fork stack");
    return top;
}

static void report_unsynced(uint32_t n, const char *name) {
    if (n > 0)
        (void)filch_raise(EINVAL, "'%s' has returned without a filch_sync for %u of its spawns",
                          name, n);
}

void filch_stack_end(filch_stack *top) {
    report_unsynced(filchi_fork_stack_settle(top), filchi_frame_current()->name);
    filchi_fork_stack_end(filchi_worker_self());
}

void *filchi_fork_task_run(struct worker *worker, filch_stack *child, filch_stack *top,
                           void *task) {
    struct pool *pool = pool_of_worker(worker);
    struct frame frame;
    const filch_fork_type *type = child->type;
    frame_init(&frame, pool, task, filchi_future_name(task));
    filchi_frame_enter(&frame);
    uint32_t generation = filchi_process_generation();
    type->run(top, child);
    execute_leave_if_forked(generation);
    report_unsynced(filchi_fork_stack_settle(top), type->name);
    filchi_frame_leave(&frame);
    if (likely(frame.raised == NULL && frame.owned == NULL && frame.allocated == NULL))
        return NULL;
    struct spoils *spoils = malloc(sizeof *spoils);
    if (spoils != NULL) {
        *spoils = (struct spoils){frame.raised, frame.owned, frame.allocated};
        return spoils;
    }
    filchi_error_give(pool->arena, frame.raised);
    filchi_frame_give_allocated(&frame);
    return &no_memory;
}

void filchi_fork_task_take(struct worker *worker, void *spoils) {
    struct frame *frame = filchi_frame_current();
    struct spoils left = *(struct spoils *)spoils;
    struct arena *arena = pool_of_worker(worker)->arena;
    if (spoils == &no_memory)
        left.raised = filchi_error_without_memory();
    else
        free(spoils);
    if (left.raised != NULL) {
        filchi_error_give(arena, frame->raised);
        frame->raised = left.raised;
    }
    if (left.owned != NULL)
        frame->owned = left.owned;
    if (left.allocated != NULL) {
        filchi_frame_give_allocated(frame);
        frame->allocated = left.allocated;
    }
}

void filchi_fork_task_lose(struct worker *worker, const filch_stack *child) {
    (void)worker;
    (void)filch_raise(ENOMEM, "no memory for a child of '%s', which was not called",
                      child->type == NULL ? "a task" : child->type->name);
}

/* Programs that are built for debugging end here, as of an assertion. */
void filch_stack_check_child(const filch_stack *child, const filch_fork_type *type) {
    if (child->type != NULL && strcmp(child->type->name, type->name) == 0)
        return;
    if (child->type == NULL)
        filchi_report("filch_sync(top, %s): there is no spawn left that is not synced yet",
                      type->name);
    else
        filchi_report("filch_sync(top, %s): the newest spawn is one of '%s'; sync the newest first",
                      type->name, child->type->name);
    abort();
}

void filch_stack_check_balance(const filch_stack *child, const filch_fork_type *type) {
    if (child->type == NULL)
        return;
    filchi_report("'%s' has returned without a filch_sync for its spawn of '%s'", type->name,
                  child->type->name);
    abort();
}

filch_status filch_run_future(filch_future *future, void *out, size_t size, filch_kind kind) {
    if (future == NULL)
        return filch_error_status();
    filch_status status = out == NULL ? filch_join(future)
                                      : filch_result_into(future, out, size, kind, FILCH_FOREVER);
    filch_release(future);
    return status;
}
