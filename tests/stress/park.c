/* park.c: no wake-up is lost: whoever submits while workers fall asleep gets a result, with searching
 * and without, with one worker and with more than there are cores, from one thread and from several;
 * and as many tasks as there are workers run at the same time, whatever was queued with them. A lost
 * wake-up shows as a hang.
 *
 *     stress.park [rounds [seed]] */
#include "stress.h"
#include <filch/filch.h>

enum { SUBMITTERS = 3, TASKS = 300, MEETINGS = 60, WORKERS_MOST = 8, FILLERS = 6 };

static long twice(long x) {
    return x * 2;
}
FILCH_TASK(long, twice, long);

struct submitter {
    filch_executor *executor;
    uint64_t random;
};

/* Mostly one task at a time, so that every one of them needs a worker to be awake. */
static void *submitter(void *arg) {
    struct submitter *it = arg;
    for (long i = 0; i < TASKS;) {
        filch_future *futures[4];
        uint32_t n = random_below(&it->random, 3) > 0 ? 1 : 1 + random_below(&it->random, 4);
        for (uint32_t j = 0; j < n; j++) {
            futures[j] = filch_submit(it->executor, twice, i + (long)j);
            STRESS_CHECK(futures[j] != NULL);
        }
        for (uint32_t j = 0; j < n; j++) {
            long result;
            STRESS_CHECK(filch_result(futures[j], &result) == FILCH_OK);
            STRESS_CHECK(result == 2 * (i + (long)j));
            filch_release(futures[j]);
        }
        i += n;
        stress_gap(&it->random, 50);
    }
    return NULL;
}

/* Tasks that need each other to run at the same time: each comes, and waits for the others. */
static atomic_int n_come;
static void come(int all) {
    stress_meet(&n_come, all);
}
FILCH_TASK_VOID(come, int);

/* Keeps a worker busy until the tasks of a meeting are queued. */
static atomic_bool is_queued;
static void hold(void) {
    while (!atomic_load(&is_queued))
        sched_yield();
}
FILCH_TASK_VOID(hold);

static filch_future *futures[WORKERS_MOST + FILLERS];

/* Tasks that come, one for each worker, among others that end at once. */
static void queue_meeting(filch_executor *executor, uint64_t random, int workers) {
    int to_come = workers, fillers = FILLERS;
    for (int i = 0; to_come + fillers > 0; i++) {
        bool comes = (int)random_below(&random, (uint32_t)(to_come + fillers)) < to_come;
        futures[i] =
            comes ? filch_submit(executor, come, workers) : filch_submit(executor, twice, 1);
        STRESS_CHECK(futures[i] != NULL);
        to_come -= comes;
        fillers -= !comes;
        if (random_below(&random, 8) == 0)
            sched_yield();
    }
}

static void queue_inside(uint64_t random, int workers) {
    queue_meeting(filch_this_executor(), random, workers);
}
FILCH_TASK_VOID(queue_inside, uint64_t, int);

static void join_all(filch_future **all, int n) {
    for (int i = 0; i < n; i++) {
        STRESS_CHECK(filch_join(all[i]) == FILCH_OK);
        filch_release(all[i]);
    }
}

/* They are queued by this thread or by a task, while some workers are busy and others asleep. */
static void hold_meeting(filch_executor *executor, uint64_t *random, int workers) {
    atomic_store(&n_come, 0);
    atomic_store(&is_queued, false);
    filch_future *held[WORKERS_MOST];
    int n_held = (int)random_below(random, (uint32_t)workers); /* one is left */
    for (int i = 0; i < n_held; i++)
        held[i] = filch_submit(executor, hold);
    if (random_below(random, 2) == 0)
        stress_gap(random, 100);
    if (random_below(random, 3) == 0) {
        filch_future *inside = filch_submit(executor, queue_inside, *random, workers);
        join_all(&inside, 1);
    } else {
        queue_meeting(executor, *random, workers);
    }
    atomic_store(&is_queued, true);
    join_all(held, n_held);
    join_all(futures, workers + FILLERS);
    STRESS_CHECK(atomic_load(&n_come) == workers);
}

static void play(struct stress *stress, int workers, double spin) {
    filch_executor *executor = filch_thread_pool(.max_workers = workers, .spin = spin);
    STRESS_CHECK(executor != NULL);
    pthread_t threads[SUBMITTERS];
    struct submitter submitters[SUBMITTERS];
    int n = 1 + (int)random_below(&stress->random, SUBMITTERS);
    for (int i = 0; i < n; i++) {
        submitters[i] = (struct submitter){executor, 0};
        random_seed(&submitters[i].random, stress->random + (uint64_t)i);
        threads[i] = stress_start(submitter, &submitters[i]);
    }
    for (int i = 0; i < n; i++)
        stress_join(threads[i]);
    for (int i = 0; i < MEETINGS; i++)
        hold_meeting(executor, &stress->random, workers);
    filch_close(executor);
}

int main(int argc, char **argv) {
    struct stress stress = stress_begin(argc, argv, "park", 3);
    static const int workers[] = {1, 2, 3, 4, WORKERS_MOST};
    static const double spins[] = {FILCH_NO_SPIN, 0, 200e-6};
    for (long round = 0; round < stress.rounds; round++)
        for (size_t i = 0; i < sizeof workers / sizeof workers[0]; i++)
            for (size_t j = 0; j < sizeof spins / sizeof spins[0]; j++)
                play(&stress, workers[i], spins[j]);
    return EXIT_SUCCESS;
}
