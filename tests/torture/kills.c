/* kills.c: the list, and the killer. */
#include "kills.h"

#include "executor/process_pool/process_pool.h"
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { MOST_KILLS = 1 << 14, MOST_SLOTS = 512, MOST_PAUSE_US = 3000 };

struct kill {
    atomic_int pid;
    atomic_bool was_sure;
    atomic_bool has_innermost; /* the task that this one was running has told */
    atomic_bool is_told;       /* a task has, and nobody is known to have killed it */
};

static struct list {
    atomic_uint n;
    atomic_int n_wrong;
    char wrong[256];
    struct kill each[MOST_KILLS];
} * list;

static pthread_mutex_t adding = PTHREAD_MUTEX_INITIALIZER;

void kills_open(void) {
    list = mmap(NULL, sizeof *list, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (list == MAP_FAILED)
        torture_fail("no memory for the list of kills: %s", strerror(errno));
}

void kills_forget(void) {
    for (unsigned i = 0, n = atomic_load(&list->n); i < n; i++) {
        atomic_store(&list->each[i].pid, 0);
        atomic_store(&list->each[i].was_sure, false);
        atomic_store(&list->each[i].has_innermost, false);
        atomic_store(&list->each[i].is_told, false);
    }
    atomic_store(&list->n, 0);
}

static struct kill *note(int pid) {
    unsigned at = atomic_fetch_add(&list->n, 1);
    if (at >= MOST_KILLS)
        torture_fail("more than %d kills in a pool", MOST_KILLS);
    struct kill *kill = &list->each[at];
    atomic_store(&kill->pid, pid);
    return kill;
}

_Noreturn void kills_die(void) {
    atomic_store(&note(getpid())->was_sure, true);
    for (;;)
        kill(getpid(), SIGKILL);
}

/* The first one of this process. */
static struct kill *find(int pid) {
    for (unsigned i = 0, n = atomic_load(&list->n); i < n; i++)
        if (atomic_load(&list->each[i].pid) == pid)
            return &list->each[i];
    return NULL;
}

bool kills_have(int pid) {
    return find(pid) != NULL;
}

unsigned kills_count(unsigned *n_sure) {
    unsigned n_killed = 0;
    *n_sure = 0;
    for (unsigned i = 0, n = atomic_load(&list->n); i < n; i++) {
        int pid = atomic_load(&list->each[i].pid);
        if (pid <= 0 || find(pid) != &list->each[i])
            continue;
        bool was_sure = false;
        for (unsigned k = i; k < n; k++)
            was_sure |= atomic_load(&list->each[k].pid) == pid && list->each[k].was_sure;
        n_killed++;
        *n_sure += was_sure;
    }
    return n_killed;
}

/* In the list, from now on in any case. */
static struct kill *find_or_add(int pid) {
    pthread_mutex_lock(&adding);
    struct kill *kill = find(pid);
    if (kill == NULL) {
        kill = note(pid);
        atomic_store(&kill->is_told, true);
    }
    pthread_mutex_unlock(&adding);
    return kill;
}

void kills_explain(int id, const filch_error *error, bool waits) {
    struct kill *kill = find_or_add(error->pid);
    if (strstr(error->message, "time limit") != NULL) {
        atomic_store(&kill->was_sure, true);
    } else if (strstr(error->message, "which task") != NULL) {
        if (!waits)
            torture_fail("task %d waits for nobody, and failed: %s", id, error->message);
        return;
    }
    if (atomic_exchange(&kill->has_innermost, true))
        torture_fail("task %d was not the only one that failed so: %s", id, error->message);
}

void kills_check_explained(void) {
    for (unsigned i = 0, n = atomic_load(&list->n); i < n; i++) {
        const struct kill *kill = &list->each[i];
        if (kill->is_told && !kill->was_sure)
            torture_fail("tasks failed by the death of process %d, which nobody killed", kill->pid);
    }
}

void kills_say_wrong(const char *format, ...) {
    if (atomic_fetch_add(&list->n_wrong, 1) > 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(list->wrong, sizeof list->wrong, format, arguments);
    va_end(arguments);
}

void kills_check_nothing_wrong(void) {
    if (atomic_load(&list->n_wrong) > 0)
        torture_fail("in a worker: %s", list->wrong);
}

/* ---- the killer ---- */

/* It was alive when the signal came: what is running, or has died of it. Who was leaving may have ended by
 * itself. */
static bool is_sure(const struct slot *slot, int pid) {
    enum slot_state state = slot_state(slot);
    int status = (int)filch_load_relaxed(&slot->wait_status);
    if ((int)filch_load_relaxed(&slot->pid) != pid)
        return false;
    return state == SLOT_STARTING || state == SLOT_RUNNING ||
           (state == SLOT_DEAD && filchi_fork_read_status(status).signal == SIGKILL);
}

bool kills_one(filch_executor *executor, unsigned number, int pid) {
    const struct slot *slot = &process_pool_of(executor)->shared->slots[number];
    if (pid <= 1)
        return false;
    struct kill *one = note(pid);
    if (kill(pid, SIGKILL) != 0) {
        atomic_store(&one->pid, 0);
        return false;
    }
    if (is_sure(slot, pid))
        atomic_store(&one->was_sure, true);
    return true;
}

/* One of the workers, and now and then all of them. Returns: how many. */
static unsigned kill_some(filch_executor *executor, uint64_t *random) {
    filch_worker_stats each[MOST_SLOTS];
    filch_stats_snapshot stats = FILCH_STATS(.workers = each, .capacity = MOST_SLOTS);
    if (filch_stats(executor, &stats) != FILCH_OK)
        torture_fail("stats: %s", filch_error_message());
    size_t n = stats.n_workers, first = n == 0 ? 0 : draw(random) % n;
    bool all = draw(random) % 16 == 0;
    unsigned n_killed = 0;
    for (size_t i = 0; i < n && (all || n_killed == 0); i++) {
        size_t at = (first + i) % n;
        n_killed += kills_one(executor, (unsigned)at, each[at].pid);
    }
    return n_killed;
}

static void *kill_at_random(void *arg) {
    struct killer *killer = arg;
    uint64_t random = killer->seed;
    unsigned n = 0;
    while (n < killer->n && !atomic_load(&killer->is_to_stop)) {
        long pause_us = (long)(draw(&random) % MOST_PAUSE_US);
        nanosleep(&(struct timespec){0, pause_us * 1000}, NULL);
        n += kill_some(killer->executor, &random);
    }
    return NULL;
}

void killer_start(struct killer *killer) {
    atomic_store(&killer->is_to_stop, false);
    int error = pthread_create(&killer->thread, NULL, kill_at_random, killer);
    if (error != 0)
        torture_fail("the killer does not start: %s", strerror(error));
}

void killer_stop(struct killer *killer) {
    atomic_store(&killer->is_to_stop, true);
    pthread_join(killer->thread, NULL);
}
