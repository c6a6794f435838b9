/* future/future.h: the state word, and the transitions that are allowed. README.md has the table.
 *
 * The state word is the truth: a queue entry, a bitmap or a pointer elsewhere is a hint. Each
 * transition is one CAS (or read-modify-write) on it, all accesses are 64 bits wide, and the futex is
 * on its low half.
 *
 *     bits 0-2    phase
 *     bit  3      WAITER            somebody may sleep on the low half
 *     bit  4      CANCEL_REQUESTED  somebody tried to cancel it while it ran
 *     bit  5      DELIVERED         the finisher is done with the block
 *     bit  6      RELEASED          the last handle is gone
 *     bit  7      SUBSCRIBED        the chain of subscribers may be non-empty
 *     bit  8      BROKEN            (with FAILED) lost because the pool broke
 *     bit  9      DEFERRED          outcome known, delivery left to another worker or process
 *     bit  10     PROMISE           who has a handle completes it, and nobody else
 *     bit  11     TIMED_OUT         its worker is about to be killed, and must not end it any more
 *     bit  12     MAILED            DEFERRED, and on its way to the worker process that has its handles;
 *                                   with DISOWNED: on its way back
 *     bit  13     DISOWNED          that process has ended: callbacks are nobody's
 *     bits 16-31  owner: the worker that runs it; in shared memory also who has cancelled or broken it
 *     bits 32-63  generation
 *
 * SUBSCRIBED is what lets a future that nobody watches finish with one CAS, FINISHED and DELIVERED at
 * once: a subscriber first pushes its node and then sets the bit, so the finisher's CAS fails if it
 * has not seen it.
 *
 * Edges:
 *   PUBLISHED  INIT -> PENDING (release) -> PENDING -> RUNNING (acquire): type and arguments
 *   OUTCOME    RUNNING -> FINISHED, FAILED (release) -> a reader that sees it done (acquire)
 *   GONE       DELIVERED and RELEASED (acq_rel, two threads): whoever sets the second has both
 *              threads' accesses before it, and frees
 */
#ifndef FILCHI_FUTURE_H
#define FILCHI_FUTURE_H

#include "base/cc.h"
#include "platform/process.h"
#include "structures/slab.h"
#include <filch/detail/atomic.h>
#include <filch/future.h>
#include <filch/task.h>

enum future_phase {
    FUTURE_FREE,
    FUTURE_INIT,
    FUTURE_PENDING,
    FUTURE_RUNNING,
    FUTURE_FINISHED,
    FUTURE_FAILED,
    FUTURE_CANCELLED,
};

#define FUTURE_PHASE UINT64_C(7)
#define FUTURE_WAITER (UINT64_C(1) << 3)
#define FUTURE_CANCEL_REQUESTED (UINT64_C(1) << 4)
#define FUTURE_DELIVERED (UINT64_C(1) << 5)
#define FUTURE_RELEASED (UINT64_C(1) << 6)
#define FUTURE_SUBSCRIBED (UINT64_C(1) << 7)
#define FUTURE_BROKEN (UINT64_C(1) << 8)
#define FUTURE_DEFERRED (UINT64_C(1) << 9)
#define FUTURE_PROMISE (UINT64_C(1) << 10)
#define FUTURE_TIMED_OUT (UINT64_C(1) << 11)
#define FUTURE_MAILED (UINT64_C(1) << 12)
#define FUTURE_DISOWNED (UINT64_C(1) << 13)
#define FUTURE_OWNER_SHIFT 16
#define FUTURE_OWNER (UINT64_C(0xffff) << FUTURE_OWNER_SHIFT)
#define FUTURE_GENERATION_SHIFT 32
#define FUTURE_GENERATION (UINT64_C(0xffffffff) << FUTURE_GENERATION_SHIFT)

/* What is known of a worker's process to those who outlive it. */
struct process_life {
    _Alignas(CACHE_LINE) filch_atomic_u32 n_deaths; /* of processes of this worker */
    filch_atomic_u32 n_settling; /* its threads that are cancelling or breaking a future */
    filch_atomic_u32
        is_counting; /* one of them counts that: a lock, among threads that die together */
    filch_atomic_u32 generation;   /* of the future, */
    filch_atomic_pointer settling; /* which is not DELIVERED, until this is NULL again */
    filch_atomic_pointer counter;  /* one of these two, */
    filch_atomic_u64 n_before;     /* and what it was */
    filch_atomic_u64 n_cancelled;
    filch_atomic_u64 n_broken;
};

/* What the layer above lends to futures; one per executor, in the arena of its futures. */
struct future_host {
    /* Memory from the arena, for a subscriber (64 bytes) or an error record; or NULL. */
    void *(*take)(struct future_host *host, size_t bytes);
    /* Runs a callback; a raise in it is reported. */
    void (*call)(struct future_host *host, filch_future *future, void (*fn)(filch_future *, void *),
                 void *arg);
    /* A callback has been added, and `call` will run it, in this process; or it is not to be, after all.
     * NULL: nobody has to know. */
    void (*expect_call)(struct future_host *host, bool is_expected);
    /* Before a wait for `future`. Inside a worker it may run the future right here, unless the wait is
     * timed, or for the first of several, which counts as timed.
     * FILCH_OK: look again; if it is not done then, begin_block. */
    filch_status (*before_wait)(struct future_host *host, filch_future *future, bool is_timed);
    /* Around the time that the calling thread sleeps: a worker leaves its seat to another one.
     * end_block only after FILCH_OK. */
    filch_status (*begin_block)(struct future_host *host);
    void (*end_block)(struct future_host *host);
    /* The program's report hook is about to run on this thread, and may take long. */
    void (*before_report)(struct future_host *host);
    /* Hands a DEFERRED future to who may deliver it. Of shared hosts only. */
    void (*defer)(struct future_host *host, filch_future *future);
    /* Frees what the future holds outside its block. */
    void (*dispose)(struct future_host *host, filch_future *future);
    /* An outside thread runs callbacks from enter to leave: closing waits for it. */
    void (*enter_delivery)(struct future_host *host);
    void (*leave_delivery)(struct future_host *host);
    uint64_t spin_ns;         /* a waiter looks so long before it sleeps */
    uint32_t fork_generation; /* of the process that opened the executor (platform/process.h) */
    bool is_shared;           /* between processes */
    struct process_life
        *lives;               /* of shared hosts whose processes may die alone: by tag; else NULL */
    char broken_because[168]; /* written before the first future is broken */
    filch_atomic_u64
        n_cancelled;           /* futures; counted before that is made known; by a process that */
    filch_atomic_u64 n_broken; /* may die alone, in its life */
};

/* What submit was told about the task beyond its arguments, where it was; an extent. */
struct future_options {
    uint64_t timeout_ns; /* each run may last so long; 0: no limit */
    filch_atomic_u32 retries_left;
    bool has_name;
    char name[];
};

/* The first cache line of a block; the layer above puts the second one behind it. */
struct filch_future {
    filch_atomic_u64 state;
    filch_atomic_pointer subscribers; /* struct subscriber, newest first; low bit: closed */
    const filch_task_type *type;
    void *value; /* where the result is */
    size_t value_size;
    filch_atomic_pointer error; /* filch_error: see error.h */
    filch_atomic_u32 handles;   /* of this process */
    filch_atomic_u32 looked_at; /* somebody has seen the error */
    uint32_t extents;           /* bits of the layer above: what dispose has to free */
    uint32_t options;           /* arena reference of a future_options; 0: none */
};
_Static_assert(sizeof(struct filch_future) == CACHE_LINE, "one cache line of header");

static inline enum future_phase state_phase(uint64_t state) {
    return (enum future_phase)(state & FUTURE_PHASE);
}

static inline bool state_is_done(uint64_t state) {
    return state_phase(state) >= FUTURE_FINISHED;
}

static inline uint32_t state_owner(uint64_t state) {
    return (uint32_t)((state & FUTURE_OWNER) >> FUTURE_OWNER_SHIFT);
}

static inline uint32_t state_generation(uint64_t state) {
    return (uint32_t)(state >> FUTURE_GENERATION_SHIFT);
}

static inline struct arena *future_arena(const filch_future *future) {
    return slab_of(future)->arena;
}

static inline struct future_host *future_host(const filch_future *future) {
    return (struct future_host *)future_arena(future)->owner;
}

static inline uint64_t future_state(const filch_future *future) {
    return filch_load_acquire(&future->state); /* OUTCOME */
}

/* Does the calling process work for this host, or did it open it? */
static inline bool host_is_here(const struct future_host *host) {
    return host->fork_generation == filchi_process_generation() || filchi_process_serves(host);
}

/* Has the calling process handles of this future? A forked child has copies of its parent's private
 * futures, which it may read and give back; of shared ones it has nothing. */
bool filchi_future_is_held(const filch_future *future);

static inline bool future_is_held(const filch_future *future) {
    return likely(filchi_process_generation() == 0) || filchi_future_is_held(future);
}

/* The same; if not, the thread's failure is set. */
bool filchi_future_check_held(const char *function, const filch_future *future);

/* FREE -> INIT, with the next generation; one handle, no subscriber, no error. Returns: false if the
 * block is not free: bits that say which are may be wrong after a death. */
bool filchi_future_init(filch_future *future, const filch_task_type *type);

/* INIT -> PENDING. Returns: the generation. */
static inline uint32_t future_publish(filch_future *future) {
    uint64_t state = filch_load_relaxed(&future->state);
    state = (state & FUTURE_GENERATION) | FUTURE_PENDING;
    filch_store_release(&future->state, state); /* PUBLISHED */
    return state_generation(state);
}

/* Who runs a future that the program completes: the program, or the call that sets its outcome. */
enum { FUTURE_OWNER_PROGRAM = 0xfffe, FUTURE_OWNER_SETTING = 0xffff };

/* INIT -> FREE: it was never published. */
void filchi_future_abort(filch_future *future);

/* PENDING -> RUNNING(owner), if the generation is still this one. */
static inline bool future_try_start(filch_future *future, uint32_t generation, uint32_t owner) {
    uint64_t state = filch_load_relaxed(&future->state);
    for (;;) {
        if (state_phase(state) != FUTURE_PENDING || state_generation(state) != generation)
            return false;
        uint64_t running = (state & ~(FUTURE_PHASE | FUTURE_OWNER)) | FUTURE_RUNNING |
                           (uint64_t)owner << FUTURE_OWNER_SHIFT;
        if (filch_cas_acq_rel(&future->state, &state, running)) /* PUBLISHED */
            return true;
    }
}

/* RUNNING -> `phase` (FINISHED or FAILED), and delivers. The caller owns the running future. */
void filchi_future_finish(filch_future *future, enum future_phase phase);

/* The same, but callbacks are left to another worker. Returns: true if `future` is to be queued for
 * one, which then calls filchi_future_deliver_deferred. */
bool filchi_future_finish_deferred(filch_future *future, enum future_phase phase);

/* The same for a shared host: whoever runs a future there need not have its handles. Consumers are told
 * here; what runs the program's code (callbacks, reports) is deferred, unless this process has the handles
 * and `may_deliver`. Returns: false if the future's time is over: who called is about to be killed, and
 * touches nothing any more. */
bool filchi_future_finish_shared(filch_future *future, enum future_phase phase, bool may_deliver);

/* Delivers what was deferred, unless somebody else has. */
void filchi_future_deliver_deferred(filch_future *future, uint32_t generation);

/* Of a DEFERRED future whose handles are in another process: is there a callback? Then that process has
 * to deliver it: it is MAILED from now on. */
bool filchi_future_mail(filch_future *future);

/* Frees one that is DELIVERED and RELEASED, if who set the second has left that to the caller. */
void filchi_future_destroy(filch_future *future);

/* Delivers a MAILED one. In the process that has its handles. */
void filchi_future_deliver_mailed(filch_future *future);

/* PENDING -> FAILED and BROKEN, and delivers. Returns: false if it was not pending. */
bool filchi_future_break(filch_future *future, uint32_t generation);

/* PENDING -> CANCELLED, and delivers. */
bool filchi_future_cancel_pending(filch_future *future, uint32_t generation);

/* Gives a handle back for the process that has it. */
void filchi_future_give_handle_back(filch_future *future);

/* PENDING -> FREE: a submit that is taken back. Returns: false if somebody was faster. */
bool filchi_future_withdraw(filch_future *future);

/* Waits until it is done. Returns: FILCH_OK, FILCH_TIMEOUT, or what the host refused with. */
filch_status filchi_future_await(filch_future *future, uint64_t deadline_ns);

/* Waits for the outcome of a future whose subscriber has been told: it is about to be made known. */
void filchi_future_await_outcome(filch_future *future);

/* The options given to submit, or NULL. */
static inline struct future_options *future_options(const filch_future *future) {
    return future->options == 0 ? NULL : arena_address(future_arena(future), future->options);
}

/* The name that errors and reports give. */
const char *filchi_future_name(const filch_future *future);

/* Does a variable of this kind and size take this type's result? Else the thread's message says what
 * would. */
filch_status filchi_future_check_fit(const char *function, const filch_task_type *type,
                                     size_t value_size, size_t size, filch_kind kind);

#endif
