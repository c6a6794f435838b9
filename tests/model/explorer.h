/* explorer.h: what the explorer's own files share.
 *
 * explorer.c    threads, schedules, the search
 * store.c       the accesses: memory, store buffers, versions
 * platform.c    what stands in for core/platform and structures/reclaim: futex, barrier, clock, memory
 *
 * History: a thread is deterministic, so all it has done and will do follows from what its accesses
 * gave it. `history` is a hash of that: each value it read enters as the version of the location, which
 * is the history of the thread that wrote it. Equal histories and equal memory are an equal state,
 * whatever the order in which unrelated steps came, and a state is explored once. */
#ifndef FILCH_MODEL_EXPLORER_H
#define FILCH_MODEL_EXPLORER_H

#include "coroutine.h"
#include "hooks.h"
#include "model.h"

enum { BUFFER_STORES = 16, LOCAL_BYTES = 64 };

enum status { READY, ON_FUTEX, ON_MUTEX, ON_READERS, ON_END, ENDED, KILLED };

struct store {
    void *address;
    unsigned bytes;
    uint64_t value;
    uint64_t version;
};

struct thread {
    struct coroutine coroutine;
    const char *name;
    void (*run)(void);
    void (*run_with)(void *arg); /* if `run` is NULL */
    void *arg;
    bool may_be_killed;
    enum status status;
    const void *waits_for; /* a word, a mutex, a thread */
    uint64_t deadline_ns;  /* ON_FUTEX; UINT64_MAX: none */
    bool timed_out;
    bool has_relaxed;   /* and made no access since */
    unsigned n_reading; /* sections of filchi_reclaim_enter */
    uint32_t awaited;   /* ON_READERS: bits of threads */
    uint64_t clock_ns;
    uint64_t history;
    unsigned n_buffered, n_drained;
    struct store buffer[BUFFER_STORES]; /* oldest first */
    char locals[LOCAL_BYTES];
};

struct explorer {
    const struct model_scenario *scenario;
    struct thread threads[MODEL_THREADS];
    int n_threads;
    struct thread *current; /* NULL: setup, check */
    int preemptions_left, delays_left, kills_left;
    int n_dead; /* ranges of model_dead */
    bool is_tracing;
    unsigned n_buffered;  /* delayed stores of all threads */
    uint64_t memory_hash; /* of all versions */
};

extern struct explorer *explorer; /* not in the memory that is restored */

static inline uint64_t mix(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * UINT64_C(0x9E3779B97F4A7C15);
    hash = (hash ^ hash >> 32) * UINT64_C(0xD6E8FEB86659FD93);
    return hash ^ hash >> 29;
}

/* The running thread has learnt `value`. */
static inline void learn(uint64_t value) {
    explorer->current->history = mix(explorer->current->history, value);
}

/* explorer.c: before a step, which other threads can notice or not. */
void schedule_point(bool is_visible);
/* The running thread cannot go on: until `status` is READY again. */
void schedule_block(enum status status, const void *waits_for);
/* As schedule_point, and going on to others costs nothing. */
void schedule_yield(void);
/* A decision: below `n`; the first time 0. */
int choose(int n);
/* Another location is shared: what was explored lacks the choices before its accesses. */
void schedule_anew(void);
void make_ready(struct thread *thread);
void trace(const char *where, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *describe(const void *address);
void check_alive(const void *address);
/* Zeroed memory that is not restored. */
void *model_private(size_t bytes);

/* store.c */
void store_init(void);
void store_forget(void); /* before each scenario: what is shared */
void store_reset(void);  /* before each execution */
void store_drain(struct thread *thread);
void store_drain_all(void);
/* Before a read of `address`: which delayed stores of others have reached memory by now? */
void store_let_drain(const void *address);
uint64_t store_version(const void *address);
void store_set_version(const void *address, uint64_t version);

/* platform.c: memory that arenas take, restored with the program's static memory. */
void platform_note_write(const void *address);
void platform_save(void);
void platform_restore(void);

#endif
