/* ledger.c: one ledger for the one scenario of a process. */
#include "ledger.h"
#include "platform/headroom.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct ledger {
    atomic_int n_entries;
    struct entry entries[MOST_ENTRIES];
} * ledger; /* in shared memory */

static atomic_int n_reports;
static enum breakage breakage;
static char *message_to;
static size_t message_size;
static int n_opened, descriptors_before;
static bool has_home;
static long mapped_before, blocks_before;

_Noreturn void ledger_fail(const char *file, int line, const char *format, ...) {
    char text[384];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (message_to[0] == '\0') /* else another process failed first */
        snprintf(message_to, message_size, "%s:%d: %s", file, line, text);
    _exit(EXIT_FAILURE);
}

static int count_entries(const char *path) {
    int n = 0;
    DIR *directory = opendir(path);
    if (directory == NULL)
        return 0;
    while (readdir(directory) != NULL)
        n++;
    closedir(directory);
    return n;
}

static void count_report(const char *line, void *arg) {
    (void)arg;
    MUST(line[0] != '\0');
    atomic_fetch_add(&n_reports, 1);
}

void ledger_begin(char *message, size_t size) {
    message_to = message;
    message_size = size;
    ledger = mmap(NULL, sizeof *ledger, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    MUST(ledger != MAP_FAILED);
    descriptors_before = count_entries("/proc/self/fd");
    mapped_before = inject_mapped_bytes();
    blocks_before = inject_heap_blocks();
    filch_on_report(count_report, NULL);
}

struct entry *ledger_next(void) {
    int at = atomic_fetch_add(&ledger->n_entries, 1);
    MUST(at < MOST_ENTRIES);
    return &ledger->entries[at];
}

int ledger_number(const struct entry *entry) {
    return (int)(entry - ledger->entries);
}

struct entry *ledger_entry(int number) {
    MUST(number >= 0 && number < atomic_load(&ledger->n_entries));
    return &ledger->entries[number];
}

void ledger_ran(struct entry *entry) {
    MUST(!entry->was_refused);
    MUST(atomic_fetch_add(&entry->n_run, 1) <= entry->n_deaths);
}

void ledger_may_break(enum breakage when) {
    breakage = when;
}

/* Has a call failed without which something cannot work? */
static bool has_fault(void) {
    return inject_was_reached() && !inject_is_wish();
}

static bool may_be_broken(void) {
    return breakage == BREAKS || (breakage == BREAKS_BY_FAULT && has_fault());
}

bool ledger_is_broken(void) {
    return filch_error_status() == FILCH_BROKEN && may_be_broken();
}

bool ledger_may_fail(filch_status status) {
    return status == FILCH_NO_MEMORY || status == FILCH_SYSTEM;
}

void ledger_check_failure(const char *what) {
    int error = errno;
    filch_status status = filch_error_status();
    if (ledger_is_broken())
        return;
    MUST_MSG(has_fault(), "%s failed though nothing that it needs did: %s", what,
             filch_error_message());
    MUST_MSG(ledger_may_fail(status), "%s: %s: %s", what, filch_status_name(status),
             filch_error_message());
    MUST_MSG(strlen(filch_error_message()) > 10, "%s: the message is '%s'", what,
             filch_error_message());
    MUST_MSG(error != 0, "%s: errno is 0", what);
}

bool ledger_accept(struct entry *entry, filch_future *future) {
    entry->future = future;
    if (future != NULL)
        return true;
    ledger_check_failure("a submit");
    MUST(atomic_load(&entry->n_run) == 0);
    entry->was_refused = true;
    return false;
}

static void count_call(filch_future *future, void *entry) {
    MUST(filch_done(future));
    atomic_fetch_add(&((struct entry *)entry)->n_called, 1);
}

void ledger_add_callback(struct entry *entry) {
    if (filch_add_done_callback(entry->future, count_call, entry) == FILCH_OK)
        entry->n_added++;
    else
        ledger_check_failure("filch_add_done_callback");
}

filch_executor *ledger_open(int n_workers) {
    return ledger_opened(filch_thread_pool(.max_workers = n_workers));
}

filch_executor *ledger_opened(filch_executor *executor) {
    if (executor == NULL)
        ledger_check_failure("opening a pool");
    n_opened += executor != NULL;
    return executor;
}

filch_executor *ledger_open_processes(int max_tasks_per_child, filch_start_method method) {
    ledger_may_break(BREAKS_BY_FAULT);
    inject_lift();
    filch_executor *executor =
        filch_process_pool(.max_workers = 2, .max_tasks_per_child = max_tasks_per_child,
                           .start_method = method);
    MUST_MSG(executor != NULL, "%s", filch_error_message());
    inject_begin();
    return ledger_opened(executor);
}

/* Of a task that failed: by a death of its process if and only if its body kills it. */
static void check_death(const struct entry *entry, const filch_error *error) {
    if (error->signal != 0)
        MUST_MSG(entry->dies && error->signal == SIGKILL, "entry %d: %s", ledger_number(entry),
                 error->message);
    else if (entry->dies)
        MUST_MSG(has_fault(), "a death is told as '%s'", error->message);
    MUST_MSG(error->exit_status <= 0, "%s", error->message);
}

static void check_outcome(struct entry *entry, filch_status status) {
    int n_run = atomic_load(&entry->n_run);
    const filch_error *error = status == FILCH_OK ? NULL : filch_exception(entry->future);
    MUST(error == NULL || strlen(error->message) > 0);
    switch (status) {
    case FILCH_OK:
        MUST(!entry->dies && n_run == 1 + entry->n_deaths);
        break;
    case FILCH_FAILED:
        MUST(n_run == 1 + entry->n_deaths || (n_run == 0 && entry->needs_stack && has_fault()));
        check_death(entry, error);
        break;
    case FILCH_BROKEN: /* no worker could be started, or all were ended */
        MUST(n_run == 0 || breakage == BREAKS || entry->n_deaths > 0);
        MUST_MSG(may_be_broken() || (breakage == BREAKS_BEFORE && has_fault()), "%s",
                 error->message);
        break;
    case FILCH_CANCELLED:
        MUST(n_run == 0 && entry->may_be_cancelled);
        break;
    default:
        ledger_fail(__FILE__, __LINE__, "an accepted future gave %s: %s", filch_status_name(status),
                    filch_error_message());
    }
}

void ledger_settle(void) {
    for (int i = 0; i < atomic_load(&ledger->n_entries); i++) {
        struct entry *entry = &ledger->entries[i];
        if (entry->future == NULL)
            continue;
        filch_status status = filch_join(entry->future);
        if (status == FILCH_SYSTEM) {
            /* Nobody can be started to run it. The wait fails, the task stays accepted. */
            ledger_check_failure("filch_join");
            /* But a worker process that was just ending may have been replaced meanwhile. */
            MUST(breakage != BREAKS_BEFORE || !filch_done(entry->future));
            inject_lift();
            status = filch_join(entry->future);
        }
        check_outcome(entry, status);
        filch_release(entry->future);
        entry->future = NULL;
    }
}

static long twice(long x) {
    return 2 * x;
}
FILCH_TASK(long, twice, long);

static void check_map(filch_executor *executor) {
    long items[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, value = 0;
    filch_results *results = filch_map(executor, twice, items, 10, .chunksize = 3);
    MUST_MSG(results != NULL, "the pool cannot map: %s", filch_error_message());
    for (long i = 0; i < 10; i++)
        MUST(filch_results_next(results, &value) == FILCH_OK && value == 2 * i);
    MUST(filch_results_next(results, &value) == FILCH_END);
    filch_results_close(results);
}

void ledger_check_usable(filch_executor *executor) {
    inject_lift();
    if (executor == NULL)
        return;
    filch_future *future = filch_submit(executor, twice, 21);
    long value = 0;
    MUST_MSG(future != NULL || ledger_is_broken(), "the pool is unusable: %s",
             filch_error_message());
    filch_status status = future == NULL ? FILCH_BROKEN : filch_result(future, &value);
    filch_release(future);
    if (status == FILCH_BROKEN && may_be_broken())
        return;
    MUST_MSG(status == FILCH_OK, "%s", filch_error_message());
    MUST(value == 42);
    check_map(executor);
}

/* What was accepted has ended once, as the pool itself counts. */
static void check_stats(filch_executor *executor) {
    filch_stats_snapshot stats = FILCH_STATS();
    MUST(filch_shutdown(executor) == FILCH_OK);
    MUST(filch_stats(executor, &stats) == FILCH_OK);
    MUST_MSG(stats.pending == 0 && stats.running == 0, "%llu tasks are pending, %llu running",
             (unsigned long long)stats.pending, (unsigned long long)stats.running);
    MUST(stats.submitted == stats.finished + stats.failed + stats.cancelled);
}

void ledger_close(filch_executor *executor) {
    if (executor != NULL)
        check_stats(executor);
    filch_close(executor);
    if (executor == NULL)
        return;
    for (int i = 0; i < atomic_load(&ledger->n_entries); i++) {
        struct entry *entry = &ledger->entries[i];
        MUST_MSG(atomic_load(&entry->n_called) == entry->n_added,
                 "entry %d: %d callbacks were added, %d called", i, entry->n_added,
                 atomic_load(&entry->n_called));
        MUST_MSG(!entry->was_refused || atomic_load(&entry->n_run) == 0,
                 "entry %d was refused, and ran", i);
    }
}

void ledger_finish(filch_executor *executor) {
    ledger_settle();
    ledger_check_usable(executor);
    ledger_close(executor);
}

void ledger_expect_home(void) {
    has_home = true;
}

/* Processes that are not this one's children are those of its parent, which adopts them. */
static int count_processes(void) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)getppid(), (int)getppid());
    FILE *file = fopen(path, "r");
    int n = 0;
    for (int pid; file != NULL && fscanf(file, "%d", &pid) == 1;)
        n += pid != (int)getpid();
    if (file != NULL)
        fclose(file);
    return n;
}

/* What the reservation below has on the heap: paths of control groups. */
static long count_home_blocks(void) {
    long before = inject_heap_blocks();
    struct headroom *headroom = filchi_headroom_open("");
    long n = inject_heap_blocks() - before;
    filchi_headroom_close(headroom);
    return n;
}

void ledger_check_leaks(void) {
    /* Waits for several futures share one reservation per process, for ever. */
    const long shared_bytes = 1L << 30;
    long mapped = inject_mapped_bytes() - mapped_before;
    long blocks = inject_heap_blocks() - blocks_before;
    /* A thread that has been joined is seen there a moment longer; one that stays is a hang. */
    while (count_entries("/proc/self/task") > 3)
        sched_yield();
    while (count_processes() > 0)
        sched_yield();
    MUST(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
    int descriptors = count_entries("/proc/self/fd") - descriptors_before;
    /* That reservation keeps its descriptor where a system cannot back pages without one. */
    MUST_MSG(descriptors == 0 || (descriptors == 1 && (has_home || mapped == shared_bytes)),
             "%d descriptors are left open", descriptors);
    MUST_MSG(has_home || mapped == 0 || mapped == shared_bytes, "%ld bytes are left mapped",
             mapped);
    /* A thread keeps its entries for a closed pool (one more if it has named a node) until it meets
     * the next one. */
    long home_blocks = has_home || mapped > 0 ? count_home_blocks() : 0;
    MUST_MSG(blocks <= 2 * n_opened + home_blocks, "%ld blocks are left on the heap", blocks);
}
