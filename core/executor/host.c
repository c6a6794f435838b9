/* executor/host.c: what futures ask of their executor: waits, callbacks, memory, delivery. */
#include "executor/host.h"

#include "base/status.h"
#include "executor/execute.h"
#include "executor/frame.h"
#include "executor/process_pool/notifier.h"
#include "executor/transport.h"
#include "future/error.h"
#include "platform/futex.h"
#include "platform/process.h"
#include "platform/stack.h"
#include "scheduler/substitute.h"
#include <errno.h>
#include <limits.h>
#include <string.h>

/* Outside threads may block; but without any worker there must be hope for one. */
static filch_status before_outside_wait(struct pool *pool) {
    struct scheduler *scheduler = pool->scheduler;
    if (park_is_attended(&scheduler->park) || !filchi_scheduler_has_work(scheduler))
        return FILCH_OK;
    int error = filchi_scheduler_wake_one(scheduler);
    /* Of a pool that has ended, or whose fork server is gone, somebody is just dropping what is queued. */
    if (error == 0 || error == ESHUTDOWN)
        return FILCH_OK;
    errno = error;
    return filchi_fail(FILCH_SYSTEM, "no worker could be started to run what is waited for: %s",
                       strerror(error));
}

static void run_here(void *future) {
    filchi_execute_inline(filchi_worker_self(), future);
}

/* A frame is put on top of a waiting one only if the lower one truly cannot go on without it: so an
 * untimed wait for one future of the same pool, and nothing else, runs it here. */
static filch_status before_wait(struct future_host *host, filch_future *future, bool is_timed) {
    struct pool *pool = pool_of_host(host);
    struct worker *worker = filchi_worker_self();
    if (!host_is_here(host))
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
        run_here(future);
    else if (!filchi_stack_call(run_here, future))
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

/* The worker whose process this is, or, in thread mode, whose thread; NULL: none. */
static struct worker *own_worker(struct future_host *host) {
    uint32_t tag = filchi_process_tag(host);
    if (tag == PROCESS_OPENER || tag == PROCESS_REAPER)
        return NULL;
    return scheduler_worker(pool_of_host(host)->scheduler, tag - 1);
}

/* A worker that leaves takes its process along, and callbacks that were to be called there. */
static void expect_call(struct future_host *host, bool is_expected) {
    struct worker *worker = own_worker(host);
    if (worker == NULL)
        return;
    if (is_expected)
        worker_expect_mail(worker);
    else
        filchi_worker_end_expected(worker);
}

static void call(struct future_host *host, filch_future *future, void (*fn)(filch_future *, void *),
                 void *arg) {
    struct pool *pool = pool_of_host(host);
    struct worker *worker = filchi_worker_self();
    struct worker *owner = host->is_shared ? own_worker(host) : NULL;
    if (worker != NULL)
        filchi_worker_is_busy(worker);
    struct frame frame;
    frame_init(&frame, pool, NULL, filchi_future_name(future));
    filchi_frame_enter(&frame);
    uint32_t generation = filchi_process_generation();
    fn(future, arg);
    if (worker != NULL)
        execute_leave_if_forked(generation);
    filchi_frame_leave(&frame);
    if (frame.raised != NULL) {
        filchi_report("a callback of task '%s' raised: %s (code %d, at %s)", frame.raised->task,
                      frame.raised->message, frame.raised->code, frame.raised->where);
        filchi_error_give(pool->arena, frame.raised);
    }
    if (owner != NULL)
        filchi_worker_end_expected(owner);
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

static void defer(struct future_host *host, filch_future *future) {
    filchi_notifier_push(pool_of_host(host)->undelivered, block_of(future));
}

/* A worker is waited for anyway. So is a worker process, with all its threads. */
static bool is_counted(struct pool *pool) {
    struct worker *worker = filchi_worker_self();
    return (worker == NULL || pool_of_worker(worker) != pool) &&
           (!pool->host.is_shared || !filchi_process_serves(&pool->host));
}

static void enter_delivery(struct future_host *host) {
    struct pool *pool = pool_of_host(host);
    if (is_counted(pool))
        filch_fetch_add_acq_rel(&pool->n_delivering, 1u);
}

static void leave_delivery(struct future_host *host) {
    struct pool *pool = pool_of_host(host);
    if (!is_counted(pool))
        return;
    /* After the subtraction the pool may be gone; waking a dead word is harmless. */
    if (filch_fetch_sub_acq_rel(&pool->n_delivering, 1u) == 1)
        filchi_futex_wake(&pool->n_delivering.value, INT_MAX, false);
}

void filchi_host_init(struct future_host *host, uint64_t spin_ns, bool is_shared) {
    *host = (struct future_host){
        .take = take,
        .call = call,
        .expect_call = is_shared ? expect_call : NULL,
        .before_wait = before_wait,
        .begin_block = begin_block,
        .end_block = end_block,
        .before_report = before_report,
        .defer = defer,
        .dispose = dispose,
        .enter_delivery = enter_delivery,
        .leave_delivery = leave_delivery,
        .spin_ns = spin_ns,
        .fork_generation = filchi_process_generation(),
        .is_shared = is_shared,
    };
}
