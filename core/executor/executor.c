/* executor/executor.c: opening, shutting down and closing, the same for every kind of pool. */
#include "base/assert.h"
#include "base/status.h"
#include "executor/block.h"
#include "executor/execute.h"
#include "executor/frame.h"
#include "executor/host.h"
#include "executor/modules.h"
#include "executor/options.h"
#include "executor/plan.h"
#include "executor/process_pool/notifier.h"
#include "executor/registry.h"
#include "executor/shared.h"
#include "platform/clock.h"
#include "platform/futex.h"
#include "platform/headroom.h"
#include "platform/memory.h"
#include "platform/process.h"
#include "platform/thread.h"
#include "scheduler/recover.h"
#include "scheduler/substitute.h"
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_ARENA_BYTES = 64 << 20 };

/* As much address space as the machine has memory: more could not be filled. */
static struct arena *open_private_arena(void) {
    size_t bytes = filchi_memory_physical();
    size_t limit = filchi_memory_address_limit();
    if (limit != SIZE_MAX && bytes > limit / 8)
        bytes = limit / 8;
    if (bytes < LEAST_ARENA_BYTES)
        bytes = LEAST_ARENA_BYTES;
    struct arena *arena = filchi_arena_open(bytes);
    while (arena == NULL && bytes > LEAST_ARENA_BYTES) {
        bytes /= 2;
        arena = filchi_arena_open(bytes);
    }
    return arena;
}

/* Half of what could be taken now, unless the program says how much. */
static struct arena *open_shared_arena(size_t memory) {
    if (memory != 0)
        return filchi_arena_open_shared(memory);
    struct headroom *headroom = filchi_headroom_open("");
    if (headroom == NULL)
        return NULL;
    size_t bytes = filchi_headroom_read(headroom) / 2;
    filchi_headroom_close(headroom);
    size_t limit = filchi_memory_address_limit();
    if (limit != SIZE_MAX && bytes > limit / 8)
        bytes = limit / 8;
    return filchi_arena_open_shared(bytes < LEAST_ARENA_BYTES ? LEAST_ARENA_BYTES : bytes);
}

filch_executor *filchi_executor_open(const struct pool_operations *operations,
                                     struct pool_opening opening, const char *function) {
    filch_executor *executor = calloc(1, sizeof *executor);
    struct arena *arena = executor == NULL        ? NULL
                          : operations->is_shared ? open_shared_arena(opening.memory)
                                                  : open_private_arena();
    size_t pool_bytes = round_up(sizeof(struct pool), CACHE_LINE);
    size_t bytes = pool_bytes + filchi_scheduler_bytes(opening.n_workers);
    struct pool *pool =
        arena == NULL
            ? NULL
            : filchi_arena_take(arena, (bytes + CHUNK_BYTES - 1) / CHUNK_BYTES, CHUNK_RUN);
    if (pool == NULL) {
        int error = errno;
        if (arena != NULL)
            filchi_arena_close(arena);
        free(executor);
        filchi_fail(FILCH_NO_MEMORY, "%s: no memory for an executor of %u workers: %s", function,
                    opening.n_workers, strerror(error));
        return NULL;
    }
    memset(pool, 0, sizeof *pool);
    filchi_host_init(&pool->host, opening.spin_ns, operations->is_shared);
    pool->roster.is_shared = operations->is_shared;
    strcpy(pool->host.broken_because, "no worker could be started"); /* until it breaks otherwise */
    pool->arena = arena;
    pool->executor = executor;
    pool->takes_pointers = operations->takes_pointers;
    pool->must_look = !operations->takes_pointers;
    pool->scheduler = (struct scheduler *)((char *)pool + pool_bytes);
    arena->owner = pool;
    filchi_scheduler_init(pool->scheduler, arena, opening.n_workers, opening.spin_ns,
                          operations->is_shared, &filchi_execute_operations);
    executor->operations = operations;
    executor->kind_data = opening.kind_data;
    executor->pool = pool;
    executor->fork_generation = filchi_process_generation();
    pthread_mutex_init(&executor->lock, NULL);
    int error = 0;
    const char *what = "the list of its modules";
    if (pool->must_look && (pool->modules = filchi_modules_open()) == NULL)
        error = ENOMEM;
    if (error == 0)
        error = filchi_registry_add(executor, &what);
    if (error == 0)
        return executor;
    filchi_modules_close(pool->modules);
    pthread_mutex_destroy(&executor->lock);
    filchi_arena_close(arena);
    free(executor);
    errno = error;
    filchi_fail(error == ENOMEM ? FILCH_NO_MEMORY : FILCH_SYSTEM, "%s: %s could not be made: %s",
                function, what, strerror(error));
    return NULL;
}

bool filchi_executor_check(const char *function, const filch_executor *executor) {
    if (likely(executor != NULL && executor->fork_generation == filchi_process_generation()))
        return true;
    if (executor != NULL && filchi_process_serves(executor->pool))
        return true;
    if (executor == NULL)
        filchi_fail(FILCH_INVALID,
                    "%s: executor is NULL; open one, for instance with "
                    "filch_thread_pool()",
                    function);
    else
        filchi_fail(FILCH_INVALID_STATE,
                    "%s: executor was opened by the parent process and does not exist in this "
                    "forked child; open one here",
                    function);
    return false;
}

filch_status filchi_executor_check_open(const char *function, struct pool *pool) {
    uint32_t flags = scheduler_flags(pool->scheduler);
    if (likely(flags == 0))
        return FILCH_OK;
    if (flags & SCHEDULER_BROKEN)
        return filchi_fail(FILCH_BROKEN, "%s: the executor is broken: %s", function,
                           pool->host.broken_because);
    return filchi_fail(FILCH_SHUTDOWN, "%s: the executor has been shut down and takes no new tasks",
                       function);
}

/* An entry of a future that has ended may be there for its delivery. In a shared pool that is the
 * notifier's, and such an entry is only stale. */
static void deliver_entry(const struct pool *pool, filch_future *future, uint32_t generation) {
    if (!pool->host.is_shared && (filch_load_relaxed(&future->state) & FUTURE_DEFERRED))
        filchi_future_deliver_deferred(future, generation);
}

static void break_entry(void *arg, uint64_t entry) {
    const struct pool *pool = arg;
    filch_future *future = entry_future(pool->arena, entry);
    if (!filchi_future_break(future, entry_generation(entry)))
        deliver_entry(pool, future, entry_generation(entry));
}

static void cancel_entry(void *arg, uint64_t entry) {
    const struct pool *pool = arg;
    filch_future *future = entry_future(pool->arena, entry);
    if (!filchi_future_cancel_pending(future, entry_generation(entry)))
        deliver_entry(pool, future, entry_generation(entry));
}

void filchi_pool_fail_queued(struct pool *pool) {
    /* ASLEEP: a push that still saw the worker claimed whose start has failed is seen here, also while
     * it lies in a store buffer. */
    filchi_barrier_heavy(&pool->scheduler->park.barrier);
    pool->host.enter_delivery(&pool->host);
    filchi_scheduler_drain(pool->scheduler, break_entry, pool);
    pool->host.leave_delivery(&pool->host);
}

void filchi_pool_drop_queued(struct pool *pool) {
    uint32_t flags = scheduler_flags(pool->scheduler);
    if (flags & SCHEDULER_BROKEN)
        filchi_scheduler_drain(pool->scheduler, break_entry, pool);
    else if (flags & SCHEDULER_CANCELLING)
        filchi_scheduler_drain(pool->scheduler, cancel_entry, pool);
}

void filchi_pool_break(struct pool *pool, const char *format, ...) {
    uint32_t whole = 0;
    if (!filch_cas_acq_rel(&pool->broken_by, &whole, claim_of(filchi_process_tag(pool))))
        return;
    va_list list;
    va_start(list, format);
    vsnprintf(pool->host.broken_because, sizeof pool->host.broken_because, format, list);
    va_end(list);
    filchi_scheduler_set_flag(pool->scheduler, SCHEDULER_BROKEN); /* publishes the text, too */
    filchi_scheduler_drain(pool->scheduler, break_entry, pool);
}

void filchi_pool_break_for(struct pool *pool, const struct worker *dead) {
    uint32_t tag = dead->number + 1;
    if (filch_load_acquire(&pool->broken_by) != claim_of(tag) ||
        (scheduler_flags(pool->scheduler) & SCHEDULER_BROKEN) != 0)
        return;
    snprintf(pool->host.broken_because, sizeof pool->host.broken_because,
             "worker %u died when it had begun to break the pool", dead->number);
    filchi_scheduler_set_flag(pool->scheduler, SCHEDULER_BROKEN); /* publishes the text, too */
}

int filchi_pool_start_worker(struct worker *worker) {
    struct pool *pool = pool_of_worker(worker);
    struct park *park = &worker->producer.scheduler->park;
    if (!filchi_roster_add(&pool->roster, worker->number))
        return ESHUTDOWN;
    /* Before it runs: it may sleep, or be gone again, before this thread goes on. */
    filchi_park_set_taken(park, worker->seat, true); /* SAT */
    int error = pool->executor->operations->start_worker(pool->executor, worker);
    if (error != 0) {
        filchi_park_set_taken(park, worker->seat, false);
        filchi_roster_drop(&pool->roster, worker->number);
    }
    return error;
}

bool filchi_pool_has_started(const struct worker *worker) {
    const filch_executor *executor = pool_of_worker(worker)->executor;
    return executor->operations->has_started(executor, worker);
}

void filchi_pool_undo_start(struct worker *worker) {
    filchi_roster_drop(&pool_of_worker(worker)->roster, worker->number);
}

void filchi_pool_worker_failed(struct worker *worker, int error) {
    struct pool *pool = pool_of_worker(worker);
    struct scheduler *scheduler = pool->scheduler;
    filchi_scheduler_vacate(worker);
    filchi_pool_worker_left(pool->executor, worker);
    if (park_is_attended(&scheduler->park) || !filchi_scheduler_has_work(scheduler))
        return; /* whoever is awake will come to it */
    filchi_pool_break(pool, "no worker could be started: %s", strerror(error));
    filchi_pool_fail_queued(pool); /* if it was broken before, what came since */
}

/* If even now no worker can be started, the work fails with the reason. */
static void start_first_worker(struct pool *pool) {
    int error = filchi_scheduler_wake_one(pool->scheduler);
    /* Another thread has ended the pool meanwhile: all that was accepted is done, and what is queued
     * belongs to submitters that are just taking it back. */
    if (error == 0 || error == ESHUTDOWN)
        return;
    filchi_pool_break(pool, "no worker could be started: %s", strerror(error));
    filchi_pool_fail_queued(pool); /* if it was broken before, what came since */
}

void filchi_pool_attend(struct pool *pool) {
    struct scheduler *scheduler = pool->scheduler;
    if (!park_is_attended(&scheduler->park) && filchi_scheduler_has_work(scheduler))
        start_first_worker(pool);
}

void filchi_pool_move_worker(struct worker *worker) {
    filch_executor *executor = pool_of_worker(worker)->executor;
    executor->operations->move_worker(executor, worker);
}

void filchi_pool_worker_left(filch_executor *executor, struct worker *worker) {
    struct pool *pool = executor->pool;
    uint32_t slot = worker->number;
    filchi_roster_drop(&pool->roster, slot);
    filchi_substitute_free_slot(worker);
}

/* Does the calling thread run a task or callback of this pool, or belong to a process that does? Then it
 * must not wait for its end. */
static bool is_inside(const struct pool *pool) {
    struct worker *worker = filchi_worker_self();
    return (worker != NULL && pool_of_worker(worker) == pool) || filchi_frame_is_in(pool) ||
           filchi_process_serves(pool);
}

/* Is there work that no worker has ever been started for? A worker that has left has looked after the
 * flag was set, and its seat stays taken; what is queued after that is taken back by its submitter. */
static bool needs_first_worker(filch_executor *executor) {
    struct scheduler *scheduler = executor->pool->scheduler;
    return filchi_roster_count(&executor->pool->roster) == 0 &&
           !park_is_attended(&scheduler->park) && !filchi_scheduler_is_drained(scheduler);
}

/* Returns: true if nothing is left to run; no worker is started any more then. */
static bool try_end(filch_executor *executor) {
    struct roster *roster = &executor->pool->roster;
    pthread_mutex_lock(&executor->lock);
    /* What is queued once it has ended is taken back by its submitter. */
    bool has_ended =
        roster_has_ended(roster) || (filchi_roster_count(roster) == 0 &&
                                     !needs_first_worker(executor) && filchi_roster_end(roster));
    pthread_mutex_unlock(&executor->lock);
    return has_ended;
}

static filch_status await_workers(filch_executor *executor, uint64_t deadline_ns) {
    while (filchi_roster_await_none(&executor->pool->roster, deadline_ns)) {
        if (try_end(executor))
            return FILCH_OK;
        if (needs_first_worker(executor))
            start_first_worker(executor->pool);
        filchi_thread_yield(); /* to another thread that is starting one */
    }
    return FILCH_TIMEOUT;
}

static filch_status await_deliveries(struct pool *pool, uint64_t deadline_ns) {
    if (pool->undelivered != NULL &&
        filchi_notifier_await(pool->undelivered, deadline_ns) != FILCH_OK)
        return FILCH_TIMEOUT;
    bool in_time = true;
    for (;;) {
        uint32_t n = filch_load_acquire(&pool->n_delivering);
        if (n == 0)
            return FILCH_OK;
        if (!in_time)
            return FILCH_TIMEOUT;
        in_time = filchi_futex_wait(&pool->n_delivering.value, n, deadline_ns, false);
    }
}

static void join_once(filch_executor *executor) {
    pthread_mutex_lock(&executor->lock);
    if (!executor->is_joined)
        executor->operations->join_workers(executor);
    executor->is_joined = true;
    pthread_mutex_unlock(&executor->lock);
}

filch_status filch_shutdown_with(filch_executor *executor, const filch_shutdown_options *given) {
    const char *function = "filch_shutdown";
    if (!filchi_executor_check(function, executor))
        return filch_error_status();
    filch_shutdown_options options;
    filch_status status = filchi_options_read(function, &options, sizeof options, given);
    double seconds;
    if (status == FILCH_OK)
        status = filchi_options_timeout(function, "timeout", options.timeout, &seconds);
    if (status != FILCH_OK)
        return status;
    struct pool *pool = executor->pool;
    uint64_t deadline_ns = filchi_clock_deadline(seconds);
    uint32_t flags = SCHEDULER_STOPPING | (options.cancel_futures ? SCHEDULER_CANCELLING : 0);
    filchi_scheduler_set_flag(pool->scheduler, flags);
    if (options.cancel_futures) {
        pool->host.enter_delivery(&pool->host);
        filchi_scheduler_drain(pool->scheduler, cancel_entry, pool);
        pool->host.leave_delivery(&pool->host);
    }
    if (is_inside(pool))
        return FILCH_OK;
    if (options.no_wait) {
        /* Accepted work is completed, so somebody must be there to do it. */
        if (needs_first_worker(executor))
            start_first_worker(executor->pool);
        return FILCH_OK;
    }
    /* A worker of another pool makes room meanwhile, as in any wait. */
    struct worker *worker = filchi_worker_self();
    if (worker != NULL)
        (void)filchi_substitute_leave(worker);
    status = await_workers(executor, deadline_ns);
    if (status == FILCH_OK)
        status = await_deliveries(pool, deadline_ns);
    if (worker != NULL)
        filchi_substitute_return(worker);
    if (status != FILCH_OK)
        return filchi_fail(status, "filch_shutdown: tasks are still running after the time limit; "
                                   "call it again to wait on");
    join_once(executor);
    return FILCH_OK;
}

/* Gives the arena to the futures that outlive the executor; the last of them unmaps it. */
static void leave_arena(struct pool *pool) {
    struct scheduler *scheduler = pool->scheduler;
    struct arena *arena = pool->arena;
    uint64_t n_live = 0;
    for (uint32_t i = 0, n = scheduler_n_made(scheduler); i < n; i++) {
        struct worker *worker = scheduler_worker(scheduler, i);
        if (worker != NULL)
            n_live += filchi_heap_retire(&worker->producer.futures);
    }
    struct producer *producer = (struct producer *)filch_load_acquire(&scheduler->outside);
    for (; producer != NULL; producer = producer->next)
        n_live += filchi_heap_retire(&producer->futures);
    n_live += filchi_shared_leave(pool);
    filchi_arena_expect(arena, n_live);
}

void filch_close(filch_executor *executor) {
    if (executor == NULL || (executor->fork_generation != filchi_process_generation() &&
                             !filchi_process_serves(executor->pool)))
        return;
    bool inside = is_inside(executor->pool);
    filch_status status = filch_shutdown_with(executor, NULL);
    if (inside)
        return;
    check(status == FILCH_OK);
    filchi_registry_remove(executor);
    executor->operations->close(executor);
    pthread_mutex_destroy(&executor->lock);
    struct pool *pool = executor->pool;
    pool->executor = NULL;
    filchi_modules_close(pool->modules);
    filchi_plan_free(executor->plan);
    free(executor);
    leave_arena(pool);
}

static filch_status end_workers(const char *function, filch_executor *executor, int number) {
    if (!filchi_executor_check(function, executor))
        return filch_error_status();
    const struct pool_operations *operations = executor->operations;
    if (operations->end_workers == NULL)
        return filchi_fail(FILCH_UNSUPPORTED, "%s: a %s cannot end its workers; use a process pool",
                           function, operations->kind);
    struct pool *pool = executor->pool;
    filchi_pool_break(pool, "its workers were ended by %s", function);
    operations->end_workers(executor, number, !is_inside(pool));
    return FILCH_OK;
}

filch_status filch_terminate_workers(filch_executor *executor) {
    return end_workers("filch_terminate_workers", executor, SIGTERM);
}

filch_status filch_kill_workers(filch_executor *executor) {
    return end_workers("filch_kill_workers", executor, SIGKILL);
}

void filch_scope_close(filch_executor **executor) {
    filch_close(*executor);
}

filch_executor *filch_scope_end(filch_executor *executor) {
    static char left; /* any address but NULL ends the scope's loop */
    if (executor == NULL && !filchi_failure_was_read() && filch_error_status() != FILCH_OK)
        filchi_report("filch_with: the executor did not open: %s", filch_error_message());
    return (filch_executor *)&left;
}
