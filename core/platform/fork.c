/* platform/fork.c: fork, pidfds, close_range, prctl. */
#include "platform/fork.h"

#include "platform/clock.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Adjustments go from -1000 to 1000. */
#define OOM_ADJUSTMENT 300

int filchi_fork_detached(void (*main)(void *arg), void *arg) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = 0;
    pid_t middle = fork();
    if (middle == 0) {
        pid_t child = fork();
        if (child == 0)
            main(arg);
        _exit(child < 0 ? errno : 0);
    }
    if (middle < 0)
        error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    int status = 0;
    while (middle > 0 && waitpid(middle, &status, 0) < 0)
        if (errno !=
            EINTR) /* ECHILD: nobody is told how children end here, or another thread was */
            return 0;
    return middle > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : error;
}

int filchi_fork_watch(pid_t pid) {
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, pid, 0);
#else
    (void)pid;
    errno = ENOSYS;
    return -1;
#endif
}

static void close_range_of(unsigned first, unsigned last) {
    if (first > last)
        return;
#ifdef SYS_close_range
    if (syscall(SYS_close_range, first, last, 0) == 0)
        return;
#endif
    struct rlimit limit;
    unsigned end = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < (1u << 20)
                       ? (unsigned)limit.rlim_cur
                       : 1u << 20;
    for (unsigned fd = first; fd <= last && fd < end; fd++)
        close((int)fd);
}

void filchi_fork_close_others(const int *kept, size_t n) {
    unsigned from = 3;
    for (;;) {
        unsigned next = ~0u; /* the lowest that is kept, from there on */
        for (size_t i = 0; i < n; i++)
            if (kept[i] >= (int)from && (unsigned)kept[i] < next)
                next = (unsigned)kept[i];
        if (next == ~0u)
            break;
        if (next > from)
            close_range_of(from, next - 1);
        from = next + 1;
    }
    close_range_of(from, ~0u);
}

bool filchi_fork_die_with(pid_t parent) {
    return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent;
}

pid_t filchi_fork_reap(int *status) {
    pid_t pid = waitpid(-1, status, WNOHANG);
    return pid > 0 ? pid : 0;
}

struct process_end filchi_fork_read_status(int status) {
    return (struct process_end){.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
                                .exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1};
}

void filchi_fork_explain_end(struct process_end end, char *text, size_t size) {
    const char *name = end.signal != 0 ? sigabbrev_np(end.signal) : NULL;
    if (name != NULL)
        snprintf(text, size, "was killed by SIG%s", name);
    else if (end.signal != 0)
        snprintf(text, size, "was killed by signal %d", end.signal);
    else
        snprintf(text, size, "exited with status %d", end.exit_status);
}

void filchi_fork_await_adopted(pid_t pid) {
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* Not its own descriptor, but a look now and then: a number that is in use again is looked at in vain. */
static bool await_by_looking(pid_t pid, uint64_t deadline_ns) {
    while (kill(pid, 0) == 0 || errno != ESRCH) {
        if (waitpid(pid, NULL, WNOHANG) == pid)
            break;
        if (filchi_clock_passed(deadline_ns))
            return false;
        (void)poll(NULL, 0, 1);
    }
    return true;
}

bool filchi_fork_await_end(pid_t pid, int watch, uint64_t deadline_ns) {
    if (watch < 0)
        return await_by_looking(pid, deadline_ns);
    struct pollfd event = {watch, POLLIN, 0};
    while (poll(&event, 1, filchi_clock_milliseconds_until(deadline_ns)) <= 0)
        if (filchi_clock_passed(deadline_ns))
            return false;
    (void)waitpid(pid, NULL, WNOHANG);
    return true;
}

static void ignore_here(int number) {
    (void)number;
}

void filchi_fork_reset_signals(void) {
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) != 0 || action.sa_handler == SIG_DFL ||
            action.sa_handler == SIG_IGN)
            continue;
        action = (struct sigaction){.sa_handler = SIG_DFL};
        sigaction(number, &action, NULL);
    }
    static const int terminal[] = {SIGINT, SIGQUIT};
    for (size_t i = 0; i < sizeof terminal / sizeof terminal[0]; i++) {
        struct sigaction action;
        if (sigaction(terminal[i], NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            continue;
        action = (struct sigaction){.sa_handler = ignore_here, .sa_flags = SA_RESTART};
        sigaction(terminal[i], &action, NULL);
    }
}

void filchi_fork_set_name(const char *prefix, const char *suffix) {
    enum { LONGEST = 15 };
    char name[LONGEST + 1];
    size_t suffix_length = strnlen(suffix, LONGEST - 1);
    size_t prefix_length = strnlen(prefix, LONGEST - 1 - suffix_length);
    snprintf(name, sizeof name, "%.*s_%.*s", (int)prefix_length, prefix, (int)suffix_length,
             suffix);
    prctl(PR_SET_NAME, name);
}

void filchi_fork_offer_to_oom_killer(void) {
    int file = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    if (file < 0)
        return;
    char text[16] = "";
    int now = 0;
    if (read(file, text, sizeof text - 1) > 0)
        (void)sscanf(text, "%d", &now);
    int wanted = now + OOM_ADJUSTMENT > 1000 ? 1000 : now + OOM_ADJUSTMENT;
    int length = snprintf(text, sizeof text, "%d", wanted);
    ssize_t written = pwrite(file, text, (size_t)length, 0); /* a wish */
    (void)written;
    close(file);
}
