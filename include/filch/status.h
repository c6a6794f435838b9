/** @file
 * status.h: the outcome of a call, and the sentence that explains a failure.
 *
 * Every public header of filch may be included alone, in any order, from C11 and from C++.
 *
 * Conventions of all public functions, stated once:
 *   - A call that can fail returns `filch_status`; a call that creates something returns a pointer or
 *     NULL. After any failure filch_error_status() (of the calling thread) is its status, errno is
 *     set, and filch_error_message() says which argument was wrong and what to do.
 *   - Time is `double` seconds: FILCH_FOREVER never gives up, 0 polls, negative counts as 0, NaN is
 *     FILCH_INVALID. Deadlines run from the call, on the monotonic clock.
 *   - Every function may be called from any thread, from inside tasks and from callbacks.
 *   - NULL handles are bad input (FILCH_INVALID), except to release, close and free.
 * A function's comment states only what differs.
 */
#ifndef FILCH_STATUS_H
#define FILCH_STATUS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Marks what the shared library exports; everything else stays hidden. */
#define FILCH_API __attribute__((visibility("default")))

/** One line per status: name, errno value that goes with it, text. */
#define FILCH_STATUS_LIST(X)                                                                       \
    X(FILCH_OK, 0, "success")                                                                      \
    X(FILCH_TIMEOUT, ETIMEDOUT, "the time limit passed first")                                     \
    X(FILCH_CANCELLED, ECANCELED, "the task was cancelled")                                        \
    X(FILCH_FAILED, EREMOTEIO, "the task failed; filch_exception() says why")                      \
    X(FILCH_BROKEN, EPIPE, "the task was lost because its pool broke")                             \
    X(FILCH_SHUTDOWN, ESHUTDOWN, "the executor has been shut down")                                \
    X(FILCH_END, ENODATA, "the iteration is over")                                                 \
    X(FILCH_INVALID, EINVAL, "bad argument")                                                       \
    X(FILCH_INVALID_STATE, EBUSY, "not possible in this state")                                    \
    X(FILCH_UNSUPPORTED, ENOTSUP, "not supported here")                                            \
    X(FILCH_NO_MEMORY, ENOMEM, "out of memory")                                                    \
    X(FILCH_SYSTEM, 0, "a system call failed; see errno")

/** The outcome of a call. FILCH_STATUS_LIST has the values and what they mean. */
typedef enum filch_status {
#define FILCH_STATUS_ENUM(name, code, text) name,
    FILCH_STATUS_LIST(FILCH_STATUS_ENUM)
#undef FILCH_STATUS_ENUM
} filch_status;

/** A time limit that never passes. */
#define FILCH_FOREVER ((double)INFINITY)

/** The name of a status ("FILCH_TIMEOUT"); "FILCH_?" for a value that is none. */
FILCH_API const char *filch_status_name(filch_status status);

/** What a status means, in a few words; never NULL. */
FILCH_API const char *filch_status_text(filch_status status);

/** The status of this thread's last failed call; FILCH_OK before the first one.
 * Threads: each thread has its own. */
FILCH_API filch_status filch_error_status(void);

/** One sentence about this thread's last failed call: which argument, what was wrong, what to do.
 * Owns: the library; valid until the next failing call of this thread. Never NULL. */
FILCH_API const char *filch_error_message(void);

/** Sets the hook for what nobody can be told otherwise: an error that nobody looked at, a callback
 * that raised, filch_raise() outside a task, a filch_with whose pool did not open. `line` has no
 * newline. NULL restores the default, one line on stderr. Python: the logger of concurrent.futures.
 * Threads: the hook may be called from any thread, several at once. */
FILCH_API void filch_on_report(void (*fn)(const char *line, void *arg), void *arg);

#ifdef __cplusplus
}
#endif

#endif
