/* Where the system, or the pool's own limit, has no more: K3, K9 and K11 of the conformance list. */
#include "cgroup.h"
#include "processes.h"

#include <sys/resource.h>

#if !UNDER_TSAN /* which does not follow forks */

/* --- memory that the system does not have ---------------------------------------------------------- */

enum { GROUP_BYTES = 64 << 20, TOO_MUCH = 4 * GROUP_BYTES };

static int touch_too_much(void) {
    enum { PAGE = 4096 };
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    volatile char *memory = mmap(NULL, TOO_MUCH, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED)
        return filch_raise(errno, "no addresses");
    for (size_t at = 0; at < TOO_MUCH; at += PAGE)
        memory[at] = 1;
    return 1;
}

static int eat(void) {
    return touch_too_much();
}
FILCH_TASK(int, eat);

/* Only its own process is in the group. */
static int eat_in_group(struct cgroup group) {
    if (!cgroup_join(&group))
        return filch_raise(errno, "cannot join %s", group.path);
    return touch_too_much();
}
FILCH_TASK(int, eat_in_group, struct cgroup);

static void check_eaten(filch_future *future, const char *task) {
    CHECK_EQ(filch_join(future), FILCH_FAILED);
    const filch_error *error = filch_exception(future);
    CHECK_MSG(error->signal == SIGKILL, "%s", error->message);
    CHECK_GT(error->pid, 1);
    CHECK_NE(error->pid, getpid());
    CHECK_STR_EQ(error->task, task);
    CHECK_STR_HAS(error->message, "SIGKILL");
    CHECK_STR_HAS(error->message, task);
    filch_release(future);
}

/* K3 */
CONTRACT_ALONE(process_limits, out_of_memory) {
    struct cgroup group;
    if (!cgroup_open(&group, GROUP_BYTES))
        return;
    filch_executor *ex = filch_process_pool(.max_workers = 2);
    for (int round = 0; round < 3; round++) {
        filch_future *eater = filch_submit(ex, eat_in_group, group), *others[50];
        for (int i = 0; i < 50; i++)
            others[i] = filch_submit(ex, twice, i);
        for (int i = 0; i < 50; i++)
            check_long(others[i], 2 * i);
        check_eaten(eater, "eat_in_group");
        check_whole(ex, 2);
    }
    cgroup_close(&group);
    filch_close(ex);
}

/* K3: with the whole program in the group it is the worker that is killed. */
static int run_in_group(void *arg) {
    CHECK(cgroup_join(arg));
    filch_executor *ex = filch_process_pool(.max_workers = 2, .memory = GROUP_BYTES / 4);
    CHECK_NOT_NULL(ex);
    filch_future *others[50];
    for (int i = 0; i < 50; i++)
        others[i] = filch_submit(ex, twice, i);
    check_eaten(filch_submit(ex, eat), "eat");
    for (int i = 0; i < 50; i++)
        check_long(others[i], 2 * i);
    check_whole(ex, 2);
    filch_close(ex);
    return 0;
}

CONTRACT_ALONE(process_limits, out_of_memory_all_together) {
    struct cgroup group;
    if (!cgroup_open(&group, GROUP_BYTES))
        return;
    CHECK_EQ(run_in_child(run_in_group, &group), 0);
    cgroup_close(&group);
}

/* --- workers that do not start --------------------------------------------------------------------- */

static int die_in_initializer(void *signal) {
    kill(getpid(), *(int *)signal);
    return 0;
}

/* K9 */
CONTRACT_ALONE(process_limits, before_the_first_task) {
    int signals[] = {SIGABRT, SIGKILL};
    for (int i = 0; i < 2; i++) {
        filch_executor *ex = filch_process_pool(.max_workers = 2, .initarg = &signals[i],
                                                .initializer = die_in_initializer);
        filch_future *future = filch_submit(ex, twice, 1);
        CHECK_EQ(filch_join(future), FILCH_BROKEN);
        CHECK_STR_HAS(filch_exception(future)->message, i == 0 ? "SIGABRT" : "SIGKILL");
        filch_release(future);
        filch_close(ex);
    }
}

static int die_at_first(void *arg) {
    atomic_int *n_left = *(atomic_int **)arg;
    if (atomic_fetch_sub(n_left, 1) > 0)
        kill(getpid(), SIGKILL);
    return 0;
}

/* K2: at any instruction, before it has begun too. */
CONTRACT_ALONE(process_limits, that_are_killed_before_the_first_task) {
    atomic_int *n_left = map_shared(sizeof *n_left);
    atomic_store(n_left, 20);
    filch_executor *ex =
        filch_process_pool(.max_workers = 1, .initializer = die_at_first, .initarg = &n_left);
    filch_future *future = filch_submit(ex, twice, 21);
    check_long(future, 42);
    CHECK_EQ(atomic_load(n_left), -1);
    filch_close(ex);
}

/* Whatever status a process may exit with of its own accord, it is that which is told. */
static int exit_in_initializer(void *arg) {
    _exit(*(int *)arg);
}

CONTRACT_ALONE(process_limits, that_exit_before_the_first_task) {
    for (int status = 195; status < 202; status++) {
        char expected[64];
        snprintf(expected, sizeof expected, "exited with status %d", status);
        filch_executor *ex = filch_process_pool(.max_workers = 1, .initarg = &status,
                                                .initializer = exit_in_initializer);
        filch_future *future = filch_submit(ex, twice, 1);
        CHECK_EQ(filch_join(future), FILCH_BROKEN);
        CHECK_STR_HAS(filch_exception(future)->message, expected);
        filch_release(future);
        filch_close(ex);
    }
}

/* Becomes somebody who has no other process, and may have so many; root has no limit. Room is to be there
 * for the opener with its two threads, for the server, and for `n_workers`. */
static bool become_limited(int n_workers) {
    const unsigned somebody = 1000000u + (unsigned)getpid();
    const rlim_t most = 4 + (rlim_t)n_workers;
    if (setgid(somebody) != 0 || setuid(somebody) != 0) {
        printf("skipped: who is not root cannot be somebody else\n");
        fflush(stdout);
        return false;
    }
    CHECK_EQ(setrlimit(RLIMIT_NPROC, &(struct rlimit){most, most}), 0);
    return true;
}

/* K9 */
static int run_without_processes(void *arg) {
    (void)arg;
    if (!become_limited(0))
        return 0;
    filch_executor *ex = filch_process_pool(.max_workers = 2);
    CHECK_NOT_NULL(ex);
    filch_future *future = filch_submit(ex, twice, 1);
    if (future != NULL) {
        CHECK_EQ(filch_join(future), FILCH_BROKEN);
        CHECK_STR_HAS(filch_exception(future)->message, "no worker could be started");
        CHECK_STR_HAS(filch_exception(future)->message, "temporarily unavailable");
        filch_release(future);
    }
    CHECK_NULL(filch_submit(ex, twice, 1));
    CHECK_EQ(filch_error_status(), FILCH_BROKEN);
    filch_close(ex);
    return 0;
}

CONTRACT_ALONE(process_limits, no_process_to_be_had) {
    CHECK_EQ(run_in_child(run_without_processes, NULL), 0);
}

/* K9: with one worker the work goes on, although no other can be started, and as soon as there is room for
 * another one it is. */
static int run_with_one_process(void *arg) {
    (void)arg;
    enum { TASKS = 200 };
    if (!become_limited(2))
        return 0;
    pid_t other = fork();
    CHECK_GE(other, 0);
    if (other == 0)
        for (;;)
            pause();
    filch_executor *ex = filch_process_pool(.max_workers = 2, .spin = FILCH_NO_SPIN);
    CHECK_NOT_NULL(ex);
    for (int round = 0; round < 20; round++) {
        filch_future *futures[TASKS];
        for (int i = 0; i < TASKS; i++) {
            futures[i] = filch_submit(ex, twice, i);
            CHECK_MSG(futures[i] != NULL, "%s", filch_error_message());
        }
        for (int i = 0; i < TASKS; i++)
            check_long(futures[i], 2 * i);
    }
    kill(other, SIGKILL);
    CHECK_EQ(waitpid(other, NULL, 0), other);
    check_whole(ex, 2);
    filch_close(ex);
    return 0;
}

CONTRACT_ALONE(process_limits, one_process_to_be_had) {
    CHECK_EQ(run_in_child(run_with_one_process, NULL), 0);
}

/* --- the pool's own memory -------------------------------------------------------------------------- */

enum { POOL_BYTES = 64 << 20 };

/* K11: a clear refusal, nothing pending is lost, and it works again afterwards. */
CONTRACT_ALONE(process_limits, memory_limit) {
    filch_executor *ex = filch_process_pool(.max_workers = 1, .memory = POOL_BYTES);
    struct hold *held = filch_shared_alloc(ex, sizeof *held);
    memset(held, 0, sizeof *held);
    filch_future *first = pool_hold(ex, held);
    enum { MOST = 1 << 20 };
    filch_future **futures = calloc(MOST, sizeof *futures);
    int n = 0;
    while (n < MOST && (futures[n] = filch_submit(ex, twice, n)) != NULL)
        n++;
    CHECK_LT(n, MOST);
    CHECK_FAILURE(FILCH_NO_MEMORY, "memory");
    CHECK_GT(n, 100000);
    CHECK_NULL(filch_shared_alloc(ex, 1 << 20));
    CHECK_FAILURE(FILCH_NO_MEMORY, "filch_shared_alloc");
    gate_open(&held->go);
    check_held(first);
    for (int i = 0; i < n; i++)
        check_long(futures[i], 2L * i);
    check_long(filch_submit(ex, twice, 4), 8);
    free(futures);
    filch_shared_free(ex, held);
    filch_close(ex);
}

static size_t size_of(filch_bytes bytes) {
    return bytes.size;
}
FILCH_TASK(size_t, size_of, filch_bytes);

/* K11, E1: by large values; one that is larger than all of it is refused at once, and costs nothing. */
CONTRACT_ALONE(process_limits, memory_limit_and_large_values) {
    enum { SIZE = 4 << 20, MOST = POOL_BYTES / SIZE };
    filch_executor *ex = filch_process_pool(.max_workers = 1, .memory = POOL_BYTES);
    char *data = calloc(2, POOL_BYTES);
    for (int round = 0; round < 5; round++) {
        CHECK_NULL(filch_submit(ex, size_of, ((filch_bytes){data, (size_t)2 * POOL_BYTES})));
        CHECK_FAILURE(FILCH_NO_MEMORY, "memory");
        struct hold *held = filch_shared_alloc(ex, sizeof *held);
        memset(held, 0, sizeof *held);
        filch_future *first = pool_hold(ex, held), *futures[MOST];
        int n = 0;
        while (n < MOST &&
               (futures[n] = filch_submit(ex, size_of, ((filch_bytes){data, SIZE}))) != NULL)
            n++;
        CHECK_LT(n, MOST);
        CHECK_GT(n, MOST / 2);
        CHECK_FAILURE(FILCH_NO_MEMORY, "memory");
        gate_open(&held->go);
        check_held(first);
        for (int i = 0; i < n; i++) {
            size_t size = 0;
            CHECK_EQ(filch_result(futures[i], &size), FILCH_OK);
            CHECK_EQ(size, SIZE);
            filch_release(futures[i]);
        }
        filch_shared_free(ex, held);
    }
    free(data);
    filch_close(ex);
}

/* K11: in a worker, that submits, asks for memory, and has a result that does not fit. Returns how many
 * submits were accepted, below zero what was wrong. */
static long exhaust(long most) {
    filch_executor *ex = filch_this_executor();
    filch_future **futures = calloc((size_t)most, sizeof *futures);
    long n = 0, wrong = 0;
    while (n < most && (futures[n] = filch_submit(ex, twice, n)) != NULL)
        n++;
    if (n == most || filch_error_status() != FILCH_NO_MEMORY)
        wrong -= 1;
    if (filch_shared_alloc(ex, 1 << 20) != NULL || filch_error_status() != FILCH_NO_MEMORY)
        wrong -= 2;
    for (long i = 0; i < n; i++) {
        long value = -1;
        if (filch_result(futures[i], &value) != FILCH_OK || value != 2 * i)
            wrong -= 4;
        filch_release(futures[i]);
    }
    free(futures);
    return wrong < 0 ? wrong : n;
}
FILCH_TASK(long, exhaust, long);

static filch_bytes give(size_t size) {
    static char *given; /* it is copied when this has returned */
    free(given);
    given = calloc(1, size);
    return (filch_bytes){given, size};
}
FILCH_TASK(filch_bytes, give, size_t);

CONTRACT_ALONE(process_limits, memory_limit_in_a_worker) {
    filch_executor *ex = filch_process_pool(.max_workers = 1, .memory = POOL_BYTES);
    filch_future *future = filch_submit(ex, give, (size_t)2 * POOL_BYTES);
    CHECK_EQ(filch_join(future), FILCH_FAILED);
    CHECK_STR_HAS(filch_exception(future)->message, "memory");
    filch_release(future);
    future = filch_submit(ex, give, 4096);
    CHECK_EQ(filch_join(future), FILCH_OK);
    filch_release(future);
    for (int round = 0; round < 2; round++) {
        long n = 0;
        future = filch_submit(ex, exhaust, 1 << 20);
        CHECK_EQ(filch_result(future, &n), FILCH_OK);
        CHECK_GT(n, 100000);
        filch_release(future);
    }
    filch_close(ex);
}

#else

TEST(process_limits, not_under_thread_sanitizer) {}

#endif
