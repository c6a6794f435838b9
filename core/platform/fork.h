/* platform/fork.h: processes that belong to the library: how they are made, and told of.
 *
 * A process that the program's own waits must never see is forked twice: its parent, which the opener
 * waits for by number, ends at once, and the system adopts it. */
#ifndef FILCHI_FORK_H
#define FILCHI_FORK_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Runs main(arg) in a grandchild, whose signals are all blocked. main does not return.
 * Returns: 0 or an errno value. */
int filchi_fork_detached(void (*main)(void *arg), void *arg);

/* A descriptor that is readable once the process has ended. Returns: -1 with errno set. */
int filchi_fork_watch(pid_t pid);

/* Closes every descriptor from 3 on but these. */
void filchi_fork_close_others(const int *kept, size_t n);

/* The calling process dies with its parent. Returns: false if `parent` is not its parent any more. */
bool filchi_fork_die_with(pid_t parent);

/* How a process ended. */
struct process_end {
    int signal;      /* that ended it; 0: none did */
    int exit_status; /* -1: it did not exit */
};

/* A child that has ended, and is forgotten by the system then. `*status` is as waitpid gives it.
 * Returns: its number, or 0 if there is none now. */
pid_t filchi_fork_reap(int *status);

struct process_end filchi_fork_read_status(int status);

/* "was killed by SIGKILL", "exited with status 3". */
void filchi_fork_explain_end(struct process_end end, char *text, size_t size);

/* If this process is a child, as all are that others leave to pid 1 or a subreaper: waits for its end. */
void filchi_fork_await_adopted(pid_t pid);

/* Waits until the process has ended, whosever child it is; if it is adopted here, the system forgets it.
 * `watch` is of filchi_fork_watch; without (-1) it looks again and again. Returns: false after the deadline. */
bool filchi_fork_await_end(pid_t pid, int watch, uint64_t deadline_ns);

/* Gives the signals that the process handles back to the system, but for those of the terminal: these
 * do nothing here, and are the system's again in what is executed later. */
void filchi_fork_reset_signals(void);

/* Names the calling process "<prefix>_<suffix>"; the prefix is cut so that the rest fits into the kernel's
 * 15 characters. */
void filchi_fork_set_name(const char *prefix, const char *suffix);

/* Who is killed first when the machine has no memory left: this one before its opener. */
void filchi_fork_offer_to_oom_killer(void);

#endif
