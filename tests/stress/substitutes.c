/* substitutes.c: tasks that block in every way there is, at any depth, in two pools that wait for each
 * other, with few workers: every task runs once, every result is right, never more tasks start than
 * there are workers, and the pools end by every kind of shutdown.
 *
 *     stress.substitutes [rounds [seed]] */
#include "stress.h"
#include <filch/filch.h>

enum { ROOTS = 24, DEPTH = 5, MOST_WORKERS = 4 };

static filch_executor *pools[2];
static int n_workers[2];
static atomic_long n_run;

/* Tasks of one pool that run and have not begun to wait. */
static atomic_int n_starting[2];

static long grow(int where, int depth, uint64_t random);
FILCH_TASK(long, grow, int, int, uint64_t);

static uint64_t seed_of(uint64_t *random) {
    return (uint64_t)random_below(random, UINT32_MAX) << 32 | random_below(random, UINT32_MAX);
}

static filch_future *plant(int where, int depth, uint64_t *random) {
    filch_future *future = filch_submit(pools[where], grow, where, depth, seed_of(random));
    STRESS_CHECK_MSG(future != NULL, "submit: %s", filch_error_message());
    return future;
}

/* So that a refusal at the limit of substitutes does not end the test: then it waits without one. */
static long harvest(filch_future *future) {
    long sum = 0;
    filch_status status;
    while ((status = filch_result(future, &sum)) == FILCH_NO_MEMORY)
        sched_yield();
    STRESS_CHECK_MSG(status == FILCH_OK, "result: %s", filch_error_message());
    filch_release(future);
    return sum;
}

static bool is_expected(filch_status status) {
    return status == FILCH_OK || status == FILCH_TIMEOUT || status == FILCH_NO_MEMORY;
}

static void keep(filch_future *promise, long value) {
    STRESS_CHECK(filch_set_result(promise, &value, sizeof value) == FILCH_OK);
    filch_release(promise);
}
FILCH_TASK_VOID(keep, filch_future *, long);

static long wait_for_promise(int where) {
    filch_future *promise = filch_future_new(sizeof(long));
    STRESS_CHECK(promise != NULL);
    filch_release(filch_submit(pools[where], keep, filch_retain(promise), 0));
    return harvest(promise);
}

static long wait_for_two(int where, int depth, uint64_t *random) {
    filch_future *both[2] = {plant(where, depth, random), plant(where, depth, random)};
    size_t n_done = 0;
    STRESS_CHECK(is_expected(filch_wait(both, 2, FILCH_FIRST_COMPLETED, FILCH_FOREVER, &n_done)));
    return harvest(both[0]) + harvest(both[1]);
}

static long wait_for_three(int where, int depth, uint64_t *random) {
    filch_future *all[3];
    for (int i = 0; i < 3; i++)
        all[i] = plant(i == 2 ? 1 - where : where, depth, random);
    filch_completed *completed = filch_as_completed(all, 3);
    STRESS_CHECK(completed != NULL);
    filch_future *given;
    filch_status status;
    while ((status = filch_completed_next(completed, &given, 1e-4)) != FILCH_END)
        STRESS_CHECK(is_expected(status));
    filch_completed_close(completed);
    return harvest(all[0]) + harvest(all[1]) + harvest(all[2]);
}

static long grow(int where, int depth, uint64_t random) {
    int now = atomic_fetch_add(&n_starting[where], 1) + 1;
    STRESS_CHECK_MSG(now <= n_workers[where], "%d tasks started at once", now);
    atomic_fetch_add(&n_run, 1);
    stress_gap(&random, 5);
    atomic_fetch_sub(&n_starting[where], 1);
    if (depth == 0)
        return 1;
    filch_future *child;
    switch (random_below(&random, 7)) {
    case 0:
        return 1 + harvest(plant(where, depth - 1, &random));
    case 1:
        return 1 + harvest(plant(1 - where, depth - 1, &random));
    case 2:
        return 1 + wait_for_two(where, depth - 1, &random);
    case 3:
        return 1 + wait_for_three(where, depth - 1, &random);
    case 4:
        return 1 + wait_for_promise(where);
    case 5:
        child = plant(where, depth - 1, &random);
        STRESS_CHECK(is_expected(filch_join_timeout(child, 1000)));
        return 1 + harvest(child);
    default:
        child = plant(where, depth - 1, &random);
        STRESS_CHECK(is_expected(filch_join_timeout(child, 1e-6 * random_below(&random, 100))));
        return 1 + harvest(child);
    }
}

static void play(uint64_t *random) {
    for (int i = 0; i < 2; i++) {
        n_workers[i] = 1 + (int)random_below(random, MOST_WORKERS);
        pools[i] = filch_thread_pool(.max_workers = n_workers[i]);
        STRESS_CHECK(pools[i] != NULL);
    }
    atomic_store(&n_run, 0);
    filch_future *roots[ROOTS];
    for (int i = 0; i < ROOTS; i++)
        roots[i] = plant(i % 2, DEPTH, random);
    long sum = 0;
    bool collects_first = random_below(random, 2) == 0;
    for (int i = 0; i < ROOTS && collects_first; i++)
        sum += harvest(roots[i]);
    if (collects_first)
        for (int i = 0; i < 2; i++)
            STRESS_CHECK(filch_shutdown(pools[i], .no_wait = random_below(random, 2) == 0) ==
                         FILCH_OK);
    for (int i = 0; i < ROOTS && !collects_first; i++)
        sum += harvest(roots[i]);
    STRESS_CHECK_MSG(sum == atomic_load(&n_run), "%ld tasks ran, %ld results", atomic_load(&n_run),
                     sum);
    for (int i = 0; i < 2; i++)
        filch_close(pools[i]);
}

int main(int argc, char **argv) {
    struct stress stress = stress_begin(argc, argv, "substitutes", 30);
    for (long round = 0; round < stress.rounds; round++)
        play(&stress.random);
    return EXIT_SUCCESS;
}
