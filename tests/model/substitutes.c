/* substitutes.c: tasks that block leave their seat to a substitute. What they wait for is queued, so
 * somebody has to run it meanwhile; a spare is claimed or gives up; slots are used again; the pool ends
 * with workers that have no seat. run_task (pool.h) looks that only who sits starts a task. */
#include "pool.h"

static filch_atomic_u32 n_submitted, go;
static uint32_t n_expected;

static bool is_over(void) {
    return filch_load_acquire(&n_submitted) == n_expected && is_all_done();
}

static void check_done(void) {
    model_assert(is_all_done());
    model_assert(filch_load_relaxed(&scheduler->n_absent) <= SUBSTITUTES);
}

/* Slots for the seats and `n_spare` workers more; as many as that may be absent. */
static void set_up(uint32_t n_seats, uint32_t n_spare, const struct scheduler_operations *with) {
    pool_open(n_seats, n_seats, 0, with);
    uint64_t slots = filch_load_relaxed(&scheduler->free_slots[0]);
    for (int i = 0; i < SLOT_WORDS; i++)
        filch_store_relaxed(&scheduler->free_slots[i], (uint64_t)0);
    slots &= ((uint64_t)1 << (n_seats + n_spare)) - 1;
    filch_store_relaxed(&scheduler->free_slots[0], slots);
    filch_store_relaxed(&scheduler->n_absent, SUBSTITUTES - n_spare);
    filch_store_relaxed(&n_submitted, 0u);
    filch_store_relaxed(&go, 0u);
    model_name(&go, 4, "go");
    model_name(&n_submitted, 4, "n_submitted");
    n_expected = 0;
}

/* In a task, as filchi_future_await does. Returns: false if the wait was refused. */
static bool wait_inside(void (*wait)(uint32_t), uint32_t arg, int refusal) {
    struct worker *self = filchi_worker_self();
    bool is_seated = self->seat != SEAT_NONE;
    if (is_seated)
        stands_up();
    int error = filchi_substitute_leave(self);
    if (error == 0) {
        model_assert(self->seat == SEAT_NONE);
        wait(arg);
        filchi_substitute_return(self);
    } else {
        model_assert(error == refusal && self->seat != SEAT_NONE);
    }
    if (self->seat != SEAT_NONE)
        sits_down(self);
    return error == 0;
}

static void await_go(uint32_t unused) {
    (void)unused;
    while (filch_load_acquire(&go) == 0)
        filchi_futex_wait(&go.value, 0, FILCHI_NEVER, false);
}

static void let_go(void) {
    filch_store_release(&go, 1u);
    filchi_futex_wake(&go.value, INT_MAX, false);
}

static void need_1(void) {
    (void)wait_inside(await_task, 1, EBUSY);
}

static void need_2(void) {
    (void)wait_inside(await_task, 2, EBUSY);
}

static void need_3(void) {
    (void)wait_inside(await_task, 3, EBUSY);
}

static void submit(struct producer *producer, uint32_t task) {
    model_assert(submit_to(producer, task));
    (void)filch_fetch_add_acq_rel(&n_submitted, 1u);
}

static void stop(void) {
    filchi_scheduler_set_flag(scheduler, SCHEDULER_STOPPING);
}

/* ---- one waits for what the other runs ---- */

static void set_up_wait(void) {
    set_up(1, 1, &operations);
    task_body[0] = need_1;
    n_expected = 2;
}

static void submit_two(void) {
    submit(producers[0], 0);
    submit(producers[0], 1);
}

static void submit_other(void) {
    submit(producers[1], 2);
}

static void set_up_pushes(void) {
    set_up_wait();
    queue(0); /* not counted */
}

static void submit_needed(void) {
    submit(producers[0], 1);
}

/* ---- the substitute blocks too: the last slot is used again, or the spare is claimed ---- */

static void set_up_turns(void) {
    set_up(1, 1, &operations);
    task_body[0] = need_1;
    task_body[2] = need_3;
    n_expected = 4;
    for (uint32_t i = 0; i < 4; i++)
        queue(i);
    filch_store_relaxed(&n_submitted, 4u);
}

static void set_up_spare(void) {
    set_up_turns();
    filch_store_relaxed(&scheduler->free_slots[0], (uint64_t)6); /* two more than seats */
    filch_store_relaxed(&scheduler->n_absent, SUBSTITUTES - 2u);
}

/* ---- and is to be started in a slot that a spare has given up ---- */

static void set_up_again(void) {
    set_up(1, 1, &operations);
    task_body[0] = need_1;
    task_body[2] = need_3;
    n_expected = 4;
    queue(0);
    queue(1);
    filch_store_relaxed(&n_submitted, 2u);
}

static void submit_again(void) {
    await_task(0);
    submit(producers[0], 2);
    submit(producers[0], 3);
}

/* ---- both seats ---- */

static void set_up_seats(void) {
    set_up(2, 2, &operations);
    task_body[0] = need_2;
    task_body[1] = need_2;
    for (uint32_t i = 0; i < 3; i++)
        queue(i);
    n_expected = 3;
    filch_store_relaxed(&n_submitted, 3u);
}

/* ---- no thread is to be had, as the environment chooses ---- */

static int try_start(struct worker *worker) {
    filchi_park_set_taken(&scheduler->park, worker->seat, true);
    if (model_choose(2) == 1) {
        filchi_park_set_taken(&scheduler->park, worker->seat, false);
        return ENOMEM;
    }
    worker->is_searching = true;
    model_thread("started", work, worker);
    return 0;
}

static const struct scheduler_operations failing = {.run = run_task,
                                                    .prefetch = prefetch_task,
                                                    .is_live = is_task_live,
                                                    .start = try_start,
                                                    .move = move_worker};

/* What nobody can be started for is taken back, and what waits for it is told. */
static void await_end(uint32_t task) {
    for (;;) {
        uint32_t state = filch_load_acquire(&tasks[task]);
        if (state == TASK_DONE || state == TASK_WITHDRAWN)
            return;
        filchi_futex_wait(&tasks[task].value, state, FILCHI_NEVER, false);
    }
}

static void need_1_or_not(void) {
    (void)wait_inside(await_end, 1, ENOMEM);
}

static void set_up_failing(void) {
    set_up(1, 1, &failing);
    task_body[0] = need_1_or_not;
    queue(0);
    n_expected = 1;
}

static void try_submit(void) {
    (void)submit_to(producers[0], 1);
    filchi_futex_wake(&tasks[1].value, INT_MAX, false);
    (void)filch_fetch_add_acq_rel(&n_submitted, 1u);
}

/* ---- the end of a pool ---- */

static void set_up_stop(void) {
    set_up(1, 1, &operations);
    task_body[0] = need_1;
    queue(0);
    queue(1);
}

/* Both slots more: a spare on its way out has one, and counts as absent no more. */
static void set_up_end(void) {
    set_up(1, 2, &operations);
    task_body[0] = need_1;
    task_body[2] = need_3;
    for (uint32_t i = 0; i < 4; i++)
        queue(i);
}

static void submit_late(void) {
    (void)submit_to(producers[1], 2);
}

/* Pushed by a task after its wait, and not to be taken back: what runs of it was accepted before. */
static void go_and_push(void) {
    (void)wait_inside(await_go, 0, EBUSY);
    struct producer *own = &filchi_worker_self()->producer;
    filch_store_relaxed(&arguments[1], (uint32_t)GOOD);
    filch_store_release(&tasks[1], (uint32_t)TASK_PENDING);
    model_assert(producer_push(own, 1));
    if (park_must_wake(&scheduler->park))
        model_assert(filchi_scheduler_wake_one(scheduler) == 0);
}

static void set_up_push(void) {
    set_up(1, 1, &operations);
    task_body[0] = go_and_push;
    queue(0);
    queue(2);
}

/* ---- a seat is vacant, taken and asleep while its old worker comes back ---- */

static void wait_for_go(void) {
    (void)wait_inside(await_go, 0, EBUSY);
}

static void set_up_sat(void) {
    set_up(1, 1, &operations);
    task_body[0] = wait_for_go;
    queue(0);
}

static void go_and_stop(void) {
    let_go();
    (void)submit_to(producers[1], 2);
    stop();
}

#define EVERYBODY_SLEEPS .is_over = is_over, .stop = pool_stop, .teardown = pool_close
#define EVERYBODY_LEAVES .check = check_done, .teardown = pool_close

const struct model_scenario model_scenarios[] = {
    {.name = "substitutes.wait",
     .setup = set_up_wait,
     .threads = {THREAD("worker", work_first), THREAD("submitter", submit_two)},
     EVERYBODY_SLEEPS},
    {.name = "substitutes.pushes",
     .setup = set_up_pushes,
     .threads = {THREAD("worker", work_first), THREAD("submitter", submit_needed),
                 THREAD("submitter2", submit_other)},
     EVERYBODY_SLEEPS,
     .is_huge = true},
    {.name = "substitutes.turns",
     .setup = set_up_turns,
     .threads = {THREAD("worker", work_first)},
     EVERYBODY_SLEEPS},
    {.name = "substitutes.spare",
     .setup = set_up_spare,
     .threads = {THREAD("worker", work_first)},
     EVERYBODY_SLEEPS,
     .is_large = true},
    {.name = "substitutes.again",
     .setup = set_up_again,
     .threads = {THREAD("worker", work_first), THREAD("submitter", submit_again)},
     EVERYBODY_SLEEPS,
     .is_huge = true},
    {.name = "substitutes.seats",
     .setup = set_up_seats,
     .threads = {THREAD("worker", work_first), THREAD("worker2", work_second)},
     EVERYBODY_SLEEPS,
     .is_huge = true},
    {.name = "substitutes.failing",
     .setup = set_up_failing,
     .threads = {THREAD("worker", work_first), THREAD("submitter", try_submit)},
     EVERYBODY_SLEEPS},
    {.name = "substitutes.stop",
     .setup = set_up_stop,
     .threads = {THREAD("worker", work_first), THREAD("stopper", stop)},
     EVERYBODY_LEAVES,
     .is_large = true,
     .keeps_time = true},
    {.name = "substitutes.late",
     .setup = set_up_stop,
     .threads = {THREAD("worker", work_first), THREAD("submitter", submit_late),
                 THREAD("stopper", stop)},
     EVERYBODY_LEAVES,
     .is_huge = true},
    {.name = "substitutes.end",
     .setup = set_up_end,
     .threads = {THREAD("worker", work_first), THREAD("stopper", stop)},
     EVERYBODY_LEAVES,
     .is_huge = true,
     .keeps_time = true},
    {.name = "substitutes.sat",
     .setup = set_up_sat,
     .threads = {THREAD("worker", work_first), THREAD("submitter", go_and_stop)},
     EVERYBODY_LEAVES,
     .keeps_time = true},
    {.name = "substitutes.push",
     .setup = set_up_push,
     .threads = {THREAD("worker", work_first), THREAD("other", let_go), THREAD("stopper", stop)},
     EVERYBODY_LEAVES,
     .is_huge = true},
    {.name = NULL},
};
