/* scenarios_process.c: pools of processes: how they open, what is submitted to them and from within. */
#include "ledger.h"
#include "scenarios.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { LARGE = 1 << 20, ITEMS = 120, DEPTH = 5, WIDTH = 3 };

/* ---- opening ---- */

/* In memory that all processes see. */
static struct hooks { atomic_int n_begun, n_ended; } * hooks;

static int begin(void *arg) {
    (void)arg;
    atomic_fetch_add(&hooks->n_begun, 1);
    return 0;
}

static void end(void *arg) {
    (void)arg;
    atomic_fetch_add(&hooks->n_ended, 1);
}

static long count(int entry, long x) {
    ledger_ran(ledger_entry(entry));
    return x;
}
FILCH_TASK(long, count, int, long);

static void submit_counts(filch_executor *ex, int n) {
    for (int i = 0; ex != NULL && i < n; i++) {
        struct entry *e = ledger_next();
        if (ledger_accept(e, filch_submit(ex, count, ledger_number(e), i)) && i % 2 == 0)
            ledger_add_callback(e);
    }
}

static void open_and_use(filch_start_method method) {
    filch_executor *ex = ledger_opened(
        filch_process_pool(.max_workers = 2, .start_method = method, .thread_name_prefix = "fault",
                           .bind = FILCH_BIND_CORE, .spin = FILCH_NO_SPIN, .initializer = begin,
                           .finalizer = end));
    submit_counts(ex, 4);
    ledger_finish(ex);
    MUST(atomic_load(&hooks->n_begun) == atomic_load(&hooks->n_ended));
}

static void run_process_open(void) {
    hooks = mmap(NULL, sizeof *hooks, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (hooks == MAP_FAILED)
        return;
    ledger_may_break(BREAKS_BY_FAULT);
    filch_close(ledger_opened(filch_process_pool(.max_workers = 1))); /* never used */
    open_and_use(FILCH_FORKSERVER);
    open_and_use(FILCH_FORK);
    munmap(hooks, sizeof *hooks);
    ledger_finish(ledger_open_processes(0, FILCH_FORKSERVER)); /* whatever failed before */
}

/* While one worker is there, work goes on whatever becomes of others. */

static long hold(int entry, const atomic_bool *go) {
    ledger_ran(ledger_entry(entry));
    while (!atomic_load(go))
        sched_yield();
    return entry;
}
FILCH_TASK(long, hold, int, const atomic_bool *);

static void run_process_first(void) {
    filch_executor *ex = ledger_open_processes(0, FILCH_FORKSERVER);
    inject_lift();
    atomic_bool *go = filch_shared_alloc(ex, sizeof *go);
    MUST(go != NULL);
    atomic_init(go, false);
    struct entry *first = ledger_next();
    MUST(ledger_accept(first, filch_submit(ex, hold, ledger_number(first), go)));
    while (atomic_load(&first->n_run) == 0)
        sched_yield();
    ledger_may_break(BREAKS_NEVER);
    inject_begin();
    submit_counts(ex, 20);
    atomic_store(go, true);
    ledger_settle();
    submit_counts(ex, 20);
    ledger_settle();
    ledger_check_usable(ex);
    filch_shared_free(ex, go);
    ledger_close(ex);
}

/* ---- arguments and results ---- */

static char large[LARGE];

static uint64_t sum_of(filch_bytes bytes) {
    uint64_t sum = bytes.size;
    const unsigned char *data = bytes.data;
    for (size_t i = 0; i < bytes.size; i += 97)
        sum = sum * 31 + data[i];
    return sum;
}

static uint64_t sum(int entry, filch_bytes bytes) {
    ledger_ran(ledger_entry(entry));
    return sum_of(bytes);
}
FILCH_TASK(uint64_t, sum, int, filch_bytes);

static filch_bytes make(int entry, size_t size) {
    ledger_ran(ledger_entry(entry));
    void *data = filch_result_alloc(size);
    if (data == NULL) {
        ledger_check_failure("filch_result_alloc");
        filch_raise(ENOMEM, "no memory for %zu bytes", size);
        return (filch_bytes){NULL, 0};
    }
    memset(data, 'm', size);
    return (filch_bytes){data, size};
}
FILCH_TASK(filch_bytes, make, int, size_t);

static filch_bytes echo(int entry, filch_bytes bytes) {
    ledger_ran(ledger_entry(entry));
    return bytes;
}
FILCH_TASK(filch_bytes, echo, int, filch_bytes);

static long refuse(int entry, const char *why) {
    ledger_ran(ledger_entry(entry));
    return filch_raise(EDOM, "on purpose: %s", why);
}
FILCH_TASK(long, refuse, int, const char *);

static void check_bytes(const struct entry *entry, size_t size, char filling) {
    filch_bytes bytes;
    if (entry->future == NULL || filch_result(entry->future, &bytes) != FILCH_OK)
        return; /* ledger_settle looks why */
    MUST(bytes.size == size);
    const char *data = bytes.data;
    for (size_t i = 0; i < size; i += 101)
        MUST(data[i] == filling);
}

static void check_sum(const struct entry *entry, filch_bytes bytes) {
    uint64_t value;
    if (entry->future != NULL && filch_result(entry->future, &value) == FILCH_OK)
        MUST(value == sum_of(bytes));
}

static void submit_kinds(filch_executor *ex) {
    filch_bytes all = {large, LARGE}, few = {"abc", 3};
    struct entry *summed = ledger_next(), *short_sum = ledger_next();
    struct entry *echoed = ledger_next(), *made[4], *refused = ledger_next();
    static const size_t sizes[] = {0, 10, 5000, 300000};
    (void)ledger_accept(summed, filch_submit(ex, sum, ledger_number(summed), all));
    (void)ledger_accept(short_sum, filch_submit(ex, sum, ledger_number(short_sum), few));
    (void)ledger_accept(echoed, filch_submit(ex, echo, ledger_number(echoed), all));
    for (int i = 0; i < 4; i++) {
        made[i] = ledger_next();
        (void)ledger_accept(made[i], filch_submit(ex, make, ledger_number(made[i]), sizes[i]));
    }
    if (ledger_accept(refused, filch_submit(ex, refuse, ledger_number(refused), "as asked")))
        ledger_add_callback(refused);
    check_sum(summed, all);
    check_sum(short_sum, few);
    check_bytes(echoed, LARGE, 'x');
    for (int i = 0; i < 4; i++)
        check_bytes(made[i], sizes[i], 'm');
}

static void use_kinds(filch_start_method method) {
    memset(large, 'x', sizeof large);
    filch_executor *ex = ledger_open_processes(0, method);
    for (int i = 0; i < 2; i++) {
        submit_kinds(ex);
        submit_counts(ex, 8);
    }
    ledger_finish(ex);
}

static void run_process_kinds(void) {
    use_kinds(FILCH_FORKSERVER);
}

static void run_process_stand_ins(void) {
    use_kinds(FILCH_THREADS);
}

/* ---- map ---- */

static int visit(int entry) {
    ledger_ran(ledger_entry(entry));
    if (ledger_entry(entry)->dies)
        raise(SIGKILL);
    return -entry;
}
FILCH_TASK(int, visit, int);

/* Returns: false at the end. */
static bool check_next(filch_results *results, const int *items) {
    int value = 0;
    filch_status status = filch_results_next(results, &value);
    if (status != FILCH_OK && status != FILCH_FAILED && status != FILCH_BROKEN) {
        if (status != FILCH_END)
            ledger_check_failure("filch_results_next");
        return false;
    }
    struct entry *e = ledger_entry(items[filch_results_index(results)]);
    const filch_error *error = status == FILCH_OK ? NULL : filch_results_exception(results);
    MUST(e->n_added++ == 0);
    atomic_fetch_add(&e->n_called, 1); /* given once */
    if (status == FILCH_OK)
        MUST(value == -ledger_number(e) && !e->dies);
    else if (status == FILCH_FAILED && e->dies && error->signal != 0)
        MUST_MSG(error->signal == SIGKILL, "%s", error->message);
    else
        MUST_MSG(inject_was_reached(), "item %d: %s", ledger_number(e), error->message);
    if (status != FILCH_BROKEN)
        MUST(atomic_load(&e->n_run) == 1);
    return true;
}

static void map(filch_executor *ex, bool unordered, int chunksize) {
    int items[ITEMS], n = 0;
    for (int i = 0; i < ITEMS; i++) {
        struct entry *e = ledger_next();
        e->dies = i == ITEMS / 2;
        items[i] = ledger_number(e);
    }
    filch_results *results =
        filch_map(ex, visit, items, ITEMS, .chunksize = chunksize, .unordered = unordered);
    if (results == NULL) {
        ledger_check_failure("filch_map");
        return;
    }
    while (check_next(results, items))
        n++;
    MUST(n == ITEMS || inject_was_reached());
    filch_results_close(results);
}

static void run_process_map(void) {
    filch_executor *ex = ledger_open_processes(0, FILCH_FORKSERVER);
    if (ex != NULL) {
        map(ex, false, 7);
        map(ex, true, 4);
    }
    ledger_finish(ex);
}

/* ---- from within ---- */

static long sum_below(int entry, long depth);
FILCH_TASK(long, sum_below, int, long);

/* A task may find its pool broken, or, when its waiter gave up, shut down. */
static void check_refused(struct entry *entry) {
    if (filch_error_status() != FILCH_SHUTDOWN)
        ledger_check_failure("a submit in a worker process");
    entry->was_refused = true;
}

static long sum_below(int entry, long depth) {
    ledger_ran(ledger_entry(entry));
    long all = depth;
    filch_future *below[WIDTH] = {NULL};
    for (int i = 0; depth > 0 && i < WIDTH; i++) {
        struct entry *e = ledger_next();
        long next = i == 0 ? depth - 1 : 0;
        below[i] = filch_submit(filch_this_executor(), sum_below, ledger_number(e), next);
        if (below[i] == NULL)
            check_refused(e);
    }
    bool is_whole = true;
    for (int i = 0; depth > 0 && i < WIDTH; i++) {
        long one = 0;
        filch_status status = below[i] == NULL ? FILCH_FAILED : filch_result(below[i], &one);
        is_whole = is_whole && status == FILCH_OK;
        if (status != FILCH_OK && status != FILCH_FAILED && status != FILCH_BROKEN)
            ledger_check_failure("a wait in a worker process");
        all += one;
        filch_release(below[i]);
    }
    MUST(is_whole || inject_was_reached());
    return is_whole ? all : filch_raise(ENOMEM, "not all below");
}

static void run_process_nested(void) {
    filch_executor *ex = ledger_open_processes(0, FILCH_FORKSERVER);
    for (int i = 0; ex != NULL && i < 3; i++) {
        struct entry *e = ledger_next();
        if (ledger_accept(e, filch_submit(ex, sum_below, ledger_number(e), DEPTH)))
            ledger_add_callback(e);
    }
    ledger_finish(ex);
}

const struct scenario scenarios_process[] = {
    {"process_open", run_process_open},
    {"process_first", run_process_first},
    {"process_kinds", run_process_kinds},
    {"process_stand_ins", run_process_stand_ins},
    {"process_map", run_process_map},
    {"process_nested", run_process_nested},
    {0},
};
