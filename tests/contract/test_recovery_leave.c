/* A worker that leaves in order, while another thread of its process is in the middle of something. */
#include "processes.h"

#include <pthread.h>

#if !UNDER_TSAN /* which does not follow forks */

/* What it submits it takes back, or else each would need a process. */
static void *submit_on(void *arg) {
    for (int i = 0;; i++) {
        filch_future *future = filch_submit((filch_executor *)arg, twice, i);
        if (future != NULL)
            filch_cancel(future);
        filch_release(future);
    }
    return NULL;
}

static int leave_a_thread(int x) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, submit_on, filch_this_executor()) == 0)
        pthread_detach(thread);
    return x;
}
FILCH_TASK(int, leave_a_thread, int);

/* What was half submitted when the process ended is taken back, or run. */
CONTRACT_ALONE(recovery_leave, with_a_thread_that_submits) {
    filch_executor *ex = filch_process_pool(.max_workers = 2, .max_tasks_per_child = 1);
    for (int i = 0; i < 100; i++) {
        filch_future *future = filch_submit(ex, leave_a_thread, i);
        CHECK_EQ(filch_join(future), FILCH_OK);
        filch_release(future);
    }
    CHECK_EQ(filch_shutdown(ex, .timeout = 60), FILCH_OK);
    filch_stats_snapshot stats = FILCH_STATS();
    CHECK_EQ(filch_stats(ex, &stats), FILCH_OK);
    CHECK_EQ(stats.pending, 0);
    CHECK_EQ(stats.running, 0);
    CHECK_EQ(stats.submitted, stats.finished + stats.failed + stats.cancelled);
    filch_close(ex);
}

#else

TEST(recovery_leave, not_under_thread_sanitizer) {}

#endif
