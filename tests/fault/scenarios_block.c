/* scenarios_block.c: tasks that have to block, so that substitutes take their seats, and futures that
 * the program completes itself. */
#include "ledger.h"
#include "scenarios.h"

#include <errno.h>
#include <string.h>

enum { ROUNDS = 12, PROMISES = 80 };

static long work(struct entry *entry, long x) {
    ledger_ran(entry);
    return x;
}
FILCH_TASK(long, work, struct entry *, long);

/* Waits inside a task: each may be refused, and none is for ever. */
static void check_wait(filch_status status, const char *what) {
    if (status != FILCH_OK && status != FILCH_TIMEOUT && status != FILCH_BROKEN)
        ledger_check_failure(what);
}

static void wait_with_limit(filch_future *future) {
    long value = 0;
    check_wait(filch_result_timeout(future, &value, 1e-3), "filch_result_timeout in a task");
}

static void wait_for_first(filch_future **futures) {
    check_wait(filch_wait(futures, 2, FILCH_FIRST_COMPLETED, FILCH_FOREVER, NULL),
               "filch_wait in a task");
}

static void iterate(filch_future **futures) {
    filch_completed *completed = filch_as_completed(futures, 2);
    if (completed == NULL) {
        ledger_check_failure("filch_as_completed in a task");
        return;
    }
    filch_future *future;
    filch_status status;
    while ((status = filch_completed_next(completed, &future, FILCH_FOREVER)) == FILCH_OK)
        MUST(filch_done(future));
    if (status != FILCH_END)
        check_wait(status, "filch_completed_next in a task");
    filch_completed_close(completed);
}

static void submit_two(filch_executor *ex, filch_future **futures) {
    for (long i = 0; i < 2; i++) {
        struct entry *e = ledger_next();
        futures[i] = filch_submit(ex, work, e, i);
        if (futures[i] != NULL)
            continue;
        ledger_check_failure("a submit in a task");
        e->was_refused = true;
    }
}

static long block(struct entry *entry, filch_executor *ex, int way) {
    ledger_ran(entry);
    filch_future *futures[2];
    submit_two(ex, futures);
    if (futures[0] != NULL && futures[1] != NULL) {
        if (way == 0)
            wait_with_limit(futures[0]);
        else if (way == 1)
            wait_for_first(futures);
        else
            iterate(futures);
    }
    filch_release(futures[0]);
    filch_release(futures[1]);
    return way;
}
FILCH_TASK(long, block, struct entry *, filch_executor *, int);

/* Two pools whose tasks wait for the other's. */
static void run_block(void) {
    filch_executor *one = ledger_open(2), *other = ledger_open(1);
    for (int i = 0; one != NULL && other != NULL && i < ROUNDS; i++) {
        struct entry *e = ledger_next(), *f = ledger_next();
        (void)ledger_accept(e, filch_submit(one, block, e, i % 2 ? one : other, i % 3));
        (void)ledger_accept(f, filch_submit(other, block, f, one, i % 3));
    }
    ledger_settle();
    ledger_check_usable(one);
    ledger_check_usable(other);
    ledger_close(one);
    ledger_close(other);
}

static void *complete(void *arg) {
    filch_future **futures = arg;
    for (int i = 0; i < PROMISES; i++) {
        filch_future *future = futures[i];
        if (future == NULL)
            continue;
        if (i % 3 == 0)
            MUST(filch_set_running_or_notify_cancel(future) == FILCH_OK);
        filch_status status = i % 4 == 3 ? filch_set_exception(future, EDOM, "on purpose")
                                         : filch_set_result(future, &(long){i}, sizeof(long));
        if (status != FILCH_OK)
            ledger_check_failure("filch_set_exception");
        filch_release(future);
    }
    return NULL;
}

static void check_promise(filch_future *future, long i) {
    long value = -1;
    filch_status status = filch_result(future, &value);
    MUST(status == (i % 4 == 3 ? FILCH_FAILED : FILCH_OK));
    MUST(status != FILCH_OK || value == i);
    MUST(status == FILCH_OK || strlen(filch_exception(future)->message) > 0);
    filch_release(future);
}

static void run_promises(void) {
    filch_future *futures[PROMISES];
    ledger_expect_home();
    for (int i = 0; i < PROMISES; i++) {
        futures[i] = filch_future_new(sizeof(long));
        if (futures[i] == NULL)
            ledger_check_failure("filch_future_new");
        (void)filch_retain(futures[i]);
    }
    pthread_t thread;
    MUST(inject_real_thread(&thread, complete, futures) == 0);
    for (long i = 0; i < PROMISES; i++)
        if (futures[i] != NULL)
            check_promise(futures[i], i);
    MUST(pthread_join(thread, NULL) == 0);
    inject_lift();
    filch_future *after = filch_future_new(0);
    MUST(after != NULL && filch_cancel(after));
    filch_release(after);
}

const struct scenario scenarios_block[] = {
    {"block", run_block},
    {"promises", run_promises},
    {0},
};
