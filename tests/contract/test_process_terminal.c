/* Programs with a pool of processes at a terminal: what Ctrl-C does. */
#include "processes.h"

#include <pty.h>

#if !UNDER_TSAN /* which does not follow forks */

struct program {
    const char *prefix;
    struct gate *gate; /* all tasks are running */
    filch_start_method method;
};

enum { WORKERS = 2, CTRL_C = 3 };

/* `gates`: the tasks are there; they may go. */
static filch_executor *open_and_submit(const struct program *program, filch_future **futures,
                                       struct gate **gates) {
    filch_executor *ex =
        filch_process_pool(.max_workers = WORKERS, .thread_name_prefix = program->prefix,
                           .start_method = program->method);
    *gates = filch_shared_alloc(ex, 2 * sizeof **gates);
    memset(*gates, 0, 2 * sizeof **gates);
    for (int i = 0; i < WORKERS; i++)
        futures[i] = filch_submit(ex, wait_at, *gates);
    gate_wait(*gates, WORKERS);
    gate_open(program->gate);
    return ex;
}

/* Knows nothing of signals. */
static _Noreturn void be_interrupted(const struct program *program) {
    filch_future *futures[WORKERS];
    struct gate *gates;
    (void)open_and_submit(program, futures, &gates);
    for (;;)
        pause();
}

static volatile sig_atomic_t is_interrupted;
static void interrupt(int number) {
    is_interrupted = number;
}

/* Ends in order: what runs comes to its end. */
static _Noreturn void handle_interrupt(const struct program *program) {
    sigset_t blocked, none;
    sigemptyset(&none);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    sigaction(SIGINT, &(struct sigaction){.sa_handler = interrupt}, NULL);
    filch_future *futures[WORKERS];
    struct gate *gates;
    filch_executor *ex = open_and_submit(program, futures, &gates);
    while (!is_interrupted)
        sigsuspend(&none);
    gate_open(&gates[1]);
    for (int i = 0; i < WORKERS; i++)
        if (filch_join(futures[i]) != FILCH_OK)
            _exit(1);
    filch_close(ex);
    _exit(0);
}

/* Returns: how the program ended. */
static int run_at_terminal(void (*run)(const struct program *program), filch_start_method method) {
    struct program program = {unique_prefix(), map_shared(sizeof(struct gate)), method};
    int terminal;
    fflush(NULL);
    pid_t child = forkpty(&terminal, NULL, NULL, NULL);
    CHECK_GE(child, 0);
    if (child == 0)
        run(&program);
    gate_wait(program.gate, 1);
    CHECK_EQ(write(terminal, &(char){CTRL_C}, 1), 1);
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    close(terminal);
    await_no_process(program.prefix);
    return status;
}

CONTRACT_ALONE(process_terminal, ends_the_program) {
    for (filch_start_method method = FILCH_FORKSERVER; method <= FILCH_FORK; method++) {
        int status = run_at_terminal(be_interrupted, method);
        CHECK(WIFSIGNALED(status));
        CHECK_EQ(WTERMSIG(status), SIGINT);
    }
}

CONTRACT_ALONE(process_terminal, does_not_end_tasks) {
    int status = run_at_terminal(handle_interrupt, FILCH_FORKSERVER);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
}

#else

TEST(process_terminal, not_under_thread_sanitizer) {}

#endif
