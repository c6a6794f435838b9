/* Worker processes that end after so many tasks: K7 of the conformance list. */
#include "processes.h"

#if !UNDER_TSAN /* which does not follow forks */

/* K7 */
CONTRACT_ALONE(max_tasks, three_each) {
    filch_executor *ex = filch_process_pool(.max_workers = 1, .max_tasks_per_child = 3);
    int first = pid_of_task(ex);
    CHECK_EQ(pid_of_task(ex), first);
    CHECK_EQ(pid_of_task(ex), first);
    int second = pid_of_task(ex);
    CHECK_NE(second, first);
    CHECK_EQ(pid_of_task(ex), second);
    filch_close(ex);
}

/* K7 */
CONTRACT_ALONE(max_tasks, with_a_backlog) {
    for (int n_workers = 1; n_workers <= 3; n_workers++) {
        filch_executor *ex = filch_process_pool(.max_workers = n_workers, .max_tasks_per_child = 1);
        filch_future *futures[100];
        for (int i = 0; i < 100; i++)
            futures[i] = filch_submit(ex, twice, i);
        for (int i = 0; i < 100; i++)
            check_long(futures[i], 2 * i);
        filch_close(ex);
    }
}

/* K7: 0 is no limit. */
CONTRACT_ALONE(max_tasks, without_limit) {
    filch_executor *ex = filch_process_pool(.max_workers = 1, .max_tasks_per_child = 0);
    int pid = pid_of_task(ex);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(pid_of_task(ex), pid);
    filch_close(ex);
}

/* K7: with every kind of shutdown. */
CONTRACT_ALONE(max_tasks, with_shutdown) {
    enum { TASKS = 40 };
    for (int round = 0; round < 12; round++) {
        const bool cancels = round % 4 / 2 == 1;
        filch_executor *ex =
            filch_process_pool(.max_workers = 1 + round / 4, .max_tasks_per_child = 1 + round % 3);
        filch_future *futures[TASKS];
        for (int i = 0; i < TASKS; i++)
            futures[i] = filch_submit(ex, twice, i);
        CHECK_EQ(filch_shutdown(ex, .no_wait = round % 2 == 0, .cancel_futures = cancels),
                 FILCH_OK);
        for (int i = 0; i < TASKS; i++) {
            long value = -1;
            filch_status status = filch_result(futures[i], &value);
            CHECK(status == FILCH_OK || (cancels && status == FILCH_CANCELLED));
            CHECK(status != FILCH_OK || value == 2 * i);
            filch_release(futures[i]);
        }
        CHECK_EQ(filch_shutdown(ex), FILCH_OK);
        filch_close(ex);
    }
}

/* K7: with workers that die in between. */
static long die_or_double(long x) {
    if (x % 5 == 0)
        raise(SIGKILL);
    return 2 * x;
}
FILCH_TASK(long, die_or_double, long);

CONTRACT_ALONE(max_tasks, with_deaths) {
    enum { TASKS = 60 };
    for (int n = 1; n <= 3; n++) {
        filch_executor *ex = filch_process_pool(.max_workers = n, .max_tasks_per_child = 4 - n);
        filch_future *futures[TASKS];
        for (int i = 0; i < TASKS; i++)
            futures[i] = filch_submit(ex, die_or_double, i);
        if (n == 2)
            CHECK_EQ(filch_shutdown(ex), FILCH_OK);
        for (int i = 0; i < TASKS; i++) {
            long value = -1;
            filch_status status = filch_result(futures[i], &value);
            CHECK_EQ(status, i % 5 == 0 ? FILCH_FAILED : FILCH_OK);
            CHECK(status == FILCH_FAILED || value == 2 * i);
            filch_release(futures[i]);
        }
        filch_close(ex);
    }
}

/* K7, J3: with starts that fail once some workers have come and gone. */
struct starts {
    struct gate n;
    int most;
};

static int start_some_times(void *arg) {
    struct starts *starts = arg;
    gate_open(&starts->n);
    if (gate_value(&starts->n) <= starts->most)
        return 0;
    filch_raise(4, "no licence");
    return 1;
}

CONTRACT_ALONE(max_tasks, with_failing_starts) {
    enum { TASKS = 40 };
    for (int round = 0; round < 8; round++) {
        struct starts *starts = map_shared(sizeof *starts);
        starts->most = 1 + round;
        filch_executor *ex =
            filch_process_pool(.max_workers = 1 + round % 3, .max_tasks_per_child = 1,
                               .initializer = start_some_times, .initarg = starts);
        filch_future *futures[TASKS];
        for (int i = 0; i < TASKS; i++)
            futures[i] = filch_submit(ex, twice, i);
        if (round % 2 == 0)
            CHECK_EQ(filch_shutdown(ex), FILCH_OK);
        int n_ok = 0;
        for (int i = 0; i < TASKS; i++) {
            if (futures[i] == NULL)
                continue; /* the pool was broken by then */
            long value = -1;
            filch_status status = filch_result(futures[i], &value);
            CHECK(status == FILCH_OK ? value == 2 * i : status == FILCH_BROKEN);
            if (status == FILCH_BROKEN)
                CHECK_STR_HAS(filch_exception(futures[i])->message, "no licence");
            n_ok += status == FILCH_OK;
            filch_release(futures[i]);
        }
        CHECK_LE(n_ok, starts->most);
        CHECK_NULL(filch_submit(ex, twice, 1));
        CHECK_EQ(filch_error_status(), FILCH_BROKEN);
        filch_close(ex);
        munmap(starts, sizeof *starts);
    }
}

/* Who leaves after its last task stays for the callbacks that were added in it. */
struct left_behind {
    int adder, caller;
    struct gate calls;
};

static void note_caller(filch_future *future, void *arg) {
    struct left_behind *it = arg;
    (void)future;
    it->caller = (int)getpid();
    gate_open(&it->calls);
}

static int leave_child_behind(struct left_behind *it) {
    it->adder = (int)getpid();
    filch_future *child = filch_submit(filch_this_executor(), twice, 1);
    CHECK_EQ(filch_add_done_callback(child, note_caller, it), FILCH_OK);
    filch_release(child);
    return it->adder;
}
FILCH_TASK(int, leave_child_behind, struct left_behind *);

CONTRACT_ALONE(max_tasks, callbacks_come_first) {
    for (int round = 0; round < 20; round++) {
        filch_executor *ex =
            filch_process_pool(.max_workers = 1 + round % 2, .max_tasks_per_child = 1);
        struct left_behind *it = filch_shared_alloc(ex, sizeof *it);
        memset(it, 0, sizeof *it);
        filch_future *future = filch_submit(ex, leave_child_behind, it);
        CHECK_EQ(filch_join(future), FILCH_OK);
        filch_release(future);
        if (round % 4 < 2)
            gate_wait(&it->calls, 1);
        CHECK_EQ(filch_shutdown(ex), FILCH_OK);
        CHECK_EQ(gate_value(&it->calls), 1);
        CHECK_EQ(it->caller, it->adder);
        filch_shared_free(ex, it);
        filch_close(ex);
    }
}

#else

TEST(max_tasks, not_under_thread_sanitizer) {}

#endif
