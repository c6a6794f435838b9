/* What a future can be asked: done, running, a result with a time limit, cancel, a callback. */
#include <filch/filch.h>
#include <semaphore.h>
#include <stdio.h>

/* A door that a task waits at, so that this program is the same each time. */
struct door {
    sem_t reached;
    sem_t open;
};

static const char *deliver(struct door *door) {
    sem_post(&door->reached);
    sem_wait(&door->open);
    return "the parcel";
}
FILCH_TASK(const char *, deliver, struct door *);

static void show(const char *when, filch_future *future) {
    printf("%-18s done %d  running %d  cancelled %d\n", when, filch_done(future),
           filch_running(future), filch_cancelled(future));
}

static void announce(filch_future *future, void *arg) {
    printf("callback: %s is %s\n", (const char *)arg,
           filch_cancelled(future) ? "cancelled" : "done");
}

int main(void) {
    filch_future *first = NULL, *second = NULL;
    const char *what = "nothing";

    filch_with (ex, filch_thread_pool(.max_workers = 1)) {
        struct door *door = filch_shared_alloc(ex, sizeof *door); /* threads and processes see it */
        sem_init(&door->reached, 1, 0);
        sem_init(&door->open, 1, 0);
        first = filch_submit(ex, deliver, door);
        second = filch_submit(ex, deliver, door); /* has to wait for the only worker */
        sem_wait(&door->reached);
        show("first started:", first);
        show("second waits:", second);

        filch_status status = filch_result_timeout(first, &what, 0.01);
        printf("first, after 10 ms: %s, %s\n", filch_status_name(status), what);

        filch_add_done_callback(first, announce, "the first");
        filch_add_done_callback(second, announce, "the second");
        printf("cancel the first: %d\n", filch_cancel(first)); /* too late: it runs */
        printf("cancel the second: %d\n", filch_cancel(second));
        show("second cancelled:", second);
        status = filch_result(second, &what);
        printf("second: %s, %s\n", filch_status_name(status), what);

        sem_post(&door->open);
        filch_join(first);
        filch_shared_free(ex, door);
    } /* waits for the first and its callback */

    show("first ended:", first);
    if (filch_result(first, &what) == FILCH_OK) /* a future outlives its pool */
        printf("first: %s\n", what);
    filch_add_done_callback(first, announce, "the first, once more,");
    filch_release(first);
    filch_release(second);
    return 0;
}
