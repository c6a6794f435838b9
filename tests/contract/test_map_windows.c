/* Group F of the conformance list: what a map reads, submits and cancels: time limits, windows, lazy
 * input, closing early. */
#include "maps.h"

enum { ITEMS = 100 };

/* F4: the time-out ends the iteration and cancels what has not started. */
struct slow {
    struct hold held;
    struct gate runs;
};

static long hold_at_zero(struct slow *slow, int i) {
    gate_open(&slow->runs);
    if (i == 0) {
        gate_open(&slow->held.started);
        gate_wait(&slow->held.go, 1);
    }
    return i;
}
FILCH_TASK(long, hold_at_zero, struct slow *, int);

static void fill_slow(filch_args(hold_at_zero) * items, int n, struct slow *slow) {
    for (int i = 0; i < n; i++)
        items[i] = (filch_args(hold_at_zero)){slow, i};
}

CONTRACT(map_windows, time_out) {
    filch_executor *ex = pool->open(1);
    struct slow *slow = pool->alloc(ex, sizeof *slow);
    filch_args(hold_at_zero) items[ITEMS];
    fill_slow(items, ITEMS, slow);
    double before = seconds_now();
    filch_results *results =
        filch_map(ex, hold_at_zero, items, ITEMS, .timeout = 0.05, .chunksize = 1);
    long value = 77;
    CHECK_EQ(filch_results_next(results, &value), FILCH_TIMEOUT);
    CHECK_REAL(seconds_now() - before, >=, 0.05);
    CHECK_EQ(value, 77);
    CHECK_NE(filch_results_next(results, &value), FILCH_OK); /* the iteration is over */
    filch_results_close(results);
    gate_open(&slow->held.go);
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    CHECK_LE(gate_value(&slow->runs), 1); /* what had not started never did */
    pool_close(pool, ex, slow);
}

/* F4: it counts from the call, not from next. */
CONTRACT(map_windows, time_out_counts_from_the_call) {
    filch_executor *ex = pool->open(2);
    struct slow *slow = pool->alloc(ex, sizeof *slow);
    filch_args(hold_at_zero) items[2] = {{slow, 1}, {slow, 0}};
    filch_results *results = filch_map(ex, hold_at_zero, items, 2, .timeout = 0.05, .chunksize = 1);
    gate_wait(&slow->held.started, 1);
    nanosleep(&(struct timespec){.tv_nsec = 60 * 1000 * 1000}, NULL);
    double before = seconds_now();
    filch_status status = filch_results_skip(results);
    if (status == FILCH_OK) /* the first is there, and may be given although time is up */
        status = filch_results_skip(results);
    CHECK_EQ(status, FILCH_TIMEOUT);
    CHECK_REAL(seconds_now() - before, <, 3600);
    filch_results_close(results);
    gate_open(&slow->held.go);
    pool_close(pool, ex, slow);
}

/* F5: all at once without a buffer size, exactly so many chunks ahead with one. */
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

CONTRACT(map_windows, all_is_submitted_at_once) {
    filch_executor *ex = pool->open(1);
    struct slow *slow = pool->alloc(ex, sizeof *slow);
    filch_args(hold_at_zero) items[ITEMS];
    fill_slow(items, ITEMS, slow);
    gate_open(&slow->held.go);
    filch_results *results = filch_map(ex, hold_at_zero, items, ITEMS);
    gate_wait(&slow->runs, ITEMS); /* although nobody iterates */
    filch_results_close(results);
    pool_close(pool, ex, slow);
}

CONTRACT(map_windows, buffer_sizes) {
    filch_executor *ex = pool->open(2);
    long items[ITEMS];
    maps_fill(items, ITEMS);
    static const int sizes[] = {1, 2, 3, ITEMS, 2 * ITEMS};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int chunksize = 0; chunksize <= 9; chunksize += 3)
            maps_check_twice(
                filch_map(ex, twice, items, ITEMS, .buffersize = sizes[i], .chunksize = chunksize),
                ITEMS);
    CHECK_NULL(filch_map(ex, twice, items, ITEMS, .buffersize = -1));
    CHECK_FAILURE(FILCH_INVALID, "buffersize");
    filch_close(ex);
}

CONTRACT(map_windows, buffer_is_as_far_as_it_goes) {
    filch_executor *ex = pool->open(1);
    struct slow *slow = pool->alloc(ex, sizeof *slow);
    filch_args(hold_at_zero) items[ITEMS];
    for (int i = 0; i < ITEMS; i++)
        items[i] = (filch_args(hold_at_zero)){slow, i + 1};
    filch_results *results =
        filch_map(ex, hold_at_zero, items, ITEMS, .chunksize = 2, .buffersize = 3);
    gate_wait(&slow->runs, 6);
    let_others_block();
    CHECK_EQ(gate_value(&slow->runs), 6);
    filch_results_close(results);
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    CHECK_EQ(gate_value(&slow->runs), 6);
    pool_close(pool, ex, slow);
}

CONTRACT(map_windows, lazy_input) {
    filch_executor *ex = pool->open(2);
    for (int limit = 0; limit < 40; limit += 13)
        for (int buffersize = 1; buffersize < 5; buffersize++)
            for (int chunksize = 0; chunksize < 4; chunksize++) {
                struct produced produced = {0, limit};
                maps_check_twice(filch_map(ex, twice, NULL, 0, .next = produce,
                                           .next_arg = &produced, .buffersize = buffersize,
                                           .chunksize = chunksize),
                                 limit);
                CHECK_EQ(produced.next, limit);
            }
    filch_close(ex);
}

CONTRACT(map_windows, endless_input) {
    filch_executor *ex = pool->open(2);
    struct produced produced = {0, -1};
    filch_results *results = filch_map(ex, twice, NULL, 0, .next = produce, .next_arg = &produced,
                                       .buffersize = 4, .chunksize = 5);
    CHECK_NOT_NULL(results);
    for (int i = 0; i < 1000; i++) {
        long value = -1;
        CHECK_EQ(filch_results_next(results, &value), FILCH_OK);
        CHECK_EQ(value, 2 * i);
        CHECK_LE(produced.next, i + 5 * (4 + 1)); /* no further ahead than it may be */
    }
    filch_results_close(results);
    filch_close(ex);
}

static long length_of(const char *text) {
    return (long)strlen(text) * 100 + text[0];
}
FILCH_TASK(long, length_of, const char *);

struct lines {
    int next;
    char buffer[32];
};

/* F2: a reader that uses one buffer for all its lines. */
static bool next_line(void *item, void *arg) {
    struct lines *lines = arg;
    if (lines->next == 20)
        return false;
    memset(lines->buffer, 0, sizeof lines->buffer);
    memset(lines->buffer, 'a' + lines->next, (size_t)lines->next + 1);
    lines->next++;
    *(const char **)item = lines->buffer;
    return true;
}

CONTRACT(map_windows, next_may_reuse_its_buffer) {
    static const int chunks[] = {1, 3, 20, 100};
    filch_executor *ex = pool->open(2);
    for (size_t c = 0; c < sizeof chunks / sizeof chunks[0]; c++) {
        struct lines lines = {0};
        filch_results *results = filch_map(ex, length_of, NULL, 0, .chunksize = chunks[c],
                                           .buffersize = 2, .next = next_line, .next_arg = &lines);
        CHECK_NOT_NULL(results);
        long value;
        for (int i = 0; i < 20; i++) {
            CHECK_EQ(filch_results_next(results, &value), FILCH_OK);
            CHECK_EQ(value, (i + 1) * 100 + 'a' + i);
        }
        CHECK_EQ(filch_results_next(results, &value), FILCH_END);
        filch_results_close(results);
    }
    filch_close(ex);
}

/* F2: an item that cannot be taken ends the input: what was read before it is given with its index, the
 * reason is told in its place, and nothing is read on. */
static long size_of(filch_bytes bytes) {
    return (long)bytes.size;
}
FILCH_TASK(long, size_of, filch_bytes);

struct blocks {
    int next;
    int bad;
    char buffer[32];
};

static bool next_block(void *item, void *arg) {
    struct blocks *blocks = arg;
    int i = blocks->next++;
    *(filch_bytes *)item = (filch_bytes){i == blocks->bad ? NULL : blocks->buffer, (size_t)i};
    return i < 25;
}

CONTRACT(map_windows, next_gives_a_bad_item) {
    static const int chunks[] = {0, 1, 4, 20, 100};
    filch_executor *ex = pool->open(2);
    for (size_t c = 0; c < sizeof chunks / sizeof chunks[0]; c++)
        for (int unordered = 0; unordered < 2; unordered++) {
            struct blocks blocks = {.bad = 300};
            filch_results *results =
                filch_map(ex, size_of, NULL, 0, .chunksize = chunks[c], .buffersize = 1,
                          .next = next_block, .next_arg = &blocks, .unordered = unordered == 1);
            CHECK_NOT_NULL(results);
            int bad = blocks.bad = blocks.next + 2;
            long value;
            for (int i = 0; i < (bad < 25 ? bad : 25); i++) {
                CHECK_EQ(filch_results_next(results, &value), FILCH_OK);
                CHECK_EQ(value, filch_results_index(results));
            }
            if (bad < 25) {
                CHECK_EQ(filch_results_next(results, &value), FILCH_INVALID);
                CHECK_STR_HAS(filch_error_message(), "NULL");
                CHECK_EQ(blocks.next, bad + 1);
            }
            CHECK_EQ(filch_results_next(results, &value), FILCH_END);
            filch_results_close(results);
        }
    filch_close(ex);
}

/* F6 */
CONTRACT(map_windows, close_early) {
    filch_executor *ex = pool->open(1);
    for (int given = 0; given < 3; given++) {
        struct slow *slow = pool->alloc(ex, sizeof *slow);
        filch_future *first = pool_hold(ex, &slow->held);
        filch_args(hold_at_zero) items[ITEMS];
        for (int i = 0; i < ITEMS; i++)
            items[i] = (filch_args(hold_at_zero)){slow, i + 1};
        filch_results *results = filch_map(ex, hold_at_zero, items, ITEMS, .chunksize = 1);
        if (given > 0) {
            gate_open(&slow->held.go);
            for (int i = 0; i < given; i++)
                CHECK_EQ(filch_results_skip(results), FILCH_OK);
        }
        filch_results_close(results);
        int runs = gate_value(&slow->runs);
        gate_open(&slow->held.go);
        check_held(first);
        if (given == 0) {
            check_long(filch_submit(ex, twice, 4), 8); /* behind all the others */
            CHECK_EQ(gate_value(&slow->runs), 0);
        } else {
            CHECK_GE(runs, given);
        }
        check_long(filch_submit(ex, twice, 4), 8);
        pool->free(ex, slow);
    }
    filch_close(ex);
}

/* F6: also what it has not looked at is nobody's leak, errors included. */
static char *greet(const char *name) {
    size_t size = strlen(name) + 8;
    char *text = malloc(size);
    snprintf(text, size, "hello %s", name);
    return filch_own(text);
}
FILCH_TASK(char *, greet, const char *);

CONTRACT(map_windows, close_with_results_not_taken) {
    filch_executor *ex = pool->open(2);
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    filch_results *results = filch_map(ex, greet, names, 8, .chunksize = 3);
    CHECK_EQ(filch_results_skip(results), FILCH_OK);
    filch_results_close(results);
    filch_close(ex);
}

/* F7: map, then shutdown at once, then iterate. */
CONTRACT(map_windows, then_shutdown) {
    filch_executor *ex = pool->open(2);
    long items[ITEMS];
    maps_fill(items, ITEMS);
    filch_results *results = filch_map(ex, twice, items, ITEMS);
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    maps_check_twice(results, ITEMS);
    filch_close(ex);
}

/* F7 */
CONTRACT(map_windows, then_close) {
    filch_executor *ex = pool->open(2);
    long items[ITEMS];
    maps_fill(items, ITEMS);
    filch_results *results = filch_map(ex, twice, items, ITEMS, .chunksize = 9);
    filch_close(ex);
    maps_check_twice(results, ITEMS);
}

CONTRACT(map_windows, then_cancel) {
    filch_executor *ex = pool->open(1);
    struct slow *slow = pool->alloc(ex, sizeof *slow);
    filch_args(hold_at_zero) items[4];
    fill_slow(items, 4, slow);
    filch_results *results = filch_map(ex, hold_at_zero, items, 4, .chunksize = 1);
    gate_wait(&slow->held.started, 1);
    CHECK_EQ(filch_shutdown(ex, .cancel_futures = true, .no_wait = true), FILCH_OK);
    gate_open(&slow->held.go);
    long value = -1;
    CHECK_EQ(filch_results_next(results, &value), FILCH_OK);
    CHECK_EQ(value, 0);
    for (int i = 1; i < 4; i++) {
        CHECK_EQ(filch_results_next(results, &value), FILCH_CANCELLED);
        CHECK_EQ(filch_results_index(results), i);
        CHECK_EQ(filch_results_exception(results)->status, FILCH_CANCELLED);
    }
    CHECK_EQ(filch_results_next(results, &value), FILCH_END);
    filch_results_close(results);
    pool_close(pool, ex, slow);
}

/* What was held back when the executor closed is not lost in silence. */
CONTRACT(map_windows, iterated_after_close) {
    filch_executor *ex = pool->open(4);
    long items[100], value;
    for (long i = 0; i < 100; i++)
        items[i] = i;
    filch_results *results = filch_map(ex, twice, items, 100, .buffersize = 2, .chunksize = 1);
    filch_close(ex);
    for (long i = 0; i < 2; i++) {
        CHECK_EQ(filch_results_next(results, &value), FILCH_OK);
        CHECK_EQ(value, 2 * i);
    }
    CHECK_EQ(filch_results_next(results, &value), FILCH_SHUTDOWN);
    CHECK_EQ(filch_results_next(results, &value), FILCH_END);
    filch_results_close(results);
}

/* F5: items that come slowly are not kept waiting for a large chunk, whatever items took before. */
static bool produce_slowly(void *item, void *arg) {
    struct produced *produced = arg;
    if (produced->next == produced->limit)
        return false;
    if (produced->next >= 1000)
        nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
    *(long *)item = produced->next++;
    return true;
}

CONTRACT(map_windows, slow_input_goes_in_small_chunks) {
    filch_executor *ex = pool->open(1);
    struct produced produced = {0, 1020};
    filch_results *results = filch_map(ex, twice, NULL, 0, .next = produce_slowly,
                                       .next_arg = &produced, .buffersize = 1);
    for (int i = 0; i < 1020; i++) {
        long value = -1;
        CHECK_EQ(filch_results_next(results, &value), FILCH_OK);
        CHECK_EQ(value, 2 * i);
        if (i >= 1002)
            CHECK_LE(produced.next, i + 4);
    }
    CHECK_EQ(filch_results_skip(results), FILCH_END);
    filch_results_close(results);
    filch_close(ex);
}

/* F5: long items go one by one, so that they balance, once the first few have shown how long. */
static long nap(struct gate *threads, int i) {
    (void)threads;
    nanosleep(&(struct timespec){.tv_nsec = 300 * 1000}, NULL);
    return filch_this_worker() * 1000 + i;
}
FILCH_TASK(long, nap, struct gate *, int);

static bool produce_nap(void *item, void *arg) {
    struct produced *produced = arg;
    if (produced->next == produced->limit)
        return false;
    *(filch_args(nap) *)item = (filch_args(nap)){NULL, produced->next++};
    return true;
}

CONTRACT(map_windows, long_items_go_one_by_one) {
    filch_executor *ex = pool->open(2);
    struct produced produced = {0, 60};
    filch_results *results =
        filch_map(ex, nap, NULL, 0, .next = produce_nap, .next_arg = &produced, .buffersize = 3);
    for (int i = 0; i < 60; i++) {
        long value = -1;
        CHECK_EQ(filch_results_next(results, &value), FILCH_OK);
        CHECK_EQ(value % 1000, i);
        if (i >= 20)
            CHECK_LE(produced.next, i + 6);
    }
    filch_results_close(results);
    filch_close(ex);
}
