/* B8 of the conformance list: shutdown and close inside a task or callback of the same pool never wait
 * and never join their own thread. */
#include "pools.h"

/* B8 */
static long shut_down_here(long x) {
    filch_executor *own = filch_this_executor();
    CHECK_EQ(filch_shutdown(own), FILCH_OK);
    CHECK_NULL(filch_submit(own, twice, x));
    CHECK_EQ(filch_error_status(), FILCH_SHUTDOWN);
    CHECK_EQ(filch_shutdown(own, .timeout = 10), FILCH_OK);
    return x;
}
FILCH_TASK(long, shut_down_here, long);

/* B8 */
static long close_here(long x) {
    filch_executor *own = filch_this_executor();
    filch_close(own);
    CHECK_NULL(filch_submit(own, twice, x));
    CHECK_EQ(filch_error_status(), FILCH_SHUTDOWN);
    return x;
}
FILCH_TASK(long, close_here, long);

CONTRACT(shutdown_inside, a_task) {
    filch_executor *ex = pool->open(2);
    check_long(filch_submit(ex, shut_down_here, 4), 4);
    CHECK_NULL(filch_submit(ex, twice, 1));
    CHECK_EQ(filch_error_status(), FILCH_SHUTDOWN);
    filch_close(ex);
}

CONTRACT(shutdown_inside, a_task_that_closes) {
    filch_executor *ex = pool->open(2);
    check_long(filch_submit(ex, close_here, 5), 5);
    filch_close(ex);
}

/* B8 */
struct inside {
    filch_executor *executor;
    struct gate calls;
};

static void shut_down_in_callback(filch_future *future, void *arg) {
    struct inside *it = arg;
    (void)future;
    CHECK_EQ(filch_shutdown(it->executor), FILCH_OK);
    filch_close(it->executor);
    gate_open(&it->calls);
}

CONTRACT(shutdown_inside, a_callback) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    struct inside it = {.executor = ex};
    filch_future *future = pool_hold(ex, held);
    filch_future *queued = filch_submit(ex, twice, 2);
    CHECK_EQ(filch_add_done_callback(future, shut_down_in_callback, &it), FILCH_OK);
    gate_open(&held->go);
    gate_wait(&it.calls, 1);
    check_long(queued, 4); /* accepted before, so completed */
    CHECK_NULL(filch_submit(ex, twice, 1));
    CHECK_EQ(filch_error_status(), FILCH_SHUTDOWN);
    filch_release(future);
    pool_close(pool, ex, held);
}

/* B8, I3: with cancel_futures from a task: what is queued goes, the task itself goes on. */
struct canceller {
    struct hold held;
    struct gate runs;
};

static long cancel_all_here(struct canceller *it) {
    hold(&it->held);
    CHECK_EQ(filch_shutdown(filch_this_executor(), .cancel_futures = true), FILCH_OK);
    return 6;
}
FILCH_TASK(long, cancel_all_here, struct canceller *);

CONTRACT(shutdown_inside, a_task_that_cancels_the_others) {
    enum { QUEUED = 20 };
    filch_executor *ex = pool->open(1);
    struct canceller *it = pool->alloc(ex, sizeof *it);
    filch_future *first = filch_submit(ex, cancel_all_here, it), *queued[QUEUED];
    for (int i = 0; i < QUEUED; i++)
        queued[i] = filch_submit(ex, count_run, &it->runs);
    gate_open(&it->held.go);
    check_long(first, 6);
    for (int i = 0; i < QUEUED; i++) {
        CHECK_EQ(filch_join(queued[i]), FILCH_CANCELLED);
        filch_release(queued[i]);
    }
    CHECK_EQ(gate_value(&it->runs), 0);
    pool_close(pool, ex, it);
}

/* B8: a callback that was added late runs in this thread, which must not wait for its own end either. */
CONTRACT(shutdown_inside, a_callback_in_an_outside_thread) {
    filch_executor *ex = pool->open(1);
    struct inside it = {.executor = ex};
    filch_future *future = filch_submit(ex, twice, 4);
    CHECK_EQ(filch_join(future), FILCH_OK);
    CHECK_EQ(filch_add_done_callback(future, shut_down_in_callback, &it), FILCH_OK);
    CHECK_EQ(gate_value(&it.calls), 1);
    CHECK_NULL(filch_submit(ex, twice, 1));
    CHECK_EQ(filch_error_status(), FILCH_SHUTDOWN);
    check_long(future, 8);
    filch_close(ex);
}
