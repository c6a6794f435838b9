/** @file
 * task.h: tasks, and how arguments and results travel.
 *
 *     static long twice(long x) { return x * 2; }
 *     FILCH_TASK(long, twice, long);
 *     ...
 *     filch_future *f = filch_submit(ex, twice, 21);
 *
 * Arguments are converted as in a call and travel by value, so that the same call works in a thread,
 * in another process and on another machine:
 *
 *     numbers, enums, structs    copied bit by bit; pointers inside structs are not looked at
 *     const char *, char *       the string is copied, both ways
 *     filch_bytes                the bytes are copied, both ways
 *     any other pointer          passed as it is
 */
#ifndef FILCH_TASK_H
#define FILCH_TASK_H

#include <filch/detail/task_macros.h>
#include <filch/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What runs tasks. Opened by one of its kinds (thread_pool.h), closed by filch_close. Python:
 * concurrent.futures.Executor. */
typedef struct filch_executor filch_executor;

/** FILCH_TASK(ret, fn, types...): the function `ret fn(types...)`, 0 to 8 parameters, can be
 * submitted from this source file. Once per function and source file, at file scope. */
#define FILCH_TASK(ret, ...) FILCH_TASK_(FILCH_COUNT(__VA_ARGS__), ret, __VA_ARGS__, )

/** FILCH_TASK_VOID(fn, types...): the same for a function that returns nothing. */
#define FILCH_TASK_VOID(...) FILCH_TASK_VOID_(FILCH_COUNT(__VA_ARGS__), __VA_ARGS__, )

/** The struct type of one argument tuple of fn: members a1, a2, ... */
#define filch_args(fn) FILCH_CAT(filch_fn_args_, fn)

/** For .numa_node: node n, by the system's number. */
#define FILCH_NODE(n) ((n) + 1)

/** How one task is run. Zero always means the default. */
typedef struct filch_submit_options {
    size_t size;      /**< of this struct; filled in by the macro */
    int retries;      /**< process pools: run again after a worker's death, so many times */
    double timeout;   /**< seconds of running; refused by thread pools, which cannot stop a task */
    int numa_node;    /**< FILCH_NODE(n), a preference: workers that the pool has bound to that node
                           look for it first, others if they would find nothing else; 0: anywhere */
    const char *name; /**< instead of the function's name in errors; copied */
} filch_submit_options;

/** The options of filch_submit_with. */
#define FILCH_OPTIONS(...) FILCH_STRUCT(filch_submit_options, __VA_ARGS__)

/** filch_submit(ex, fn, args...): schedules fn(args...).
 * Owns: the future is the caller's; one filch_release. Python: Executor.submit().
 * Progress: lock-free, without a system call while workers are awake.
 * @return the future, or NULL: FILCH_INVALID, FILCH_SHUTDOWN, FILCH_BROKEN, FILCH_NO_MEMORY,
 * FILCH_SYSTEM (no worker thread could be started), FILCH_UNSUPPORTED (an option). */
#define filch_submit(executor, ...)                                                                \
    FILCH_SUBMIT_(FILCH_COUNT(__VA_ARGS__), executor, NULL, __VA_ARGS__)
/** filch_submit with options: filch_submit_with(ex, FILCH_OPTIONS(.name = "x"), fn, args...). */
#define filch_submit_with(executor, options, ...)                                                  \
    FILCH_SUBMIT_(FILCH_COUNT(__VA_ARGS__), executor, options, __VA_ARGS__)

/** What a loop over items looks at after each: has the item raised, and is it to stop. */
typedef struct filch_task_watch {
    const filch_atomic_u64 *stop_word; /**< to stop once it has one of */
    uint64_t stop_bits;                /**< these bits */
    const void *const *raised;         /**< not NULL after an item that raised */
    filch_atomic_u64 *running;         /**< for the address of the tuple that is about to run */
} filch_task_watch;

/** What FILCH_TASK knows of a function; the submit function that it generates passes it on.
 * Owns: static storage of the module that declares the task. */
typedef struct filch_task_type {
    const char *name;                           /**< of the function */
    int (*run)(const void *args, void *result); /**< calls it; 0: success */
    size_t args_size;                           /**< bytes of its argument tuple */
    size_t result_size;                         /**< bytes of its result; 0: none */
    unsigned result_align;                      /**< alignment of its result in bytes */
    filch_kind result_kind;                     /**< how its result travels */
    unsigned n_params;                          /**< 0 to 8 */
    bool copies;                                /**< has string or bytes parameters */
    filch_kind kinds[8];                        /**< how each parameter travels */
    size_t offsets[8];                          /**< where each lies in the tuple, in bytes */
    /** Calls it for up to n tuples, one behind the other, until one has raised or it is to stop; a
     * result may replace its tuple. Returns: how many ran, 1 or more. NULL: `run` is called instead. */
    size_t (*run_many)(const void *args, void *results, size_t n, const filch_task_watch *watch);
} filch_task_type;

/** The function under filch_submit. `args` is the argument tuple. @return as filch_submit. */
FILCH_API filch_future *filch_submit_task(filch_executor *executor, const filch_task_type *type,
                                          const void *args, const filch_submit_options *options);

/** filch_submit_many(ex, fn, items, n, futures): n tasks in one call, all or none. `items` holds what the
 * parameter of fn can be assigned from, or filch_args(fn) where there are several, and may be given up
 * when the call returns.
 * Owns: futures[i] is the future of items[i], the caller's.
 * Progress: as filch_submit; workers see all n at once, and are woken by one wake-up.
 * @return FILCH_OK; as filch_submit else, with all of `futures` NULL (FILCH_INVALID: untouched), and
 * nothing runs. */
#define filch_submit_many(executor, fn, items, n, futures)                                         \
    FILCH_SUBMIT_MANY_(executor, fn, items, n, futures)
#define FILCH_SUBMIT_MANY_(executor, fn, items, n, futures)                                        \
    __extension__({                                                                                \
        filch_executor *filch_many_ex = (executor);                                                \
        __typeof__(&*FILCH_ITEMS(filch_fn_input_##fn, items)) filch_many_from = (items);           \
        size_t filch_many_n = (n);                                                                 \
        filch_future **filch_many_to = (futures);                                                  \
        filch_status filch_many_status =                                                           \
            filch_many_open(filch_many_ex, filch_many_from != NULL, filch_many_n, filch_many_to);  \
        for (size_t filch_many_at = 0;                                                             \
             filch_many_status == FILCH_OK && filch_many_at < filch_many_n; filch_many_at++) {     \
            filch_fn_args_##fn filch_many_in = filch_fn_item_##fn(filch_many_from[filch_many_at]); \
            filch_many_status = filch_many_add(filch_many_ex, &filch_fn_type_##fn, &filch_many_in, \
                                               filch_many_at, filch_many_to);                      \
        }                                                                                          \
        filch_many_status == FILCH_OK                                                              \
            ? filch_many_submit(filch_many_ex, filch_many_n, filch_many_to)                        \
            : filch_many_status;                                                                   \
    })

/** The functions under filch_submit_many, by one thread: open; add for 0 to n - 1, which makes
 * futures[i] without submitting it; submit. The first that fails gives all of them back. */
FILCH_API filch_status filch_many_open(filch_executor *executor, bool has_items, size_t n,
                                       filch_future **futures);
/** See filch_many_open. */
FILCH_API filch_status filch_many_add(filch_executor *executor, const filch_task_type *type,
                                      const void *args, size_t i, filch_future **futures);
/** See filch_many_open. */
FILCH_API filch_status filch_many_submit(filch_executor *executor, size_t n,
                                         filch_future **futures);

/** A task in its untyped form; 0 for success. */
typedef int filch_raw_fn(const void *arg, void *result);

/** Schedules fn(arg, result): `arg_size` bytes at `arg` are copied, `result` has room for
 * `result_size` bytes, aligned to 64 as the argument is. A code other than 0 is the task's failure.
 * @return as filch_submit. */
FILCH_API filch_future *filch_submit_raw(filch_executor *executor, filch_raw_fn *fn,
                                         const void *arg, size_t arg_size, size_t result_size,
                                         const filch_submit_options *options);

/** filch_raise(code, "format", ...): records an error in the running task, from any depth below it;
 * the last one raised counts. The task fails when its function returns, whatever that returns; a
 * code of 0 is a failure all the same. Outside a task it is reported. Python: raise.
 * @return the code. */
#define filch_raise(...) filch_raise_at(__FILE__, __LINE__, __VA_ARGS__)
/** The function under filch_raise. */
FILCH_API int filch_raise_at(const char *file, int line, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** `return filch_own(p);` hands malloc'ed memory over as a string result: it is freed for the task.
 * Outside a task it does nothing.
 * @return `p`. */
FILCH_API void *filch_own(void *p);

/** Inside a task that returns filch_bytes: memory that becomes the result without a copy; freed for
 * the task if it is not returned.
 * @return `size` bytes aligned to 64, or NULL: FILCH_NO_MEMORY,
 * FILCH_INVALID_STATE (outside a task). */
FILCH_API void *filch_result_alloc(size_t size);

#ifdef __cplusplus
}
#endif

#endif
