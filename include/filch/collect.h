/** @file
 * collect.h: many futures at once: wait, as_completed, map; and a loop over a range. */
#ifndef FILCH_COLLECT_H
#define FILCH_COLLECT_H

#include <filch/future.h>
#include <filch/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What filch_wait waits for. */
typedef enum filch_return_when {
    FILCH_FIRST_COMPLETED,
    FILCH_FIRST_EXCEPTION, /**< the first failure; without one as FILCH_ALL_COMPLETED */
    FILCH_ALL_COMPLETED,
} filch_return_when;

/** Waits for `n` futures of any executors. Moves the done ones to the front of `futures`, keeping the
 * order within both parts, and stores their number; with `n_done` NULL nothing is moved.
 * Blocks: until `when` holds or `timeout` seconds have passed. An empty set returns at once.
 * @return FILCH_OK; FILCH_TIMEOUT with the split so far; FILCH_INVALID (NULL, unknown `when`, NaN);
 * FILCH_NO_MEMORY; inside a task FILCH_INVALID_STATE (only the task itself could complete them).
 * Python: concurrent.futures.wait(). */
FILCH_API filch_status filch_wait(filch_future **futures, size_t n, filch_return_when when,
                                  double timeout, size_t *n_done);

/** An iteration over futures in the order of their completion. */
typedef struct filch_completed filch_completed;

/** Starts one over `n` futures of any executors, duplicates counted once. The futures stay the
 * caller's; the iteration retains each until it has given it.
 * Owns: the caller; one filch_completed_close.
 * @return the iteration, or NULL: FILCH_INVALID, FILCH_NO_MEMORY.
 * Python: concurrent.futures.as_completed(). */
FILCH_API filch_completed *filch_as_completed(filch_future *const *futures, size_t n);

/** The next completed future, the ones already done first. The time limit is that of this call.
 * Threads: one thread at a time per iteration.
 * @return FILCH_OK; FILCH_END after the last; FILCH_TIMEOUT, after which one may go on;
 * FILCH_INVALID, FILCH_NO_MEMORY (inside a task: FILCH_MAX_SUBSTITUTES are blocked already),
 * FILCH_INVALID_STATE (inside a task: only the task itself is left). */
FILCH_API filch_status filch_completed_next(filch_completed *completed, filch_future **future,
                                            double timeout);

/** Adds a future while iterating, after FILCH_END too: then the iteration goes on. One that is in and has
 * not been given counts once.
 * Threads: as filch_completed_next.
 * @return FILCH_OK; FILCH_INVALID (NULL); FILCH_NO_MEMORY, and it is not in. */
FILCH_API filch_status filch_completed_add(filch_completed *completed, filch_future *future);

/** A descriptor for poll, epoll and the like: readable, level-triggered, while filch_completed_next
 * with a time limit of 0 would give a future or FILCH_END. The end of a worker process may make it readable
 * once without: that call gives FILCH_TIMEOUT then. Not to be read from.
 * Owns: the iteration, which closes it when it is closed; later calls give the same one.
 * @return the descriptor, or -1: FILCH_SYSTEM (see errno), FILCH_NO_MEMORY, FILCH_INVALID. */
FILCH_API int filch_completed_fd(filch_completed *completed);

/** Ends an iteration, early or not; nothing stays attached to its futures. NULL is allowed. */
FILCH_API void filch_completed_close(filch_completed *completed);

/** The results of a map, iterated in input order. */
typedef struct filch_results filch_results;

/** How to map. Zero always means the default. */
typedef struct filch_map_options {
    size_t size;    /**< of this struct; filled in by the macro */
    int chunksize;  /**< items to a task; 0: the library chooses, by how long the items take */
    int buffersize; /**< chunks submitted ahead of the iteration; 0: all at once */
    double timeout; /**< seconds from the call to the last item; 0: no limit */
    bool unordered; /**< give items as they finish */
    /** Produces the input lazily, called by the thread that iterates, which waits while it blocks; false:
     * no more. An item that cannot be taken (a NULL with a size) ends the input there. */
    bool (*next)(void *item, void *arg);
    void *next_arg; /**< given to next */
} filch_map_options;

/** filch_map(ex, fn, items, n, .chunksize = , .buffersize = , .timeout = , .unordered = , .next = ,
 * .next_arg = ): runs fn over an array. `items` holds what the parameter of fn can be assigned from,
 * or filch_args(fn) where there are several; it may be given up when the call returns.
 * The executor keeps the memory of its maps for the next ones, up to 128 MiB, until it is closed.
 * Owns: the caller; one filch_results_close.
 * @return the results, or NULL as filch_submit.
 * Python: Executor.map(). */
#define filch_map(...) FILCH_MAP_(__VA_ARGS__, )
#define FILCH_MAP_(executor, fn, items, n, ...)                                                    \
    FILCH_MAP_WITH(executor, fn, items, n, FILCH_STRUCT(filch_map_options, __VA_ARGS__))
#define FILCH_MAP_WITH(executor, fn, items, n, options)                                            \
    FILCH_MAP_FULL(executor, fn, items, n, options)
#define FILCH_MAP_FULL(executor, fn, items, n, options)                                            \
    __extension__({                                                                                \
        __typeof__(&*FILCH_ITEMS(filch_fn_input_##fn, items)) filch_from = (items);                \
        size_t filch_n = (n);                                                                      \
        filch_results *filch_to = filch_map_open((executor), &filch_fn_type_##fn,                  \
                                                 filch_from != NULL, filch_n, (options));          \
        for (size_t filch_at = 0, filch_room; filch_to != NULL && filch_at < filch_n;) {           \
            filch_fn_args_##fn *filch_out =                                                        \
                (filch_fn_args_##fn *)filch_map_room(&filch_to, &filch_room);                      \
            for (; filch_room > 0; filch_room--)                                                   \
                *filch_out++ = filch_fn_item_##fn(filch_from[filch_at++]);                         \
        }                                                                                          \
        filch_map_start(filch_to);                                                                 \
    })

/** The functions under filch_map. open; then as long as items are left, room gives space for the next
 * `*room` argument tuples (and passes the ones before on); start submits the rest. On failure room
 * and start give everything back, and `*results` or the value returned is NULL. */
FILCH_API filch_results *filch_map_open(filch_executor *executor, const filch_task_type *type,
                                        bool has_items, size_t n, const filch_map_options *options);
/** See filch_map_open. */
FILCH_API void *filch_map_room(filch_results **results, size_t *room);
/** See filch_map_open. */
FILCH_API filch_results *filch_map_start(filch_results *results);

/** What filch_results_next looks at before it calls the library: results that lie one behind the other
 * and need no care. Every filch_results begins with it. */
typedef struct filch_results_at_hand {
    const char *next; /**< the next one, unless it is */
    const char *end;  /**< behind the last */
    size_t size;      /**< of each, and */
    filch_kind kind;  /**< its kind */
} filch_results_at_hand;

/** filch_results_next(results, &value): the next item's result, in input order (with .unordered, of
 * those that are there). A string or bytes value is valid until the next call or close.
 * Threads: one thread at a time per iteration.
 * @return FILCH_OK; of this item FILCH_FAILED (see filch_results_exception), FILCH_CANCELLED,
 * FILCH_BROKEN, and the iteration goes on; FILCH_INVALID (NULL, a wrong type) changes nothing;
 * FILCH_END, FILCH_TIMEOUT (what has not started is cancelled), why the rest of the input could not be
 * submitted, and others end it. */
#define filch_results_next(results, out)                                                           \
    filch_results_next_inline((results), (out), sizeof *(out), FILCH_KIND_AT(out))
/** The function under filch_results_next, for other languages. */
FILCH_API filch_status filch_results_next_into(filch_results *results, void *out, size_t size,
                                               filch_kind kind);
/** A plain result that is at hand costs two comparisons and a copy. */
static inline FILCH_UNUSED filch_status filch_results_next_inline(filch_results *results, void *out,
                                                                  size_t size, filch_kind kind) {
    filch_results_at_hand *hand = (filch_results_at_hand *)results;
    if (hand != NULL && out != NULL && hand->next != hand->end && hand->size == size &&
        hand->kind == kind) {
        __builtin_memcpy(out, hand->next, size);
        hand->next += size;
        return FILCH_OK;
    }
    return filch_results_next_into(results, out, size, kind);
}

/** filch_results_next without a value: for any task, and the only form for void ones. */
FILCH_API filch_status filch_results_skip(filch_results *results);

/** The input index of the item given last. */
FILCH_API size_t filch_results_index(filch_results *results);

/** The error of the item given last, or NULL. Owns: valid until the next call or close. */
FILCH_API const filch_error *filch_results_exception(filch_results *results);

/** Ends the iteration; what has not started is cancelled. NULL is allowed. */
FILCH_API void filch_results_close(filch_results *results);

/** Runs body(begin, end, arg) over pieces of [begin, end) that cover it without overlapping, and returns
 * when all of them are through. The caller takes part; workers that are free help. Pieces are cut when
 * they are needed and follow what items take, so body should be fit for any size of piece.
 * filch_raise in body makes the call fail with the message of the lowest piece that failed: no piece is
 * begun after that, those below it have run. A task that somebody asks to cancel stops between two of
 * its own pieces. Inside body filch_this_executor() is `executor`; filch_this_worker() is -1 in a
 * caller that is no worker of it.
 * Blocks: until all pieces that were begun are through. May be nested.
 * @return FILCH_OK (an empty range, too); FILCH_FAILED; FILCH_CANCELLED; FILCH_INVALID (NULL, begin
 * larger than end); FILCH_SHUTDOWN, FILCH_BROKEN, FILCH_NO_MEMORY: nothing has run then. */
FILCH_API filch_status filch_for(filch_executor *executor, size_t begin, size_t end,
                                 void (*body)(size_t begin, size_t end, void *arg), void *arg);

#ifdef __cplusplus
}
#endif

#endif
