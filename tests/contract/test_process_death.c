/* Worker processes that die: what they ran fails, says why, and nothing else does. K2 and K3 of the
 * conformance list; what is half done then is in test_process_values.c and tests/torture. */
#include "processes.h"

#include <sys/resource.h>

#if !UNDER_TSAN /* which does not follow forks */

enum death { KILLED, SEGMENTATION, ABORTED, EXITED, EXITED_AT_ONCE, OVERFLOWED, N_DEATHS };

static int overflow(int depth) {
    volatile char room[4096];
    room[0] = (char)depth;
    return depth == INT_MAX ? 0 : overflow(depth + 1) + room[0];
}

static int die(int way) {
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    switch ((enum death)way) {
    case KILLED:
        kill(getpid(), SIGKILL);
        break;
    case SEGMENTATION:
        signal(SIGSEGV, SIG_DFL); /* a sanitizer's */
        raise(SIGSEGV);
        break;
    case ABORTED:
        signal(SIGABRT, SIG_DFL);
        abort();
    case EXITED:
        exit(99);
    case EXITED_AT_ONCE:
        _exit(98);
    default:
        return overflow(0);
    }
    return 0;
}
FILCH_TASK(int, die, int);

static void check_crash(filch_future *future, enum death way) {
    static const struct {
        int signal, status;
        const char *text;
    } expected[] = {
        [KILLED] = {SIGKILL, -1, "SIGKILL"},
        [SEGMENTATION] = {SIGSEGV, -1, "SIGSEGV"},
        [ABORTED] = {SIGABRT, -1, "SIGABRT"},
        [EXITED] = {0, 99, "exited with status 99"},
        [EXITED_AT_ONCE] = {0, 98, "exited with status 98"},
        [OVERFLOWED] = {SIGSEGV, -1, "SIGSEGV"},
    };
    CHECK_EQ(filch_join(future), FILCH_FAILED);
    const filch_error *error = filch_exception(future);
    CHECK_EQ(error->status, FILCH_FAILED);
    CHECK_EQ(error->signal, expected[way].signal);
    CHECK_EQ(error->exit_status, expected[way].status);
    CHECK_GT(error->pid, 1);
    CHECK_NE(error->pid, getpid());
    CHECK_GE(error->worker, 0);
    CHECK_STR_EQ(error->task, "die");
    CHECK_STR_HAS(error->message, expected[way].text);
    CHECK_STR_HAS(error->message, "'die'");
    filch_release(future);
}

/* K2, K3. AddressSanitizer ends processes that exit, or overflow their stack, in its own way. */
CONTRACT_ALONE(process_death, ways_to_die) {
    const int n_ways = UNDER_ASAN ? EXITED : N_DEATHS;
    filch_executor *ex = filch_process_pool(.max_workers = 2);
    for (int way = KILLED; way < n_ways; way++) {
        filch_future *before[20], *after[20];
        for (int i = 0; i < 20; i++)
            before[i] = filch_submit(ex, twice, i);
        filch_future *dead = filch_submit(ex, die, way);
        for (int i = 0; i < 20; i++)
            after[i] = filch_submit(ex, twice, i);
        for (int i = 0; i < 20; i++) {
            check_long(before[i], 2 * i);
            check_long(after[i], 2 * i);
        }
        check_crash(dead, (enum death)way);
        check_whole(ex, 2);
    }
    filch_stats_snapshot stats = FILCH_STATS();
    CHECK_EQ(filch_stats(ex, &stats), FILCH_OK);
    CHECK_EQ(stats.replaced, n_ways);
    CHECK_EQ(stats.submitted, stats.finished + stats.failed);
    filch_close(ex);
}

/* K2: the tasks that wait for it on the same stack fail with it, and no other. */
static int wait_for_the_dead(int depth);
FILCH_TASK(int, wait_for_the_dead, int);

static int wait_for_the_dead(int depth) {
    filch_executor *ex = filch_this_executor();
    int value = 0;
    filch_future *future;
    if (depth > 0)
        future = filch_submit(ex, wait_for_the_dead, depth - 1);
    else
        future = filch_submit(ex, die, KILLED);
    filch_result(future, &value);
    filch_release(future);
    return value;
}

CONTRACT_ALONE(process_death, with_those_that_wait_below) {
    filch_executor *ex = filch_process_pool(.max_workers = 1);
    filch_future *waiter = filch_submit(ex, wait_for_the_dead, 3);
    filch_future *queued[8];
    for (int i = 0; i < 8; i++)
        queued[i] = filch_submit(ex, twice, i);
    CHECK_EQ(filch_join(waiter), FILCH_FAILED);
    const filch_error *error = filch_exception(waiter);
    CHECK_EQ(error->signal, SIGKILL);
    CHECK_STR_EQ(error->task, "wait_for_the_dead");
    CHECK_STR_HAS(error->message, "wait_for_the_dead");
    filch_release(waiter);
    for (int i = 0; i < 8; i++)
        check_long(queued[i], 2 * i);
    filch_close(ex);
}

/* K2, K4: everybody at once, again and again. */
CONTRACT_ALONE(process_death, all_at_once) {
    filch_executor *ex = filch_process_pool(.max_workers = 3);
    struct gate *gates = filch_shared_alloc(ex, 2 * sizeof *gates);
    for (int round = 0; round < 10; round++) {
        memset(gates, 0, 2 * sizeof *gates);
        filch_future *running[3], *queued[30];
        for (int i = 0; i < 3; i++)
            running[i] = filch_submit(ex, wait_at, gates);
        gate_wait(&gates[0], 3);
        for (int i = 0; i < 30; i++)
            queued[i] = filch_submit(ex, twice, i);
        filch_worker_stats each[300];
        filch_stats_snapshot stats = FILCH_STATS(.workers = each, .capacity = 300);
        CHECK_EQ(filch_stats(ex, &stats), FILCH_OK);
        for (size_t i = 0; i < stats.n_workers; i++)
            if (each[i].pid > 0)
                kill(each[i].pid, SIGKILL);
        for (int i = 0; i < 3; i++) {
            CHECK_EQ(filch_join(running[i]), FILCH_FAILED);
            CHECK_EQ(filch_exception(running[i])->signal, SIGKILL);
            filch_release(running[i]);
        }
        for (int i = 0; i < 30; i++)
            check_long(queued[i], 2 * i);
        check_whole(ex, 3);
    }
    filch_shared_free(ex, gates);
    filch_close(ex);
}

/* K2: Python's way. */
CONTRACT_ALONE(process_death, that_breaks_the_pool) {
    filch_executor *ex = filch_process_pool(.max_workers = 1, .on_crash = FILCH_CRASH_BREAKS_POOL);
    filch_future *dead = filch_submit(ex, die, SEGMENTATION), *queued[8];
    for (int i = 0; i < 8; i++)
        queued[i] = filch_submit(ex, twice, i);
    for (int i = 0; i < 8 && queued[i] != NULL; i++) {
        CHECK_EQ(filch_join(queued[i]), FILCH_BROKEN);
        CHECK_STR_HAS(filch_exception(queued[i])->message, "SIGSEGV");
        CHECK(filch_exception(queued[i]) != filch_exception(dead)); /* each its own */
        filch_release(queued[i]);
    }
    CHECK_EQ(filch_join(dead), FILCH_BROKEN);
    CHECK_STR_HAS(filch_exception(dead)->message, "SIGSEGV while it ran task 'die'");
    filch_release(dead);
    CHECK_NULL(filch_submit(ex, twice, 1));
    CHECK_EQ(filch_error_status(), FILCH_BROKEN);
    filch_close(ex);
}

/* B7: a callback that waits for a task whose worker dies too stops nothing. */
struct waiting {
    filch_future *other;
    filch_status status;
    struct gate begun, ended;
};

static void wait_for_other(filch_future *future, void *arg) {
    struct waiting *it = arg;
    CHECK_EQ(filch_join(future), FILCH_FAILED);
    gate_open(&it->begun);
    it->status = filch_join(it->other);
    gate_open(&it->ended);
}

static int die_at(struct gate *gates) {
    gate_open(&gates[0]);
    gate_wait(&gates[1], 1);
    raise(SIGKILL);
    return 0;
}
FILCH_TASK(int, die_at, struct gate *);

CONTRACT_ALONE(process_death, while_a_callback_waits) {
    enum { QUEUED = 10 };
    filch_executor *ex = filch_process_pool(.max_workers = 2);
    struct gate *gates = filch_shared_alloc(ex, 4 * sizeof *gates);
    memset(gates, 0, 4 * sizeof *gates);
    filch_future *first = filch_submit(ex, die_at, &gates[0]);
    filch_future *second = filch_submit(ex, die_at, &gates[2]);
    struct waiting it = {.other = second};
    CHECK_EQ(filch_add_done_callback(first, wait_for_other, &it), FILCH_OK);
    gate_open(&gates[1]);
    gate_wait(&it.begun, 1);
    filch_future *queued[QUEUED];
    for (int i = 0; i < QUEUED; i++)
        queued[i] = filch_submit(ex, twice, i);
    for (int i = 0; i < QUEUED; i++)
        check_long(queued[i], 2 * i);
    gate_open(&gates[3]);
    gate_wait(&it.ended, 1);
    CHECK_EQ(it.status, FILCH_FAILED);
    filch_release(first);
    filch_release(second);
    check_whole(ex, 2);
    filch_shared_free(ex, gates);
    filch_close(ex);
}

/* --- retries, time limits ---------------------------------------------------------------------------- */

static long die_some_times(struct gate *runs, int n) {
    gate_open(runs);
    if (gate_value(runs) <= n)
        kill(getpid(), SIGKILL);
    return gate_value(runs);
}
FILCH_TASK(long, die_some_times, struct gate *, int);

CONTRACT_ALONE(process_death, retries) {
    filch_executor *ex = filch_process_pool(.max_workers = 2);
    struct gate *runs = filch_shared_alloc(ex, sizeof *runs);
    memset(runs, 0, sizeof *runs);
    check_long(filch_submit_with(ex, FILCH_OPTIONS(.retries = 3), die_some_times, runs, 3), 4);
    memset(runs, 0, sizeof *runs);
    filch_future *future =
        filch_submit_with(ex, FILCH_OPTIONS(.retries = 2), die_some_times, runs, 100);
    CHECK_EQ(filch_join(future), FILCH_FAILED);
    CHECK_EQ(gate_value(runs), 3);
    filch_release(future);
    filch_shared_free(ex, runs);
    filch_close(ex);
}

static long spin_for_ever(long x) {
    for (volatile long i = 0;; i++)
        if (i < 0)
            return x;
}
FILCH_TASK(long, spin_for_ever, long);

CONTRACT_ALONE(process_death, time_limit) {
    filch_executor *ex = filch_process_pool(.max_workers = 2);
    filch_future *late =
        filch_submit_with(ex, FILCH_OPTIONS(.timeout = 0.2, .retries = 5), spin_for_ever, 1);
    filch_future *in_time = filch_submit_with(ex, FILCH_OPTIONS(.timeout = 60), twice, 4);
    check_long(in_time, 8);
    CHECK_EQ(filch_join(late), FILCH_FAILED);
    CHECK_STR_HAS(filch_exception(late)->message, "time limit");
    CHECK_STR_HAS(filch_exception(late)->message, "0.2 s");
    filch_release(late);
    check_whole(ex, 2);
    filch_close(ex);
}

#else

TEST(process_death, not_under_thread_sanitizer) {}

#endif
