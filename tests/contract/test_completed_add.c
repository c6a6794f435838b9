/* G5 of the conformance list: futures that come in while iterating, and the descriptor for event
 * loops: readable exactly when the next call would give something. */
#include "pools.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

static bool is_readable(int fd) {
    struct pollfd it = {.fd = fd, .events = POLLIN};
    int n = poll(&it, 1, 0);
    CHECK(n >= 0);
    return n == 1;
}

static filch_future *next(filch_completed *completed, double timeout) {
    filch_future *future = NULL;
    filch_status status = filch_completed_next(completed, &future, timeout);
    CHECK_EQ(status == FILCH_OK, future != NULL);
    return future;
}

/* G5: before the end, after it, and one that is done already. */
CONTRACT(completed_add, while_iterating) {
    filch_executor *ex = pool->open(2);
    filch_completed *completed = filch_as_completed(NULL, 0);
    CHECK_NULL(next(completed, FILCH_FOREVER));
    CHECK_EQ(filch_error_status(), FILCH_END);
    for (int i = 0; i < 100; i++) {
        filch_future *future = filch_submit(ex, twice, i);
        if (i % 2)
            CHECK_EQ(filch_join(future), FILCH_OK);
        CHECK_EQ(filch_completed_add(completed, future), FILCH_OK);
        CHECK_PTR_EQ(next(completed, FILCH_FOREVER), future);
        CHECK_NULL(next(completed, FILCH_FOREVER));
        CHECK_EQ(filch_error_status(), FILCH_END);
        check_long(future, 2 * i);
    }
    filch_completed_close(completed);
    filch_close(ex);
}

/* G1, G5: one that is in counts once; one that has been given may come in again. */
CONTRACT(completed_add, duplicates) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *future = pool_hold(ex, held);
    filch_completed *completed = filch_as_completed(&future, 1);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(filch_completed_add(completed, future), FILCH_OK);
    CHECK_NULL(next(completed, 0));
    CHECK_STR_HAS(filch_error_message(), "1 (of 1)");
    gate_open(&held->go);
    CHECK_PTR_EQ(next(completed, FILCH_FOREVER), future);
    CHECK_NULL(next(completed, FILCH_FOREVER));
    CHECK_EQ(filch_completed_add(completed, future), FILCH_OK);
    CHECK_EQ(filch_completed_add(completed, future), FILCH_OK);
    CHECK_PTR_EQ(next(completed, FILCH_FOREVER), future);
    CHECK_NULL(next(completed, FILCH_FOREVER));
    filch_completed_close(completed);
    check_held(future);
    pool_close(pool, ex, held);
}

/* G5: a window over an endless stream of tasks; every one comes once. */
CONTRACT(completed_add, stream) {
    enum { AHEAD = 50 };
    int n = ROUNDS(20000), given = 0, submitted = 0;
    filch_executor *ex = pool->open(2);
    filch_completed *completed = filch_as_completed(NULL, 0);
    unsigned char *seen = calloc((size_t)n, 1);
    while (given < n) {
        for (; submitted < n && submitted < given + AHEAD; submitted++) {
            filch_future *future = filch_submit(ex, twice, submitted);
            CHECK_EQ(filch_completed_add(completed, future), FILCH_OK);
        }
        filch_future *future = next(completed, FILCH_FOREVER);
        long value = -1;
        CHECK_EQ(filch_result(future, &value), FILCH_OK);
        CHECK_EQ(seen[value / 2]++, 0);
        filch_release(future);
        given++;
    }
    CHECK_NULL(next(completed, FILCH_FOREVER));
    filch_completed_close(completed);
    free(seen);
    filch_close(ex);
}

CONTRACT(completed_add, closing_with_some_left) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *first = pool_hold(ex, held), *second = filch_submit(ex, twice, 1);
    filch_completed *completed = filch_as_completed(NULL, 0);
    CHECK_EQ(filch_completed_add(completed, first), FILCH_OK);
    CHECK_EQ(filch_completed_add(completed, second), FILCH_OK);
    CHECK(filch_completed_fd(completed) >= 0);
    filch_completed_close(completed);
    gate_open(&held->go);
    check_held(first);
    check_long(second, 2);
    pool_close(pool, ex, held);
}

CONTRACT(completed_add, bad_input) {
    filch_executor *ex = pool->open(1);
    filch_completed *completed = filch_as_completed(NULL, 0);
    filch_future *future = filch_submit(ex, twice, 1);
    CHECK_EQ(filch_completed_add(NULL, future), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "completed");
    CHECK_EQ(filch_completed_add(completed, NULL), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "future");
    CHECK_EQ(filch_completed_fd(NULL), -1);
    CHECK_FAILURE(FILCH_INVALID, "completed");
    filch_release(future);
    filch_completed_close(completed);
    filch_close(ex);
}

/* The descriptor at every step of an iteration. */
CONTRACT(completed_fd, readable_when_there_is_something) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, 2 * sizeof *held);
    filch_future *done = filch_submit(ex, twice, 1);
    CHECK_EQ(filch_join(done), FILCH_OK);
    filch_future *futures[] = {pool_hold(ex, &held[0]), done};
    filch_completed *completed = filch_as_completed(futures, 2);
    int fd = filch_completed_fd(completed);
    CHECK(fd >= 0);
    CHECK_EQ(filch_completed_fd(completed), fd);
    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(is_readable(fd)); /* the one that is done */
    CHECK_PTR_EQ(next(completed, 0), done);
    CHECK(!is_readable(fd));
    CHECK_NULL(next(completed, 0));
    CHECK(!is_readable(fd));
    gate_open(&held[0].go);
    struct pollfd it = {.fd = fd, .events = POLLIN};
    CHECK_EQ(poll(&it, 1, 60000), 1);
    CHECK(is_readable(fd)); /* level-triggered */
    CHECK_PTR_EQ(next(completed, 0), futures[0]);
    CHECK(is_readable(fd)); /* FILCH_END */
    CHECK_NULL(next(completed, 0));
    CHECK(is_readable(fd));
    filch_future *third = pool_hold(ex, &held[1]);
    CHECK_EQ(filch_completed_add(completed, third), FILCH_OK);
    CHECK(!is_readable(fd));
    CHECK_EQ(filch_completed_add(completed, done), FILCH_OK);
    CHECK(is_readable(fd));
    CHECK_PTR_EQ(next(completed, FILCH_FOREVER), done);
    CHECK(!is_readable(fd));
    gate_open(&held[1].go);
    CHECK_PTR_EQ(next(completed, FILCH_FOREVER), third); /* sleeping beside a descriptor */
    CHECK(is_readable(fd));
    filch_completed_close(completed);
    CHECK(fcntl(fd, F_GETFD) == -1);
    filch_release(done);
    check_held(futures[0]);
    check_held(third);
    pool_close(pool, ex, held);
}

/* Cancelling is completion too. */
CONTRACT(completed_fd, cancelled) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *first = pool_hold(ex, held), *second = filch_submit(ex, twice, 1);
    filch_completed *completed = filch_as_completed(&second, 1);
    int fd = filch_completed_fd(completed);
    CHECK(!is_readable(fd));
    CHECK(filch_cancel(second));
    CHECK(is_readable(fd));
    CHECK_PTR_EQ(next(completed, 0), second);
    filch_completed_close(completed);
    gate_open(&held->go);
    check_held(first);
    filch_release(second);
    pool_close(pool, ex, held);
}

/* No readiness is lost: whoever only ever polls without limit and takes one gets all of them. */
CONTRACT(completed_fd, none_is_lost) {
    enum { MANY = 200 };
    filch_executor *ex = pool->open(3);
    for (int round = 0; round < ROUNDS(60); round++) {
        filch_future *futures[MANY];
        for (int i = 0; i < MANY; i++)
            futures[i] = filch_submit(ex, twice, i);
        filch_completed *completed = filch_as_completed(futures, MANY);
        int fd = filch_completed_fd(completed);
        for (int i = 0; i < MANY; i++) {
            struct pollfd it = {.fd = fd, .events = POLLIN};
            CHECK_EQ(poll(&it, 1, 60000), 1);
            CHECK_NOT_NULL(next(completed, 0));
        }
        CHECK(is_readable(fd));
        CHECK_NULL(next(completed, 0));
        CHECK_EQ(filch_error_status(), FILCH_END);
        filch_completed_close(completed);
        for (int i = 0; i < MANY; i++)
            check_long(futures[i], 2 * i);
    }
    filch_close(ex);
}

/* Late finishers never write to a descriptor that is somebody else's by now. */
CONTRACT(completed_fd, closed_while_finishing) {
    filch_executor *ex = pool->open(3);
    for (int round = 0; round < ROUNDS(2000); round++) {
        filch_future *futures[4];
        for (int i = 0; i < 4; i++)
            futures[i] = filch_submit(ex, twice, i);
        filch_completed *completed = filch_as_completed(futures, 4);
        CHECK(filch_completed_fd(completed) >= 0);
        filch_completed_close(completed);
        int ends[2];
        CHECK_EQ(pipe(ends), 0); /* takes the number over */
        for (int i = 0; i < 4; i++)
            check_long(futures[i], 2 * i);
        CHECK(!is_readable(ends[0]));
        close(ends[0]);
        close(ends[1]);
    }
    filch_close(ex);
}

/* Without a descriptor to be had: -1, the reason, and the iteration goes on. */
CONTRACT(completed_fd, no_descriptor_left) {
    filch_executor *ex = pool->open(1);
    filch_future *future = filch_submit(ex, twice, 4);
    CHECK_EQ(filch_join(future), FILCH_OK);
    filch_completed *completed = filch_as_completed(&future, 1);
    struct rlimit before, none;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    errno = 0;
    int fd = filch_completed_fd(completed), error = errno;
    filch_status status = filch_error_status();
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    CHECK_EQ(fd, -1);
    CHECK_EQ(status, FILCH_SYSTEM);
    CHECK_EQ(error, EMFILE);
    CHECK_PTR_EQ(next(completed, 0), future);
    filch_completed_close(completed);
    check_long(future, 8);
    filch_close(ex);
}
