/* filch_stats: exact when the pool is quiet, and never nonsense when it is not. */
#include "pools.h"

static filch_stats_snapshot look(filch_executor *ex) {
    filch_stats_snapshot stats = FILCH_STATS();
    CHECK_EQ(filch_stats(ex, &stats), FILCH_OK);
    return stats;
}

static void check_sum(filch_stats_snapshot stats) {
    CHECK_EQ(stats.submitted,
             stats.finished + stats.failed + stats.cancelled + stats.pending + stats.running);
}

CONTRACT(stats, a_new_pool) {
    filch_executor *ex = pool->open(3);
    filch_stats_snapshot stats = look(ex);
    CHECK_EQ(stats.submitted, 0);
    CHECK_EQ(stats.max_workers, 3);
    CHECK_EQ(stats.started, 0);
    CHECK_EQ(stats.idle, 0);
    CHECK_EQ(stats.n_workers, 0);
    CHECK_EQ(stats.replaced, 0);
    check_sum(stats);
    filch_close(ex);
}

CONTRACT(stats, every_outcome_is_counted_once) {
    filch_executor *ex = pool->open(2);
    struct hold *held = pool->alloc(ex, sizeof *held);
    for (int i = 0; i < 30; i++)
        check_long(filch_submit(ex, twice, i), 2 * i);
    for (int i = 0; i < 5; i++) {
        filch_future *future = filch_submit(ex, fail_with, i);
        CHECK_EQ(filch_join(future), FILCH_FAILED);
        filch_release(future);
    }
    filch_future *one = pool_hold(ex, held), *two = pool_hold(ex, held), *waiting[7];
    for (int i = 0; i < 7; i++)
        waiting[i] = filch_submit(ex, twice, i);
    filch_stats_snapshot stats = look(ex);
    CHECK_EQ(stats.submitted, 44);
    CHECK_EQ(stats.finished, 30);
    CHECK_EQ(stats.failed, 5);
    CHECK_EQ(stats.running, 2);
    CHECK_EQ(stats.pending, 7);
    CHECK_EQ(stats.started, 2);
    CHECK_EQ(stats.idle, 0);
    for (int i = 0; i < 4; i++) {
        CHECK(filch_cancel(waiting[i]));
        CHECK(filch_cancel(waiting[i]));
    }
    stats = look(ex);
    CHECK_EQ(stats.cancelled, 4);
    CHECK_EQ(stats.pending, 3);
    gate_open(&held->go);
    check_held(one);
    check_held(two);
    for (int i = 0; i < 7; i++) {
        CHECK_EQ(filch_join(waiting[i]), i < 4 ? FILCH_CANCELLED : FILCH_OK);
        filch_release(waiting[i]);
    }
    stats = look(ex);
    CHECK_EQ(stats.finished, 35);
    CHECK_EQ(stats.cancelled, 4);
    CHECK_EQ(stats.pending, 0);
    CHECK_EQ(stats.running, 0);
    check_sum(stats);
    pool_close(pool, ex, held);
}

/* However many tasks one call submits; what is refused is not counted. */
CONTRACT(stats, tasks_submitted_together) {
    enum { MANY = 100 };
    filch_executor *ex = pool->open(2);
    long items[MANY] = {0};
    filch_future *futures[MANY];
    CHECK_EQ(filch_submit_many(ex, twice, items, MANY, futures), FILCH_OK);
    for (int i = 0; i < MANY; i++)
        check_long(futures[i], 0);
    filch_stats_snapshot stats = look(ex);
    CHECK_EQ(stats.submitted, MANY);
    CHECK_EQ(stats.finished, MANY);
    check_sum(stats);
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    CHECK_EQ(filch_submit_many(ex, twice, items, MANY, futures), FILCH_SHUTDOWN);
    CHECK_EQ(look(ex).submitted, MANY);
    filch_close(ex);
}

CONTRACT(stats, what_a_shutdown_cancels) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *one = pool_hold(ex, held);
    for (int i = 0; i < 20; i++)
        filch_release(filch_submit(ex, twice, i));
    CHECK_EQ(filch_shutdown(ex, .no_wait = true, .cancel_futures = true), FILCH_OK);
    CHECK_NULL(filch_submit(ex, twice, 1)); /* refused, and not counted */
    gate_open(&held->go);
    check_held(one);
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    filch_stats_snapshot stats = look(ex);
    CHECK_EQ(stats.submitted, 21);
    CHECK_EQ(stats.finished, 1);
    CHECK_EQ(stats.cancelled, 20);
    CHECK_EQ(stats.started, 0);
    check_sum(stats);
    pool_close(pool, ex, held);
}

/* A chunk of a map is a task. */
CONTRACT(stats, chunks_of_a_map) {
    filch_executor *ex = pool->open(2);
    long items[100], value, sum = 0;
    for (int i = 0; i < 100; i++)
        items[i] = i;
    filch_results *results = filch_map(ex, twice, items, 100, .chunksize = 10);
    CHECK_NOT_NULL(results);
    while (filch_results_next(results, &value) == FILCH_OK)
        sum += value;
    CHECK_EQ(sum, 9900);
    filch_results_close(results);
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    filch_stats_snapshot stats = look(ex);
    CHECK_EQ(stats.submitted, 10);
    CHECK_EQ(stats.finished, 10);
    check_sum(stats);
    filch_close(ex);
}

CONTRACT(stats, many_at_once) {
    filch_executor *ex = pool->open(2);
    long items[50];
    filch_future *futures[50];
    for (int i = 0; i < 50; i++)
        items[i] = i;
    CHECK_EQ(filch_submit_many(ex, twice, items, 50, futures), FILCH_OK);
    for (int i = 0; i < 50; i++)
        check_long(futures[i], 2 * i);
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    CHECK_NE(filch_submit_many(ex, twice, items, 50, futures), FILCH_OK);
    filch_stats_snapshot stats = look(ex);
    CHECK_EQ(stats.submitted, 50);
    CHECK_EQ(stats.finished, 50);
    check_sum(stats);
    filch_close(ex);
}

static void add_up(size_t begin, size_t end, void *sum) {
    for (size_t i = begin; i < end; i++)
        atomic_fetch_add((atomic_long *)sum, (long)i);
}

/* Helpers that came too late are cancelled; the sum is right all the same. */
CONTRACT(stats, helpers_of_a_loop) {
    filch_executor *ex = pool->open(2);
    atomic_long *sum = pool->alloc(ex, sizeof *sum);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(filch_for(ex, 0, 1000, add_up, sum), FILCH_OK);
    CHECK_EQ(atomic_load(sum), 4995000);
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    filch_stats_snapshot stats = look(ex);
    CHECK_EQ(stats.pending + stats.running + stats.failed, 0);
    check_sum(stats);
    pool_close(pool, ex, sum);
}

CONTRACT(stats, per_worker) {
    filch_executor *ex = pool->open(3);
    for (int i = 0; i < 300; i++)
        filch_release(filch_submit(ex, twice, i));
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    filch_worker_stats each[8];
    memset(each, 0xff, sizeof each);
    filch_stats_snapshot stats = FILCH_STATS(.workers = each, .capacity = 8);
    CHECK_EQ(filch_stats(ex, &stats), FILCH_OK);
    CHECK_GE(stats.n_workers, 1);
    CHECK_LE(stats.n_workers, 3);
    uint64_t finished = 0, tried = 0, parks = 0;
    for (size_t i = 0; i < stats.n_workers; i++) {
        finished += each[i].finished;
        tried += each[i].steals_tried;
        parks += each[i].parks;
        CHECK_GE(each[i].steals_tried, each[i].steals_won);
        CHECK_EQ(each[i].parks, each[i].wakes);
        CHECK_EQ(each[i].running, 0);
        CHECK_EQ(each[i].submitted, 0);
    }
    CHECK_EQ(finished, 300);
    CHECK_EQ(stats.finished, 300);
    CHECK_EQ(stats.steals_tried, tried);
    CHECK_EQ(stats.parks, parks);
    if (stats.n_workers < 8) /* the rest of the array is the caller's */
        CHECK_EQ(each[stats.n_workers].finished, UINT64_MAX);
    memset(each, 0xff, sizeof each);
    stats = FILCH_STATS(.workers = each, .capacity = 1);
    CHECK_EQ(filch_stats(ex, &stats), FILCH_OK);
    CHECK_LE(each[0].finished, 300);
    CHECK_EQ(each[1].finished, UINT64_MAX);
    CHECK_EQ(stats.finished, 300);
    filch_close(ex);
}

static long twice_below(long x) {
    long value = 0;
    filch_future *future = filch_submit(filch_this_executor(), twice, x);
    CHECK_EQ(filch_result(future, &value), FILCH_OK);
    filch_release(future);
    return value;
}
FILCH_TASK(long, twice_below, long);

CONTRACT(stats, tasks_of_tasks) {
    filch_executor *ex = pool->open(2);
    for (int i = 0; i < 20; i++)
        check_long(filch_submit(ex, twice_below, i), 2 * i);
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    filch_worker_stats each[2];
    filch_stats_snapshot stats = FILCH_STATS(.workers = each, .capacity = 2);
    CHECK_EQ(filch_stats(ex, &stats), FILCH_OK);
    CHECK_EQ(stats.submitted, 40);
    CHECK_EQ(stats.finished, 40);
    uint64_t by_workers = 0;
    for (size_t i = 0; i < stats.n_workers; i++)
        by_workers += each[i].submitted;
    CHECK_EQ(by_workers, 20);
    check_sum(stats);
    filch_close(ex);
}

static atomic_bool is_over;

static void *look_again_and_again(void *arg) {
    filch_executor *ex = arg;
    uint64_t finished = 0;
    while (!atomic_load(&is_over)) {
        filch_stats_snapshot stats = look(ex);
        CHECK_GE(stats.finished, finished);
        CHECK_LE(stats.finished, 20000);
        CHECK_LE(stats.running, 20000);
        finished = stats.finished;
    }
    return NULL;
}

CONTRACT(stats, while_the_pool_works) {
    filch_executor *ex = pool->open(2);
    atomic_store(&is_over, false);
    pthread_t looker = thread_start(look_again_and_again, ex);
    int n = ROUNDS(20000);
    for (int i = 0; i < n; i++)
        filch_release(filch_submit(ex, twice, i));
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    atomic_store(&is_over, true);
    thread_join(looker);
    CHECK_EQ(look(ex).finished, n);
    check_sum(look(ex));
    filch_close(ex);
}

CONTRACT(stats, an_idle_pool_sleeps) {
    filch_executor *ex = pool->open(2);
    check_long(filch_submit(ex, twice, 1), 2);
    filch_stats_snapshot stats = look(ex);
    for (int i = 0; i < 500 && (stats.idle != 1 || stats.parks != stats.wakes + 1); i++) {
        let_others_block();
        stats = look(ex);
    }
    CHECK_EQ(stats.started, 1);
    CHECK_EQ(stats.idle, 1);
    CHECK_EQ(stats.parks, stats.wakes + 1);
    filch_close(ex);
}

CONTRACT(stats, structs_of_other_versions) {
    filch_executor *ex = pool->open(1);
    check_long(filch_submit(ex, twice, 1), 2);
    struct {
        filch_stats_snapshot known;
        uint64_t unknown;
    } longer = {FILCH_STATS(), 77};
    longer.known.size = sizeof longer;
    CHECK_EQ(filch_stats(ex, &longer.known), FILCH_OK);
    CHECK_EQ(longer.known.finished, 1);
    CHECK_EQ(longer.unknown, 0);
    filch_stats_snapshot shorter = FILCH_STATS();
    shorter.size = offsetof(filch_stats_snapshot, pending);
    shorter.pending = 77;
    CHECK_EQ(filch_stats(ex, &shorter), FILCH_OK);
    CHECK_EQ(shorter.submitted, 1);
    CHECK_EQ(shorter.pending, 77);
    struct {
        filch_worker_stats known;
        uint64_t unknown;
    } each[2];
    filch_stats_snapshot stats = FILCH_STATS(.workers = &each[0].known, .capacity = 2);
    stats.worker_size = sizeof each[0];
    CHECK_EQ(filch_stats(ex, &stats), FILCH_OK);
    CHECK_EQ(each[0].known.finished, 1);
    CHECK_EQ(each[0].unknown, 0);
    filch_close(ex);
}

CONTRACT(stats, bad_input) {
    filch_executor *ex = pool->open(1);
    filch_stats_snapshot stats = FILCH_STATS();
    CHECK_EQ(filch_stats(NULL, &stats), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "executor");
    CHECK_EQ(filch_stats(ex, NULL), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "snapshot");
    stats.size = 0;
    CHECK_EQ(filch_stats(ex, &stats), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "size");
    stats = FILCH_STATS(.capacity = 3);
    CHECK_EQ(filch_stats(ex, &stats), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "workers");
    filch_worker_stats one;
    stats = FILCH_STATS(.workers = &one, .capacity = 1);
    stats.worker_size = 0;
    CHECK_EQ(filch_stats(ex, &stats), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "worker_size");
    filch_close(ex);
}
