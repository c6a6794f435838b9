/* endings.c: the end of a pool some of whose workers have no seat: they wait inside a task, come back,
 * stand by as spares. Everything that was accepted runs, and everybody leaves. */
#include "waits.h"

static void set_up_stop(void) {
    set_up(1, 1, &operations);
    task_body[0] = need_1;
    queue(0);
    queue(1);
}

/* Both slots more: a spare on its way out has one, and counts as absent no more. The pool ends from
 * inside, while the first task waits. */
static void set_up_spares(void) {
    set_up(1, 2, &operations);
    task_body[0] = need_1;
    task_body[1] = stop;
    task_body[2] = need_3;
    for (uint32_t i = 0; i < 4; i++)
        queue(i);
}

static void set_up_late(void) {
    set_up_stop();
    task_body[1] = stop;
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

const struct model_scenario model_scenarios[] = {
    {.name = "endings.stop",
     .setup = set_up_stop,
     .threads = {THREAD("worker", work_first), THREAD("stopper", stop)},
     EVERYBODY_LEAVES,
     .keeps_time = true},
    {.name = "endings.late",
     .setup = set_up_late,
     .threads = {THREAD("worker", work_first), THREAD("submitter", submit_late)},
     EVERYBODY_LEAVES},
    {.name = "endings.spares",
     .setup = set_up_spares,
     .threads = {THREAD("worker", work_first)},
     EVERYBODY_LEAVES,
     .keeps_time = true},
    {.name = "endings.sat",
     .setup = set_up_sat,
     .threads = {THREAD("worker", work_first), THREAD("submitter", go_and_stop)},
     EVERYBODY_LEAVES,
     .keeps_time = true},
    {.name = "endings.push",
     .setup = set_up_push,
     .threads = {THREAD("worker", work_first), THREAD("other", let_go), THREAD("stopper", stop)},
     EVERYBODY_LEAVES,
     .is_large = true},
    {.name = NULL},
};
