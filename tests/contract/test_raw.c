/* filch_submit_raw, the untyped form. E1: its argument and result arrive unchanged and aligned. */
#include "pools.h"
#include <stdint.h>

struct large {
    char bytes[100000];
};

struct raw {
    long factor;
    char pad[100];
    long x;
};

static int raw_product(const void *arg, void *result) {
    const struct raw *raw = arg;
    if ((uintptr_t)arg % 64 != 0 || (uintptr_t)result % 64 != 0)
        return 1;
    long product = raw->factor * raw->x;
    memcpy(result, &product, sizeof product);
    return 0;
}

static int raw_failure(const void *arg, void *result) {
    (void)result;
    int code;
    memcpy(&code, arg, sizeof code);
    return code;
}

static int raw_raise(const void *arg, void *result) {
    (void)arg;
    (void)result;
    filch_raise(33, "raised in a raw task");
    return 0;
}

static int raw_nothing(const void *arg, void *result) {
    (void)arg;
    (void)result;
    return 0;
}

static int raw_fill(const void *arg, void *result) {
    size_t size;
    memcpy(&size, arg, sizeof size);
    memset(result, 'r', size);
    return 0;
}

/* E1 */
CONTRACT(raw, arguments_results_and_failures) {
    filch_executor *ex = pool->open(1);
    struct raw raw = {.factor = 6, .x = 7};
    filch_future *future = filch_submit_raw(ex, raw_product, &raw, sizeof raw, sizeof(long), NULL);
    CHECK_NOT_NULL(future);
    long product = 0;
    CHECK_EQ(filch_result(future, &product), FILCH_OK);
    CHECK_EQ(product, 42);
    int wrong_size = 77;
    CHECK_EQ(filch_result(future, &wrong_size), FILCH_INVALID);
    CHECK_EQ(wrong_size, 77);
    filch_release(future);

    int code = 13;
    future = filch_submit_raw(ex, raw_failure, &code, sizeof code, 0, NULL);
    CHECK_EQ(filch_join(future), FILCH_FAILED);
    CHECK_EQ(filch_exception(future)->code, 13);
    CHECK_NOT_NULL(filch_exception(future)->message);
    filch_release(future);

    future = filch_submit_raw(ex, raw_raise, NULL, 0, 0, FILCH_OPTIONS(.name = "my raw task"));
    CHECK_EQ(filch_join(future), FILCH_FAILED);
    CHECK_EQ(filch_exception(future)->code, 33);
    CHECK_STR_EQ(filch_exception(future)->message, "raised in a raw task");
    CHECK_STR_EQ(filch_exception(future)->task, "my raw task");
    filch_release(future);

    future = filch_submit_raw(ex, raw_nothing, NULL, 0, 0, NULL);
    CHECK_EQ(filch_join(future), FILCH_OK);
    filch_release(future);

    struct large *filled = calloc(1, sizeof *filled);
    size_t size = sizeof *filled;
    future = filch_submit_raw(ex, raw_fill, &size, sizeof size, size, NULL);
    CHECK_EQ(filch_result(future, filled), FILCH_OK);
    CHECK_EQ(filled->bytes[size - 1], 'r');
    filch_release(future);
    free(filled);
    filch_close(ex);
}
