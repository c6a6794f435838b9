/* retire.c: a worker that has run as many tasks as it may gives its seat up and ends, also from inside a
 * wait; what is queued, in its own deque too, is run by others. */
#include "waits.h"

static void retire(void) {
    filchi_worker_retire(filchi_worker_self());
}

/* As between a task's return and the end of its run: from here on it has no seat. */
static void retire_seated(void) {
    struct worker *self = filchi_worker_self();
    stands_up();
    filchi_worker_retire(self);
    model_assert(self->is_leaving == (self->seat == SEAT_NONE));
    if (!self->is_leaving)
        sits_down(self); /* too many are absent: not now */
}

/* Its own queue is left to others. */
static void push_and_retire(void) {
    struct producer *own = &filchi_worker_self()->producer;
    filch_store_relaxed(&arguments[1], (uint32_t)GOOD);
    filch_store_release(&tasks[1], (uint32_t)TASK_PENDING);
    model_assert(producer_push(own, 1));
    if (park_must_wake(&scheduler->park))
        model_assert(filchi_scheduler_wake_one(scheduler) == 0);
    retire_seated();
}

/* In what runs inside of a wait; the task below goes on without a seat, and waits again. */
static void retire_and_wait(void) {
    retire_seated();
    model_assert(filchi_worker_self()->seat == SEAT_NONE);
    model_assert(filchi_substitute_leave(filchi_worker_self()) == 0);
    await_task(1);
    filchi_substitute_return(filchi_worker_self());
    model_assert(filchi_worker_self()->seat == SEAT_NONE);
}

/* While it waits it has no seat anyhow. */
static void wait_and_retire(void) {
    (void)wait_inside(await_task, 1, EBUSY);
    if (filchi_worker_self()->seat != SEAT_NONE)
        stands_up();
    retire();
    model_assert(filchi_worker_self()->is_leaving);
}

static void set_up_with(void (*body)(void), uint32_t n_spare) {
    pool_is_shared = true;
    set_up(1, n_spare, &operations);
    task_body[0] = body;
    queue(0);
}

static void set_up_one(void) {
    set_up_with(retire_seated, 1);
    n_expected = 1;
}

static void set_up_push(void) {
    set_up_with(push_and_retire, 1);
    n_expected = 1;
}

static void set_up_wait(void) {
    set_up_with(retire_and_wait, 1);
    n_expected = 1;
}

static void set_up_waited(void) {
    set_up_with(wait_and_retire, 1);
    n_expected = 1;
}

/* As many as there are slots: each comes back in that of another one. */
static void set_up_turns(void) {
    set_up_with(retire_seated, 1);
    task_body[1] = task_body[2] = retire_seated;
    queue(1);
    queue(2);
    n_expected = 1;
}

static void submit_one(void) {
    submit(producers[1], 3);
}

static void submit_needed(void) {
    submit(producers[1], 1);
}

static void submit_late(void) {
    (void)submit_to(producers[1], 3);
    stop();
}

const struct model_scenario model_scenarios[] = {
    {.name = "retire.one",
     .setup = set_up_one,
     .threads = {THREAD("worker", work_first), THREAD("submitter", submit_one)},
     EVERYBODY_SLEEPS},
    {.name = "retire.push",
     .setup = set_up_push,
     .threads = {THREAD("worker", work_first), THREAD("submitter", submit_one)},
     EVERYBODY_SLEEPS},
    {.name = "retire.wait",
     .setup = set_up_wait,
     .threads = {THREAD("worker", work_first), THREAD("submitter", submit_needed)},
     EVERYBODY_SLEEPS},
    {.name = "retire.waited",
     .setup = set_up_waited,
     .threads = {THREAD("worker", work_first), THREAD("submitter", submit_needed)},
     EVERYBODY_SLEEPS},
    {.name = "retire.turns",
     .setup = set_up_turns,
     .threads = {THREAD("worker", work_first), THREAD("submitter", submit_one)},
     EVERYBODY_SLEEPS},
    {.name = "retire.stop",
     .setup = set_up_push,
     .threads = {THREAD("worker", work_first), THREAD("submitter", submit_late)},
     EVERYBODY_LEAVES,
     .keeps_time = true},
    {.name = NULL},
};
