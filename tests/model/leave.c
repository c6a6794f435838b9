/* leave.c: the end of a pool: each task that was accepted is run, each other one is taken back, and
 * every worker leaves. */
#include "pool.h"

static void submit_one(void) {
    (void)submit_to(producers[0], 0);
}

static void stop(void) {
    filchi_scheduler_set_flag(scheduler, SCHEDULER_STOPPING);
}

static void stop_and_cancel(void) {
    filchi_scheduler_set_flag(scheduler, SCHEDULER_STOPPING | SCHEDULER_CANCELLING);
    filchi_scheduler_drain(scheduler, break_task, NULL);
}

static void check_done(void) {
    model_assert(is_all_done());
}

static void set_up_one(void) {
    pool_open(1, 1, 0, &operations);
}

static void set_up_search(void) {
    pool_open(1, 1, 1, &operations);
}

static void set_up_two(void) {
    pool_open(2, 2, 0, &operations);
    queue(0);
}

/* ---- a batch is out of sight while it is moved ---- */

static void set_up_batch(void) {
    pool_open(2, 2, 0, &operations);
    expect_meeting();
    for (uint32_t i = 0; i < 4; i++)
        queue(i);
    filch_store_relaxed(&scheduler->flags, (uint32_t)SCHEDULER_STOPPING);
}

/* ---- a deque is empty while it is compacted ---- */

static void set_up_compact(void) {
    pool_open(1, 1, 0, &operations);
    ring_init((struct ring *)filch_load_relaxed(&producers[0]->deque.ring), SMALL_RING);
    model_assert(producer_push(producers[0], 3)); /* stale */
    filch_store_relaxed(&tasks[3], (uint32_t)TASK_WITHDRAWN);
}

static void submit_two(void) {
    (void)submit_to(producers[0], 0);
    (void)submit_to(producers[0], 1);
}

/* ---- cancelling takes entries away from a worker that waits for them ---- */

static void set_up_cancel(void) {
    pool_open(1, 1, 0, &operations);
    queue(0);
    queue(1);
}

const struct model_scenario model_scenarios[] = {
    {.name = "leave.push",
     .setup = set_up_one,
     .threads = {THREAD("worker", work_first), THREAD("submitter", submit_one),
                 THREAD("stopper", stop)},
     .check = check_done,
     .teardown = pool_close},
    {.name = "leave.search",
     .setup = set_up_search,
     .threads = {THREAD("worker", work_first), THREAD("submitter", submit_one),
                 THREAD("stopper", stop)},
     .check = check_done,
     .teardown = pool_close},
    {.name = "leave.two",
     .setup = set_up_two,
     .threads = {THREAD("worker", work_first), THREAD("worker2", work_second),
                 THREAD("stopper", stop)},
     .check = check_done,
     .teardown = pool_close},
    {.name = "leave.batch",
     .setup = set_up_batch,
     .threads = {THREAD("worker", work_first), THREAD("worker2", work_second)},
     .check = check_done,
     .teardown = pool_close},
    {.name = "leave.compact",
     .setup = set_up_compact,
     .threads = {THREAD("worker", work_first), THREAD("submitter", submit_two),
                 THREAD("stopper", stop)},
     .check = check_done,
     .teardown = pool_close},
    {.name = "leave.cancel",
     .setup = set_up_cancel,
     .threads = {THREAD("worker", work_first), THREAD("stopper", stop_and_cancel)},
     .check = check_done,
     .teardown = pool_close},
    {.name = NULL},
};
