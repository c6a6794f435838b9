/* executor/submit_many.c: n tasks in one call, all or none.
 *
 * All blocks are made in INIT, so that whatever can fail fails before anybody sees one; then room is
 * reserved, all are published and put behind the bottom of the thread's deque, and one store of the
 * bottom shows them.
 *
 * The pool may end between the look at its flags and that store. As in a single submit the flags are
 * read again after the push (STOPPED). If they are set, all n are taken back by one CAS of the deque's
 * top, which succeeds only if nobody has taken one of them: then none runs, and the call fails. If it
 * fails, somebody has taken one. A worker that did has seen the bottom behind all of them, and leaves
 * only when it has seen the deque empty, so each is run by it or by somebody who took it before; who
 * breaks the pool or cancels what is queued goes on until the deque is empty. So all n are accepted.
 * A worker's own deque is popped by that worker before it leaves, so there all n are accepted. */
#include "base/assert.h"
#include "base/status.h"
#include "executor/submit.h"
#include <errno.h>
#include <stdint.h>
#include <string.h>

static const char function[] = "filch_submit_many";

static filch_status give_all_back(filch_future **futures, size_t n, filch_status status) {
    for (size_t i = 0; i < n; i++) {
        filchi_submit_give_back(futures[i]); /* the last one may be all that keeps the pool */
        futures[i] = NULL;
    }
    return status;
}

filch_status filch_many_open(filch_executor *executor, bool has_items, size_t n,
                             filch_future **futures) {
    if (!filchi_executor_check(function, executor))
        return filch_error_status();
    if (n > 0 && (!has_items || futures == NULL))
        return filchi_fail(FILCH_INVALID, "%s: %s is NULL, but n is %zu", function,
                           has_items ? "futures" : "items", n);
    if (n > PTRDIFF_MAX / sizeof *futures)
        return filchi_fail(FILCH_INVALID, "%s: n is %zu, more than an array can have", function, n);
    if (n > 0)
        memset(futures, 0, n * sizeof *futures);
    return filchi_executor_check_open(function, executor->pool);
}

filch_status filch_many_add(filch_executor *executor, const filch_task_type *type, const void *args,
                            size_t i, filch_future **futures) {
    futures[i] = filchi_submit_pack(function, executor, type, args, NULL);
    if (likely(futures[i] != NULL))
        return FILCH_OK;
    return give_all_back(futures, i, filch_error_status());
}

/* The pool ended, or nobody can be started, after the push. */
static COLD filch_status submit_late(struct pool *pool, struct producer *producer, uint64_t from,
                                     size_t n, filch_future **futures, int error) {
    const struct worker *self = filchi_worker_self();
    bool is_ending = scheduler_flags(pool->scheduler) != 0;
    if ((self != NULL && &self->producer == producer) ||
        (!is_ending && park_is_attended(&pool->scheduler->park)) ||
        !filchi_producer_take_back(producer, from))
        return FILCH_OK;
    /* Others may have left their tasks to the worker that did not come. */
    if (error != 0 && !park_is_attended(&pool->scheduler->park))
        filchi_pool_fail_queued(pool);
    filch_status status;
    if (is_ending) {
        status = filchi_executor_check_open(function, pool);
    } else {
        errno = error;
        status = filchi_fail(FILCH_SYSTEM, "%s: no worker could be started for %zu tasks: %s",
                             function, n, strerror(error));
    }
    for (size_t i = 0; i < n; i++) {
        submit_announce(producer, futures[i], filch_load_relaxed(&producer->n_submitted) - 1);
        bool is_withdrawn = filchi_future_withdraw(futures[i]);
        check(is_withdrawn); /* nobody has its entry, and nobody has a handle */
        count_down(&producer->n_submitted);
    }
    return give_all_back(futures, n, status);
}

filch_status filch_many_submit(filch_executor *executor, size_t n, filch_future **futures) {
    if (n == 0)
        return FILCH_OK;
    struct pool *pool = executor->pool;
    filch_status status = filchi_executor_check_open(function, pool);
    if (status != FILCH_OK)
        return give_all_back(futures, n, status);
    struct producer *producer = filchi_pool_producer(pool);
    if (producer == NULL || !filchi_producer_reserve(producer, n)) {
        filchi_fail(FILCH_NO_MEMORY, "%s: no memory to queue %zu tasks", function, n);
        return give_all_back(futures, n, FILCH_NO_MEMORY);
    }
    for (size_t i = 0; i < n; i++) {
        submit_announce(producer, futures[i], filch_load_relaxed(&producer->n_submitted));
        count_up(&producer->n_submitted);
        deque_put(&producer->deque, i,
                  entry_of(futures[i], future_publish(futures[i]))); /* PUBLISHED */
    }
    uint64_t from = deque_show(&producer->deque, n);
    struct scheduler *scheduler = pool->scheduler;
    int error = 0;
    if (park_must_wake(&scheduler->park)) /* ASLEEP, HANDED */
        error = filchi_scheduler_wake_one(scheduler);
    if (unlikely(error != 0 || scheduler_flags(scheduler) != 0)) /* STOPPED */
        return submit_late(pool, producer, from, n, futures, error);
    return FILCH_OK;
}
