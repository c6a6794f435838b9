/* executor/range.c: filch_for. range.h says how. */
#include "executor/range.h"

#include "base/status.h"
#include "executor/modules.h"
#include "executor/submit.h"
#include "executor/transport.h"
#include "future/error.h"
#include "platform/clock.h"
#include "platform/process.h"
#include "scheduler/slots.h"
#include <filch/collect.h>
#include <stdarg.h>
#include <string.h>

static const char function[] = "filch_for";

enum { HELPERS_PER_HELPER = 2, PIECES_LEFT = 2 };

static int run_helper(const void *args, void *result);

static const filch_task_type helper_type = {
    .name = "filch_for",
    .run = run_helper,
    .args_size = sizeof(struct range_part *) * 2,
    .result_align = 1,
    .result_kind = FILCH_KIND_VOID,
};

/* What a helper is told. */
struct helper_args {
    struct range *range;
    struct range_part *part;
};
_Static_assert(sizeof(struct helper_args) == sizeof(struct range_part *) * 2, "see helper_type");

/* Returns: true if something was left that nobody will run. */
static bool end_range(struct range *range) {
    uint64_t next = filch_load_relaxed(&range->next);
    while (next != range->n)
        if (filch_cas_relaxed(&range->next, &next, (uint64_t)range->n))
            return true;
    return false;
}

/* Claims the next piece. Returns: its number of items, 0 if none is left. */
static size_t claim(struct range *range, struct grain *grain, size_t *begin) {
    uint64_t next = filch_load_relaxed(&range->next);
    struct grain tried;
    size_t n;
    do {
        size_t left = range->n - (size_t)next;
        if (left == 0)
            return 0;
        tried = *grain;
        n = grain_next(&tried, left, left / (PIECES_LEFT * (size_t)range->n_parts), SIZE_MAX);
    } while (!filch_cas_relaxed(&range->next, &next, next + n));
    *grain = tried;
    *begin = range->begin + (size_t)next;
    return n;
}

bool filchi_range_has(const filch_future *future, const filch_error *error) {
    if (future->type != &helper_type)
        return false;
    const struct helper_args *args = (const void *)block_of((filch_future *)future)->room;
    return args->part->error == error;
}

/* One helper more, if there is something for it. Without one the others do its share. */
static void call_helper(struct range *range) {
    if (filch_load_relaxed(&range->next) == range->n)
        return;
    uint32_t at = filch_load_relaxed(&range->n_claimed);
    do {
        if (at == range->n_parts)
            return;
    } while (!filch_cas_acq_rel(&range->n_claimed, &at, at + 1));
    struct range_part *part = &range->parts[at];
    struct producer *producer;
    filch_future *future = filchi_submit_take_block(function, range->pool, &helper_type, &producer);
    if (future == NULL)
        return;
    struct block *block = block_of(future);
    const struct helper_args args = {range, part};
    memcpy(block->room, &args, sizeof args);
    block->args = block->room;
    future->value = block->room;
    future->value_size = 0;
    if (filchi_submit_queue(function, range->pool, future) == FILCH_OK)
        filch_store_release(&part->future, (void *)future); /* HELPER */
}

static bool is_stopped(const filch_future *task) {
    return task != NULL && (filch_load_relaxed(&task->state) & FUTURE_CANCEL_REQUESTED) != 0;
}

/* Runs pieces until none is left or one fails, or `task` (NULL: none) is to stop. Returns: true if it
 * stopped before the end. */
static bool take_part(struct range *range, struct range_part *part, const filch_future *task) {
    struct frame *frame = filchi_frame_current();
    struct grain grain = {0, 0};
    uint32_t generation = filchi_process_generation();
    uint64_t before = filchi_clock_ns();
    size_t begin, n;
    while ((n = claim(range, &grain, &begin)) > 0) {
        part->began_at = begin;
        range->body(begin, begin + n, range->arg);
        if (unlikely(generation != filchi_process_generation()))
            return false; /* the body forked, and this is the child */
        if (unlikely(frame->raised != NULL)) {
            part->error = frame->raised;
            (void)frame_take_raised(frame);
            (void)end_range(range);
            return false;
        }
        if (unlikely(is_stopped(task)) && end_range(range))
            return true;
        uint64_t now = filchi_clock_ns();
        grain_note(&grain, n, now - before);
        before = now;
    }
    return false;
}

static int run_helper(const void *args, void *result) {
    (void)result;
    const struct helper_args *helper = args;
    bool calls_others = !helper->range->pool->host.is_shared;
    for (int i = 0; calls_others && i < HELPERS_PER_HELPER; i++)
        call_helper(helper->range);
    helper->part->has_begun = true;
    filch_fence_compiler();
    (void)take_part(helper->range, helper->part, NULL);
    return 0;
}

/* A worker of another executor that may not block any more does all by itself: what helpers run may wait
 * for what it keeps from running. */
static bool may_have_helpers(const struct range *range) {
    const struct worker *self = filchi_worker_self();
    return self == NULL || pool_of_worker(self) == range->pool ||
           filchi_slots_count_absent(self->producer.scheduler) < SUBSTITUTES;
}

/* A helper that nobody started leaves a stale entry. On top of the caller's own deque it goes at once,
 * since a task may run many loops before its worker looks there. */
static void drop_entry(struct range *range, const filch_future *future) {
    struct worker *self = filchi_worker_self();
    if (self == NULL || pool_of_worker(self) != range->pool)
        return;
    uint32_t generation = state_generation(filch_load_relaxed(&future->state));
    (void)deque_drop_newest(&self->producer.deque, entry_of(future, generation));
}

static PRINTF_LIKE(2, 3) filch_error *make_error(struct pool *pool, const char *format, ...) {
    struct producer *producer = filchi_pool_producer(pool);
    va_list list;
    va_start(list, format);
    filch_error *error = filchi_error_new(producer == NULL ? NULL : &producer->extents, function, 0,
                                          -1, "", 0, format, list);
    va_end(list);
    return error;
}

/* A helper whose process died has failed in the piece that it ran, also where that has broken the pool; one
 * that was lost before it began is no loss. */
static void take_failure(struct range *range, struct range_part *part, filch_future *future) {
    uint64_t state = future_state(future);
    filch_store_relaxed(&future->looked_at, 1u);
    if (state_phase(state) != FUTURE_FAILED || part->error != NULL)
        return;
    if (state & FUTURE_BROKEN) {
        if (part->has_begun)
            part->error = make_error(range->pool, "%s", range->pool->host.broken_because);
        return;
    }
    part->error = (filch_error *)filch_load_acquire(&future->error);
    filch_store_relaxed(&future->error,
                        NULL); /* it is DELIVERED, or who delivers reads it no more */
}

/* After this nobody refers to the range. */
static void await_helpers(struct range *range, bool are_to_stop) {
    for (uint32_t i = 1; i < filch_load_acquire(&range->n_claimed); i++) {
        filch_future *future =
            (filch_future *)filch_load_acquire(&range->parts[i].future); /* HELPER */
        if (future == NULL)
            continue;
        bool is_pending = state_phase(future_state(future)) == FUTURE_PENDING;
        if ((is_pending || are_to_stop) && filch_cancel(future))
            drop_entry(range, future);
        /* If no worker more may block, this one has to: what it waits for runs elsewhere. */
        else if (filchi_future_await(future, FILCHI_NEVER) != FILCH_OK)
            filchi_future_await_outcome(future);
        take_failure(range, &range->parts[i], future);
        filch_release(future);
    }
}

/* The failure with the lowest index; the others go. */
static filch_status conclude(struct range *range, bool is_stopped_early) {
    struct range_part *first = NULL;
    for (uint32_t i = 0; i < range->n_parts; i++) {
        struct range_part *part = &range->parts[i];
        if (part->error != NULL && (first == NULL || part->began_at < first->began_at))
            first = part;
    }
    filch_status status = FILCH_OK;
    if (first != NULL)
        status =
            filchi_fail(FILCH_FAILED, "%s: the body failed in the piece from %zu on: %s (code %d)",
                        function, first->began_at, first->error->message, first->error->code);
    else if (is_stopped_early)
        status = filchi_fail(FILCH_CANCELLED,
                             "%s: somebody asked to cancel the task that called it", function);
    for (uint32_t i = 0; i < range->n_parts; i++)
        filchi_error_give(range->pool->arena, range->parts[i].error);
    return status;
}

/* The first one calls the others; but helpers that belong to other processes could go with those. */
static void call_helpers(struct range *range) {
    uint32_t n = range->pool->host.is_shared ? range->n_parts - 1 : 1;
    for (uint32_t i = 0; i < n; i++)
        call_helper(range);
}

/* In a frame of its own, so that what the body raises is this call's and not the task's. Outside of
 * tasks a block in INIT stands for the task that bodies are to be inside of; it keeps the arena, too. */
static filch_status run_range(struct range *range, filch_future *root) {
    const struct frame *outer = filchi_frame_task();
    const filch_future *task = outer == NULL ? NULL : outer->future;
    struct frame frame;
    frame_init(&frame, range->pool, outer == NULL ? root : outer->future, function);
    uint32_t generation = filchi_process_generation();
    filchi_frame_enter(&frame);
    if (may_have_helpers(range))
        call_helpers(range);
    bool is_stopped_early = take_part(range, &range->parts[0], task);
    if (generation != filchi_process_generation())
        return filchi_fail(FILCH_INVALID_STATE,
                           "%s: the body forked, and in the child nobody works for this executor",
                           function);
    filchi_frame_leave(&frame);
    if (frame.allocated != NULL)
        filchi_extent_give(range->pool->arena, frame.allocated);
    await_helpers(range, is_stopped_early);
    return conclude(range, is_stopped_early);
}

static filch_status check_arguments(const filch_executor *executor, size_t begin, size_t end,
                                    void (*body)(size_t, size_t, void *), const void *arg) {
    if (!filchi_executor_check(function, executor))
        return filch_error_status();
    if (body == NULL)
        return filchi_fail(FILCH_INVALID, "%s: body is NULL", function);
    if (begin > end)
        return filchi_fail(FILCH_INVALID, "%s: begin is %zu and end is %zu; pass begin <= end",
                           function, begin, end);
    filch_status status = filchi_executor_check_open(function, executor->pool);
    if (status == FILCH_OK)
        status = filchi_modules_check_code(function, executor->pool, "body", (void (*)(void))body);
    if (status == FILCH_OK)
        status = filchi_transport_check_pointer(function, executor->pool, "arg", arg);
    return status;
}

static uint32_t count_parts(const struct pool *pool, size_t n) {
    const struct worker *self = filchi_worker_self();
    bool is_own = self != NULL && pool_of_worker(self) == pool;
    size_t n_helpers = pool->scheduler->n_seats - (is_own ? 1 : 0);
    return 1 + (uint32_t)(n_helpers < n - 1 ? n_helpers : n - 1);
}

filch_status filch_for(filch_executor *executor, size_t begin, size_t end,
                       void (*body)(size_t begin, size_t end, void *arg), void *arg) {
    filch_status status = check_arguments(executor, begin, end, body, arg);
    if (status != FILCH_OK || begin == end)
        return status;
    struct pool *pool = executor->pool;
    struct producer *producer;
    filch_future *root = filchi_submit_take_block(function, pool, &helper_type, &producer);
    if (root == NULL)
        return filch_error_status();
    uint32_t n_parts = count_parts(pool, end - begin);
    size_t parts_bytes = n_parts * sizeof(struct range_part);
    struct range *range = filchi_extent_take(&producer->extents, sizeof *range + parts_bytes);
    if (range == NULL) {
        filchi_submit_give_back(root);
        return filchi_fail(FILCH_NO_MEMORY, "%s: no memory for %u helpers", function, n_parts);
    }
    range->body = body;
    range->arg = arg;
    range->pool = pool;
    range->begin = begin;
    range->n = end - begin;
    range->n_parts = n_parts;
    filch_store_relaxed(&range->next, (uint64_t)0);
    filch_store_relaxed(&range->n_claimed, 1u);
    memset(range->parts, 0, parts_bytes);
    status = run_range(range, root);
    filchi_extent_give(pool->arena, range);
    filchi_submit_give_back(root); /* last: the pool may live by this block alone */
    return status;
}
