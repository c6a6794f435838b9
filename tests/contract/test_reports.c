/* What nobody can be told otherwise goes to one hook; nothing else is ever printed. */
#include "pools.h"

static filch_future *failed(filch_executor *ex, int code) {
    filch_future *future = filch_submit(ex, fail_with, code);
    size_t n_done = 0; /* waits without looking at the error */
    CHECK_EQ(filch_wait(&future, 1, FILCH_ALL_COMPLETED, FILCH_FOREVER, &n_done), FILCH_OK);
    return future;
}

/* An error that nobody looked at: once, when the last handle goes. */
CONTRACT(reports, error_that_nobody_looked_at) {
    filch_executor *ex = pool->open(1);
    filch_future *future = failed(ex, 4);
    CHECK(filch_done(future));
    filch_retain(future);
    filch_release(future);
    CHECK_EQ(reports_count(), 0);
    filch_release(future);
    CHECK_EQ(reports_await(1), 1);
    CHECK_STR_HAS(reports.lines[0], "failed with code 4");
    CHECK_STR_HAS(reports.lines[0], "fail_with");
    CHECK_NULL(strchr(reports.lines[0], '\n'));
    filch_close(ex);
}

/* Each of these is a look. */
CONTRACT(reports, error_that_somebody_looked_at) {
    filch_executor *ex = pool->open(1);
    for (int way = 0; way < 6; way++) {
        filch_future *future = failed(ex, way);
        const filch_error *error = NULL;
        long value;
        switch (way) {
        case 0:
            CHECK_EQ(filch_result(future, &value), FILCH_FAILED);
            break;
        case 1:
            CHECK_EQ(filch_result_timeout(future, &value, 0), FILCH_FAILED);
            break;
        case 2:
            CHECK_EQ(filch_join(future), FILCH_FAILED);
            break;
        case 3:
            CHECK_EQ(filch_join_timeout(future, 1), FILCH_FAILED);
            break;
        case 4:
            CHECK_NOT_NULL(filch_exception(future));
            break;
        default:
            CHECK_EQ(filch_exception_timeout(future, 1, &error), FILCH_FAILED);
        }
        filch_release(future);
        CHECK_EQ(reports_count(), 0);
    }
    filch_close(ex);
}

/* A failed task that was detached before. */
CONTRACT(reports, detached_failure) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *first = pool_hold(ex, held);
    filch_release(filch_submit(ex, fail_with, 9));
    CHECK_EQ(reports_count(), 0);
    gate_open(&held->go);
    check_held(first);
    pool_close(pool, ex, held);
    CHECK_EQ(reports_take(), 1);
    CHECK_STR_HAS(reports.lines[0], "failed with code 9");
}

/* A cancelled task is no error. */
CONTRACT(reports, cancelled_is_not_reported) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *first = pool_hold(ex, held);
    filch_future *queued = filch_submit(ex, twice, 1);
    CHECK(filch_cancel(queued));
    filch_release(queued);
    gate_open(&held->go);
    check_held(first);
    pool_close(pool, ex, held);
    CHECK_EQ(reports_count(), 0);
}

/* raise where nobody runs a task. */
CONTRACT(reports, raise_outside_a_task) {
    (void)pool;
    CHECK_EQ(filch_raise(12, "nobody %s", "listens"), 12);
    CHECK_EQ(reports_take(), 1);
    CHECK_STR_HAS(reports.lines[0], "nobody listens");
    CHECK_STR_HAS(reports.lines[0], "test_reports.c:");
}

/* The hook gets its argument, and a new one takes over. */
struct listener {
    struct gate lines;
    char last[200];
};

static void listen(const char *line, void *arg) {
    struct listener *listener = arg;
    snprintf(listener->last, sizeof listener->last, "%s", line);
    gate_open(&listener->lines);
}

CONTRACT(reports, hook) {
    filch_executor *ex = pool->open(1);
    struct listener one = {.last = ""}, two = {.last = ""};
    filch_on_report(listen, &one);
    filch_release(failed(ex, 1));
    gate_wait(&one.lines, 1);
    filch_on_report(listen, &two);
    filch_release(failed(ex, 2));
    filch_release(failed(ex, 3));
    gate_wait(&two.lines, 2);
    filch_on_report(reports_collect, NULL);
    CHECK_EQ(gate_value(&one.lines), 1);
    CHECK_STR_HAS(one.last, "failed with code 1");
    CHECK_EQ(gate_value(&two.lines), 2);
    CHECK_STR_HAS(two.last, "failed with code 3");
    filch_close(ex);
}

/* The hook may use the library. */
static struct gate hook_calls;

static void submit_in_hook(const char *line, void *arg) {
    (void)line;
    check_long(filch_submit((filch_executor *)arg, twice, 4), 8);
    gate_open(&hook_calls);
}

CONTRACT(reports, hook_may_call_anything) {
    filch_executor *ex = pool->open(1);
    filch_on_report(submit_in_hook, ex);
    atomic_store(&hook_calls.value, 0);
    filch_release(failed(ex, 1));
    gate_wait(&hook_calls, 1);
    filch_raise(1, "once more");
    CHECK_EQ(gate_value(&hook_calls), 2);
    filch_on_report(reports_collect, NULL);
    filch_close(ex);
}

/* Without a hook it is one line on stderr, and only what is to be reported. */
CONTRACT(reports, default_is_one_line_on_stderr) {
    filch_executor *ex = pool->open(1);
    FILE *file = tmpfile();
    CHECK_NOT_NULL(file);
    filch_on_report(NULL, NULL);
    fflush(stderr);
    int saved = dup(STDERR_FILENO);
    CHECK_EQ(dup2(fileno(file), STDERR_FILENO), STDERR_FILENO);
    check_long(filch_submit(ex, twice, 1), 2);
    CHECK_NULL(filch_thread_pool(.max_workers = -1)); /* told by its return value */
    filch_join(NULL);
    filch_release(failed(ex, 77));
    filch_close(ex); /* by then it is reported */
    fflush(stderr);
    CHECK_EQ(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    close(saved);
    filch_on_report(reports_collect, NULL);

    char text[1000] = "";
    rewind(file);
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    CHECK_STR_HAS(text, "failed with code 77");
    CHECK_GT(size, 0);
    CHECK_PTR_EQ(strchr(text, '\n'), text + size - 1);
}

/* Reports from many threads at once are all there. */
static void *release_failed(void *arg) {
    filch_executor *ex = arg;
    for (int i = 0; i < 50; i++)
        filch_release(failed(ex, i));
    return NULL;
}

CONTRACT(reports, from_many_threads) {
    filch_executor *ex = pool->open(2);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        threads[i] = thread_start(release_failed, ex);
    for (int i = 0; i < 4; i++)
        thread_join(threads[i]);
    filch_close(ex);
    CHECK_EQ(reports_take(), 200);
}

/* The statuses have names and texts; the last failure is each thread's own. */
static void *no_failure_yet(void *arg) {
    (void)arg;
    CHECK_EQ(filch_error_status(), FILCH_OK);
    CHECK_NOT_NULL(filch_error_message());
    return NULL;
}

CONTRACT(reports, last_failure) {
    filch_executor *ex = pool->open(1);
    CHECK_EQ(filch_join(NULL), FILCH_INVALID);
    CHECK_EQ(filch_error_status(), FILCH_INVALID);
    CHECK_EQ(errno, EINVAL);
    thread_join(thread_start(no_failure_yet, NULL));
    check_long(filch_submit(ex, twice, 1), 2);
    CHECK_EQ(filch_error_status(), FILCH_INVALID); /* a success does not forget it */
    filch_close(ex);

    CHECK_STR_EQ(filch_status_name(FILCH_OK), "FILCH_OK");
    CHECK_STR_EQ(filch_status_name(FILCH_SYSTEM), "FILCH_SYSTEM");
    CHECK_STR_EQ(filch_status_name((filch_status)999), "FILCH_?");
    CHECK_STR_EQ(filch_status_name((filch_status)-1), "FILCH_?");
    for (int i = -2; i < 40; i++) {
        CHECK_NOT_NULL(filch_status_text((filch_status)i));
        CHECK(filch_status_text((filch_status)i)[0] != '\0');
    }
}
