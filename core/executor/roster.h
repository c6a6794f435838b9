/* executor/roster.h: which workers of a pool live, and whether any will be started yet.
 *
 * A bit for each slot, so that whoever sets or clears one may die in the middle, and it can be done once
 * more. Starting is anybody's, in any process of the pool; ending is the opener's:
 *
 *     who starts    sets the bit, then looks whether the pool has ended; if so, he clears it again
 *     who ends      says that it has, then looks at the bits; if one is set, it has not ended, after all
 *
 * Both are seq_cst, so one of the two sees the other.
 *
 * Edge LEFT: bit cleared (seq_cst), then n_changes -> who waits reads n_changes, then the bits. */
#ifndef FILCHI_ROSTER_H
#define FILCHI_ROSTER_H

#include "scheduler/scheduler.h"

struct roster {
    filch_atomic_u32 n_changes; /* a futex */
    filch_atomic_u32 is_ended;
    bool is_shared; /* between processes */
    filch_atomic_u64 live[SLOT_WORDS];
};

/* Returns: false if no worker is started any more. */
bool filchi_roster_add(struct roster *roster, uint32_t slot);

/* It has left, or was not started. */
void filchi_roster_drop(struct roster *roster, uint32_t slot);

uint32_t filchi_roster_count(const struct roster *roster);

/* Ends an empty roster. Returns: false if somebody is just being started. One caller at a time, in the
 * process that opened the pool. */
bool filchi_roster_end(struct roster *roster);

static inline bool roster_has_ended(const struct roster *roster) {
    return filch_load_seq_cst(&roster->is_ended) != 0;
}

/* Waits until nobody is left. Returns: false if the deadline passed first. */
bool filchi_roster_await_none(const struct roster *roster, uint64_t deadline_ns);

#endif
