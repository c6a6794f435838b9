/* F8 of the conformance list: .unordered gives each item once, as they finish, with its index. */
#include "maps.h"

enum { ITEMS = 200 };

/* Iterates to the end. Returns: the status that ended it. */
static filch_status count_items(filch_results *results, int *given, long (*expected)(long)) {
    filch_status status;
    for (long value = -1; (status = filch_results_next(results, &value)) == FILCH_OK ||
                          status == FILCH_FAILED || status == FILCH_CANCELLED;) {
        size_t index = filch_results_index(results);
        CHECK_LT(index, ITEMS);
        given[index]++;
        if (status == FILCH_OK)
            CHECK_EQ(value, expected((long)index));
        else
            CHECK_EQ(filch_results_exception(results)->status, status);
    }
    return status;
}

static void check_once(filch_results *results, int n) {
    int given[ITEMS] = {0};
    CHECK_NOT_NULL(results);
    CHECK_EQ(count_items(results, given, twice), FILCH_END);
    for (int i = 0; i < n; i++)
        CHECK_EQ(given[i], 1);
    CHECK_EQ(filch_results_skip(results), FILCH_END);
    filch_results_close(results);
}

/* F8, F2 */
CONTRACT(map_unordered, each_once_with_its_index) {
    filch_executor *ex = pool->open(3);
    long items[ITEMS];
    maps_fill(items, ITEMS);
    static const int sizes[] = {0, 1, 7, 64, ITEMS, INT_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int buffersize = 0; buffersize < 4; buffersize++)
            check_once(filch_map(ex, twice, items, ITEMS, .unordered = true, .chunksize = sizes[i],
                                 .buffersize = buffersize),
                       ITEMS);
    check_once(filch_map(ex, twice, items, 0, .unordered = true), 0);
    filch_close(ex);
}

/* F8: as they finish, not in input order. */
struct slow {
    struct hold held;
    struct gate runs;
};

static long hold_at_zero(struct slow *slow, int i) {
    if (i == 0) {
        gate_open(&slow->held.started);
        gate_wait(&slow->held.go, 1);
    }
    gate_open(&slow->runs);
    return i;
}
FILCH_TASK(long, hold_at_zero, struct slow *, int);

static void fill_slow(filch_args(hold_at_zero) * items, int n, struct slow *slow) {
    for (int i = 0; i < n; i++)
        items[i] = (filch_args(hold_at_zero)){slow, i};
}

CONTRACT(map_unordered, the_slow_one_comes_last) {
    filch_executor *ex = pool->open(2);
    struct slow *slow = pool->alloc(ex, sizeof *slow);
    filch_args(hold_at_zero) items[ITEMS];
    fill_slow(items, ITEMS, slow);
    filch_results *results =
        filch_map(ex, hold_at_zero, items, ITEMS, .unordered = true, .chunksize = 1);
    int given[ITEMS] = {0};
    for (int i = 1; i < ITEMS; i++) {
        long value = -1;
        CHECK_EQ(filch_results_next(results, &value), FILCH_OK);
        CHECK_EQ(value, filch_results_index(results));
        CHECK_NE(value, 0);
        given[value]++;
    }
    for (int i = 1; i < ITEMS; i++)
        CHECK_EQ(given[i], 1);
    gate_open(&slow->held.go);
    CHECK_EQ(filch_results_skip(results), FILCH_OK);
    CHECK_EQ(filch_results_index(results), 0);
    CHECK_EQ(filch_results_skip(results), FILCH_END);
    filch_results_close(results);
    pool_close(pool, ex, slow);
}

/* F3, F8 */
static long odd_fails(long x) {
    return x % 2 ? filch_raise((int)x, "%ld is odd", x) : x * 2;
}
FILCH_TASK(long, odd_fails, long);

CONTRACT(map_unordered, errors) {
    filch_executor *ex = pool->open(2);
    long items[ITEMS];
    maps_fill(items, ITEMS);
    for (int chunksize = 0; chunksize < 40; chunksize += 13) {
        filch_results *results =
            filch_map(ex, odd_fails, items, ITEMS, .unordered = true, .chunksize = chunksize);
        for (int i = 0; i < ITEMS; i++) {
            long value = -1;
            filch_status status = filch_results_next(results, &value);
            int index = (int)filch_results_index(results);
            CHECK_EQ(status, index % 2 ? FILCH_FAILED : FILCH_OK);
            if (index % 2)
                CHECK_EQ(filch_results_exception(results)->code, index);
            else
                CHECK_NULL(filch_results_exception(results));
        }
        CHECK_EQ(filch_results_skip(results), FILCH_END);
        filch_results_close(results);
    }
    filch_close(ex);
}

/* F4, F8 */
CONTRACT(map_unordered, time_out) {
    filch_executor *ex = pool->open(1);
    struct slow *slow = pool->alloc(ex, sizeof *slow);
    filch_args(hold_at_zero) items[ITEMS];
    fill_slow(items, ITEMS, slow);
    filch_results *results = filch_map(ex, hold_at_zero, items, ITEMS, .unordered = true,
                                       .timeout = 0.05, .chunksize = 1);
    gate_wait(&slow->held.started, 1);
    CHECK_EQ(filch_results_skip(results), FILCH_TIMEOUT);
    CHECK_NE(filch_results_skip(results), FILCH_OK);
    filch_results_close(results);
    gate_open(&slow->held.go);
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    CHECK_LE(gate_value(&slow->runs), 1);
    pool_close(pool, ex, slow);
}

/* F6, F8: also with some that finish at the same time. */
CONTRACT(map_unordered, close_early) {
    filch_executor *ex = pool->open(2);
    long items[ITEMS];
    maps_fill(items, ITEMS);
    for (int round = 0; round < ROUNDS(300); round++) {
        filch_results *results =
            filch_map(ex, twice, items, ITEMS, .unordered = true, .chunksize = 3);
        for (int i = 0; i < round % 9; i++)
            CHECK_EQ(filch_results_skip(results), FILCH_OK);
        filch_results_close(results);
    }
    filch_close(ex);
}

/* F5, F8 */
struct produced {
    int next;
    int limit;
};

static bool produce(void *item, void *arg) {
    struct produced *produced = arg;
    if (produced->limit >= 0 && produced->next >= produced->limit)
        return false;
    *(long *)item = produced->next++;
    return true;
}

CONTRACT(map_unordered, lazy_and_endless_input) {
    filch_executor *ex = pool->open(2);
    for (int chunksize = 0; chunksize < 4; chunksize++) {
        struct produced produced = {0, ITEMS};
        check_once(filch_map(ex, twice, NULL, 0, .unordered = true, .next = produce,
                             .next_arg = &produced, .buffersize = 3, .chunksize = chunksize),
                   ITEMS);
        CHECK_EQ(produced.next, ITEMS);
    }
    struct produced endless = {0, -1};
    filch_results *results = filch_map(ex, twice, NULL, 0, .unordered = true, .next = produce,
                                       .next_arg = &endless, .buffersize = 4, .chunksize = 5);
    for (int i = 0; i < 1000; i++) {
        long value = -1;
        CHECK_EQ(filch_results_next(results, &value), FILCH_OK);
        CHECK_EQ(value, 2 * filch_results_index(results));
        CHECK_LE(endless.next, i + 5 * (4 + 1));
    }
    filch_results_close(results);
    filch_close(ex);
}

/* F7, F8 */
CONTRACT(map_unordered, then_close_and_then_cancel) {
    filch_executor *ex = pool->open(2);
    long items[ITEMS];
    maps_fill(items, ITEMS);
    filch_results *results = filch_map(ex, twice, items, ITEMS, .unordered = true);
    filch_close(ex);
    check_once(results, ITEMS);

    ex = pool->open(1);
    struct slow *slow = pool->alloc(ex, sizeof *slow);
    filch_args(hold_at_zero) held[4];
    fill_slow(held, 4, slow);
    results = filch_map(ex, hold_at_zero, held, 4, .unordered = true, .chunksize = 1);
    gate_wait(&slow->held.started, 1);
    CHECK_EQ(filch_shutdown(ex, .cancel_futures = true, .no_wait = true), FILCH_OK);
    gate_open(&slow->held.go);
    int n_cancelled = 0;
    for (int i = 0; i < 4; i++)
        n_cancelled += filch_results_skip(results) == FILCH_CANCELLED;
    CHECK_EQ(n_cancelled, 3);
    CHECK_EQ(filch_results_skip(results), FILCH_END);
    filch_results_close(results);
    pool_close(pool, ex, slow);
}

/* Strings, whose items need care one by one. */
static char *greet(const char *name) {
    size_t size = strlen(name) + 8;
    char *text = malloc(size);
    snprintf(text, size, "hello %s", name);
    return filch_own(text);
}
FILCH_TASK(char *, greet, const char *);

CONTRACT(map_unordered, strings) {
    filch_executor *ex = pool->open(2);
    char names[ITEMS][12];
    char *items[ITEMS];
    for (int i = 0; i < ITEMS; i++) {
        snprintf(names[i], sizeof names[i], "n%d", i);
        items[i] = names[i];
    }
    filch_results *results = filch_map(ex, greet, items, ITEMS, .unordered = true, .chunksize = 6);
    for (int i = 0; i < ITEMS; i++) {
        char expected[32];
        const char *text = NULL;
        CHECK_EQ(filch_results_next(results, &text), FILCH_OK);
        snprintf(expected, sizeof expected, "hello n%zu", filch_results_index(results));
        CHECK_STR_EQ(text, expected);
    }
    CHECK_EQ(filch_results_skip(results), FILCH_END);
    filch_results_close(results);
    filch_close(ex);
}

/* E6, F8: inside a task, with one worker. */
static long sum_unordered(long n) {
    long items[ITEMS], sum = 0;
    maps_fill(items, (int)n);
    filch_results *results = filch_map(filch_this_executor(), twice, items, (size_t)n,
                                       .unordered = true, .chunksize = 2);
    if (results == NULL)
        return filch_raise(filch_error_status(), "%s", filch_error_message());
    filch_status status;
    for (long value; (status = filch_results_next(results, &value)) == FILCH_OK;)
        sum += value;
    filch_results_close(results);
    return status == FILCH_END ? sum : filch_raise(status, "%s", filch_error_message());
}
FILCH_TASK(long, sum_unordered, long);

CONTRACT(map_unordered, inside_a_task) {
    for (int workers = 1; workers <= 2; workers++) {
        filch_executor *ex = pool->open(workers);
        check_long(filch_submit(ex, sum_unordered, 100), 9900);
        filch_close(ex);
    }
}
