/* explorer.h: what the explorer's own files share.
 *
 * explorer.c    the program: options, bounds, a failure's schedule
 * search.c      choices, states, executions
 * checkpoint.c  all that an execution has changed, to go on from a choice again
 * schedule.c    threads: who runs, who waits for what
 * store.c       the accesses: memory, store buffers, versions
 * platform.c    what stands in for core/platform and structures/reclaim: futex, barrier, clock, memory
 * report.c      failures, traces, the names of memory
 *
 * History: a thread is deterministic, so all it has done and will do follows from what its accesses
 * gave it. `history` is a hash of that: each value it read enters as the version of the location, which
 * is the history of the thread that wrote it. Equal histories and equal memory are an equal state,
 * whatever the order in which unrelated steps came, and a state is explored once.
 *
 * What these files keep lies outside of the program's static memory, which is restored. */
#ifndef FILCH_MODEL_EXPLORER_H
#define FILCH_MODEL_EXPLORER_H

#include "coroutine.h"
#include "hooks.h"
#include "model.h"

enum { BUFFER_STORES = 16, LOCAL_BYTES = 64, STACK_BYTES = 128 << 10 };

enum { NEXT = -1, KILL = -1 }; /* the sub of a choice of who goes on; that nobody does */
enum outcome { AT_CHOICE, COMPLETE, PRUNED, FAILED };
enum status { READY, ON_FUTEX, ON_MUTEX, ON_READERS, ON_END, ON_REST, ENDED, KILLED };

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
    signed char n_subs;   /* choices of this step */
    uint32_t n_steps;     /* of this execution */
    unsigned n_buffered;  /* delayed stores of all threads */
    uint64_t memory_hash; /* of all versions */
};

extern struct explorer *explorer;

static inline uint64_t mix(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * UINT64_C(0x9E3779B97F4A7C15);
    hash = (hash ^ hash >> 32) * UINT64_C(0xD6E8FEB86659FD93);
    return hash ^ hash >> 29;
}

static inline void learn_from(struct thread *thread, uint64_t value) {
    thread->history = mix(thread->history, value);
}

/* The running thread has learnt `value`. */
static inline void learn(uint64_t value) {
    learn_from(explorer->current, value);
}

/* explorer.c: zeroed memory that is not restored. */
void *model_private(size_t bytes);
/* The program's static memory. */
char *model_memory(size_t *bytes);
/* All memory is what it was after setup. */
void model_restore(void);

/* search.c */
void search_init(void);
/* A decision: below `n`; the first time 0. */
int choose(int n);
/* Of `n` threads (or KILL), the first being who goes on if nobody interferes. */
int search_choose_next(const signed char *options, int n, bool is_running);
/* Others can tell an access, it turns out, before which there was no choice so far. */
void search_anew(void);
_Noreturn void search_end(enum outcome outcome);
/* Every execution within these bounds. Returns: false at the first failure. */
bool search_all(int preemptions, int delays);
/* The same, but for what lacks choices (search_anew). */
bool search_once(int preemptions, int delays);
/* Runs it outside of all threads. Returns: false if it failed. */
bool search_try(void (*function)(void));
/* One execution, whose choices are those of the text that print_schedule made. */
bool search_replay(const char *choices);
void search_print_choices(void);
/* Nothing is pruned: shows that pruning loses nothing. */
void search_keep_all(bool keeps_all);
struct search_counts {
    uint64_t n_executions; /* since search_init or reset */
    uint64_t n_states, n_ends;
};
struct search_counts *search_counts(void);

/* schedule.c */
void schedule_init(void);
/* All threads at their beginning; number `first` is the first to run. */
int schedule_count(void);
void schedule_start(int first);
/* From outside: until the running thread calls schedule_pause. */
void schedule_resume(void);
void schedule_pause(void);
/* What is in use of the stack of a suspended thread. */
char *schedule_stack(int number, size_t *bytes);
/* Chooses who runs, and goes there; for a thread that could go on that is a preemption if not free. */
void schedule(bool is_free);
/* Before a step, which other threads can notice or not. */
void schedule_point(bool is_visible);
/* The running thread cannot go on: until `status` is READY again. */
void schedule_block(enum status status, const void *waits_for);
/* As schedule_point, and going on to others costs nothing. */
void schedule_yield(void);
void make_ready(struct thread *thread);

/* report.c */
void report_init(void);
void report_forget(void); /* before each scenario: names */
const char *report_failure(void);
void trace(const char *where, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *describe(const void *address);
void check_alive(const void *address);

/* store.c */
void store_init(void);
void store_forget(void); /* before each scenario: what is shared */
void store_reset(void);  /* before each execution that begins at the start */
void store_drain(struct thread *thread);
void store_drain_all(void);
/* Before a read of `address`: which delayed stores of others have reached memory by now? */
void store_let_drain(const void *address);
uint64_t store_version(const void *address);
void store_set_version(const void *address, uint64_t version);
/* A place in the log of versions; all versions are again what they were there. */
size_t store_mark(void);
void store_undo(size_t mark);

/* checkpoint.c: while all threads are suspended. */
void checkpoint_init(void);
/* Saves behind the first `at` bytes of what was saved. Returns: the end. */
size_t checkpoint_save(size_t at);
void checkpoint_restore(size_t at);

/* platform.c: memory that arenas take, restored with the program's static memory. */
void platform_note_write(const void *address);
void platform_save(void);
void platform_restore(void);
/* The same to and from memory of this size, which grows with what is written. */
size_t platform_bytes(void);
void platform_copy_to(char *to);
void platform_copy_from(const char *from);

#endif
