/* pools.h: a contract test is written once and runs against every kind of pool.
 *
 *     CONTRACT(cancel, queued) {
 *         filch_executor *ex = pool->open(1);
 *         ...
 *     }
 *
 * is a TEST that runs its body for each row of pool_kinds. A pool of another kind joins by a row.
 *
 * What tasks and the test share lies in pool->alloc memory: tasks may run in other processes.
 * Reports are collected; one that the test has not taken when it ends fails it. */
#ifndef FILCH_TEST_POOLS_H
#define FILCH_TEST_POOLS_H

#include "gate.h"
#include "test.h"
#include <errno.h>
#include <filch/filch.h>
#include <sched.h>

/* A number of rounds: fewer under sanitizers, which are that much slower. */
#define ROUNDS(n) (UNDER_TSAN ? ((n) + 9) / 10 : UNDER_ASAN ? ((n) + 3) / 4 : (n))

struct pool_kind {
    const char *name;
    filch_executor *(*open)(int max_workers);
    void *(*alloc)(filch_executor *executor, size_t size); /* zeroed; every worker sees it */
    void (*free)(filch_executor *executor, void *memory);
    bool in_process; /* tasks run in this process, and may use its futures and globals */
    bool
        takes_pointers; /* to private memory, as arguments; and callbacks run where the task ended */
};

TEST_HELPER filch_executor *thread_pool_open(int max_workers) {
    return filch_thread_pool(.max_workers = max_workers);
}

TEST_HELPER void *thread_pool_alloc(filch_executor *executor, size_t size) {
    (void)executor;
    return calloc(1, size);
}

TEST_HELPER void thread_pool_free(filch_executor *executor, void *memory) {
    (void)executor;
    free(memory);
}

TEST_HELPER filch_executor *process_pool_open(int max_workers) {
    return filch_process_pool(.max_workers = max_workers);
}

TEST_HELPER filch_executor *fork_pool_open(int max_workers) {
    return filch_process_pool(.max_workers = max_workers, .start_method = FILCH_FORK);
}

TEST_HELPER filch_executor *stand_in_pool_open(int max_workers) {
    return filch_process_pool(.max_workers = max_workers, .start_method = FILCH_THREADS);
}

TEST_HELPER void *shared_alloc(filch_executor *executor, size_t size) {
    void *memory = filch_shared_alloc(executor, size);
    return memory == NULL ? NULL : memset(memory, 0, size);
}

/* Workers under ThreadSanitizer are threads: it sees nothing between processes, and does not follow the
 * fork of a process that has threads. */
__attribute__((unused)) static const struct pool_kind pool_kinds[] = {
    {"thread", thread_pool_open, thread_pool_alloc, thread_pool_free, true, true},
    {"threads as processes", stand_in_pool_open, shared_alloc, filch_shared_free, true, false},
#if !UNDER_TSAN
    {"process", process_pool_open, shared_alloc, filch_shared_free, false, false},
    {"process, fork", fork_pool_open, shared_alloc, filch_shared_free, false, false},
#endif
};

/* What was reported since the test began, or was last taken. */
enum { REPORT_LINES = 64, REPORT_BYTES = 256 };
static struct {
    pthread_mutex_t lock;
    int count;
    char lines[REPORT_LINES][REPORT_BYTES];
} reports = {.lock = PTHREAD_MUTEX_INITIALIZER};

TEST_HELPER void reports_collect(const char *line, void *arg) {
    (void)arg;
    pthread_mutex_lock(&reports.lock);
    if (reports.count < REPORT_LINES)
        snprintf(reports.lines[reports.count], REPORT_BYTES, "%s", line);
    reports.count++;
    pthread_mutex_unlock(&reports.lock);
}

TEST_HELPER int reports_count(void) {
    pthread_mutex_lock(&reports.lock);
    int count = reports.count;
    pthread_mutex_unlock(&reports.lock);
    return count;
}

/* Forgets the reports and gives their number; the lines stay readable until the next one. */
TEST_HELPER int reports_take(void) {
    pthread_mutex_lock(&reports.lock);
    int count = reports.count;
    reports.count = 0;
    pthread_mutex_unlock(&reports.lock);
    return count;
}

/* A report that another thread of this process makes: waits for it. */
TEST_HELPER int reports_await(int n) {
    while (reports_count() < n)
        sched_yield();
    return reports_take();
}

TEST_HELPER void contract_begin(const struct pool_kind *pool) {
    printf("pool: %s\n", pool->name);
    fflush(stdout);
    reports_take();
    filch_on_report(reports_collect, NULL);
}

TEST_HELPER void contract_end(void) {
    int count = reports_take();
    CHECK_MSG(count == 0, "%d unexpected reports, the first is: %s", count, reports.lines[0]);
}

#define CONTRACT(suite, name)                                                                      \
    static void contract_##suite##_##name(const struct pool_kind *pool);                           \
    TEST(suite, name) {                                                                            \
        for (size_t kind = 0; kind < sizeof pool_kinds / sizeof pool_kinds[0]; kind++) {           \
            contract_begin(&pool_kinds[kind]);                                                     \
            contract_##suite##_##name(&pool_kinds[kind]);                                          \
            contract_end();                                                                        \
        }                                                                                          \
    }                                                                                              \
    static void contract_##suite##_##name(const struct pool_kind *pool)

/* Runs once, whatever pools there are. */
#define CONTRACT_ALONE(suite, name)                                                                \
    static void contract_##suite##_##name(void);                                                   \
    TEST(suite, name) {                                                                            \
        contract_begin(&pool_kinds[0]);                                                            \
        contract_##suite##_##name();                                                               \
        contract_end();                                                                            \
    }                                                                                              \
    static void contract_##suite##_##name(void)

/* A thread pool with options that pool->open does not know. */
#define THREAD_POOL_TEST(suite, name) CONTRACT_ALONE(suite, name)

/* Waits for all tasks, gives the memory back, and closes. */
TEST_HELPER void pool_close(const struct pool_kind *pool, filch_executor *executor, void *memory) {
    CHECK_EQ(filch_shutdown(executor), FILCH_OK);
    pool->free(executor, memory);
    filch_close(executor);
}

/* The tasks that many tests use. */
static long twice(long x) {
    return x * 2;
}
FILCH_TASK(long, twice, long);

static long fail_with(int code) {
    filch_raise(code, "failed with code %d", code);
    return -1;
}
FILCH_TASK(long, fail_with, int);

/* Says that it has started, then waits until it may go. */
struct hold {
    struct gate started;
    struct gate go;
};
enum { HOLD_RESULT = 7 };

static int hold(struct hold *it) {
    gate_open(&it->started);
    gate_wait(&it->go, 1);
    return HOLD_RESULT;
}
FILCH_TASK(int, hold, struct hold *);

/* Counts its run. */
static void count_run(struct gate *runs) {
    gate_open(runs);
}
FILCH_TASK_VOID(count_run, struct gate *);

/* One more task that holds, once it has started: with as many as workers nothing else starts. */
TEST_HELPER filch_future *pool_hold(filch_executor *executor, struct hold *it) {
    int before = gate_value(&it->started);
    filch_future *future = filch_submit(executor, hold, it);
    CHECK_NOT_NULL(future);
    gate_wait(&it->started, before + 1);
    return future;
}

/* The last call of this thread failed so, and the message names the argument. */
#define CHECK_FAILURE(expected, argument)                                                          \
    do {                                                                                           \
        CHECK_EQ(filch_error_status(), expected);                                                  \
        CHECK_STR_HAS(filch_error_message(), argument);                                            \
    } while (0)

/* A task gave its result; the future goes. */
TEST_HELPER void check_long(filch_future *future, long expected) {
    long value = 0;
    CHECK_EQ(filch_result(future, &value), FILCH_OK);
    CHECK_EQ(value, expected);
    filch_release(future);
}

TEST_HELPER void check_held(filch_future *future) {
    int value = 0;
    CHECK_EQ(filch_result(future, &value), FILCH_OK);
    CHECK_EQ(value, HOLD_RESULT);
    filch_release(future);
}

#endif
