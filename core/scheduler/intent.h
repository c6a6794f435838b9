/* scheduler/intent.h: what a worker is about to do to shared memory, said before it does it.
 *
 * The second rule of the design: every step on shared memory that is not one CAS is first written
 * into the worker's own record, and can be done twice without harm. When a worker process dies, the
 * reaper reads its record and finishes or undoes the step (recover.h). Threads die only together with
 * all who could read a record, so in a pool of threads is_kept is false, and what would cost something
 * is left out.
 *
 *     entries     what the worker takes from a deque: written before it leaves there, and overwritten only
 *                 when it is RUNNING, or stale, or in another deque
 *     runs        what it runs, the outermost first: from before RUNNING until after the delivery
 *     leaving     the seat that it is leaving: until that counts as vacant
 *
 * Edge ANNOUNCED: each store here (release) comes before the step; it is read after the worker's death. */
#ifndef FILCHI_INTENT_H
#define FILCHI_INTENT_H

#include "base/cc.h"
#include <filch/detail/atomic.h>
#include <stddef.h>

/* One level of the stack of what a worker runs: a task, and those that it runs inside of a wait. */
struct run {
    filch_atomic_u64 entry;
    filch_atomic_u64 deadline_ns; /* 0: none */
    filch_atomic_pointer raised;  /* what filch_raise has made, and */
    filch_atomic_pointer
        allocated; /* filch_result_alloc; the task's until it is linked elsewhere, too */
    filch_atomic_u32
        outcome; /* it has returned: what the layer above calls its phase; 0: not yet */
};

enum {
    INTENT_ENTRIES = 32,
    INTENT_RUNS = 64,       /* levels in the worker itself, */
    INTENT_MORE_RUNS = 128, /* and as many chunks of more of them, from the arena, which stay */
    CHUNK_RUNS = 1024,
    MOST_RUNS = INTENT_RUNS + INTENT_MORE_RUNS * CHUNK_RUNS,
};

struct intent {
    bool is_kept;
    filch_atomic_u32 depth;
    filch_atomic_u32 leaving; /* a seat, plus 1; 0: none */
    uint64_t entries[INTENT_ENTRIES];
    struct run runs[INTENT_RUNS];
    filch_atomic_pointer more[INTENT_MORE_RUNS]; /* struct run[CHUNK_RUNS] */
};

/* A level that was pushed once. */
static inline struct run *intent_run(const struct intent *intent, uint32_t level) {
    if (likely(level < INTENT_RUNS))
        return (struct run *)&intent->runs[level];
    struct run *more = filch_load_acquire(&intent->more[(level - INTENT_RUNS) / CHUNK_RUNS]);
    return &more[(level - INTENT_RUNS) % CHUNK_RUNS];
}

/* Makes room for one level more. Returns: false without memory. */
bool filchi_intent_grow(struct intent *intent);

/* Before the worker makes it RUNNING. Returns: NULL without memory, or if nothing is kept. */
static inline struct run *intent_push_run(struct intent *intent, uint64_t entry,
                                          uint64_t deadline_ns) {
    uint32_t depth = filch_load_relaxed(&intent->depth);
    if (!intent->is_kept || (unlikely(depth >= INTENT_RUNS) && !filchi_intent_grow(intent)))
        return NULL;
    struct run *run = intent_run(intent, depth);
    filch_store_relaxed(&run->entry, entry);
    filch_store_relaxed(&run->deadline_ns, deadline_ns);
    filch_store_relaxed(&run->raised, NULL);
    filch_store_relaxed(&run->allocated, NULL);
    filch_store_relaxed(&run->outcome, 0u);
    filch_store_release(&intent->depth, depth + 1); /* ANNOUNCED */
    return run;
}

/* When it has been delivered, or was not started. */
static inline void intent_pop_run(struct intent *intent) {
    if (intent->is_kept)
        filch_store_release(&intent->depth, filch_load_relaxed(&intent->depth) - 1); /* ANNOUNCED */
}

#endif
