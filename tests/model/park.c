/* park.c: no push is missed by those who fall asleep: at the end, when everybody sleeps, every task has
 * been run. Tasks that need each other at the same time need two workers awake. */
#include "pool.h"

static filch_atomic_u32 n_submitted;
static uint32_t n_expected;

static void set_up(uint32_t n_seats, uint32_t n_started, uint64_t spin_ns, uint32_t n_tasks) {
    pool_open(n_seats, n_started, spin_ns, &operations);
    filch_store_relaxed(&n_submitted, 0u);
    n_expected = n_tasks;
}

/* The plain program asks while threads run. */
static bool is_over(void) {
    return filch_load_acquire(&n_submitted) == n_expected && is_all_done();
}

static void submit(struct producer *producer, uint32_t task) {
    model_assert(submit_to(producer, task));
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

static void set_up_one(void) {
    set_up(1, 1, 0, 2);
}

static void set_up_submitters(void) {
    set_up(1, 1, 0, 2);
}

static void set_up_search(void) {
    set_up(1, 1, 1, 2);
}

/* ---- two tasks that wait for each other ---- */

static void set_up_pair(void) {
    set_up(2, 2, 0, 2);
    expect_meeting();
}

static void set_up_pair_search(void) {
    set_up(2, 2, 1, 2);
    expect_meeting();
}

/* ---- a claim that comes too late has set a search bit for nobody ---- */

/* The second seat is vacant. The first task needs the second one, which comes when it has begun: a waker
 * that saw the first worker asleep before may set its search bit now. */
static void set_up_lost_claim(void) {
    set_up(2, 1, 0, 2);
    expect_meeting();
}

static void wake_seated(void) {
    filchi_scheduler_wake_seated(scheduler);
}

/* ---- a worker that counts as searching before its outcome is known ---- */

static void end_nearly_free(struct worker *worker, uint64_t entry) {
    uint32_t pending = TASK_PENDING;
    model_assert(filch_cas_acq_rel(&tasks[entry], &pending, (uint32_t)TASK_RUNNING));
    filchi_worker_is_nearly_free(worker);
    filch_store_release(&tasks[entry], (uint32_t)TASK_DONE);
    filchi_futex_wake(&tasks[entry].value, INT_MAX, false);
}

static const struct scheduler_operations nearly_free = {.run = end_nearly_free,
                                                        .prefetch = prefetch_task,
                                                        .is_live = is_task_live,
                                                        .start = start_worker,
                                                        .move = move_worker};

static void set_up_nearly_free(void) {
    set_up(1, 1, 0, 2);
    scheduler->operations = &nearly_free;
}

static void submit_in_turn(void) {
    submit(producers[0], 0);
    await_task(0);
    submit(producers[0], 1);
    await_task(1);
}

/* ---- a full deque is compacted: who looks meanwhile sees nothing ---- */

static void set_up_compact(void) {
    set_up(1, 1, 0, 3);
    struct ring *ring = (struct ring *)filch_load_relaxed(&producers[0]->deque.ring);
    ring_init(ring, SMALL_RING);
    model_assert(producer_push(producers[0], 3)); /* stale: it was never pending */
    filch_store_relaxed(&tasks[3], (uint32_t)TASK_WITHDRAWN);
}

static void submit_three(void) {
    submit(producers[0], 0);
    submit(producers[0], 1);
    submit(producers[0], 2);
}

/* ---- a batch is out of sight while it is moved ---- */

static void set_up_batch(void) {
    set_up(2, 2, 0, 0);
    expect_meeting();
    for (uint32_t i = 0; i < 3; i++)
        queue(i);
}

const struct model_scenario model_scenarios[] = {
    {.name = "park.one",
     .setup = set_up_one,
     .threads = {THREAD("worker", work_first), THREAD("submitter", submit_two)},
     .is_over = is_over,
     .stop = pool_stop,
     .teardown = pool_close},
    {.name = "park.two_submitters",
     .setup = set_up_submitters,
     .threads = {THREAD("worker", work_first), THREAD("submitter", submit_one),
                 THREAD("submitter2", submit_other)},
     .is_over = is_over,
     .stop = pool_stop,
     .teardown = pool_close},
    {.name = "park.search",
     .setup = set_up_search,
     .threads = {THREAD("worker", work_first), THREAD("submitter", submit_one),
                 THREAD("submitter2", submit_other)},
     .is_over = is_over,
     .stop = pool_stop,
     .teardown = pool_close},
    {.name = "park.pair",
     .setup = set_up_pair,
     .threads = {THREAD("worker", work_first), THREAD("worker2", work_second),
                 THREAD("submitter", submit_two)},
     .is_over = is_over,
     .stop = pool_stop,
     .teardown = pool_close},
    {.name = "park.pair_search",
     .setup = set_up_pair_search,
     .threads = {THREAD("worker", work_first), THREAD("worker2", work_second),
                 THREAD("submitter", submit_two)},
     .is_over = is_over,
     .stop = pool_stop,
     .teardown = pool_close},
    {.name = "park.stray",
     .setup = set_up_one,
     .threads = {THREAD("worker", work_first), THREAD("submitter", submit_two),
                 THREAD("stray", give_stray)},
     .is_over = is_over,
     .stop = pool_stop,
     .teardown = pool_close},
    {.name = "park.stray_pair",
     .setup = set_up_pair,
     .threads = {THREAD("worker", work_first), THREAD("worker2", work_second),
                 THREAD("submitter", submit_two), THREAD("stray", give_stray)},
     .is_over = is_over,
     .stop = pool_stop,
     .teardown = pool_close},
    {.name = "park.lost_claim",
     .setup = set_up_lost_claim,
     .threads = {THREAD("worker", work_first), THREAD("waker", wake_seated),
                 THREAD("submitter", submit_two)},
     .is_over = is_over,
     .stop = pool_stop,
     .teardown = pool_close,
     .is_large = true},
    {.name = "park.nearly_free",
     .setup = set_up_nearly_free,
     .threads = {THREAD("worker", work_first), THREAD("submitter", submit_in_turn)},
     .is_over = is_over,
     .stop = pool_stop,
     .teardown = pool_close},
    {.name = "park.batch",
     .setup = set_up_batch,
     .threads = {THREAD("worker", work_first), THREAD("worker2", work_second)},
     .is_over = is_over,
     .stop = pool_stop,
     .teardown = pool_close},
    {.name = "park.compact",
     .setup = set_up_compact,
     .threads = {THREAD("worker", work_first), THREAD("submitter", submit_three)},
     .is_over = is_over,
     .stop = pool_stop,
     .teardown = pool_close},
    {.name = NULL},
};
