/** @file
 * future.h: a future is the outcome of one task, now or later.
 *
 * Ownership: filch_submit gives the caller one handle; filch_retain adds one; each is given back by
 * one filch_release. A future stays valid after its executor is closed, and what it owns (string and
 * byte results, errors) lives as long as it does.
 */
#ifndef FILCH_FUTURE_H
#define FILCH_FUTURE_H

#include <filch/detail/macros.h>
#include <filch/status.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The outcome of one task, now or later. Python: concurrent.futures.Future. */
typedef struct filch_future filch_future;

/** Why a future has no result. Owns: everything in it belongs to the future. */
typedef struct filch_error {
    filch_status status; /**< FILCH_FAILED, FILCH_CANCELLED or FILCH_BROKEN */
    int code;            /**< what the task gave to filch_raise; may be 0 */
    const char *message; /**< never NULL */
    const char *task;    /**< the function's name, or the .name of the submit */
    const char *where;   /**< "file.c:12" of the filch_raise; "" where there is none */
    int worker;          /**< the number of the worker that ran it; -1 if none did */
    pid_t pid;           /**< the process that ran it */
    const char *host;    /**< the machine that ran it, for pools over several; "" for this one */
    int signal;          /**< the signal that ended a worker process; 0 if none did */
    int exit_status;     /**< the status it exited with; -1 if it did not */
} filch_error;

/** Waits for the task and copies its result to `*out`. The size and the kind (integer, real, pointer,
 * record) of `*out` must be those of the task's result.
 * Blocks: until the task has ended. Python: Future.result().
 * Owns: a string or bytes result belongs to the future.
 * @return FILCH_OK; FILCH_FAILED (counts as having looked at the error), FILCH_CANCELLED,
 * FILCH_BROKEN; FILCH_INVALID (NULL, wrong size or kind: nothing is written); FILCH_INVALID_STATE
 * (a task that waits for itself); inside a task also FILCH_NO_MEMORY (the wait would block one worker
 * more than FILCH_MAX_SUBSTITUTES) and FILCH_SYSTEM (no other worker could be started). */
#define filch_result(future, out)                                                                  \
    filch_result_into((future), (out), sizeof *(out), FILCH_KIND_AT(out), FILCH_FOREVER)

/** filch_result with a time limit in seconds; also FILCH_TIMEOUT, which leaves the task untouched. */
#define filch_result_timeout(future, out, seconds)                                                 \
    filch_result_into((future), (out), sizeof *(out), FILCH_KIND_AT(out), (seconds))

/** The function under filch_result, for other languages. */
FILCH_API filch_status filch_result_into(filch_future *future, void *out, size_t size,
                                         filch_kind kind, double seconds);

/** Waits for the task and returns its status alone: for any task, and the only form for void ones.
 * @return as filch_result. */
FILCH_API filch_status filch_join(filch_future *future);

/** filch_join with a time limit in seconds. @return as filch_result_timeout. */
FILCH_API filch_status filch_join_timeout(filch_future *future, double seconds);

/** Waits for the task. Counts as having looked at the error. Python: Future.exception().
 * @return NULL after success, else the error; NULL with filch_error_status() set if the wait itself
 * failed. */
FILCH_API const filch_error *filch_exception(filch_future *future);

/** filch_exception with a time limit; `*error` is NULL unless the task failed.
 * @return FILCH_OK (the task succeeded); FILCH_FAILED, FILCH_CANCELLED or FILCH_BROKEN with
 * `*error` set; FILCH_TIMEOUT; the others as filch_result. */
FILCH_API filch_status filch_exception_timeout(filch_future *future, double seconds,
                                               const filch_error **error);

/** Has it finished, failed or been cancelled? A snapshot. NULL: false, with the thread's failure set.
 * Progress: wait-free. Python: Future.done(). */
FILCH_API bool filch_done(filch_future *future);

/** Is a worker at it? As filch_done. Python: Future.running(). */
FILCH_API bool filch_running(filch_future *future);

/** Was it cancelled? As filch_done. Python: Future.cancelled(). */
FILCH_API bool filch_cancelled(filch_future *future);

/** Cancels a task that no worker has started, and runs its callbacks in this thread. A task that runs
 * goes on, but sees the wish by filch_cancel_requested(). Python: Future.cancel().
 * @return true if it is cancelled now (or was before); false if it runs or has ended. */
FILCH_API bool filch_cancel(filch_future *future);

/** Inside a task: has somebody tried to cancel what is running here? Elsewhere false. */
FILCH_API bool filch_cancel_requested(void);

/** Calls fn(future, arg) once when the task has ended or is cancelled: in the worker that ran it, in
 * the thread that cancels it, or here and now if it is done already. In order of adding; no lock is
 * held; a callback that raises is reported and the others run.
 * Python: Future.add_done_callback().
 * @return FILCH_OK, FILCH_INVALID, FILCH_NO_MEMORY (not added). */
FILCH_API filch_status filch_add_done_callback(filch_future *future,
                                               void (*fn)(filch_future *future, void *arg),
                                               void *arg);

/** One more handle. @return `future`. */
FILCH_API filch_future *filch_retain(filch_future *future);

/** Gives one handle back; NULL is allowed. An unfinished task still runs. An error that nobody looked
 * at is reported when the last handle goes. */
FILCH_API void filch_release(filch_future *future);

/** A future that the program completes itself: for executors of one's own, and to make a task wait for
 * something that is not a task. It is pending; `result_size` is the size of its result, 0 for none.
 * Owns: the caller, one handle. Whoever is to complete it needs one too: when the last handle goes
 * first, nobody can, and it is gone.
 * @return the future, or NULL: FILCH_NO_MEMORY. Python: concurrent.futures.Future(). */
FILCH_API filch_future *filch_future_new(size_t result_size);

/** Before work on a future of filch_future_new begins: it is running from now on and cannot be
 * cancelled. Python: Future.set_running_or_notify_cancel().
 * @return FILCH_OK: do it; FILCH_CANCELLED: do not; FILCH_INVALID_STATE: it runs or has ended already;
 * FILCH_INVALID (NULL, or the future of a task). */
FILCH_API filch_status filch_set_running_or_notify_cancel(filch_future *future);

/** Completes a future of filch_future_new, pending or running, with a copy of `value`; `size` must be
 * its result_size. Runs its callbacks in this thread. Python: Future.set_result().
 * @return FILCH_OK; FILCH_INVALID_STATE (it has an outcome, which stays; the message names the state);
 * FILCH_INVALID (NULL, a wrong size, or the future of a task). */
FILCH_API filch_status filch_set_result(filch_future *future, const void *value, size_t size);

/** The same with a failure; the message is copied. Python: Future.set_exception().
 * @return as filch_set_result. */
FILCH_API filch_status filch_set_exception(filch_future *future, int code, const char *message);

#ifdef __cplusplus
}
#endif

#endif
