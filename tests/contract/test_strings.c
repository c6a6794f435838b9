/* E1: strings are copied, both ways; what a task owns may be handed over. */
#include "pools.h"

/* E1: the task sees its own copy, and may write to it. */
struct string_seen {
    struct gate go;
};

static char *shout(struct string_seen *s, char *text, const char *other) {
    gate_wait(&s->go, 1);
    size_t length = strlen(text), total = length + strlen(other) + 1;
    for (size_t i = 0; i < length; i++)
        if (text[i] >= 'a' && text[i] <= 'z')
            text[i] -= 'a' - 'A';
    char *joined = malloc(total);
    snprintf(joined, total, "%s%s", text, other);
    return filch_own(joined);
}
FILCH_TASK(char *, shout, struct string_seen *, char *, const char *);

CONTRACT(strings, string_arguments_are_copied) {
    filch_executor *ex = pool->open(1);
    struct string_seen *s = pool->alloc(ex, sizeof *s);
    char first[] = "hello, ", second[] = "world";
    filch_future *future = filch_submit(ex, shout, s, first, second);
    memset(first, '#', sizeof first - 1);
    memset(second, '#', sizeof second - 1);
    gate_open(&s->go);
    char *text = NULL;
    CHECK_EQ(filch_result(future, &text), FILCH_OK);
    CHECK_STR_EQ(text, "HELLO, world");
    CHECK_STR_EQ(first, "#######");
    filch_release(future);
    pool_close(pool, ex, s);
}

/* E1 */
static const char *echo_string(const char *text) {
    return text;
}
FILCH_TASK(const char *, echo_string, const char *);

CONTRACT(strings, strings_of_every_length) {
    filch_executor *ex = pool->open(1);
    static const size_t lengths[] = {0,  1,  7,  8,   15,  16,   23,    24,     31,
                                     32, 47, 48, 100, 127, 4095, 65536, 100000, 5 << 20};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char *text = malloc(lengths[i] + 1);
        memset(text, 'a', lengths[i]);
        text[lengths[i]] = '\0';
        filch_future *future = filch_submit(ex, echo_string, text);
        CHECK_NOT_NULL(future);
        const char *back = NULL;
        CHECK_EQ(filch_result(future, &back), FILCH_OK);
        CHECK(back != text);
        CHECK_STR_EQ(back, text);
        filch_release(future);
        free(text);
    }
    filch_future *future = filch_submit(ex, echo_string, NULL);
    const char *back = "not NULL";
    CHECK_EQ(filch_result(future, &back), FILCH_OK);
    CHECK_NULL(back);
    filch_release(future);
    filch_close(ex);
}

/* E1: a returned string is copied and not freed; own hands memory over, returned or not. */
static const char *from_buffer(int x) {
    static _Thread_local char buffer[32];
    snprintf(buffer, sizeof buffer, "number %d", x);
    return buffer;
}
FILCH_TASK(const char *, from_buffer, int);

static char *owned(int x) {
    char *text = malloc(64);
    snprintf(text, 64, "owned %d", x);
    return filch_own(text);
}
FILCH_TASK(char *, owned, int);

static const char *owned_but_not_returned(int x) {
    filch_own(malloc(1000));
    return x % 2 ? "odd" : "even";
}
FILCH_TASK(const char *, owned_but_not_returned, int);

static char *owned_and_failed(int x) {
    char *text = malloc(64);
    snprintf(text, 64, "owned %d", x);
    filch_raise(EIO, "too late");
    return filch_own(text);
}
FILCH_TASK(char *, owned_and_failed, int);

CONTRACT(strings, string_results) {
    filch_executor *ex = pool->open(1);
    filch_future *one = filch_submit(ex, from_buffer, 1), *two = filch_submit(ex, from_buffer, 2);
    filch_future *three = filch_submit(ex, owned, 3);
    filch_future *four = filch_submit(ex, owned_but_not_returned, 4);
    filch_future *five = filch_submit(ex, owned_and_failed, 5);
    const char *text = NULL, *again = NULL;
    CHECK_EQ(filch_join(two), FILCH_OK);
    CHECK_EQ(filch_result(one, &text), FILCH_OK);
    CHECK_STR_EQ(text, "number 1");
    CHECK_EQ(filch_result(one, &again), FILCH_OK);
    CHECK_PTR_EQ(text, again);
    CHECK_EQ(filch_result(two, &text), FILCH_OK);
    CHECK_STR_EQ(text, "number 2");
    CHECK_EQ(filch_result(three, &text), FILCH_OK);
    CHECK_STR_EQ(text, "owned 3");
    CHECK_EQ(filch_result(four, &text), FILCH_OK);
    CHECK_STR_EQ(text, "even");
    CHECK_EQ(filch_result(five, &text), FILCH_FAILED);
    filch_release(one);
    filch_release(two);
    filch_release(three);
    filch_release(four);
    filch_release(five);
    CHECK_NULL(filch_own(NULL)); /* outside a task it does nothing */
    char outside[] = "x";
    CHECK_PTR_EQ(filch_own(outside), outside);
    filch_close(ex);
}
