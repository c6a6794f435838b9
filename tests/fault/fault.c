/* fault.c: the n-th call fails, for every kind of call, every n and every scenario, once and for ever.
 *
 *     fault.fault [--most N] [--scenario NAME] [--call NAME] [--n N] [--for-ever] [--sparse]
 *
 * Each trial is a process of its own. It must end by itself within the limit, with every promise kept
 * (ledger.h) and nothing left. A scenario has been tried for a kind when it ran through without the
 * fault being reached, or after the N-th call (--most; 0: no limit): some kinds come by the hundred
 * and in an order that differs from run to run; --sparse leaves some of the later ones out. Every
 * failure prints what replays it.
 *
 * One more kind is "signal": signals that come all the time, so that system calls end with EINTR.
 *
 * What a trial's process leaves behind is adopted here, and awaited: it ends soon, and not by a crash. */
#include "inject.h"
#include "ledger.h"
#include "scenarios.h"

#include <argp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LIMIT_S = 30, NOT_REACHED = 3, MOST = 25 };

struct options {
    const char *scenario, *call;
    long n, most;
    bool for_ever, is_sparse;
};

static struct options options = {.most = MOST};
static char *message; /* shared with the trial's process */
enum { MESSAGE_BYTES = 512 };
static long n_trials, n_failures;

static void ignore(int number) {
    (void)number;
}

/* Every 200 us, to threads that do not block it. */
static void send_signals(void) {
    struct sigaction action = {.sa_handler = ignore}; /* without SA_RESTART */
    sigaction(SIGALRM, &action, NULL);
    struct itimerval often = {{0, 200}, {0, 200}};
    setitimer(ITIMER_REAL, &often, NULL);
}

/* In the trial's process. The leak checker, where there is one, looks at exit. */
static _Noreturn void play(const struct scenario *scenario, int call, long n, bool for_ever) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    ledger_begin(message, MESSAGE_BYTES);
    if (call < N_CALLS)
        inject_arm((enum call)call, n, for_ever);
    else
        send_signals();
    inject_begin();
    scenario->run();
    inject_lift();
    ledger_check_leaks();
    exit(inject_was_reached() || call == N_CALLS ? EXIT_SUCCESS : NOT_REACHED);
}

static void complain(const char *what, int number) {
    if (message[0] == '\0')
        snprintf(message, MESSAGE_BYTES, what, number);
}

/* Sees to all that have ended. Returns: true if `child` has, with its status. */
static bool reap(pid_t child, int *status) {
    bool has_ended = false;
    int one;
    for (pid_t pid; (pid = waitpid(-1, &one, WNOHANG)) > 0;) {
        if (pid == child) {
            has_ended = true;
            *status = one;
        } else if (WIFSIGNALED(one) && WTERMSIG(one) != SIGKILL) {
            complain("a process of the pool ended by signal %d", WTERMSIG(one));
        }
    }
    return has_ended;
}

static bool has_children(void) {
    return waitid(P_ALL, 0, &(siginfo_t){0}, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* Until something ends. Returns: false after `limit_s`. */
static bool await_end(int limit_s) {
    sigset_t ended;
    sigemptyset(&ended);
    sigaddset(&ended, SIGCHLD);
    struct timespec limit = {.tv_sec = limit_s};
    return sigtimedwait(&ended, NULL, &limit) >= 0;
}

/* Returns: the process's status; a hang ends it. */
static int await_child(pid_t child) {
    int status = 0;
    while (!reap(child, &status))
        if (!await_end(LIMIT_S)) {
            complain("it hangs", 0);
            kill(child, SIGKILL);
        }
    for (; has_children(); (void)reap(child, &status))
        if (!await_end(LIMIT_S)) {
            complain("it left a process that does not end", 0);
            break;
        }
    return status;
}

static const char *name_of(int call) {
    return call < N_CALLS ? inject_names[call] : "signal";
}

/* Returns: was the fault reached? */
static bool try(const struct scenario *scenario, int call, long n, bool for_ever) {
    message[0] = '\0';
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        play(scenario, call, n, for_ever);
    int status = await_child(child);
    n_trials++;
    bool is_well = message[0] == '\0'; /* a worker's process may have left one, too */
    if (is_well && WIFEXITED(status) && WEXITSTATUS(status) == NOT_REACHED)
        return false;
    if (is_well && status == 0)
        return true;
    n_failures++;
    printf("FAILED: --scenario %s --call %s --n %ld%s\n    ", scenario->name, name_of(call), n,
           for_ever ? " --for-ever" : "");
    if (message[0] != '\0')
        printf("%s\n", message);
    else if (WIFSIGNALED(status))
        printf("it ended by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        printf("it exited with status %d\n", WEXITSTATUS(status));
    return true;
}

static void try_every_n(const struct scenario *scenario, int call, bool for_ever) {
    if (options.n > 0) {
        if (!try(scenario, call, options.n, for_ever))
            printf("the call was not reached\n");
        return;
    }
    long step = 1;
    for (long n = 1; options.most == 0 || n <= options.most; n += step) {
        step = options.is_sparse ? 1 + n / 5 : 1;
        if (!try(scenario, call, n, for_ever) || call == N_CALLS)
            return;
    }
}

static bool is_wanted(const char *wanted, const char *name) {
    return wanted == NULL || strcmp(wanted, name) == 0;
}

static void try_scenario(const struct scenario *scenario) {
    for (int call = 0; call <= N_CALLS; call++) {
        if (!is_wanted(options.call, name_of(call)))
            continue;
        if (options.n == 0 || !options.for_ever)
            try_every_n(scenario, call, false);
        if (call < N_CALLS && (options.n == 0 || options.for_ever))
            try_every_n(scenario, call, true);
    }
}

static error_t read_option(int key, char *text, struct argp_state *state) {
    switch (key) {
    case 's':
        options.scenario = text;
        return 0;
    case 'c':
        options.call = text;
        return 0;
    case 'n':
        options.n = atol(text);
        return 0;
    case 'm':
        options.most = atol(text);
        return 0;
    case 'p':
        options.is_sparse = true;
        return 0;
    case 'e':
        options.for_ever = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_usage(state);
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int main(int argc, char **argv) {
    static const struct argp_option known[] = {
        {"scenario", 's', "NAME", 0, "this one only", 0},
        {"call", 'c', "NAME", 0, "this kind of call only", 0},
        {"n", 'n', "N", 0, "the N-th call only", 0},
        {"for-ever", 'e', NULL, 0, "with --n: all later ones, too", 0},
        {"most", 'm', "N", 0, "up to the N-th call of each kind (25; 0: every one)", 0},
        {"sparse", 'p', NULL, 0, "not every one of the later calls", 0},
        {0},
    };
    const struct argp parser = {.options = known, .parser = read_option};
    argp_parse(&parser, argc, argv, 0, NULL, NULL);
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGCHLD);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    message = mmap(NULL, MESSAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const struct scenario *const lists[] = {
        scenarios_submit, scenarios_collect, scenarios_block,   scenarios_bulk,
        scenarios_fork,   scenarios_pool,    scenarios_process, scenarios_process_end};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        for (const struct scenario *scenario = lists[i]; scenario->name != NULL; scenario++)
            if (is_wanted(options.scenario, scenario->name)) {
                long before = n_trials;
                try_scenario(scenario);
                printf("%s: %ld trials\n", scenario->name, n_trials - before);
                fflush(stdout);
            }
    printf("%ld trials, %ld failures\n", n_trials, n_failures);
    return n_trials > 0 && n_failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
