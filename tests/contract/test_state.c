/* Group A of the conformance list: the states of a future. */
#include "pools.h"
#include <sched.h>

static void check_state(filch_future *future, bool done, bool running, bool cancelled) {
    CHECK_EQ(filch_done(future), done);
    CHECK_EQ(filch_running(future), running);
    CHECK_EQ(filch_cancelled(future), cancelled);
}

/* A1 */
CONTRACT(state, pending) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *first = pool_hold(ex, held);
    filch_future *queued = filch_submit(ex, twice, 4);
    check_state(queued, false, false, false);
    gate_open(&held->go);
    check_held(first);
    check_long(queued, 8);
    pool_close(pool, ex, held);
}

/* A2 */
CONTRACT(state, running) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *future = pool_hold(ex, held);
    check_state(future, false, true, false);
    gate_open(&held->go);
    CHECK_EQ(filch_join(future), FILCH_OK);
    filch_release(future);
    pool_close(pool, ex, held);
}

/* A2 */
CONTRACT(state, finished) {
    filch_executor *ex = pool->open(1);
    filch_future *future = filch_submit(ex, twice, 1);
    CHECK_EQ(filch_join(future), FILCH_OK);
    check_state(future, true, false, false);
    filch_release(future);
    filch_close(ex);
}

/* A2 */
CONTRACT(state, failed) {
    filch_executor *ex = pool->open(1);
    filch_future *future = filch_submit(ex, fail_with, EDOM);
    CHECK_EQ(filch_join(future), FILCH_FAILED);
    check_state(future, true, false, false);
    filch_release(future);
    filch_close(ex);
}

/* A2 */
CONTRACT(state, cancelled) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *first = pool_hold(ex, held);
    filch_future *queued = filch_submit(ex, twice, 4);
    CHECK(filch_cancel(queued));
    check_state(queued, true, false, true);
    gate_open(&held->go);
    check_held(first);
    check_state(queued, true, false, true);
    filch_release(queued);
    pool_close(pool, ex, held);
}

/* A6 */
CONTRACT(state, failure_with_code_0) {
    filch_executor *ex = pool->open(1);
    filch_future *future = filch_submit(ex, fail_with, 0);
    long value = 77;
    CHECK_EQ(filch_result(future, &value), FILCH_FAILED);
    CHECK_EQ(value, 77);
    const filch_error *error = filch_exception(future);
    CHECK_NOT_NULL(error);
    CHECK_EQ(error->status, FILCH_FAILED);
    CHECK_EQ(error->code, 0);
    CHECK_STR_EQ(error->message, "failed with code 0");
    filch_release(future);
    filch_close(ex);
}

/* A7: whoever sees done sees everything, in each of many threads. */
enum { READERS = 3, MOST_ROUNDS = 2000 };
struct readers {
    int rounds;
    struct gate published;
    filch_future *futures[MOST_ROUNDS];
};

static void check_outcome(filch_future *future, int round) {
    long value = -1;
    if (round % 3 == 0) {
        const filch_error *error = NULL;
        CHECK_EQ(filch_exception_timeout(future, 0, &error), FILCH_FAILED);
        CHECK_NOT_NULL(error);
        CHECK_EQ(error->code, round);
    } else {
        CHECK_EQ(filch_result_timeout(future, &value, 0), FILCH_OK);
        CHECK_EQ(value, round * 2);
    }
    check_state(future, true, false, false);
}

static void *read_outcomes(void *arg) {
    struct readers *all = arg;
    for (int i = 0; i < all->rounds; i++) {
        gate_wait(&all->published, i + 1);
        while (!filch_done(all->futures[i]))
            sched_yield();
        check_outcome(all->futures[i], i);
    }
    return NULL;
}

static void outcome_in_callback(filch_future *future, void *arg) {
    check_outcome(future, *(int *)arg);
}

CONTRACT(state, consistent_for_every_reader) {
    filch_executor *ex = pool->open(2);
    struct readers *all = calloc(1, sizeof *all);
    int *numbers = calloc(MOST_ROUNDS, sizeof *numbers);
    all->rounds = ROUNDS(MOST_ROUNDS);
    pthread_t threads[READERS];
    for (int i = 0; i < READERS; i++)
        threads[i] = thread_start(read_outcomes, all);
    for (int i = 0; i < all->rounds; i++) {
        numbers[i] = i;
        all->futures[i] = i % 3 == 0 ? filch_submit(ex, fail_with, i) : filch_submit(ex, twice, i);
        CHECK_NOT_NULL(all->futures[i]);
        CHECK_EQ(filch_add_done_callback(all->futures[i], outcome_in_callback, &numbers[i]),
                 FILCH_OK);
        gate_open(&all->published);
    }
    for (int i = 0; i < READERS; i++)
        thread_join(threads[i]);
    filch_close(ex);
    for (int i = 0; i < all->rounds; i++)
        filch_release(all->futures[i]);
    free(numbers);
    free(all);
}
