/* A worker that breaks its pool, and dies before it has said so. */
#include "processes.h"

#include "executor/pool.h"

#if !UNDER_TSAN /* which does not follow forks */

/* It dies of the reason that it is about to write. */
static int break_and_die(int unused) {
    static char *volatile nowhere = (char *)8;
    (void)unused;
    signal(SIGSEGV, SIG_DFL); /* a sanitizer's */
    filchi_pool_break(filch_this_executor()->pool, "%s", nowhere);
    return 0;
}
FILCH_TASK(int, break_and_die, int);

CONTRACT_ALONE(recovery_break, before_it_is_said) {
    filch_executor *ex = filch_process_pool(.max_workers = 2);
    filch_future *future = filch_submit(ex, break_and_die, 0);
    CHECK_NE(filch_join(future), FILCH_OK);
    filch_release(future);
    CHECK_EQ(filch_kill_workers(ex), FILCH_OK);
    CHECK_NULL(filch_submit(ex, twice, 1));
    CHECK_EQ(filch_error_status(), FILCH_BROKEN);
    filch_close(ex);
}

#else

TEST(recovery_break, not_under_thread_sanitizer) {}

#endif
