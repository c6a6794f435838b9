/* substitutes.c: tasks that block leave their seat to a substitute; a spare is claimed or gives up; slots are
 * used again; no thread is to be had. */
#include "waits.h"

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
     .is_large = true,
     .keeps_time = true},
    {.name = "substitutes.turns",
     .setup = set_up_turns,
     .threads = {THREAD("worker", work_first)},
     EVERYBODY_SLEEPS},
    {.name = "substitutes.spare",
     .setup = set_up_spare,
     .threads = {THREAD("worker", work_first)},
     EVERYBODY_SLEEPS},
    {.name = "substitutes.stray",
     .setup = set_up_spare,
     .threads = {THREAD("worker", work_first), THREAD("stray", give_stray)},
     EVERYBODY_SLEEPS,
     .is_large = true},
    {.name = "substitutes.again",
     .setup = set_up_again,
     .threads = {THREAD("worker", work_first), THREAD("submitter", submit_again)},
     EVERYBODY_SLEEPS},
    {.name = "substitutes.seats",
     .setup = set_up_seats,
     .threads = {THREAD("worker", work_first), THREAD("worker2", work_second)},
     EVERYBODY_SLEEPS,
     .is_large = true,
     .keeps_time = true},
    {.name = "substitutes.failing",
     .setup = set_up_failing,
     .threads = {THREAD("worker", work_first), THREAD("submitter", try_submit)},
     EVERYBODY_SLEEPS},
    {.name = NULL},
};
