/* pool.h: what the scenarios of the scheduler share: a scheduler with up to two workers, whose entries
 * are numbers of tasks. A task is a word, as a future is, and says whether it was run. */
#ifndef FILCH_MODEL_POOL_H
#define FILCH_MODEL_POOL_H

#include "model.h"

#include "platform/clock.h"
#include "platform/futex.h"
#include "scheduler/worker.h"
#include <errno.h>
#include <limits.h>
#include <string.h>

enum { WORKERS = 2, TASKS = 4, GOOD = 7, SMALL_RING = 2 };
enum { TASK_NONE, TASK_PENDING, TASK_RUNNING, TASK_DONE, TASK_WITHDRAWN };

static _Alignas(CACHE_LINE) unsigned char scheduler_memory[sizeof(struct scheduler) + 64];
static struct scheduler *const scheduler = (struct scheduler *)scheduler_memory;
static struct arena *arena;
static struct producer *producers[2];
static filch_atomic_u32 tasks[TASKS];     /* PENDING by a release store, as PUBLISHED */
static filch_atomic_u32 arguments[TASKS]; /* relaxed */

/* What a task does; NULL: nothing. */
static void (*task_body[TASKS])(void);

static inline void run_task(struct worker *worker, uint64_t entry) {
    (void)worker;
    uint32_t pending = TASK_PENDING;
    if (!filch_cas_acq_rel(&tasks[entry], &pending, (uint32_t)TASK_RUNNING)) {
        model_assert(pending == TASK_WITHDRAWN || pending == TASK_DONE);
        return;
    }
    model_assert(filch_load_relaxed(&arguments[entry]) == GOOD);
    if (task_body[entry] != NULL)
        task_body[entry]();
    filch_store_release(&tasks[entry], (uint32_t)TASK_DONE);
    filchi_futex_wake(&tasks[entry].value, INT_MAX, false);
}

static inline void prefetch_task(struct scheduler *unused, uint64_t entry) {
    (void)unused;
    (void)entry;
}

static inline bool is_task_live(void *unused, uint64_t entry) {
    (void)unused;
    return filch_load_relaxed(&tasks[entry]) == TASK_PENDING;
}

static inline void work(void *worker) {
    filchi_worker_become(worker);
    filchi_worker_loop(worker);
}

/* As thread_pool.c and executor.c do. Threads started on demand are called "started". */
static inline int start_worker(struct worker *worker) {
    filchi_park_set_started(&scheduler->park, worker->number, true);
    worker->is_searching = true; /* who woke it set the bit */
    model_thread("started", work, worker);
    return 0;
}

static const struct scheduler_operations operations = {
    .run = run_task, .prefetch = prefetch_task, .is_live = is_task_live, .start = start_worker};

/* Two tasks that wait for each other: both must run at the same time. */
static filch_atomic_u32 met[2];

static inline void pool_open(uint32_t n_workers, uint32_t n_started, uint64_t spin_ns,
                             const struct scheduler_operations *with) {
    arena = filchi_arena_open(4 << 20);
    model_assert(arena != NULL);
    memset(task_body, 0, sizeof task_body);
    filch_store_relaxed(&met[0], 0u);
    filch_store_relaxed(&met[1], 0u);
    for (int i = 0; i < TASKS; i++) {
        filch_store_relaxed(&tasks[i], (uint32_t)TASK_NONE);
        filch_store_relaxed(&arguments[i], 0u);
    }
    filchi_scheduler_init(scheduler, arena, n_workers, spin_ns, false, with);
    for (int i = 0; i < 2; i++) {
        producers[i] = filchi_scheduler_join(scheduler);
        model_name(&producers[i]->deque.top, 8, i == 0 ? "outside 0 top" : "outside 1 top");
        model_name(&producers[i]->deque.bottom, 8,
                   i == 0 ? "outside 0 bottom" : "outside 1 bottom");
    }
    for (uint32_t i = 0; i < n_started; i++) {
        struct worker *worker = filchi_worker_make(scheduler, i);
        bool is_started;
        model_assert(filchi_park_claim_sleeper(&scheduler->park, false, &is_started) == (int)i);
        filchi_park_end_search(&scheduler->park, i);
        filchi_park_set_started(&scheduler->park, i, true);
        model_name(worker, 8192, i == 0 ? "worker 0" : "worker 1");
        model_name(&worker->sleep_word, 4, i == 0 ? "sleep word 0" : "sleep word 1");
        model_name(&worker->producer.hidden, 4, i == 0 ? "hidden 0" : "hidden 1");
    }
    model_name(&scheduler->flags, 4, "flags");
    model_name(&scheduler->outside, 8, "producers");
    model_name(&scheduler->park.domains[0].search, 8, "search bits");
    model_name(&scheduler->park.domains[0].sleep, 8, "sleep bits");
    model_name(&scheduler->park.domains[0].started, 8, "started bits");
    model_name(tasks, sizeof tasks, "tasks");
}

static inline void pool_close(void) {
    filchi_arena_close(arena);
}

static inline void work_first(void) {
    work(scheduler_worker(scheduler, 0));
}

static inline void work_second(void) {
    work(scheduler_worker(scheduler, 1));
}

static inline void break_task(void *unused, uint64_t entry) {
    (void)unused;
    uint32_t pending = TASK_PENDING;
    (void)filch_cas_acq_rel(&tasks[entry], &pending, (uint32_t)TASK_WITHDRAWN);
}

/* As filchi_pool_fail_queued of executor/executor.c. */
static inline void fail_queued(void) {
    filchi_barrier_heavy();
    filchi_scheduler_drain(scheduler, break_task, NULL);
}

/* As enqueue() of executor/submit.c. Returns: false if it was taken back. */
static inline bool submit_to(struct producer *producer, uint32_t task) {
    filch_store_relaxed(&arguments[task], (uint32_t)GOOD);
    filch_store_release(&tasks[task], (uint32_t)TASK_PENDING); /* PUBLISHED */
    if (!producer_push(producer, task))
        model_assert(filchi_producer_make_room(producer) && producer_push(producer, task));
    int error = 0;
    if (park_must_wake(&scheduler->park))
        error = filchi_scheduler_wake_one(scheduler);
    if (error == 0 && scheduler_flags(scheduler) == 0)
        return true;
    bool ending = scheduler_flags(scheduler) != 0;
    if (!ending && park_has_started(&scheduler->park))
        return true;
    uint32_t pending = TASK_PENDING;
    if (!filch_cas_acq_rel(&tasks[task], &pending, (uint32_t)TASK_WITHDRAWN))
        return true;
    if (!ending && !park_has_started(&scheduler->park))
        fail_queued();
    return false;
}

/* In setup: queued, and nobody was told. */
static inline void queue(uint32_t task) {
    filch_store_relaxed(&arguments[task], (uint32_t)GOOD);
    filch_store_relaxed(&tasks[task], (uint32_t)TASK_PENDING);
    model_assert(producer_push(producers[0], task));
}

static inline void meet(uint32_t me) {
    filch_store_seq_cst(&met[me], 1u);
    filchi_futex_wake(&met[me].value, INT_MAX, false);
    while (filch_load_seq_cst(&met[1 - me]) == 0)
        filchi_futex_wait(&met[1 - me].value, 0, FILCHI_NEVER, false);
}

static inline void meet_first(void) {
    meet(0);
}

static inline void meet_second(void) {
    meet(1);
}

static inline void expect_meeting(void) {
    task_body[0] = meet_first;
    task_body[1] = meet_second;
}

static inline void await_task(uint32_t task) {
    for (;;) {
        uint32_t state = filch_load_acquire(&tasks[task]);
        if (state == TASK_DONE)
            return;
        filchi_futex_wait(&tasks[task].value, state, FILCHI_NEVER, false);
    }
}

/* Nobody waits for what could run: every task was run or taken back. */
static inline bool is_all_done(void) {
    for (int i = 0; i < TASKS; i++) {
        uint32_t state = filch_load_acquire(&tasks[i]);
        if (state == TASK_PENDING || state == TASK_RUNNING)
            return false;
    }
    return true;
}

static inline void pool_stop(void) {
    filchi_scheduler_set_flag(scheduler, SCHEDULER_STOPPING);
}

#endif
