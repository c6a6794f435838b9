/* scenarios_pool.c: pools that open, hook, shut down and close, and the threads that use them. */
#include "ledger.h"
#include "scenarios.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, TASKS = 40 };

static long work(struct entry *entry, long x) {
    ledger_ran(entry);
    return x;
}
FILCH_TASK(long, work, struct entry *, long);

static void submit_some(filch_executor *ex, int n) {
    for (int i = 0; ex != NULL && i < n; i++) {
        struct entry *e = ledger_next();
        if (ledger_accept(e, filch_submit(ex, work, e, i)) && i % 2 == 0)
            ledger_add_callback(e);
    }
}

static atomic_int n_begun, n_ended;

static int begin(void *arg) {
    (void)arg;
    atomic_fetch_add(&n_begun, 1);
    return 0;
}

static void end(void *arg) {
    (void)arg;
    atomic_fetch_add(&n_ended, 1);
}

static filch_executor *open_bound(filch_bind bind) {
    return ledger_opened(filch_thread_pool(.max_workers = 3, .thread_name_prefix = "fault",
                                           .bind = bind, .initializer = begin, .finalizer = end,
                                           .spin = FILCH_NO_SPIN));
}

/* A forked child knows that the pool is not its own, or the pool would not have opened. */
static void check_in_child(filch_executor *ex) {
    pid_t child = ex == NULL ? -1 : fork();
    if (child < 0)
        return;
    if (child == 0) {
        bool is_refused = filch_submit(ex, work, NULL, 0) == NULL;
        _exit(is_refused && filch_error_status() == FILCH_INVALID_STATE ? 0 : 1);
    }
    int status = -1;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    MUST(status == 0);
}

static void run_open(void) {
    filch_close(open_bound(FILCH_BIND_CORE)); /* never used */
    filch_executor *ex = open_bound(FILCH_BIND_NUMA);
    submit_some(ex, TASKS);
    check_in_child(ex);
    ledger_finish(ex);
    MUST(atomic_load(&n_begun) == atomic_load(&n_ended));
}

static void shut_down(filch_executor *ex, unsigned flags) {
    filch_status status =
        filch_shutdown(ex, .no_wait = (flags & 1) != 0, .cancel_futures = (flags & 2) != 0,
                       .timeout = flags & 4 ? 1e-4 : 0);
    MUST(status == FILCH_OK || (status == FILCH_TIMEOUT && (flags & 4) != 0));
    MUST(filch_submit(ex, work, NULL, 0) == NULL);
    MUST(filch_error_status() == FILCH_SHUTDOWN || filch_error_status() == FILCH_BROKEN);
}

static void submit_cancellable(filch_executor *ex) {
    for (int i = 0; i < TASKS; i++) {
        struct entry *e = ledger_next();
        e->may_be_cancelled = true;
        if (ledger_accept(e, filch_submit(ex, work, e, i)))
            ledger_add_callback(e);
    }
}

static void run_shutdown(void) {
    for (unsigned flags = 0; flags < 8; flags++) {
        filch_executor *ex = ledger_open(2);
        if (ex == NULL)
            continue;
        submit_cancellable(ex);
        shut_down(ex, flags);
        if (flags % 3 == 0)
            ledger_settle(); /* else the futures outlive their pool */
        ledger_close(ex);
    }
    ledger_settle();
}

struct shut_down_inside {
    struct entry *entry;
    unsigned flags;
};

static void shut_down_inside(struct shut_down_inside it) {
    ledger_ran(it.entry);
    shut_down(filch_this_executor(), it.flags);
    filch_close(filch_this_executor());
}
FILCH_TASK_VOID(shut_down_inside, struct shut_down_inside);

static void run_shutdown_inside(void) {
    for (unsigned flags = 0; flags < 4; flags++) {
        filch_executor *ex = ledger_open(2);
        if (ex == NULL)
            continue;
        submit_cancellable(ex);
        struct entry *e = ledger_next();
        e->may_be_cancelled = true;
        struct shut_down_inside it = {e, flags};
        (void)ledger_accept(e, filch_submit(ex, shut_down_inside, it));
        ledger_close(ex);
    }
    ledger_settle();
}

static long pass_on(struct entry *entry, filch_executor *other) {
    ledger_ran(entry);
    struct entry *e = ledger_next();
    filch_future *future = filch_submit(other, work, e, 1);
    if (future == NULL) {
        ledger_check_failure("a submit to another pool");
        e->was_refused = true;
    }
    filch_release(future); /* it runs all the same */
    return future != NULL;
}
FILCH_TASK(long, pass_on, struct entry *, filch_executor *);

static void run_two_pools(void) {
    filch_executor *one = ledger_open(2), *other = ledger_open(1);
    for (int i = 0; one != NULL && other != NULL && i < TASKS; i++) {
        struct entry *e = ledger_next();
        (void)ledger_accept(e, filch_submit(one, pass_on, e, other));
    }
    submit_some(other, TASKS);
    ledger_settle();
    ledger_check_usable(one);
    ledger_check_usable(other);
    ledger_close(one);
    ledger_close(other);
}

static void *submit_in_thread(void *arg) {
    submit_some(arg, TASKS);
    return NULL;
}

/* Threads that submit and end: their queues are taken over by the next ones. */
static void run_threads(void) {
    filch_executor *ex = ledger_open(2);
    for (int turn = 0; ex != NULL && turn < 2; turn++) {
        pthread_t threads[THREADS];
        for (int i = 0; i < THREADS; i++)
            MUST(inject_real_thread(&threads[i], submit_in_thread, ex) == 0);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
    }
    ledger_finish(ex);
}

const struct scenario scenarios_pool[] = {
    {"open", run_open},
    {"shutdown", run_shutdown},
    {"shutdown_inside", run_shutdown_inside},
    {"two_pools", run_two_pools},
    {"threads", run_threads},
    {0},
};
