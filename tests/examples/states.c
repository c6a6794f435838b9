/* What a future can be asked: done, running, a result with a time limit, cancel, a callback. */
#include <filch/filch.h>
#include <pthread.h>
#include <stdio.h>

/* A door that a task waits at, so that this program is the same each time. */
struct door {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool reached;
    bool open;
};

static void pass(struct door *door, bool reached, bool open) {
    pthread_mutex_lock(&door->lock);
    door->reached |= reached;
    door->open |= open;
    pthread_cond_broadcast(&door->changed);
    while (!door->open)
        pthread_cond_wait(&door->changed, &door->lock);
    pthread_mutex_unlock(&door->lock);
}

static void wait_until_reached(struct door *door) {
    pthread_mutex_lock(&door->lock);
    while (!door->reached)
        pthread_cond_wait(&door->changed, &door->lock);
    pthread_mutex_unlock(&door->lock);
}

static const char *deliver(struct door *door) {
    pass(door, true, false);
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
    static struct door door = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false};
    filch_future *first = NULL, *second = NULL;
    const char *what = "nothing";

    filch_with (ex, filch_thread_pool(.max_workers = 1)) {
        first = filch_submit(ex, deliver, &door);
        second = filch_submit(ex, deliver, &door); /* has to wait for the only worker */
        wait_until_reached(&door);
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

        pass(&door, false, true);
    } /* waits for the first and its callback */

    show("first ended:", first);
    if (filch_result(first, &what) == FILCH_OK) /* a future outlives its pool */
        printf("first: %s\n", what);
    filch_add_done_callback(first, announce, "the first, once more,");
    filch_release(first);
    filch_release(second);
    return 0;
}
