/* E6 of the conformance list: waiting inside a task. An untimed wait for tasks of the own pool
 * works at any depth with one worker. Waits that block their worker: test_substitutes.c. */
#include "pools.h"

enum { DEPTH = 10000, FRAME_BYTES = 4096 };

static long descend(long depth);
FILCH_TASK(long, descend, long);

static long descend(long depth) {
    if (depth == 0)
        return 0;
    long below = 0;
    filch_future *child = filch_submit(filch_this_executor(), descend, depth - 1);
    if (child == NULL)
        return filch_raise(filch_error_status(), "submit at %ld: %s", depth, filch_error_message());
    if (filch_result(child, &below) != FILCH_OK)
        filch_raise(filch_error_status(), "result at %ld: %s", depth, filch_error_message());
    filch_release(child);
    return below + 1;
}

static long descend_with_locals(long depth);
FILCH_TASK(long, descend_with_locals, long);

static long descend_with_locals(long depth) {
    volatile char frame[FRAME_BYTES];
    for (int i = 0; i < FRAME_BYTES; i += 64)
        frame[i] = (char)depth;
    if (depth == 0)
        return 0;
    long below = 0;
    filch_future *child = filch_submit(filch_this_executor(), descend_with_locals, depth - 1);
    if (child == NULL)
        return filch_raise(filch_error_status(), "submit at %ld: %s", depth, filch_error_message());
    if (filch_result(child, &below) != FILCH_OK)
        filch_raise(filch_error_status(), "result at %ld: %s", depth, filch_error_message());
    filch_release(child);
    for (int i = 0; i < FRAME_BYTES; i += 64)
        if (frame[i] != (char)depth)
            return filch_raise(1, "the frame at %ld was overwritten", depth);
    return below + 1;
}

static void check_descent(filch_future *future, long depth) {
    long value = -1;
    filch_status status = filch_result(future, &value);
    CHECK_MSG(status == FILCH_OK, "%s: %s", filch_status_name(status), filch_error_message());
    CHECK_EQ(value, depth);
    filch_release(future);
}

/* E6 */
CONTRACT(nested_wait, chain_of_10000_with_one_worker) {
    filch_executor *ex = pool->open(1);
    check_descent(filch_submit(ex, descend, DEPTH), DEPTH);
    check_descent(filch_submit(ex, descend, DEPTH), DEPTH); /* and once more, on what it kept */
    filch_close(ex);
}

/* E6 */
CONTRACT(nested_wait, chain_with_large_frames) {
    filch_executor *ex = pool->open(1);
    check_descent(filch_submit(ex, descend_with_locals, DEPTH), DEPTH);
    filch_close(ex);
}

/* E6 */
CONTRACT(nested_wait, chains_in_several_workers) {
    filch_executor *ex = pool->open(4);
    filch_future *futures[8];
    for (int i = 0; i < 8; i++)
        futures[i] = filch_submit(ex, descend_with_locals, DEPTH / 10);
    for (int i = 0; i < 8; i++)
        check_descent(futures[i], DEPTH / 10);
    filch_close(ex);
}

/* E6: recursion that branches. */
static long fib(long n);
FILCH_TASK(long, fib, long);

static long fib(long n) {
    if (n < 2)
        return n;
    long a = -1000000, b = -1000000;
    filch_future *fa = filch_submit(filch_this_executor(), fib, n - 1);
    filch_future *fb = filch_submit(filch_this_executor(), fib, n - 2);
    filch_result(fa, &a);
    filch_result(fb, &b);
    filch_release(fa);
    filch_release(fb);
    return a + b;
}

CONTRACT(nested_wait, tree) {
    for (int workers = 1; workers <= 4; workers++) {
        filch_executor *ex = pool->open(workers);
        int n = UNDER_TSAN ? 10 : 16;
        check_long(filch_submit(ex, fib, n), n == 16 ? 987 : 55);
        filch_close(ex);
    }
}

/* The other untimed waits: exception, join, wait for all, an ordered map. */
static long wait_in_every_way(long n) {
    filch_executor *ex = filch_this_executor();
    filch_future *futures[4] = {filch_submit(ex, twice, n), filch_submit(ex, fail_with, 3),
                                filch_submit(ex, twice, n + 1), filch_submit(ex, twice, n + 2)};
    size_t n_done = 0;
    long sum = 0;
    if (filch_join(futures[0]) != FILCH_OK)
        return filch_raise(1, "join: %s", filch_error_message());
    const filch_error *error = filch_exception(futures[1]);
    if (error == NULL || error->code != 3)
        return filch_raise(2, "exception: %s", filch_error_message());
    if (filch_wait(futures, 4, FILCH_ALL_COMPLETED, FILCH_FOREVER, &n_done) != FILCH_OK ||
        n_done != 4)
        return filch_raise(3, "wait: %s", filch_error_message());
    for (int i = 0; i < 4; i++)
        filch_release(futures[i]);
    long items[100];
    for (int i = 0; i < 100; i++)
        items[i] = i;
    filch_results *results = filch_map(ex, twice, items, 100, .chunksize = (int)n);
    filch_status status;
    for (long value; (status = filch_results_next(results, &value)) == FILCH_OK;)
        sum += value;
    if (status != FILCH_END)
        return filch_raise(4, "map: %s", filch_error_message());
    filch_results_close(results);
    return sum;
}
FILCH_TASK(long, wait_in_every_way, long);

CONTRACT(nested_wait, every_untimed_wait) {
    filch_executor *ex = pool->open(1);
    for (int i = 1; i < 5; i++)
        check_descent(filch_submit(ex, wait_in_every_way, i), 9900);
    filch_close(ex);
}

/* A wait for what another worker is running. */
struct pair {
    struct hold held;
    struct gate waiting;
};

static int wait_for_running(struct pair *pair) {
    int value = -1;
    filch_future *other = filch_submit(filch_this_executor(), hold, &pair->held);
    gate_wait(&pair->held.started, 1);
    gate_open(&pair->waiting);
    filch_status status = filch_result(other, &value);
    filch_release(other);
    return status == FILCH_OK ? value : -(int)status;
}
FILCH_TASK(int, wait_for_running, struct pair *);

CONTRACT(nested_wait, for_what_runs_elsewhere) {
    filch_executor *ex = pool->open(2);
    struct pair *pair = pool->alloc(ex, sizeof *pair);
    filch_future *waiter = filch_submit(ex, wait_for_running, pair);
    gate_wait(&pair->waiting, 1);
    let_others_block();
    gate_open(&pair->held.go);
    check_held(waiter);
    pool_close(pool, ex, pair);
}

/* E6: waiting for itself, directly and by way of a task that runs on its own stack. A task learns its own
 * future from the one that submitted it: with one worker they run in one process, whatever the pool. */
static struct {
    struct gate known;
    filch_future *future;
} own;

static long wait_for_itself(void) {
    gate_wait(&own.known, 1);
    int wrong = 0;
    long value = 0;
    filch_future *set[] = {own.future};
    size_t n_done = 0;
    wrong |= filch_result(own.future, &value) != FILCH_INVALID_STATE;
    wrong |= strstr(filch_error_message(), "itself") == NULL ? 2 : 0;
    wrong |= filch_join(own.future) != FILCH_INVALID_STATE ? 4 : 0;
    wrong |= filch_exception(own.future) != NULL ? 8 : 0;
    wrong |= filch_error_status() != FILCH_INVALID_STATE ? 16 : 0;
    wrong |= filch_wait(set, 1, FILCH_ALL_COMPLETED, FILCH_FOREVER, &n_done) != FILCH_INVALID_STATE
                 ? 32
                 : 0;
    wrong |= filch_result_timeout(own.future, &value, 0) == FILCH_OK ? 64 : 0;
    return wrong;
}
FILCH_TASK(long, wait_for_itself);

static long wait_for_grandparent(void) {
    long value = 0;
    return filch_result(own.future, &value);
}
FILCH_TASK(long, wait_for_grandparent);

static long wait_by_child(void) {
    gate_wait(&own.known, 1);
    long value = -1;
    filch_future *child = filch_submit(filch_this_executor(), wait_for_grandparent);
    filch_result(child, &value);
    filch_release(child);
    return value;
}
FILCH_TASK(long, wait_by_child);

static long tell_its_own(bool directly) {
    filch_executor *ex = filch_this_executor();
    long value = -1;
    atomic_store(&own.known.value, 0);
    filch_future *future =
        directly ? filch_submit(ex, wait_for_itself) : filch_submit(ex, wait_by_child);
    own.future = future;
    gate_open(&own.known);
    filch_result(future, &value);
    filch_release(future);
    return value;
}
FILCH_TASK(long, tell_its_own, bool);

CONTRACT(nested_wait, for_itself) {
    filch_executor *ex = pool->open(1);
    check_long(filch_submit(ex, tell_its_own, true), 0);
    check_long(filch_submit(ex, tell_its_own, false), FILCH_INVALID_STATE);
    filch_close(ex);
}

/* E6: a future is its submitter's. A task of another process cannot wait for it, and is told so. */
struct foreign {
    filch_future *future;
};

static long wait_for_foreign(struct foreign it) {
    return filch_join(it.future);
}
FILCH_TASK(long, wait_for_foreign, struct foreign);

CONTRACT(nested_wait, for_the_openers_future) {
    filch_executor *ex = pool->open(2);
    struct hold *held = pool->alloc(ex, sizeof *held);
    struct foreign it = {pool_hold(ex, held)};
    filch_future *waiter = filch_submit(ex, wait_for_foreign, it);
    if (pool->in_process)
        gate_open(&held->go);
    check_long(waiter, pool->in_process ? FILCH_OK : FILCH_INVALID_STATE);
    gate_open(&held->go);
    check_held(it.future);
    pool_close(pool, ex, held);
}

/* E6: a task that holds a mutex waits while other tasks need the mutex: no task but the awaited one
 * may run on its stack. */
struct locked {
    pthread_mutex_t lock;
    struct gate runs;
};

static void need_lock(struct locked *it) {
    pthread_mutex_lock(&it->lock);
    gate_open(&it->runs);
    pthread_mutex_unlock(&it->lock);
}
FILCH_TASK_VOID(need_lock, struct locked *);

static long wait_with_lock(struct locked *it) {
    filch_executor *ex = filch_this_executor();
    long value = -1;
    pthread_mutex_lock(&it->lock);
    for (int i = 0; i < 10; i++)
        filch_release(filch_submit(ex, need_lock, it));
    filch_future *wanted = filch_submit(ex, twice, 8);
    for (int i = 0; i < 10; i++)
        filch_release(filch_submit(ex, need_lock, it));
    filch_result(wanted, &value);
    filch_release(wanted);
    pthread_mutex_unlock(&it->lock);
    return value;
}
FILCH_TASK(long, wait_with_lock, struct locked *);

CONTRACT(nested_wait, with_a_mutex_held) {
    for (int workers = 1; workers <= 2; workers++) {
        filch_executor *ex = pool->open(workers);
        struct locked *it = pool->alloc(ex, sizeof *it);
        pthread_mutexattr_t shared;
        pthread_mutexattr_init(&shared);
        pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
        pthread_mutex_init(&it->lock, &shared);
        check_long(filch_submit(ex, wait_with_lock, it), 16);
        gate_wait(&it->runs, 20);
        CHECK_EQ(filch_shutdown(ex), FILCH_OK);
        pthread_mutex_destroy(&it->lock);
        pool_close(pool, ex, it);
    }
}

/* A task fails, and the one that waited for it on its stack goes on. */
static long survive(long n) {
    filch_future *child = filch_submit(filch_this_executor(), fail_with, (int)n);
    const filch_error *error = filch_exception(child);
    long code = error == NULL ? -1 : error->code;
    filch_release(child);
    return code;
}
FILCH_TASK(long, survive, long);

CONTRACT(nested_wait, for_a_failure) {
    filch_executor *ex = pool->open(1);
    check_long(filch_submit(ex, survive, 17), 17);
    filch_close(ex);
}

/* The waiter's own name, raise and cancel request are not the child's. */
static long keep_apart(struct gate *runs) {
    filch_future *child = filch_submit(filch_this_executor(), count_run, runs);
    filch_raise(55, "raised before the child ran");
    filch_status status = filch_join(child);
    filch_release(child);
    return status;
}
FILCH_TASK(long, keep_apart, struct gate *);

CONTRACT(nested_wait, a_raise_stays_with_its_task) {
    filch_executor *ex = pool->open(1);
    struct gate *runs = pool->alloc(ex, sizeof *runs);
    filch_future *future = filch_submit(ex, keep_apart, runs);
    const filch_error *error = filch_exception(future);
    CHECK_NOT_NULL(error);
    CHECK_EQ(error->code, 55);
    CHECK_STR_EQ(error->task, "keep_apart");
    CHECK_EQ(gate_value(runs), 1);
    filch_release(future);
    pool_close(pool, ex, runs);
}
