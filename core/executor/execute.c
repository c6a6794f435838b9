/* executor/execute.c: from PENDING to done, and what waits inside a worker may do. */
#include "executor/execute.h"

#include "base/status.h"
#include "executor/frame.h"
#include "executor/transport.h"
#include "future/error.h"
#include "platform/futex.h"
#include "platform/process.h"
#include "platform/stack.h"
#include "scheduler/substitute.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    return FUTURE_FAILED;
}

static inline bool is_plain(filch_kind kind) {
    return kind < FILCH_KIND_STRING;
}

/* The program's code has returned on a worker. If it forked, this may be the child, where the pool
 * does not exist and this is the only thread: what would be the end of the worker is its end. */
static inline void leave_if_forked(uint32_t generation) {
    if (unlikely(generation != filchi_process_generation()))
        exit(EXIT_SUCCESS);
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
    leave_if_forked(generation);
    filchi_frame_leave(&frame);
    if (likely(frame.raised == NULL && code == 0 && frame.allocated == NULL &&
               is_plain(type->result_kind) && (future->extents & BLOCK_HAS_ARGS) == 0)) {
        count_up(&worker->counters.n_finished);
        return FUTURE_FINISHED;
    }
    return conclude(worker, &frame, code);
}

static void cancel_or_break(struct pool *pool, filch_future *future, uint32_t generation) {
    if (scheduler_flags(pool->scheduler) & SCHEDULER_BROKEN)
        filchi_future_break(future, generation);
    else
        filchi_future_cancel_pending(future, generation);
}

static void run_entry(struct worker *worker, uint64_t entry) {
    struct pool *pool = pool_of_worker(worker);
    filch_future *future = entry_future(pool->arena, entry);
    uint32_t generation = entry_generation(entry);
    if (unlikely(scheduler_flags(pool->scheduler) & (SCHEDULER_BROKEN | SCHEDULER_CANCELLING)))
        cancel_or_break(pool, future, generation);
    if (!future_try_start(future, generation, worker->number)) {
        if (filch_load_relaxed(&future->state) & FUTURE_DEFERRED)
            filchi_future_deliver_deferred(future, generation);
        return;
    }
    enum future_phase phase = run_task(worker, pool, future);
    if ((filch_load_relaxed(&future->state) & FUTURE_SUBSCRIBED) == 0)
        filchi_worker_is_nearly_free(worker);
    intent_announce(&worker->intent, INTENT_FINISH, &entry, 1);
    filchi_future_finish(future, phase);
    intent_clear(&worker->intent);
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
};

/* Runs a pending future right here, on top of the task that waits for it. Its callbacks are left to
 * other workers: none of them may run on a stack that may hold a lock. */
static void run_inline(void *arg) {
    filch_future *future = arg;
    struct worker *worker = filchi_worker_self();
    uint32_t generation = state_generation(filch_load_relaxed(&future->state));
    if (!future_try_start(future, generation, worker->number))
        return;
    struct pool *pool = pool_of_worker(worker);
    enum future_phase phase = run_task(worker, pool, future);
    if (!filchi_future_finish_deferred(future, phase))
        return;
    uint64_t entry = entry_of(future, generation);
    struct producer *producer = &worker->producer;
    if (producer_push(producer, entry) ||
        (filchi_producer_make_room(producer) && producer_push(producer, entry))) {
        if (park_must_wake(&pool->scheduler->park))
            (void)filchi_scheduler_wake_one(pool->scheduler);
    } else {
        filchi_future_deliver_deferred(future, generation); /* no memory for the queue */
    }
}

/* Outside threads may block; but without any worker there must be hope for one. */
static filch_status before_outside_wait(struct pool *pool) {
    struct scheduler *scheduler = pool->scheduler;
    if (park_is_attended(&scheduler->park) || !filchi_scheduler_has_work(scheduler))
        return FILCH_OK;
    int error = filchi_scheduler_wake_one(scheduler);
    if (error == 0)
        return FILCH_OK;
    errno = error;
    return filchi_fail(FILCH_SYSTEM, "no worker could be started to run what is waited for: %s",
                       strerror(error));
}

/* A frame is put on top of a waiting one only if the lower one truly cannot go on without it: so an
 * untimed wait for one future of the same pool, and nothing else, runs it here. */
static filch_status before_wait(struct future_host *host, filch_future *future, bool is_timed) {
    struct pool *pool = pool_of_host(host);
    struct worker *worker = filchi_worker_self();
    if (host->fork_generation != filchi_process_generation())
        return filchi_fail(FILCH_INVALID_STATE,
                           "what is waited for belongs to an executor of the parent process, and "
                           "nobody works for it in this forked child");
    if (worker != NULL)
        filchi_worker_is_busy(worker);
    if (worker == NULL || pool_of_worker(worker) != pool)
        return before_outside_wait(pool);
    uint64_t state = future_state(future);
    if (state_phase(state) == FUTURE_RUNNING && state_owner(state) == worker->number)
        return filchi_fail(FILCH_INVALID_STATE,
                           "task '%s' waits for itself: the future that is waited for runs below "
                           "on the same stack",
                           filchi_future_name(future));
    if (is_timed || state_phase(state) != FUTURE_PENDING)
        return FILCH_OK;
    filchi_substitute_return(worker);
    if (worker->seat == SEAT_NONE)
        return FILCH_OK; /* it may start nothing; who sits will */
    if (!filchi_stack_is_short())
        run_inline(future);
    else if (!filchi_stack_call(run_inline, future))
        return filchi_fail(FILCH_NO_MEMORY,
                           "no memory for more stack to run task '%s' inside a "
                           "wait",
                           filchi_future_name(future));
    return FILCH_OK;
}

/* A worker that sleeps would keep others from its seat, and what it waits for may be among what they
 * would run: without a substitute no wait may block, not even for a future that runs elsewhere, since
 * that one may wait in its turn for what is queued, without a seat. */
static filch_status begin_block(struct future_host *host) {
    (void)host;
    struct worker *worker = filchi_worker_self();
    int error = worker == NULL ? 0 : filchi_substitute_leave(worker);
    if (likely(error == 0))
        return FILCH_OK;
    if (error == EBUSY) {
        errno = ENOMEM;
        return filchi_fail(FILCH_NO_MEMORY,
                           "this wait inside a task would block one worker more, and %d of its "
                           "pool are blocked already, the limit; let fewer tasks wait at a time, "
                           "or wait outside of tasks",
                           SUBSTITUTES);
    }
    errno = error;
    return filchi_fail(FILCH_SYSTEM,
                       "this wait inside a task would block its worker, and no other one could be "
                       "started in its place: %s",
                       strerror(error));
}

static void end_block(struct future_host *host) {
    (void)host;
    struct worker *worker = filchi_worker_self();
    if (worker != NULL)
        filchi_substitute_return(worker);
}

static void *take(struct future_host *host, size_t bytes) {
    struct producer *producer = filchi_pool_producer(pool_of_host(host));
    return producer == NULL ? NULL : filchi_extent_take(&producer->extents, bytes);
}

static void call(struct future_host *host, filch_future *future, void (*fn)(filch_future *, void *),
                 void *arg) {
    struct pool *pool = pool_of_host(host);
    struct worker *worker = filchi_worker_self();
    if (worker != NULL)
        filchi_worker_is_busy(worker);
    struct frame frame;
    frame_init(&frame, pool, NULL, filchi_future_name(future));
    filchi_frame_enter(&frame);
    uint32_t generation = filchi_process_generation();
    fn(future, arg);
    if (worker != NULL)
        leave_if_forked(generation);
    filchi_frame_leave(&frame);
    if (frame.raised != NULL) {
        filchi_report("a callback of task '%s' raised: %s (code %d, at %s)", frame.raised->task,
                      frame.raised->message, frame.raised->code, frame.raised->where);
        filchi_error_give(pool->arena, frame.raised);
    }
}

static void before_report(struct future_host *host) {
    (void)host;
    struct worker *worker = filchi_worker_self();
    if (worker != NULL)
        filchi_worker_is_busy(worker);
}

static void dispose(struct future_host *host, filch_future *future) {
    (void)host;
    filchi_transport_dispose(block_of(future));
}

static void enter_delivery(struct future_host *host) {
    struct pool *pool = pool_of_host(host);
    struct worker *worker = filchi_worker_self();
    if (worker == NULL || pool_of_worker(worker) != pool)
        filch_fetch_add_acq_rel(&pool->n_delivering, 1u);
}

static void leave_delivery(struct future_host *host) {
    struct pool *pool = pool_of_host(host);
    struct worker *worker = filchi_worker_self();
    if (worker != NULL && pool_of_worker(worker) == pool)
        return;
    /* After the subtraction the pool may be gone; waking a dead word is harmless. */
    if (filch_fetch_sub_acq_rel(&pool->n_delivering, 1u) == 1)
        filchi_futex_wake(&pool->n_delivering.value, INT_MAX, false);
}

void filchi_execute_host(struct future_host *host, uint64_t spin_ns, bool is_shared) {
    *host = (struct future_host){
        .take = take,
        .call = call,
        .before_wait = before_wait,
        .begin_block = begin_block,
        .end_block = end_block,
        .before_report = before_report,
        .dispose = dispose,
        .enter_delivery = enter_delivery,
        .leave_delivery = leave_delivery,
        .spin_ns = spin_ns,
        .fork_generation = filchi_process_generation(),
        .is_shared = is_shared,
    };
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
    leave_if_forked(generation);
    filchi_frame_leave(&frame);
    snprintf(why, why_size, "returned %d", code);
    if (frame.raised != NULL) {
        snprintf(why, why_size, "raised: %s (code %d)", frame.raised->message, frame.raised->code);
        filchi_error_give(pool->arena, frame.raised);
        return code != 0 ? code : 1;
    }
    return code;
}
