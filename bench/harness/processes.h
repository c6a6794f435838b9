/* processes.h: the processes that a contender has started, found from outside, as /proc shows them.
 * For measure.c. */
#ifndef BENCH_PROCESSES_H
#define BENCH_PROCESSES_H

#include "measure.h"

typedef void process_visit(pid_t pid, void *arg);

/* Calls `visit` for each other process that has the shared mapping at `mark`: all that were forked
 * since bench_shared_alloc gave it, whatever became of their parents. */
void processes_for_others(const void *mark, process_visit *visit, void *arg);

/* Calls `visit` for each thread of a process. */
void processes_for_threads(pid_t pid, process_visit *visit, void *arg);

/* Adds what a process has used so far; nothing if it is gone. */
void processes_add_usage(pid_t pid, struct usage *usage);

#endif
