/* Group F of the conformance list: map. */
#include "maps.h"

enum { ITEMS = 100 };

/* F1: the input is given up when the call returns. */
CONTRACT(map, in_input_order) {
    filch_executor *ex = pool->open(3);
    long items[ITEMS];
    maps_fill(items, ITEMS);
    filch_results *results = filch_map(ex, twice, items, ITEMS);
    memset(items, 0, sizeof items);
    maps_check_twice(results, ITEMS);
    filch_close(ex);
}

/* F1: items of another type are converted as in a call. */
CONTRACT(map, items_are_converted) {
    filch_executor *ex = pool->open(2);
    short items[ITEMS];
    for (int i = 0; i < ITEMS; i++)
        items[i] = (short)i;
    maps_check_twice(filch_map(ex, twice, items, ITEMS), ITEMS);
    static const unsigned char few[] = {0, 1, 2};
    maps_check_twice(filch_map(ex, twice, few, 3, .chunksize = 2), 3);
    filch_close(ex);
}

/* F1: several parameters. */
static double area(double width, int height, const char *unit) {
    return width * height * (strcmp(unit, "mm") == 0 ? 1e-6 : 1);
}
FILCH_TASK(double, area, double, int, const char *);

static void step(struct gate *sum, int n) {
    gate_add(sum, n);
}
FILCH_TASK_VOID(step, struct gate *, int);

CONTRACT(map, several_parameters) {
    filch_executor *ex = pool->open(2);
    filch_args(area) items[ITEMS];
    for (int i = 0; i < ITEMS; i++)
        items[i] = (filch_args(area)){.a1 = i, .a2 = 2, .a3 = i % 2 ? "m" : "mm"};
    filch_results *results = filch_map(ex, area, items, ITEMS, .chunksize = 7);
    for (int i = 0; i < ITEMS; i++) {
        double value = -1;
        CHECK_EQ(filch_results_next(results, &value), FILCH_OK);
        CHECK_REAL(value, ==, i * 2 * (i % 2 ? 1 : 1e-6));
    }
    CHECK_EQ(filch_results_skip(results), FILCH_END);
    filch_results_close(results);

    struct gate *sum = pool->alloc(ex, sizeof *sum);
    filch_args(step) steps[10];
    for (int i = 0; i < 10; i++)
        steps[i] = (filch_args(step)){sum, i};
    results = filch_map(ex, step, steps, 10);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(filch_results_skip(results), FILCH_OK);
    CHECK_EQ(filch_results_skip(results), FILCH_END);
    filch_results_close(results);
    CHECK_EQ(gate_value(sum), 45);
    pool_close(pool, ex, sum);
}

/* F1: no parameters: n calls. */
static long forty_two(void) {
    return 42;
}
FILCH_TASK(long, forty_two);

CONTRACT(map, no_parameters) {
    filch_executor *ex = pool->open(2);
    filch_args(forty_two) items[5];
    memset(items, 0, sizeof items);
    filch_results *results = filch_map(ex, forty_two, items, 5);
    CHECK_NOT_NULL(results);
    for (int i = 0; i < 5; i++) {
        long value = 0;
        CHECK_EQ(filch_results_next(results, &value), FILCH_OK);
        CHECK_EQ(value, 42);
    }
    CHECK_EQ(filch_results_skip(results), FILCH_END);
    filch_results_close(results);
    filch_close(ex);
}

/* F1: strings, in and out. A value is valid until the next call or close. */
static char *greet(const char *name) {
    size_t size = strlen(name) + 8;
    char *text = malloc(size);
    snprintf(text, size, "hello %s", name);
    return filch_own(text);
}
FILCH_TASK(char *, greet, const char *);

CONTRACT(map, strings) {
    filch_executor *ex = pool->open(2);
    char names[ITEMS][12];
    char *items[ITEMS];
    for (int i = 0; i < ITEMS; i++) {
        snprintf(names[i], sizeof names[i], "n%d", i);
        items[i] = names[i];
    }
    for (int chunksize = 0; chunksize < 30; chunksize += 5) {
        filch_results *results = filch_map(ex, greet, items, ITEMS, .chunksize = chunksize);
        for (int i = 0; i < ITEMS; i++) {
            char expected[32];
            const char *text = NULL;
            snprintf(expected, sizeof expected, "hello n%d", i);
            CHECK_EQ(filch_results_next(results, &text), FILCH_OK);
            CHECK_STR_EQ(text, expected);
        }
        CHECK_EQ(filch_results_skip(results), FILCH_END);
        filch_results_close(results);
    }
    filch_close(ex);
}

static filch_bytes repeat(filch_bytes bytes) {
    char *data = filch_result_alloc(2 * bytes.size);
    memcpy(data, bytes.data, bytes.size);
    memcpy(data + bytes.size, bytes.data, bytes.size);
    return (filch_bytes){data, 2 * bytes.size};
}
FILCH_TASK(filch_bytes, repeat, filch_bytes);

CONTRACT(map, bytes) {
    filch_executor *ex = pool->open(2);
    static const filch_bytes items[] = {{"abc", 3}, {"0123456789", 10}, {"x", 1}};
    filch_results *results = filch_map(ex, repeat, items, 3, .chunksize = 3);
    filch_bytes bytes = {NULL, 0};
    CHECK_EQ(filch_results_next(results, &bytes), FILCH_OK);
    CHECK(bytes.size == 6 && memcmp(bytes.data, "abcabc", 6) == 0);
    CHECK_EQ(filch_results_next(results, &bytes), FILCH_OK);
    CHECK(bytes.size == 20 && memcmp(bytes.data, "01234567890123456789", 20) == 0);
    CHECK_EQ(filch_results_next(results, &bytes), FILCH_OK);
    CHECK(bytes.size == 2 && memcmp(bytes.data, "xx", 2) == 0);
    filch_results_close(results);
    filch_close(ex);
}

/* F1: empty input ends at once, without an array too. */
CONTRACT(map, empty) {
    filch_executor *ex = pool->open(1);
    long items[1] = {0};
    maps_check_twice(filch_map(ex, twice, items, 0), 0);
    maps_check_twice(filch_map(ex, twice, (long *)NULL, 0), 0);
    maps_check_twice(filch_map(ex, twice, NULL, 0), 0);
    maps_check_twice(filch_map(ex, twice, items, 0, .chunksize = 5, .buffersize = 2), 0);
    filch_close(ex);
}

/* F2 */
CONTRACT(map, every_chunk_size) {
    filch_executor *ex = pool->open(2);
    long items[ITEMS];
    maps_fill(items, ITEMS);
    static const int sizes[] = {0, 1, 2, 3, 7, 32, 33, 99, 100, 101, 1000, INT_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int n = 0; n <= ITEMS; n += 25)
            maps_check_twice(filch_map(ex, twice, items, (size_t)n, .chunksize = sizes[i]), n);
    CHECK_NULL(filch_map(ex, twice, items, ITEMS, .chunksize = -1));
    CHECK_FAILURE(FILCH_INVALID, "chunksize");
    filch_close(ex);
}

CONTRACT(map, large_input) {
    enum { MANY = 100000 };
    filch_executor *ex = pool->open(2);
    long *items = calloc(MANY, sizeof *items);
    int n = ROUNDS(MANY);
    maps_fill(items, n);
    maps_check_twice(filch_map(ex, twice, items, (size_t)n), n);
    maps_check_twice(filch_map(ex, twice, items, (size_t)n, .chunksize = 1), n);
    free(items);
    filch_close(ex);
}

/* F2, F3: an error costs its item only, and the iteration goes on. */
static long odd_fails(long x) {
    if (x % 2)
        return filch_raise((int)x, "%ld is odd", x);
    return x * 2;
}
FILCH_TASK(long, odd_fails, long);

CONTRACT(map, errors_inside_chunks) {
    filch_executor *ex = pool->open(2);
    long items[ITEMS];
    maps_fill(items, ITEMS);
    for (int chunksize = 0; chunksize < 40; chunksize += 13) {
        filch_results *results = filch_map(ex, odd_fails, items, ITEMS, .chunksize = chunksize);
        for (int i = 0; i < ITEMS; i++) {
            long value = 77;
            filch_status status = filch_results_next(results, &value);
            CHECK_EQ(filch_results_index(results), i);
            const filch_error *error = filch_results_exception(results);
            if (i % 2) {
                CHECK_EQ(status, FILCH_FAILED);
                CHECK_EQ(value, 77);
                CHECK_NOT_NULL(error);
                CHECK_EQ(error->status, FILCH_FAILED);
                CHECK_EQ(error->code, i);
                char expected[32];
                snprintf(expected, sizeof expected, "%d is odd", i);
                CHECK_STR_EQ(error->message, expected);
                CHECK_STR_EQ(error->task, "odd_fails");
                CHECK_STR_HAS(error->where, "test_map.c:");
            } else {
                CHECK_EQ(status, FILCH_OK);
                CHECK_EQ(value, 2 * i);
                CHECK_NULL(error);
            }
        }
        CHECK_EQ(filch_results_skip(results), FILCH_END);
        filch_results_close(results);
    }
    filch_close(ex);
}

/* F3: an item that raises a time-out code is an item error. */
CONTRACT(map, time_out_code_of_an_item) {
    filch_executor *ex = pool->open(1);
    static const int codes[] = {ETIMEDOUT, FILCH_TIMEOUT, FILCH_END, 0};
    filch_results *results = filch_map(ex, fail_with, codes, 4, .timeout = 3600);
    for (int i = 0; i < 4; i++) {
        long value;
        CHECK_EQ(filch_results_next(results, &value), FILCH_FAILED);
        CHECK_EQ(filch_results_exception(results)->code, codes[i]);
    }
    CHECK_EQ(filch_results_skip(results), FILCH_END);
    filch_results_close(results);
    filch_close(ex);
}

/* A value of the wrong kind is refused, NULL too. */
CONTRACT(map, wrong_kind) {
    filch_executor *ex = pool->open(1);
    long items[] = {1, 2};
    double wrong = 77;
    filch_results *results = filch_map(ex, twice, items, 2);
    CHECK_EQ(filch_results_next(results, &wrong), FILCH_INVALID);
    CHECK_REAL(wrong, ==, 77);
    filch_results_close(results);
    results = filch_map(ex, twice, items, 2);
    CHECK_EQ(filch_results_next(results, (long *)NULL), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "out");
    filch_results_close(results);
    filch_close(ex);
}

/* Any expression is an argument, and each is evaluated once. */
static int evaluated;
static filch_executor *once(filch_executor *ex) {
    evaluated++;
    return ex;
}
static long *items_once(long *items) {
    evaluated += 100;
    return items;
}

CONTRACT(map, arguments_are_evaluated_once) {
    filch_executor *ex = pool->open(1);
    long items[3] = {0, 1, 2};
    evaluated = 0;
    maps_check_twice(
        filch_map(once(ex), twice, items_once(items), (size_t)(evaluated += 10000) * 0 + 3), 3);
    CHECK_EQ(evaluated, 10101);
    filch_close(ex);
}
