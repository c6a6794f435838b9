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

static long cube(long x) {
    return x * x * x;
}
FILCH_TASK(long, cube, long);

int main(void) {
    struct job jobs[JOBS] = {{.x = 3}, {.x = 4}, {.x = -5}, {.x = 6}};
    for (int i = 0; i < JOBS; i++)
        jobs[i].future = filch_future_new(sizeof(long));
    filch_cancel(jobs[1].future);
    filch_with (ex, filch_thread_pool(.max_workers = 1)) {
        filch_future *task = filch_submit(ex, cube, 6);
        pthread_t worker;
        if (pthread_create(&worker, NULL, work, jobs) != 0)
            return 1;
        filch_future *both[] = {task, jobs[3].future};
        long value = 0, job = 0;
        filch_wait(both, 2, FILCH_ALL_COMPLETED, FILCH_FOREVER, NULL);
        filch_result(task, &value);
        filch_result(jobs[3].future, &job);
        pthread_join(worker, NULL);
        printf("a task gave %ld, job 3 %ld\n", value, job);
        filch_release(task);
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
