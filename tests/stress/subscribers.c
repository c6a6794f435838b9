/* subscribers.c: threads wait for, give up on and call back from the same futures while these finish
 * or are cancelled: everybody is told once, and time-outs leave no growth.
 *
 *     stress.subscribers [rounds [seed]] */
#include "stress.h"
#include <filch/filch.h>

enum { FUTURES = 64, WATCHERS = 3, CALLBACKS = 4 };

static atomic_int go;
static int wait_for_go(int i) {
    while (atomic_load(&go) == 0)
        sched_yield();
    return i;
}
FILCH_TASK(int, wait_for_go, int);

static filch_future *futures[FUTURES];
static atomic_int called[FUTURES];

static void count_call(filch_future *future, void *arg) {
    STRESS_CHECK(filch_done(future));
    atomic_fetch_add((atomic_int *)arg, 1);
}

struct watcher {
    uint64_t random;
};

/* Looks impatiently, gives up, starts again; at last collects all. */
static void *watcher(void *arg) {
    struct watcher *it = arg;
    for (int turn = 0; turn < 20; turn++) {
        filch_future *mine[FUTURES];
        size_t n_done;
        for (int i = 0; i < FUTURES; i++)
            mine[i] = futures[i];
        filch_status status = filch_wait(mine, FUTURES, FILCH_FIRST_COMPLETED, 1e-5, &n_done);
        STRESS_CHECK(status == FILCH_OK ? n_done > 0 : status == FILCH_TIMEOUT);
        filch_completed *completed = filch_as_completed(futures, FUTURES);
        STRESS_CHECK(completed != NULL);
        filch_future *future;
        for (uint32_t n = random_below(&it->random, 4); n > 0; n--)
            (void)filch_completed_next(completed, &future, 1e-6);
        filch_completed_close(completed);
    }
    filch_completed *completed = filch_as_completed(futures, FUTURES);
    STRESS_CHECK(completed != NULL);
    int n = 0;
    for (filch_future *future; filch_completed_next(completed, &future, FILCH_FOREVER) == FILCH_OK;
         n++)
        STRESS_CHECK(filch_done(future));
    STRESS_CHECK(n == FUTURES);
    filch_completed_close(completed);
    return NULL;
}

static void play(struct stress *stress, filch_executor *executor) {
    atomic_store(&go, 0);
    for (int i = 0; i < FUTURES; i++) {
        atomic_store(&called[i], 0);
        futures[i] = filch_submit(executor, wait_for_go, i);
        STRESS_CHECK(futures[i] != NULL);
    }
    pthread_t threads[WATCHERS];
    struct watcher watchers[WATCHERS];
    for (int i = 0; i < WATCHERS; i++) {
        random_seed(&watchers[i].random, stress->random + (uint64_t)i);
        threads[i] = stress_start(watcher, &watchers[i]);
    }
    for (int n = 0; n < FUTURES * CALLBACKS; n++) {
        int i = n % FUTURES;
        if (n == FUTURES * CALLBACKS / 2)
            atomic_store(&go, 1);
        STRESS_CHECK(filch_add_done_callback(futures[i], count_call, &called[i]) == FILCH_OK);
        if (random_below(&stress->random, 16) == 0)
            (void)filch_cancel(futures[random_below(&stress->random, FUTURES)]);
    }
    for (int i = 0; i < WATCHERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < FUTURES; i++)
        filch_release(futures[i]);
}

int main(int argc, char **argv) {
    struct stress stress = stress_begin(argc, argv, "subscribers", 200);
    for (long round = 0; round < stress.rounds; round++) {
        filch_executor *executor = filch_thread_pool(.max_workers = 1 + (int)(round % 3));
        STRESS_CHECK(executor != NULL);
        play(&stress, executor);
        filch_close(executor); /* after the last callback */
        for (int i = 0; i < FUTURES; i++)
            STRESS_CHECK(atomic_load(&called[i]) == CALLBACKS);
    }
    return 0;
}
