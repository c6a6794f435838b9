/* shutdown.c: pools of 1 to 8 workers that are shut down under load, in all combinations of flags, by
 * one thread or by two at once, the second from outside, by a task or by a callback, while threads,
 * tasks and callbacks submit. Every accepted task runs or is cancelled, and its callback is called,
 * exactly once and before close returns; nothing hangs and nothing is left.
 *
 *     stress.shutdown [rounds [seed]]      the long run is 100000 rounds */
#include "stress.h"
#include <filch/filch.h>

enum { SUBMITTERS = 2, MOST = 2000, COMBINATIONS = 256, MOST_WORKERS = 8 };

/* Who calls the second shutdown. */
enum place { OUTSIDE, IN_TASK, IN_CALLBACK, NOBODY };

static atomic_long n_run, n_accepted, n_ended, n_cancelled, n_refused;

static long work(long depth);
FILCH_TASK(long, work, long);

static void submit(filch_executor *executor, long depth, bool is_chained);

static void count_end(filch_future *future, void *arg) {
    (void)arg;
    STRESS_CHECK(filch_done(future));
    if (filch_cancelled(future))
        atomic_fetch_add(&n_cancelled, 1);
    atomic_fetch_add(&n_ended, 1);
}

static void count_end_and_submit(filch_future *future, void *executor) {
    count_end(future, NULL);
    submit(executor, 0, false);
}

/* The callback that counts the end is part of every task. `is_chained`: it submits again. */
static void submit(filch_executor *executor, long depth, bool is_chained) {
    filch_future *future = filch_submit(executor, work, depth);
    if (future == NULL) {
        STRESS_CHECK_MSG(filch_error_status() == FILCH_SHUTDOWN, "%s", filch_error_message());
        atomic_fetch_add(&n_refused, 1);
        return;
    }
    atomic_fetch_add(&n_accepted, 1);
    STRESS_CHECK(filch_add_done_callback(future, is_chained ? count_end_and_submit : count_end,
                                         executor) == FILCH_OK);
    filch_release(future);
}

static long work(long depth) {
    atomic_fetch_add(&n_run, 1);
    if (depth > 0)
        submit(filch_this_executor(), depth - 1, false);
    return depth;
}

static void shut_down(filch_executor *executor, unsigned flags) {
    filch_status status =
        filch_shutdown(executor, .no_wait = (flags & 1) != 0, .cancel_futures = (flags & 2) != 0,
                       .timeout = flags & 4 ? 1e-4 : 0);
    STRESS_CHECK(status == FILCH_OK || (status == FILCH_TIMEOUT && (flags & 4) != 0));
}

struct actor {
    filch_executor *executor;
    unsigned flags;
    enum place place;
    uint32_t delay;
};

/* From inside it never waits. */
static void shut_down_inside(struct actor *it) {
    shut_down(it->executor, it->flags);
    STRESS_CHECK(filch_submit(it->executor, work, 0) == NULL);
    filch_close(it->executor);
}
FILCH_TASK_VOID(shut_down_inside, struct actor *);

static void shut_down_in_callback(filch_future *future, void *actor) {
    count_end(future, NULL);
    shut_down_inside(actor);
}

static void shut_down_by_task(struct actor *it) {
    filch_future *future = filch_submit(it->executor, shut_down_inside, it);
    if (future == NULL)
        STRESS_CHECK_MSG(filch_error_status() == FILCH_SHUTDOWN, "%s", filch_error_message());
    filch_release(future);
}

/* On a worker; or in this thread, if the task has ended already; or in one that cancels it. */
static void shut_down_by_callback(struct actor *it) {
    filch_future *future = filch_submit(it->executor, work, 0);
    if (future == NULL) {
        STRESS_CHECK_MSG(filch_error_status() == FILCH_SHUTDOWN, "%s", filch_error_message());
        return;
    }
    atomic_fetch_add(&n_accepted, 1);
    STRESS_CHECK(filch_add_done_callback(future, shut_down_in_callback, it) == FILCH_OK);
    filch_release(future);
}

static void wait_turns(uint32_t n) {
    while (n-- > 0)
        atomic_signal_fence(memory_order_seq_cst);
}

static void *submitter(void *arg) {
    struct actor *it = arg;
    long refused = atomic_load(&n_refused);
    for (int i = 0; i < MOST && atomic_load(&n_refused) == refused; i++)
        submit(it->executor, i % 3, i % 16 == 0);
    return NULL;
}

static void *second_shutdown(void *arg) {
    struct actor *it = arg;
    wait_turns(it->delay);
    if (it->place == IN_TASK)
        shut_down_by_task(it);
    else if (it->place == IN_CALLBACK)
        shut_down_by_callback(it);
    else
        shut_down(it->executor, it->flags);
    return NULL;
}

/* Bits 0-2: the flags of this thread's shutdown; 3-5: those of the second one, 6-7: its place. */
static void play(struct stress *stress, unsigned flags) {
    atomic_store(&n_run, 0);
    atomic_store(&n_accepted, 0);
    atomic_store(&n_ended, 0);
    atomic_store(&n_cancelled, 0);
    filch_executor *executor =
        filch_thread_pool(.max_workers = 1 + (int)random_below(&stress->random, MOST_WORKERS),
                          .spin = random_below(&stress->random, 2) ? FILCH_NO_SPIN : 0);
    STRESS_CHECK(executor != NULL);
    uint32_t delay = random_below(&stress->random, 200000);
    pthread_t threads[SUBMITTERS + 1];
    struct actor actor = {.executor = executor};
    for (int i = 0; i < SUBMITTERS; i++)
        threads[i] = stress_start(submitter, &actor);
    struct actor second = {executor, flags >> 3 & 7, (enum place)(flags >> 6),
                           random_below(&stress->random, 200000)};
    int n_threads = SUBMITTERS + (second.place == NOBODY ? 0 : 1);
    if (n_threads > SUBMITTERS)
        threads[SUBMITTERS] = stress_start(second_shutdown, &second);
    wait_turns(delay);
    shut_down(executor, flags & 7);
    for (int i = 0; i < n_threads; i++)
        stress_join(threads[i]);
    filch_close(executor);
    STRESS_CHECK(atomic_load(&n_ended) == atomic_load(&n_accepted));
    STRESS_CHECK(atomic_load(&n_run) + atomic_load(&n_cancelled) == atomic_load(&n_accepted));
    bool cancels = (flags & 2) != 0 || (n_threads > SUBMITTERS && (flags & 16) != 0);
    STRESS_CHECK(cancels || atomic_load(&n_cancelled) == 0);
}

int main(int argc, char **argv) {
    struct stress stress = stress_begin(argc, argv, "shutdown", 2048);
    int threads = stress_count_entries("/proc/self/task");
    play(&stress, 0); /* what is there once and for all */
    int descriptors = stress_count_entries("/proc/self/fd");
    for (long round = 0; round < stress.rounds; round++)
        play(&stress, (unsigned)(round % COMBINATIONS));
    stress_await_threads(threads);
    STRESS_CHECK(stress_count_entries("/proc/self/fd") == descriptors);
    printf("shutdown: %ld submits were refused\n", atomic_load(&n_refused));
    return EXIT_SUCCESS;
}
