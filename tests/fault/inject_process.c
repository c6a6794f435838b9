/* inject_process.c: the wrapped calls that only pools of processes make. */
/* NOLINTBEGIN(bugprone-reserved-identifier): the linker makes these names. */
#include "inject.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

pid_t __real_fork(void);
int __real_socketpair(int domain, int type, int protocol, int pair[2]);
int __real_signalfd(int descriptor, const sigset_t *signals, int flags);
pid_t __wrap_fork(void);
int __wrap_socketpair(int domain, int type, int protocol, int pair[2]);
int __wrap_signalfd(int descriptor, const sigset_t *signals, int flags);

pid_t __wrap_fork(void) {
    return inject_fails(CALL_FORK, EAGAIN) ? -1 : __real_fork();
}

int __wrap_socketpair(int domain, int type, int protocol, int pair[2]) {
    return inject_fails(CALL_SOCKETPAIR, EMFILE) ? -1
                                                 : __real_socketpair(domain, type, protocol, pair);
}

int __wrap_signalfd(int descriptor, const sigset_t *signals, int flags) {
    return inject_fails(CALL_SIGNALFD, EMFILE) ? -1 : __real_signalfd(descriptor, signals, flags);
}

int __real_kill(pid_t pid, int number);
int __wrap_kill(pid_t pid, int number);

/* The bell of the fork server, where a task has become another user. */
int __wrap_kill(pid_t pid, int number) {
    return number == SIGCHLD && inject_fails(CALL_RING, EPERM) ? -1 : __real_kill(pid, number);
}

/* Shared memory. */

int __real_memfd_create(const char *name, unsigned flags);
int __real_ftruncate(int file, off_t bytes);
int __real_fcntl(int file, int command, ...);
int __real_fallocate(int file, int mode, off_t at, off_t bytes);
int __wrap_memfd_create(const char *name, unsigned flags);
int __wrap_ftruncate(int file, off_t bytes);
int __wrap_fcntl(int file, int command, ...);
int __wrap_fallocate(int file, int mode, off_t at, off_t bytes);

/* EINVAL: flags that the system does not know. */
int __wrap_memfd_create(const char *name, unsigned flags) {
    return inject_fails(CALL_MEMFD, EINVAL) ? -1 : __real_memfd_create(name, flags);
}

int __wrap_ftruncate(int file, off_t bytes) {
    return inject_fails(CALL_MEMFD, EFBIG) ? -1 : __real_ftruncate(file, bytes);
}

/* Only used to seal. */
int __wrap_fcntl(int file, int command, ...) {
    va_list list;
    va_start(list, command);
    int argument = va_arg(list, int);
    va_end(list);
    return inject_fails(CALL_MEMFD, EINVAL) ? -1 : __real_fcntl(file, command, argument);
}

int __wrap_fallocate(int file, int mode, off_t at, off_t bytes) {
    return inject_fails(CALL_FALLOCATE, ENOSPC) ? -1 : __real_fallocate(file, mode, at, bytes);
}

/* Signals that come whenever somebody is about to wait. What has happened already is told, as the
 * system does. */

int __real_poll(struct pollfd *events, nfds_t n, int timeout_ms);
pid_t __real_waitpid(pid_t pid, int *status, int options);
int __wrap_poll(struct pollfd *events, nfds_t n, int timeout_ms);
pid_t __wrap_waitpid(pid_t pid, int *status, int options);

static void interrupt(void) {
    sched_yield();
    errno = EINTR;
}

int __wrap_poll(struct pollfd *events, nfds_t n, int timeout_ms) {
    if (timeout_ms == 0 || !inject_fails(CALL_INTERRUPT, EINTR))
        return __real_poll(events, n, timeout_ms);
    int n_ready = __real_poll(events, n, 0);
    if (n_ready != 0)
        return n_ready;
    interrupt();
    return -1;
}

pid_t __wrap_waitpid(pid_t pid, int *status, int options) {
    if ((options & WNOHANG) != 0 || !inject_fails(CALL_INTERRUPT, EINTR))
        return __real_waitpid(pid, status, options);
    pid_t ended = __real_waitpid(pid, status, options | WNOHANG);
    if (ended != 0)
        return ended;
    interrupt();
    return -1;
}
/* NOLINTEND(bugprone-reserved-identifier) */
