/* kill.c: a worker that may die at any access takes tasks from a deque and runs them; who reaps it goes
 * by the tasks' words alone, since entries are hints. No task is lost or run twice, and at most the one
 * that ran in the dead worker fails. */
#include "model.h"

#include "structures/deque.h"

enum { TASKS = 2 };
enum { PENDING = 1, RUNNING, DONE, FAILED };
enum { REAPER = 1, MORTAL = 2 }; /* owner, in the upper half of the word */

static struct deque deque;
static _Alignas(64) unsigned char memory[sizeof(struct ring) + 4 * sizeof(uint64_t)];
static filch_atomic_u64 words[TASKS];
static filch_atomic_u32 n_run[TASKS];

static void set_up(void) {
    ring_init((struct ring *)memory, 4);
    deque_init(&deque, (struct ring *)memory);
    for (uint64_t i = 0; i < TASKS; i++) {
        filch_store_relaxed(&words[i], (uint64_t)PENDING);
        filch_store_relaxed(&n_run[i], 0u);
        model_assert(deque_push(&deque, i));
    }
    model_name(&deque, sizeof deque, "deque");
    model_name(words, sizeof words, "words");
    model_name(n_run, sizeof n_run, "n_run");
}

static void run(uint64_t task, uint64_t owner) {
    uint64_t pending = PENDING;
    if (!filch_cas_acq_rel(&words[task], &pending, owner << 32 | RUNNING))
        return;
    (void)filch_fetch_add_relaxed(&n_run[task], 1u);
    filch_store_release(&words[task], (uint64_t)DONE);
}

static void work_as(uint64_t owner) {
    uint64_t entry;
    for (enum deque_outcome outcome; (outcome = deque_steal(&deque, &entry)) != DEQUE_EMPTY;)
        if (outcome == DEQUE_TOOK)
            run(entry, owner);
}

static void work_and_die(void) {
    work_as(MORTAL);
}

/* Works, then looks after the other one: state and owner are one word. */
static void work_and_reap(void) {
    work_as(REAPER);
    if (!model_await_end("mortal"))
        return;
    for (uint64_t i = 0; i < TASKS; i++) {
        uint64_t running = (uint64_t)MORTAL << 32 | RUNNING;
        (void)filch_cas_acq_rel(&words[i], &running, (uint64_t)FAILED);
        run(i, REAPER); /* its entry may have died with the worker */
    }
}

static void check_all(void) {
    int n_failed = 0;
    for (int i = 0; i < TASKS; i++) {
        uint64_t word = filch_load_relaxed(&words[i]);
        model_assert(word == DONE || word == FAILED);
        model_assert(filch_load_relaxed(&n_run[i]) <= 1);
        model_assert(word == FAILED || filch_load_relaxed(&n_run[i]) == 1);
        n_failed += word == FAILED;
    }
    model_assert(n_failed <= 1);
}

const struct model_scenario model_scenarios[] = {
    {.name = "kill.worker",
     .setup = set_up,
     .threads = {{.name = "mortal", .run = work_and_die, .may_be_killed = true},
                 THREAD("reaper", work_and_reap)},
     .check = check_all},
    {.name = NULL},
};
