/* start.c: workers that are started when a push needs them; starts that fail, as the environment
 * chooses; initializers that take long. */
#include "pool.h"

static filch_atomic_u32 n_submitted;
static uint32_t n_expected;

static bool is_over(void) {
    return filch_load_acquire(&n_submitted) == n_expected && is_all_done();
}

static void submit(struct producer *producer, uint32_t task) {
    (void)submit_to(producer, task);
    (void)filch_fetch_add_acq_rel(&n_submitted, 1u);
}

static void submit_one(void) {
    submit(producers[0], 0);
}

static void submit_two(void) {
    submit(producers[0], 0);
    submit(producers[0], 1);
}

static void submit_other(void) {
    submit(producers[1], 2);
}

static void set_up(uint32_t n_seats, const struct scheduler_operations *with) {
    pool_open(n_seats, 0, 0, with);
    filch_store_relaxed(&n_submitted, 0u);
    n_expected = 2;
}

static void set_up_one(void) {
    set_up(1, &operations);
}

static void set_up_pair(void) {
    set_up(2, &operations);
    expect_meeting();
}

/* ---- as filchi_pool_start_worker, when the system refuses a thread ---- */

static int try_start(struct worker *worker) {
    filchi_park_set_taken(&scheduler->park, worker->seat, true);
    if (model_choose(2) == 1) {
        filchi_park_set_taken(&scheduler->park, worker->seat, false);
        return EAGAIN;
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

static void set_up_failing(void) {
    set_up(1, &failing);
}

static void set_up_failing_seen(void) {
    pool_open(1, 0, 0, &failing);
    filch_store_relaxed(&n_submitted, 0u);
    n_expected = 2;
}

/* As at the end of a drain. */
static void wake(void) {
    filchi_scheduler_wake_seated(scheduler);
}

/* ---- the first worker's initializer needs a task to be run ---- */

static void initialise_and_work(void *arg) {
    struct worker *worker = arg;
    filchi_worker_become(worker);
    filchi_worker_begin_initializer(worker);
    if (worker->number == 0)
        await_task(1);
    filchi_worker_end_initializer(worker);
    filchi_worker_loop(worker);
    filchi_substitute_free_slot(worker);
}

static int start_initialising(struct worker *worker) {
    filchi_park_set_taken(&scheduler->park, worker->seat, true);
    worker->is_searching = true;
    model_thread("started", initialise_and_work, worker);
    return 0;
}

static const struct scheduler_operations initialising = {.run = run_task,
                                                         .prefetch = prefetch_task,
                                                         .is_live = is_task_live,
                                                         .start = start_initialising,
                                                         .move = move_worker};

static void set_up_initializer(void) {
    set_up(2, &initialising);
}

const struct model_scenario model_scenarios[] = {
    {.name = "start.one",
     .setup = set_up_one,
     .threads = {THREAD("submitter", submit_one), THREAD("submitter2", submit_other)},
     .is_over = is_over,
     .stop = pool_stop,
     .teardown = pool_close},
    {.name = "start.pair",
     .setup = set_up_pair,
     .threads = {THREAD("submitter", submit_two)},
     .is_over = is_over,
     .stop = pool_stop,
     .teardown = pool_close},
    {.name = "start.failing",
     .setup = set_up_failing,
     .threads = {THREAD("submitter", submit_one), THREAD("submitter2", submit_other)},
     .is_over = is_over,
     .stop = pool_stop,
     .teardown = pool_close},
    {.name = "start.failing_seen",
     .setup = set_up_failing_seen,
     .threads = {THREAD("submitter", submit_two), THREAD("waker", wake)},
     .is_over = is_over,
     .stop = pool_stop,
     .teardown = pool_close},
    {.name = "start.initializer",
     .setup = set_up_initializer,
     .threads = {THREAD("submitter", submit_two)},
     .is_over = is_over,
     .stop = pool_stop,
     .teardown = pool_close},
    {.name = NULL},
};
