/* ledger.h: what a scenario has been promised, and whether it was kept.
 *
 * Each task that a scenario submits has an entry: its future if it was accepted, how often its body
 * ran, how often its callback was called. However a call fails: what was refused never runs, what was
 * accepted ends once, and who added a callback is called once. All entries lie in memory that worker
 * processes share; a task that runs there is given its entry's number.
 *
 * A check that fails ends the process, which is the scenario's own, with a message for fault.c. */
#ifndef FAULT_LEDGER_H
#define FAULT_LEDGER_H

#include "inject.h"
#include <filch/filch.h>
#include <stdatomic.h>

enum { MOST_ENTRIES = 8192 };

struct entry {
    filch_future *future; /* NULL: refused, given back, or submitted in a worker process */
    atomic_int n_run;
    atomic_int n_called;
    int n_added;      /* callbacks that it has */
    int n_deaths;     /* so often the body kills its process and is run again, */
    bool dies;        /* and the last time, too */
    bool needs_stack; /* of its own, for spawns; without memory it fails and is not called */
    bool was_refused;
    bool may_be_cancelled;
};

#define MUST(condition)                                                                            \
    ((condition) ? (void)0 : ledger_fail(__FILE__, __LINE__, "%s is false", #condition))
#define MUST_MSG(condition, ...)                                                                   \
    ((condition) ? (void)0 : ledger_fail(__FILE__, __LINE__, __VA_ARGS__))

__attribute__((format(printf, 3, 4))) _Noreturn void ledger_fail(const char *file, int line,
                                                                 const char *format, ...);

/* Where ledger_fail leaves its message. */
void ledger_begin(char *message, size_t size);

/* The next entry, for the task that is about to be submitted. Any thread. */
struct entry *ledger_next(void);

/* To and from an argument that any process understands. */
int ledger_number(const struct entry *entry);
struct entry *ledger_entry(int number);

/* Called at the start of each task's body. */
void ledger_ran(struct entry *entry);

/* The last call failed, and it says so clearly. */
void ledger_check_failure(const char *what);

/* What a submit returned. Returns: was it accepted? */
bool ledger_accept(struct entry *entry, filch_future *future);

/* Adds a callback that counts its call. */
void ledger_add_callback(struct entry *entry);

/* A pool of `n_workers`, or NULL after a clear failure. */
filch_executor *ledger_open(int n_workers);

/* The same for a pool that the scenario opens. Returns: `executor`. */
filch_executor *ledger_opened(filch_executor *executor);

/* A pool of two processes, opened while nothing fails. */
filch_executor *ledger_open_processes(int max_tasks_per_child, filch_start_method method);

/* May pools break? What is pending fails with FILCH_BROKEN then. */
enum breakage {
    BREAKS_BEFORE,   /* when a call has failed, before anything has run: pools of threads */
    BREAKS_BY_FAULT, /* when a call has failed, and then they take no new tasks */
    BREAKS,          /* in any case: the scenario does it */
    BREAKS_NEVER,
};
void ledger_may_break(enum breakage when);

/* Is the calling thread's last failure that of a broken pool, which may be? */
bool ledger_is_broken(void);

/* A failure that a call may have while others fail: clear, and not a wrong one. */
bool ledger_may_fail(filch_status status);

/* Waits for all that was accepted, checks each outcome, and releases it. */
void ledger_settle(void);

/* Nothing fails any more: the same pool works. NULL is allowed. */
void ledger_check_usable(filch_executor *executor);

/* Closes; then each count must be right, and nothing may be left. NULL is allowed. */
void ledger_close(filch_executor *executor);

/* The end of every scenario: settle, check_usable, close. */
void ledger_finish(filch_executor *executor);

/* The library keeps a home for the program's own futures, once one has been made. */
void ledger_expect_home(void);

/* At the end of the process, all pools closed: no thread, no mapping, no block is left. */
void ledger_check_leaks(void);

#endif
