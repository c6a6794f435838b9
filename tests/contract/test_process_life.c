/* Worker processes: when they start, what they see, what they print. K6, K10 and more of the conformance
 * list. */
#include "processes.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>

#if !UNDER_TSAN /* which does not follow forks */

/* K6: not before there is something to do, one for sequential tasks, and never more than was asked for. */
CONTRACT_ALONE(process_life, started_on_demand) {
    const char *prefix = unique_prefix();
    filch_executor *ex = filch_process_pool(.max_workers = 3, .thread_name_prefix = prefix);
    CHECK_EQ(count_processes(prefix), 1); /* the server; this process has another name */
    int first = pid_of_task(ex);
    CHECK_NE(first, getpid());
    for (int i = 0; i < 50; i++)
        CHECK_EQ(pid_of_task(ex), first);
    filch_stats_snapshot stats = FILCH_STATS();
    CHECK_EQ(filch_stats(ex, &stats), FILCH_OK);
    CHECK_EQ(stats.started, 1);

    struct gate *gate = filch_shared_alloc(ex, 2 * sizeof *gate);
    memset(gate, 0, 2 * sizeof *gate);
    filch_future *futures[9];
    for (int i = 0; i < 9; i++)
        futures[i] = filch_submit(ex, wait_at, gate);
    gate_wait(&gate[0], 3);
    let_others_block();
    CHECK_EQ(gate_value(&gate[0]), 3);
    CHECK_EQ(count_processes(prefix), 4);
    gate_open(&gate[1]);
    int pids[9];
    for (int i = 0; i < 9; i++) {
        CHECK_EQ(filch_result(futures[i], &pids[i]), FILCH_OK);
        filch_release(futures[i]);
    }
    filch_shared_free(ex, gate);
    filch_close(ex);
    await_no_process(prefix);
}

/* J2 */
CONTRACT_ALONE(process_life, names) {
    const char *prefix = unique_prefix();
    char expected[32], name[32];
    filch_executor *ex = filch_process_pool(.max_workers = 1, .thread_name_prefix = prefix);
    int pid = pid_of_task(ex);
    snprintf(expected, sizeof expected, "%s_0", prefix);
    CHECK(read_process(pid, name, sizeof name));
    CHECK_STR_EQ(name, expected);
    filch_close(ex);
}

/* K5: the thread that opened the pool may end. */
static void *open_in_thread(void *arg) {
    (void)arg;
    return filch_process_pool(.max_workers = 2);
}

CONTRACT_ALONE(process_life, opening_thread_ends) {
    void *ex;
    CHECK_EQ(pthread_join(thread_start(open_in_thread, NULL), &ex), 0);
    int pid = pid_of_task(ex);
    let_others_block();
    CHECK_EQ(pid_of_task(ex), pid);
    filch_close(ex);
}

/* K10: the program's own waits do not see our processes. */
CONTRACT_ALONE(process_life, waits_of_the_program) {
    filch_executor *ex = filch_process_pool(.max_workers = 2);
    (void)pid_of_task(ex);
    errno = 0;
    CHECK_EQ(wait(NULL), -1);
    CHECK_EQ(errno, ECHILD);
    pid_t child = fork();
    if (child == 0)
        _exit(3);
    int status;
    CHECK_EQ(waitpid(-1, &status, 0), child);
    CHECK_EQ(WEXITSTATUS(status), 3);
    CHECK_EQ(wait(NULL), -1);
    filch_close(ex);
}

static volatile sig_atomic_t n_signals;
static void count_signal(int number) {
    (void)number;
    n_signals++;
}

/* K10: whatever the program does with SIGCHLD. */
CONTRACT_ALONE(process_life, child_signals_of_the_program) {
    for (int way = 0; way < 2; way++) {
        n_signals = 0;
        struct sigaction action = {.sa_handler = way == 0 ? SIG_IGN : count_signal}, before;
        sigaction(SIGCHLD, &action, &before);
        filch_executor *ex = filch_process_pool(.max_workers = 2, .max_tasks_per_child = 1);
        CHECK_NOT_NULL(ex);
        int after_opening = n_signals;
        CHECK_NE(pid_of_task(ex), pid_of_task(ex));
        filch_close(ex);
        CHECK_EQ(n_signals, after_opening);
        sigaction(SIGCHLD, &before, NULL);
    }
}

/* K10: a pipe of the program reaches its end although a pool was opened in between. */
CONTRACT_ALONE(process_life, pipes_of_the_program) {
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    filch_executor *ex = filch_process_pool(.max_workers = 2);
    (void)pid_of_task(ex);
    close(ends[1]);
    char byte;
    CHECK_EQ(read(ends[0], &byte, 1), 0);
    close(ends[0]);
    filch_close(ex);
}

static int is_open(int descriptor) {
    return fcntl(descriptor, F_GETFD) >= 0;
}
FILCH_TASK(int, is_open, int);

static int inherited_state = 1;
static int read_state(void) {
    return inherited_state;
}
FILCH_TASK(int, read_state);

/* With FILCH_FORK descriptors are there in workers; globals are those of the opening in both. */
CONTRACT_ALONE(process_life, what_workers_inherit) {
    for (filch_start_method method = FILCH_FORKSERVER; method <= FILCH_FORK; method++) {
        int descriptor = open("/dev/null", O_RDONLY);
        inherited_state = 5;
        filch_executor *ex = filch_process_pool(.max_workers = 1, .start_method = method);
        inherited_state = 6;
        int value = -1;
        filch_future *future = filch_submit(ex, is_open, descriptor);
        CHECK_EQ(filch_result(future, &value), FILCH_OK);
        CHECK_EQ(value, method == FILCH_FORK);
        filch_release(future);
        future = filch_submit(ex, read_state);
        CHECK_EQ(filch_result(future, &value), FILCH_OK);
        CHECK_EQ(value, 5);
        filch_release(future);
        close(descriptor);
        filch_close(ex);
    }
}

static void print_line(int i) {
    printf("line %d\n", i);
}
FILCH_TASK_VOID(print_line, int);

/* K10: what the program had printed before, what tasks print, and what it prints afterwards: each once. */
static int print_all(void *arg) {
    int *ends = arg;
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    printf("before\n");
    filch_with (ex, filch_process_pool(.max_workers = 2)) {
        printf("between\n");
        for (int i = 0; i < 20; i++) {
            filch_future *future = filch_submit(ex, print_line, i);
            filch_join(future);
            filch_release(future);
        }
    }
    fflush(stdout);
    return 0;
}

CONTRACT_ALONE(process_life, output_arrives_once) {
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(run_in_child(print_all, ends), 0);
    close(ends[1]);
    char text[4096], line[16];
    size_t size = 0;
    for (ssize_t n; (n = read(ends[0], text + size, sizeof text - 1 - size)) > 0;)
        size += (size_t)n;
    text[size] = '\0';
    close(ends[0]);
    for (int i = -2; i < 20; i++) {
        if (i < 0)
            snprintf(line, sizeof line, "%s", i == -2 ? "before\n" : "between\n");
        else
            snprintf(line, sizeof line, "line %d\n", i);
        const char *at = strstr(text, line);
        CHECK_MSG(at != NULL, "'%s' is missing in: %s", line, text);
        CHECK_MSG(strstr(at + 1, line) == NULL, "'%s' is there twice in: %s", line, text);
    }
}

/* K10: a forked child of the program may give back what it inherited, and end. */
static int release_inherited(void *arg) {
    filch_future **futures = arg;
    for (int i = 0; i < 4; i++)
        filch_release(futures[i]);
    return filch_submit((filch_executor *)futures[4], twice, 1) == NULL ? 0 : 1;
}

CONTRACT_ALONE(process_life, forked_child_releases) {
    filch_executor *ex = filch_process_pool(.max_workers = 2);
    void *handles[5] = {0};
    for (int i = 0; i < 4; i++)
        handles[i] = filch_submit(ex, twice, i);
    handles[4] = ex;
    CHECK_EQ(run_in_child(release_inherited, handles), 0);
    for (int i = 0; i < 4; i++)
        check_long(handles[i], 2 * i);
    filch_close(ex);
}

/* E7: tasks may use pools of their own. */
static long twice_by_another(long x) {
    long value = -1;
    filch_executor *inner = filch_process_pool(.max_workers = 1);
    filch_future *future = inner == NULL ? NULL : filch_submit(inner, twice, x);
    if (future != NULL)
        filch_result(future, &value);
    filch_release(future);
    filch_close(inner);
    return value;
}
FILCH_TASK(long, twice_by_another, long);

CONTRACT(process_life, pools_in_tasks) {
    filch_executor *ex = pool->open(2);
    for (int i = 0; i < 5; i++)
        check_long(filch_submit(ex, twice_by_another, i), 2 * i);
    filch_close(ex);
}

/* --- a task that becomes somebody else: its worker may send the server no signal any more ------------ */

static int become_somebody(struct gate *gate) {
    uid_t somebody = (uid_t)(1000000 + getpid());
    if (geteuid() == 0 && (setgid(somebody) != 0 || setuid(somebody) != 0))
        return -1;
    /* The other worker has yet to be started. */
    filch_release(filch_submit(filch_this_executor(), count_run, gate));
    gate_wait(gate, 1);
    return (int)getpid();
}
FILCH_TASK(int, become_somebody, struct gate *);

static long stay(long x) {
    for (;;)
        pause();
    return x;
}
FILCH_TASK(long, stay, long);

CONTRACT_ALONE(process_life, task_becomes_somebody) {
    const char *prefix = unique_prefix();
    filch_executor *ex = filch_process_pool(.max_workers = 2, .thread_name_prefix = prefix);
    struct gate *gate = filch_shared_alloc(ex, sizeof *gate);
    memset(gate, 0, sizeof *gate);
    int pid = 0;
    filch_future *future = filch_submit(ex, become_somebody, gate);
    CHECK_EQ(filch_result(future, &pid), FILCH_OK);
    CHECK_GT(pid, 0);
    filch_release(future);
    /* One for each worker: whose time limit begins there, too. */
    filch_future *late[2];
    for (int i = 0; i < 2; i++)
        late[i] = filch_submit_with(ex, FILCH_OPTIONS(.timeout = 0.1), stay, 1);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(filch_join(late[i]), FILCH_FAILED);
        CHECK_STR_HAS(filch_exception(late[i])->message, "time limit");
        filch_release(late[i]);
    }
    filch_shared_free(ex, gate);
    filch_close(ex);
    await_no_process(prefix);
}

/* K5: such a worker does not die of its server's death by itself, nor of its opener's. */
struct victim {
    const char *prefix;
    struct gate *gate;
};

static _Noreturn void open_and_become(void *arg) {
    struct victim *victim = arg;
    filch_executor *ex = filch_process_pool(.max_workers = 2, .thread_name_prefix = victim->prefix);
    struct gate *gate = filch_shared_alloc(ex, sizeof *gate);
    memset(gate, 0, sizeof *gate);
    filch_future *future = filch_submit(ex, become_somebody, gate);
    CHECK_EQ(filch_join(future), FILCH_OK);
    gate_open(victim->gate);
    for (;;)
        pause();
}

CONTRACT_ALONE(process_life, task_becomes_somebody_and_the_parent_dies) {
    struct victim victim = {unique_prefix(), map_shared(sizeof(struct gate))};
    pid_t child = fork();
    if (child == 0)
        open_and_become(&victim);
    gate_wait(victim.gate, 1);
    kill(child, SIGKILL);
    CHECK_EQ(waitpid(child, NULL, 0), child);
    await_no_process(victim.prefix);
}

/* K7 */
CONTRACT_ALONE(process_life, options_refused) {
    CHECK_NULL(filch_process_pool(.max_tasks_per_child = -1));
    CHECK_FAILURE(FILCH_INVALID, ".max_tasks_per_child");
    CHECK_NULL(filch_process_pool(.start_method = (filch_start_method)9));
    CHECK_FAILURE(FILCH_INVALID, ".start_method");
    CHECK_NULL(filch_process_pool(.on_crash = (filch_on_crash)9));
    CHECK_FAILURE(FILCH_INVALID, ".on_crash");
}

/* --- modules ------------------------------------------------------------------------------------------- */

/* K10: what was loaded after the pool was opened does not exist in its workers; a pool that is opened then
 * has it. */
CONTRACT(process_life, modules_loaded_late) {
    filch_executor *early = pool->open(1);
    void *module = dlopen(FILCH_LATE_MODULE, RTLD_NOW | RTLD_LOCAL);
    CHECK_MSG(module != NULL, "%s", dlerror());
    const filch_task_type *const *type = dlsym(module, "late_type"); /* long thrice(long) */
    CHECK_NOT_NULL(type);
    filch_future *future = filch_submit_task(early, *type, &(long){1}, NULL);
    if (pool->takes_pointers) { /* threads have what the process has */
        check_long(future, 3);
    } else {
        CHECK_NULL(future);
        CHECK_FAILURE(FILCH_INVALID, "task 'thrice'");
        CHECK_STR_HAS(filch_error_message(), "was loaded after the pool was opened");
    }
    check_long(filch_submit(early, twice, 2), 4);
    filch_executor *late = pool->open(1);
    check_long(filch_submit_task(late, *type, &(long){2}, NULL), 6);
    filch_close(late);
    filch_close(early);
    CHECK_EQ(dlclose(module), 0);
}

/* --- initializer and finalizer ------------------------------------------------------------------------ */

static int note_start(void *arg) {
    gate_open(arg);
    return 0;
}

static void note_end(void *arg) {
    gate_open((struct gate *)arg + 1);
}

CONTRACT_ALONE(process_life, initializer_and_finalizer) {
    struct gate *gates = map_shared(2 * sizeof *gates);
    filch_executor *ex = filch_process_pool(.max_workers = 1, .initializer = note_start,
                                            .finalizer = note_end, .initarg = gates);
    CHECK_EQ(gate_value(&gates[0]), 0);
    (void)pid_of_task(ex);
    CHECK_EQ(gate_value(&gates[0]), 1);
    filch_close(ex);
    CHECK_EQ(gate_value(&gates[1]), 1);
}

static int refuse_to_start(void *arg) {
    (void)arg;
    filch_raise(4, "no licence");
    return 1;
}

CONTRACT_ALONE(process_life, initializer_that_fails) {
    filch_executor *ex = filch_process_pool(.max_workers = 2, .initializer = refuse_to_start);
    filch_future *future = filch_submit(ex, twice, 1);
    CHECK_EQ(filch_join(future), FILCH_BROKEN);
    CHECK_STR_HAS(filch_exception(future)->message, "no licence");
    filch_release(future);
    filch_close(ex);
}

#else

TEST(process_life, not_under_thread_sanitizer) {}

#endif
