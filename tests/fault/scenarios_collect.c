/* scenarios_collect.c: many futures at once: map, as_completed, wait. */
#include "ledger.h"
#include "scenarios.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { ITEMS = 300, MAPS = 4, FUTURES = 60 };

/* Each map has items of its own, since those of one that was given up may run later. */
static atomic_int n_run[MAPS * ITEMS];

static void run_item(long x) {
    MUST_MSG(atomic_fetch_add(&n_run[x], 1) == 0, "item %ld ran twice", x);
}

static long square(long x) {
    run_item(x);
    if (x % 50 == 49)
        return filch_raise(EDOM, "item %ld", x);
    return x * x;
}
FILCH_TASK(long, square, long);

static const char *greet(const char *name, long x) {
    static _Thread_local char text[64];
    run_item(x);
    snprintf(text, sizeof text, "hello %s %ld", name, x);
    return text;
}
FILCH_TASK(const char *, greet, const char *, long);

static void check_all_ran(long from) {
    for (long i = from; i < from + ITEMS; i++)
        MUST_MSG(atomic_load(&n_run[i]) == 1, "item %ld did not run", i);
}

/* How an iteration may end: with all n items, or clearly. Returns: was it whole? */
static bool check_end(filch_status status, int n_given, int n) {
    if (status == FILCH_END) {
        MUST_MSG(n_given == n, "%d of %d items were given", n_given, n);
        return true;
    }
    ledger_check_failure("filch_results_next");
    MUST(status == filch_error_status());
    return false;
}

static bool is_of_item(filch_status status) {
    return status == FILCH_OK || status == FILCH_FAILED || status == FILCH_BROKEN;
}

/* What is known of item `at`. */
static void check_number(filch_results *results, filch_status status, long value, int at,
                         long from) {
    long item = from + at;
    MUST(filch_results_index(results) == (size_t)at);
    if (status == FILCH_OK)
        MUST(value == item * item && item % 50 != 49);
    else
        MUST(strlen(filch_results_exception(results)->message) > 0);
    if (status == FILCH_FAILED)
        MUST_MSG(item % 50 == 49 || inject_was_reached(), "item %d failed", at);
}

/* Items from .. from + ITEMS; closes after `most` of them. */
static void take_numbers(filch_results *results, long from, int most) {
    if (results == NULL) {
        ledger_check_failure("filch_map");
        return;
    }
    long value = -1;
    filch_status status = FILCH_OK;
    int at = 0;
    while (at < most && is_of_item(status = filch_results_next(results, &value)))
        check_number(results, status, value, at++, from);
    bool is_whole = at < most && check_end(status, at, ITEMS);
    filch_results_close(results);
    if (is_whole && !inject_is(CALL_THREAD)) /* which costs items of a pool without any worker */
        check_all_ran(from);
}

static void run_map(void) {
    static long items[MAPS * ITEMS];
    for (long i = 0; i < MAPS * ITEMS; i++)
        items[i] = i;
    filch_executor *ex = ledger_open(2);
    if (ex != NULL) {
        enum { ALL = ITEMS + 1, SOME = 20 };
        take_numbers(filch_map(ex, square, items, ITEMS, .chunksize = 7), 0, ALL);
        take_numbers(filch_map(ex, square, items + ITEMS, ITEMS, .buffersize = 3), ITEMS, ALL);
        take_numbers(filch_map(ex, square, items + 2 * ITEMS, ITEMS, .chunksize = 2), 2 * ITEMS,
                     SOME);
        take_numbers(filch_map(ex, square, items + 3 * ITEMS, ITEMS), 3 * ITEMS, ALL);
    }
    ledger_finish(ex);
}

static bool produce(void *item, void *arg) {
    long *next = arg;
    *(long *)item = *next;
    return (*next)++ < ITEMS;
}

static void run_map_lazy(void) {
    filch_executor *ex = ledger_open(2);
    long next = 0;
    if (ex != NULL)
        take_numbers(filch_map(ex, square, NULL, 0, .next = produce, .next_arg = &next,
                               .buffersize = 4, .chunksize = 3),
                     0, ITEMS + 1);
    ledger_finish(ex);
}

static void run_map_unordered(void) {
    static long items[ITEMS];
    for (long i = 0; i < ITEMS; i++)
        items[i] = i;
    filch_executor *ex = ledger_open(2);
    filch_results *results =
        ex == NULL ? NULL : filch_map(ex, square, items, ITEMS, .unordered = true, .chunksize = 4);
    if (ex != NULL && results == NULL)
        ledger_check_failure("filch_map");
    if (results != NULL) {
        bool is_given[ITEMS] = {false};
        long value;
        filch_status status;
        int n = 0;
        for (; is_of_item(status = filch_results_next(results, &value)); n++) {
            long at = (long)filch_results_index(results);
            MUST(at >= 0 && at < ITEMS && !is_given[at]);
            is_given[at] = true;
            MUST(status != FILCH_OK || value == at * at);
        }
        (void)check_end(status, n, ITEMS);
        filch_results_close(results);
    }
    ledger_finish(ex);
}

static void run_map_strings(void) {
    filch_executor *ex = ledger_open(2);
    filch_args(greet) items[100];
    for (long i = 0; i < 100; i++)
        items[i] = (filch_args(greet)){"world", i};
    filch_results *results = ex == NULL ? NULL : filch_map(ex, greet, items, 100, .chunksize = 9);
    if (ex != NULL && results == NULL)
        ledger_check_failure("filch_map");
    if (results != NULL) {
        const char *text;
        filch_status status;
        int at = 0;
        for (; is_of_item(status = filch_results_next(results, &text)); at++) {
            char expected[64];
            snprintf(expected, sizeof expected, "hello world %d", at);
            MUST(status != FILCH_OK || strcmp(text, expected) == 0);
        }
        (void)check_end(status, at, 100);
        filch_results_close(results);
    }
    ledger_finish(ex);
}

static long work(int entry, long x) {
    ledger_ran(ledger_entry(entry));
    return x % 20 == 19 ? filch_raise(ERANGE, "task %ld", x) : x;
}
FILCH_TASK(long, work, int, long);

/* Returns: how many were accepted. */
static int submit_some(filch_executor *ex, filch_future **futures) {
    int n = 0;
    for (int i = 0; i < FUTURES; i++) {
        struct entry *e = ledger_next();
        if (!ledger_accept(e, filch_submit(ex, work, ledger_number(e), i)))
            continue;
        futures[n++] = e->future;
        if (i % 3 == 0)
            ledger_add_callback(e);
    }
    return n;
}

static void iterate(filch_future **futures, int n, int most) {
    filch_completed *completed = filch_as_completed(futures, (size_t)n);
    if (completed == NULL) {
        ledger_check_failure("filch_as_completed");
        return;
    }
    filch_future *future;
    filch_status status = FILCH_OK;
    int given = 0;
    while (given < most &&
           (status = filch_completed_next(completed, &future, FILCH_FOREVER)) == FILCH_OK) {
        MUST(filch_done(future));
        given++;
    }
    if (status == FILCH_END)
        MUST(given == n);
    else if (status != FILCH_OK)
        ledger_check_failure("filch_completed_next");
    filch_completed_close(completed);
}

static void take(filch_completed *completed, int n) {
    filch_future *future;
    filch_status status = FILCH_OK;
    for (int i = 0; i < n && status == FILCH_OK; i++)
        status = filch_completed_next(completed, &future, FILCH_FOREVER);
    if (status != FILCH_OK)
        ledger_check_failure("filch_completed_next");
}

/* Readable exactly while something, or the end, can be taken; and when a worker process has ended. */
static void check_descriptor(int fd, filch_completed *completed, bool workers_end) {
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    filch_future *future;
    filch_status status = FILCH_OK;
    while (status == FILCH_OK && poll(&poll_fd, 1, -1) >= 0) {
        status = filch_completed_next(completed, &future, 0);
        if (status == FILCH_TIMEOUT && workers_end)
            status = FILCH_OK;
    }
    if (status == FILCH_SYSTEM || status == FILCH_NO_MEMORY)
        ledger_check_failure("filch_completed_next");
    else
        MUST_MSG(status == FILCH_END || (status == FILCH_OK && errno == EINTR), "%s",
                 filch_status_name(status));
}

/* Futures come in one after the other. */
static void add_all(filch_future **futures, int n, bool workers_end) {
    filch_completed *completed = n == 0 ? NULL : filch_as_completed(NULL, 0);
    int n_in = 0;
    for (int i = 0; completed != NULL && i < n; i++) {
        if (filch_completed_add(completed, futures[i]) == FILCH_OK)
            n_in++;
        else
            ledger_check_failure("filch_completed_add");
    }
    if (completed != NULL) {
        take(completed, n_in / 2);
        int fd = filch_completed_fd(completed);
        if (fd < 0)
            ledger_check_failure("filch_completed_fd");
        else
            check_descriptor(fd, completed, workers_end);
    }
    filch_completed_close(completed);
}

static void run_as_completed_add(void) {
    filch_executor *ex = ledger_open(2);
    filch_future *futures[FUTURES];
    add_all(futures, ex == NULL ? 0 : submit_some(ex, futures), false);
    ledger_finish(ex);
}

static void run_as_completed(void) {
    filch_executor *ex = ledger_open(2);
    filch_future *futures[FUTURES];
    int n = ex == NULL ? 0 : submit_some(ex, futures);
    iterate(futures, n, 5);
    iterate(futures, n, FUTURES + 1);
    ledger_finish(ex);
}

static void wait_for(filch_future **futures, int n, filch_return_when when, double timeout) {
    size_t n_done = SIZE_MAX;
    filch_status status = filch_wait(futures, (size_t)n, when, timeout, &n_done);
    if (status != FILCH_OK && status != FILCH_TIMEOUT) {
        ledger_check_failure("filch_wait");
        return;
    }
    MUST(n_done <= (size_t)n);
    for (size_t i = 0; i < n_done; i++)
        MUST(filch_done(futures[i]));
    if (status == FILCH_OK && when == FILCH_ALL_COMPLETED)
        MUST(n_done == (size_t)n);
    if (status == FILCH_OK && when == FILCH_FIRST_COMPLETED && n > 0)
        MUST(n_done > 0);
}

static void run_wait(void) {
    filch_executor *ex = ledger_open(2);
    filch_future *futures[FUTURES];
    int n = ex == NULL ? 0 : submit_some(ex, futures);
    wait_for(futures, n, FILCH_FIRST_COMPLETED, 1e-5);
    wait_for(futures, n, FILCH_FIRST_COMPLETED, FILCH_FOREVER);
    n = ex == NULL ? 0 : submit_some(ex, futures);
    wait_for(futures, n, FILCH_FIRST_EXCEPTION, FILCH_FOREVER);
    wait_for(futures, n, FILCH_ALL_COMPLETED, FILCH_FOREVER);
    ledger_finish(ex);
}

/* Those who wait are told by other processes, which are replaced all the time. */
static void run_process_collect(void) {
    filch_executor *ex = ledger_open_processes(15, FILCH_FORKSERVER);
    filch_future *futures[FUTURES];
    add_all(futures, submit_some(ex, futures), true);
    int n = submit_some(ex, futures);
    iterate(futures, n, 5);
    wait_for(futures, n, FILCH_FIRST_EXCEPTION, FILCH_FOREVER);
    wait_for(futures, n, FILCH_ALL_COMPLETED, FILCH_FOREVER);
    iterate(futures, n, FUTURES + 1);
    ledger_finish(ex);
}

const struct scenario scenarios_collect[] = {
    {"map", run_map},
    {"map_lazy", run_map_lazy},
    {"map_strings", run_map_strings},
    {"map_unordered", run_map_unordered},
    {"as_completed", run_as_completed},
    {"as_completed_add", run_as_completed_add},
    {"wait", run_wait},
    {"process_collect", run_process_collect},
    {0},
};
