/* play.h: random operations on a pool, by one thread of the program. Each looks at what it got; what is wrong
 * ends the program.
 *
 * A task that finds something wrong raises WRONG: no death, cancellation or end of a pool excuses that. */
#ifndef FILCH_SOAK_PLAY_H
#define FILCH_SOAK_PLAY_H

#include "stress/stress.h"
#include <filch/filch.h>

enum { WRONG = 99, KEPT = 32 };

struct play {
    filch_executor *executor;
    uint64_t random;
    bool has_processes;            /* tasks see none of the program's memory but the executor's */
    bool is_deadly;                /* its workers are killed now and then */
    bool can_end;                  /* it may be shut down or killed meanwhile */
    atomic_bool *is_ending;        /* somebody shuts the pool down, or kills it */
    filch_future *kept[KEPT];      /* for later, when their pools are closed */
    uint64_t n_operations, n_lost; /* so far; outcomes that an end or a death excused */
};

/* So many operations. */
void play_some(struct play *play, int n);

/* Releases what was kept. */
void play_forget(struct play *play);

/* ---- for the operations ------------------------------------------------------------------------------- */

struct operation {
    const char *name;
    void (*run)(struct play *play);
};

/* The last one has no name. */
extern const struct operation operations_of_one[], operations_of_many[], operations_of_tasks[];

/* May an end or a death of this play lead to that? If not, the program ends. */
void play_excuse(struct play *play, filch_status status, const filch_error *error);

/* What a submit gave. Returns: false if there is none, for a reason. */
bool play_accepts(struct play *play, const filch_future *future);

/* Waits for a future (NULL: it was not accepted). Returns: true if it has a result; else that is excused. */
bool play_succeeds(struct play *play, filch_future *future);

/* Releases a future, now or when its pool is long closed. */
void play_release(struct play *play, filch_future *future);

static inline uint32_t play_below(struct play *play, uint32_t n) {
    return random_below(&play->random, n);
}

/* What tasks compute: anything that nobody gets by chance. */
static inline long soak_mix(long x) {
    uint64_t mixed = (uint64_t)x * 0x9e3779b97f4a7c15u;
    return (long)(mixed ^ mixed >> 29);
}

#endif
