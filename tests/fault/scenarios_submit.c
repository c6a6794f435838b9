/* scenarios_submit.c: tasks of every kind: what travels, what fails, what nests, what is cancelled. */
#include "ledger.h"
#include "scenarios.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { LARGE = 200000, MANY = 6000, DEPTH = 40 };

typedef struct point {
    double x, y;
} point;

static long count(struct entry *entry, long x) {
    ledger_ran(entry);
    return x;
}
FILCH_TASK(long, count, struct entry *, long);

static const char *echo(struct entry *entry, const char *text) {
    ledger_ran(entry);
    return text;
}
FILCH_TASK(const char *, echo, struct entry *, const char *);

static filch_bytes echo_bytes(struct entry *entry, filch_bytes bytes) {
    ledger_ran(entry);
    return bytes;
}
FILCH_TASK(filch_bytes, echo_bytes, struct entry *, filch_bytes);

static point swap(struct entry *entry, point p, char a, short b, int c, float d, const char *e,
                  filch_bytes f) {
    ledger_ran(entry);
    double sum = a + b + c + (double)d + (double)strlen(e) + (double)f.size;
    return (point){p.y, p.x + sum};
}
FILCH_TASK(point, swap, struct entry *, point, char, short, int, float, const char *, filch_bytes);

static void nothing(struct entry *entry) {
    ledger_ran(entry);
}
FILCH_TASK_VOID(nothing, struct entry *);

static long fail(struct entry *entry, int code) {
    ledger_ran(entry);
    filch_raise(EDOM, "the first, which the second replaces");
    return filch_raise(code, "on purpose: %d", code);
}
FILCH_TASK(long, fail, struct entry *, int);

static char *own(struct entry *entry, size_t size) {
    ledger_ran(entry);
    char *text = malloc(size + 1);
    if (text == NULL) {
        filch_raise(ENOMEM, "no memory");
        return NULL;
    }
    memset(text, 'o', size);
    text[size] = '\0';
    return filch_own(text);
}
FILCH_TASK(char *, own, struct entry *, size_t);

static filch_bytes allocate(struct entry *entry, size_t size) {
    ledger_ran(entry);
    void *dropped = filch_result_alloc(64);
    void *data = filch_result_alloc(size);
    if (dropped == NULL || data == NULL)
        ledger_check_failure("filch_result_alloc");
    if (data != NULL)
        memset(data, 'r', size);
    return (filch_bytes){data, data == NULL ? 0 : size};
}
FILCH_TASK(filch_bytes, allocate, struct entry *, size_t);

struct raw_arg {
    struct entry *entry;
    char filling[100];
};

static int raw(const void *arg, void *result) {
    struct raw_arg it;
    memcpy(&it, arg, sizeof it);
    ledger_ran(it.entry);
    memset(result, it.filling[99], 300);
    return it.filling[99] == 'e' ? 5 : 0;
}

static void submit_every_kind(filch_executor *ex, const char *large) {
    struct entry *e;
    filch_bytes bytes = {large, LARGE / 2}, few = {"abc", 3}, none = {NULL, 0};
    struct raw_arg arg = {.filling = {0}};
    (void)(e = ledger_next(), ledger_accept(e, filch_submit(ex, count, e, 7)));
    (void)(e = ledger_next(), ledger_accept(e, filch_submit(ex, echo, e, "short")));
    (void)(e = ledger_next(), ledger_accept(e, filch_submit(ex, echo, e, large)));
    (void)(e = ledger_next(), ledger_accept(e, filch_submit(ex, echo, e, NULL)));
    (void)(e = ledger_next(), ledger_accept(e, filch_submit(ex, echo_bytes, e, bytes)));
    (void)(e = ledger_next(), ledger_accept(e, filch_submit(ex, echo_bytes, e, none)));
    (void)(e = ledger_next(),
           ledger_accept(e, filch_submit(ex, swap, e, ((point){1, 2}), 1, 2, 3, 4, "five", few)));
    (void)(e = ledger_next(), ledger_accept(e, filch_submit(ex, nothing, e)));
    (void)(e = ledger_next(), ledger_accept(e, filch_submit(ex, fail, e, 3)));
    (void)(e = ledger_next(), ledger_accept(e, filch_submit(ex, own, e, (size_t)10)));
    (void)(e = ledger_next(), ledger_accept(e, filch_submit(ex, own, e, (size_t)30000)));
    (void)(e = ledger_next(), ledger_accept(e, filch_submit(ex, allocate, e, (size_t)50000)));
    e = ledger_next();
    (void)ledger_accept(e, filch_submit_with(ex, FILCH_OPTIONS(.name = "named"), fail, e, 0));
    e = ledger_next();
    (void)ledger_accept(
        e, filch_submit_with(ex, FILCH_OPTIONS(.numa_node = FILCH_NODE(0)), count, e, 5));
    for (int c = 'd'; c <= 'e'; c++) {
        arg.entry = e = ledger_next();
        arg.filling[99] = (char)c;
        (void)ledger_accept(e, filch_submit_raw(ex, raw, &arg, sizeof arg, 300, NULL));
    }
}

static void run_kinds(void) {
    static char large[LARGE];
    memset(large, 'x', sizeof large - 1);
    filch_executor *ex = ledger_open(2);
    for (int i = 0; ex != NULL && i < 3; i++)
        submit_every_kind(ex, large);
    ledger_finish(ex);
}

/* So many that rings, slabs and the arena grow. */
static void run_many(void) {
    filch_executor *ex = ledger_open(2);
    for (int i = 0; ex != NULL && i < MANY; i++) {
        struct entry *e = ledger_next();
        if (ledger_accept(e, filch_submit(ex, count, e, i)) && i % 16 == 0)
            ledger_add_callback(e);
    }
    ledger_finish(ex);
}

static long sum_below(struct entry *entry, long depth);
FILCH_TASK(long, sum_below, struct entry *, long);

/* Room that a compiler does not remove: segments get short soon. */
static long sum_below(struct entry *entry, long depth) {
    volatile char room[4096];
    ledger_ran(entry);
    room[depth % 4096] = 1;
    if (depth == 0)
        return 0;
    struct entry *e = ledger_next();
    filch_future *below = filch_submit(filch_this_executor(), sum_below, e, depth - 1);
    if (below == NULL) {
        /* A task whose waiter gave up may run when the pool is closed already. */
        if (filch_error_status() != FILCH_SHUTDOWN)
            ledger_check_failure("a submit in a task");
        e->was_refused = true;
        return filch_raise(ENOMEM, "refused at depth %ld", depth);
    }
    long sum = 0;
    filch_status status = filch_result(below, &sum);
    if (status == FILCH_FAILED)
        filch_raise(ENOMEM, "failed below");
    else if (status != FILCH_OK) {
        ledger_check_failure("a wait in a task");
        filch_raise(ENOMEM, "no stack"); /* the task below is accepted all the same */
    }
    filch_release(below);
    return sum + room[depth % 4096];
}

static void run_nested(void) {
    filch_executor *ex =
        ledger_opened(filch_thread_pool(.max_workers = 2, .stack_size = 64 * 1024));
    for (int i = 0; ex != NULL && i < 3; i++) {
        struct entry *e = ledger_next();
        (void)ledger_accept(e, filch_submit(ex, sum_below, e, DEPTH));
    }
    ledger_finish(ex);
}

static long hold(struct entry *entry, atomic_bool *go) {
    ledger_ran(entry);
    while (!atomic_load(go))
        sched_yield();
    return filch_cancel_requested();
}
FILCH_TASK(long, hold, struct entry *, atomic_bool *);

static void run_cancel(void) {
    static atomic_bool go;
    filch_executor *ex = ledger_open(1);
    struct entry *first = ledger_next(), *queued[40];
    bool is_held = ex != NULL && ledger_accept(first, filch_submit(ex, hold, first, &go));
    for (int i = 0; ex != NULL && i < 40; i++) {
        struct entry *e = queued[i] = ledger_next();
        e->may_be_cancelled = true;
        if (ledger_accept(e, filch_submit(ex, echo, e, "queued")) && i % 2 == 0)
            ledger_add_callback(e);
    }
    for (int i = 0; is_held && i < 40; i += 3)
        if (queued[i]->future != NULL) {
            bool cancelled = filch_cancel(queued[i]->future);
            MUST(cancelled && filch_cancelled(queued[i]->future));
            const filch_error *error = filch_exception(queued[i]->future);
            MUST(error != NULL && error->status == FILCH_CANCELLED);
        }
    if (is_held)
        MUST(!filch_cancel(first->future) || !filch_running(first->future));
    first->may_be_cancelled = true;
    atomic_store(&go, true);
    ledger_finish(ex);
}

const struct scenario scenarios_submit[] = {
    {"kinds", run_kinds}, {"many", run_many}, {"nested", run_nested}, {"cancel", run_cancel}, {0},
};
