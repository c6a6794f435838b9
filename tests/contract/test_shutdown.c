/* Group I of the conformance list: shutdown and close. I5, leaving main without closing, is
 * leave_main.c; I7 is in test_process_end.c. */
#include "pools.h"

/* I1 */
CONTRACT(shutdown, waits_for_all) {
    filch_executor *ex = pool->open(2);
    struct gate *runs = pool->alloc(ex, sizeof *runs);
    for (int i = 0; i < 1000; i++)
        filch_release(filch_submit(ex, count_run, runs));
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    CHECK_EQ(gate_value(runs), 1000);
    pool_close(pool, ex, runs);
}

/* I1 */
CONTRACT(shutdown, close_waits_for_all) {
    filch_executor *ex = pool->open(2);
    struct gate *runs = pool->alloc(ex, sizeof *runs);
    for (int i = 0; i < 1000; i++)
        filch_release(filch_submit(ex, count_run, runs));
    filch_close(ex);
    CHECK_EQ(gate_value(runs), 1000);
    pool->free(NULL, runs); /* which outlives its pool */
}

/* I1: again and again, in any order of the flags. */
CONTRACT(shutdown, idempotent) {
    for (int first = 0; first < 4; first++)
        for (int second = 0; second < 4; second++) {
            filch_executor *ex = pool->open(2);
            filch_future *future = filch_submit(ex, twice, 1);
            CHECK_EQ(filch_join(future), FILCH_OK);
            CHECK_EQ(filch_shutdown(ex, .no_wait = first % 2, .cancel_futures = first / 2),
                     FILCH_OK);
            CHECK_EQ(filch_shutdown(ex, .no_wait = second % 2, .cancel_futures = second / 2),
                     FILCH_OK);
            CHECK_EQ(filch_shutdown(ex, .timeout = 3600), FILCH_OK);
            CHECK_EQ(filch_shutdown(ex), FILCH_OK);
            CHECK_NULL(filch_submit(ex, twice, 1));
            CHECK_EQ(filch_error_status(), FILCH_SHUTDOWN);
            filch_close(ex);
            check_long(future, 2);
        }
}

CONTRACT(shutdown, of_a_pool_never_used) {
    filch_close(pool->open(4));
    filch_executor *ex = pool->open(1);
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    CHECK_EQ(filch_shutdown(ex, .cancel_futures = true), FILCH_OK);
    filch_close(ex);
    filch_close(NULL);
}

/* I1: from several threads at once. */
static void *shut_down(void *arg) {
    CHECK_EQ(filch_shutdown((filch_executor *)arg), FILCH_OK);
    return NULL;
}

CONTRACT(shutdown, from_several_threads) {
    filch_executor *ex = pool->open(2);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *future = pool_hold(ex, held);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        threads[i] = thread_start(shut_down, ex);
    let_others_block();
    gate_open(&held->go);
    for (int i = 0; i < 4; i++)
        thread_join(threads[i]);
    check_held(future);
    pool_close(pool, ex, held);
}

/* I2: returns at once, and what was accepted is completed. */
CONTRACT(shutdown, no_wait) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *first = pool_hold(ex, held);
    filch_future *queued[20];
    for (int i = 0; i < 20; i++)
        queued[i] = filch_submit(ex, twice, i);
    CHECK_EQ(filch_shutdown(ex, .no_wait = true), FILCH_OK);
    CHECK(!filch_done(first));
    CHECK_NULL(filch_submit(ex, twice, 1));
    CHECK_EQ(filch_error_status(), FILCH_SHUTDOWN);
    gate_open(&held->go);
    check_held(first);
    for (int i = 0; i < 20; i++)
        check_long(queued[i], 2 * i);
    pool_close(pool, ex, held);
}

/* I3 */
struct told {
    filch_future *future;
    struct gate ready;
};

static void *wait_to_be_told(void *arg) {
    struct told *told = arg;
    gate_open(&told->ready);
    CHECK_EQ(filch_join(told->future), FILCH_CANCELLED);
    return NULL;
}

static void count_cancelled(filch_future *future, void *arg) {
    CHECK(filch_cancelled(future));
    gate_open(arg);
}

CONTRACT(shutdown, cancel_futures) {
    enum { QUEUED = 50 };
    filch_executor *ex = pool->open(1);
    struct {
        struct hold held;
        struct gate runs;
    } *s = pool->alloc(ex, sizeof *s);
    struct gate calls = {0};
    filch_future *first = pool_hold(ex, &s->held);
    filch_future *queued[QUEUED];
    for (int i = 0; i < QUEUED; i++) {
        queued[i] = filch_submit(ex, count_run, &s->runs);
        CHECK_EQ(filch_add_done_callback(queued[i], count_cancelled, &calls), FILCH_OK);
    }
    struct told told = {.future = queued[QUEUED - 1]};
    pthread_t thread = thread_start(wait_to_be_told, &told);
    gate_wait(&told.ready, 1);
    let_others_block();
    CHECK_EQ(filch_shutdown(ex, .cancel_futures = true, .no_wait = true), FILCH_OK);
    thread_join(thread); /* while the first is still running */
    CHECK(filch_running(first));
    gate_open(&s->held.go);
    check_held(first);
    for (int i = 0; i < QUEUED; i++) {
        CHECK_EQ(filch_join(queued[i]), FILCH_CANCELLED);
        filch_release(queued[i]);
    }
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    CHECK_EQ(gate_value(&calls), QUEUED);
    CHECK_EQ(gate_value(&s->runs), 0);
    pool_close(pool, ex, s);
}

/* I3: under way, nothing stays pending. */
CONTRACT(shutdown, cancel_futures_of_a_busy_pool) {
    enum { TASKS = 500 };
    for (int round = ROUNDS(50); round > 0; round--) {
        filch_executor *ex = pool->open(3);
        filch_future *futures[TASKS];
        for (int i = 0; i < TASKS; i++)
            futures[i] = filch_submit(ex, twice, i);
        CHECK_EQ(filch_shutdown(ex, .cancel_futures = true), FILCH_OK);
        for (int i = 0; i < TASKS; i++) {
            long value = -1;
            filch_status status = filch_result_timeout(futures[i], &value, 0);
            CHECK(status == FILCH_CANCELLED || (status == FILCH_OK && value == 2 * i));
            filch_release(futures[i]);
        }
        filch_close(ex);
    }
}

/* I4 */
CONTRACT(shutdown, time_limit) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *first = pool_hold(ex, held);
    double before = seconds_now();
    CHECK_EQ(filch_shutdown(ex, .timeout = 0.03), FILCH_TIMEOUT);
    CHECK_EQ(filch_error_status(), FILCH_TIMEOUT);
    CHECK_REAL(seconds_now() - before, >=, 0.03);
    CHECK_EQ(filch_shutdown(ex, .timeout = 0.001), FILCH_TIMEOUT);
    CHECK_NULL(filch_submit(ex, twice, 1));
    CHECK_EQ(filch_error_status(), FILCH_SHUTDOWN);
    gate_open(&held->go);
    CHECK_EQ(filch_shutdown(ex, .timeout = 3600), FILCH_OK);
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    check_held(first);
    pool_close(pool, ex, held);
}

/* I6: results arrive and stay readable when everything but the futures is gone. */
static const char *describe(int n) {
    static _Thread_local char text[100];
    snprintf(text, sizeof text, "%099d", n);
    return text;
}
FILCH_TASK(const char *, describe, int);

CONTRACT(shutdown, futures_outlive_their_pool) {
    filch_executor *ex = pool->open(2);
    filch_future *texts[50], *numbers[50], *errors[50];
    for (int i = 0; i < 50; i++) {
        texts[i] = filch_submit(ex, describe, i);
        numbers[i] = filch_submit(ex, twice, i);
        errors[i] = filch_submit(ex, fail_with, i);
    }
    filch_close(ex);
    filch_executor *next = pool->open(2); /* what was given back may be used again */
    for (int i = 0; i < 50; i++)
        check_long(filch_submit(next, twice, i), 2 * i);
    filch_close(next);
    for (int i = 0; i < 50; i++) {
        char expected[101];
        const char *text = NULL;
        snprintf(expected, sizeof expected, "%099d", i);
        CHECK_EQ(filch_result(texts[i], &text), FILCH_OK);
        CHECK_STR_EQ(text, expected);
        filch_release(texts[i]);
        check_long(numbers[i], 2 * i);
        const filch_error *error = filch_exception(errors[i]);
        CHECK_NOT_NULL(error);
        CHECK_EQ(error->code, i);
        CHECK_STR_EQ(error->task, "fail_with");
        size_t n_done = 0;
        CHECK_EQ(filch_wait(&errors[i], 1, FILCH_ALL_COMPLETED, 0, &n_done), FILCH_OK);
        CHECK(!filch_cancel(errors[i]));
        filch_release(errors[i]);
    }
}

/* The tasks of one pool submit to another that is shut down meanwhile: each submit is accepted or
 * refused, and what is accepted is completed. */
struct late {
    filch_executor *executor;
    struct gate started, runs, accepted;
};

static void *submit_until_refused(void *arg) {
    struct late *late = arg;
    gate_open(&late->started);
    for (filch_future *future; (future = filch_submit(late->executor, count_run, &late->runs));) {
        gate_open(&late->accepted);
        filch_release(future);
    }
    CHECK_EQ(filch_error_status(), FILCH_SHUTDOWN);
    return NULL;
}

CONTRACT(shutdown, races_with_submits) {
    for (int round = ROUNDS(50); round > 0; round--) {
        filch_executor *ex = pool->open(2);
        struct late *late = pool->alloc(ex, sizeof *late);
        late->executor = ex;
        pthread_t threads[3];
        for (int i = 0; i < 3; i++)
            threads[i] = thread_start(submit_until_refused, late);
        gate_wait(&late->started, 3);
        gate_wait(&late->accepted, 50);
        CHECK_EQ(filch_shutdown(ex), FILCH_OK);
        for (int i = 0; i < 3; i++)
            thread_join(threads[i]);
        CHECK_EQ(filch_shutdown(ex), FILCH_OK);
        CHECK_EQ(gate_value(&late->runs), gate_value(&late->accepted));
        pool_close(pool, ex, late);
    }
}

struct other {
    filch_executor *executor;
    int value;
};

/* Makes the other pool's queue grow, so that its worker has a ring to reclaim, and waits for it. */
static void wait_in_other_pool(filch_future *future, void *arg) {
    struct other *other = arg;
    CHECK(filch_cancelled(future));
    enum { MANY = 20000 };
    static filch_future *futures[MANY];
    for (int i = 0; i < MANY; i++)
        futures[i] = filch_submit(other->executor, twice, i);
    for (int i = 0; i < MANY; i++)
        check_long(futures[i], 2 * i);
    let_others_block(); /* its worker parks, and reclaims */
    check_long(filch_submit(other->executor, twice, 21), 42);
    other->value++;
}

/* B6: callbacks that run because of cancel_futures may wait for whatever they like. */
CONTRACT(shutdown, callbacks_of_cancelled_may_wait) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    struct other other = {.executor = pool->open(1)};
    filch_future *running = pool_hold(ex, held), *pending[3];
    for (int i = 0; i < 3; i++) {
        pending[i] = filch_submit(ex, twice, i);
        CHECK_EQ(filch_add_done_callback(pending[i], wait_in_other_pool, &other), FILCH_OK);
    }
    CHECK_EQ(filch_shutdown(ex, .no_wait = true, .cancel_futures = true), FILCH_OK);
    CHECK_EQ(other.value, 3);
    gate_open(&held->go);
    check_held(running);
    for (int i = 0; i < 3; i++)
        filch_release(pending[i]);
    filch_close(other.executor);
    pool_close(pool, ex, held);
}
