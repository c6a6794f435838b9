/* scheduler/intent.h: what a worker is about to do to shared memory, said before it does it.
 *
 * The second rule of the design: every step on shared memory that is not one CAS is first written
 * into the worker's own record, and can be done twice without harm. When a worker process dies, the
 * reaper reads its record and finishes or undoes the step. Threads die only together with all who
 * could read a record, so in a pool of threads writing one is left out (is_kept is false); the
 * accessors mark the steps. */
#ifndef FILCHI_INTENT_H
#define FILCHI_INTENT_H

#include <filch/detail/atomic.h>
#include <stddef.h>

enum intent_step {
    INTENT_NONE,
    INTENT_TAKE,   /* entries[0..n): being taken from a deque */
    INTENT_FINISH, /* entries[0]: the future whose outcome is being delivered */
};

enum { INTENT_ENTRIES = 32 };

/* One level of the stack of what a worker runs: a task, and those that it runs inside of a wait. */
struct run {
    filch_atomic_u64 entry;
    filch_atomic_u64 deadline_ns;   /* 0: none */
    filch_atomic_pointer raised;    /* what filch_raise has made, and */
    filch_atomic_pointer allocated; /* filch_result_alloc, in nobody else's memory yet */
};

enum { INTENT_RUNS = 64 };

struct intent {
    filch_atomic_u32 step;
    uint32_t n;
    bool is_kept;
    filch_atomic_u32 depth;
    uint64_t entries[INTENT_ENTRIES];
    struct run runs[INTENT_RUNS];
};

/* Before the worker makes it RUNNING. Returns: NULL without memory, or if nothing is kept. */
static inline struct run *intent_push_run(struct intent *intent, uint64_t entry,
                                          uint64_t deadline_ns) {
    uint32_t depth = filch_load_relaxed(&intent->depth);
    if (!intent->is_kept || depth == INTENT_RUNS)
        return NULL;
    struct run *run = &intent->runs[depth];
    filch_store_relaxed(&run->entry, entry);
    filch_store_relaxed(&run->deadline_ns, deadline_ns);
    filch_store_relaxed(&run->raised, NULL);
    filch_store_relaxed(&run->allocated, NULL);
    filch_store_release(&intent->depth, depth + 1); /* ANNOUNCED */
    return run;
}

/* When it has been delivered, or was not started. */
static inline void intent_pop_run(struct intent *intent) {
    if (intent->is_kept)
        filch_store_release(&intent->depth, filch_load_relaxed(&intent->depth) - 1); /* ANNOUNCED */
}

static inline void intent_announce(struct intent *intent, enum intent_step step,
                                   const uint64_t *entries, size_t n) {
    if (!intent->is_kept)
        return;
    for (size_t i = 0; i < n && i < INTENT_ENTRIES; i++)
        intent->entries[i] = entries[i];
    intent->n = (uint32_t)n;
    filch_store_release(&intent->step, (uint32_t)step); /* ANNOUNCED: read after the death */
}

static inline void intent_clear(struct intent *intent) {
    if (intent->is_kept)
        filch_store_release(&intent->step, (uint32_t)INTENT_NONE); /* ANNOUNCED */
}

#endif
