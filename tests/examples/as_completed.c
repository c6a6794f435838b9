/* Take results in the order in which the tasks end, not in which they were submitted. */
#include <filch/filch.h>
#include <pthread.h>
#include <stdio.h>

/* The runners cross the line in the order of their speed, whichever starts first. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int arrived;
} line = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};

static const char *run(const char *name, int place) {
    pthread_mutex_lock(&line.lock);
    while (line.arrived != place)
        pthread_cond_wait(&line.changed, &line.lock);
    pthread_mutex_unlock(&line.lock);
    return name;
}
FILCH_TASK(const char *, run, const char *, int);

static void let_next_arrive(void) {
    pthread_mutex_lock(&line.lock);
    line.arrived++;
    pthread_cond_broadcast(&line.changed);
    pthread_mutex_unlock(&line.lock);
}

int main(void) {
    filch_with (ex, filch_thread_pool(.max_workers = 4)) {
        filch_future *futures[] = {
            filch_submit(ex, run, "tortoise", 3),
            filch_submit(ex, run, "hare", 1),
            filch_submit(ex, run, "fox", 2),
            filch_submit(ex, run, "hedgehog", 0),
        };
        filch_completed *completed = filch_as_completed(futures, 4);
        int place = 1;
        for (filch_future *f; filch_completed_next(completed, &f, FILCH_FOREVER) == FILCH_OK;) {
            const char *name;
            if (filch_result(f, &name) == FILCH_OK)
                printf("%d. %s\n", place++, name);
            filch_release(f);
            let_next_arrive();
        }
        filch_completed_close(completed);
    }
    return 0;
}
