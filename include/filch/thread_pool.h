/** @file
 * thread_pool.h: an executor over worker threads of this process. */
#ifndef FILCH_THREAD_POOL_H
#define FILCH_THREAD_POOL_H

#include <filch/executor.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How to open a thread pool. Zero always means the default. */
typedef struct filch_thread_pool_options {
    size_t size;                    /**< of this struct; filled in by the macro */
    int max_workers;                /**< 0: the smallest of the CPUs in the affinity mask, this
                                         rank's part of a mask that a launcher's ranks share, and
                                         the cgroup's CPU quota; filch_describe says which it was */
    const char *thread_name_prefix; /**< "filch": threads are named filch_0, filch_1, ... */
    int (*initializer)(
        void *arg); /**< runs in each worker before its first task; non-zero: failed */
    void (*finalizer)(void *arg); /**< runs in each worker at its end */
    void *initarg;                /**< the argument of both */
    filch_bind bind;              /**< FILCH_BIND_AUTO */
    double spin;                  /**< seconds an idle worker searches before it sleeps */
    size_t stack_size;            /**< bytes of a worker's stack; 0: the system's default */
} filch_thread_pool_options;

/** A task that has to block (a wait with a time limit, for the first of several, for a future of
 * another executor) makes room for another worker: at most so many workers are blocked at a time;
 * beyond that such a wait is refused with FILCH_NO_MEMORY. Workers are numbered from 0 to max_workers
 * + FILCH_MAX_SUBSTITUTES - 1. */
enum { FILCH_MAX_SUBSTITUTES = 256 };

/** filch_thread_pool(.max_workers = 4, ...): opens a thread pool. Threads start on demand; at most
 * max_workers start tasks.
 * Owns: the caller; one filch_close.
 * @return the executor, or NULL: FILCH_INVALID (the message names the option), FILCH_NO_MEMORY,
 * FILCH_SYSTEM.
 * Python: ThreadPoolExecutor. */
#define filch_thread_pool(...)                                                                     \
    filch_thread_pool_open(FILCH_STRUCT(filch_thread_pool_options, __VA_ARGS__))
/** The function under filch_thread_pool, for other languages. NULL options: all defaults. */
FILCH_API filch_executor *filch_thread_pool_open(const filch_thread_pool_options *options);

#ifdef __cplusplus
}
#endif

#endif
