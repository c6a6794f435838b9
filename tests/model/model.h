/* model.h: what a scenario says. The same source becomes two programs: one for the explorer
 * (explorer.c), which runs it under every schedule within its bounds, and one on plain threads
 * (threads.c) and the real platform, which sanitizers watch. A model checker for C11, GenMC for one,
 * reads the second (-DMODEL_ONCE).
 *
 * A scenario owns its memory: static variables, and what it takes from arenas. `setup` lays it all
 * out; the threads run; `check` looks at the end. All three must be deterministic: no clock, no random
 * numbers, no address in a decision. The explorer calls `setup` once and restores the memory before
 * each execution. */
#ifndef FILCH_MODEL_H
#define FILCH_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MODEL_THREADS = 8 };

struct model_thread {
    const char *name;
    void (*run)(void);
    bool may_be_killed; /* at any of its accesses; one thread in an execution */
};

struct model_scenario {
    const char *name;
    void (*setup)(void);
    struct model_thread threads[MODEL_THREADS]; /* up to the first without a name */
    /* Ends every execution, in which each thread has ended. */
    void (*check)(void);
    /* Where threads may sleep at the end: is what they slept for done? (The explorer asks when
     * nobody can run; the plain program until it is, and then calls `stop`, which ends them.) */
    bool (*is_over)(void);
    void (*stop)(void);
    /* Gives back what `setup` took; not called by the explorer. */
    void (*teardown)(void);
    bool reclaims;   /* filchi_reclaim_wait is called */
    bool is_large;   /* one preemption less, but for --long: see explorer.c */
    bool keeps_time; /* no deadline passes, so that a time-out hides no lost wake-up */
};

#define THREAD(thread_name, function)                                                              \
    { .name = (thread_name), .run = (function) }

/* The program's scenarios, up to the first without a name. */
extern const struct model_scenario model_scenarios[];

/* Ends the program, or the execution, as a failure. */
_Noreturn void model_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define model_assert(condition)                                                                    \
    ((condition) ? (void)0 : model_fail("%s:%d: %s is false", __FILE__, __LINE__, #condition))

/* One more thread, started by a running one (or by setup). */
void model_thread(const char *name, void (*run)(void *), void *arg);

/* Names memory for traces. */
void model_name(const void *start, size_t bytes, const char *name);

/* Nobody may touch this memory any more, in this execution. */
void model_dead(void *start, size_t bytes);

/* Waits until the thread of this name has ended or was killed. Returns: true if it was killed. */
bool model_await_end(const char *name);

/* Comes back when nobody else can go on: a timer that is slower than all the others. */
void model_await_rest(void);

/* A decision of the environment, say whether a call fails: below n. Random on plain threads. */
int model_choose(int n);

#endif
