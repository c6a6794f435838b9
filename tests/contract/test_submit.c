/* Group E of the conformance list: submit. E1 is in test_parameters.c, test_values.c, test_strings.c and
 * test_bytes.c, E2 in test_bad_input.c, the waits of E6 in test_nested_wait.c. */
#include "pools.h"

/* E3 */
CONTRACT(submit, after_shutdown) {
    filch_executor *ex = pool->open(1);
    check_long(filch_submit(ex, twice, 4), 8);
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    CHECK_NULL(filch_submit(ex, twice, 4));
    CHECK_EQ(filch_error_status(), FILCH_SHUTDOWN);
    CHECK_EQ(errno, ESHUTDOWN);
    CHECK(filch_error_message()[0] != '\0');
    long items[] = {1, 2, 3};
    CHECK_NULL(filch_map(ex, twice, items, 3));
    CHECK_EQ(filch_error_status(), FILCH_SHUTDOWN);
    CHECK_NULL(filch_submit_raw(ex, NULL, NULL, 0, 0, NULL)); /* bad input all the same */
    CHECK(filch_error_status() == FILCH_INVALID || filch_error_status() == FILCH_SHUTDOWN);
    filch_close(ex);
}

/* E4: with one worker, the tasks of one outside thread start in order. */
enum { ORDERED = 5000 };
struct order {
    struct hold held;
    atomic_int next;
    int starts[ORDERED];
};

static void note_start(struct order *order, int number) {
    order->starts[atomic_fetch_add(&order->next, 1)] = number;
}
FILCH_TASK_VOID(note_start, struct order *, int);

CONTRACT(submit, one_worker_starts_in_order) {
    filch_executor *ex = pool->open(1);
    struct order *order = pool->alloc(ex, sizeof *order);
    filch_future *first = pool_hold(ex, &order->held);
    int n = ROUNDS(ORDERED);
    for (int i = 0; i < n; i++) {
        if (i == n / 2)
            gate_open(&order->held.go); /* the second half while it is running */
        filch_future *future = filch_submit(ex, note_start, order, i);
        CHECK_NOT_NULL(future);
        filch_release(future);
    }
    check_held(first);
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    CHECK_EQ(atomic_load(&order->next), n);
    for (int i = 0; i < n; i++)
        CHECK_EQ(order->starts[i], i);
    pool_close(pool, ex, order);
}

/* E4: ten threads do everything at once. */
static void *do_everything(void *arg) {
    filch_executor *ex = arg;
    enum { TASKS = 24 };
    for (int round = ROUNDS(60); round > 0; round--) {
        filch_future *futures[TASKS];
        for (int i = 0; i < TASKS; i++) {
            futures[i] = filch_submit(ex, twice, i);
            CHECK_NOT_NULL(futures[i]);
            if (i % 3 == 0)
                filch_cancel(futures[i]);
        }
        long items[40];
        for (int i = 0; i < 40; i++)
            items[i] = i;
        filch_results *results = filch_map(ex, twice, items, 40, .chunksize = round % 7);
        CHECK_NOT_NULL(results);
        for (int i = 0; i < (round % 2 ? 40 : 10); i++) {
            long value = -1;
            CHECK_EQ(filch_results_next(results, &value), FILCH_OK);
            CHECK_EQ(value, 2 * i);
        }
        filch_results_close(results);
        for (int i = 0; i < TASKS; i++) {
            long value = -1;
            filch_status status = filch_result(futures[i], &value);
            if (status == FILCH_OK)
                CHECK_EQ(value, 2 * i);
            else
                CHECK(status == FILCH_CANCELLED && i % 3 == 0);
            filch_release(futures[i]);
        }
    }
    return NULL;
}

CONTRACT(submit, ten_threads) {
    filch_executor *ex = pool->open(3);
    pthread_t threads[10];
    for (int i = 0; i < 10; i++)
        threads[i] = thread_start(do_everything, ex);
    for (int i = 0; i < 10; i++)
        thread_join(threads[i]);
    filch_close(ex);
}

/* Threads that come, submit and go leave nothing undone. */
struct passing {
    filch_executor *executor;
    struct gate runs;
};

static void *submit_and_go(void *arg) {
    struct passing *it = arg;
    for (int i = 0; i < 20; i++)
        filch_release(filch_submit(it->executor, count_run, &it->runs));
    return NULL;
}

CONTRACT(submit, from_threads_that_end) {
    filch_executor *ex = pool->open(2);
    struct passing *it = pool->alloc(ex, sizeof *it);
    it->executor = ex;
    int threads = ROUNDS(200);
    for (int i = 0; i < threads; i++) {
        pthread_t thread = thread_start(submit_and_go, it);
        thread_join(thread);
    }
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    CHECK_EQ(gate_value(&it->runs), threads * 20);
    pool_close(pool, ex, it);
}

/* E5 */
CONTRACT(submit, a_failure_costs_its_own_future) {
    filch_executor *ex = pool->open(2);
    filch_future *futures[200];
    for (int i = 0; i < 200; i++)
        futures[i] = i % 2 ? filch_submit(ex, fail_with, i) : filch_submit(ex, twice, i);
    for (int i = 0; i < 200; i++) {
        if (i % 2) {
            const filch_error *error = filch_exception(futures[i]);
            CHECK_NOT_NULL(error);
            CHECK_EQ(error->code, i);
            filch_release(futures[i]);
        } else {
            check_long(futures[i], 2 * i);
        }
    }
    filch_close(ex);
}

/* E7: tasks submit tasks. */
static void sow(struct gate *runs, int depth) {
    gate_open(runs);
    if (depth == 0)
        return;
    for (int i = 0; i < 2; i++)
        filch_release(filch_submit(filch_this_executor(), count_run, runs));
}
FILCH_TASK_VOID(sow, struct gate *, int);

CONTRACT(submit, from_tasks) {
    filch_executor *ex = pool->open(2);
    struct gate *runs = pool->alloc(ex, sizeof *runs);
    for (int i = 0; i < 100; i++)
        filch_release(filch_submit(ex, sow, runs, 1));
    gate_wait(runs, 300); /* before the shutdown, which would refuse what tasks submit */
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    CHECK_EQ(gate_value(runs), 300);
    pool_close(pool, ex, runs);
}

/* Two pools at once, and one pool after the other. */
CONTRACT(submit, several_pools) {
    filch_executor *one = pool->open(1), *two = pool->open(2);
    for (int i = 0; i < 50; i++) {
        filch_future *a = filch_submit(one, twice, i), *b = filch_submit(two, twice, -i);
        check_long(a, 2 * i);
        check_long(b, -2 * i);
    }
    filch_close(one);
    check_long(filch_submit(two, twice, 4), 8);
    filch_close(two);
    for (int i = ROUNDS(100); i > 0; i--) {
        filch_executor *ex = pool->open(1 + i % 3);
        check_long(filch_submit(ex, twice, i), 2 * i);
        filch_close(ex);
    }
}

/* Inside a task: who runs me? */
static long own_worker(long workers) {
    return filch_this_executor() != NULL && filch_this_worker() >= 0 &&
           filch_this_worker() < workers;
}
FILCH_TASK(long, own_worker, long);

static filch_executor *own_executor(void) {
    return filch_this_executor();
}
FILCH_TASK(filch_executor *, own_executor);

CONTRACT(submit, this_executor_and_worker) {
    filch_executor *ex = pool->open(3);
    CHECK_NULL(filch_this_executor());
    CHECK_EQ(filch_this_worker(), -1);
    for (int i = 0; i < 50; i++)
        check_long(filch_submit(ex, own_worker, 3), 1);
    if (pool->in_process) { /* an address says something in its own process only */
        filch_executor *own = NULL;
        filch_future *future = filch_submit(ex, own_executor);
        CHECK_EQ(filch_result(future, &own), FILCH_OK);
        CHECK_PTR_EQ(own, ex);
        filch_release(future);
    }
    filch_close(ex);
}

/* More pending tasks than any queue starts with. */
CONTRACT(submit, very_many) {
    enum { MANY = 300000 };
    filch_executor *ex = pool->open(2);
    struct {
        struct hold held;
        struct gate runs;
    } *s = pool->alloc(ex, sizeof *s);
    filch_future *one = pool_hold(ex, &s->held), *two = pool_hold(ex, &s->held);
    int n = ROUNDS(MANY);
    filch_future **futures = calloc((size_t)n, sizeof *futures);
    for (int i = 0; i < n; i++) {
        futures[i] = filch_submit(ex, count_run, &s->runs);
        CHECK_NOT_NULL(futures[i]);
    }
    gate_open(&s->held.go);
    for (int i = 0; i < n; i++) {
        CHECK_EQ(filch_join(futures[i]), FILCH_OK);
        filch_release(futures[i]);
    }
    CHECK_EQ(gate_value(&s->runs), n);
    free(futures);
    check_held(one);
    check_held(two);
    pool_close(pool, ex, s);
}

struct flood {
    filch_executor *executor;
    struct gate over;
};

static void work_a_little(void) {
    double end = seconds_now() + 100e-6;
    while (seconds_now() < end)
        ;
}
FILCH_TASK_VOID(work_a_little);

/* Never lets its queue become empty. */
static void *flood(void *arg) {
    struct flood *it = arg;
    enum { AHEAD = 100 };
    filch_future *futures[AHEAD] = {NULL};
    for (int i = 0; gate_value(&it->over) == 0; i = (i + 1) % AHEAD) {
        if (futures[i] != NULL)
            CHECK_EQ(filch_join(futures[i]), FILCH_OK);
        filch_release(futures[i]);
        futures[i] = filch_submit(it->executor, work_a_little);
    }
    for (int i = 0; i < AHEAD; i++)
        filch_release(futures[i]);
    return NULL;
}

/* E4: a thread that keeps the workers busy does not starve another one. */
CONTRACT(submit, no_submitter_starves) {
    filch_executor *ex = pool->open(1);
    struct flood it = {.executor = ex};
    pthread_t thread = thread_start(flood, &it);
    for (int i = 0; i < 20; i++)
        check_long(filch_submit(ex, twice, i), 2 * i); /* hangs if it starves */
    gate_open(&it.over);
    thread_join(thread);
    filch_close(ex);
}

/* What comes with a task: its name is copied, and in a message; retries are for other pools. */
CONTRACT(submit, with_options) {
    filch_executor *ex = pool->open(1);
    char name[] = "a name of its own";
    filch_future *future =
        filch_submit_with(ex, FILCH_OPTIONS(.name = name, .retries = 3), fail_with, 8);
    CHECK_NOT_NULL(future);
    memset(name, '#', sizeof name - 1); /* it is copied */
    CHECK_STR_EQ(filch_exception(future)->task, "a name of its own");
    CHECK_EQ(filch_exception(future)->code, 8);
    filch_release(future);
    check_long(filch_submit_with(ex, FILCH_OPTIONS(.retries = 1000), twice, 4), 8);
    check_long(filch_submit_with(ex, NULL, twice, 4), 8);
    filch_close(ex);
}
