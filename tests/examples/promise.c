/* An executor of one's own: futures that the program completes itself, collected like any others. */
#include <filch/filch.h>
#include <pthread.h>
#include <stdio.h>

struct job {
    long x;
    filch_future *future;
};

enum { JOBS = 4 };

/* Runs the jobs one after the other, as a worker of any executor would. */
static void *work(void *arg) {
    struct job *jobs = arg;
    for (int i = 0; i < JOBS; i++) {
        if (filch_set_running_or_notify_cancel(jobs[i].future) != FILCH_OK) {
            printf("job %d was cancelled\n", i);
            continue;
        }
        long square = jobs[i].x * jobs[i].x;
        if (jobs[i].x < 0)
            filch_set_exception(jobs[i].future, 1, "only natural numbers here");
        else
            filch_set_result(jobs[i].future, &square, sizeof square);
    }
    return NULL;
}

/* A task may wait for it: its worker takes other tasks meanwhile. */
static long wait_for_job(filch_future *job) {
    long value = 0;
    filch_result(job, &value);
    return value;
}
FILCH_TASK(long, wait_for_job, filch_future *);

int main(void) {
    struct job jobs[JOBS] = {{.x = 3}, {.x = 4}, {.x = -5}, {.x = 6}};
    for (int i = 0; i < JOBS; i++)
        jobs[i].future = filch_future_new(sizeof(long));
    filch_cancel(jobs[1].future);
    filch_with (ex, filch_thread_pool(.max_workers = 1)) {
        filch_future *task = filch_submit(ex, wait_for_job, jobs[3].future);
        pthread_t worker;
        if (pthread_create(&worker, NULL, work, jobs) != 0)
            return 1;
        long value;
        if (filch_result(task, &value) == FILCH_OK)
            printf("the task saw %ld\n", value);
        filch_release(task);
        pthread_join(worker, NULL);
    }
    for (int i = 0; i < JOBS; i++) {
        const filch_error *error = filch_exception(jobs[i].future);
        if (error == NULL)
            printf("job %d is done\n", i);
        else
            printf("job %d: %s\n", i, error->message);
        filch_release(jobs[i].future);
    }
    return 0;
}
