/* filch_for: every item once, the caller taking part, errors, nesting, cancelling. */
#include "pools.h"

enum { ITEMS = 20000, FEW = 100 };

struct counts {
    struct gate total;
    struct gate outside; /* pieces that ran where filch_this_worker() is -1 */
    struct hold held;
    filch_executor *ex;
    unsigned char seen[ITEMS + 1];
};

static void see(size_t begin, size_t end, void *arg) {
    struct counts *counts = arg;
    CHECK(begin < end);
    for (size_t i = begin; i < end; i++)
        counts->seen[i]++;
    gate_add(&counts->total, (int)(end - begin));
    if (filch_this_worker() == -1)
        gate_open(&counts->outside);
}

static void check_seen(const struct counts *counts, size_t begin, size_t end, int times) {
    for (size_t i = 0; i < ITEMS; i++)
        CHECK_EQ(counts->seen[i], i >= begin && i < end ? times : 0);
}

CONTRACT(for, each_once) {
    for (int workers = 1; workers <= 4; workers++) {
        filch_executor *ex = pool->open(workers);
        static const size_t ends[] = {0, 1, 2, 3, 7, 100, 1000, ITEMS};
        for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
            for (size_t begin = 0; begin <= ends[i]; begin += ends[i] / 2 + 1) {
                struct counts *counts = pool->alloc(ex, sizeof *counts);
                CHECK_EQ(filch_for(ex, begin, ends[i], see, counts), FILCH_OK);
                check_seen(counts, begin, ends[i], 1);
                pool->free(ex, counts);
            }
        filch_close(ex);
    }
}

/* A million loops: nothing of a helper that was not needed stays. */
CONTRACT(for, small_ones_again_and_again) {
    filch_executor *ex = pool->open(2);
    struct counts *counts = pool->alloc(ex, sizeof *counts);
    int n = ROUNDS(20000);
    for (int i = 0; i < n; i++)
        CHECK_EQ(filch_for(ex, 0, 3, see, counts), FILCH_OK);
    CHECK_EQ(gate_value(&counts->total), 3 * n);
    pool_close(pool, ex, counts);
}

/* As many items as there can be: pieces grow with what they do not cost. */
static void add_up(size_t begin, size_t end, void *arg) {
    __atomic_fetch_add((size_t *)arg, end - begin, __ATOMIC_RELAXED);
}

CONTRACT(for, the_longest_range) {
    filch_executor *ex = pool->open(2);
    for (size_t begin = 0; begin < 2; begin++) {
        size_t *n = pool->alloc(ex, sizeof *n);
        CHECK_EQ(filch_for(ex, begin, SIZE_MAX, add_up, n), FILCH_OK);
        CHECK_EQ(*n, SIZE_MAX - begin);
        pool->free(ex, n);
    }
    filch_close(ex);
}

/* The caller takes part: with the only worker busy it does all of it. */
CONTRACT(for, caller_takes_part) {
    filch_executor *ex = pool->open(1);
    struct counts *counts = pool->alloc(ex, sizeof *counts);
    filch_future *held = pool_hold(ex, &counts->held);
    CHECK_EQ(filch_for(ex, 0, ITEMS, see, counts), FILCH_OK);
    check_seen(counts, 0, ITEMS, 1);
    CHECK(gate_value(&counts->outside) > 0);
    gate_open(&counts->held.go);
    check_held(held);
    pool_close(pool, ex, counts);
}

/* Helpers take part: a piece that waits for another one to begin. */
static void meet(size_t begin, size_t end, void *arg) {
    struct counts *counts = arg;
    for (size_t i = begin; i < end; i++) {
        gate_open(&counts->held.started);
        gate_wait(&counts->held.started, 3);
    }
}

CONTRACT(for, helpers_take_part) {
    filch_executor *ex = pool->open(2);
    struct counts *counts = pool->alloc(ex, sizeof *counts);
    CHECK_EQ(filch_for(ex, 0, 3, meet, counts), FILCH_OK);
    pool_close(pool, ex, counts);
}

static void look_around(size_t begin, size_t end, void *arg) {
    struct counts *counts = arg;
    if (filch_this_executor() != counts->ex)
        filch_raise(1, "another executor");
    gate_add(&counts->total, (int)(end - begin));
}

CONTRACT(for, inside_the_executor) {
    filch_executor *ex = pool->open(2);
    struct counts *counts = pool->alloc(ex, sizeof *counts);
    counts->ex = ex;
    CHECK_EQ(filch_for(ex, 0, FEW, look_around, counts), FILCH_OK);
    CHECK_EQ(gate_value(&counts->total), FEW);
    CHECK_NULL(filch_this_executor());
    pool_close(pool, ex, counts);
}

/* The lowest failure wins, what is below it has run, and the call's own error is nobody else's. */
struct failing {
    size_t from, modulus;
    unsigned char seen[ITEMS];
};

static void fail_at(size_t begin, size_t end, void *arg) {
    struct failing *failing = arg;
    for (size_t i = begin; i < end; i++) {
        if (i >= failing->from && i % failing->modulus == 0) {
            filch_raise((int)i, "item %zu is bad", i);
            return;
        }
        failing->seen[i] = 1;
    }
}

CONTRACT(for, errors) {
    for (int workers = 1; workers <= 3; workers++) {
        filch_executor *ex = pool->open(workers);
        for (size_t from = 0; from < ITEMS; from = from * 2 + 10) {
            struct failing *failing = pool->alloc(ex, sizeof *failing);
            failing->from = from;
            failing->modulus = 10;
            size_t first = (from + 9) / 10 * 10;
            CHECK_EQ(filch_for(ex, 0, ITEMS, fail_at, failing), FILCH_FAILED);
            char expected[40];
            snprintf(expected, sizeof expected, ": item %zu is bad", first);
            CHECK_FAILURE(FILCH_FAILED, expected);
            for (size_t i = 0; i < first; i++)
                CHECK_EQ(failing->seen[i], 1);
            pool->free(ex, failing);
        }
        check_long(filch_submit(ex, twice, 2), 4);
        filch_close(ex);
    }
}

CONTRACT(for, bad_input) {
    filch_executor *ex = pool->open(1);
    CHECK_EQ(filch_for(NULL, 0, 1, see, NULL), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "executor");
    CHECK_EQ(filch_for(ex, 0, 1, NULL, NULL), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "body");
    CHECK_EQ(filch_for(ex, 2, 1, see, NULL), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "begin");
    CHECK_EQ(filch_for(ex, 5, 5, see, NULL), FILCH_OK);
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    CHECK_EQ(filch_for(ex, 0, 1, see, NULL), FILCH_SHUTDOWN);
    filch_close(ex);
}

/* Inside tasks, and nested. */
static void count(size_t begin, size_t end, void *arg) {
    struct counts *counts = arg;
    gate_add(&counts->total, (int)(end - begin));
}

static void nest(size_t begin, size_t end, void *arg) {
    for (size_t i = begin; i < end; i++)
        if (filch_for(filch_this_executor(), 0, FEW, count, arg) != FILCH_OK)
            filch_raise(1, "%s", filch_error_message());
}

static int nest_in_task(struct counts *counts) {
    return filch_for(filch_this_executor(), 0, 20, nest, counts);
}
FILCH_TASK(int, nest_in_task, struct counts *);

CONTRACT(for, nested) {
    for (int workers = 1; workers <= 3; workers++) {
        filch_executor *ex = pool->open(workers);
        struct counts *counts = pool->alloc(ex, sizeof *counts);
        CHECK_EQ(filch_for(ex, 0, 20, nest, counts), FILCH_OK);
        CHECK_EQ(gate_value(&counts->total), 20 * FEW);
        filch_future *futures[3];
        for (int i = 0; i < 3; i++)
            futures[i] = filch_submit(ex, nest_in_task, counts);
        for (int i = 0; i < 3; i++) {
            int status = -1;
            CHECK_EQ(filch_result(futures[i], &status), FILCH_OK);
            CHECK_EQ(status, FILCH_OK);
            filch_release(futures[i]);
        }
        CHECK_EQ(gate_value(&counts->total), 4 * 20 * FEW);
        pool_close(pool, ex, counts);
    }
}

/* What the body raises is the call's, not the task's around it. */
static int swallow(struct failing *failing) {
    return filch_for(filch_this_executor(), 0, ITEMS, fail_at, failing);
}
FILCH_TASK(int, swallow, struct failing *);

CONTRACT(for, error_inside_a_task) {
    filch_executor *ex = pool->open(2);
    struct failing *failing = pool->alloc(ex, sizeof *failing);
    failing->from = 77;
    failing->modulus = 7;
    filch_future *future = filch_submit(ex, swallow, failing);
    int status = -1;
    CHECK_EQ(filch_result(future, &status), FILCH_OK);
    CHECK_EQ(status, FILCH_FAILED);
    filch_release(future);
    pool_close(pool, ex, failing);
}

/* A task that is asked to stop. */
static void wait_for_cancel(size_t begin, size_t end, void *arg) {
    struct counts *counts = arg;
    gate_add(&counts->total, (int)(end - begin));
    gate_open(&counts->held.started);
    while (!filch_cancel_requested())
        sched_yield();
}

static int loop_in_task(struct counts *counts) {
    return filch_for(filch_this_executor(), 0, ITEMS, wait_for_cancel, counts);
}
FILCH_TASK(int, loop_in_task, struct counts *);

CONTRACT(for, cancelled) {
    for (int workers = 1; workers <= 2; workers++) {
        filch_executor *ex = pool->open(workers);
        struct counts *counts = pool->alloc(ex, sizeof *counts);
        filch_future *future = filch_submit(ex, loop_in_task, counts);
        gate_wait(&counts->held.started, 1);
        CHECK(!filch_cancel(future));
        int status = -1;
        CHECK_EQ(filch_result(future, &status), FILCH_OK);
        CHECK_EQ(status, FILCH_CANCELLED);
        CHECK(gate_value(&counts->total) < ITEMS);
        filch_release(future);
        pool_close(pool, ex, counts);
    }
}

/* Several threads at once, while another one shuts down: each runs all or nothing. */
struct looper {
    filch_executor *ex;
    struct counts *counts;
    struct gate *ready;
};

static void *loop(void *arg) {
    struct looper *looper = arg;
    gate_open(looper->ready);
    for (int i = 0; i < 50; i++) {
        int before = gate_value(&looper->counts->total);
        filch_status status = filch_for(looper->ex, 0, FEW, see, looper->counts);
        CHECK(status == FILCH_OK || status == FILCH_SHUTDOWN);
        CHECK_EQ(gate_value(&looper->counts->total) - before, status == FILCH_OK ? FEW : 0);
    }
    return NULL;
}

CONTRACT(for, races_with_shutdown) {
    for (int round = 0; round < ROUNDS(100); round++) {
        filch_executor *ex = pool->open(2);
        struct counts *counts[2];
        struct looper loopers[2];
        struct gate ready = {0};
        pthread_t threads[2];
        for (int i = 0; i < 2; i++) {
            counts[i] = pool->alloc(ex, sizeof *counts[i]);
            loopers[i] = (struct looper){ex, counts[i], &ready};
            threads[i] = thread_start(loop, &loopers[i]);
        }
        gate_wait(&ready, 2);
        CHECK_EQ(filch_shutdown(ex, .cancel_futures = round % 2 != 0), FILCH_OK);
        for (int i = 0; i < 2; i++) {
            thread_join(threads[i]);
            pool->free(ex, counts[i]);
        }
        filch_close(ex);
    }
}

/* In a worker of another executor there is no number of the loop's: nor may two threads have the same. */
static void number_is_own(size_t begin, size_t end, void *arg) {
    struct counts *counts = arg;
    int number = filch_this_worker();
    CHECK_PTR_EQ(filch_this_executor(), counts->ex);
    if (number >= 0) {
        CHECK_EQ(counts->seen[number]++, 0);
        nanosleep(&(struct timespec){.tv_nsec = 200 * 1000}, NULL);
        counts->seen[number]--;
    } else {
        gate_open(&counts->outside);
    }
    gate_add(&counts->total, (int)(end - begin));
}

static int loop_elsewhere(struct counts *counts) {
    return (int)filch_for(counts->ex, 0, FEW, number_is_own, counts);
}
FILCH_TASK(int, loop_elsewhere, struct counts *);

THREAD_POOL_TEST(for, in_a_worker_of_another_executor) {
    filch_executor *ex = filch_thread_pool(.max_workers = 2);
    filch_executor *other = filch_thread_pool(.max_workers = 3);
    struct counts *counts = calloc(1, sizeof *counts);
    counts->ex = ex;
    filch_future *futures[3];
    for (int i = 0; i < 3; i++)
        futures[i] = filch_submit(other, loop_elsewhere, counts);
    for (int i = 0; i < 3; i++) {
        int status = -1;
        CHECK_EQ(filch_result(futures[i], &status), FILCH_OK);
        CHECK_EQ(status, FILCH_OK);
        filch_release(futures[i]);
    }
    CHECK_EQ(gate_value(&counts->total), 3 * FEW);
    CHECK_GE(gate_value(&counts->outside), 1);
    filch_close(other);
    filch_close(ex);
    free(counts);
}
