/* filch_raise, from any depth below a task. A6: a failure is one whatever its code. E5: it costs its own
 * future only. */
#include "pools.h"

static int dig(int depth) {
    return depth == 0 ? filch_raise(EDOM, "bottom of %s", "the pit") : dig(depth - 1) + 0;
}
FILCH_TASK(int, dig, int);

static int raise_twice(int x) {
    filch_raise(1, "first");
    filch_raise(2, "second");
    return x;
}
FILCH_TASK(int, raise_twice, int);

static int raise_at_length(int x) {
    char text[5000];
    memset(text, 'z', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    return filch_raise(x, "%s", text);
}
FILCH_TASK(int, raise_at_length, int);

static int return_raised(int code) {
    return filch_raise(code, "code %d", code) == code ? code : 0;
}
FILCH_TASK(int, return_raised, int);

/* A6, E5 */
CONTRACT(raise, from_any_depth) {
    filch_executor *ex = pool->open(1);
    filch_future *future = filch_submit(ex, dig, 50);
    const filch_error *error = filch_exception(future);
    CHECK_NOT_NULL(error);
    CHECK_EQ(error->code, EDOM);
    CHECK_STR_EQ(error->message, "bottom of the pit");
    CHECK_STR_EQ(error->task, "dig");
    CHECK_STR_HAS(error->where, "test_raise.c:");
    filch_release(future);

    future = filch_submit(ex, raise_twice, 1);
    error = filch_exception(future);
    CHECK_NOT_NULL(error);
    CHECK_EQ(error->code, 2);
    CHECK_STR_EQ(error->message, "second");
    filch_release(future);

    future = filch_submit(ex, raise_at_length, 1);
    error = filch_exception(future);
    CHECK_NOT_NULL(error);
    CHECK_GE(strlen(error->message), 100); /* cut perhaps, but not lost */
    filch_release(future);

    static const int codes[] = {0, -1, INT_MIN, INT_MAX};
    for (int i = 0; i < 4; i++) {
        future = filch_submit(ex, return_raised, codes[i]);
        error = filch_exception(future);
        CHECK_NOT_NULL(error);
        CHECK_EQ(error->code, codes[i]);
        filch_release(future);
    }
    check_long(filch_submit(ex, twice, 4), 8); /* the worker is none the worse */
    filch_close(ex);
}
