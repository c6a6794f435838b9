/** @file
 * process_pool.h: an executor over worker processes.
 *
 * The same interface as a thread pool. What differs: a worker that dies takes only the tasks that it
 * was running with it, a task may be given a time limit, and arguments that are pointers must point
 * into memory of filch_shared_alloc. Workers are forked when the pool is opened or needs them; they
 * see the program's globals as they were at the opening. */
#ifndef FILCH_PROCESS_POOL_H
#define FILCH_PROCESS_POOL_H

#include <filch/executor.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What worker processes are forked from. */
typedef enum filch_start_method {
    FILCH_FORKSERVER =
        0,         /**< a small process that is forked at the opening and closes the program's
                               descriptors, but for the standard ones */
    FILCH_FORK,    /**< the same, but workers inherit everything: descriptors and the
                               program's handling of signals */
    FILCH_THREADS, /**< no processes: threads of the program stand in for them. For debuggers and
                               sanitizers, which see nothing between processes; a crash ends the program,
                               .timeout and .max_tasks_per_child are not for threads */
} filch_start_method;

/** What the death of a worker process means. */
typedef enum filch_on_crash {
    FILCH_CRASH_FAILS_TASK = 0, /**< the tasks that it was running fail, and it is replaced */
    FILCH_CRASH_BREAKS_POOL,    /**< all that is pending fails with FILCH_BROKEN, as in Python */
} filch_on_crash;

/** How to open a process pool. Zero always means the default. */
typedef struct filch_process_pool_options {
    size_t size;                    /**< of this struct; filled in by the macro */
    int max_workers;                /**< as for a thread pool */
    const char *thread_name_prefix; /**< "filch": processes are named filch_0, filch_1, ... */
    int (*initializer)(
        void *arg); /**< runs in each worker before its first task; non-zero: failed */
    void (*finalizer)(void *arg);    /**< runs in each worker at its end, unless it is killed */
    void *initarg;                   /**< the argument of both: memory as it was at the opening */
    filch_bind bind;                 /**< FILCH_BIND_AUTO */
    double spin;                     /**< seconds an idle worker searches before it sleeps */
    size_t stack_size;               /**< bytes of a worker's stack; 0: the system's default */
    filch_start_method start_method; /**< FILCH_FORKSERVER */
    int max_tasks_per_child; /**< a worker ends after so many tasks and is replaced; 0: never */
    filch_on_crash on_crash; /**< FILCH_CRASH_FAILS_TASK */
    size_t memory; /**< limit of the shared memory in bytes; 0: half of what the machine, or the
                        control group, has left */
} filch_process_pool_options;

/** filch_process_pool(.max_workers = 4, ...): opens a process pool. Workers start on demand; at most
 * max_workers start tasks.
 * Owns: the caller; one filch_close.
 * @return the executor, or NULL: FILCH_INVALID (the message names the option), FILCH_NO_MEMORY,
 * FILCH_SYSTEM.
 * Python: ProcessPoolExecutor. */
#define filch_process_pool(...)                                                                    \
    filch_process_pool_open(FILCH_STRUCT(filch_process_pool_options, __VA_ARGS__))
/** The function under filch_process_pool, for other languages. NULL options: all defaults. */
FILCH_API filch_executor *filch_process_pool_open(const filch_process_pool_options *options);

#ifdef __cplusplus
}
#endif

#endif
