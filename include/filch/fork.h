/** @file
 * Fork-join: parallel recursion inside a task.
 *
 *     static long fib(filch_stack *top, long n);
 *     FILCH_FORK_TASK(long, fib, long);
 *
 *     static long fib(filch_stack *top, long n) {
 *         if (n < 2) return n;
 *         filch_spawn(top, fib, n - 1);            // may be stolen by another worker
 *         long b = fib(top, n - 2);                // a plain call
 *         return filch_sync(top, fib) + b;         // takes the newest spawn back, or waits for its thief
 *     }
 *     ...
 *     long value;
 *     filch_run(executor, fib, &value, 39);
 *
 * Spawns are synced newest first, all of them before the function returns; a loop of k spawns is followed
 * by a loop of k syncs. `top` is the function's first parameter, or a variable with its value, and stands
 * in one spawn, sync or call per full expression.
 *
 * A child that raises (filch_raise) makes the surrounding task fail once that returns. In a process pool the
 * spawns of a task are run by the process that runs the task.
 *
 * Built without optimisation, or with FILCH_DEBUG defined, each sync checks that it names the function of the
 * newest spawn, and that the child has synced its own; a program that is wrong there is ended, and told why. */
#ifndef FILCH_FORK_H
#define FILCH_FORK_H

#include <filch/detail/fork_macros.h>
#include <filch/executor.h>
#include <filch/future.h>
#include <filch/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/** FILCH_FORK_TASK(ret, fn, types...); declares `ret fn(filch_stack *top, types...)`, declared before, as one
 * that spawns and is spawned. 0 to 8 parameters beside `top`; types as for FILCH_TASK. It can be submitted
 * like any task, without `top`: it gets a fork stack of its own then, and fails (with code ENOMEM) if there
 * is no memory for one. Declared `static inline` where its leaves do little, gcc inlines more levels of it. */
#define FILCH_FORK_TASK(ret, ...) FILCH_FORK_TASK_(FILCH_COUNT(__VA_ARGS__), ret, __VA_ARGS__, )
/** The same for a function that returns nothing. */
#define FILCH_FORK_TASK_VOID(...) FILCH_FORK_TASK_VOID_(FILCH_COUNT(__VA_ARGS__), __VA_ARGS__, )

/** filch_spawn(top, fn, args...): lets another worker call fn(..., args...), unless it is synced before.
 * Arguments are copied; what they point to has to stay until the sync.
 * Progress: wait-free; no system call, but for the first spawn of a task, now and then one that wakes a
 * worker, and for more memory. Where there is none for another child it is called at once. */
#define filch_spawn(top, ...) FILCH_SPAWN_(FILCH_COUNT(__VA_ARGS__), top, __VA_ARGS__)

/** filch_sync(top, fn): the newest spawn, which was one of fn, has returned; calls it if nobody has.
 * @return what it returned; zeros if that was lost for lack of memory: the task fails then. */
#define filch_sync(top, fn) FILCH_CAT(filch_fn_sync_, fn)(&(top))

/** filch_run(executor, fn, out, args...): submits a task (of either kind), waits for it and gives its
 * result to `*out` (NULL for one that returns nothing). Not for tasks that return strings or bytes, which
 * live in a future.
 * @return as filch_submit and filch_result; a failed task's error is read by filch_error_message. */
#define filch_run(executor, ...) FILCH_RUN_(FILCH_COUNT(__VA_ARGS__), executor, __VA_ARGS__)

/** The function under filch_run: filch_result_into, or filch_join if `out` is NULL; then releases the
 * future, in any case. @return as filch_result; the thread's failure if there is no future. */
FILCH_API filch_status filch_run_future(filch_future *future, void *out, size_t size,
                                        filch_kind kind);

#ifdef __cplusplus
}
#endif

#endif
