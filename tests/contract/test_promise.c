/* A3 to A5 and more of groups A to D, for futures that the program completes itself. */
#include "pools.h"
#include <stdint.h>

static filch_future *new_long(void) {
    filch_future *future = filch_future_new(sizeof(long));
    CHECK_NOT_NULL(future);
    return future;
}

static filch_status set_long(filch_future *future, long value) {
    return filch_set_result(future, &value, sizeof value);
}

/* A1, A3, A5 */
CONTRACT_ALONE(promise, life) {
    filch_future *future = new_long();
    CHECK(!filch_done(future) && !filch_running(future) && !filch_cancelled(future));
    CHECK_EQ(filch_set_running_or_notify_cancel(future), FILCH_OK);
    CHECK(filch_running(future));
    CHECK(!filch_cancel(future));
    CHECK_EQ(filch_set_running_or_notify_cancel(future), FILCH_INVALID_STATE);
    CHECK_FAILURE(FILCH_INVALID_STATE, "running");
    CHECK_EQ(set_long(future, 7), FILCH_OK);
    CHECK(filch_done(future));
    check_long(future, 7);
    future = new_long();
    CHECK_EQ(set_long(future, 8), FILCH_OK); /* straight from PENDING */
    check_long(future, 8);
}

/* A3 */
CONTRACT_ALONE(promise, cancelled) {
    filch_future *future = new_long();
    CHECK(filch_cancel(future));
    CHECK_EQ(filch_set_running_or_notify_cancel(future), FILCH_CANCELLED);
    CHECK_EQ(set_long(future, 1), FILCH_INVALID_STATE);
    CHECK_FAILURE(FILCH_INVALID_STATE, "cancelled");
    CHECK_EQ(filch_join(future), FILCH_CANCELLED);
    filch_release(future);
}

/* A4: the first outcome stays. */
CONTRACT_ALONE(promise, second_outcome_is_refused) {
    filch_future *future = new_long();
    CHECK_EQ(set_long(future, 3), FILCH_OK);
    CHECK_EQ(set_long(future, 4), FILCH_INVALID_STATE);
    CHECK_FAILURE(FILCH_INVALID_STATE, "finished");
    CHECK_EQ(filch_set_exception(future, 1, "late"), FILCH_INVALID_STATE);
    check_long(future, 3);
    future = new_long();
    CHECK_EQ(filch_set_exception(future, 0, "disk on fire"), FILCH_OK);
    CHECK_EQ(set_long(future, 4), FILCH_INVALID_STATE);
    CHECK_FAILURE(FILCH_INVALID_STATE, "failed");
    const filch_error *error = filch_exception(future); /* A6: code 0 is a failure all the same */
    CHECK_NOT_NULL(error);
    CHECK_EQ(error->code, 0);
    CHECK_STR_EQ(error->message, "disk on fire");
    CHECK_EQ(error->status, FILCH_FAILED);
    filch_release(future);
}

CONTRACT_ALONE(promise, unseen_error_is_reported) {
    filch_future *future = new_long();
    CHECK_EQ(filch_set_exception(future, 5, "nobody looks"), FILCH_OK);
    filch_release(future);
    CHECK_EQ(reports_take(), 1);
    CHECK_STR_HAS(reports.lines[0], "nobody looks");
}

CONTRACT(promise, bad_input) {
    filch_future *future = new_long();
    CHECK_EQ(filch_set_result(future, &(int){1}, sizeof(int)), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "size is 4");
    CHECK_EQ(filch_set_result(future, NULL, sizeof(long)), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "value is NULL");
    CHECK_EQ(filch_set_exception(future, 1, NULL), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "message is NULL");
    CHECK_EQ(filch_set_result(NULL, NULL, 0), FILCH_INVALID);
    CHECK_EQ(filch_set_exception(NULL, 1, "x"), FILCH_INVALID);
    CHECK_EQ(filch_set_running_or_notify_cancel(NULL), FILCH_INVALID);
    double real = 0;
    CHECK_EQ(set_long(future, 1), FILCH_OK);
    CHECK_EQ(filch_result(future, &real), FILCH_OK); /* its kind is not known, its size is */
    int narrow = 0;
    CHECK_EQ(filch_result(future, &narrow), FILCH_INVALID);
    filch_release(future);
    CHECK_NULL(filch_future_new(SIZE_MAX / 2));
    CHECK_EQ(filch_error_status(), FILCH_NO_MEMORY);
    filch_executor *ex = pool->open(1);
    filch_future *task = filch_submit(ex, twice, 2);
    CHECK_EQ(set_long(task, 1), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "twice");
    check_long(task, 4);
    filch_close(ex);
}

CONTRACT_ALONE(promise, results_of_any_size) {
    static const size_t sizes[] = {0, 1, 48, 49, 1 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t size = sizes[i];
        char *value = malloc(size + 1), *copy = malloc(size + 1);
        memset(value, (int)i + 1, size);
        filch_future *future = filch_future_new(size);
        CHECK_NOT_NULL(future);
        CHECK_EQ(filch_set_result(future, value, size), FILCH_OK);
        if (size == 0)
            CHECK_EQ(filch_join(future), FILCH_OK);
        else
            CHECK_EQ(filch_result_into(future, copy, size, FILCH_KIND_RECORD, 0), FILCH_OK);
        CHECK_EQ(memcmp(value, copy, size), 0);
        filch_release(future);
        free(value);
        free(copy);
    }
}

/* Nobody can complete it any more: nothing is left, and nothing is called. */
static void never_called(filch_future *future, void *arg) {
    (void)future;
    (void)arg;
    CHECK(false);
}

CONTRACT_ALONE(promise, forsaken) {
    for (int i = 0; i < 1000; i++) {
        filch_future *future = filch_future_new(i % 2 == 0 ? 8 : 100);
        CHECK_EQ(filch_add_done_callback(future, never_called, NULL), FILCH_OK);
        if (i % 3 == 0)
            CHECK_EQ(filch_set_running_or_notify_cancel(future), FILCH_OK);
        filch_release(future);
    }
}

/* B1, B5: callbacks run in the setting thread, and may give the last handle back. */
static void release_in_callback(filch_future *future, void *arg) {
    long value = 0;
    CHECK_EQ(filch_result_timeout(future, &value, 0), FILCH_OK);
    *(long *)arg += value;
    filch_release(future);
}

CONTRACT_ALONE(promise, callback_that_releases) {
    long sum = 0;
    filch_future *future = new_long();
    CHECK_EQ(filch_add_done_callback(future, release_in_callback, &sum), FILCH_OK);
    CHECK_EQ(set_long(future, 9), FILCH_OK);
    CHECK_EQ(sum, 9);
}

/* C2, D2: threads that wait are woken; setters and cancellers race, and one wins. */
enum { WAITERS = 3, SETTERS = 2 };

struct race {
    filch_future *future;
    struct gate go;
    atomic_int n_won, sum;
};

static void *wait_for_it(void *arg) {
    struct race *race = arg;
    long value = 0;
    filch_status status = filch_result(race->future, &value);
    CHECK(status == FILCH_OK || status == FILCH_CANCELLED || status == FILCH_FAILED);
    return NULL;
}

static void *settle_it(void *arg) {
    struct race *race = arg;
    gate_wait(&race->go, 1);
    atomic_fetch_add(&race->n_won, set_long(race->future, 5) == FILCH_OK);
    return NULL;
}

static void *fail_it(void *arg) {
    struct race *race = arg;
    gate_wait(&race->go, 1);
    atomic_fetch_add(&race->n_won, filch_set_exception(race->future, 1, "lost") == FILCH_OK);
    return NULL;
}

CONTRACT_ALONE(promise, one_of_several_wins) {
    for (int round = 0; round < ROUNDS(300); round++) {
        struct race race = {.future = new_long()};
        pthread_t threads[WAITERS + SETTERS];
        for (int i = 0; i < WAITERS; i++)
            threads[i] = thread_start(wait_for_it, &race);
        threads[WAITERS] = thread_start(settle_it, &race);
        threads[WAITERS + 1] = thread_start(fail_it, &race);
        gate_open(&race.go);
        int cancelled = filch_cancel(race.future);
        for (int i = 0; i < WAITERS + SETTERS; i++)
            thread_join(threads[i]);
        CHECK_EQ(atomic_load(&race.n_won) + cancelled, 1);
        (void)filch_exception(race.future);
        filch_release(race.future);
    }
}

/* G1, H1, E6: beside the futures of tasks, and waited for inside a task. */
static long wait_for_promise(filch_future *future) {
    long value = 0;
    return filch_result(future, &value) == FILCH_OK ? value : -(long)filch_error_status();
}
FILCH_TASK(long, wait_for_promise, filch_future *);

static void keep_promise(filch_future *future) {
    set_long(future, 77);
}
FILCH_TASK_VOID(keep_promise, filch_future *);

/* A promise belongs to the process that made it: a pool of processes does not take it along. */
CONTRACT(promise, waited_for_inside_a_task) {
    filch_executor *ex = pool->open(1);
    if (!pool->takes_pointers) {
        filch_future *promise = new_long();
        CHECK_NULL(filch_submit(ex, wait_for_promise, promise));
        CHECK_FAILURE(FILCH_INVALID, "argument 1 of task 'wait_for_promise'");
        filch_release(promise);
        filch_close(ex);
        return;
    }
    for (int round = 0; round < ROUNDS(200); round++) {
        filch_future *promise = new_long();
        filch_future *waiter = filch_submit(ex, wait_for_promise, promise);
        filch_release(filch_submit(ex, keep_promise, promise)); /* behind it, with one worker */
        check_long(waiter, 77);
        filch_release(promise);
    }
    filch_close(ex);
}

/* G1, H1, E6: a task makes it, and a thread of its own, or another task, keeps it. */
static void *keep_on_thread(void *future) {
    set_long(future, 77);
    return NULL;
}

static long make_and_wait(struct gate *runs) {
    filch_future *promise = new_long();
    filch_future *child = filch_submit(filch_this_executor(), count_run, runs);
    pthread_t thread = thread_start(keep_on_thread, promise);
    long value = wait_for_promise(promise);
    if (filch_join(child) != FILCH_OK)
        value = -1;
    thread_join(thread);
    filch_release(child);
    filch_release(promise);
    return value;
}
FILCH_TASK(long, make_and_wait, struct gate *);

CONTRACT(promise, made_inside_a_task) {
    filch_executor *ex = pool->open(1);
    struct gate *runs = pool->alloc(ex, sizeof *runs);
    for (int round = 0; round < ROUNDS(100); round++)
        check_long(filch_submit(ex, make_and_wait, runs), 77);
    CHECK_EQ(gate_value(runs), ROUNDS(100));
    pool_close(pool, ex, runs);
}

CONTRACT(promise, mixed_with_tasks) {
    filch_executor *ex = pool->open(2);
    filch_future *futures[] = {new_long(), filch_submit(ex, twice, 1), new_long()};
    CHECK_EQ(filch_join(futures[1]), FILCH_OK);
    size_t n_done = 0;
    CHECK_EQ(filch_wait(futures, 3, FILCH_FIRST_COMPLETED, FILCH_FOREVER, &n_done), FILCH_OK);
    CHECK_EQ(n_done, 1);
    filch_completed *completed = filch_as_completed(futures, 3);
    filch_future *given = NULL;
    CHECK_EQ(filch_completed_next(completed, &given, FILCH_FOREVER), FILCH_OK);
    CHECK_PTR_EQ(given, futures[0]);
    CHECK_EQ(filch_completed_next(completed, &given, 0), FILCH_TIMEOUT);
    CHECK_EQ(set_long(futures[2], 3), FILCH_OK);
    CHECK_EQ(filch_completed_next(completed, &given, FILCH_FOREVER), FILCH_OK);
    CHECK_PTR_EQ(given, futures[2]);
    CHECK_EQ(filch_set_exception(futures[1], 4, "x"), FILCH_OK);
    CHECK_EQ(filch_completed_next(completed, &given, FILCH_FOREVER), FILCH_OK);
    CHECK_PTR_EQ(given, futures[1]);
    CHECK_EQ(filch_completed_next(completed, &given, FILCH_FOREVER), FILCH_END);
    filch_completed_close(completed);
    CHECK_EQ(filch_join(futures[1]), FILCH_FAILED);
    for (int i = 0; i < 3; i++)
        filch_release(futures[i]);
    filch_close(ex);
}
