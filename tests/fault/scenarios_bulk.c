/* scenarios_bulk.c: many tasks in one call, loops, and the picture of a pool. */
#include "ledger.h"
#include "scenarios.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TASKS = 2500, ITEMS = 5000, LOOPS = 8 };

static const char *name_of(int entry, const char *name) {
    ledger_ran(ledger_entry(entry));
    return name;
}
FILCH_TASK(const char *, name_of, int, const char *);

/* All or none. */
static void submit_batch(filch_executor *ex, size_t n) {
    static filch_args(name_of) items[TASKS];
    static filch_future *futures[TASKS];
    for (size_t i = 0; i < n; i++)
        items[i] = (filch_args(name_of)){ledger_number(ledger_next()), "one of many"};
    filch_status status = filch_submit_many(ex, name_of, items, n, futures);
    if (status != FILCH_OK) {
        ledger_check_failure("filch_submit_many");
        MUST(status == filch_error_status());
    }
    for (size_t i = 0; i < n; i++) {
        MUST((futures[i] != NULL) == (status == FILCH_OK));
        struct entry *e = ledger_entry(items[i].a1);
        if (ledger_accept(e, futures[i]) && i % 32 == 0)
            ledger_add_callback(e);
    }
}

static void run_submit_many(void) {
    filch_executor *ex = ledger_open(2);
    if (ex != NULL) {
        submit_batch(ex, 10);
        submit_batch(ex, TASKS);
        submit_batch(ex, 1);
    }
    ledger_finish(ex);
}

struct loop {
    atomic_uchar n_run[ITEMS];
    bool raises;
};

static void mark(size_t begin, size_t end, void *arg) {
    struct loop *loop = arg;
    for (size_t i = begin; i < end; i++)
        MUST(atomic_fetch_add(&loop->n_run[i], 1) == 0);
    if (loop->raises && begin <= ITEMS / 2 && end > ITEMS / 2)
        filch_raise(EDOM, "item %d", ITEMS / 2);
}

/* Returns: has it run? */
static bool check_loop(struct loop *loop, filch_status status, bool runs_alone) {
    if (status == FILCH_OK) {
        MUST(!loop->raises);
        for (int i = 0; i < ITEMS; i++)
            MUST(atomic_load(&loop->n_run[i]) == 1);
        return true;
    }
    if (status == FILCH_FAILED) {
        MUST(loop->raises);
        for (int i = 0; i <= ITEMS / 2; i++)
            MUST(atomic_load(&loop->n_run[i]) == 1);
        return true;
    }
    if (runs_alone || filch_error_status() != FILCH_SHUTDOWN)
        ledger_check_failure("filch_for");
    for (int i = 0; i < ITEMS; i++)
        MUST(atomic_load(&loop->n_run[i]) == 0);
    return false;
}

static long loop_in_task(int entry, struct loop *loop) {
    ledger_ran(ledger_entry(entry));
    return check_loop(loop, filch_for(filch_this_executor(), 0, ITEMS, mark, loop), false);
}
FILCH_TASK(long, loop_in_task, int, struct loop *);

static void run_all(filch_executor *ex, struct loop *loops) {
    for (int i = 0; i < LOOPS; i++) {
        loops[i].raises = i % 4 == 3;
        if (i % 2 == 0) {
            check_loop(&loops[i], filch_for(ex, 0, ITEMS, mark, &loops[i]), true);
        } else {
            struct entry *e = ledger_next();
            (void)ledger_accept(e, filch_submit(ex, loop_in_task, ledger_number(e), &loops[i]));
        }
    }
}

static void run_loops(void) {
    static struct loop loops[LOOPS];
    filch_executor *ex = ledger_open(3);
    if (ex != NULL)
        run_all(ex, loops);
    ledger_finish(ex);
}

static void run_process_bulk(void) {
    filch_executor *ex = ledger_open_processes(0, FILCH_FORKSERVER);
    struct loop *loops = filch_shared_alloc(ex, LOOPS * sizeof *loops);
    if (loops == NULL) {
        ledger_check_failure("filch_shared_alloc");
    } else {
        memset(loops, 0, LOOPS * sizeof *loops);
        run_all(ex, loops);
    }
    submit_batch(ex, 10);
    submit_batch(ex, 300);
    ledger_settle();
    filch_shared_free(ex, loops);
    ledger_finish(ex);
}

/* A picture needs memory for what it shows; the file is the caller's. */
static void run_describe(void) {
    filch_executor *ex = ledger_open(2);
    if (ex != NULL) {
        submit_batch(ex, 10);
        FILE *file = tmpfile();
        MUST(file != NULL);
        if (filch_describe(ex, file) != FILCH_OK)
            ledger_check_failure("filch_describe");
        else
            MUST(ftell(file) > 100);
        fclose(file);
    }
    ledger_finish(ex);
}

const struct scenario scenarios_bulk[] = {
    {"submit_many", run_submit_many},
    {"loops", run_loops},
    {"describe", run_describe},
    {"process_bulk", run_process_bulk},
    {0},
};
