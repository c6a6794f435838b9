/* I5 and J5 of the conformance list: programs that leave main without closing their pools, and
 * programs that fork while a pool is open. Each scenario is a process of its own: this program with
 * the scenario's name. Without arguments it runs them all and checks what came of them. */
#include "gate.h"
#include "pools.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>

enum { TASKS = 20 };

/* What a scenario returns is its exit status. */
struct scenario {
    const char *name;
    int (*run)(void);
    int status;
    int lines; /* on stdout */
};

static void print_line(int number) {
    char line[32];
    int size = snprintf(line, sizeof line, "task %d\n", number);
    nanosleep(&(struct timespec){.tv_nsec = 2 * 1000 * 1000}, NULL);
    if (write(STDOUT_FILENO, line, (size_t)size) != size)
        abort();
}
FILCH_TASK_VOID(print_line, int);

static const char *name_of(int number) {
    static _Thread_local char text[80];
    snprintf(text, sizeof text, "%079d", number);
    return text;
}
FILCH_TASK(const char *, name_of, int);

static struct hold held;

/* The leak check at exit cannot see the threads that a forked child does not have. */
static bool is_forked_child;
/* NOLINTNEXTLINE(bugprone-reserved-identifier): LeakSanitizer asks for this name. */
__attribute__((visibility("default"))) int __lsan_is_turned_off(void);
/* NOLINTNEXTLINE(bugprone-reserved-identifier): as above. */
int __lsan_is_turned_off(void) {
    return is_forked_child;
}

static pid_t fork_child(void) {
    pid_t child = fork();
    is_forked_child |= child == 0;
    return child;
}

static void print_lines(filch_executor *ex) {
    for (int i = 0; i < TASKS; i++)
        filch_release(filch_submit(ex, print_line, i));
}

/* I5: the exit waits for accepted work. */
static int leave_open(void) {
    print_lines(filch_thread_pool(.max_workers = 2));
    return 3;
}

static int exit_inside_the_scope(void) {
    filch_with (ex, filch_thread_pool(.max_workers = 1)) {
        print_lines(ex);
        exit(4);
    }
    return -1;
}

static int leave_several_open(void) {
    for (int i = 0; i < 3; i++)
        print_lines(filch_thread_pool(.max_workers = 2));
    filch_close(filch_thread_pool(.max_workers = 2));
    return 5;
}

static int leave_unused(void) {
    return filch_thread_pool(.max_workers = 2) == NULL;
}

/* I5, a departure: after a shutdown that does not wait it abandons what still runs. */
static int leave_after_no_wait(void) {
    filch_executor *ex = filch_thread_pool(.max_workers = 1);
    pool_hold(ex, &held); /* for ever */
    print_lines(ex);
    CHECK_EQ(filch_shutdown(ex, .no_wait = true), FILCH_OK);
    return 6;
}

static int leave_after_timed_shutdown(void) {
    filch_executor *ex = filch_thread_pool(.max_workers = 1);
    pool_hold(ex, &held); /* for ever */
    CHECK_EQ(filch_shutdown(ex, .timeout = 0.01), FILCH_TIMEOUT);
    return 7;
}

/* Futures, results and iterations that nobody gave back. */
static filch_future *volatile kept[TASKS];
static filch_completed *volatile kept_completed;
static filch_results *volatile kept_results;

static int leave_everything(void) {
    static const int items[TASKS];
    filch_executor *ex = filch_thread_pool(.max_workers = 2);
    filch_future *futures[TASKS];
    for (int i = 0; i < TASKS; i++)
        kept[i] = futures[i] = filch_submit(ex, name_of, i);
    kept_completed = filch_as_completed(futures, TASKS);
    kept_results = filch_map(ex, name_of, items, TASKS);
    return 8;
}

static int leave_after_close(void) {
    filch_executor *ex = filch_thread_pool(.max_workers = 2);
    print_lines(ex);
    filch_close(ex);
    return 9;
}

/* J5: the child does not touch the parent's pool; submitting there is an error; its exit is clean.
 * The child's result: 0, or the number of what was wrong. */
static int use_inherited(filch_executor *ex, filch_future *done, filch_future *pending) {
    long value = 0;
    if (filch_submit(ex, twice, 1) != NULL)
        return 21;
    if (filch_error_status() == FILCH_OK || filch_error_message()[0] == '\0')
        return 22;
    if (filch_result_timeout(done, &value, 0) != FILCH_OK || value != 8)
        return 23;
    long items[] = {1, 2};
    if (filch_map(ex, twice, items, 2) != NULL)
        return 24;
    filch_release(done);
    filch_release(pending);
    filch_close(ex); /* harmless */
    return 0;
}

static int await_child(pid_t child) {
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return 30;
    return WEXITSTATUS(status);
}

/* `closing`: the child uses and closes what it inherited; else it leaves it alone. */
static int fork_with_open_pool(bool closing) {
    filch_executor *ex = filch_thread_pool(.max_workers = 1);
    filch_future *done = filch_submit(ex, twice, 4);
    CHECK_EQ(filch_join(done), FILCH_OK);
    filch_future *running = pool_hold(ex, &held);
    filch_future *pending = filch_submit(ex, twice, 5);
    pid_t child = fork_child();
    if (child == 0)
        exit(closing ? use_inherited(ex, done, pending) : 0);
    int wrong = await_child(child);
    gate_open(&held.go);
    check_held(running);
    check_long(pending, 10);
    check_long(done, 8);
    check_long(filch_submit(ex, twice, 6), 12);
    filch_close(ex);
    return wrong == 0 ? 10 : wrong;
}

static int fork_and_exit(void) {
    return fork_with_open_pool(false);
}

static int fork_and_use(void) {
    return fork_with_open_pool(true);
}

/* J5: from a task too. */
static int fork_here(void) {
    pid_t child = fork_child();
    if (child == 0)
        exit(11);
    return await_child(child);
}
FILCH_TASK(int, fork_here);

static int fork_in_task(void) {
    int status = 0;
    filch_executor *ex = filch_thread_pool(.max_workers = 2);
    print_lines(ex);
    filch_future *future = filch_submit(ex, fork_here);
    CHECK_EQ(filch_result(future, &status), FILCH_OK);
    filch_release(future);
    filch_close(ex);
    return status;
}

/* J5: from a callback too, and a child that returns from it runs none of the parent's tasks. */
static struct gate forked;
static int status_of_returning_child;

static void fork_and_return(filch_future *future, void *arg) {
    (void)future;
    (void)arg;
    pid_t child = fork_child();
    if (child != 0) {
        status_of_returning_child = await_child(child);
        gate_open(&forked);
    }
}

static int fork_in_callback(void) {
    filch_executor *ex = filch_thread_pool(.max_workers = 1);
    filch_future *holding = pool_hold(ex, &held);
    CHECK_EQ(filch_add_done_callback(holding, fork_and_return, NULL), FILCH_OK);
    print_lines(ex);
    gate_open(&held.go);
    gate_wait(&forked, 1);
    filch_close(ex);
    filch_release(holding);
    return status_of_returning_child == 0 ? 13 : 31;
}

/* J5: nor the rest of the items, if it returns from one of a map. */
static int print_and_fork(int i) {
    print_line(i);
    if (i == 1) {
        pid_t child = fork_child();
        return child == 0 ? 0 : await_child(child);
    }
    return 0;
}
FILCH_TASK(int, print_and_fork, int);

static int fork_in_map_item(void) {
    filch_executor *ex = filch_thread_pool(.max_workers = 1);
    int items[TASKS], status = 15;
    for (int i = 0; i < TASKS; i++)
        items[i] = i;
    filch_results *results = filch_map(ex, print_and_fork, items, TASKS, .chunksize = TASKS);
    for (int i = 0; i < TASKS; i++) {
        int of_child = -1;
        CHECK_EQ(filch_results_next(results, &of_child), FILCH_OK);
        status = of_child == 0 ? status : 32;
    }
    filch_results_close(results);
    filch_close(ex);
    return status;
}

/* What the child does with an inherited iteration leaves the parent's descriptor as it is; it may ask
 * for one of its own. */
static bool is_readable(int fd) {
    struct pollfd it = {.fd = fd, .events = POLLIN};
    return poll(&it, 1, 0) == 1;
}

static int fork_with_descriptor(void) {
    filch_executor *ex = filch_thread_pool(.max_workers = 1);
    filch_future *futures[] = {filch_submit(ex, twice, 4), pool_hold(ex, &held)};
    CHECK_EQ(filch_join(futures[0]), FILCH_OK);
    filch_completed *completed = filch_as_completed(futures, 2);
    int fd = filch_completed_fd(completed);
    CHECK(is_readable(fd));
    pid_t child = fork_child();
    filch_future *next = NULL;
    if (child == 0) {
        CHECK_EQ(filch_completed_next(completed, &next, 0), FILCH_OK);
        CHECK(!is_readable(filch_completed_fd(completed)));
        exit(16);
    }
    int status = await_child(child);
    CHECK(is_readable(fd));
    CHECK_EQ(filch_completed_next(completed, &next, 0), FILCH_OK);
    CHECK(!is_readable(fd));
    filch_completed_close(completed);
    gate_open(&held.go);
    check_long(futures[0], 8);
    check_held(futures[1]);
    filch_close(ex);
    return status;
}

/* What nobody looked at is the parent's to report, once. */
static void print_report(const char *line, void *arg) {
    (void)arg;
    printf("%s\n", line);
    fflush(stdout);
}

static int fork_with_failed_items(void) {
    filch_on_report(print_report, NULL);
    filch_executor *ex = filch_thread_pool(.max_workers = 1);
    int items[] = {1, 2, 3};
    filch_results *results = filch_map(ex, fail_with, items, 3, .chunksize = 3);
    CHECK_EQ(filch_results_skip(results), FILCH_FAILED);
    pid_t child = fork_child();
    if (child == 0) {
        filch_results_close(results);
        exit(17);
    }
    int status = await_child(child);
    filch_results_close(results);
    filch_close(ex);
    return status;
}

/* A wait in the child for what only the parent can run is an error, not a hang. */
static int fork_and_wait(void) {
    filch_executor *ex = filch_thread_pool(.max_workers = 1);
    filch_future *holding = pool_hold(ex, &held);
    pid_t child = fork_child();
    if (child == 0) {
        CHECK_EQ(filch_join(holding), FILCH_INVALID_STATE);
        CHECK(!filch_cancel(holding));
        CHECK_EQ(filch_error_status(), FILCH_INVALID_STATE);
        exit(14);
    }
    int status = await_child(child);
    gate_open(&held.go);
    filch_close(ex);
    filch_release(holding);
    return status;
}

/* A forked child may open a pool of its own. */
static int fork_and_open(void) {
    filch_executor *ex = filch_thread_pool(.max_workers = 2);
    check_long(filch_submit(ex, twice, 4), 8);
    pid_t child = fork_child();
    if (child == 0) {
        filch_executor *own = filch_thread_pool(.max_workers = 2);
        check_long(filch_submit(own, twice, 5), 10);
        filch_close(own);
        exit(12);
    }
    int status = await_child(child);
    check_long(filch_submit(ex, twice, 6), 12);
    filch_close(ex);
    return status;
}

static const struct scenario scenarios[] = {
    {"leave_open", leave_open, 3, TASKS},
    {"exit_inside_the_scope", exit_inside_the_scope, 4, TASKS},
    {"leave_several_open", leave_several_open, 5, 3 * TASKS},
    {"leave_unused", leave_unused, 0, 0},
    {"leave_after_no_wait", leave_after_no_wait, 6, 0},
    {"leave_after_timed_shutdown", leave_after_timed_shutdown, 7, 0},
    {"leave_everything", leave_everything, 8, 0},
    {"leave_after_close", leave_after_close, 9, TASKS},
    {"fork_and_exit", fork_and_exit, 10, 0},
    {"fork_and_use", fork_and_use, 10, 0},
    {"fork_in_task", fork_in_task, 11, TASKS},
    {"fork_in_callback", fork_in_callback, 13, TASKS},
    {"fork_in_map_item", fork_in_map_item, 15, TASKS},
    {"fork_with_descriptor", fork_with_descriptor, 16, 0},
    {"fork_with_failed_items", fork_with_failed_items, 17, 1},
    {"fork_and_wait", fork_and_wait, 14, 0},
    {"fork_and_open", fork_and_open, 12, 0},
};
enum { SCENARIOS = sizeof scenarios / sizeof scenarios[0] };

static size_t read_back(FILE *file, char *text, size_t room) {
    rewind(file);
    size_t size = fread(text, 1, room - 1, file);
    text[size] = '\0';
    fclose(file);
    return size;
}

static void check_scenario(const struct scenario *scenario) {
    printf("%s\n", scenario->name);
    fflush(stdout);
    FILE *out = tmpfile(), *err = tmpfile();
    CHECK(out != NULL && err != NULL);
    pid_t child = fork();
    CHECK_GE(child, 0);
    if (child == 0) {
        dup2(fileno(out), STDOUT_FILENO);
        dup2(fileno(err), STDERR_FILENO);
        execl("/proc/self/exe", "leave_main", scenario->name, (char *)NULL);
        _exit(99);
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    char text[4096];
    size_t complaints = read_back(err, text, sizeof text);
    CHECK_MSG(complaints == 0, "%s: stderr: %s", scenario->name, text);
    CHECK_MSG(WIFEXITED(status), "%s: killed by signal %d", scenario->name, WTERMSIG(status));
    CHECK_MSG(WEXITSTATUS(status) == scenario->status, "%s: exit status %d, not %d", scenario->name,
              WEXITSTATUS(status), scenario->status);
    int lines = 0;
    read_back(out, text, sizeof text);
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    CHECK_MSG(lines == scenario->lines, "%s: %d lines, not %d: %s", scenario->name, lines,
              scenario->lines, text);
}

int main(int argc, char **argv) {
    for (int i = 0; i < SCENARIOS; i++) {
        if (argc > 1 && strcmp(argv[1], scenarios[i].name) == 0)
            return scenarios[i].run();
        if (argc == 1 && !(UNDER_TSAN && scenarios[i].run == fork_and_open))
            check_scenario(&scenarios[i]); /* no new threads after a fork under TSan */
    }
    return argc > 1 ? 98 : 0;
}
