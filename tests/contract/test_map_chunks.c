/* What is inside a chunk: F2, F3 where results are given without a call, results that replace their
 * arguments, items that stop a chunk. */
#include "pools.h"

enum { ITEMS = 5000 };

/* Results smaller than, as large as, and larger than the arguments. */
struct triple {
    long a, b, c;
};

static char small(long x) {
    return (char)(x % 100);
}
FILCH_TASK(char, small, long);

static double other(long x) {
    return (double)x / 2;
}
FILCH_TASK(double, other, long);

static struct triple large(char x) {
    return (struct triple){x, x * 2L, x * 3L};
}
FILCH_TASK(struct triple, large, char);

static short of_triple(struct triple t) {
    return (short)(t.a + t.b + t.c);
}
FILCH_TASK(short, of_triple, struct triple);

CONTRACT(map_chunks, sizes_of_results) {
    filch_executor *ex = pool->open(2);
    long *items = calloc(ITEMS, sizeof *items);
    struct triple *triples = calloc(ITEMS, sizeof *triples);
    char *chars = calloc(ITEMS, 1);
    for (int i = 0; i < ITEMS; i++) {
        items[i] = i;
        chars[i] = (char)(i % 100);
        triples[i] = (struct triple){i, 1, 2};
    }
    for (int chunksize = 0; chunksize <= ITEMS; chunksize = chunksize * 40 + 1) {
        filch_results *r = filch_map(ex, small, items, ITEMS, .chunksize = chunksize);
        for (int i = 0; i < ITEMS; i++) {
            char value = -1;
            CHECK_EQ(filch_results_next(r, &value), FILCH_OK);
            CHECK_EQ(value, i % 100);
            CHECK_EQ(filch_results_index(r), i);
        }
        filch_results_close(r);
        r = filch_map(ex, other, items, ITEMS, .chunksize = chunksize);
        for (int i = 0; i < ITEMS; i++) {
            double value = -1;
            CHECK_EQ(filch_results_next(r, &value), FILCH_OK);
            CHECK_REAL(value, ==, i / 2.0);
        }
        filch_results_close(r);
        r = filch_map(ex, large, chars, ITEMS, .chunksize = chunksize);
        for (int i = 0; i < ITEMS; i++) {
            struct triple value = {0, 0, 0};
            CHECK_EQ(filch_results_next(r, &value), FILCH_OK);
            CHECK_EQ(value.c, i % 100 * 3);
        }
        filch_results_close(r);
        r = filch_map(ex, of_triple, triples, ITEMS, .chunksize = chunksize);
        for (int i = 0; i < ITEMS; i++) {
            short value = -1;
            CHECK_EQ(filch_results_next(r, &value), FILCH_OK);
            CHECK_EQ(value, (short)(i + 3));
        }
        CHECK_EQ(filch_results_skip(r), FILCH_END);
        filch_results_close(r);
    }
    free(items);
    free(triples);
    free(chars);
    filch_close(ex);
}

/* F3: errors between results that are given without a call; index and error are those of the item. */
static long some_fail(long x) {
    if (x % 97 == 5 || x % 97 == 6)
        filch_raise((int)x, "%ld", x);
    return x;
}
FILCH_TASK(long, some_fail, long);

CONTRACT(map_chunks, errors_between_results) {
    filch_executor *ex = pool->open(2);
    long *items = calloc(ITEMS, sizeof *items);
    for (int i = 0; i < ITEMS; i++)
        items[i] = i;
    for (int unordered = 0; unordered < 2; unordered++) {
        filch_results *r =
            filch_map(ex, some_fail, items, ITEMS, .chunksize = 700, .unordered = unordered);
        CHECK_EQ(filch_results_index(r), SIZE_MAX);
        for (int i = 0; i < ITEMS; i++) {
            long value = -1;
            filch_status status = filch_results_next(r, &value);
            long index = (long)filch_results_index(r);
            bool fails = index % 97 == 5 || index % 97 == 6;
            CHECK(unordered || index == i);
            CHECK_EQ(status, fails ? FILCH_FAILED : FILCH_OK);
            CHECK_EQ(value, fails ? -1 : index);
            CHECK_EQ(filch_results_exception(r) != NULL, fails);
            CHECK(!fails || filch_results_exception(r)->code == index);
            CHECK_EQ(filch_results_index(r), index);
        }
        CHECK_EQ(filch_results_skip(r), FILCH_END);
        filch_results_close(r);
    }
    free(items);
    filch_close(ex);
}

/* D4: a wrong kind in the middle of what is at hand takes nothing; a skip does. */
CONTRACT(map_chunks, wrong_kind_and_skip_in_the_middle) {
    filch_executor *ex = pool->open(1);
    long items[100], value;
    for (int i = 0; i < 100; i++)
        items[i] = i;
    filch_results *r = filch_map(ex, twice, items, 100, .chunksize = 50);
    for (int i = 0; i < 100; i++) {
        double wrong = 7;
        if (i % 3 == 1) {
            CHECK_EQ(filch_results_next(r, &wrong), FILCH_INVALID);
            CHECK_EQ(filch_results_next(r, (long *)NULL), FILCH_INVALID);
            CHECK_REAL(wrong, ==, 7);
        }
        if (i % 3 == 2) {
            CHECK_EQ(filch_results_skip(r), FILCH_OK);
        } else {
            CHECK_EQ(filch_results_next(r, &value), FILCH_OK);
            CHECK_EQ(value, 2 * i);
        }
        CHECK_EQ(filch_results_index(r), i);
    }
    CHECK_EQ(filch_results_next(r, &value), FILCH_END);
    filch_results_close(r);
    filch_close(ex);
}

/* F6: cancelled while it runs, a chunk stops between two items. */
struct slow {
    struct hold held;
    struct gate runs;
};

static void hold_first(struct slow *slow) {
    gate_open(&slow->runs);
    gate_open(&slow->held.started);
    gate_wait(&slow->held.go, 1);
}
FILCH_TASK_VOID(hold_first, struct slow *);

CONTRACT(map_chunks, cancelled_between_two_items) {
    filch_executor *ex = pool->open(1);
    struct slow *slow = pool->alloc(ex, sizeof *slow);
    struct slow *items[10];
    for (int i = 0; i < 10; i++)
        items[i] = slow;
    filch_results *r = filch_map(ex, hold_first, items, 10, .chunksize = 10);
    gate_wait(&slow->held.started, 1);
    filch_results_close(r);
    gate_open(&slow->held.go);
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    CHECK_EQ(gate_value(&slow->runs), 1);
    pool_close(pool, ex, slow);
}

/* Memory of filch_result_alloc that a task with another result took. */
static long allocate(long x) {
    memset(filch_result_alloc(1000), 1, 1000);
    return x;
}
FILCH_TASK(long, allocate, long);

CONTRACT(map_chunks, allocations_go) {
    filch_executor *ex = pool->open(1);
    long items[100] = {0}, value;
    filch_results *r = filch_map(ex, allocate, items, 100, .chunksize = 10);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(filch_results_next(r, &value), FILCH_OK);
    filch_results_close(r);
    filch_close(ex);
}

/* Maps in several threads share the chunks that their pool keeps. */
static void *map_again_and_again(void *arg) {
    long *items = calloc(ITEMS, sizeof *items);
    for (int i = 0; i < ITEMS; i++)
        items[i] = i;
    for (int round = 0; round < ROUNDS(60); round++) {
        filch_results *r = filch_map(arg, twice, items, ITEMS, .chunksize = 2500);
        long value;
        for (int i = 0; i < ITEMS && round % 7 != 3; i++) {
            CHECK_EQ(filch_results_next(r, &value), FILCH_OK);
            CHECK_EQ(value, 2 * i);
        }
        filch_results_close(r);
    }
    free(items);
    return NULL;
}

CONTRACT(map_chunks, several_maps_at_once) {
    filch_executor *ex = pool->open(2);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        threads[i] = thread_start(map_again_and_again, ex);
    for (int i = 0; i < 3; i++)
        thread_join(threads[i]);
    filch_close(ex);
}

/* F3: the error of an item goes with the next call, and none is left at the end. */
CONTRACT(map_chunks, no_exception_after_the_end) {
    filch_executor *ex = pool->open(1);
    int items[3] = {1, 2, 3};
    filch_results *results = filch_map(ex, fail_with, items, 3);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(filch_results_skip(results), FILCH_FAILED);
        CHECK_EQ(filch_results_exception(results)->code, items[i]);
    }
    CHECK_EQ(filch_results_skip(results), FILCH_END);
    CHECK_NULL(filch_results_exception(results));
    filch_results_close(results);
    filch_close(ex);
}
