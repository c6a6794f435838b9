/* fork_stack.c: spawns and syncs of an owner, beside thieves that ask and steal. Each child is called once, by
 * whoever has it; its result reaches the sync; who waits runs nothing but what it waits for, and is woken.
 *
 * Two children may be private, so that a request flags two places (CMakeLists.txt, mutants/run). */
#include "waits.h"

#include "scheduler/fork_memory.h"
#include <filch/fork.h>

enum { CHILDREN = 4 };

static atomic_int n_calls[CHILDREN];
static atomic_int awaited;  /* by the owner; -1: none */
static int n_attempts;      /* of each thief */
static long lets_go, waits; /* the child that does so when it was stolen, or was not; -1: none */
static filch_stack *begun;  /* by the owner, before anybody runs */

/* Not called: a stack is begun by begin() below. */
filch_stack *filch_stack_begin(void) {
    return NULL;
}

void filch_stack_end(filch_stack *top) {
    (void)top;
}

void filch_stack_check_child(const filch_stack *child, const filch_fork_type *type) {
    model_assert(child->type == type);
}

void filch_stack_check_balance(const filch_stack *child, const filch_fork_type *type) {
    (void)type;
    model_assert(child->type == NULL);
}

static long leaf(filch_stack *top, long i);
FILCH_FORK_TASK(long, leaf, long);

static long leaf(filch_stack *top, long i) {
    (void)top;
    atomic_fetch_add(&n_calls[i], 1);
    bool is_stolen = filchi_worker_self() != scheduler_worker(scheduler, 0);
    if (is_stolen && i == lets_go)
        let_go();
    else if (!is_stolen && i == waits)
        await_go(0);
    return 10 + i;
}

/* Child i, and inside of it i + 1. */
static long parent(filch_stack *top, long i);
FILCH_FORK_TASK(long, parent, long);

static long parent(filch_stack *top, long i) {
    atomic_fetch_add(&n_calls[i], 1);
    filch_spawn(top, leaf, i + 1);
    model_assert(filch_sync(top, leaf) == 10 + i + 1);
    return 10 + i;
}

static long other(filch_stack *top, long i);
FILCH_FORK_TASK(long, other, long);

static long other(filch_stack *top, long i) {
    return leaf(top, i);
}

/* ---- the pool's side ---- */

static void *run_child(struct worker *worker, filch_stack *child, filch_stack *top, void *task) {
    const struct worker *owner = scheduler_worker(scheduler, 0);
    model_assert(task == &n_calls);
    if (worker == owner) /* it waits for the first, whose child this is */
        model_assert(child->type == &filch_fn_fork_leaf && atomic_load(&awaited) == 0);
    child->type->run(top, child);
    (void)filchi_fork_stack_settle(top);
    return NULL;
}

static void take_spoils(struct worker *worker, void *spoils) {
    (void)worker;
    (void)spoils;
    model_fail("nobody has left anything");
}

static const struct scheduler_operations fork_operations = {.run = run_task,
                                                            .prefetch = prefetch_task,
                                                            .is_live = is_task_live,
                                                            .start = start_worker,
                                                            .move = move_worker,
                                                            .run_child = run_child,
                                                            .take_spoils = take_spoils};

static filch_stack *begin(void) {
    struct worker *owner = scheduler_worker(scheduler, 0);
    filchi_worker_become(owner);
    filch_stack *top = filchi_fork_stack_begin(owner, &n_calls);
    model_assert(top != NULL);
    return top;
}

static void end(filch_stack *top) {
    model_assert(filchi_fork_stack_settle(top) == 0);
    filchi_fork_stack_end(scheduler_worker(scheduler, 0));
}

/* As find() and the loop of worker.c do. */
static void steal(uint32_t number) {
    struct worker *thief = scheduler_worker(scheduler, number);
    filchi_worker_become(thief);
    for (int i = 0; i < n_attempts; i++)
        if (filchi_fork_stack_steal(thief))
            filchi_fork_stack_run_stolen(thief);
}

static void steal_first(void) {
    steal(1);
}

static void steal_second(void) {
    steal(2);
}

/* Then it has a task of its own, which uses the same places. */
static void steal_and_spawn(void) {
    struct worker *thief = scheduler_worker(scheduler, 1);
    steal(1);
    filch_stack *top = filchi_fork_stack_begin(thief, &n_calls);
    filch_spawn(top, other, 2);
    model_assert(filch_sync(top, other) == 12);
    model_assert(filchi_fork_stack_settle(top) == 0);
    filchi_fork_stack_end(thief);
}

/* The stacks are there, as after the workers' first tasks. */
static void set_up_thieves(uint32_t n_thieves, int attempts) {
    set_up(1 + n_thieves, 0, &fork_operations);
    for (uint32_t i = 0; i <= n_thieves; i++) {
        struct worker *worker = scheduler_worker(scheduler, i);
        model_assert(filchi_fork_stack_begin(worker, NULL) != NULL);
        filchi_fork_stack_end(worker);
    }
    for (int i = 0; i < CHILDREN; i++)
        atomic_store(&n_calls[i], 0);
    atomic_store(&awaited, -1);
    n_attempts = attempts;
    lets_go = waits = -1;
}

static void set_up_one(void) {
    set_up_thieves(1, 1);
}

static void set_up_again(void) {
    set_up_thieves(1, 2);
}

static void set_up_sleeper(void) {
    set_up_thieves(1, 0);
    n_expected = 1;
    lets_go = 0;
}

static void set_up_late(void) {
    set_up_sleeper();
    lets_go = 1;
    waits = 2;
}

static void set_up_two(void) {
    set_up_thieves(2, 1);
}

/* The second stack is there, too. */
static void set_up_nested(void) {
    set_up_again();
    struct worker *owner = scheduler_worker(scheduler, 0);
    for (int i = 0; i < 2; i++)
        model_assert(filchi_fork_stack_begin(owner, NULL) != NULL);
    for (int i = 0; i < 2; i++)
        filchi_fork_stack_end(owner);
}

/* The task runs already when the pool begins to end. */
static void set_up_stop(void) {
    set_up_sleeper();
    begun = filchi_fork_stack_begin(scheduler_worker(scheduler, 0), &n_calls);
    model_assert(begun != NULL);
}

static void tear_down(void) {
    for (uint32_t i = 0, n = scheduler_n_made(scheduler); i < n; i++)
        filchi_fork_stack_release(scheduler_worker(scheduler, i));
    pool_close();
}

/* ---- what the owner does ---- */

static void sync_leaf(filch_stack **top, long i) {
    model_assert(filch_sync(*top, leaf) == 10 + i);
}

static void spawn_two(void) {
    filch_stack *top = begin();
    for (long i = 0; i < 2; i++)
        filch_spawn(top, leaf, i);
    for (long i = 2; i-- > 0;)
        sync_leaf(&top, i);
    end(top);
}

static void expect_few_private(const filch_stack *top) {
    model_assert((int)(index_of(top) - stack_of(top)->split) <= PRIVATE_MOST);
}

/* More than may be private; some are taken back. */
static void spawn_many(void) {
    filch_stack *top = begin();
    for (long i = 0; i < CHILDREN; i++) {
        filch_spawn(top, leaf, i);
        expect_few_private(top);
    }
    for (long i = CHILDREN; i-- > 0;) {
        sync_leaf(&top, i);
        expect_few_private(top);
    }
    end(top);
}

/* A place is used again, with its flag. */
static void spawn_again(void) {
    filch_stack *top = begin();
    filch_spawn(top, leaf, 0);
    sync_leaf(&top, 0);
    filch_spawn(top, leaf, 1);
    sync_leaf(&top, 1);
    end(top);
}

/* Within the task it runs another one, on a stack of its own. */
static void spawn_nested(void) {
    filch_stack *outer = begin();
    filch_spawn(outer, leaf, 0);
    filch_stack *inner = begin();
    model_assert(stack_of(inner) != stack_of(outer));
    filch_spawn(inner, leaf, 1);
    sync_leaf(&inner, 1);
    end(inner);
    sync_leaf(&outer, 0);
    end(outer);
}

/* The other child is none of what the owner waits for. */
static void spawn_parent(void) {
    filch_stack *top = begin();
    filch_spawn(top, parent, 0);
    atomic_store(&awaited, 0);
    model_assert(filch_sync(top, parent) == 10);
    atomic_store(&awaited, -1);
    end(top);
}

/* Somebody has to come for the first spawn, whoever is asleep or falls asleep. */
static void spawn_and_wait(void) {
    filch_stack *top = begin();
    filch_spawn(top, leaf, 0);
    await_go(0);
    sync_leaf(&top, 0);
    end(top);
    (void)filch_fetch_add_acq_rel(&n_submitted, 1u);
}

/* The other worker must not leave before this task, and must leave after it. */
static void spawn_while_stopped(void) {
    filch_stack *top = begun;
    filchi_worker_become(scheduler_worker(scheduler, 0));
    filch_spawn(top, leaf, 0);
    await_go(0);
    sync_leaf(&top, 0);
    end(top);
}

/* On plain threads a rest is a short sleep, in which the other may not have come so far; what it had begun before
 * the first spawn, which serves it, flags places, too. */
static void await_request(const filch_stack *top) {
    model_await_rest();
#ifndef FILCH_MODEL_HOOKS_H
    struct fork_stack *stack = stack_of(top);
    while (filch_load_acquire(&stack->flagged) !=
               ((uint64_t)filch_load_relaxed(&stack->n_requests) << 32 | stack->split) ||
           filch_load_relaxed(&stack->n_requests) == filch_load_relaxed(&stack->n_served))
        model_await_rest();
#else
    (void)top;
#endif
}

/* A request of who fell asleep meanwhile is there at the next sync; one child was private until then. */
static void spawn_three(void) {
    filch_stack *top = begin();
    for (long i = 0; i < 3; i++)
        filch_spawn(top, leaf, i);
    await_request(top);
    for (long i = 3; i-- > 0;)
        sync_leaf(&top, i);
    end(top);
    (void)filch_fetch_add_acq_rel(&n_submitted, 1u);
}

static void check_called(int n) {
    for (int i = 0; i < CHILDREN; i++)
        model_assert(atomic_load(&n_calls[i]) == (i < n ? 1 : 0));
}

static void check_one(void) {
    check_called(1);
}

static void check_two(void) {
    check_called(2);
}

static void check_three(void) {
    check_called(3);
}

static void check_many(void) {
    check_called(CHILDREN);
}

const struct model_scenario model_scenarios[] = {
    {.name = "fork_stack.steal",
     .setup = set_up_again,
     .threads = {THREAD("owner", spawn_two), THREAD("thief", steal_first)},
     .check = check_two,
     .teardown = tear_down,
     .keeps_time = true},
    {.name = "fork_stack.again",
     .setup = set_up_again,
     .threads = {THREAD("owner", spawn_again), THREAD("thief", steal_first)},
     .check = check_two,
     .teardown = tear_down,
     .keeps_time = true},
    {.name = "fork_stack.back",
     .setup = set_up_one,
     .threads = {THREAD("owner", spawn_many), THREAD("thief", steal_first)},
     .check = check_many,
     .teardown = tear_down,
     .keeps_time = true},
    {.name = "fork_stack.thieves",
     .setup = set_up_two,
     .threads = {THREAD("owner", spawn_two), THREAD("thief", steal_first),
                 THREAD("thief 2", steal_second)},
     .check = check_two,
     .teardown = tear_down,
     .keeps_time = true},
    {.name = "fork_stack.leap",
     .setup = set_up_one,
     .threads = {THREAD("owner", spawn_parent), THREAD("thief", steal_first)},
     .check = check_two,
     .teardown = tear_down,
     .keeps_time = true},
    {.name = "fork_stack.leap_late",
     .setup = set_up_one,
     .threads = {THREAD("owner", spawn_parent), THREAD("thief", steal_and_spawn)},
     .check = check_three,
     .teardown = tear_down,
     .keeps_time = true},
    {.name = "fork_stack.nested",
     .setup = set_up_nested,
     .threads = {THREAD("owner", spawn_nested), THREAD("thief", steal_first)},
     .check = check_two,
     .teardown = tear_down,
     .keeps_time = true},
    {.name = "fork_stack.stop",
     .setup = set_up_stop,
     .threads = {THREAD("owner", spawn_while_stopped), THREAD("worker 1", work_second),
                 THREAD("closer", stop)},
     .check = check_one,
     .teardown = tear_down,
     .keeps_time = true},
    {.name = "fork_stack.sleeper",
     .setup = set_up_sleeper,
     .threads = {THREAD("owner", spawn_and_wait), THREAD("worker 1", work_second)},
     .is_over = is_over,
     .stop = pool_stop,
     .check = check_one,
     .teardown = tear_down,
     .keeps_time = true},
    {.name = "fork_stack.late",
     .setup = set_up_late,
     .threads = {THREAD("owner", spawn_three), THREAD("worker 1", work_second)},
     .is_over = is_over,
     .stop = pool_stop,
     .check = check_three,
     .teardown = tear_down,
     .keeps_time = true},
    {0},
};
