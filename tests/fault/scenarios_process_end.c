/* scenarios_process_end.c: processes that die, are replaced, are ended, and what they leave. */
#include "ledger.h"
#include "scenarios.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TASKS = 10, SHARED_BYTES = 300000 };

static long work(int entry, long x) {
    struct entry *e = ledger_entry(entry);
    ledger_ran(e);
    if (e->dies || atomic_load(&e->n_run) <= e->n_deaths)
        raise(SIGKILL);
    return x;
}
FILCH_TASK(long, work, int, long);

static void submit_some(filch_executor *ex, int n, bool may_be_cancelled) {
    for (int i = 0; ex != NULL && i < n; i++) {
        struct entry *e = ledger_next();
        e->may_be_cancelled = may_be_cancelled;
        if (ledger_accept(e, filch_submit(ex, work, ledger_number(e), i)) && i % 3 == 0)
            ledger_add_callback(e);
    }
}

static void hold(int entry) {
    ledger_ran(ledger_entry(entry));
    for (;;)
        pause();
}
FILCH_TASK_VOID(hold, int);

/* Exactly those that die fail; those that are tried again end well. */
static void run_process_death(void) {
    filch_executor *ex = ledger_open_processes(0, FILCH_FORKSERVER);
    for (int i = 0; ex != NULL && i < 2; i++) {
        struct entry *dead = ledger_next(), *twice_dead = ledger_next(), *last = ledger_next(),
                     *late = ledger_next();
        submit_some(ex, TASKS / 2, false);
        dead->dies = last->dies = late->dies = true;
        twice_dead->n_deaths = 2;
        last->n_deaths = 1;
        if (ledger_accept(dead, filch_submit(ex, work, ledger_number(dead), 1)))
            ledger_add_callback(dead);
        (void)ledger_accept(twice_dead, filch_submit_with(ex, FILCH_OPTIONS(.retries = 2), work,
                                                          ledger_number(twice_dead), 2));
        (void)ledger_accept(
            last, filch_submit_with(ex, FILCH_OPTIONS(.retries = 1), work, ledger_number(last), 3));
        submit_some(ex, TASKS / 2, false);
    }
    ledger_finish(ex);
}

static void run_process_replaced(void) {
    filch_executor *ex = ledger_open_processes(2, FILCH_FORK);
    submit_some(ex, TASKS, false);
    ledger_settle();
    submit_some(ex, TASKS, false);
    ledger_finish(ex);
}

/* ---- memory ---- */

static uintptr_t fill(int entry, void *shared, size_t size) {
    ledger_ran(ledger_entry(entry));
    memset(shared, 'f', size);
    char *own = filch_shared_alloc(filch_this_executor(), size);
    if (own == NULL) {
        ledger_check_failure("filch_shared_alloc in a worker process");
        return 0;
    }
    memset(own, 'o', size);
    return (uintptr_t)own;
}
FILCH_TASK(uintptr_t, fill, int, void *, size_t);

static void *allocate(filch_executor *ex, size_t size) {
    void *memory = ex == NULL ? NULL : filch_shared_alloc(ex, size);
    if (ex != NULL && memory == NULL)
        ledger_check_failure("filch_shared_alloc");
    return memory;
}

/* Returns: what the task has allocated. */
static char *check_filled(const struct entry *entry, const char *shared, size_t size) {
    uintptr_t own = 0;
    if (entry->future == NULL || filch_result(entry->future, &own) != FILCH_OK)
        return NULL;
    MUST(shared[0] == 'f' && shared[size - 1] == 'f');
    const char *text = (const char *)own;
    MUST(own == 0 || (text[0] == 'o' && text[size - 1] == 'o'));
    return (char *)own;
}

static void run_process_shared(void) {
    filch_executor *ex = ledger_open_processes(0, FILCH_FORKSERVER);
    char *left[3] = {NULL};
    for (int i = 0; ex != NULL && i < 3; i++) {
        size_t size = i == 0 ? 100 : SHARED_BYTES;
        void *shared = allocate(ex, size);
        struct entry *e = ledger_next();
        if (shared != NULL)
            (void)ledger_accept(e, filch_submit(ex, fill, ledger_number(e), shared, size));
        left[i] = check_filled(e, shared, size);
        MUST(left[i] == NULL || filch_shared_contains(ex, left[i]));
        filch_shared_free(ex, shared);
    }
    filch_shared_free(ex, left[0]);
    ledger_finish(ex);
    MUST(left[1] == NULL || filch_shared_contains(NULL, left[1]));
    filch_shared_free(NULL, left[1]);
    filch_shared_free(NULL, left[2]);
}

/* ---- ends ---- */

static void shut_down(filch_executor *ex, unsigned flags) {
    filch_status status =
        filch_shutdown(ex, .no_wait = (flags & 1) != 0, .cancel_futures = (flags & 2) != 0,
                       .timeout = flags & 4 ? 1e-4 : 0);
    MUST(status == FILCH_OK || (status == FILCH_TIMEOUT && (flags & 4) != 0));
    MUST(filch_submit(ex, work, 0, 0) == NULL);
    MUST(filch_error_status() == FILCH_SHUTDOWN || ledger_is_broken());
}

static void run_process_shutdown(void) {
    static const unsigned all[] = {0, 1, 2, 7};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        filch_executor *ex = ledger_open_processes(0, FILCH_FORKSERVER);
        if (ex == NULL)
            continue;
        submit_some(ex, TASKS, true);
        shut_down(ex, all[i]);
        if (i % 2 == 0)
            ledger_settle(); /* else the futures outlive their pool */
        ledger_close(ex);
    }
    ledger_settle();
}

/* Ended while some tasks run, some wait, and some are done. */
static void end_workers(filch_status (*end)(filch_executor *executor)) {
    filch_executor *ex = ledger_open_processes(0, FILCH_FORKSERVER);
    ledger_may_break(BREAKS);
    submit_some(ex, TASKS / 2, false);
    for (int i = 0; ex != NULL && i < 2; i++) {
        struct entry *e = ledger_next();
        (void)ledger_accept(e, filch_submit(ex, hold, ledger_number(e)));
    }
    submit_some(ex, TASKS / 2, false);
    if (ex != NULL)
        MUST(end(ex) == FILCH_OK);
    ledger_settle();
    ledger_close(ex);
}

static void run_process_kill(void) {
    end_workers(filch_kill_workers);
    end_workers(filch_terminate_workers);
}

/* The fork server is the only process besides this one that `adopter` has. */
static pid_t find_server(pid_t adopter) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)adopter, (int)adopter);
    FILE *file = fopen(path, "r");
    pid_t server = 0;
    for (int pid; file != NULL && fscanf(file, "%d", &pid) == 1;)
        if (pid != (int)getpid())
            server = pid;
    if (file != NULL)
        fclose(file);
    return server;
}

static void lose_server(pid_t adopter) {
    filch_executor *ex = ledger_open_processes(0, FILCH_FORKSERVER);
    inject_lift();
    pid_t server = find_server(adopter);
    inject_begin();
    ledger_may_break(BREAKS);
    submit_some(ex, TASKS, false);
    if (server > 0)
        kill(server, SIGKILL);
    submit_some(ex, TASKS, false);
    ledger_settle();
    ledger_close(ex);
}

/* The orphans are adopted by the parent, and by this process. */
static void run_process_server(void) {
    lose_server(getppid());
    MUST(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    lose_server(getpid());
    /* One that was being forked just then has told nobody its number. */
    while (waitpid(-1, NULL, 0) < 0 && errno == EINTR)
        ;
}

const struct scenario scenarios_process_end[] = {
    {"process_death", run_process_death},
    {"process_replaced", run_process_replaced},
    {"process_shared", run_process_shared},
    {"process_shutdown", run_process_shutdown},
    {"process_kill", run_process_kill},
    {"process_server", run_process_server},
    {0},
};
