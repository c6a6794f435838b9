/* Loops whose helpers die, and with them the pool: no item is lost in silence. */
#include "processes.h"

#include <stdatomic.h>

#if !UNDER_TSAN /* which does not follow forks */

enum { ITEMS = 64 };

struct loop {
    atomic_int n_begun; /* in helpers */
    atomic_int n_run[ITEMS];
    pid_t caller;
};

/* The caller waits in its first piece until a helper has one, which it dies in. */
static void run_or_die(size_t begin, size_t end, void *arg) {
    struct loop *loop = arg;
    if (getpid() != loop->caller) {
        atomic_fetch_add(&loop->n_begun, 1);
        kill(getpid(), SIGKILL);
    }
    while (atomic_load(&loop->n_begun) == 0)
        sched_yield();
    for (size_t i = begin; i < end; i++)
        atomic_fetch_add(&loop->n_run[i], 1);
}

static int count_items(struct loop *loop) {
    int n = 0;
    for (int i = 0; i < ITEMS; i++)
        n += atomic_load(&loop->n_run[i]);
    return n;
}

static void check_loop(filch_on_crash on_crash) {
    filch_executor *ex = filch_process_pool(.max_workers = 2, .on_crash = on_crash);
    struct loop *loop = filch_shared_alloc(ex, sizeof *loop);
    memset(loop, 0, sizeof *loop);
    loop->caller = getpid();
    filch_status status = filch_for(ex, 0, ITEMS, run_or_die, loop);
    CHECK_LT(count_items(loop), ITEMS);
    CHECK_NE(status, FILCH_OK);
    CHECK_STR_HAS(filch_error_message(), "SIGKILL");
    filch_shared_free(ex, loop);
    filch_close(ex);
}

CONTRACT_ALONE(recovery_for, a_helper_dies) {
    check_loop(FILCH_CRASH_FAILS_TASK);
}

CONTRACT_ALONE(recovery_for, a_helper_dies_and_the_pool_breaks) {
    check_loop(FILCH_CRASH_BREAKS_POOL);
}

#else

TEST(recovery_for, not_under_thread_sanitizer) {}

#endif
