/* Tasks that run past their time limit inside of a worker's initializer. */
#include "processes.h"

#include <stdatomic.h>

#if !UNDER_TSAN /* which does not follow forks */

struct start {
    _Atomic(filch_executor *) executor;
    atomic_int n_starts;
};

static int hang(int unused) {
    for (;;)
        pause();
    return unused;
}
FILCH_TASK(int, hang, int);

/* The first one waits for a task, and runs it here. */
static int wait_for_hanging(void *arg) {
    struct start *start = *(struct start **)arg;
    if (atomic_fetch_add(&start->n_starts, 1) > 0)
        return 0;
    while (atomic_load(&start->executor) == NULL)
        sched_yield();
    filch_future *future =
        filch_submit_with(atomic_load(&start->executor), FILCH_OPTIONS(.timeout = 0.2), hang, 0);
    filch_join(future);
    filch_release(future);
    return 0;
}

CONTRACT_ALONE(recovery_limits, in_an_initializer) {
    struct start *start = map_shared(sizeof *start);
    filch_executor *ex =
        filch_process_pool(.max_workers = 1, .initializer = wait_for_hanging, .initarg = &start);
    filch_future *future = filch_submit(ex, twice, 21);
    atomic_store(&start->executor, ex);
    CHECK_EQ(filch_join_timeout(future, 20), FILCH_OK);
    check_long(future, 42);
    CHECK_EQ(atomic_load(&start->n_starts), 2);
    filch_close(ex);
}

#else

TEST(recovery_limits, not_under_thread_sanitizer) {}

#endif
