/* torture.h: what both torture programs share: tasks that count their runs in memory that everybody
 * sees, a ledger of what was promised about each, and what must hold when a round is over. */
#ifndef FILCH_TORTURE_H
#define FILCH_TORTURE_H

#include <filch/filch.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { MOST_TASKS = 1 << 16, MOST_WORKERS = 8 };

/* Seen by the program and all workers; mapped before the first pool is opened. */
struct table {
    atomic_uint trial;        /* who was armed in an earlier one does not die any more */
    atomic_uint n_kills;      /* announced by who dies */
    atomic_int kill_at_start; /* a new worker arms itself with so many accesses; 0: none does */
    atomic_int is_armed_once; /* somebody has armed itself in this trial */
    atomic_int meeting;       /* how many tasks have come to it */
    atomic_int go;            /* lets tasks that hold go */
    atomic_int n_runs[MOST_TASKS];
    atomic_int may_rerun[MOST_TASKS]; /* so many times, by retries */
    atomic_int n_calls[MOST_TASKS];   /* of callbacks that were added in workers */
};
extern struct table *table;

/* One task that was submitted. */
struct entry {
    filch_future *future;
    int id;
    int retries;
    bool may_fail; /* it ran in, or waits for, somebody who may die */
};

void torture_open(void);

/* New ids whose runs are counted, by any thread of the program. Returns: the first one. */
int torture_new_ids(int n);
static inline int torture_new_id(void) {
    return torture_new_ids(1);
}

/* The largest one of this round. */
int torture_last_id(void);

/* Forgets all ids. Nothing may run. */
void torture_reset(void);

/* Counts a run; in the task. Returns: what the task gives. */
long torture_run(int id);
static inline long torture_expect(int id) {
    return 3L * id + 1;
}

/* What has ended: FINISHED with the right result after one run (and one more for each death, with
 * retries), or FAILED by the death of a worker, after at most one run more than it has retries.
 * Releases the future. Returns: true if it failed. */
bool torture_check(struct entry *entry);

/* The second part of that, for an error that somebody has at hand. */
void torture_check_crash(const struct entry *entry, const filch_error *error);

/* Waits until the pool rests with `n_replaced` deaths seen to: all workers asleep. */
void torture_await_rest(filch_executor *executor, unsigned n_replaced);

/* Waits until all `n` of something have come, which nobody else waits for. */
void torture_await_count(atomic_int *count, int n, const char *what);

/* All workers run at the same time: the pool is whole. */
void torture_check_whole(filch_executor *executor, int n_workers);

/* All that was submitted has ended, and the numbers say so. */
void torture_check_counts(filch_executor *executor);

/* Ends the program: says what is wrong, where it was, and how to get there again. With TORTURE_HOLD in the
 * environment all stays as it is, for a debugger. */
_Noreturn void torture_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What the program is doing, and with which pool (NULL: none), for torture_fail. */
extern char torture_where[128];
extern filch_executor *torture_pool;

double torture_now_s(void);

/* A hang is found by the limit of each wait; ends the program. */
enum { TORTURE_LIMIT_S = 30 };

/* In the arming process. */
void torture_arm(uint64_t n);
void torture_disarm(void);

#endif
