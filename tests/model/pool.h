/* pool.h: what the scenarios of the scheduler share: a scheduler with one or two seats, whose entries
 * are numbers of tasks. A task is a word, as a future is, and says whether it was run. Nobody starts one
 * without a seat, and never more are between their start and a wait than there are seats. */
#ifndef FILCH_MODEL_POOL_H
#define FILCH_MODEL_POOL_H

#include "model.h"

#include "platform/clock.h"
#include "platform/futex.h"
#include "scheduler/substitute.h"
#include "scheduler/worker.h"
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>

#ifndef MODEL_TASKS
#define MODEL_TASKS 4
#endif
enum { SEATS = 2, TASKS = MODEL_TASKS, GOOD = 7, SMALL_RING = 2, WORKERS = 8 };
enum { TASK_NONE, TASK_PENDING, TASK_RUNNING, TASK_DONE, TASK_WITHDRAWN, TASK_FAILED };

/* filchi_scheduler_bytes(SEATS), without places. */
enum { POINTERS = SEATS + SUBSTITUTES + SEATS, PLACES = 2048 };
static _Alignas(
    CACHE_LINE) unsigned char scheduler_memory[sizeof(struct scheduler) +
                                               POINTERS * sizeof(filch_atomic_pointer) + PLACES];
static struct scheduler *const scheduler = (struct scheduler *)scheduler_memory;
static struct arena *arena;
static struct producer *producers[2];
static filch_atomic_u32 tasks[TASKS];     /* PENDING by a release store, as PUBLISHED */
static filch_atomic_u32 arguments[TASKS]; /* relaxed */

/* Set before pool_open: the pool's workers are as if each were a process. */
#ifndef MODEL_SHARED
#define MODEL_SHARED false
#endif
static bool pool_is_shared = MODEL_SHARED;

/* What a task does; NULL: nothing. */
static void (*task_body[TASKS])(void);

/* Who is in a task that was started and does not wait, and who began which. What follows from who is where,
 * the explorer need not see. */
static atomic_bool sits[WORKERS];
static atomic_int task_owner[TASKS], n_runs[TASKS];

static inline void sits_down(const struct worker *worker) {
    int n_seated = 0;
    atomic_store(&sits[worker->number], true);
    for (int i = 0; i < WORKERS; i++)
        n_seated += atomic_load(&sits[i]);
    model_assert(n_seated <= (int)scheduler->n_seats);
    model_assert(scheduler_seated(scheduler, worker->seat) == worker);
}

static inline void stands_up(void) {
    atomic_store(&sits[filchi_worker_self()->number], false);
}

static inline void run_task(struct worker *worker, uint64_t entry) {
    model_assert(worker->seat != SEAT_NONE);
    uint32_t pending = TASK_PENDING;
    if (!filch_cas_acq_rel(&tasks[entry], &pending, (uint32_t)TASK_RUNNING)) {
        model_assert(pending != TASK_NONE);
        return;
    }
    atomic_store(&task_owner[entry], (int)worker->number);
    atomic_fetch_add(&n_runs[entry], 1);
    sits_down(worker);
    model_assert(filch_load_relaxed(&arguments[entry]) == GOOD);
    if (task_body[entry] != NULL)
        task_body[entry]();
    if (worker->seat != SEAT_NONE)
        stands_up();
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
    filchi_substitute_free_slot(worker);
}

/* As thread_pool.c and executor.c do. Threads started on demand are called "started". */
static inline int start_worker(struct worker *worker) {
    filchi_park_set_taken(&scheduler->park, worker->seat, true);
    worker->is_searching = true; /* who woke it set the bit */
    model_thread("started", work, worker);
    return 0;
}

static inline void move_worker(struct worker *unused) {
    (void)unused;
}

static const struct scheduler_operations operations = {.run = run_task,
                                                       .prefetch = prefetch_task,
                                                       .is_live = is_task_live,
                                                       .start = start_worker,
                                                       .move = move_worker};

/* Two tasks that wait for each other: both must run at the same time. */
static filch_atomic_u32 met[2];

/* A worker that already sits there, in the slot of the same number. */
static inline void pool_seat(uint32_t seat) {
    bool is_taken;
    model_assert(filchi_park_claim_vacant(&scheduler->park, seat, &is_taken) == (int)seat);
    filch_store_relaxed(&scheduler->free_slots[0],
                        filch_load_relaxed(&scheduler->free_slots[0]) & ~((uint64_t)1 << seat));
    struct worker *worker = filchi_worker_make(scheduler, seat, seat);
    model_assert(worker != NULL);
    worker->seat = seat;
    filch_store_relaxed(&scheduler->seated[seat], (void *)worker);
    filchi_park_set_taken(&scheduler->park, seat, true);
    (void)park_release(&scheduler->park, seat);
    model_name(worker, 8192, seat == 0 ? "worker 0" : "worker 1");
    model_name(&worker->sleep_word, 4, seat == 0 ? "sleep word 0" : "sleep word 1");
    model_name(&worker->producer.hidden, 4, seat == 0 ? "hidden 0" : "hidden 1");
}

static inline void pool_open(uint32_t n_seats, uint32_t n_started, uint64_t spin_ns,
                             const struct scheduler_operations *with) {
    arena = filchi_arena_open(4 << 20);
    model_assert(arena != NULL);
    arena->owner = scheduler;
    memset(task_body, 0, sizeof task_body);
    filch_store_relaxed(&met[0], 0u);
    filch_store_relaxed(&met[1], 0u);
    for (int i = 0; i < TASKS; i++) {
        filch_store_relaxed(&tasks[i], (uint32_t)TASK_NONE);
        filch_store_relaxed(&arguments[i], 0u);
        atomic_store(&task_owner[i], -1);
        atomic_store(&n_runs[i], 0);
    }
    for (int i = 0; i < WORKERS; i++)
        atomic_store(&sits[i], false);
    model_assert(filchi_scheduler_bytes(n_seats) <= sizeof scheduler_memory);
    filchi_scheduler_init(scheduler, arena, n_seats, spin_ns, pool_is_shared, with);
    for (int i = 0; i < 2; i++) {
        producers[i] = filchi_scheduler_join(scheduler, -1);
        model_name(&producers[i]->deque.top, 8, i == 0 ? "outside 0 top" : "outside 1 top");
        model_name(&producers[i]->deque.bottom, 8,
                   i == 0 ? "outside 0 bottom" : "outside 1 bottom");
    }
    for (uint32_t i = 0; i < n_started; i++)
        pool_seat(i);
    model_name(&scheduler->flags, 4, "flags");
    model_name(&scheduler->outside, 8, "producers");
    model_name(&scheduler->park.domains[0].search, 8, "search bits");
    model_name(&scheduler->park.domains[0].sleep, 8, "sleep bits");
    model_name(&scheduler->park.domains[0].taken, 8, "taken bits");
    model_name(&scheduler->spares[0], 8, "spares");
    model_name(&scheduler->free_slots[0], 8, "free slots");
    model_name(&scheduler->n_absent, 4, "n_absent");
    model_name(tasks, sizeof tasks, "tasks");
}

/* As who recovers from a death, or has put something into its mail: a token that nobody has claimed. */
static inline void give_stray(void) {
    filchi_worker_notify(scheduler_worker(scheduler, 0));
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
    filchi_barrier_heavy(&scheduler->park.barrier);
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
    if (!ending && park_is_attended(&scheduler->park))
        return true;
    uint32_t pending = TASK_PENDING;
    if (!filch_cas_acq_rel(&tasks[task], &pending, (uint32_t)TASK_WITHDRAWN))
        return true;
    if (error != 0 && !park_is_attended(&scheduler->park))
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
        if (state == TASK_DONE || state == TASK_FAILED)
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
