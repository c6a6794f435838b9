/* Group J of the conformance list: what is special about the thread pool. A fork by the program
 * (J5) is in leave_main.c. */
#include "pools.h"
#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

/* The threads of this process, or those whose name begins so. */
static int count_threads(const char *prefix) {
    int count = 0;
    DIR *directory = opendir("/proc/self/task");
    CHECK_NOT_NULL(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        char path[300], name[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = fopen(path, "r");
        if (file == NULL)
            continue; /* it has ended meanwhile */
        if (fgets(name, sizeof name, file) != NULL && strncmp(name, prefix, strlen(prefix)) == 0)
            count++;
        fclose(file);
    }
    closedir(directory);
    return count;
}

/* J1: one worker to each usable core. */
THREAD_POOL_TEST(thread_pool, default_size) {
    cpu_set_t usable, one;
    CHECK_EQ(sched_getaffinity(0, sizeof usable, &usable), 0);
    CPU_ZERO(&one);
    for (int cpu = 0; CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &usable))
            CPU_SET(cpu, &one);
    CHECK_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    filch_executor *ex = filch_thread_pool();
    CHECK_NOT_NULL(ex);
    struct hold held = {{0}, {0}};
    filch_future *first = pool_hold(ex, &held);
    filch_future *second = filch_submit(ex, hold, &held);
    let_others_block();
    CHECK_EQ(gate_value(&held.started), 1);
    gate_open(&held.go);
    check_held(first);
    check_held(second);
    filch_close(ex);
    CHECK_EQ(sched_setaffinity(0, sizeof usable, &usable), 0);

    int cores = CPU_COUNT(&usable);
    struct hold many = {{0}, {0}};
    ex = filch_thread_pool(.max_workers = 0);
    filch_future *futures[2];
    for (int i = 0; i < 2; i++)
        futures[i] = filch_submit(ex, hold, &many);
    gate_wait(&many.started, cores < 2 ? 1 : 2);
    gate_open(&many.go);
    check_held(futures[0]);
    check_held(futures[1]);
    filch_close(ex);
}

/* J1: exactly max_workers tasks run at once. */
THREAD_POOL_TEST(thread_pool, never_more_than_max_workers) {
    for (int workers = 1; workers <= 5; workers++) {
        struct hold held = {{0}, {0}};
        filch_executor *ex = filch_thread_pool(.max_workers = workers, .thread_name_prefix = "max");
        filch_future *futures[20];
        for (int i = 0; i < 20; i++)
            futures[i] = filch_submit(ex, hold, &held);
        gate_wait(&held.started, workers);
        let_others_block();
        CHECK_EQ(gate_value(&held.started), workers);
        CHECK_EQ(count_threads("max_"), workers);
        gate_open(&held.go);
        for (int i = 0; i < 20; i++)
            check_held(futures[i]);
        CHECK_LE(count_threads("max_"), workers);
        filch_close(ex);
    }
}

/* J1: threads start on demand, and an idle one is used again. */
THREAD_POOL_TEST(thread_pool, threads_start_on_demand) {
    filch_executor *ex = filch_thread_pool(.max_workers = 8, .thread_name_prefix = "lazy");
    CHECK_EQ(count_threads("lazy_"), 0);
    for (int i = 0; i < 3; i++) {
        check_long(filch_submit(ex, twice, i), 2 * i);
        let_others_block(); /* until the worker is idle again */
    }
    CHECK_EQ(count_threads("lazy_"), 1);
    for (int i = 0; i < 1000; i++) /* one after the other, without a break */
        check_long(filch_submit(ex, twice, i), 2 * i);
    CHECK_EQ(count_threads("lazy_"), 1);
    struct hold held = {{0}, {0}};
    filch_future *one = pool_hold(ex, &held), *two = pool_hold(ex, &held);
    CHECK_EQ(count_threads("lazy_"), 2);
    gate_open(&held.go);
    check_held(one);
    check_held(two);
    filch_close(ex);
}

/* J2 */
static int own_name(const char *expected) {
    char name[32] = "";
    prctl(PR_GET_NAME, name);
    return strcmp(name, expected) == 0;
}
FILCH_TASK(int, own_name, const char *);

THREAD_POOL_TEST(thread_pool, names) {
    static const char *const prefixes[] = {"crunch", NULL};
    for (int i = 0; i < 2; i++) {
        filch_executor *ex = filch_thread_pool(.max_workers = 2, .thread_name_prefix = prefixes[i]);
        struct hold held = {{0}, {0}};
        filch_future *one = pool_hold(ex, &held), *two = pool_hold(ex, &held);
        char name[32];
        for (int k = 0; k < 2; k++) {
            snprintf(name, sizeof name, "%s_%d", prefixes[i] == NULL ? "filch" : prefixes[i], k);
            CHECK_EQ(count_threads(name), 1);
        }
        gate_open(&held.go);
        check_held(one);
        check_held(two);
        filch_close(ex);
    }
    filch_executor *ex = filch_thread_pool(.max_workers = 1, .thread_name_prefix = "seen");
    int same = 0;
    filch_future *future = filch_submit(ex, own_name, "seen_0");
    CHECK_EQ(filch_result(future, &same), FILCH_OK);
    CHECK_EQ(same, 1);
    filch_release(future);
    filch_close(ex);
    char name[] = "mine"; /* the prefix is copied */
    ex = filch_thread_pool(.max_workers = 1, .thread_name_prefix = name);
    memset(name, '#', 4);
    check_long(filch_submit(ex, twice, 1), 2);
    CHECK_EQ(count_threads("mine_0"), 1);
    filch_close(ex);
    ex = filch_thread_pool(.max_workers = 1, .thread_name_prefix = "much_too_long_for_the_kernel");
    check_long(filch_submit(ex, twice, 1), 2);
    filch_close(ex);
}

/* J3 */
struct setup {
    struct gate initialised, finalised;
    int fail_from; /* the initializer's n-th call fails, and the later ones; 0: none does */
};
static _Thread_local bool is_set_up;

static int set_up(void *arg) {
    struct setup *setup = arg;
    is_set_up = true;
    gate_open(&setup->initialised);
    return setup->fail_from > 0 && gate_value(&setup->initialised) >= setup->fail_from ? 33 : 0;
}

static void tear_down(void *arg) {
    struct setup *setup = arg;
    CHECK(is_set_up);
    gate_open(&setup->finalised);
}

static int hold_if_set_up(struct hold *it) {
    return is_set_up ? hold(it) : -1;
}
FILCH_TASK(int, hold_if_set_up, struct hold *);

THREAD_POOL_TEST(thread_pool, initializer_and_finalizer) {
    struct setup setup = {.fail_from = 0};
    struct hold held = {{0}, {0}};
    filch_executor *ex = filch_thread_pool(.max_workers = 3, .initializer = set_up,
                                           .finalizer = tear_down, .initarg = &setup);
    CHECK_EQ(gate_value(&setup.initialised), 0);
    filch_future *futures[9];
    for (int i = 0; i < 9; i++)
        futures[i] = filch_submit(ex, hold_if_set_up, &held);
    gate_wait(&held.started, 3);
    CHECK_EQ(gate_value(&setup.initialised), 3);
    CHECK_EQ(gate_value(&setup.finalised), 0);
    gate_open(&held.go);
    for (int i = 0; i < 9; i++)
        check_held(futures[i]);
    filch_close(ex);
    CHECK_EQ(gate_value(&setup.initialised), 3);
    CHECK_EQ(gate_value(&setup.finalised), 3);
}

/* J3: a failing initializer breaks the pool. */
static int fail_when_opened(void *arg) {
    struct hold *it = arg;
    gate_open(&it->started);
    gate_wait(&it->go, 1);
    return 33;
}

static void count_call(filch_future *future, void *arg) {
    CHECK(filch_done(future));
    gate_open(arg);
}

THREAD_POOL_TEST(thread_pool, failing_initializer) {
    struct hold held = {{0}, {0}};
    struct gate calls = {0};
    filch_executor *ex =
        filch_thread_pool(.max_workers = 1, .initializer = fail_when_opened, .initarg = &held);
    filch_future *futures[10];
    for (int i = 0; i < 10; i++) {
        futures[i] = filch_submit(ex, twice, i);
        CHECK_NOT_NULL(futures[i]);
        CHECK_EQ(filch_add_done_callback(futures[i], count_call, &calls), FILCH_OK);
    }
    CHECK(filch_cancel(futures[5]));
    gate_open(&held.go);
    for (int i = 0; i < 10; i++) {
        long value = 77;
        CHECK_EQ(filch_result(futures[i], &value), i == 5 ? FILCH_CANCELLED : FILCH_BROKEN);
        CHECK_EQ(value, 77);
        const filch_error *error = filch_exception(futures[i]);
        CHECK_NOT_NULL(error);
        CHECK_EQ(error->status, i == 5 ? FILCH_CANCELLED : FILCH_BROKEN);
        if (i != 5)
            CHECK_STR_HAS(error->message, "initializer");
    }
    CHECK_NULL(filch_submit(ex, twice, 1));
    CHECK_FAILURE(FILCH_BROKEN, "initializer");
    CHECK_EQ(errno, EPIPE);
    long items[] = {1, 2};
    CHECK_NULL(filch_map(ex, twice, items, 2));
    CHECK_EQ(filch_error_status(), FILCH_BROKEN);
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    CHECK_NULL(filch_submit(ex, twice, 1));
    CHECK_EQ(filch_error_status(), FILCH_BROKEN); /* E3: it wins over the shutdown */
    filch_close(ex);
    CHECK_EQ(gate_value(&calls), 10);
    for (int i = 0; i < 10; i++)
        filch_release(futures[i]);
}

/* J3: what runs when a later worker's initializer fails may end; the rest is lost. */
THREAD_POOL_TEST(thread_pool, initializer_failing_late) {
    struct setup setup = {.fail_from = 2};
    struct hold held = {{0}, {0}};
    filch_executor *ex =
        filch_thread_pool(.max_workers = 2, .initializer = set_up, .initarg = &setup);
    filch_future *first = pool_hold(ex, &held);
    filch_future *second = filch_submit(ex, hold, &held);
    /* NULL: the worker that it started was faster than the rest of the call. */
    CHECK_EQ(second == NULL ? filch_error_status() : filch_join(second), FILCH_BROKEN);
    CHECK_NULL(filch_submit(ex, twice, 1));
    CHECK_EQ(filch_error_status(), FILCH_BROKEN);
    gate_open(&held.go);
    check_held(first);
    filch_release(second);
    filch_close(ex);
}

/* A joined thread is in /proc a moment longer; one that stays is a hang. */
static void await_threads(const char *prefix, int most) {
    while (count_threads(prefix) > most)
        sched_yield();
}

/* J4: close joins every thread; after a shutdown that does not wait they go by themselves. */
THREAD_POOL_TEST(thread_pool, no_thread_is_left) {
    int before = count_threads("");
    for (int i = ROUNDS(50); i > 0; i--) {
        filch_executor *ex = filch_thread_pool(.max_workers = 4, .thread_name_prefix = "gone");
        for (int k = 0; k < 8; k++)
            filch_release(filch_submit(ex, twice, k));
        filch_close(ex);
        await_threads("gone_", 0);
    }
    await_threads("", before + 1); /* and at most one helper of the library */
    filch_executor *ex = filch_thread_pool(.max_workers = 2, .thread_name_prefix = "leave");
    check_long(filch_submit(ex, twice, 1), 2);
    CHECK_EQ(filch_shutdown(ex, .no_wait = true), FILCH_OK);
    await_threads("leave_", 0);
    filch_close(ex);
}

/* J4: signals of the program stay with the program's threads. */
static int blocked_signals(void) {
    static const int own[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM, SIGCHLD, SIGPIPE};
    sigset_t mask;
    int missing = 0;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        missing += !sigismember(&mask, own[i]);
    return missing;
}
FILCH_TASK(int, blocked_signals);

static atomic_int signals, signals_in_worker;
static void note_signal(int number) {
    (void)number;
    atomic_fetch_add(&signals, 1);
    if (filch_this_worker() >= 0)
        atomic_fetch_add(&signals_in_worker, 1);
}

static int signal_process(int times) {
    for (int i = 0; i < times; i++) {
        int before = atomic_load(&signals);
        if (kill(getpid(), SIGUSR1) != 0)
            return filch_raise(errno, "kill");
        while (atomic_load(&signals) == before)
            sched_yield();
    }
    return times;
}
FILCH_TASK(int, signal_process, int);

THREAD_POOL_TEST(thread_pool, signals_stay_with_the_program) {
    filch_executor *ex = filch_thread_pool(.max_workers = 2);
    int missing = -1;
    filch_future *future = filch_submit(ex, blocked_signals);
    CHECK_EQ(filch_result(future, &missing), FILCH_OK);
    CHECK_EQ(missing, 0);
    filch_release(future);
    if (UNDER_TSAN) { /* which keeps signals back until the next call that it intercepts */
        filch_close(ex);
        return;
    }

    struct sigaction action = {.sa_handler = note_signal}, old;
    sigemptyset(&action.sa_mask);
    CHECK_EQ(sigaction(SIGUSR1, &action, &old), 0);
    future = filch_submit(ex, signal_process, 20);
    int times = 0;
    CHECK_EQ(filch_result(future, &times), FILCH_OK); /* interrupted, and waited on all the same */
    CHECK_EQ(times, 20);
    CHECK_EQ(atomic_load(&signals_in_worker), 0);
    filch_release(future);
    CHECK_EQ(sigaction(SIGUSR1, &old, NULL), 0);
    filch_close(ex);
}

/* The binding and the stack are options; all of them run tasks. */
static long use_stack(long bytes) {
    volatile char frame[100000] = {0};
    for (long i = 0; i < bytes && i < (long)sizeof frame; i += 1000)
        frame[i] = 1;
    return bytes + 0 * frame[0];
}
FILCH_TASK(long, use_stack, long);

THREAD_POOL_TEST(thread_pool, options) {
    static const filch_bind binds[] = {FILCH_BIND_AUTO, FILCH_BIND_CORE, FILCH_BIND_NUMA,
                                       FILCH_BIND_NONE};
    static const double spins[] = {0, FILCH_NO_SPIN, 0.001, 0.01};
    static const size_t stacks[] = {0, 1 << 19, 1 << 20, 64 << 20};
    for (int i = 0; i < 4; i++) {
        filch_executor *ex = filch_thread_pool(.max_workers = 3, .bind = binds[i], .spin = spins[i],
                                               .stack_size = stacks[i]);
        CHECK_NOT_NULL(ex);
        for (int k = 0; k < 20; k++)
            check_long(filch_submit(ex, use_stack, 100000), 100000);
        filch_close(ex);
    }
}

/* The program's own threads keep their affinity. */
THREAD_POOL_TEST(thread_pool, affinity_of_the_program) {
    cpu_set_t before, after;
    CHECK_EQ(sched_getaffinity(0, sizeof before, &before), 0);
    filch_executor *ex = filch_thread_pool(.bind = FILCH_BIND_CORE);
    for (int k = 0; k < 20; k++)
        check_long(filch_submit(ex, twice, k), 2 * k);
    CHECK_EQ(sched_getaffinity(0, sizeof after, &after), 0);
    CHECK(CPU_EQUAL(&before, &after));
    filch_close(ex);
    CHECK_EQ(sched_getaffinity(0, sizeof after, &after), 0);
    CHECK(CPU_EQUAL(&before, &after));
}

/* An idle pool uses no processor time. */
THREAD_POOL_TEST(thread_pool, idle_is_idle) {
    filch_executor *ex = filch_thread_pool(.max_workers = 4);
    for (int k = 0; k < 100; k++)
        check_long(filch_submit(ex, twice, k), 2 * k);
    let_others_block();
    struct timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    nanosleep(&(struct timespec){.tv_nsec = 300 * 1000 * 1000}, NULL);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    double used =
        (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) * 1e-9;
    if (!UNDER_TSAN)
        CHECK_REAL(used, <, 0.02);
    filch_close(ex);
}
