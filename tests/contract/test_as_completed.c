/* Group G of the conformance list: as_completed. */
#include "pools.h"

/* Tasks that end when they are told to. */
enum { TURNS = 6 };
struct turns {
    struct hold each[TURNS];
};

/* Lets one end; whoever saw that happens before what the test does next. */
static void finish(struct turns *turns, int i, filch_future *future) {
    gate_open(&turns->each[i].go);
    CHECK_EQ(filch_join(future), FILCH_OK);
}

/* G1: each once, the failed and the cancelled too. */
CONTRACT(as_completed, every_future_once) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *first = pool_hold(ex, held);
    filch_future *futures[5] = {first, filch_submit(ex, twice, 1), filch_submit(ex, fail_with, 2),
                                filch_submit(ex, twice, 3), filch_submit(ex, twice, 4)};
    CHECK(filch_cancel(futures[3]));
    filch_completed *completed = filch_as_completed(futures, 5);
    CHECK_NOT_NULL(completed);
    gate_open(&held->go);
    int given[5] = {0}, count = 0;
    filch_status status;
    for (filch_future *f; (status = filch_completed_next(completed, &f, FILCH_FOREVER)) == FILCH_OK;
         count++) {
        CHECK(filch_done(f));
        for (int i = 0; i < 5; i++)
            given[i] += futures[i] == f;
    }
    CHECK_EQ(status, FILCH_END);
    CHECK_EQ(filch_error_status(), FILCH_END);
    CHECK_EQ(count, 5);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(given[i], 1);
    filch_future *f = NULL;
    CHECK_EQ(filch_completed_next(completed, &f, 0), FILCH_END);
    CHECK_NULL(f);
    filch_completed_close(completed);
    CHECK_EQ(filch_exception(futures[2])->code, 2);
    for (int i = 0; i < 5; i++)
        filch_release(futures[i]);
    pool_close(pool, ex, held);
}

/* G1 */
CONTRACT(as_completed, duplicates_once) {
    filch_executor *ex = pool->open(1);
    filch_future *a = filch_submit(ex, twice, 1), *b = filch_submit(ex, twice, 2);
    filch_future *futures[] = {a, b, a, a, b};
    filch_completed *completed = filch_as_completed(futures, 5);
    filch_future *one = NULL, *two = NULL, *three = NULL;
    CHECK_EQ(filch_completed_next(completed, &one, FILCH_FOREVER), FILCH_OK);
    CHECK_EQ(filch_completed_next(completed, &two, FILCH_FOREVER), FILCH_OK);
    CHECK((one == a && two == b) || (one == b && two == a));
    CHECK_EQ(filch_completed_next(completed, &three, FILCH_FOREVER), FILCH_END);
    filch_completed_close(completed);
    filch_release(a);
    filch_release(b);
    filch_close(ex);
}

/* G1 */
CONTRACT(as_completed, empty) {
    (void)pool;
    filch_future *none[1] = {NULL}, *f = NULL;
    filch_completed *completed = filch_as_completed(none, 0);
    CHECK_NOT_NULL(completed);
    CHECK_EQ(filch_completed_next(completed, &f, FILCH_FOREVER), FILCH_END);
    filch_completed_close(completed);
    completed = filch_as_completed(NULL, 0);
    CHECK_NOT_NULL(completed);
    CHECK_EQ(filch_completed_next(completed, &f, 0), FILCH_END);
    filch_completed_close(completed);
    filch_completed_close(NULL);
}

/* G1: futures of several executors, closed ones among them. */
CONTRACT(as_completed, mixed_executors) {
    filch_executor *open = pool->open(1), *other = pool->open(2), *closed = pool->open(1);
    struct hold *held = pool->alloc(open, sizeof *held);
    filch_future *futures[12];
    for (int i = 0; i < 4; i++)
        futures[i] = filch_submit(closed, twice, i);
    filch_close(closed);
    futures[4] = pool_hold(open, held);
    for (int i = 5; i < 12; i++)
        futures[i] = filch_submit(i % 2 ? open : other, twice, i);
    filch_completed *completed = filch_as_completed(futures, 12);
    gate_open(&held->go);
    int count = 0;
    for (filch_future *f; filch_completed_next(completed, &f, FILCH_FOREVER) == FILCH_OK; count++)
        CHECK(filch_done(f));
    CHECK_EQ(count, 12);
    filch_completed_close(completed);
    for (int i = 0; i < 12; i++)
        filch_release(futures[i]);
    filch_close(other);
    pool_close(pool, open, held);
}

/* G2: the done ones first, then in the order of completion. */
CONTRACT(as_completed, order) {
    static const int order[TURNS] = {4, 1, 5, 0, 3, 2};
    enum { DONE_BEFORE = 2 };
    filch_executor *ex = pool->open(TURNS);
    struct turns *turns = pool->alloc(ex, sizeof *turns);
    filch_future *futures[TURNS], *f;
    for (int i = 0; i < TURNS; i++)
        futures[i] = pool_hold(ex, &turns->each[i]);
    for (int i = 0; i < DONE_BEFORE; i++)
        finish(turns, order[i], futures[order[i]]);
    filch_completed *completed = filch_as_completed(futures, TURNS);
    CHECK_EQ(filch_completed_next(completed, &f, 0), FILCH_OK);
    CHECK(f == futures[4] || f == futures[1]);
    CHECK_EQ(filch_completed_next(completed, &f, 0), FILCH_OK);
    CHECK(f == futures[4] || f == futures[1]);
    for (int i = DONE_BEFORE; i < TURNS - 2; i++) { /* one at a time */
        CHECK_EQ(filch_completed_next(completed, &f, 0), FILCH_TIMEOUT);
        gate_open(&turns->each[order[i]].go);
        CHECK_EQ(filch_completed_next(completed, &f, FILCH_FOREVER), FILCH_OK);
        CHECK_PTR_EQ(f, futures[order[i]]);
    }
    for (int i = TURNS - 2; i < TURNS; i++) /* and two before anybody looks */
        finish(turns, order[i], futures[order[i]]);
    for (int i = TURNS - 2; i < TURNS; i++) {
        CHECK_EQ(filch_completed_next(completed, &f, FILCH_FOREVER), FILCH_OK);
        CHECK_PTR_EQ(f, futures[order[i]]);
    }
    CHECK_EQ(filch_completed_next(completed, &f, 0), FILCH_END);
    filch_completed_close(completed);
    for (int i = 0; i < TURNS; i++)
        check_held(futures[i]);
    pool_close(pool, ex, turns);
}

/* G3: the limit is that of each call; the message counts; one may go on. */
CONTRACT(as_completed, time_out) {
    filch_executor *ex = pool->open(2);
    struct turns *turns = pool->alloc(ex, sizeof *turns);
    filch_future *futures[4] = {filch_submit(ex, twice, 1), filch_submit(ex, twice, 2),
                                pool_hold(ex, &turns->each[0]), pool_hold(ex, &turns->each[1])};
    filch_completed *completed = filch_as_completed(futures, 4);
    filch_future *f = NULL;
    CHECK_EQ(filch_completed_next(completed, &f, FILCH_FOREVER), FILCH_OK);
    CHECK_EQ(filch_completed_next(completed, &f, FILCH_FOREVER), FILCH_OK);
    double before = seconds_now();
    CHECK_EQ(filch_completed_next(completed, &f, 0.02), FILCH_TIMEOUT);
    CHECK_FAILURE(FILCH_TIMEOUT, "2 (of 4) futures unfinished");
    CHECK_EQ(filch_completed_next(completed, &f, 0.02), FILCH_TIMEOUT);
    CHECK_REAL(seconds_now() - before, >=, 0.04);
    CHECK_EQ(filch_completed_next(completed, &f, -1), FILCH_TIMEOUT);
    gate_open(&turns->each[1].go);
    CHECK_EQ(filch_completed_next(completed, &f, FILCH_FOREVER), FILCH_OK);
    CHECK_PTR_EQ(f, futures[3]);
    CHECK_EQ(filch_completed_next(completed, &f, 0), FILCH_TIMEOUT);
    CHECK_FAILURE(FILCH_TIMEOUT, "1 (of 4) futures unfinished");
    gate_open(&turns->each[0].go);
    CHECK_EQ(filch_completed_next(completed, &f, 3600), FILCH_OK);
    CHECK_PTR_EQ(f, futures[2]);
    CHECK_EQ(filch_completed_next(completed, &f, 0), FILCH_END);
    filch_completed_close(completed);
    for (int i = 0; i < 4; i++)
        filch_release(futures[i]);
    pool_close(pool, ex, turns);
}

/* G4: closing leaves nothing behind, however often. */
static long resident_kib(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK_NOT_NULL(file);
    CHECK_EQ(fscanf(file, "%*d %ld", &pages), 1);
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void iterate(filch_future **futures, size_t n, int rounds) {
    for (int i = 0; i < rounds; i++) {
        filch_future *f = NULL;
        filch_completed *completed = filch_as_completed(futures, n);
        CHECK_NOT_NULL(completed);
        if (i % 2)
            CHECK_EQ(filch_completed_next(completed, &f, 0), FILCH_TIMEOUT);
        filch_completed_close(completed);
    }
}

CONTRACT(as_completed, a_million_rounds_leave_nothing) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *futures[2] = {pool_hold(ex, held), filch_submit(ex, twice, 4)};
    iterate(futures, 2, 1000);
    long before = resident_kib();
    iterate(futures, 2, UNDER_TSAN || UNDER_ASAN ? 20000 : 1000000);
    if (!UNDER_TSAN && !UNDER_ASAN)
        CHECK_LT(resident_kib() - before, 4096);
    gate_open(&held->go);
    check_held(futures[0]);
    check_long(futures[1], 8);
    pool_close(pool, ex, held);
}

/* G4: futures finish while iterations over them are closed. */
static void *iterate_and_close(void *arg) {
    filch_future **futures = arg;
    for (int i = 0; i < 20; i++) {
        filch_future *f = NULL;
        filch_completed *completed = filch_as_completed(futures, 4);
        filch_completed_next(completed, &f, i % 2 ? 0 : 0.0001);
        filch_completed_close(completed);
    }
    return NULL;
}

CONTRACT(as_completed, close_races_with_completion) {
    filch_executor *ex = pool->open(2);
    for (int round = ROUNDS(200); round > 0; round--) {
        filch_future *futures[4];
        for (int i = 0; i < 4; i++)
            futures[i] = filch_submit(ex, twice, i);
        pthread_t one = thread_start(iterate_and_close, futures);
        pthread_t two = thread_start(iterate_and_close, futures);
        thread_join(one);
        thread_join(two);
        for (int i = 0; i < 4; i++)
            check_long(futures[i], 2 * i);
    }
    filch_close(ex);
}

/* The iteration retains a future until it has given it; the futures stay the caller's. */
CONTRACT(as_completed, handles) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *futures[3] = {pool_hold(ex, held), filch_submit(ex, twice, 4),
                                filch_submit(ex, twice, 5)};
    filch_completed *completed = filch_as_completed(futures, 3);
    gate_open(&held->go);
    for (int i = 0; i < 2; i++) { /* each is released while the iteration goes on */
        filch_future *f = NULL;
        CHECK_EQ(filch_completed_next(completed, &f, FILCH_FOREVER), FILCH_OK);
        filch_release(f);
    }
    filch_completed *again = filch_as_completed(futures + 2, 1);
    filch_release(futures[2]); /* before it is given: the two iterations keep it */
    filch_future *f = NULL;
    CHECK_EQ(filch_completed_next(again, &f, FILCH_FOREVER), FILCH_OK);
    CHECK_PTR_EQ(f, futures[2]);
    filch_completed_close(again);
    filch_completed_close(completed);
    pool_close(pool, ex, held);
}

/* Many futures, finished by many workers, collected by several threads, each with its own order. */
enum { MANY = 3000, COLLECTORS = 3 };
struct collector {
    filch_future **futures;
    int n;
};

static void *collect_all(void *arg) {
    struct collector *it = arg;
    long sum = 0, value = 0;
    int count = 0;
    filch_completed *completed = filch_as_completed(it->futures, (size_t)it->n);
    for (filch_future *f; filch_completed_next(completed, &f, FILCH_FOREVER) == FILCH_OK; count++) {
        CHECK_EQ(filch_result_timeout(f, &value, 0), FILCH_OK);
        sum += value;
    }
    filch_completed_close(completed);
    CHECK_EQ(count, it->n);
    CHECK_EQ(sum, (long)it->n * (it->n - 1));
    return NULL;
}

CONTRACT(as_completed, several_collectors) {
    filch_executor *ex = pool->open(3);
    filch_future *futures[MANY];
    for (int round = 0; round < 5; round++) {
        struct collector collector = {futures, ROUNDS(MANY)};
        for (int i = 0; i < collector.n; i++)
            futures[i] = filch_submit(ex, twice, i);
        pthread_t threads[COLLECTORS];
        for (int i = 0; i < COLLECTORS; i++)
            threads[i] = thread_start(collect_all, &collector);
        for (int i = 0; i < COLLECTORS; i++)
            thread_join(threads[i]);
        for (int i = 0; i < collector.n; i++)
            filch_release(futures[i]);
    }
    filch_close(ex);
}
