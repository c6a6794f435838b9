/* executor/stats.c: adding up the counters. */
#include <filch/stats.h>

#include "base/status.h"
#include "executor/pool.h"
#include "scheduler/slots.h"
#include <string.h>

/* Of two counters that are read one after the other, while both grow. */
static uint64_t difference(uint64_t more, uint64_t less) {
    return more > less ? more - less : 0;
}

static void read_worker(const struct worker *worker, filch_worker_stats *stats) {
    const struct worker_counters *counters = &worker->counters;
    stats->finished = filch_load_relaxed(&counters->n_finished);
    stats->failed = filch_load_relaxed(&counters->n_failed);
    stats->running =
        difference(filch_load_relaxed(&counters->n_started), stats->finished + stats->failed);
    stats->submitted = filch_load_relaxed(&worker->producer.n_submitted);
    stats->steals_tried = filch_load_relaxed(&counters->n_steals_tried);
    stats->steals_won = filch_load_relaxed(&counters->n_steals_won);
    stats->parks = filch_load_relaxed(&counters->n_parks);
    stats->wakes = filch_load_relaxed(&counters->n_wakes);
}

static void add_worker(filch_stats_snapshot *sum, const filch_worker_stats *one) {
    sum->submitted += one->submitted;
    sum->running += one->running;
    sum->finished += one->finished;
    sum->failed += one->failed;
    sum->steals_tried += one->steals_tried;
    sum->steals_won += one->steals_won;
    sum->parks += one->parks;
    sum->wakes += one->wakes;
}

/* An element of the caller's array, which may be of another version. */
static void give_worker(const filch_stats_snapshot *snapshot, size_t at,
                        const filch_worker_stats *one) {
    size_t size = snapshot->worker_size;
    char *to = (char *)snapshot->workers + at * size;
    memset(to, 0, size);
    memcpy(to, one, size < sizeof *one ? size : sizeof *one);
}

static int pid_of(const filch_executor *executor, uint32_t number) {
    const struct pool_operations *operations = executor->operations;
    return operations->find_pid == NULL ? 0 : operations->find_pid(executor, number);
}

static void read_workers(const filch_executor *executor, filch_stats_snapshot *snapshot) {
    const struct scheduler *scheduler = executor->pool->scheduler;
    uint32_t n_made = scheduler_n_made(scheduler);
    snapshot->n_workers = n_made;
    for (uint32_t i = 0; i < n_made; i++) {
        const struct worker *worker = scheduler_worker(scheduler, i);
        filch_worker_stats one = {0};
        if (worker != NULL)
            read_worker(worker, &one);
        one.pid = pid_of(executor, i);
        add_worker(snapshot, &one);
        if (snapshot->workers != NULL && i < snapshot->capacity)
            give_worker(snapshot, i, &one);
    }
}

static int count_bits(const filch_atomic_u64 *words, size_t n) {
    int sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += __builtin_popcountll(filch_load_relaxed(&words[i]));
    return sum;
}

static void read_states(const filch_executor *executor, filch_stats_snapshot *snapshot) {
    const struct scheduler *scheduler = executor->pool->scheduler;
    snapshot->max_workers = (int)scheduler->n_seats;
    snapshot->started = (int)filchi_roster_count(&executor->pool->roster);
    snapshot->replaced = (int)filch_load_relaxed(&executor->pool->n_replaced);
    snapshot->blocked = (int)filchi_slots_count_absent(scheduler);
    snapshot->idle = count_bits(scheduler->spares, SLOT_WORDS);
    for (uint32_t i = 0; i < scheduler->park.n_domains; i++) {
        const struct park_domain *domain = &scheduler->park.domains[i];
        uint64_t idle = filch_load_relaxed(&domain->sleep) | filch_load_relaxed(&domain->search);
        snapshot->idle += __builtin_popcountll(idle & filch_load_relaxed(&domain->taken));
    }
}

/* What workers that are processes have cancelled and broken. */
static void add_lives(const struct pool *pool, filch_stats_snapshot *snapshot) {
    const struct process_life *lives = pool->host.lives;
    for (uint32_t tag = 1; lives != NULL && tag <= scheduler_n_made(pool->scheduler); tag++) {
        snapshot->cancelled += filch_load_relaxed(&lives[tag].n_cancelled);
        snapshot->failed += filch_load_relaxed(&lives[tag].n_broken);
    }
}

static filch_status check_snapshot(const char *function, const filch_stats_snapshot *snapshot) {
    if (snapshot == NULL)
        return filchi_fail(FILCH_INVALID, "%s: snapshot is NULL; pass the address of one",
                           function);
    size_t least = offsetof(filch_stats_snapshot, submitted);
    if (snapshot->size < least || snapshot->size > 4096)
        return filchi_fail(FILCH_INVALID,
                           "%s: snapshot->size is %zu; make the snapshot with FILCH_STATS()",
                           function, snapshot->size);
    if (snapshot->workers == NULL && snapshot->capacity > 0)
        return filchi_fail(
            FILCH_INVALID,
            "%s: snapshot->workers is NULL and .capacity is %zu; give an array of so "
            "many, or neither",
            function, snapshot->capacity);
    if (snapshot->capacity > 0 &&
        (snapshot->worker_size < sizeof(uint64_t) || snapshot->worker_size > 4096))
        return filchi_fail(FILCH_INVALID,
                           "%s: snapshot->worker_size is %zu; make the snapshot with FILCH_STATS()",
                           function, snapshot->worker_size);
    return FILCH_OK;
}

filch_status filch_stats(filch_executor *executor, filch_stats_snapshot *snapshot) {
    const char *function = "filch_stats";
    if (!filchi_executor_check(function, executor))
        return filch_error_status();
    filch_status status = check_snapshot(function, snapshot);
    if (status != FILCH_OK)
        return status;
    struct pool *pool = executor->pool;
    filch_stats_snapshot now = {.size = snapshot->size,
                                .worker_size = snapshot->worker_size,
                                .workers = snapshot->workers,
                                .capacity = snapshot->capacity};
    /* What ends a task first, what begins it last: so nothing seems to have ended before it began. */
    now.cancelled = filch_load_relaxed(&pool->host.n_cancelled);
    now.failed = filch_load_relaxed(&pool->host.n_broken);
    add_lives(pool, &now);
    read_workers(executor, &now);
    const struct producer *p = filch_load_acquire(&pool->scheduler->outside); /* PRODUCER-MADE */
    for (; p != NULL; p = p->next)
        now.submitted += filch_load_relaxed(&p->n_submitted);
    now.pending =
        difference(now.submitted, now.finished + now.failed + now.cancelled + now.running);
    read_states(executor, &now);
    memset(snapshot, 0, snapshot->size);
    memcpy(snapshot, &now, now.size < sizeof now ? now.size : sizeof now);
    return FILCH_OK;
}
