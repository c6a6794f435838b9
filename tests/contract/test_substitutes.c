/* D5, E6 and J1 of the conformance list: waits inside a task that block its worker. Somebody else
 * takes its place meanwhile: up to a stated number, and never more than max_workers start tasks. */
#include "pools.h"

enum { TIMED_RESULT, TIMED_JOIN, TIMED_EXCEPTION, TIMED_WAIT, FIRST_OF, AS_COMPLETED, WAYS };

static filch_status wait_somehow(filch_future **futures, size_t n, int way, double seconds) {
    long value = 0;
    const filch_error *error = NULL;
    size_t n_done = 0;
    filch_future *given = NULL;
    filch_completed *completed;
    filch_status status;
    switch (way) {
    case TIMED_RESULT:
        return filch_result_timeout(futures[0], &value, seconds);
    case TIMED_JOIN:
        return filch_join_timeout(futures[0], seconds);
    case TIMED_EXCEPTION:
        return filch_exception_timeout(futures[0], seconds, &error);
    case TIMED_WAIT:
        return filch_wait(futures, n, FILCH_ALL_COMPLETED, seconds, &n_done);
    case FIRST_OF:
        return filch_wait(futures, n, FILCH_FIRST_COMPLETED, seconds, &n_done);
    default:
        completed = filch_as_completed(futures, n);
        if (completed == NULL)
            return filch_error_status();
        status = filch_completed_next(completed, &given, seconds);
        filch_completed_close(completed);
        return status;
    }
}

/* D5, E6: what is waited for is queued behind the waiter. */
static long wait_for_queued(int way) {
    filch_executor *ex = filch_this_executor();
    filch_future *futures[2] = {filch_submit(ex, twice, 1), filch_submit(ex, twice, 2)};
    filch_status polling = wait_somehow(futures, 2, way, 0);
    filch_status blocking = wait_somehow(futures, 2, way, way % 2 == 0 ? FILCH_FOREVER : 1000);
    long first = 0, second = 0;
    filch_result(futures[0],
                 &first); /* filch_wait may have moved what was done first to the front */
    filch_result(futures[1], &second);
    filch_release(futures[0]);
    filch_release(futures[1]);
    if (polling != FILCH_TIMEOUT && polling != FILCH_OK)
        return filch_raise(polling, "polling: %s", filch_error_message());
    if (blocking != FILCH_OK)
        return filch_raise(blocking, "blocking: %s", filch_error_message());
    return first + second;
}
FILCH_TASK(long, wait_for_queued, int);

CONTRACT(substitutes, every_way_of_waiting) {
    for (int workers = 1; workers <= 2; workers++) {
        filch_executor *ex = pool->open(workers);
        for (int round = 0; round < ROUNDS(50); round++)
            for (int way = 0; way < WAYS; way++) {
                filch_future *future = filch_submit(ex, wait_for_queued, way);
                long value = 0;
                filch_status status = filch_result(future, &value);
                CHECK_MSG(status == FILCH_OK, "way %d: %s", way, filch_error_message());
                CHECK_EQ(value, 6);
                filch_release(future);
            }
        filch_close(ex);
    }
}

/* D5: the time limit holds where nothing comes. */
static long wait_in_vain(struct hold *held) {
    double start = seconds_now();
    filch_future *never = filch_submit(filch_this_executor(), hold, held);
    long wrong = 0;
    for (int way = 0; way < WAYS; way++)
        if (wait_somehow(&never, 1, way, 0.01) != FILCH_TIMEOUT)
            wrong |= 1 << way;
    if (seconds_now() - start < 0.01 * WAYS)
        wrong |= 1 << WAYS;
    gate_open(&held->go);
    filch_join(never);
    filch_release(never);
    return wrong;
}
FILCH_TASK(long, wait_in_vain, struct hold *);

CONTRACT(substitutes, time_limit_inside_a_task) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *future = filch_submit(ex, wait_in_vain, held);
    long wrong = 1;
    CHECK_EQ(filch_result_timeout(future, &wrong, FILCH_FOREVER), FILCH_OK);
    filch_release(future);
    CHECK_EQ(wrong, 0);
    pool_close(pool, ex, held);
}

/* E6: two tasks raced with FIRST_COMPLETED, and the loser cancelled. */
static long race(struct hold *held) {
    filch_executor *ex = filch_this_executor();
    filch_future *racers[2] = {filch_submit(ex, twice, 21), filch_submit(ex, hold, held)};
    filch_future *queued = filch_submit(ex, count_run, &held->started);
    size_t n_done = 0;
    filch_status status = filch_wait(racers, 2, FILCH_FIRST_COMPLETED, FILCH_FOREVER, &n_done);
    if (status != FILCH_OK || n_done != 1)
        return filch_raise(1, "wait: %s, %zu done", filch_error_message(), n_done);
    long value = 0;
    status = filch_result(racers[0], &value);
    bool cancelled = filch_cancel(racers[1]) && filch_cancel(queued);
    gate_open(&held->go); /* if it runs already */
    for (int i = 0; i < 2; i++)
        filch_release(racers[i]);
    filch_release(queued);
    return status == FILCH_OK && (cancelled || value == 42) ? value : -1;
}
FILCH_TASK(long, race, struct hold *);

CONTRACT(substitutes, race_and_cancel_the_loser) {
    for (int round = 0; round < ROUNDS(100); round++) {
        filch_executor *ex = pool->open(1);
        struct hold *held = pool->alloc(ex, sizeof *held);
        check_long(filch_submit(ex, race, held), 42);
        pool_close(pool, ex, held);
    }
}

/* E6: a future of another pool, whose task waits back. */
struct across {
    filch_executor *other;
    long depth;
};

static long go_across(struct across it);
FILCH_TASK(long, go_across, struct across);

static long go_across(struct across it) {
    if (it.depth == 0)
        return 0;
    struct across next = {filch_this_executor(), it.depth - 1};
    filch_future *there = filch_submit(it.other, go_across, next);
    long below = -1000000;
    if (there == NULL || filch_result(there, &below) != FILCH_OK)
        filch_raise(filch_error_status(), "at %ld: %s", it.depth, filch_error_message());
    filch_release(there);
    return below + 1;
}

/* A worker process is in one pool only: it knows no executor of its opener but that one. */
CONTRACT(substitutes, two_pools_that_wait_for_each_other) {
    if (!pool->in_process) {
        filch_executor *there = pool->open(1), *here = pool->open(1);
        filch_future *future = filch_submit(here, go_across, (struct across){there, 40});
        CHECK_EQ(filch_join(future), FILCH_FAILED);
        CHECK_EQ(filch_exception(future)->code, FILCH_INVALID_STATE);
        CHECK_STR_HAS(filch_exception(future)->message, "opened by the parent process");
        filch_release(future);
        filch_close(here);
        filch_close(there);
        return;
    }
    filch_executor *here = pool->open(1), *there = pool->open(1);
    for (int round = 0; round < ROUNDS(20); round++)
        check_long(filch_submit(here, go_across, (struct across){there, 40}), 40);
    filch_close(there);
    filch_close(here);
}

/* J1: never more than max_workers start tasks. */
enum { STARTERS = 3 };

struct census {
    struct gate runs; /* tasks that run and do not wait */
    atomic_int now, most, started;
};

static void count_in(struct census *it) {
    int now = atomic_fetch_add(&it->now, 1) + 1;
    for (int most = atomic_load(&it->most); now > most;)
        if (atomic_compare_exchange_weak(&it->most, &most, now))
            break;
}

static void be_counted(struct census *it) {
    count_in(it);
    for (volatile int i = 0; i < 2000; i++)
        ;
    atomic_fetch_sub(&it->now, 1);
    atomic_fetch_add(&it->started, 1);
}
FILCH_TASK_VOID(be_counted, struct census *);

static long wait_and_count(struct census *it) {
    long ok = 0;
    for (int i = 0; i < 5; i++) {
        filch_future *future = filch_submit(filch_this_executor(), be_counted, it);
        ok += filch_join_timeout(future, 1000) == FILCH_OK;
        filch_release(future);
    }
    return ok;
}
FILCH_TASK(long, wait_and_count, struct census *);

CONTRACT(substitutes, no_more_start_than_max_workers) {
    filch_executor *ex = pool->open(STARTERS);
    struct census *it = pool->alloc(ex, sizeof *it);
    filch_future *futures[60];
    for (int round = 0; round < ROUNDS(20); round++) {
        for (int i = 0; i < 60; i++)
            futures[i] = filch_submit(ex, wait_and_count, it);
        for (int i = 0; i < 60; i++)
            check_long(futures[i], 5);
    }
    CHECK_EQ(atomic_load(&it->started), ROUNDS(20) * 300);
    CHECK_MSG(atomic_load(&it->most) <= STARTERS, "%d at once", atomic_load(&it->most));
    pool_close(pool, ex, it);
}

/* E6: at the limit a wait is refused, and nothing hangs. */
enum { LIMIT = FILCH_MAX_SUBSTITUTES, TOO_MANY = LIMIT + 20 };

struct crowd {
    struct gate blocked, refused, go;
};

static long wait_for_crowd(struct crowd *it) {
    gate_wait(&it->go, 1);
    return 1;
}
FILCH_TASK(long, wait_for_crowd, struct crowd *);

/* Each waits for the next one, which nobody but a substitute can start. */
static long descend_timed(struct crowd *it, long depth);
FILCH_TASK(long, descend_timed, struct crowd *, long);

static long descend_timed(struct crowd *it, long depth) {
    long below = 0;
    filch_future *next =
        depth == 0 ? NULL : filch_submit(filch_this_executor(), descend_timed, it, depth - 1);
    if (next == NULL)
        return 0;
    filch_status status = filch_result_timeout(next, &below, 1000);
    if (status == FILCH_NO_MEMORY && strstr(filch_error_message(), "the limit") != NULL) {
        gate_open(&it->refused);
        filch_result(next, &below); /* without a limit it goes on */
    }
    filch_release(next);
    return below + 1;
}

CONTRACT(substitutes, the_limit) {
    filch_executor *ex = pool->open(1);
    struct crowd *it = pool->alloc(ex, sizeof *it);
    check_long(filch_submit(ex, descend_timed, it, TOO_MANY), TOO_MANY);
    CHECK(gate_value(&it->refused) > 0);
    check_long(filch_submit(ex, descend_timed, it, LIMIT / 2), LIMIT / 2); /* and again */
    check_long(filch_submit(ex, twice, 4), 8);
    pool_close(pool, ex, it);
}

/* Closing while workers are absent, with every flag: they come back, and all ends. */
static long wait_long(struct gate *go) {
    gate_wait(go, 1);
    return 1;
}
FILCH_TASK(long, wait_long, struct gate *);

static long absent(struct gate *go) {
    filch_future *future = filch_submit(filch_this_executor(), wait_long, go);
    filch_status status = filch_join_timeout(future, 1000);
    filch_release(future);
    return status == FILCH_OK || status == FILCH_CANCELLED;
}
FILCH_TASK(long, absent, struct gate *);

CONTRACT(substitutes, shutdown_with_absent_workers) {
    for (int round = 0; round < ROUNDS(200); round++) {
        filch_executor *ex = pool->open(1 + round % 3);
        struct gate *go = pool->alloc(ex, sizeof *go);
        filch_future *futures[6];
        for (int i = 0; i < 6; i++)
            futures[i] = filch_submit(ex, absent, go);
        if (round % 2 == 0)
            gate_open(go);
        filch_status status = filch_shutdown(ex, .no_wait = true, .cancel_futures = round % 5 == 0);
        CHECK_EQ(status, FILCH_OK);
        gate_open(go);
        CHECK_EQ(filch_shutdown(ex), FILCH_OK);
        for (int i = 0; i < 6; i++) {
            long value = 1;
            status = filch_result(futures[i], &value);
            CHECK(status == FILCH_OK || (round % 5 == 0 && status == FILCH_CANCELLED));
            /* A late submit inside a task is refused: then its future was NULL. */
            CHECK(value == 1 || value == 0);
            filch_release(futures[i]);
        }
        pool_close(pool, ex, go);
    }
}

/* B7: a callback that blocks on a future of the same pool counts as a waiting task. */
struct chain {
    filch_executor *ex;
    struct gate called;
};

static void block_in_callback(filch_future *future, void *arg) {
    (void)future;
    struct chain *it = arg;
    filch_future *mine = filch_submit(it->ex, twice, 1);
    if (filch_join_timeout(mine, 1000) == FILCH_OK)
        gate_open(&it->called);
    filch_release(mine);
}

CONTRACT(substitutes, callbacks_that_block) {
    enum { CALLBACKS = 20 };
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    struct chain it = {.ex = ex};
    filch_future *holding = pool_hold(ex, held);
    for (int i = 0; i < CALLBACKS; i++)
        CHECK_EQ(filch_add_done_callback(holding, block_in_callback, &it), FILCH_OK);
    gate_open(&held->go);
    check_held(holding);
    gate_wait(&it.called, CALLBACKS);
    pool_close(pool, ex, held);
}

/* B4: callbacks of a future that was run inside a wait are taken by a substitute, if the only worker
 * blocks. A worker process has no other thread for them: there they come when the task has ended. */
static void set_off(filch_future *future, void *arg) {
    (void)future;
    gate_open(arg);
}

struct inlined {
    struct gate called;
    bool has_substitute;
};

static long wait_for_gate(struct gate *gate) {
    gate_wait(gate, 1);
    return 5;
}
FILCH_TASK(long, wait_for_gate, struct gate *);

static long run_inside(struct inlined *it) {
    filch_future *child = filch_submit(filch_this_executor(), twice, 2);
    filch_add_done_callback(child, set_off, &it->called);
    filch_join(child);
    filch_release(child);
    if (!it->has_substitute)
        return gate_value(&it->called);
    /* A task of another pool that ends once the callback has run. */
    filch_executor *other = filch_thread_pool(.max_workers = 1);
    filch_future *after = filch_submit(other, wait_for_gate, &it->called);
    long value = 0;
    filch_result(after, &value);
    filch_release(after);
    filch_close(other);
    return value;
}
FILCH_TASK(long, run_inside, struct inlined *);

CONTRACT(substitutes, callbacks_of_what_ran_inside_a_wait) {
    filch_executor *ex = pool->open(1);
    for (int round = 0; round < ROUNDS(pool->takes_pointers ? 100 : 10); round++) {
        struct inlined *it = pool->alloc(ex, sizeof *it);
        it->has_substitute = pool->takes_pointers;
        check_long(filch_submit(ex, run_inside, it), pool->takes_pointers ? 5 : 0);
        gate_wait(&it->called, 1);
        check_long(filch_submit(ex, twice, 1), 2); /* by then the task is through with it */
        pool->free(ex, it);
    }
    filch_close(ex);
}

/* E6: a set that only the waiter itself can complete. Its submitter, which with one worker runs in the same
 * process, tells it its own future. */
static struct {
    struct gate known;
    filch_future *future;
} own;

static long wait_for_own_set(void) {
    gate_wait(&own.known, 1);
    filch_future *other = filch_submit(filch_this_executor(), twice, 1);
    filch_future *both[] = {own.future, other};
    size_t n_done = 0;
    long wrong = 0;
    wrong |= filch_wait(both, 1, FILCH_FIRST_COMPLETED, 1000, &n_done) != FILCH_INVALID_STATE;
    wrong |= filch_wait(both, 2, FILCH_FIRST_COMPLETED, 1000, &n_done) != FILCH_OK ? 2 : 0;
    filch_completed *completed = filch_as_completed(both, 2);
    filch_future *given = NULL;
    wrong |= filch_completed_next(completed, &given, 1000) != FILCH_OK || given != other ? 4 : 0;
    wrong |= filch_completed_next(completed, &given, 1000) != FILCH_INVALID_STATE ? 8 : 0;
    filch_completed_close(completed);
    filch_release(other);
    return wrong;
}
FILCH_TASK(long, wait_for_own_set);

static long tell_its_own(void) {
    long value = -1;
    atomic_store(&own.known.value, 0);
    own.future = filch_submit(filch_this_executor(), wait_for_own_set);
    gate_open(&own.known);
    filch_result(own.future, &value);
    filch_release(own.future);
    return value;
}
FILCH_TASK(long, tell_its_own);

CONTRACT(substitutes, a_set_of_itself_alone) {
    filch_executor *ex = pool->open(1);
    check_long(filch_submit(ex, tell_its_own), 0);
    filch_close(ex);
}
