/* shutdown.c: pools that are shut down under load, in all combinations of flags, while threads, tasks
 * and callbacks submit. Every accepted task ends exactly once; nothing hangs and nothing is left.
 *
 *     stress.shutdown [rounds [seed]] */
#include "stress.h"
#include <dirent.h>
#include <filch/filch.h>

enum { SUBMITTERS = 2, MOST = 3000 };

static atomic_long n_run, n_accepted, n_refused;

static long work(long depth);
FILCH_TASK(long, work, long);

static void count_submit(filch_future *future) {
    if (future == NULL) {
        STRESS_CHECK(filch_error_status() == FILCH_SHUTDOWN);
        atomic_fetch_add(&n_refused, 1);
        return;
    }
    atomic_fetch_add(&n_accepted, 1);
    filch_release(future);
}

static void submit_more(filch_future *future, void *arg) {
    (void)future;
    count_submit(filch_submit(arg, work, 0));
}

static long work(long depth) {
    atomic_fetch_add(&n_run, 1);
    if (depth > 0)
        count_submit(filch_submit(filch_this_executor(), work, depth - 1));
    return depth;
}

struct submitter {
    filch_executor *executor;
    filch_future *kept[MOST];
    int n_kept;
};

static void *submitter(void *arg) {
    struct submitter *it = arg;
    while (it->n_kept < MOST) {
        filch_future *future = filch_submit(it->executor, work, it->n_kept % 3);
        if (future == NULL) {
            STRESS_CHECK(filch_error_status() == FILCH_SHUTDOWN);
            break;
        }
        if (it->n_kept % 16 == 0)
            STRESS_CHECK(filch_add_done_callback(future, submit_more, it->executor) == FILCH_OK);
        it->kept[it->n_kept++] = future;
    }
    return NULL;
}

static void play(struct stress *stress, unsigned flags) {
    static struct submitter submitters[SUBMITTERS];
    atomic_store(&n_run, 0);
    atomic_store(&n_accepted, 0);
    filch_executor *executor = filch_thread_pool(.max_workers = 1 + (int)(flags % 4));
    STRESS_CHECK(executor != NULL);
    pthread_t threads[SUBMITTERS];
    for (int i = 0; i < SUBMITTERS; i++) {
        submitters[i].executor = executor;
        submitters[i].n_kept = 0;
        threads[i] = stress_start(submitter, &submitters[i]);
    }
    for (uint32_t n = random_below(&stress->random, 20000); n > 0; n--)
        __asm__ volatile("");
    bool cancels = flags & 4;
    filch_status status =
        filch_shutdown(executor, .no_wait = (flags & 8) != 0, .cancel_futures = cancels,
                       .timeout = flags & 16 ? 1e-4 : 0);
    STRESS_CHECK(status == FILCH_OK || (status == FILCH_TIMEOUT && (flags & 16)));
    for (int i = 0; i < SUBMITTERS; i++)
        pthread_join(threads[i], NULL);
    filch_close(executor);
    long n_cancelled = 0, n_kept = 0;
    for (int i = 0; i < SUBMITTERS; i++)
        for (int j = 0; j < submitters[i].n_kept; j++, n_kept++) {
            filch_future *future = submitters[i].kept[j];
            STRESS_CHECK(filch_done(future));
            n_cancelled += filch_cancelled(future);
            filch_release(future);
        }
    /* What tasks and callbacks submitted was released at once, so only its sum is known. */
    STRESS_CHECK(cancels || n_cancelled == 0);
    long n_all = n_kept + atomic_load(&n_accepted);
    STRESS_CHECK(cancels ? atomic_load(&n_run) <= n_all - n_cancelled
                         : atomic_load(&n_run) == n_all);
}

static int count_entries(const char *path) {
    int n = 0;
    DIR *directory = opendir(path);
    STRESS_CHECK(directory != NULL);
    while (readdir(directory) != NULL)
        n++;
    closedir(directory);
    return n;
}

int main(int argc, char **argv) {
    struct stress stress = stress_begin(argc, argv, "shutdown", 2000);
    play(&stress, 1); /* what is there once and for all */
    int descriptors = count_entries("/proc/self/fd");
    for (long round = 0; round < stress.rounds; round++)
        play(&stress, (unsigned)(round % 32));
    STRESS_CHECK(count_entries("/proc/self/fd") == descriptors);
    STRESS_CHECK(count_entries("/proc/self/task") <= 4); /* itself, and what a sanitizer has */
    printf("shutdown: %ld submits were refused\n", atomic_load(&n_refused));
    return 0;
}
