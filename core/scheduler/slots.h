/* scheduler/slots.h: slots of workers: which are free, whose worker is a spare, and how many workers are
 * absent (substitute.h).
 *
 * Sets of slots are bitmaps. In a pool between processes who claims a slot takes its word first
 * (claims.h), and a worker that is absent says so itself, since nobody else could lower a count for it
 * once it is dead: the count is what those words sum up to.
 *
 * Edges SPARE, ABSENT: substitute.h; SLOT-FREE: scheduler.h. */
#ifndef FILCHI_SLOTS_H
#define FILCHI_SLOTS_H

#include "scheduler/scheduler.h"

/* Claims the lowest of a set of slots. Returns: its number, or -1 if there is none. In a pool between
 * processes it is the caller's until he lets it go. */
int filchi_slots_claim(struct scheduler *scheduler, filch_atomic_u64 *set);

static inline void slots_let_go(struct scheduler *scheduler, uint32_t slot) {
    (void)claims_release(&scheduler->slot_claims, slot); /* nobody waits for one slot */
}

static inline void slots_add(filch_atomic_u64 *set, uint32_t slot) {
    filch_fetch_or_seq_cst(&set[slot / 64], (uint64_t)1 << (slot % 64)); /* SPARE, SLOT-FREE */
}

/* Returns: false if it was not there. */
static inline bool slots_take(filch_atomic_u64 *set, uint32_t slot) {
    uint64_t bit = (uint64_t)1 << (slot % 64);
    return (filch_fetch_and_seq_cst(&set[slot / 64], ~bit) & bit) != 0; /* SPARE */
}

static inline bool slots_has(const filch_atomic_u64 *set, uint32_t slot) {
    return (filch_load_seq_cst(&set[slot / 64]) >> slot % 64 & 1) != 0; /* SPARE */
}

/* The worker, which is in no such state, counts as absent from now on. Returns: false if that is one too
 * many. */
bool filchi_slots_add_absent(struct worker *worker);

/* Not any more. `absence` is what the worker's word was, which may be another worker's by now. */
void filchi_slots_drop_absent(struct worker *worker, uint32_t absence);

uint32_t filchi_slots_count_absent(const struct scheduler *scheduler);

#endif
