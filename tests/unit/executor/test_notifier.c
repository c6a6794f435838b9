/* test_notifier.c: what other processes ended is delivered where it belongs, once, before the pool is
 * closed. */
#include "unit/executor/shared_pool.h"
#include <filch/filch.h>
#include <sched.h>

enum { TASKS = 200 };

static intptr_t where(void) {
    return where_am_i();
}
FILCH_TASK(intptr_t, where);

static atomic_int n_called;
static pthread_t who_called;

static void note(filch_future *future, void *arg) {
    (void)arg;
    intptr_t worker;
    CHECK_EQ(filch_result(future, &worker), FILCH_OK);
    CHECK_NE(worker, where_am_i());
    CHECK_NE(filch_this_worker(), 0);
    who_called = pthread_self();
    atomic_fetch_add(&n_called, 1);
}

static void check_callbacks(bool in_threads) {
    filch_executor *ex = pool_open_shared(in_threads);
    atomic_store(&n_called, 0);
    int n = 0;
    for (int i = 0; i < TASKS; i++) {
        filch_future *future = filch_submit(ex, where);
        for (int k = 0; k <= i % 3; k++, n++)
            CHECK_EQ(filch_add_done_callback(future, note, NULL), FILCH_OK);
        filch_release(future);
    }
    filch_close(ex);
    CHECK_EQ(atomic_load(&n_called), n);
}

TEST(notifier, callbacks_run_here) {
    check_callbacks(false);
    check_callbacks(true);
}

static int fail(int code) {
    return filch_raise(code, "as told");
}
FILCH_TASK(int, fail, int);

static atomic_int n_reports;

static void count_report(const char *line, void *arg) {
    (void)arg;
    CHECK_NOT_NULL(strstr(line, "as told"));
    atomic_fetch_add(&n_reports, 1);
}

static void check_reports(bool in_threads) {
    filch_on_report(count_report, NULL);
    filch_executor *ex = pool_open_shared(in_threads);
    atomic_store(&n_reports, 0);
    for (int i = 0; i < TASKS; i++) {
        filch_future *future = filch_submit(ex, fail, i);
        if (i % 2 == 0) {
            const filch_error *error = filch_exception(future);
            CHECK_EQ(error->code, i);
        }
        filch_release(future);
    }
    filch_close(ex);
    CHECK_EQ(atomic_load(&n_reports), TASKS / 2);
    filch_on_report(NULL, NULL);
}

TEST(notifier, failures_are_reported_here) {
    check_reports(false);
    check_reports(true);
}

/* What a task's own tasks leave for it. */
struct notes {
    atomic_int n_called, n_wrong, n_run;
    struct gate gate;
};

static void note_in_task(filch_future *future, void *arg) {
    (void)future;
    struct notes *notes = ((void **)arg)[0];
    if ((intptr_t)((void **)arg)[1] != where_am_i())
        atomic_fetch_add(&notes->n_wrong, 1);
    atomic_fetch_add(&notes->n_called, 1);
    free(arg); /* memory of the process that submitted */
}

static int child_task(struct notes *notes) {
    atomic_fetch_add(&notes->n_run, 1);
    return 0;
}
FILCH_TASK(int, child_task, struct notes *);

static int parent_task(struct notes *notes, bool is_to_wait) {
    filch_future *future = filch_submit(filch_this_executor(), child_task, notes);
    void **arg = malloc(2 * sizeof *arg);
    arg[0] = notes;
    arg[1] = (void *)where_am_i(); /* NOLINT(performance-no-int-to-ptr) */
    CHECK_EQ(filch_add_done_callback(future, note_in_task, arg), FILCH_OK);
    if (is_to_wait)
        CHECK_EQ(filch_join(future), FILCH_OK); /* runs it here, or waits for who does */
    filch_release(future);
    return 0;
}
FILCH_TASK(int, parent_task, struct notes *, bool);

static void check_mail(bool in_threads, bool is_to_wait) {
    filch_executor *ex = pool_open_shared(in_threads);
    struct notes *notes = shared_pool.scratch;
    for (int i = 0; i < TASKS; i++) {
        filch_future *future = filch_submit(ex, parent_task, notes, is_to_wait);
        if (i % 8 == 0)
            CHECK_EQ(filch_join(future), FILCH_OK);
        filch_release(future);
    }
    while (atomic_load(&notes->n_called) < TASKS) /* before the workers end, with their callbacks */
        sched_yield();
    filch_close(ex);
    CHECK_EQ(atomic_load(&notes->n_run), TASKS);
    CHECK_EQ(atomic_load(&notes->n_called), TASKS);
    CHECK_EQ(atomic_load(&notes->n_wrong), 0);
}

TEST(notifier, tasks_get_mail) {
    for (int is_to_wait = 0; is_to_wait < 2; is_to_wait++) {
        check_mail(false, is_to_wait);
        check_mail(true, is_to_wait);
    }
}

/* The pool ends with mail on its way: what cannot be called any more is forgotten. */
TEST(notifier, the_end_of_workers_with_mail) {
    for (int round = 0; round < 6; round++) {
        filch_executor *ex = pool_open_shared(round % 2 != 0);
        struct notes *notes = shared_pool.scratch;
        for (int i = 0; i < TASKS; i++)
            filch_release(filch_submit(ex, parent_task, notes, false));
        while (atomic_load(&notes->n_run) < TASKS) /* a pool that ends takes no more of them */
            sched_yield();
        filch_close(ex);
        CHECK_LE(atomic_load(&notes->n_called), TASKS);
        CHECK_EQ(atomic_load(&notes->n_wrong), 0);
    }
}

/* Many at once, in every way that a process has to wait. */
static int twice(int x) {
    return 2 * x;
}
FILCH_TASK(int, twice, int);

static void sum_range(size_t begin, size_t end, void *arg) {
    for (size_t i = begin; i < end; i++)
        atomic_fetch_add((atomic_long *)arg, (long)i);
}

static void check_collections(bool in_threads) {
    filch_executor *ex = pool_open_shared(in_threads);
    filch_future *futures[TASKS];
    int items[TASKS], value;
    for (int i = 0; i < TASKS; i++) {
        items[i] = i;
        futures[i] = filch_submit(ex, twice, i);
    }
    filch_completed *completed = filch_as_completed(futures, TASKS);
    filch_future *next;
    int n = 0;
    for (; filch_completed_next(completed, &next, FILCH_FOREVER) == FILCH_OK; n++)
        ;
    CHECK_EQ(n, TASKS);
    filch_completed_close(completed);
    for (int i = 0; i < TASKS; i++) {
        CHECK_EQ(filch_result(futures[i], &value), FILCH_OK);
        CHECK_EQ(value, 2 * i);
        filch_release(futures[i]);
    }
    for (int unordered = 0; unordered < 2; unordered++) {
        long sum = 0;
        filch_results *results =
            filch_map(ex, twice, items, TASKS, .chunksize = 3, .unordered = unordered != 0);
        while (filch_results_next(results, &value) == FILCH_OK)
            sum += value;
        filch_results_close(results);
        CHECK_EQ(sum, (long)TASKS * (TASKS - 1));
    }
    atomic_long *sum = shared_pool.scratch;
    CHECK_EQ(filch_for(ex, 0, 100000, sum_range, sum), FILCH_OK);
    CHECK_EQ(atomic_load(sum), 100000L * 99999 / 2);
    filch_close(ex);
}

TEST(notifier, collections) {
    check_collections(false);
    check_collections(true);
}
