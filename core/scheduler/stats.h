/* scheduler/stats.h: counters. Each is written by one thread alone, on a line that nobody else writes, so
 * counting is a load, an add and a store; whoever reads them sees each one at some moment.
 *
 * A task is counted before its outcome is made known: who has seen all outcomes sees all counts. */
#ifndef FILCHI_STATS_H
#define FILCHI_STATS_H

#include "base/cc.h"
#include <filch/detail/atomic.h>

struct worker_counters {
    _Alignas(CACHE_LINE) filch_atomic_u64 n_started; /* tasks */
    filch_atomic_u64 n_finished;                     /* of those, returned, and */
    filch_atomic_u64 n_failed;                       /* raised */
    filch_atomic_u64 n_steals_tried;
    filch_atomic_u64 n_steals_won;
    filch_atomic_u64 n_parks;
    filch_atomic_u64 n_wakes;
};

static inline void count_up(filch_atomic_u64 *counter) {
    filch_store_relaxed(counter, filch_load_relaxed(counter) + 1);
}

/* What was counted too early. */
static inline void count_down(filch_atomic_u64 *counter) {
    filch_store_relaxed(counter, filch_load_relaxed(counter) - 1);
}

#endif
