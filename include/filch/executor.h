/** @file
 * executor.h: what every executor does: submit, shutdown, close, and the scope that closes it.
 *
 * An executor is opened by one of its kinds (thread_pool.h). Everything here works the same on all.
 */
#ifndef FILCH_EXECUTOR_H
#define FILCH_EXECUTOR_H

#include <filch/future.h>
#include <filch/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Where a pool's workers are bound. */
typedef enum filch_bind {
    FILCH_BIND_AUTO, /**< one core per worker where that cannot harm: as many workers as usable CPUs,
                          no CPU quota below them, and a known part if other ranks share them */
    FILCH_BIND_CORE, /**< one core per worker */
    FILCH_BIND_NUMA, /**< the cores of one NUMA node per worker */
    FILCH_BIND_NONE, /**< wherever the program may run */
} filch_bind;

/** For .spin: an idle worker sleeps at once. */
#define FILCH_NO_SPIN (-1.0)

/** How to shut down. Zero always means the default. */
typedef struct filch_shutdown_options {
    size_t size;         /**< of this struct; filled in by the macro */
    bool no_wait;        /**< return at once; accepted tasks are completed all the same */
    bool cancel_futures; /**< cancel what no worker has started */
    double timeout;      /**< seconds to wait; 0: no limit */
} filch_shutdown_options;

/** filch_shutdown(ex, .no_wait = , .cancel_futures = , .timeout = ): refuses later submits and waits
 * for all that was submitted. It may be called again, with any options. From a task or callback of
 * the same executor it never waits.
 * Python: Executor.shutdown().
 * @return FILCH_OK; FILCH_TIMEOUT (call it again to wait on); FILCH_INVALID. */
#define filch_shutdown(...) FILCH_SHUTDOWN_(__VA_ARGS__, )
#define FILCH_SHUTDOWN_(executor, ...)                                                             \
    filch_shutdown_with((executor), FILCH_STRUCT(filch_shutdown_options, __VA_ARGS__))
/** The function under filch_shutdown, for other languages. NULL options: all defaults. */
FILCH_API filch_status filch_shutdown_with(filch_executor *executor,
                                           const filch_shutdown_options *options);

/** Shuts down, waits for all that was submitted, joins the workers and gives the handle back. Returns
 * after the last callback. NULL is allowed. Inside an own task or callback it acts as a shutdown
 * that does not wait, and the handle stays valid until the outermost close. */
FILCH_API void filch_close(filch_executor *executor);

/** Ends the workers of a process pool by SIGTERM (who has not died after 5 seconds dies by SIGKILL) or by
 * SIGKILL. The pool is broken then: what ran and what was pending fails with FILCH_BROKEN, and nothing can
 * be submitted. A task that handles SIGTERM can still put things in order before it exits.
 * Blocks: until the processes are gone; not inside a task of the pool.
 * @return FILCH_OK, also for a pool that has not started any worker, is broken or was shut down;
 * FILCH_INVALID; FILCH_UNSUPPORTED: threads cannot be ended from outside.
 * Python: ProcessPoolExecutor.terminate_workers, kill_workers. */
FILCH_API filch_status filch_terminate_workers(filch_executor *executor);
/** See filch_terminate_workers. */
FILCH_API filch_status filch_kill_workers(filch_executor *executor);

/** filch_with (ex, filch_thread_pool(...)) { ... } else { ... }
 * Opens an executor, runs the block with `ex`, and closes it however the block is left: at its end,
 * by break or continue (which leave the block), return or goto; not by longjmp. The optional else
 * runs when opening failed. Where the opening failed, there is no else (or it asked for neither
 * filch_error_status nor filch_error_message and ran to its end), the failure is reported.
 * Python: with ThreadPoolExecutor(...) as ex. */
#define filch_with(ex, expression) FILCH_WITH_(ex, expression)
#define FILCH_WITH_(ex, expression)                                                                \
    for (filch_executor * ex __attribute__((cleanup(filch_scope_close))) = (expression),           \
                             *filch_left_##ex = NULL;                                              \
         filch_left_##ex == NULL; filch_left_##ex = filch_scope_end(ex))                           \
        if (ex != NULL)
/** What filch_with calls when its block is left. */
FILCH_API void filch_scope_close(filch_executor **executor);
/** What filch_with calls at the end of its block: reports an opening that failed unseen. */
FILCH_API filch_executor *filch_scope_end(filch_executor *executor);

/** Inside a task: the executor that runs it. Elsewhere NULL. Progress: wait-free. */
FILCH_API filch_executor *filch_this_executor(void);

/** Inside a task: the number of its worker. Elsewhere -1. Progress: wait-free. */
FILCH_API int filch_this_worker(void);

#ifdef __cplusplus
}
#endif

#endif
