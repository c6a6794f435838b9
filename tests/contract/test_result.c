/* Group D of the conformance list: result and exception. D3 is in test_memory.c, D5 in
 * test_substitutes.c. */
#include "pools.h"

/* D1 */
CONTRACT(result, poll_pending_and_running) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *running = pool_hold(ex, held);
    filch_future *pending = filch_submit(ex, twice, 4);
    long value = 77;
    int held_value = 77;
    const filch_error *error = NULL;
    static const double no_time[] = {0, -1, -FILCH_FOREVER};
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(filch_result_timeout(running, &held_value, no_time[i]), FILCH_TIMEOUT);
        CHECK_EQ(filch_error_status(), FILCH_TIMEOUT);
        CHECK_EQ(errno, ETIMEDOUT);
        CHECK_EQ(filch_result_timeout(pending, &value, no_time[i]), FILCH_TIMEOUT);
        CHECK_EQ(filch_join_timeout(running, no_time[i]), FILCH_TIMEOUT);
        CHECK_EQ(filch_join_timeout(pending, no_time[i]), FILCH_TIMEOUT);
        CHECK_EQ(filch_exception_timeout(running, no_time[i], &error), FILCH_TIMEOUT);
        CHECK_NULL(error);
        CHECK_EQ(filch_exception_timeout(pending, no_time[i], &error), FILCH_TIMEOUT);
        CHECK_NULL(error);
    }
    CHECK_EQ(value, 77);
    CHECK_EQ(held_value, 77);
    gate_open(&held->go);
    check_held(running);
    check_long(pending, 8);
    pool_close(pool, ex, held);
}

/* D1 */
CONTRACT(result, of_cancelled) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *first = pool_hold(ex, held);
    filch_future *queued = filch_submit(ex, twice, 4);
    CHECK(filch_cancel(queued));
    long value = 77;
    CHECK_EQ(filch_result_timeout(queued, &value, 0), FILCH_CANCELLED);
    CHECK_EQ(filch_error_status(), FILCH_CANCELLED);
    CHECK_EQ(errno, ECANCELED);
    CHECK_EQ(filch_join_timeout(queued, 0), FILCH_CANCELLED);
    CHECK_EQ(value, 77);
    filch_release(queued);
    gate_open(&held->go);
    check_held(first);
    pool_close(pool, ex, held);
}

/* D1 */
CONTRACT(result, of_failed) {
    filch_executor *ex = pool->open(1);
    filch_future *future = filch_submit(ex, fail_with, ENOENT);
    CHECK_EQ(filch_join(future), FILCH_FAILED);
    CHECK_EQ(filch_error_status(), FILCH_FAILED);
    CHECK_STR_HAS(filch_error_message(), "failed with code 2");
    long value = 77;
    CHECK_EQ(filch_result_timeout(future, &value, 0), FILCH_FAILED);
    CHECK_EQ(value, 77);
    const filch_error *error = NULL;
    CHECK_EQ(filch_exception_timeout(future, 0, &error), FILCH_FAILED);
    CHECK_NOT_NULL(error);
    CHECK_PTR_EQ(filch_exception(future), error);
    CHECK_EQ(error->status, FILCH_FAILED);
    CHECK_EQ(error->code, ENOENT);
    CHECK_STR_EQ(error->message, "failed with code 2");
    CHECK_STR_EQ(error->task, "fail_with");
    CHECK_STR_HAS(error->where, "pools.h:");
    CHECK_EQ(error->worker, 0);
    CHECK_EQ(error->pid == getpid(), pool->in_process);
    CHECK_STR_EQ(error->host, "");
    CHECK_EQ(error->signal, 0);
    CHECK_EQ(error->exit_status, -1);
    filch_release(future);
    filch_close(ex);
}

/* D1 */
CONTRACT(result, of_success) {
    filch_executor *ex = pool->open(1);
    filch_future *future = filch_submit(ex, twice, 21);
    CHECK_EQ(filch_join(future), FILCH_OK);
    long value = 0;
    CHECK_EQ(filch_result_timeout(future, &value, 0), FILCH_OK);
    CHECK_EQ(value, 42);
    static const filch_error sentinel;
    const filch_error *error = &sentinel;
    CHECK_NULL(filch_exception(future));
    CHECK_EQ(filch_exception_timeout(future, 0, &error), FILCH_OK);
    CHECK_NULL(error);
    filch_release(future);
    filch_close(ex);
}

/* D2 */
enum { READERS = 6 };
struct reader {
    filch_future *future;
    struct gate *ready;
};

static void *read_many_times(void *arg) {
    struct reader *reader = arg;
    gate_open(reader->ready);
    for (int i = 0; i < 100; i++) {
        int value = 0;
        CHECK_EQ(i % 2 ? filch_result(reader->future, &value)
                       : filch_result_timeout(reader->future, &value, 3600),
                 FILCH_OK);
        CHECK_EQ(value, HOLD_RESULT);
    }
    return NULL;
}

CONTRACT(result, many_threads_many_times) {
    filch_executor *ex = pool->open(1);
    for (int round = 0; round < 10; round++) {
        struct hold *held = pool->alloc(ex, sizeof *held);
        struct gate ready = {0};
        struct reader reader = {pool_hold(ex, held), &ready};
        pthread_t threads[READERS];
        for (int i = 0; i < READERS; i++)
            threads[i] = thread_start(read_many_times, &reader);
        gate_wait(&ready, READERS);
        if (round == 0)
            let_others_block();
        gate_open(&held->go);
        for (int i = 0; i < READERS; i++)
            thread_join(threads[i]);
        check_held(reader.future);
        pool->free(ex, held);
    }
    filch_close(ex);
}

/* D2: a time-out leaves the task untouched, and is not early. */
CONTRACT(result, time_out) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *running = pool_hold(ex, held);
    filch_future *pending = filch_submit(ex, twice, 4);
    int value;
    double before = seconds_now();
    CHECK_EQ(filch_result_timeout(running, &value, 0.03), FILCH_TIMEOUT);
    CHECK_EQ(filch_join_timeout(pending, 0.03), FILCH_TIMEOUT);
    CHECK_REAL(seconds_now() - before, >=, 0.06);
    CHECK(filch_running(running));
    CHECK(!filch_done(pending));
    CHECK(!filch_cancelled(pending));
    gate_open(&held->go);
    check_held(running);
    check_long(pending, 8);
    pool_close(pool, ex, held);
}

/* D4 */
struct eight {
    char bytes[8];
};

static double a_double(void) {
    return 1.5;
}
FILCH_TASK(double, a_double);
static float a_float(void) {
    return 1.5f;
}
FILCH_TASK(float, a_float);
static int an_int(void) {
    return 5;
}
FILCH_TASK(int, an_int);
static void *a_pointer(void) {
    return NULL;
}
FILCH_TASK(void *, a_pointer);
static struct eight a_record(void) {
    return (struct eight){"abcdefg"};
}
FILCH_TASK(struct eight, a_record);
static const char *a_string(void) {
    return "text";
}
FILCH_TASK(const char *, a_string);
static filch_bytes some_bytes(void) {
    return (filch_bytes){"text", 4};
}
FILCH_TASK(filch_bytes, some_bytes);
static void nothing(void) {}
FILCH_TASK_VOID(nothing);

#define CHECK_REFUSED(future, type)                                                                \
    do {                                                                                           \
        __typeof__(type) refused_out, refused_before;                                              \
        memset(&refused_out, 0x5a, sizeof refused_out);                                            \
        memset(&refused_before, 0x5a, sizeof refused_before);                                      \
        CHECK_EQ(filch_result(future, &refused_out), FILCH_INVALID);                               \
        CHECK_FAILURE(FILCH_INVALID, "result");                                                    \
        CHECK_EQ(filch_result_timeout(future, &refused_out, 0), FILCH_INVALID);                    \
        CHECK_EQ(memcmp(&refused_out, &refused_before, sizeof refused_out), 0);                    \
    } while (0)

CONTRACT(result, wrong_kind_or_size) {
    filch_executor *ex = pool->open(1);
    filch_future *futures[] = {
        filch_submit(ex, twice, 1), filch_submit(ex, a_double),   filch_submit(ex, a_float),
        filch_submit(ex, an_int),   filch_submit(ex, a_pointer),  filch_submit(ex, a_record),
        filch_submit(ex, a_string), filch_submit(ex, some_bytes), filch_submit(ex, nothing),
    };
    enum { LONG, DOUBLE, FLOAT, INT, POINTER, RECORD, STRING, BYTES, VOID, COUNT };
    for (int i = 0; i < COUNT; i++)
        CHECK_EQ(filch_join(futures[i]), FILCH_OK); /* the status alone: of any task */

    CHECK_REFUSED(futures[LONG], double);
    CHECK_REFUSED(futures[LONG], int);
    CHECK_REFUSED(futures[LONG], char);
    CHECK_REFUSED(futures[LONG], void *);
    CHECK_REFUSED(futures[LONG], struct eight);
    CHECK_REFUSED(futures[DOUBLE], long);
    CHECK_REFUSED(futures[DOUBLE], float);
    CHECK_REFUSED(futures[DOUBLE], struct eight);
    CHECK_REFUSED(futures[FLOAT], int);
    CHECK_REFUSED(futures[FLOAT], double);
    CHECK_REFUSED(futures[INT], long);
    CHECK_REFUSED(futures[INT], float);
    CHECK_REFUSED(futures[POINTER], long);
    CHECK_REFUSED(futures[POINTER], double);
    CHECK_REFUSED(futures[RECORD], long);
    CHECK_REFUSED(futures[RECORD], void *);
    CHECK_REFUSED(futures[STRING], long);
    CHECK_REFUSED(futures[STRING], double);
    CHECK_REFUSED(futures[STRING], filch_bytes);
    CHECK_REFUSED(futures[BYTES], long);
    CHECK_REFUSED(futures[BYTES], char *);
    CHECK_REFUSED(futures[VOID], int);
    CHECK_REFUSED(futures[VOID], long);

    /* and the right ones still work */
    unsigned long as_unsigned = 0; /* an integer of the same size */
    CHECK_EQ(filch_result(futures[LONG], &as_unsigned), FILCH_OK);
    CHECK_EQ(as_unsigned, 2);
    double real = 0;
    CHECK_EQ(filch_result(futures[DOUBLE], &real), FILCH_OK);
    CHECK_REAL(real, ==, 1.5);
    char *text = NULL; /* const or not */
    CHECK_EQ(filch_result(futures[STRING], &text), FILCH_OK);
    CHECK_STR_EQ(text, "text");
    struct eight record = {""};
    CHECK_EQ(filch_result(futures[RECORD], &record), FILCH_OK);
    CHECK_STR_EQ(record.bytes, "abcdefg");

    for (int i = 0; i < COUNT; i++)
        filch_release(futures[i]);
    filch_close(ex);
}

/* D4 */
CONTRACT(result, null) {
    filch_executor *ex = pool->open(1);
    filch_future *future = filch_submit(ex, twice, 4);
    CHECK_EQ(filch_result(future, (long *)NULL), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "out");
    CHECK_EQ(filch_exception_timeout(future, 1, NULL), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "error");
    check_long(future, 8);
    filch_close(ex);
}

/* Any number of handles; the outcome lives as long as the last. */
CONTRACT(result, handles) {
    filch_executor *ex = pool->open(1);
    filch_future *future = filch_submit(ex, a_string);
    CHECK_PTR_EQ(filch_retain(future), future);
    CHECK_PTR_EQ(filch_retain(future), future);
    filch_release(future);
    const char *text = NULL;
    CHECK_EQ(filch_result(future, &text), FILCH_OK);
    filch_release(future);
    CHECK_STR_EQ(text, "text");
    filch_close(ex);
    CHECK_STR_EQ(text, "text");
    filch_release(future);
}

/* Releasing an unfinished future detaches the task: it runs. */
CONTRACT(result, detached) {
    filch_executor *ex = pool->open(1);
    struct {
        struct hold held;
        struct gate runs;
    } *s = pool->alloc(ex, sizeof *s);
    filch_release(pool_hold(ex, &s->held));
    for (int i = 0; i < 50; i++)
        filch_release(filch_submit(ex, count_run, &s->runs));
    gate_open(&s->held.go);
    gate_wait(&s->runs, 50);
    pool_close(pool, ex, s);
}
