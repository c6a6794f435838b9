/* test_future.c: each transition of the state word, allowed or refused, and who frees the block. */
#include "unit/future/host.h"

TEST(future, smoke) {
    host_open();
    uint32_t generation;
    filch_future *future = host_take();
    CHECK_EQ(phase_of(future), FUTURE_INIT);
    generation = future_publish(future);
    CHECK_EQ(phase_of(future), FUTURE_PENDING);
    CHECK(!filch_done(future) && !filch_running(future) && !filch_cancelled(future));
    CHECK(future_try_start(future, generation, 7));
    CHECK_EQ(state_owner(future_state(future)), 7);
    CHECK(filch_running(future));
    filchi_future_finish(future, FUTURE_FINISHED);
    CHECK(filch_done(future) && !filch_running(future) && !filch_cancelled(future));
    CHECK_EQ(filchi_future_await(future, 0), FILCH_OK);
    filch_release(future);
    CHECK_EQ(phase_of(future), FUTURE_FREE);
    CHECK_EQ(atomic_load(&it.n_disposed), 0);
    host_close();
}

TEST(future, generations_rise) {
    host_open();
    filch_future *future = host_take();
    uint32_t first = generation_of(future);
    filchi_future_abort(future);
    CHECK_EQ(phase_of(future), FUTURE_FREE);
    CHECK(filchi_future_init(future, &test_type)); /* the cell is free: the state alone counts */
    CHECK_EQ(generation_of(future), first + 1);
    filch_store_relaxed(&future->state, FUTURE_GENERATION); /* the last one, FREE */
    CHECK(filchi_future_init(future, &test_type));
    CHECK_EQ(generation_of(future), 0);
    CHECK_EQ(phase_of(future), FUTURE_INIT);
    filch_store_relaxed(&future->state, (uint64_t)0);
    host_close();
}

TEST(future, stale_entries_start_nothing) {
    host_open();
    uint32_t generation;
    filch_future *future = host_submit(&generation);
    CHECK(!future_try_start(future, generation + 1, 1));
    CHECK(!future_try_start(future, generation - 1, 1));
    CHECK(!filchi_future_break(future, generation + 1));
    CHECK(!filchi_future_cancel_pending(future, generation - 1));
    CHECK(future_try_start(future, generation, 1));
    CHECK(!future_try_start(future, generation, 2)); /* a duplicated entry */
    CHECK(!filchi_future_cancel_pending(future, generation));
    CHECK(!filchi_future_break(future, generation));
    CHECK(!filchi_future_withdraw(future));
    CHECK_EQ(state_owner(future_state(future)), 1);
    filchi_future_finish(future, FUTURE_FINISHED);
    CHECK(!future_try_start(future, generation, 2));
    filch_release(future);
    CHECK(!future_try_start(future, generation, 2));
    CHECK(!filchi_future_break(future, generation));
    filchi_future_deliver_deferred(future, generation);
    CHECK_EQ(phase_of(future), FUTURE_FREE);
    host_close();
}

TEST(future, released_before_every_end) {
    for (int end = 0; end < 4; end++) {
        host_open();
        uint32_t generation;
        filch_future *future = host_submit(&generation);
        if (end == 0) {
            CHECK(future_try_start(future, generation, 1));
            filch_release(future);
            CHECK_EQ(phase_of(future), FUTURE_RUNNING);
            filchi_future_finish(future, FUTURE_FINISHED);
        } else {
            filch_release(future);
            CHECK_EQ(phase_of(future), FUTURE_PENDING); /* it still has to run */
            if (end == 1)
                host_run(future, FUTURE_FINISHED);
            else if (end == 2)
                CHECK(filchi_future_cancel_pending(future, generation));
            else
                CHECK(filchi_future_withdraw(future));
        }
        if (end == 3)
            filchi_future_abort(future);
        CHECK_EQ(phase_of(future), FUTURE_FREE);
        host_close();
    }
}

TEST(future, cancel_in_each_phase) {
    host_open();
    filch_future *future = host_submit(NULL);
    CHECK(filch_cancel(future));
    CHECK(filch_cancelled(future) && filch_done(future));
    CHECK(filch_cancel(future)); /* again: it is */
    filch_release(future);
    future = host_submit(NULL);
    CHECK(future_try_start(future, generation_of(future), 1));
    CHECK(!filch_cancel(future));
    CHECK(future_state(future) & FUTURE_CANCEL_REQUESTED);
    CHECK(filch_running(future));
    filchi_future_finish(future, FUTURE_FINISHED);
    CHECK(!filch_cancel(future));
    CHECK(!filch_cancelled(future));
    filch_release(future);
    host_close();
}

TEST(future, withdrawn_only_while_pending) {
    host_open();
    uint32_t generation;
    filch_future *future = host_submit(&generation);
    CHECK(filchi_future_withdraw(future));
    CHECK(!future_try_start(future, generation, 1));
    CHECK(!filchi_future_withdraw(future));
    filchi_future_abort(future);
    host_close();
}

TEST(future, handles_are_counted) {
    host_open();
    filch_future *future = host_submit(NULL);
    for (int i = 0; i < 5; i++)
        CHECK_PTR_EQ(filch_retain(future), future);
    host_run(future, FUTURE_FINISHED);
    for (int i = 0; i < 5; i++) {
        filch_release(future);
        CHECK_EQ(phase_of(future), FUTURE_FINISHED);
    }
    filch_release(future);
    CHECK_EQ(phase_of(future), FUTURE_FREE);
    CHECK_NULL(filch_retain(NULL));
    filch_release(NULL);
    host_close();
}

TEST(future, what_it_holds_is_disposed_once) {
    for (int is_released_first = 0; is_released_first <= 1; is_released_first++) {
        host_open();
        filch_future *future = host_submit(NULL);
        future->extents = 1;
        if (is_released_first)
            filch_release(future);
        host_run(future, FUTURE_FINISHED);
        if (!is_released_first) {
            CHECK_EQ(atomic_load(&it.n_disposed), 0);
            filch_release(future);
        }
        CHECK_EQ(atomic_load(&it.n_disposed), 1);
        host_close();
    }
}

TEST(future, deferred_delivery) {
    host_open();
    filch_future *future = host_submit(NULL);
    uint32_t generation = generation_of(future);
    CHECK(future_try_start(future, generation, 1));
    CHECK(!filchi_future_finish_deferred(future, FUTURE_FINISHED)); /* nobody watches */
    CHECK(future_state(future) & FUTURE_DELIVERED);
    filch_release(future);
    host_close();
}

static void count(filch_future *future, void *arg) {
    CHECK(state_is_done(future_state(future)));
    ++*(int *)arg;
}

TEST(future, deferred_delivery_happens_once) {
    host_open();
    int n = 0;
    uint32_t generation;
    filch_future *future = host_submit(&generation);
    CHECK_EQ(filch_add_done_callback(future, count, &n), FILCH_OK);
    CHECK(future_try_start(future, generation, 1));
    CHECK(filchi_future_finish_deferred(future, FUTURE_FINISHED));
    CHECK(filch_done(future)); /* the outcome is known, its callbacks are not called */
    CHECK_EQ(n, 0);
    filch_release(future);
    CHECK_EQ(phase_of(future), FUTURE_FINISHED);
    filchi_future_deliver_deferred(future, generation + 1); /* stale */
    CHECK_EQ(n, 0);
    filchi_future_deliver_deferred(future, generation);
    CHECK_EQ(n, 1);
    CHECK_EQ(phase_of(future), FUTURE_FREE);
    filchi_future_deliver_deferred(future, generation); /* a second entry */
    CHECK_EQ(n, 1);
    host_close();
}

TEST(future, a_wait_may_time_out_or_be_refused) {
    host_open();
    filch_future *future = host_submit(NULL);
    CHECK_EQ(filchi_future_await(future, 1), FILCH_TIMEOUT);
    it.refusal = FILCH_UNSUPPORTED;
    CHECK_EQ(filch_join(future), FILCH_UNSUPPORTED);
    host_run(future, FUTURE_FINISHED);
    CHECK_EQ(filch_join(future), FILCH_OK); /* nothing to wait for, nobody to ask */
    filch_release(future);
    host_close();
}

/* ---- at once ---- */

enum { ROUNDS = 3000, RACERS = 3 };
static filch_future *_Atomic target;
static atomic_int at_round, n_done, n_won;

struct racer {
    int kind;
};

static void race(int kind, filch_future *future) {
    uint32_t generation = generation_of(future);
    switch (kind) {
    case 0:
        if (!future_try_start(future, generation, 1))
            return;
        filchi_future_finish(future, FUTURE_FINISHED);
        break;
    case 1:
        if (!filchi_future_cancel_pending(future, generation))
            return;
        break;
    default:
        if (!filchi_future_break(future, generation))
            return;
    }
    atomic_fetch_add(&n_won, 1);
}

static void *race_main(void *arg) {
    struct racer *racer = arg;
    for (int round = 1; round <= ROUNDS; round++) {
        while (atomic_load(&at_round) < round)
            sched_yield();
        race(racer->kind, atomic_load(&target));
        atomic_fetch_add(&n_done, 1);
    }
    return NULL;
}

TEST(future, stampede) { /* run, cancel and break race for a pending future: one of them gets it */
    host_open();
    atomic_store(&at_round, 0);
    atomic_store(&n_done, 0);
    atomic_store(&n_won, 0);
    struct racer racers[RACERS];
    pthread_t threads[RACERS];
    for (int i = 0; i < RACERS; i++) {
        racers[i].kind = i;
        threads[i] = thread_start(race_main, &racers[i]);
    }
    for (int round = 1; round <= ROUNDS; round++) {
        filch_future *future = host_submit(NULL);
        filch_retain(future); /* for the racers */
        atomic_store(&target, future);
        atomic_store(&at_round, round);
        CHECK_NE(filch_join(future), FILCH_TIMEOUT); /* and this thread waits */
        CHECK(filch_done(future));
        filch_release(future);
        while (atomic_load(&n_done) < round * RACERS)
            sched_yield();
        CHECK_EQ(atomic_load(&n_won), round);
        (void)filch_exception(future); /* looked at: nothing to report */
        filch_release(future);
        CHECK_EQ(phase_of(future), FUTURE_FREE);
    }
    for (int i = 0; i < RACERS; i++)
        thread_join(threads[i]);
    host_close();
}

/* The finisher's DELIVERED against the last handle's RELEASED: the block is freed once. */
static void *release_main(void *unused) {
    (void)unused;
    for (int round = 1; round <= ROUNDS; round++) {
        while (atomic_load(&at_round) < round)
            sched_yield();
        filch_release(atomic_load(&target));
        atomic_fetch_add(&n_done, 1);
    }
    return NULL;
}

static void count_atomically(filch_future *future, void *arg) {
    (void)future;
    atomic_fetch_add((atomic_int *)arg, 1);
}

TEST(future, released_while_it_finishes) {
    host_open();
    atomic_int n_called = 0;
    int n_watched = 0;
    atomic_store(&at_round, 0);
    atomic_store(&n_done, 0);
    pthread_t thread = thread_start(release_main, NULL);
    for (int round = 1; round <= ROUNDS; round++) {
        filch_future *future = host_submit(NULL);
        future->extents = 1;
        if (round % 2 == 0) {
            CHECK_EQ(filch_add_done_callback(future, count_atomically, &n_called), FILCH_OK);
            n_watched++;
        }
        CHECK(future_try_start(future, generation_of(future), 1));
        atomic_store(&target, future);
        atomic_store(&at_round, round);
        for (int i = round % 64; i > 0; i--)
            atomic_signal_fence(memory_order_seq_cst);
        filchi_future_finish(future, FUTURE_FINISHED);
        while (atomic_load(&n_done) < round)
            sched_yield();
        CHECK_EQ(phase_of(future), FUTURE_FREE);
        CHECK_EQ(atomic_load(&it.n_disposed), round);
    }
    thread_join(thread);
    CHECK_EQ(atomic_load(&n_called), n_watched);
    host_close();
}
