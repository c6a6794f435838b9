/* mail.c: what only one worker may do reaches it whatever it does: running a task, falling asleep, standing
 * by as a spare, about to leave. And nothing is lost of what it has to do besides. */
#include "waits.h"

static filch_atomic_u32 n_sent, n_served;
static char letter; /* an address */

/* A letter: one at a time. */
static void post(void) {
    struct worker *worker = scheduler_worker(scheduler, 0);
    (void)filch_fetch_add_relaxed(&n_sent, 1u);
    void *none = NULL;
    model_assert(filch_cas_acq_rel(&worker->mail, &none, (void *)&letter)); /* MAIL */
    filchi_worker_notify(worker);
}

/* Callbacks may submit, and block; nobody may count on this worker meanwhile. */
static void serve_letter(struct worker *worker) {
    model_assert(worker == scheduler_worker(scheduler, 0) && !worker->is_searching);
    model_assert(filch_exchange_acquire(&worker->mail, NULL) == &letter); /* MAIL */
    (void)filch_fetch_add_acq_rel(&n_served, 1u);
}

static void submit_and_await(void) {
    submit(producers[0], 1);
    await_task(1);
}

static void serve_and_submit(struct worker *worker) {
    serve_letter(worker);
    filch_store_relaxed(&arguments[2], (uint32_t)GOOD);
    filch_store_release(&tasks[2], (uint32_t)TASK_PENDING);
    model_assert(producer_push(&worker->producer, 2));
    if (park_must_wake(&scheduler->park))
        model_assert(filchi_scheduler_wake_one(scheduler) == 0);
}

#define MAILED(...)                                                                                \
    {                                                                                              \
        .run = run_task, .prefetch = prefetch_task, .is_live = is_task_live,                       \
        .start = start_worker, .move = move_worker, .serve_mail = (__VA_ARGS__)                    \
    }

static const struct scheduler_operations mailed = MAILED(serve_letter);
static const struct scheduler_operations submitting = MAILED(serve_and_submit);

static bool is_all_served(void) {
    return is_over() && filch_load_acquire(&n_sent) == 1 && filch_load_acquire(&n_served) == 1;
}

static void check_served(void) {
    check_done();
    model_assert(filch_load_relaxed(&n_served) == filch_load_relaxed(&n_sent));
}

static void set_up_with(uint32_t n_seats, uint32_t n_spare,
                        const struct scheduler_operations *with) {
    pool_is_shared = true;
    set_up(n_seats, n_spare, with);
    filch_store_relaxed(&n_sent, 0u);
    filch_store_relaxed(&n_served, 0u);
    model_name(&n_served, 4, "n_served");
    model_name(&scheduler_worker(scheduler, 0)->mail, 8, "mail");
}

static void set_up_one(void) {
    set_up_with(1, 1, &mailed);
    n_expected = 1;
}

static void set_up_submit(void) {
    set_up_with(1, 1, &submitting);
    n_expected = 1;
}

static void submit_first(void) {
    submit(producers[0], 0);
}

/* The letter comes while its worker waits in a task, or stands by behind who has its seat. */
static void set_up_spare(void) {
    set_up_with(1, 1, &mailed);
    task_body[0] = need_1;
    queue(0);
    queue(1);
}

/* What was sent before the end is served before it. */
static void post_and_stop(void) {
    post();
    stop();
}

static void set_up_leave(void) {
    set_up_with(1, 1, &mailed);
}

/* Nobody leaves who expects a letter. */
static void serve_expected(struct worker *worker) {
    serve_letter(worker);
    filchi_worker_end_expected(worker);
}

static const struct scheduler_operations expecting = MAILED(serve_expected);

static void set_up_expected(void) {
    set_up_with(1, 1, &expecting);
    filch_store_relaxed(&scheduler_worker(scheduler, 0)->n_expected, 1u);
}

static void set_up_expected_spare(void) {
    set_up_expected();
    task_body[0] = need_1;
    queue(0);
    queue(1);
}

static void stop_and_post(void) {
    stop();
    post();
}

static void set_up_leave_spare(void) {
    set_up_spare();
}

const struct model_scenario model_scenarios[] = {
    {.name = "mail.one",
     .setup = set_up_one,
     .threads = {THREAD("worker", work_first), THREAD("poster", post),
                 THREAD("submitter", submit_and_await)},
     .is_over = is_all_served,
     .stop = pool_stop,
     .teardown = pool_close},
    {.name = "mail.submit",
     .setup = set_up_submit,
     .threads = {THREAD("worker", work_first), THREAD("poster", post),
                 THREAD("submitter", submit_first)},
     .is_over = is_all_served,
     .stop = pool_stop,
     .teardown = pool_close},
    {.name = "mail.spare",
     .setup = set_up_spare,
     .threads = {THREAD("worker", work_first), THREAD("poster", post)},
     .is_over = is_all_served,
     .stop = pool_stop,
     .teardown = pool_close,
     .keeps_time = true},
    {.name = "mail.leave",
     .setup = set_up_leave,
     .threads = {THREAD("worker", work_first), THREAD("poster", post_and_stop)},
     .check = check_served,
     .teardown = pool_close},
    {.name = "mail.leave_spare",
     .setup = set_up_leave_spare,
     .threads = {THREAD("worker", work_first), THREAD("poster", post_and_stop)},
     .check = check_served,
     .teardown = pool_close,
     .keeps_time = true},
    {.name = "mail.expected",
     .setup = set_up_expected,
     .threads = {THREAD("worker", work_first), THREAD("poster", stop_and_post)},
     .check = check_served,
     .teardown = pool_close},
    {.name = "mail.expected_spare",
     .setup = set_up_expected_spare,
     .threads = {THREAD("worker", work_first), THREAD("poster", stop_and_post)},
     .check = check_served,
     .teardown = pool_close,
     .keeps_time = true},
    {.name = NULL},
};
