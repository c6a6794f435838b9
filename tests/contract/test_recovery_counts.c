/* What is counted of tasks whose worker process died, where more than tasks was on its stack. */
#include "processes.h"

#if !UNDER_TSAN /* which does not follow forks */

static int die_here(int unused) {
    (void)unused;
    kill(getpid(), SIGKILL);
    return 0;
}
FILCH_TASK(int, die_here, int);

static void wait_for_the_dead(filch_future *future, void *arg) {
    (void)future;
    filch_future *dead = filch_submit((filch_executor *)arg, die_here, 0);
    filch_join(dead);
    filch_release(dead);
}

/* Its callback is called when it has run, by the worker that submitted it: on top of it. */
static int leave_one_with_callback(int x) {
    filch_executor *ex = filch_this_executor();
    filch_future *future = filch_submit(ex, twice, x);
    filch_add_done_callback(future, wait_for_the_dead, ex);
    filch_release(future);
    return x;
}
FILCH_TASK(int, leave_one_with_callback, int);

static filch_stats_snapshot look(filch_executor *ex) {
    filch_stats_snapshot stats = FILCH_STATS();
    CHECK_EQ(filch_stats(ex, &stats), FILCH_OK);
    return stats;
}

/* The task below the dead one had ended, and was counted. */
CONTRACT_ALONE(recovery_counts, inside_of_a_callback) {
    filch_executor *ex = filch_process_pool(.max_workers = 1);
    for (int i = 0; i < 3; i++) {
        filch_future *future = filch_submit(ex, leave_one_with_callback, i);
        CHECK_EQ(filch_join(future), FILCH_OK);
        filch_release(future);
        while (look(ex).replaced <= i) /* what is shut down takes no more tasks */
            sched_yield();
    }
    CHECK_EQ(filch_shutdown(ex, .timeout = 60), FILCH_OK);
    filch_stats_snapshot stats = look(ex);
    CHECK_EQ(stats.replaced, 3);
    CHECK_EQ(stats.submitted, 9);
    CHECK_EQ(stats.finished, 6);
    CHECK_EQ(stats.failed, 3);
    CHECK_EQ(stats.running, 0);
    CHECK_EQ(stats.pending, 0);
    filch_close(ex);
}

#else

TEST(recovery_counts, not_under_thread_sanitizer) {}

#endif
