/* torture.c: the ledger, and what must hold. */
#include "kill_point.h" /* first: before the default of its hook */

#include "torture.h"

#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct table *table;
char torture_where[128];
filch_executor *torture_pool;
__thread uint64_t torture_left;
static __thread unsigned armed_in;
static atomic_int last_id;

void torture_fail(const char *format, ...) {
    va_list list;
    fprintf(stderr, "FAILED: %s\n    ", torture_where);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fprintf(stderr, "\n");
    if (torture_pool != NULL)
        (void)filch_describe(torture_pool, stderr);
    if (getenv("TORTURE_HOLD") != NULL) {
        fprintf(stderr, "process %d holds\n", (int)getpid());
        for (;;)
            pause();
    }
    abort();
}

void torture_arm(uint64_t n) {
    armed_in = atomic_load(&table->trial);
    atomic_store(&table->is_armed_once, 1);
    torture_left = n;
}

void torture_disarm(void) {
    torture_left = 0;
}

void torture_pass(void) {
    if (atomic_load(&table->trial) != armed_in)
        torture_left = 0;
    else if (--torture_left == 0) {
        atomic_fetch_add(&table->n_kills, 1);
        if (getenv("TORTURE_TRACE") != NULL) {
            void *places[24];
            backtrace_symbols_fd(places, backtrace(places, 24), 2);
        }
        kill(getpid(), SIGKILL);
    }
}

/* In each new process of the pool, but for the server. */
static void arm_at_start(void) {
    torture_left = 0;
    int n = atomic_load(&table->kill_at_start);
    if (n > 0 && atomic_exchange(&table->is_armed_once, 1) == 0)
        torture_arm((uint64_t)n);
}

void torture_open(void) {
    table = mmap(NULL, sizeof *table, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (table == MAP_FAILED)
        torture_fail("no memory for the table: %s", strerror(errno));
    pthread_atfork(NULL, NULL, arm_at_start);
}

int torture_new_ids(int n) {
    int last = atomic_fetch_add(&last_id, n) + n;
    if (last >= MOST_TASKS)
        torture_fail("more than %d tasks in a round", MOST_TASKS);
    return last - n + 1;
}

int torture_last_id(void) {
    return atomic_load(&last_id);
}

void torture_reset(void) {
    for (int i = 0; i <= torture_last_id(); i++) {
        atomic_store(&table->n_runs[i], 0);
        atomic_store(&table->may_rerun[i], 0);
        atomic_store(&table->n_calls[i], 0);
    }
    atomic_store(&last_id, 0);
}

long torture_run(int id) {
    atomic_fetch_add(&table->n_runs[id], 1);
    return torture_expect(id);
}

void torture_check_crash(const struct entry *entry, const filch_error *error) {
    int n_runs = atomic_load(&table->n_runs[entry->id]);
    if (error->signal != SIGKILL || error->pid <= 0)
        torture_fail("task %d failed: %s (signal %d, pid %d)", entry->id, error->message,
                     error->signal, (int)error->pid);
    if (!entry->may_fail)
        torture_fail("task %d failed, and ran in nobody who died: %s", entry->id, error->message);
    if (n_runs > 1 + entry->retries)
        torture_fail("task %d failed and ran %d times, with %d retries", entry->id, n_runs,
                     entry->retries);
}

bool torture_check(struct entry *entry) {
    long value = 0;
    filch_status status = filch_result_timeout(entry->future, &value, TORTURE_LIMIT_S);
    int n_runs = atomic_load(&table->n_runs[entry->id]);
    if (status == FILCH_TIMEOUT)
        torture_fail("task %d has not ended; it ran %d times, and is %s", entry->id, n_runs,
                     filch_running(entry->future) ? "running" : "pending");
    if (status == FILCH_FAILED)
        torture_check_crash(entry, filch_exception(entry->future));
    else if (status != FILCH_OK)
        torture_fail("task %d: %s", entry->id, filch_error_message());
    else if (value != torture_expect(entry->id))
        torture_fail("task %d gave %ld", entry->id, value);
    else if (n_runs < 1 || n_runs > 1 + entry->retries)
        torture_fail("task %d finished and ran %d times", entry->id, n_runs);
    filch_release(entry->future);
    entry->future = NULL;
    return status == FILCH_FAILED;
}

double torture_now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static filch_stats_snapshot read_stats(filch_executor *executor) {
    filch_stats_snapshot stats = FILCH_STATS();
    if (filch_stats(executor, &stats) != FILCH_OK)
        torture_fail("stats: %s", filch_error_message());
    return stats;
}

void torture_await_rest(filch_executor *executor, unsigned n_replaced) {
    double end = torture_now_s() + TORTURE_LIMIT_S;
    for (;;) {
        filch_stats_snapshot stats = read_stats(executor);
        if ((unsigned)stats.replaced == n_replaced && stats.idle >= stats.started &&
            stats.pending == 0 && stats.running == 0)
            return;
        /* One more death, of somebody who was armed. */
        if (atomic_load(&table->n_kills) > n_replaced)
            n_replaced = atomic_load(&table->n_kills);
        if (torture_now_s() > end) {
            torture_pool = executor;
            torture_fail("the pool does not come to rest: %d of %u deaths seen to, %d of %d idle, "
                         "%ju pending, %ju running",
                         stats.replaced, n_replaced, stats.idle, stats.started,
                         (uintmax_t)stats.pending, (uintmax_t)stats.running);
        }
        sched_yield();
    }
}

void torture_await_count(atomic_int *count, int n, const char *what) {
    double end = torture_now_s() + TORTURE_LIMIT_S;
    while (atomic_load(count) < n && torture_now_s() < end)
        sched_yield();
    if (atomic_load(count) != n)
        torture_fail("%d of %d %s", atomic_load(count), n, what);
}

/* Comes to the meeting, and waits for the others. */
static long meet(int n) {
    atomic_fetch_add(&table->meeting, 1);
    double end = torture_now_s() + TORTURE_LIMIT_S;
    while (atomic_load(&table->meeting) < n && torture_now_s() < end)
        sched_yield();
    return atomic_load(&table->meeting) >= n;
}
FILCH_TASK(long, meet, int);

void torture_check_whole(filch_executor *executor, int n_workers) {
    filch_future *futures[MOST_WORKERS];
    atomic_store(&table->meeting, 0);
    for (int i = 0; i < n_workers; i++)
        if ((futures[i] = filch_submit(executor, meet, n_workers)) == NULL)
            torture_fail("submit: %s", filch_error_message());
    for (int i = 0; i < n_workers; i++) {
        long met = 0;
        if (filch_result_timeout(futures[i], &met, 2 * TORTURE_LIMIT_S) != FILCH_OK || !met)
            torture_fail("%d tasks do not run at the same time: %d did; %s", n_workers,
                         atomic_load(&table->meeting), filch_error_message());
        filch_release(futures[i]);
    }
}

void torture_check_counts(filch_executor *executor) {
    filch_stats_snapshot stats = read_stats(executor);
    if (stats.pending != 0 || stats.running != 0 ||
        stats.submitted != stats.finished + stats.failed + stats.cancelled)
        torture_fail("submitted %ju, finished %ju, failed %ju, cancelled %ju, pending %ju, running "
                     "%ju",
                     (uintmax_t)stats.submitted, (uintmax_t)stats.finished, (uintmax_t)stats.failed,
                     (uintmax_t)stats.cancelled, (uintmax_t)stats.pending,
                     (uintmax_t)stats.running);
}
