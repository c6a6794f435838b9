/** @file
 * stats.h: what an executor has done, in numbers, and what it looks like, in words.
 *
 *     filch_worker_stats each[8];
 *     filch_stats_snapshot stats = FILCH_STATS(.workers = each, .capacity = 8);
 *     if (filch_stats(ex, &stats) == FILCH_OK)
 *         printf("%llu tasks\n", (unsigned long long)stats.submitted);
 *
 * A task is one submit. filch_submit_many submits as many as it is given, filch_map one for each chunk
 * of its items, and filch_for one for each helper that it calls, which it cancels if there is nothing
 * left to help with.
 *
 * The numbers are read while the pool works, one after the other. Once all calls that submit, wait or
 * cancel have returned and all tasks are done, they are exact, and
 *
 *     submitted == finished + failed + cancelled + pending + running
 */
#ifndef FILCH_STATS_H
#define FILCH_STATS_H

#include <filch/executor.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What one worker has done. */
typedef struct filch_worker_stats {
    uint64_t submitted;    /**< by tasks and callbacks that it ran */
    uint64_t running;      /**< it is in the middle of so many: one, and those that wait below it */
    uint64_t finished;     /**< tasks that it ran */
    uint64_t failed;       /**< tasks that it ran, and that raised */
    uint64_t steals_tried; /**< looks into another worker's queues */
    uint64_t steals_won;   /**< looks that found a task */
    uint64_t parks;        /**< times that it went to sleep */
    uint64_t wakes;        /**< times that it was woken */
    int pid;               /**< its process; 0: it is a thread, or does not run now */
} filch_worker_stats;

/** A snapshot of an executor. Make it with FILCH_STATS(). */
typedef struct filch_stats_snapshot {
    size_t size;                 /**< of this struct; filled in by the macro */
    size_t worker_size;          /**< of filch_worker_stats; filled in by the macro */
    filch_worker_stats *workers; /**< the caller's array for numbers per worker, or NULL */
    size_t capacity;             /**< of that array */
    size_t n_workers;      /**< workers that there ever were; the first ones are in the array */
    uint64_t submitted;    /**< accepted tasks */
    uint64_t pending;      /**< not started yet */
    uint64_t running;      /**< started and not done */
    uint64_t finished;     /**< returned */
    uint64_t failed;       /**< raised, or lost because the pool broke */
    uint64_t cancelled;    /**< before they started */
    uint64_t steals_tried; /**< sum over the workers */
    uint64_t steals_won;   /**< sum over the workers */
    uint64_t parks;        /**< sum over the workers */
    uint64_t wakes;        /**< sum over the workers */
    int max_workers;       /**< tasks that may start at a time */
    int started;           /**< workers that live now */
    int idle;              /**< of those, how many sleep, search or stand by */
    int blocked;           /**< of those, how many wait inside a task, with a substitute's help */
    int replaced;          /**< workers that died and were replaced; none in a thread pool */
} filch_stats_snapshot;

/** A snapshot to be filled in: filch_stats_snapshot stats = FILCH_STATS(); with
 * FILCH_STATS(.workers = array, .capacity = n) per worker, too. */
#define FILCH_STATS(...)                                                                           \
    FILCH_VALUE(filch_stats_snapshot, .worker_size = sizeof(filch_worker_stats), __VA_ARGS__)

/** Fills in a snapshot. Threads: any, at any time before filch_close.
 * Progress: wait-free; a look at each worker and each thread that has submitted.
 * @return FILCH_OK or FILCH_INVALID. */
FILCH_API filch_status filch_stats(filch_executor *executor, filch_stats_snapshot *snapshot);

/** Writes a readable picture of the executor: how the number of workers came about, where each worker
 * is bound and whom it steals from first, and the numbers of filch_stats.
 * @return FILCH_OK, FILCH_INVALID, FILCH_NO_MEMORY, or FILCH_SYSTEM: the file took no more. */
FILCH_API filch_status filch_describe(filch_executor *executor, FILE *file);

#ifdef __cplusplus
}
#endif

#endif
