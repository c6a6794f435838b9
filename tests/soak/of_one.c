/* of_one.c: operations on one future. */
#include "play.h"

#include <string.h>

/* ---- values ------------------------------------------------------------------------------------------- */

struct point {
    double x, y;
    long id;
};

static long mix(long x) {
    return soak_mix(x);
}
FILCH_TASK(long, mix, long);

static double scale(double x, float by, struct point point) {
    return x * (double)by + point.x - point.y + (double)point.id;
}
FILCH_TASK(double, scale, double, float, struct point);

static void nothing(void) {}
FILCH_TASK_VOID(nothing);

static void submit_and_ask(struct play *play) {
    long x = play_below(play, 1u << 30), value = 0;
    filch_future *future = filch_submit(play->executor, mix, x);
    if (play_below(play, 2) == 0 && future != NULL)
        (void)filch_join_timeout(future, play_below(play, 2) * 1e-5);
    if (play_succeeds(play, future))
        STRESS_CHECK(filch_result(future, &value) == FILCH_OK && value == soak_mix(x));
    play_release(play, future);
}

static void submit_values(struct play *play) {
    struct point point = {1.5, 0.5, (long)play_below(play, 100)};
    double value = 0;
    filch_future *future = filch_submit(play->executor, scale, 2.0, 3.0f, point);
    if (play_succeeds(play, future))
        STRESS_CHECK(filch_result(future, &value) == FILCH_OK && value == 7 + (double)point.id);
    play_release(play, future);
}

static void submit_and_leave(struct play *play) {
    for (uint32_t n = play_below(play, 50); n > 0; n--) {
        filch_future *future = filch_submit(play->executor, nothing);
        (void)play_accepts(play, future);
        play_release(play, future);
    }
}

/* ---- strings and bytes ---------------------------------------------------------------------------------- */

static char *repeat(const char *text, int n) {
    size_t length = strlen(text);
    char *all = malloc(length * (size_t)n + 1);
    if (all == NULL) {
        filch_raise(WRONG, "no memory");
        return NULL;
    }
    for (int i = 0; i < n; i++)
        memcpy(all + (size_t)i * length, text, length);
    all[length * (size_t)n] = '\0';
    return filch_own(all);
}
FILCH_TASK(char *, repeat, const char *, int);

static void submit_text(struct play *play) {
    char text[200];
    uint32_t length = play_below(play, sizeof text), n = play_below(play, 300);
    const char *all = NULL;
    memset(text, 'x', length);
    text[length] = '\0';
    filch_future *future = filch_submit(play->executor, repeat, text, n);
    memset(text, '?', length);
    if (play_succeeds(play, future))
        STRESS_CHECK(filch_result(future, &all) == FILCH_OK &&
                     strspn(all, "x") == (size_t)length * n && strlen(all) == (size_t)length * n);
    play_release(play, future);
}

static filch_bytes negate(filch_bytes bytes) {
    unsigned char *negative = filch_result_alloc(bytes.size);
    if (negative == NULL)
        filch_raise(WRONG, "no memory: %s", filch_error_message());
    for (size_t i = 0; negative != NULL && i < bytes.size; i++)
        negative[i] = (unsigned char)~((const unsigned char *)bytes.data)[i];
    return (filch_bytes){negative, bytes.size};
}
FILCH_TASK(filch_bytes, negate, filch_bytes);

static void submit_bytes(struct play *play) {
    static const uint32_t most[] = {40, 1000, 30000, 500000};
    size_t size = play_below(play, most[play_below(play, 4)]);
    unsigned char *bytes = malloc(size + 1), fill = (unsigned char)play_below(play, 256);
    STRESS_CHECK(bytes != NULL);
    memset(bytes, fill, size);
    filch_future *future = filch_submit(play->executor, negate, ((filch_bytes){bytes, size}));
    free(bytes);
    filch_bytes result = {NULL, 0};
    if (play_succeeds(play, future)) {
        STRESS_CHECK(filch_result(future, &result) == FILCH_OK && result.size == size);
        for (size_t i = 0; i < size; i += 1 + size / 64)
            STRESS_CHECK(((const unsigned char *)result.data)[i] == (unsigned char)~fill);
    }
    play_release(play, future);
}

static int add_up(const void *arg, void *result) {
    const unsigned char *bytes = arg;
    long sum = 0;
    for (int i = 0; i < 100; i++)
        sum += bytes[i];
    memcpy(result, &sum, sizeof sum);
    return 0;
}

static void submit_raw(struct play *play) {
    unsigned char bytes[100];
    memset(bytes, (int)play_below(play, 256), sizeof bytes);
    long sum = 0;
    filch_future *future =
        filch_submit_raw(play->executor, add_up, bytes, sizeof bytes, sizeof sum, NULL);
    if (play_succeeds(play, future))
        STRESS_CHECK(filch_result(future, &sum) == FILCH_OK && sum == 100L * bytes[0]);
    play_release(play, future);
}

/* ---- errors, options, states ------------------------------------------------------------------------------ */

static int raise_code(int code) {
    return filch_raise(code, "on purpose, with code %d", code);
}
FILCH_TASK(int, raise_code, int);

static void submit_and_catch(struct play *play) {
    int code = 1 + (int)play_below(play, WRONG - 1);
    filch_future *future = filch_submit_with(
        play->executor, FILCH_OPTIONS(.name = "one that raises"), raise_code, code);
    if (play_accepts(play, future)) {
        const filch_error *error = filch_exception(future);
        STRESS_CHECK(error != NULL);
        if (error->code == code)
            STRESS_CHECK(strcmp(error->task, "one that raises") == 0 &&
                         strstr(error->message, "on purpose") != NULL);
        else
            play_excuse(play, error->status, error);
    }
    play_release(play, future);
}

static void submit_with_options(struct play *play) {
    filch_submit_options options = {.size = sizeof options, .numa_node = FILCH_NODE(0)};
    if (play->has_processes) {
        options.retries = (int)play_below(play, 3);
        options.timeout = play_below(play, 2) * 60.0;
    }
    long x = play_below(play, 1000), value = 0;
    filch_future *future = filch_submit_with(play->executor, &options, mix, x);
    if (play_succeeds(play, future))
        STRESS_CHECK(filch_result(future, &value) == FILCH_OK && value == soak_mix(x));
    play_release(play, future);
}

static void cancel_some(struct play *play) {
    enum { MOST = 100 };
    filch_future *futures[MOST];
    bool is_cancelled[MOST] = {false};
    int n = 1 + (int)play_below(play, MOST);
    for (int i = 0; i < n; i++)
        futures[i] = filch_submit(play->executor, mix, i);
    for (int i = n - 1; i >= 0; i--)
        if (futures[i] != NULL && play_below(play, 2) == 0)
            is_cancelled[i] = filch_cancel(futures[i]);
    for (int i = 0; i < n; i++) {
        long value;
        if (is_cancelled[i])
            STRESS_CHECK(filch_cancelled(futures[i]) && filch_join(futures[i]) == FILCH_CANCELLED);
        else if (play_succeeds(play, futures[i]))
            STRESS_CHECK(filch_result(futures[i], &value) == FILCH_OK && value == soak_mix(i));
        play_release(play, futures[i]);
    }
}

static void ask_for_numbers(struct play *play) {
    filch_worker_stats each[16];
    filch_stats_snapshot stats = FILCH_STATS(.workers = each, .capacity = 16);
    STRESS_CHECK(filch_stats(play->executor, &stats) == FILCH_OK);
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    STRESS_CHECK(file != NULL && filch_describe(play->executor, file) == FILCH_OK);
    fclose(file);
    STRESS_CHECK(size > 100);
    free(text);
}

static void complete_promise(struct play *play) {
    long value = play_below(play, 1000), result = 0;
    filch_future *future = filch_future_new(sizeof value);
    STRESS_CHECK(future != NULL);
    switch (play_below(play, 4)) {
    case 0:
        STRESS_CHECK(filch_cancel(future) && filch_join(future) == FILCH_CANCELLED);
        break;
    case 1:
        STRESS_CHECK(filch_set_exception(future, 5, "no value") == FILCH_OK);
        STRESS_CHECK(filch_exception(future)->code == 5);
        break;
    case 2:
        break;
    default:
        STRESS_CHECK(filch_set_running_or_notify_cancel(future) == FILCH_OK);
        STRESS_CHECK(filch_set_result(future, &value, sizeof value) == FILCH_OK);
        STRESS_CHECK(filch_result(future, &result) == FILCH_OK && result == value);
    }
    play_release(play, future);
}

const struct operation operations_of_one[] = {
    {"submit and ask", submit_and_ask},     {"submit values", submit_values},
    {"submit and leave", submit_and_leave}, {"submit text", submit_text},
    {"submit bytes", submit_bytes},         {"submit raw", submit_raw},
    {"submit and catch", submit_and_catch}, {"submit with options", submit_with_options},
    {"cancel some", cancel_some},           {"ask for numbers", ask_for_numbers},
    {"complete promise", complete_promise}, {NULL, NULL},
};
