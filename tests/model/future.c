/* future.c: the state word: each future ends once, everybody who waits learns of it, and its block is
 * freed once, when nobody touches it any more. */
#include "host.h"

#include "base/status.h"

static filch_atomic_u32 n_run, n_cancelled; /* read at the end */
static uint32_t generation;

static void set_up(uint32_t handles) {
    host_open(handles);
    filch_store_relaxed(&n_run, 0u);
    filch_store_relaxed(&n_cancelled, 0u);
    generation = generation_of(0);
    filch_release(futures[1]); /* a second one is not needed but here */
    model_assert(filchi_future_cancel_pending(futures[1], generation_of(1)));
    for (uint32_t i = 1; i < handles; i++)
        filch_release(futures[1]);
}

static void set_up_one(void) {
    set_up(1);
}

static void set_up_two(void) {
    set_up(2);
}

static void check_all(void) {
    host_check(2);
}

static void run_once(void) {
    if (run(0, generation))
        (void)filch_fetch_add_relaxed(&n_run, 1u);
}

static void cancel_and_release(void) {
    if (filch_cancel(futures[0]))
        (void)filch_fetch_add_relaxed(&n_cancelled, 1u);
    filch_release(futures[0]);
}

static void wait_and_release(void) {
    model_assert(filchi_future_await(futures[0], FILCHI_NEVER) == FILCH_OK);
    look_at(0);
    filch_release(futures[0]);
}

static void wait_shortly(void) {
    if (filchi_future_await(futures[0], filchi_clock_deadline(1e-6)) == FILCH_OK)
        look_at(0);
    filch_release(futures[0]);
}

/* Exactly one of running and cancelling happened. */
static void check_one_end(void) {
    model_assert(filch_load_relaxed(&n_run) + filch_load_relaxed(&n_cancelled) == 1);
    check_all();
}

/* ---- two workers have the same entry ---- */

static void check_run_once(void) {
    model_assert(filch_load_relaxed(&n_run) == 1);
    check_all();
}

/* ---- an entry outlives its task: the block is taken again, and a stale entry starts nothing ---- */

static filch_atomic_u32 n_started[2]; /* by generation */

static void set_up_stale(void) {
    set_up(1);
    filch_store_relaxed(&n_started[0], 0u);
    filch_store_relaxed(&n_started[1], 0u);
}

static void run_counted(uint32_t of) {
    if (future_try_start(futures[0], of, 1)) {
        model_assert(filch_fetch_add_relaxed(&n_started[of - generation], 1u) == 0);
        filchi_future_finish(futures[0], FUTURE_FINISHED);
    }
}

/* As a heap takes its word of free cells. */
static bool take_again(filch_future *future) {
    struct slab *slab = slab_of(future);
    uint32_t at =
        (uint32_t)(((uintptr_t)future - (uintptr_t)slab - SLAB_HEAD_BYTES) >> slab->cell_log2);
    uint64_t bit = (uint64_t)1 << (at % CELLS_PER_WORD);
    return (filch_exchange_acquire(&slab->free[at / CELLS_PER_WORD], (uint64_t)0) & bit) != 0;
}

static void run_and_use_again(void) {
    run_counted(generation);
    model_assert(filchi_future_await(futures[0], FILCHI_NEVER) == FILCH_OK);
    filch_release(futures[0]);
    if (!take_again(futures[0]))
        return; /* the other thread frees it, later */
    model_assert(filchi_future_init(futures[0], &type));
    (void)future_publish(futures[0]);
    run_counted(generation + 1);
    model_assert(filch_load_relaxed(&n_started[1]) == 1);
    filch_release(futures[0]);
}

static void run_stale(void) {
    run_counted(generation);
}

static void check_stale(void) {
    model_assert(filch_load_relaxed(&n_started[0]) == 1);
}

/* ---- a submit that is taken back, against a worker that starts it ---- */

static void withdraw(void) {
    if (filchi_future_withdraw(futures[0])) {
        filch_fetch_add_relaxed(&n_cancelled, 1u);
        dispose(&it.host, futures[0]);
        filchi_future_abort(futures[0]);
    } else {
        filch_release(futures[0]);
    }
}

/* ---- callbacks that are left to another worker; two find the entry ---- */

static filch_atomic_u32 is_deferred, n_called;

static void count_call(filch_future *future, void *arg) {
    (void)arg;
    model_assert(state_is_done(future_state(future)));
    (void)filch_fetch_add_relaxed(&n_called, 1u);
}

static void set_up_deferred(void) {
    set_up(1);
    filch_store_relaxed(&is_deferred, 0u);
    filch_store_relaxed(&n_called, 0u);
    (void)filchi_subscribers_add_callback(futures[0], count_call, NULL);
    model_assert(future_try_start(futures[0], generation, 1));
}

static void finish_deferred(void) {
    if (filchi_future_finish_deferred(futures[0], FUTURE_FINISHED))
        filch_store_release(&is_deferred, 1u);
    filchi_future_deliver_deferred(futures[0], generation);
}

static void deliver(void) {
    filchi_future_deliver_deferred(futures[0], generation);
}

static void release(void) {
    filch_release(futures[0]);
}

static void check_deferred(void) {
    model_assert(filch_load_relaxed(&n_called) == 1);
    check_all();
}

/* ---- a pool that breaks against one that cancels and one that waits ---- */

static void break_it(void) {
    if (filchi_future_break(futures[0], generation))
        (void)filch_fetch_add_relaxed(&n_run, 1u);
}

const struct model_scenario model_scenarios[] = {
    {.name = "future.cancel",
     .setup = set_up_two,
     .threads = {THREAD("worker", run_once), THREAD("canceller", cancel_and_release),
                 THREAD("waiter", wait_and_release)},
     .check = check_one_end,
     .teardown = host_close},
    {.name = "future.two_workers",
     .setup = set_up_one,
     .threads = {THREAD("worker", run_once), THREAD("worker2", run_once),
                 THREAD("waiter", wait_and_release)},
     .check = check_run_once,
     .teardown = host_close},
    {.name = "future.two_waiters",
     .setup = set_up_two,
     .threads = {THREAD("worker", run_once), THREAD("waiter", wait_and_release),
                 THREAD("waiter2", wait_and_release)},
     .check = check_run_once,
     .teardown = host_close},
    {.name = "future.timeout",
     .setup = set_up_two,
     .threads = {THREAD("worker", run_once), THREAD("canceller", cancel_and_release),
                 THREAD("waiter", wait_shortly)},
     .check = check_one_end,
     .teardown = host_close},
    {.name = "future.stale",
     .setup = set_up_stale,
     .threads = {THREAD("owner", run_and_use_again), THREAD("worker", run_stale)},
     .check = check_stale,
     .teardown = host_close},
    {.name = "future.withdraw",
     .setup = set_up_one,
     .threads = {THREAD("submitter", withdraw), THREAD("worker", run_once)},
     .check = check_one_end,
     .teardown = host_close},
    {.name = "future.deferred",
     .setup = set_up_deferred,
     .threads = {THREAD("worker", finish_deferred), THREAD("worker2", deliver),
                 THREAD("owner", release)},
     .check = check_deferred,
     .teardown = host_close},
    {.name = "future.break",
     .setup = set_up_two,
     .threads = {THREAD("breaker", break_it), THREAD("canceller", cancel_and_release),
                 THREAD("waiter", wait_and_release)},
     .check = check_one_end,
     .teardown = host_close},
    {.name = NULL},
};
