/* Group C of the conformance list: cancelling. */
#include "pools.h"
#include <sched.h>

static void count_call(filch_future *future, void *arg) {
    (void)future;
    gate_open(arg);
}

/* C1 */
CONTRACT(cancel, pending) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    struct gate calls = {0};
    filch_future *first = pool_hold(ex, held);
    filch_future *queued = filch_submit(ex, twice, 4);
    CHECK_EQ(filch_add_done_callback(queued, count_call, &calls), FILCH_OK);
    CHECK(filch_cancel(queued));
    CHECK(filch_cancel(queued)); /* again: still cancelled, no second callback */
    CHECK_EQ(gate_value(&calls), 1);
    long value = 77;
    CHECK_EQ(filch_result(queued, &value), FILCH_CANCELLED);
    CHECK_EQ(value, 77);
    gate_open(&held->go);
    check_held(first);
    CHECK_EQ(filch_join(queued), FILCH_CANCELLED);
    filch_release(queued);
    pool_close(pool, ex, held);
    CHECK_EQ(gate_value(&calls), 1);
}

/* C1 */
CONTRACT(cancel, running) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *future = pool_hold(ex, held);
    CHECK(!filch_cancel(future));
    CHECK(filch_running(future));
    CHECK(!filch_cancelled(future));
    gate_open(&held->go);
    check_held(future);
    pool_close(pool, ex, held);
}

/* C1 */
CONTRACT(cancel, finished) {
    filch_executor *ex = pool->open(1);
    filch_future *good = filch_submit(ex, twice, 4);
    filch_future *bad = filch_submit(ex, fail_with, 4);
    CHECK_EQ(filch_join(good), FILCH_OK);
    CHECK_EQ(filch_join(bad), FILCH_FAILED);
    CHECK(!filch_cancel(good));
    CHECK(!filch_cancel(bad));
    CHECK(!filch_cancelled(good));
    CHECK(!filch_cancelled(bad));
    check_long(good, 8);
    CHECK_EQ(filch_exception(bad)->code, 4);
    filch_release(bad);
    filch_close(ex);
}

/* What a cancelled future says of itself. */
CONTRACT(cancel, error) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *first = pool_hold(ex, held);
    filch_future *queued = filch_submit(ex, twice, 4);
    CHECK(filch_cancel(queued));
    const filch_error *error = filch_exception(queued);
    CHECK_NOT_NULL(error);
    CHECK_EQ(error->status, FILCH_CANCELLED);
    CHECK_NOT_NULL(error->message);
    CHECK_STR_EQ(error->task, "twice");
    CHECK_NOT_NULL(error->where);
    CHECK_EQ(error->worker, -1);
    error = NULL;
    CHECK_EQ(filch_exception_timeout(queued, 0, &error), FILCH_CANCELLED);
    CHECK_NOT_NULL(error);
    CHECK_EQ(error->status, FILCH_CANCELLED);
    filch_release(queued);
    gate_open(&held->go);
    check_held(first);
    pool_close(pool, ex, held);
}

/* C2, A8: every kind of waiter is told at once. */
struct waiter {
    filch_future *future;
    struct gate *ready;
};

static void *wait_by_result(void *arg) {
    struct waiter *it = arg;
    long value;
    gate_open(it->ready);
    CHECK_EQ(filch_result(it->future, &value), FILCH_CANCELLED);
    return NULL;
}

static void *wait_by_timed_result(void *arg) {
    struct waiter *it = arg;
    long value;
    gate_open(it->ready);
    CHECK_EQ(filch_result_timeout(it->future, &value, 3600), FILCH_CANCELLED);
    return NULL;
}

static void *wait_by_exception(void *arg) {
    struct waiter *it = arg;
    gate_open(it->ready);
    const filch_error *error = filch_exception(it->future);
    CHECK_NOT_NULL(error);
    CHECK_EQ(error->status, FILCH_CANCELLED);
    return NULL;
}

static void *wait_by_wait(void *arg) {
    struct waiter *it = arg;
    filch_future *one[] = {it->future};
    size_t n_done = 0;
    gate_open(it->ready);
    CHECK_EQ(filch_wait(one, 1, FILCH_ALL_COMPLETED, FILCH_FOREVER, &n_done), FILCH_OK);
    CHECK_EQ(n_done, 1);
    return NULL;
}

static void *wait_by_first(void *arg) {
    struct waiter *it = arg;
    filch_future *one[] = {it->future};
    size_t n_done = 0;
    gate_open(it->ready);
    CHECK_EQ(filch_wait(one, 1, FILCH_FIRST_COMPLETED, 3600, &n_done), FILCH_OK);
    CHECK_EQ(n_done, 1);
    return NULL;
}

static void *wait_by_as_completed(void *arg) {
    struct waiter *it = arg;
    filch_completed *completed = filch_as_completed(&it->future, 1);
    filch_future *given = NULL;
    CHECK_NOT_NULL(completed);
    gate_open(it->ready);
    CHECK_EQ(filch_completed_next(completed, &given, FILCH_FOREVER), FILCH_OK);
    CHECK_PTR_EQ(given, it->future);
    CHECK_EQ(filch_completed_next(completed, &given, FILCH_FOREVER), FILCH_END);
    filch_completed_close(completed);
    return NULL;
}

CONTRACT(cancel, wakes_every_waiter) {
    static void *(*const ways[])(void *) = {wait_by_result,    wait_by_timed_result,
                                            wait_by_exception, wait_by_wait,
                                            wait_by_first,     wait_by_as_completed};
    enum { WAYS = sizeof ways / sizeof ways[0] };
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *first = pool_hold(ex, held);
    struct gate ready = {0};
    struct waiter waiter = {filch_submit(ex, twice, 4), &ready};
    pthread_t threads[WAYS];
    for (int i = 0; i < WAYS; i++)
        threads[i] = thread_start(ways[i], &waiter);
    gate_wait(&ready, WAYS);
    let_others_block();
    CHECK(filch_cancel(waiter.future));
    for (int i = 0; i < WAYS; i++)
        thread_join(threads[i]); /* while the worker is still busy */
    filch_release(waiter.future);
    gate_open(&held->go);
    check_held(first);
    pool_close(pool, ex, held);
}

/* C3: either the body ran or cancel returned true. */
enum { STORM = 20000, CANCELLERS = 2 };
struct storm {
    int count;
    filch_future **futures;
    struct gate submitted;
    struct gate cancelled[STORM];
};
struct canceller {
    struct storm *storm;
    int step;
};

static void *cancel_all(void *arg) {
    struct canceller *it = arg;
    struct storm *storm = it->storm;
    for (int i = it->step; i < storm->count; i += it->step) {
        gate_wait(&storm->submitted, i + 1);
        if (filch_cancel(storm->futures[i]))
            atomic_fetch_add(&storm->cancelled[i].value, 1);
    }
    return NULL;
}

CONTRACT(cancel, storm) {
    filch_executor *ex = pool->open(2);
    struct gate *runs = pool->alloc(ex, STORM * sizeof *runs);
    struct storm *storm = calloc(1, sizeof *storm);
    storm->count = ROUNDS(STORM);
    storm->futures = calloc(STORM, sizeof *storm->futures);
    struct canceller cancellers[CANCELLERS];
    pthread_t threads[CANCELLERS];
    for (int i = 0; i < CANCELLERS; i++) {
        cancellers[i] = (struct canceller){storm, i + 1};
        threads[i] = thread_start(cancel_all, &cancellers[i]);
    }
    for (int i = 0; i < storm->count; i++) {
        storm->futures[i] = filch_submit(ex, count_run, &runs[i]);
        CHECK_NOT_NULL(storm->futures[i]);
        gate_open(&storm->submitted);
    }
    for (int i = 0; i < CANCELLERS; i++)
        thread_join(threads[i]);
    for (int i = 0; i < storm->count; i++) {
        filch_status status = filch_join(storm->futures[i]);
        int cancels = gate_value(&storm->cancelled[i]), ran = gate_value(&runs[i]);
        if (status == FILCH_CANCELLED) {
            CHECK_EQ(ran, 0);
            CHECK_GE(cancels, 1);
        } else {
            CHECK_EQ(status, FILCH_OK);
            CHECK_EQ(ran, 1);
            CHECK_EQ(cancels, 0);
        }
        filch_release(storm->futures[i]);
    }
    pool_close(pool, ex, runs);
    free(storm->futures);
    free(storm);
}

/* C4 */
CONTRACT(cancel, every_queued_task) {
    enum { QUEUED = 100 };
    filch_executor *ex = pool->open(2);
    struct {
        struct hold held;
        struct gate runs;
    } *s = pool->alloc(ex, sizeof *s);
    filch_future *first = pool_hold(ex, &s->held), *second = pool_hold(ex, &s->held);
    filch_future *queued[QUEUED];
    for (int i = 0; i < QUEUED; i++)
        queued[i] = filch_submit(ex, count_run, &s->runs);
    for (int i = 0; i < QUEUED; i++)
        CHECK(filch_cancel(queued[i]));
    gate_open(&s->held.go);
    check_held(first);
    check_held(second);
    for (int i = 0; i < QUEUED; i++) {
        CHECK_EQ(filch_join(queued[i]), FILCH_CANCELLED);
        filch_release(queued[i]);
    }
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    CHECK_EQ(gate_value(&s->runs), 0);
    pool_close(pool, ex, s);
}

/* C5 */
CONTRACT(cancel, then_shutdown) {
    for (int round = ROUNDS(300); round > 0; round--) {
        filch_executor *ex = pool->open(2);
        filch_future *future = filch_submit(ex, twice, 1);
        bool cancelled = filch_cancel(future);
        CHECK_EQ(filch_shutdown(ex, .cancel_futures = round % 2), FILCH_OK);
        filch_status status = filch_join_timeout(future, 0);
        if (cancelled)
            CHECK_EQ(status, FILCH_CANCELLED);
        else if (round % 2)
            CHECK(status == FILCH_OK || status == FILCH_CANCELLED);
        else
            CHECK_EQ(status, FILCH_OK);
        filch_release(future);
        filch_close(ex);
    }
}

/* A running task can see that somebody tried. */
struct polite {
    struct gate started;
    struct gate asked_early;
};

static int run_until_asked(struct polite *it) {
    if (filch_cancel_requested())
        gate_open(&it->asked_early);
    gate_open(&it->started);
    while (!filch_cancel_requested())
        sched_yield();
    return HOLD_RESULT;
}
FILCH_TASK(int, run_until_asked, struct polite *);

static int is_asked(void) {
    return filch_cancel_requested();
}
FILCH_TASK(int, is_asked);

CONTRACT(cancel, requested) {
    filch_executor *ex = pool->open(1);
    struct polite *it = pool->alloc(ex, sizeof *it);
    filch_future *future = filch_submit(ex, run_until_asked, it);
    filch_future *next = filch_submit(ex, is_asked);
    gate_wait(&it->started, 1);
    CHECK(!filch_cancel(future));
    check_held(future);
    CHECK_EQ(gate_value(&it->asked_early), 0);
    int asked = -1;
    CHECK_EQ(filch_result(next, &asked), FILCH_OK);
    CHECK_EQ(asked, 0); /* the wish was for the task before */
    filch_release(next);
    CHECK(!filch_cancel_requested());
    pool_close(pool, ex, it);
}
