/* park.c: no wake-up is lost: whoever submits while workers fall asleep gets a result, with searching
 * and without, with one worker and with more than there are cores, from one thread and from several. A
 * lost wake-up shows as a hang.
 *
 *     stress.park [rounds [seed]] */
#include "stress.h"
#include <filch/filch.h>

enum { SUBMITTERS = 3, TASKS = 400 };

static long twice(long x) {
    return x * 2;
}
FILCH_TASK(long, twice, long);

/* Two tasks that need each other to run at the same time. */
static atomic_int n_met;
static void meet(void) {
    atomic_fetch_add(&n_met, 1);
    while (atomic_load(&n_met) < 2)
        sched_yield();
}
FILCH_TASK_VOID(meet);

struct submitter {
    filch_executor *executor;
    uint64_t random;
};

static void nap(uint64_t *random) {
    uint32_t length = random_below(random, 8);
    if (length == 0) {
        struct timespec time = {.tv_nsec = random_below(random, 50000)};
        nanosleep(&time, NULL);
    }
    for (uint32_t i = length * 100; i > 0; i--)
        __asm__ volatile("");
}

static void *submitter(void *arg) {
    struct submitter *it = arg;
    for (long i = 0; i < TASKS;) {
        filch_future *futures[4];
        uint32_t n = 1 + random_below(&it->random, 4);
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
        nap(&it->random);
    }
    return NULL;
}

static void meet_once(filch_executor *executor) {
    atomic_store(&n_met, 0);
    filch_future *futures[2];
    for (int i = 0; i < 2; i++)
        futures[i] = filch_submit(executor, meet);
    for (int i = 0; i < 2; i++) {
        STRESS_CHECK(filch_join(futures[i]) == FILCH_OK);
        filch_release(futures[i]);
    }
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
        pthread_join(threads[i], NULL);
    for (int i = 0; workers > 1 && i < 100; i++) {
        nap(&stress->random);
        meet_once(executor);
    }
    filch_close(executor);
}

int main(int argc, char **argv) {
    struct stress stress = stress_begin(argc, argv, "park", 3);
    static const int workers[] = {1, 2, 3, 8};
    for (long round = 0; round < stress.rounds; round++)
        for (size_t i = 0; i < sizeof workers / sizeof workers[0]; i++)
            for (int spins = 0; spins < 3; spins++)
                play(&stress, workers[i], spins == 0 ? FILCH_NO_SPIN : spins == 1 ? 0 : 200e-6);
    return 0;
}
