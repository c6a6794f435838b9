/* recover.c: a worker that is a process dies at any of its accesses, and the reaper puts in order what it
 * left: with the scheduler itself, and a server that starts processes when they are asked for. At the end no
 * task is lost, none was run twice, at most what the dead one ran has failed, and nobody sleeps who is
 * needed. */
#define MODEL_SHARED true
#define MODEL_TASKS 5
#include "waits.h"

#include "platform/process.h"
#include "platform/thread.h"
#include "scheduler/recover.h"

enum { SLOTS = 4 };
#define SERVER_ENDS (UINT32_C(1) << 31) /* on plain threads; requests may come after it */

static filch_atomic_u32 asked[SLOTS]; /* 1: by who claimed the slot; 2: there is a process */
static filch_atomic_u32 bell;         /* rises with each request */
static struct producer *reapers;
static int n_killed; /* by the reaper alone */
static atomic_bool
    is_unqueued[TASKS]; /* it is pending, and its submitter has not come to its push */

static void live(struct worker *worker) {
    filchi_process_serve_on_thread(arena->owner, worker->number + 1);
    filchi_worker_become(worker);
    filchi_worker_loop(worker);
}

/* By the reaper, or by an immortal one itself. */
static void bury(struct worker *worker) {
    filch_store_release(&asked[worker->number], 0u);
    filchi_substitute_free_slot(worker);
}

static void be_started(void *arg) {
    struct worker *worker = arg;
    worker->is_searching = true; /* who asked for it set the bit */
    live(worker);
    bury(worker);
}

static int ask(struct worker *worker) {
    filchi_park_set_taken(&scheduler->park, worker->seat, true);
    filch_store_seq_cst(&asked[worker->number], 1u);
    (void)filch_fetch_add_seq_cst(&bell, 1u);
    filchi_futex_wake(&bell.value, 1, false);
    return 0;
}

static bool has_started(const struct worker *worker) {
    return filch_load_acquire(&asked[worker->number]) != 0;
}

/* Bells are rung for it too by the reaper. */
static void serve(void) {
    for (uint32_t seen; ((seen = filch_load_seq_cst(&bell)) & SERVER_ENDS) == 0;) {
        for (uint32_t i = 0; i < SLOTS; i++) {
            uint32_t one = 1;
            if (filch_cas_seq_cst(&asked[i], &one, 2u))
                model_thread("started", be_started, scheduler_worker(scheduler, i));
        }
        filchi_futex_wait(&bell.value, seen, FILCHI_NEVER, false);
    }
}

static const struct scheduler_operations processes = {.run = run_task,
                                                      .prefetch = prefetch_task,
                                                      .is_live = is_task_live,
                                                      .start = ask,
                                                      .has_started = has_started,
                                                      .move = move_worker};

/* As the layer above: what it ran fails, who waits for what it had ended is woken again, and what it was
 * submitting is queued. */
static void end_tasks(const struct worker *dead) {
    for (int i = 0; i < TASKS; i++) {
        uint32_t running = TASK_RUNNING;
        if (atomic_load(&task_owner[i]) == (int)dead->number)
            (void)filch_cas_acq_rel(&tasks[i], &running, (uint32_t)TASK_FAILED);
        filchi_futex_wake(&tasks[i].value, INT_MAX, false);
        if (atomic_load(&is_unqueued[i]))
            model_assert(producer_push(reapers, (uint64_t)i));
    }
    atomic_store(&sits[dead->number], false);
}

static void reap(void) {
    bool was_killed = model_await_end("mortal");
    struct worker *dead = scheduler_worker(scheduler, 0);
    filchi_process_serve_on_thread(arena->owner, PROCESS_REAPER);
    if (was_killed) {
        n_killed++;
        end_tasks(dead);
        while (!filchi_scheduler_recover(dead, reapers))
            model_await_rest();
    }
    bury(dead);
    (void)filch_fetch_add_seq_cst(&bell, 1u);
    filchi_futex_wake(&bell.value, 1, false);
}

static void die(void) {
    live(scheduler_worker(scheduler, 0));
}

static void live_second(void) {
    live(scheduler_worker(scheduler, 1));
}

static bool is_all_over(void) {
    if (!is_over())
        return false;
    int n_failed = 0;
    for (int i = 0; i < TASKS; i++) {
        if (atomic_load(&n_runs[i]) > 1)
            return false;
        n_failed += filch_load_relaxed(&tasks[i]) == TASK_FAILED;
    }
    return n_failed <= n_killed * TASKS;
}

static void stop_all(void) {
    pool_stop();
    (void)filch_fetch_or_seq_cst(&bell, SERVER_ENDS);
    filchi_futex_wake(&bell.value, 1, false);
}

static void set_up_with(uint32_t n_seats, uint32_t n_sitting) {
    pool_open(n_seats, n_sitting, 0, &processes);
    for (int i = 0; i < SLOT_WORDS; i++)
        filch_store_relaxed(&scheduler->free_slots[i], (uint64_t)0);
    uint64_t slots = ((uint64_t)1 << SLOTS) - 1;
    filch_store_relaxed(&scheduler->free_slots[0], slots & ~(((uint64_t)1 << n_sitting) - 1));
    filch_store_relaxed(&scheduler->n_absent, SUBSTITUTES - (SLOTS - n_seats));
    filch_store_relaxed(&n_submitted, 0u);
    filch_store_relaxed(&go, 0u);
    filch_store_relaxed(&bell, 0u);
    for (uint32_t i = 0; i < SLOTS; i++)
        filch_store_relaxed(&asked[i], i < n_sitting ? 2u : 0u);
    n_expected = 0;
    n_killed = 0;
    for (int i = 0; i < TASKS; i++)
        atomic_store(&is_unqueued[i], false);
    reapers = filchi_scheduler_join(scheduler, -1);
    model_assert(reapers != NULL);
    ring_init(
        (struct ring *)filch_load_relaxed(&scheduler_worker(scheduler, 0)->producer.deque.ring), 4);
    model_name(asked, sizeof asked, "asked");
    model_name(&bell, 4, "bell");
    model_name(scheduler->park.claims.words, 8, "seats' claims");
    model_name(scheduler->slot_claims.words, 4 * SLOTS, "slots' claims");
    model_name(&reapers->deque, sizeof reapers->deque, "reaper's deque");
}

/* The entry 0 is none. */
static void queue_all(uint32_t n) {
    for (uint32_t i = 1; i <= n; i++)
        queue(i);
}

/* ---- it takes a batch, pops, sleeps ---- */

static void push_own(uint32_t task) {
    struct producer *own = &filchi_worker_self()->producer;
    filch_store_relaxed(&arguments[task], (uint32_t)GOOD);
    filch_store_release(&tasks[task], (uint32_t)TASK_PENDING);
    atomic_store(&is_unqueued[task], true);
    if (!producer_push(own, task))
        model_assert(filchi_producer_make_room(own) && producer_push(own, task));
    atomic_store(&is_unqueued[task], false);
    if (park_must_wake(&scheduler->park))
        (void)filchi_scheduler_wake_one(scheduler);
}

static void push_2(void) {
    push_own(2);
}

static void push_two(void) {
    push_own(2);
    push_own(3);
}

static void submit_one(void) {
    submit(producers[1], 4);
}

static void set_up_batch(void) {
    set_up_with(1, 1);
    queue_all(3);
}

static void set_up_pop(void) {
    set_up_with(1, 1);
    task_body[1] = push_two;
    queue(1);
}

static void set_up_park(void) {
    set_up_with(1, 1);
    n_expected = 1;
}

/* ---- it wakes another one, or has one started ---- */

static void set_up_wake(void) {
    set_up_with(2, 2);
    task_body[1] = push_2;
    queue(1);
}

static void set_up_fill(void) {
    set_up_with(2, 1);
    task_body[1] = push_2;
    queue(1);
}

/* ---- it leaves its seat, and comes back ---- */

static void need_4(void) {
    (void)wait_inside(await_task, 4, EBUSY);
}

static void set_up_wait(void) {
    set_up_with(1, 1);
    task_body[1] = need_2;
    queue_all(2);
}

/* The substitute waits in its turn, so that the spare is claimed. */
static void set_up_spare(void) {
    set_up_with(1, 1);
    task_body[1] = need_2;
    task_body[3] = need_4;
    queue_all(4);
}

static void retire(void) {
    stands_up();
    filchi_worker_retire(filchi_worker_self());
    if (filchi_worker_self()->seat != SEAT_NONE)
        sits_down(filchi_worker_self());
}

static void set_up_retire(void) {
    set_up_with(1, 1);
    task_body[1] = retire;
    queue_all(2);
}

/* ---- its deque is full of what is stale, all but one ---- */

static void set_up_compact(void) {
    set_up_with(1, 1);
    task_body[1] = push_two;
    queue(1);
    struct producer *own = &scheduler_worker(scheduler, 0)->producer;
    ring_init((struct ring *)filch_load_relaxed(&own->deque.ring), SMALL_RING);
}

#define MORTAL(function)                                                                           \
    { .name = "mortal", .run = (function), .may_be_killed = true }
#define DEATH(function) MORTAL(function), THREAD("reaper", reap), THREAD("server", serve)
#define ALL_IS_WELL .is_over = is_all_over, .stop = stop_all, .teardown = pool_close

const struct model_scenario model_scenarios[] = {
    {.name = "recover.batch", .setup = set_up_batch, .threads = {DEATH(die)}, ALL_IS_WELL},
    {.name = "recover.pop", .setup = set_up_pop, .threads = {DEATH(die)}, ALL_IS_WELL},
    {.name = "recover.park",
     .setup = set_up_park,
     .threads = {DEATH(die), THREAD("submitter", submit_one)},
     ALL_IS_WELL},
    {.name = "recover.wake",
     .setup = set_up_wake,
     .threads = {DEATH(die), THREAD("worker2", live_second)},
     ALL_IS_WELL},
    {.name = "recover.fill", .setup = set_up_fill, .threads = {DEATH(die)}, ALL_IS_WELL},
    {.name = "recover.wait", .setup = set_up_wait, .threads = {DEATH(die)}, ALL_IS_WELL},
    {.name = "recover.spare", .setup = set_up_spare, .threads = {DEATH(die)}, ALL_IS_WELL},
    {.name = "recover.retire", .setup = set_up_retire, .threads = {DEATH(die)}, ALL_IS_WELL},
    {.name = "recover.compact", .setup = set_up_compact, .threads = {DEATH(die)}, ALL_IS_WELL},
    {.name = NULL},
};
