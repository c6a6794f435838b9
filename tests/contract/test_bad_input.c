/* Every argument of every public function with NULL, negative, NaN and absurd values: the
 * documented status, and a message that names the argument. E2 of the conformance list is part of it. */
#include "pools.h"
#include <stdint.h>

static const double not_a_number = NAN;

/* A creating call that fails: NULL, the status, errno, and the argument's name. */
#define CHECK_NONE(expression, status, argument)                                                   \
    do {                                                                                           \
        CHECK_NULL(expression);                                                                    \
        CHECK_FAILURE(status, argument);                                                           \
        CHECK_EQ(errno, status == FILCH_INVALID ? EINVAL : errno);                                 \
    } while (0)

/* A call that returns a status. */
#define CHECK_STATUS(expression, status, argument)                                                 \
    do {                                                                                           \
        CHECK_EQ(expression, status);                                                              \
        CHECK_FAILURE(status, argument);                                                           \
    } while (0)

/* E2 */
THREAD_POOL_TEST(bad_input, thread_pool_options) {
    static const int workers[] = {-1, -5, INT_MIN, 4097, 1000000, INT_MAX};
    for (size_t i = 0; i < sizeof workers / sizeof workers[0]; i++)
        CHECK_NONE(filch_thread_pool(.max_workers = workers[i]), FILCH_INVALID, "max_workers");
    CHECK_NONE(filch_thread_pool(.bind = (filch_bind)99), FILCH_INVALID, "bind");
    CHECK_NONE(filch_thread_pool(.bind = (filch_bind)-1), FILCH_INVALID, "bind");
    CHECK_NONE(filch_thread_pool(.spin = not_a_number), FILCH_INVALID, "spin");
    CHECK_NONE(filch_thread_pool(.stack_size = SIZE_MAX), FILCH_INVALID, "stack_size");
    CHECK_NONE(filch_thread_pool(.stack_size = (size_t)1 << 60), FILCH_INVALID, "stack_size");
    CHECK_NONE(filch_thread_pool(.stack_size = 1), FILCH_INVALID, "stack_size");

    filch_executor *largest = filch_thread_pool(.max_workers = 4096);
    CHECK_NOT_NULL(largest);
    check_long(filch_submit(largest, twice, 1), 2);
    filch_close(largest);
}

/* The struct may be of an older or a newer library, and of nothing else. */
THREAD_POOL_TEST(bad_input, size_of_options) {
    struct {
        filch_thread_pool_options known;
        char later[64];
    } newer;
    memset(&newer, 0, sizeof newer);
    newer.known.max_workers = 1;
    newer.known.size = sizeof newer;
    filch_executor *ex = filch_thread_pool_open(&newer.known);
    CHECK_NOT_NULL(ex);
    check_long(filch_submit(ex, twice, 4), 8);
    filch_close(ex);
    newer.later[5] = 1; /* something that this library does not know */
    CHECK_NULL(filch_thread_pool_open(&newer.known));
    CHECK(filch_error_status() == FILCH_UNSUPPORTED || filch_error_status() == FILCH_INVALID);

    filch_thread_pool_options options = {.size = 0, .max_workers = 1};
    CHECK_NONE(filch_thread_pool_open(&options), FILCH_INVALID, "size");
    options.size = offsetof(filch_thread_pool_options, thread_name_prefix);
    ex = filch_thread_pool_open(&options); /* an older, shorter struct */
    CHECK_NOT_NULL(ex);
    check_long(filch_submit(ex, twice, 4), 8);
    filch_close(ex);
}

THREAD_POOL_TEST(bad_input, null_options) {
    filch_executor *ex = filch_thread_pool_open(NULL); /* a handle is refused, or the defaults */
    if (ex == NULL)
        CHECK_FAILURE(FILCH_INVALID, "options");
    filch_close(ex);
}

CONTRACT(bad_input, submit) {
    filch_executor *ex = pool->open(1), *none = NULL;
    CHECK_NONE(filch_submit(none, twice, 1), FILCH_INVALID, "executor");
    CHECK_NONE(filch_submit_with(none, FILCH_OPTIONS(.name = "x"), twice, 1), FILCH_INVALID,
               "executor");
    CHECK_NONE(filch_submit_task(ex, NULL, NULL, NULL), FILCH_INVALID, "type");
    CHECK_NONE(filch_submit_task(ex, &filch_fn_type_twice, NULL, NULL), FILCH_INVALID, "args");
    CHECK_NONE(filch_submit_with(ex, FILCH_OPTIONS(.retries = -1), twice, 1), FILCH_INVALID,
               "retries");
    CHECK_NONE(filch_submit_with(ex, FILCH_OPTIONS(.retries = 1001), twice, 1), FILCH_INVALID,
               "retries");
    CHECK_NONE(filch_submit_with(ex, FILCH_OPTIONS(.timeout = not_a_number), twice, 1),
               FILCH_INVALID, "timeout");
    CHECK_NONE(filch_submit_with(ex, FILCH_OPTIONS(.numa_node = -1), twice, 1), FILCH_INVALID,
               "numa_node");
    CHECK_NONE(filch_submit_with(ex, FILCH_OPTIONS(.numa_node = INT_MAX), twice, 1), FILCH_INVALID,
               "numa_node");
    check_long(filch_submit_with(ex, FILCH_OPTIONS(.numa_node = FILCH_NODE(0)), twice, 1), 2);
    filch_submit_options unsized = {.size = 0, .name = "x"};
    CHECK_NONE(filch_submit_with(ex, &unsized, twice, 1), FILCH_INVALID, "size");
    check_long(filch_submit(ex, twice, 4), 8); /* the pool is none the worse */
    filch_close(ex);
}

/* A thread pool cannot stop a task. */
THREAD_POOL_TEST(bad_input, time_limit_in_a_thread_pool) {
    filch_executor *ex = filch_thread_pool(.max_workers = 1);
    CHECK_NONE(filch_submit_with(ex, FILCH_OPTIONS(.timeout = 1.5), twice, 1), FILCH_UNSUPPORTED,
               "timeout");
    filch_close(ex);
}

static int raw_nothing(const void *arg, void *result) {
    (void)arg;
    (void)result;
    return 0;
}

CONTRACT(bad_input, submit_raw) {
    filch_executor *ex = pool->open(1);
    char byte = 1;
    CHECK_NONE(filch_submit_raw(NULL, raw_nothing, NULL, 0, 0, NULL), FILCH_INVALID, "executor");
    CHECK_NONE(filch_submit_raw(ex, NULL, &byte, 1, 1, NULL), FILCH_INVALID, "fn");
    CHECK_NONE(filch_submit_raw(ex, raw_nothing, NULL, 1, 0, NULL), FILCH_INVALID, "arg");
    static const size_t absurd[] = {SIZE_MAX, SIZE_MAX - 100, SIZE_MAX / 2, (size_t)1 << 60};
    for (int i = 0; i < 4; i++) {
        CHECK_NULL(filch_submit_raw(ex, raw_nothing, &byte, absurd[i], 0, NULL));
        CHECK(filch_error_status() == FILCH_NO_MEMORY || filch_error_status() == FILCH_INVALID);
        CHECK(filch_error_message()[0] != '\0');
        CHECK_NULL(filch_submit_raw(ex, raw_nothing, &byte, 1, absurd[i], NULL));
        CHECK(filch_error_status() == FILCH_NO_MEMORY || filch_error_status() == FILCH_INVALID);
        CHECK(filch_error_message()[0] != '\0');
    }
    CHECK_NONE(filch_submit_raw(ex, raw_nothing, NULL, 0, 0, FILCH_OPTIONS(.retries = -3)),
               FILCH_INVALID, "retries");
    check_long(filch_submit(ex, twice, 4), 8);
    filch_close(ex);
}

static size_t length_of(filch_bytes first, filch_bytes second) {
    return first.size + second.size;
}
FILCH_TASK(size_t, length_of, filch_bytes, filch_bytes);

CONTRACT(bad_input, bytes_argument) {
    filch_executor *ex = pool->open(1);
    filch_bytes good = {"abc", 3}, bad = {NULL, 3}, none = {NULL, 0};
    CHECK_NONE(filch_submit(ex, length_of, bad, good), FILCH_INVALID, "argument 1");
    CHECK_NONE(filch_submit(ex, length_of, good, bad), FILCH_INVALID, "argument 2");
    filch_future *future = filch_submit(ex, length_of, good, none);
    size_t size = 0;
    CHECK_EQ(filch_result(future, &size), FILCH_OK);
    CHECK_EQ(size, 3);
    filch_release(future);
    filch_close(ex);
}

CONTRACT(bad_input, shutdown_and_close) {
    filch_executor *ex = pool->open(1), *none = NULL;
    CHECK_STATUS(filch_shutdown(none), FILCH_INVALID, "executor");
    CHECK_STATUS(filch_shutdown(ex, .timeout = not_a_number), FILCH_INVALID, "timeout");
    filch_shutdown_options unsized = {.size = 0, .no_wait = true};
    CHECK_STATUS(filch_shutdown_with(ex, &unsized), FILCH_INVALID, "size");
    check_long(filch_submit(ex, twice, 4), 8); /* a refused shutdown shuts nothing down */
    filch_close(ex);
    filch_close(NULL);
}

CONTRACT(bad_input, results) {
    filch_executor *ex = pool->open(1);
    filch_future *future = filch_submit(ex, twice, 4), *none = NULL;
    CHECK_EQ(filch_join(future), FILCH_OK);
    long value = 77;
    const filch_error *error = NULL;
    CHECK_STATUS(filch_result(none, &value), FILCH_INVALID, "future");
    CHECK_STATUS(filch_result_timeout(none, &value, 0), FILCH_INVALID, "future");
    CHECK_STATUS(filch_result_timeout(future, &value, not_a_number), FILCH_INVALID, "seconds");
    CHECK_STATUS(filch_result_timeout(future, (long *)NULL, 0), FILCH_INVALID, "out");
    CHECK_EQ(value, 77);
    CHECK_STATUS(filch_join(none), FILCH_INVALID, "future");
    CHECK_STATUS(filch_join_timeout(none, 1), FILCH_INVALID, "future");
    CHECK_STATUS(filch_join_timeout(future, not_a_number), FILCH_INVALID, "seconds");
    CHECK_NONE(filch_exception(none), FILCH_INVALID, "future");
    CHECK_STATUS(filch_exception_timeout(none, 1, &error), FILCH_INVALID, "future");
    CHECK_STATUS(filch_exception_timeout(future, not_a_number, &error), FILCH_INVALID, "seconds");
    CHECK_STATUS(filch_exception_timeout(future, 1, NULL), FILCH_INVALID, "error");
    CHECK_STATUS(filch_result_into(future, &value, 8, (filch_kind)99, 0), FILCH_INVALID, "result");
    CHECK_STATUS(filch_result_into(future, &value, SIZE_MAX, FILCH_KIND_INTEGER, 0), FILCH_INVALID,
                 "result");
    CHECK_STATUS(filch_result_into(future, &value, 0, FILCH_KIND_INTEGER, 0), FILCH_INVALID,
                 "result");
    CHECK_EQ(value, 77);
    check_long(future, 8);
    filch_close(ex);
}

/* Time limits that are odd but allowed. */
CONTRACT(bad_input, odd_time_limits) {
    filch_executor *ex = pool->open(1);
    filch_future *future = filch_submit(ex, twice, 4);
    static const double enough[] = {FILCH_FOREVER, 1e300, 1e18, 1e9};
    for (int i = 0; i < 4; i++) {
        long value = 0;
        size_t n_done = 0;
        CHECK_EQ(filch_result_timeout(future, &value, enough[i]), FILCH_OK);
        CHECK_EQ(filch_wait(&future, 1, FILCH_ALL_COMPLETED, enough[i], &n_done), FILCH_OK);
    }
    filch_release(future);
    struct hold *held = pool->alloc(ex, sizeof *held);
    future = pool_hold(ex, held);
    static const double nothing[] = {0, -0.0, -1, -1e300, -FILCH_FOREVER, 1e-300, 1e-9};
    for (int i = 0; i < 7; i++)
        CHECK_EQ(filch_join_timeout(future, nothing[i]), FILCH_TIMEOUT);
    gate_open(&held->go);
    check_held(future);
    pool_close(pool, ex, held);
}

static void no_callback(filch_future *future, void *arg) {
    (void)future;
    (void)arg;
}

CONTRACT(bad_input, futures) {
    filch_executor *ex = pool->open(1);
    filch_future *future = filch_submit(ex, twice, 4);
    CHECK(!filch_done(NULL));
    CHECK(!filch_running(NULL));
    CHECK(!filch_cancelled(NULL));
    CHECK(!filch_cancel(NULL));
    CHECK_FAILURE(FILCH_INVALID, "future");
    CHECK_STATUS(filch_add_done_callback(NULL, no_callback, NULL), FILCH_INVALID, "future");
    CHECK_STATUS(filch_add_done_callback(future, NULL, NULL), FILCH_INVALID, "fn");
    CHECK_NULL(filch_retain(NULL));
    filch_release(NULL);
    check_long(future, 8);
    filch_close(ex);
}

CONTRACT(bad_input, wait) {
    filch_executor *ex = pool->open(1);
    filch_future *future = filch_submit(ex, twice, 4);
    filch_future *with_null[] = {future, NULL, future};
    size_t n_done = 999;
    CHECK_STATUS(filch_wait(NULL, 2, FILCH_ALL_COMPLETED, 0, &n_done), FILCH_INVALID, "futures");
    CHECK_STATUS(filch_wait(with_null, 3, FILCH_ALL_COMPLETED, 0, &n_done), FILCH_INVALID,
                 "futures");
    CHECK(with_null[0] == future && with_null[1] == NULL && with_null[2] == future);
    CHECK_STATUS(filch_wait(&future, 1, (filch_return_when)7, 0, &n_done), FILCH_INVALID, "when");
    CHECK_STATUS(filch_wait(&future, 1, (filch_return_when)-1, 0, &n_done), FILCH_INVALID, "when");
    CHECK_STATUS(filch_wait(NULL, 0, (filch_return_when)7, 0, &n_done), FILCH_INVALID, "when");
    CHECK_STATUS(filch_wait(&future, 1, FILCH_ALL_COMPLETED, not_a_number, &n_done), FILCH_INVALID,
                 "timeout");
    filch_status status = filch_wait(&future, SIZE_MAX, FILCH_ALL_COMPLETED, 0, &n_done);
    CHECK(status == FILCH_INVALID || status == FILCH_NO_MEMORY);
    status = filch_wait(&future, SIZE_MAX / 8, FILCH_ALL_COMPLETED, 0, &n_done);
    CHECK(status == FILCH_INVALID || status == FILCH_NO_MEMORY);
    check_long(future, 8);
    filch_close(ex);
}

CONTRACT(bad_input, as_completed) {
    filch_executor *ex = pool->open(1);
    filch_future *future = filch_submit(ex, twice, 4), *given = NULL;
    filch_future *with_null[] = {future, NULL};
    CHECK_NONE(filch_as_completed(NULL, 1), FILCH_INVALID, "futures");
    CHECK_NONE(filch_as_completed(with_null, 2), FILCH_INVALID, "futures");
    CHECK_NULL(filch_as_completed(&future, SIZE_MAX));
    CHECK(filch_error_status() == FILCH_INVALID || filch_error_status() == FILCH_NO_MEMORY);
    CHECK_NULL(filch_as_completed(&future, SIZE_MAX / 8));
    CHECK(filch_error_status() == FILCH_INVALID || filch_error_status() == FILCH_NO_MEMORY);
    CHECK_STATUS(filch_completed_next(NULL, &given, 0), FILCH_INVALID, "completed");
    filch_completed *completed = filch_as_completed(&future, 1);
    CHECK_STATUS(filch_completed_next(completed, NULL, 0), FILCH_INVALID, "future");
    CHECK_STATUS(filch_completed_next(completed, &given, not_a_number), FILCH_INVALID, "timeout");
    CHECK_NULL(given);
    CHECK_EQ(filch_completed_next(completed, &given, FILCH_FOREVER), FILCH_OK); /* none was lost */
    CHECK_PTR_EQ(given, future);
    filch_completed_close(completed);
    filch_completed_close(NULL);
    check_long(future, 8);
    filch_close(ex);
}

static bool produce_nothing(void *item, void *arg) {
    (void)item;
    (void)arg;
    return false;
}

CONTRACT(bad_input, map) {
    filch_executor *ex = pool->open(1), *none = NULL;
    long items[] = {1, 2, 3}, value = 77, *no_items = NULL;
    CHECK_NONE(filch_map(none, twice, items, 3), FILCH_INVALID, "executor");
    CHECK_NONE(filch_map(ex, twice, no_items, 3), FILCH_INVALID, "items");
    CHECK_NONE(filch_map(ex, twice, items, 3, .chunksize = -1), FILCH_INVALID, "chunksize");
    CHECK_NONE(filch_map(ex, twice, items, 3, .buffersize = -1), FILCH_INVALID, "buffersize");
    CHECK_NONE(filch_map(ex, twice, items, 3, .timeout = not_a_number), FILCH_INVALID, "timeout");
    CHECK_NONE(filch_map(ex, twice, items, 3, .next = produce_nothing, .buffersize = 1),
               FILCH_INVALID, "items");
    CHECK_NULL(filch_map(ex, twice, items, SIZE_MAX));
    CHECK(filch_error_status() == FILCH_INVALID || filch_error_status() == FILCH_NO_MEMORY);
    CHECK_NULL(filch_map(ex, twice, items, SIZE_MAX / 8));
    CHECK(filch_error_status() == FILCH_INVALID || filch_error_status() == FILCH_NO_MEMORY);
    CHECK_STATUS(filch_results_next((filch_results *)NULL, &value), FILCH_INVALID, "results");
    CHECK_STATUS(filch_results_skip(NULL), FILCH_INVALID, "results");
    CHECK_NULL(filch_results_exception(NULL));
    (void)filch_results_index(NULL);
    filch_results_close(NULL);
    CHECK_EQ(value, 77);
    check_long(filch_submit(ex, twice, 4), 8);
    filch_close(ex);
}

CONTRACT(bad_input, raise) {
    filch_executor *ex = pool->open(1);
    (void)ex;
    CHECK_EQ(filch_raise_at(NULL, 0, 5, "%s", "no file"), 5);
    CHECK_EQ(reports_take(), 1);
    CHECK_STR_HAS(reports.lines[0], "no file");
    filch_close(ex);
}
