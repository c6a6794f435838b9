/* waits.h: what the scenarios of tasks that wait share. What they wait for is queued, so somebody has to
 * run it meanwhile. run_task (pool.h) looks that only who sits starts a task. */
#ifndef FILCH_MODEL_WAITS_H
#define FILCH_MODEL_WAITS_H

#include "pool.h"

static filch_atomic_u32 n_submitted, go;
static uint32_t n_expected;

static inline bool is_over(void) {
    return filch_load_acquire(&n_submitted) == n_expected && is_all_done();
}

static inline void check_done(void) {
    model_assert(is_all_done());
    model_assert(filch_load_relaxed(&scheduler->n_absent) <= SUBSTITUTES);
}

/* Slots for the seats and `n_spare` workers more; as many as that may be absent. */
static inline void set_up(uint32_t n_seats, uint32_t n_spare,
                          const struct scheduler_operations *with) {
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
static inline bool wait_inside(void (*wait)(uint32_t), uint32_t arg, int refusal) {
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

static inline void await_go(uint32_t unused) {
    (void)unused;
    while (filch_load_acquire(&go) == 0)
        filchi_futex_wait(&go.value, 0, FILCHI_NEVER, false);
}

static inline void let_go(void) {
    filch_store_release(&go, 1u);
    filchi_futex_wake(&go.value, INT_MAX, false);
}

static inline void need_1(void) {
    (void)wait_inside(await_task, 1, EBUSY);
}

static inline void need_2(void) {
    (void)wait_inside(await_task, 2, EBUSY);
}

static inline void need_3(void) {
    (void)wait_inside(await_task, 3, EBUSY);
}

static inline void submit(struct producer *producer, uint32_t task) {
    model_assert(submit_to(producer, task));
    (void)filch_fetch_add_acq_rel(&n_submitted, 1u);
}

static inline void stop(void) {
    filchi_scheduler_set_flag(scheduler, SCHEDULER_STOPPING);
}

#define EVERYBODY_SLEEPS .is_over = is_over, .stop = pool_stop, .teardown = pool_close
#define EVERYBODY_LEAVES .check = check_done, .teardown = pool_close

#endif
