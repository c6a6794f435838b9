/* executor/execute.c: from PENDING to done, on a worker or inside a wait. */
#include "executor/execute.h"

#include "executor/fork_task.h"
#include "executor/frame.h"
#include "executor/lent.h"
#include "executor/process_pool/notifier.h"
#include "executor/transport.h"
#include "future/error.h"
#include "platform/clock.h"
#include "platform/process.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is left to do when a task has not simply returned a plain value. Returns: its phase. */
static COLD enum future_phase conclude(struct worker *worker, struct frame *frame, int code) {
    filch_future *future = frame->future;
    void *text;
    filchi_transport_conclude(frame, future->type, future->value, code, &text);
    if (text != NULL)
        future->extents |= BLOCK_HAS_TEXT;
    filchi_transport_drop_args(block_of(future));
    if (frame->raised == NULL) {
        count_up(&worker->counters.n_finished);
        return FUTURE_FINISHED;
    }
    count_up(&worker->counters.n_failed);
    filch_store_release(&future->error, (void *)frame->raised); /* OUTCOME */
    (void)frame_take_raised(frame);
    return FUTURE_FAILED;
}

/* The same in a pool whose workers may die: each thing is linked where it belongs before it is no longer
 * said to be the task's, and the outcome is recorded before anything goes that another run would need. */
static enum future_phase conclude_shared(struct worker *worker, struct frame *frame, int code) {
    filch_future *future = frame->future;
    void *text;
    filchi_transport_conclude(frame, future->type, future->value, code, &text);
    if (text != NULL)
        future->extents |= BLOCK_HAS_TEXT;
    (void)frame_take_allocated(frame);
    enum future_phase phase = frame->raised == NULL ? FUTURE_FINISHED : FUTURE_FAILED;
    if (phase == FUTURE_FAILED) {
        filch_store_release(&future->error, (void *)frame->raised); /* OUTCOME */
        (void)frame_take_raised(frame);
    }
    if (frame->run != NULL)
        filch_store_release(&frame->run->outcome, (uint32_t)phase); /* ANNOUNCED */
    count_up(phase == FUTURE_FINISHED ? &worker->counters.n_finished : &worker->counters.n_failed);
    filchi_transport_drop_args(block_of(future));
    return phase;
}

static inline bool is_plain(filch_kind kind) {
    return kind < FILCH_KIND_STRING;
}

/* Runs a future that this worker owns (RUNNING), up to its phase. */
static inline enum future_phase run_task(struct worker *worker, struct pool *pool,
                                         filch_future *future) {
    struct frame frame;
    count_up(&worker->counters.n_started);
    frame_init(&frame, pool, future, NULL);
    struct block *block = block_of(future);
    const filch_task_type *type = future->type;
    uint32_t generation = filchi_process_generation();
    frame.name = likely(future->options == 0) ? type->name : filchi_future_name(future);
    filchi_frame_enter(&frame);
    int code = type->run(block->args, future->value);
    execute_leave_if_forked(generation);
    filchi_frame_leave(&frame);
    if (likely(frame.raised == NULL && code == 0 && frame.allocated == NULL &&
               is_plain(type->result_kind) && (future->extents & BLOCK_HAS_ARGS) == 0)) {
        count_up(&worker->counters.n_finished);
        return FUTURE_FINISHED;
    }
    return conclude(worker, &frame, code);
}

/* A raw task, a chunk and a loop have results of their own making. */
static bool returns_value(const filch_future *future) {
    return future->type->result_kind != FILCH_KIND_UNTYPED && future->value_size > 0;
}

/* A task that may have to run again finds its strings as they were. */
static void *copy_args(struct pool *pool, const struct block *block) {
    const filch_future *future = &block->future;
    if (likely(future->options == 0) || !future->type->copies)
        return NULL;
    const struct future_options *options = arena_address(pool->arena, future->options);
    if (filch_load_relaxed(&options->retries_left) == 0)
        return NULL;
    size_t bytes = filchi_transport_size(future->type, block->args);
    void *copy = bytes == SIZE_MAX ? NULL : lend_aligned(bytes);
    if (copy != NULL)
        filchi_transport_copy(future->type, block->args, copy);
    return copy;
}

static enum future_phase run_shared_task(struct worker *worker, struct pool *pool,
                                         filch_future *future, struct run *run) {
    struct frame frame;
    struct lent lent;
    count_up(&worker->counters.n_started);
    struct block *block = block_of(future);
    frame_init(&frame, pool, future, filchi_future_name(future));
    frame.run = run;
    void *value = returns_value(future) ? lend(&lent, future->value_size) : NULL;
    void *args = copy_args(pool, block);
    uint32_t generation = filchi_process_generation();
    filchi_frame_enter(&frame);
    int code =
        future->type->run(args != NULL ? args : block->args, value != NULL ? value : future->value);
    execute_leave_if_forked(generation);
    filchi_frame_leave(&frame);
    if (value != NULL)
        memcpy(future->value, value, future->value_size);
    const struct pool_operations *operations = pool->executor->operations;
    if (operations->after_task != NULL)
        operations->after_task(worker);
    enum future_phase phase = conclude_shared(worker, &frame, code);
    if (value != NULL)
        take_back(&lent);
    free(args);
    return phase;
}

static void cancel_or_break(struct pool *pool, filch_future *future, uint32_t generation) {
    if (scheduler_flags(pool->scheduler) & SCHEDULER_BROKEN)
        filchi_future_break(future, generation);
    else
        filchi_future_cancel_pending(future, generation);
}

/* When a task that begins now must have ended; 0: it has no limit. */
static uint64_t find_deadline(const struct pool *pool, const filch_future *future) {
    if (likely(future->options == 0))
        return 0;
    const struct future_options *options = arena_address(pool->arena, future->options);
    return options->timeout_ns == 0 ? 0 : filchi_clock_ns() + options->timeout_ns;
}

/* Its time is over: the signal that ends this process is on its way. */
static COLD void await_end(void) {
    for (;;)
        pause();
}

/* Runs an entry of a shared pool, unless it is stale. From before it is RUNNING until it is delivered, it
 * is on the worker's stack of runs: that is where somebody looks if this process dies. */
static void run_recorded(struct worker *worker, struct pool *pool, uint64_t entry,
                         bool may_deliver) {
    filch_future *future = entry_future(pool->arena, entry);
    uint64_t state = filch_load_relaxed(&future->state);
    if (state_phase(state) != FUTURE_PENDING || state_generation(state) != entry_generation(entry))
        return;
    uint64_t deadline_ns = find_deadline(pool, future);
    struct run *run = intent_push_run(&worker->intent, entry, deadline_ns);
    if (unlikely(run == NULL && worker->intent.is_kept))
        return; /* no memory to say so: a wait goes on to sleep */
    if (future_try_start(future, entry_generation(entry), worker->number)) {
        const struct pool_operations *operations = pool->executor->operations;
        if (unlikely(deadline_ns != 0) && operations->limit_task != NULL)
            operations->limit_task(worker, deadline_ns); /* not before: only what runs is stopped */
        enum future_phase phase = run_shared_task(worker, pool, future, run);
        if (may_deliver && (filch_load_relaxed(&future->state) & FUTURE_SUBSCRIBED) == 0)
            filchi_worker_is_nearly_free(worker);
        if (!filchi_future_finish_shared(future, phase, may_deliver))
            await_end();
    }
    intent_pop_run(&worker->intent);
}

static void run_entry(struct worker *worker, uint64_t entry) {
    struct pool *pool = pool_of_worker(worker);
    filch_future *future = entry_future(pool->arena, entry);
    uint32_t generation = entry_generation(entry);
    if (unlikely(scheduler_flags(pool->scheduler) & (SCHEDULER_BROKEN | SCHEDULER_CANCELLING)))
        cancel_or_break(pool, future, generation);
    if (unlikely(pool->host.is_shared)) {
        run_recorded(worker, pool, entry, true);
        return;
    }
    if (!future_try_start(future, generation, worker->number)) {
        if (filch_load_relaxed(&future->state) & FUTURE_DEFERRED)
            filchi_future_deliver_deferred(future, generation);
        return;
    }
    enum future_phase phase = run_task(worker, pool, future);
    if ((filch_load_relaxed(&future->state) & FUTURE_SUBSCRIBED) == 0)
        filchi_worker_is_nearly_free(worker);
    filchi_future_finish(future, phase);
}

static void prefetch_entry(struct scheduler *scheduler, uint64_t entry) {
    char *block = (char *)entry_future(scheduler->arena, entry);
    __builtin_prefetch(block, 1);
    __builtin_prefetch(block + CACHE_LINE, 1);
}

static bool entry_is_live(void *arg, uint64_t entry) {
    struct scheduler *scheduler = arg;
    uint64_t state = filch_load_relaxed(&entry_future(scheduler->arena, entry)->state);
    return state_generation(state) == entry_generation(entry) &&
           (state_phase(state) == FUTURE_PENDING || (state & FUTURE_DEFERRED) != 0);
}

const struct scheduler_operations filchi_execute_operations = {
    .run = run_entry,
    .prefetch = prefetch_entry,
    .is_live = entry_is_live,
    .start = filchi_pool_start_worker,
    .move = filchi_pool_move_worker,
    .has_started = filchi_pool_has_started,
    .undo_start = filchi_pool_undo_start,
    .serve_mail = filchi_notifier_serve_mail,
    .run_child = filchi_fork_task_run,
    .take_spoils = filchi_fork_task_take,
    .lose_child = filchi_fork_task_lose,
};

/* Its callbacks are left to other workers: none of them may run on a stack that may hold a lock. */
void filchi_execute_inline(struct worker *worker, filch_future *future) {
    uint32_t generation = state_generation(filch_load_relaxed(&future->state));
    struct pool *pool = pool_of_worker(worker);
    uint64_t entry = entry_of(future, generation);
    if (pool->host.is_shared) {
        run_recorded(worker, pool, entry, false);
        return;
    }
    if (!future_try_start(future, generation, worker->number))
        return;
    enum future_phase phase = run_task(worker, pool, future);
    if (!filchi_future_finish_deferred(future, phase))
        return;
    struct producer *producer = &worker->producer;
    if (producer_push(producer, entry) ||
        (filchi_producer_make_room(producer) && producer_push(producer, entry))) {
        if (park_must_wake(&pool->scheduler->park))
            (void)filchi_scheduler_wake_one(pool->scheduler);
    } else {
        filchi_future_deliver_deferred(future, generation); /* no memory for the queue */
    }
}

int filchi_execute_hook(struct pool *pool, const char *name, int (*init)(void *),
                        void (*fini)(void *), void *arg, char *why, size_t why_size) {
    struct frame frame;
    frame_init(&frame, pool, NULL, name);
    filchi_frame_enter(&frame);
    uint32_t generation = filchi_process_generation();
    int code = 0;
    if (init != NULL)
        code = init(arg);
    else
        fini(arg);
    execute_leave_if_forked(generation);
    filchi_frame_leave(&frame);
    snprintf(why, why_size, "returned %d", code);
    if (frame.raised != NULL) {
        snprintf(why, why_size, "raised: %s (code %d)", frame.raised->message, frame.raised->code);
        filchi_error_give(pool->arena, frame.raised);
        return code != 0 ? code : 1;
    }
    return code;
}
