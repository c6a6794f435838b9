/* Group H of the conformance list: wait. */
#include "pools.h"

enum { TASKS = 6 };
struct turns {
    struct hold each[TASKS];
};

static filch_status wait_for(filch_future **futures, size_t n, filch_return_when when,
                             double timeout, size_t *n_done) {
    *n_done = 999;
    return filch_wait(futures, n, when, timeout, n_done);
}

/* H1: returns at once if one is done, and with all that are. */
CONTRACT(wait, first_completed) {
    filch_executor *ex = pool->open(4);
    struct turns *turns = pool->alloc(ex, sizeof *turns);
    filch_future *a = pool_hold(ex, &turns->each[0]), *b = pool_hold(ex, &turns->each[1]);
    filch_future *c = filch_submit(ex, twice, 1), *d = filch_submit(ex, twice, 2);
    CHECK_EQ(filch_join(c), FILCH_OK);
    CHECK_EQ(filch_join(d), FILCH_OK);
    filch_future *futures[] = {a, c, b, d};
    size_t n_done;
    CHECK_EQ(wait_for(futures, 4, FILCH_FIRST_COMPLETED, FILCH_FOREVER, &n_done), FILCH_OK);
    CHECK_EQ(n_done, 2);
    /* the order within both parts is kept */
    CHECK(futures[0] == c && futures[1] == d && futures[2] == a && futures[3] == b);

    filch_future *running[] = {a, b};
    gate_open(&turns->each[1].go);
    CHECK_EQ(wait_for(running, 2, FILCH_FIRST_COMPLETED, FILCH_FOREVER, &n_done), FILCH_OK);
    CHECK_EQ(n_done, 1);
    CHECK(running[0] == b && running[1] == a);
    gate_open(&turns->each[0].go);
    CHECK_EQ(wait_for(futures, 4, FILCH_ALL_COMPLETED, FILCH_FOREVER, &n_done), FILCH_OK);
    CHECK_EQ(n_done, 4);
    check_held(a);
    check_held(b);
    filch_release(c);
    filch_release(d);
    pool_close(pool, ex, turns);
}

/* H1: at the first failure, not for successes or cancellations. */
struct exception_waiter {
    filch_future *futures[4];
    size_t n_done;
    struct gate ready;
    struct gate returned;
};

static void *wait_first_exception(void *arg) {
    struct exception_waiter *it = arg;
    gate_open(&it->ready);
    CHECK_EQ(filch_wait(it->futures, 4, FILCH_FIRST_EXCEPTION, FILCH_FOREVER, &it->n_done),
             FILCH_OK);
    gate_open(&it->returned);
    return NULL;
}

static long fail_when_told(struct hold *it) {
    hold(it);
    return filch_raise(44, "as told");
}
FILCH_TASK(long, fail_when_told, struct hold *);

CONTRACT(wait, first_exception) {
    filch_executor *ex = pool->open(3);
    struct turns *turns = pool->alloc(ex, sizeof *turns);
    filch_future *good = pool_hold(ex, &turns->each[0]);
    filch_future *bad = filch_submit(ex, fail_when_told, &turns->each[1]);
    filch_future *slow = pool_hold(ex, &turns->each[2]);
    gate_wait(&turns->each[1].started, 1);
    filch_future *queued = filch_submit(ex, twice, 1);
    struct exception_waiter it = {.futures = {slow, queued, good, bad}};
    pthread_t thread = thread_start(wait_first_exception, &it);
    gate_wait(&it.ready, 1);
    CHECK(filch_cancel(queued));
    gate_open(&turns->each[0].go);
    CHECK_EQ(filch_join(good), FILCH_OK);
    let_others_block();
    CHECK_EQ(gate_value(&it.returned), 0); /* neither is an exception */
    gate_open(&turns->each[1].go);
    thread_join(thread);
    CHECK_EQ(it.n_done, 3);
    CHECK(it.futures[0] == queued && it.futures[1] == good && it.futures[2] == bad);
    CHECK_PTR_EQ(it.futures[3], slow);
    size_t n_done; /* at once, if one has failed before */
    CHECK_EQ(wait_for(it.futures, 4, FILCH_FIRST_EXCEPTION, FILCH_FOREVER, &n_done), FILCH_OK);
    CHECK_EQ(n_done, 3);
    gate_open(&turns->each[2].go);
    check_held(good);
    check_held(slow);
    CHECK_EQ(filch_exception(bad)->code, 44);
    filch_release(bad);
    filch_release(queued);
    pool_close(pool, ex, turns);
}

/* H1: without a failure it is as if for all. */
CONTRACT(wait, first_exception_without_one) {
    filch_executor *ex = pool->open(2);
    filch_future *futures[20];
    for (int i = 0; i < 20; i++)
        futures[i] = filch_submit(ex, twice, i);
    size_t n_done;
    CHECK_EQ(wait_for(futures, 20, FILCH_FIRST_EXCEPTION, FILCH_FOREVER, &n_done), FILCH_OK);
    CHECK_EQ(n_done, 20);
    CHECK_EQ(wait_for(futures, 20, FILCH_FIRST_EXCEPTION, 0, &n_done),
             FILCH_OK); /* they are done */
    CHECK_EQ(n_done, 20);
    for (int i = 0; i < 20; i++)
        check_long(futures[i], 2 * i);
    filch_close(ex);
}

CONTRACT(wait, all_completed) {
    filch_executor *ex = pool->open(3);
    filch_future *futures[100];
    for (int i = 0; i < 100; i++)
        futures[i] = i % 10 ? filch_submit(ex, twice, i) : filch_submit(ex, fail_with, i);
    filch_future *before[100];
    memcpy(before, futures, sizeof before);
    CHECK_EQ(filch_wait(futures, 100, FILCH_ALL_COMPLETED, FILCH_FOREVER, NULL), FILCH_OK);
    CHECK_EQ(memcmp(before, futures, sizeof before), 0);
    for (int i = 0; i < 100; i++) {
        CHECK(filch_done(futures[i]));
        CHECK_EQ(filch_join(futures[i]), i % 10 ? FILCH_OK : FILCH_FAILED);
        filch_release(futures[i]);
    }
    filch_close(ex);
}

/* H2 */
CONTRACT(wait, time_out_gives_the_split) {
    filch_executor *ex = pool->open(2);
    struct turns *turns = pool->alloc(ex, sizeof *turns);
    filch_future *done = filch_submit(ex, twice, 1);
    CHECK_EQ(filch_join(done), FILCH_OK);
    filch_future *a = pool_hold(ex, &turns->each[0]), *b = pool_hold(ex, &turns->each[1]);
    filch_future *queued = filch_submit(ex, twice, 2);
    filch_future *futures[] = {queued, a, done, b};
    size_t n_done;
    double before = seconds_now();
    CHECK_EQ(wait_for(futures, 4, FILCH_ALL_COMPLETED, 0.03, &n_done), FILCH_TIMEOUT);
    CHECK_EQ(filch_error_status(), FILCH_TIMEOUT);
    CHECK_REAL(seconds_now() - before, >=, 0.03);
    CHECK_EQ(n_done, 1);
    CHECK(futures[0] == done && futures[1] == queued && futures[2] == a && futures[3] == b);
    CHECK_EQ(wait_for(futures + 1, 3, FILCH_FIRST_COMPLETED, 0, &n_done), FILCH_TIMEOUT);
    CHECK_EQ(n_done, 0);
    CHECK(futures[1] == queued && futures[2] == a && futures[3] == b);
    CHECK_EQ(wait_for(futures + 1, 3, FILCH_FIRST_EXCEPTION, -1, &n_done), FILCH_TIMEOUT);
    CHECK_EQ(n_done, 0);
    CHECK_EQ(filch_wait(futures, 4, FILCH_ALL_COMPLETED, 0, NULL), FILCH_TIMEOUT);
    CHECK_EQ(wait_for(futures, 4, FILCH_FIRST_COMPLETED, 0, &n_done), FILCH_OK);
    CHECK_EQ(n_done, 1);
    gate_open(&turns->each[0].go);
    gate_open(&turns->each[1].go);
    CHECK_EQ(wait_for(futures, 4, FILCH_ALL_COMPLETED, 3600, &n_done), FILCH_OK);
    CHECK_EQ(n_done, 4);
    check_held(a);
    check_held(b);
    check_long(done, 2);
    check_long(queued, 4);
    pool_close(pool, ex, turns);
}

/* H2 */
CONTRACT(wait, duplicates_keep_their_entries) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *done = filch_submit(ex, twice, 1);
    CHECK_EQ(filch_join(done), FILCH_OK);
    filch_future *running = pool_hold(ex, held);
    filch_future *futures[] = {running, done, running, done, done};
    size_t n_done;
    CHECK_EQ(wait_for(futures, 5, FILCH_FIRST_COMPLETED, FILCH_FOREVER, &n_done), FILCH_OK);
    CHECK_EQ(n_done, 3);
    CHECK(futures[0] == done && futures[1] == done && futures[2] == done);
    CHECK(futures[3] == running && futures[4] == running);
    gate_open(&held->go);
    CHECK_EQ(wait_for(futures, 5, FILCH_ALL_COMPLETED, FILCH_FOREVER, &n_done), FILCH_OK);
    CHECK_EQ(n_done, 5);
    check_held(running);
    check_long(done, 2);
    pool_close(pool, ex, held);
}

/* H2 */
CONTRACT(wait, empty_set) {
    (void)pool;
    filch_future *none[1] = {NULL};
    static const filch_return_when modes[] = {FILCH_FIRST_COMPLETED, FILCH_FIRST_EXCEPTION,
                                              FILCH_ALL_COMPLETED};
    for (int i = 0; i < 3; i++) {
        size_t n_done;
        CHECK_EQ(wait_for(none, 0, modes[i], FILCH_FOREVER, &n_done), FILCH_OK);
        CHECK_EQ(n_done, 0);
        CHECK_EQ(wait_for(NULL, 0, modes[i], FILCH_FOREVER, &n_done), FILCH_OK);
        CHECK_EQ(n_done, 0);
        CHECK_EQ(filch_wait(NULL, 0, modes[i], 0, NULL), FILCH_OK);
    }
}

/* H3: a hundred released at the same instant, waited for by several threads; nothing is lost, and
 * nothing stays attached. */
enum { HUNDRED = 100, WAITERS = 3 };

static void *wait_for_all(void *arg) {
    filch_future *mine[HUNDRED];
    memcpy(mine, arg, sizeof mine);
    size_t n_done;
    CHECK_EQ(wait_for(mine, HUNDRED, FILCH_ALL_COMPLETED, FILCH_FOREVER, &n_done), FILCH_OK);
    CHECK_EQ(n_done, HUNDRED);
    return NULL;
}

static void *wait_one_after_the_other(void *arg) {
    filch_future *mine[HUNDRED];
    memcpy(mine, arg, sizeof mine);
    for (size_t left = HUNDRED, n_done; left > 0; left -= n_done) {
        filch_future **rest = mine + (HUNDRED - left);
        CHECK_EQ(wait_for(rest, left, FILCH_FIRST_COMPLETED, FILCH_FOREVER, &n_done), FILCH_OK);
        CHECK_GE(n_done, 1);
        for (size_t i = 0; i < n_done; i++)
            CHECK(filch_done(rest[i]));
    }
    return NULL;
}

CONTRACT(wait, hundred_at_the_same_instant) {
    filch_executor *ex = pool->open(HUNDRED);
    for (int round = UNDER_TSAN ? 5 : 100; round > 0; round--) {
        struct hold *held = pool->alloc(ex, sizeof *held);
        filch_future *futures[HUNDRED];
        for (int i = 0; i < HUNDRED; i++)
            futures[i] = filch_submit(ex, hold, held);
        gate_wait(&held->started, HUNDRED);
        pthread_t threads[WAITERS];
        for (int i = 0; i < WAITERS; i++)
            threads[i] = thread_start(i % 2 ? wait_for_all : wait_one_after_the_other, futures);
        gate_open(&held->go);
        for (int i = 0; i < WAITERS; i++)
            thread_join(threads[i]);
        for (int i = 0; i < HUNDRED; i++)
            check_held(futures[i]);
        pool->free(ex, held);
    }
    filch_close(ex);
}

/* H3: timed-out waits on one pending future leave nothing. */
CONTRACT(wait, many_time_outs) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *futures[2] = {pool_hold(ex, held), filch_submit(ex, twice, 4)};
    for (int i = ROUNDS(100000); i > 0; i--) {
        size_t n_done;
        CHECK_EQ(wait_for(futures, 2, i % 2 ? FILCH_ALL_COMPLETED : FILCH_FIRST_COMPLETED,
                          i % 1000 ? 0 : 1e-6, &n_done),
                 FILCH_TIMEOUT);
        CHECK_EQ(n_done, 0);
    }
    gate_open(&held->go);
    check_held(futures[0]);
    check_long(futures[1], 8);
    pool_close(pool, ex, held);
}
