/* scheduler/scheduler.h: queues, workers and the rule by which one finds the other.
 *
 * The scheduler moves 64-bit entries and knows nothing of what they mean: run() of the layer above
 * drops an entry that is stale, so entries may be stale or duplicated (the state word of a future is
 * the truth). Everything here lies in the arena; what differs between kinds of pools is in the
 * operations.
 *
 * Who submits owns a producer: a deque and the heaps that its submissions come from. A worker is a
 * producer too. Workers pop their own deque (newest first); from the deques of outside threads, which
 * are never popped, they take up to BATCH entries with one CAS into a second deque, refilled only
 * when empty, from which everybody takes the oldest: so the rest of a batch can be stolen before its
 * first task runs, and with one worker tasks from one outside thread start in order.
 *
 * A pool of n workers has n seats: who sits may start tasks. A worker that has to block gives its
 * seat away (substitute.h), so there may be more workers than seats.
 *
 * Edges (those of parking in park.h, of the deques in deque.h):
 *   PRODUCER-MADE  CAS into the list of outside producers -> load of its head
 *   WORKER-MADE    store of the worker's pointer -> load; before it n_made, which bounds the scan
 *   PARTED         in_use cleared by the thread that ends -> CAS by the one that adopts
 *   HIDDEN         odd before entries go out of sight, even once they are back -> is_drained, which
 *                  reads it before and after its look
 *   STOPPED        flag set, heavy barrier -> push, light barrier, load of the flag
 *   RING-RETIRED   push of an old ring -> the exchange that takes all to free them (not in shared
 *                  pools: there no ring is ever used again, since a thief may read it at any time)
 *   MAIL           push onto a worker's mail, then its token -> the worker takes the token, looks
 *   STACK-MADE  store of a fork stack's pointer -> load: its first word
 *   SLOT-FREE      slot's bit set by a worker that ended -> bit claimed for the next one */
#ifndef FILCHI_SCHEDULER_H
#define FILCHI_SCHEDULER_H

#include "scheduler/intent.h"
#include "scheduler/park.h"
#include "scheduler/stats.h"
#include "scheduler/victims.h"
#include "structures/deque.h"
#include "structures/extent.h"
#include "structures/reclaim.h"
#include "structures/record.h"
#include <filch/status.h>

struct worker;
struct scheduler;
struct fork_stack;
struct filch_stack;

enum { BATCH = 32, FIRST_RING = 4096 };

struct scheduler_operations {
    /* Runs an entry, unless it is stale. */
    void (*run)(struct worker *worker, uint64_t entry);
    /* Touches what run() will read. */
    void (*prefetch)(struct scheduler *scheduler, uint64_t entry);
    /* Is it worth keeping? (arg is the scheduler.) */
    bool (*is_live)(void *arg, uint64_t entry);
    /* Starts a worker that does not run, on worker->seat; marks the seat as taken.
     * Returns: 0 or an errno value. */
    int (*start)(struct worker *worker);
    /* The calling worker now sits on worker->seat, or has none. */
    void (*move)(struct worker *worker);
    /* In a pool between processes: has the process of this worker been asked for? Who was to do that died. */
    bool (*has_started)(const struct worker *worker);
    /* It has not, but was perhaps about to be: undoes what start() may have done but for the seat. May be
     * done twice; NULL: nothing. */
    void (*undo_start)(struct worker *worker);
    /* Does what was put into worker->mail for this worker, and no other one, to do. May run the program's
     * code, and block. */
    void (*serve_mail)(struct worker *worker);
    /* Children of tasks (fork_stack.h): see executor/fork_task.h. */
    void *(*run_child)(struct worker *worker, struct filch_stack *child, struct filch_stack *top,
                       void *task);
    void (*take_spoils)(struct worker *worker, void *spoils);
    void (*lose_child)(struct worker *worker, const struct filch_stack *child);
};

/* Lies at the start of a run of chunks of its own, with its first ring. */
struct producer {
    struct deque deque;
    struct scheduler *scheduler;
    struct producer *next;        /* list of outside producers; written before it is published */
    filch_atomic_u32 hidden;      /* odd while its owner has entries in its hands: see is_drained */
    filch_atomic_u32 in_use;      /* 0: its thread has ended, and the next one may adopt it */
    int32_t node;                 /* whose workers look here first; -1: no matter */
    uint32_t process;             /* tag of the one whose threads use it; a worker's: its own */
    filch_atomic_u64 n_submitted; /* counted by its owner, beside what a submit writes anyway */
    filch_atomic_u64 n_before;    /* in a mortal process: what it was, and */
    filch_atomic_u64 counting;    /* the entry that is, or was last, counted; see submit.h */
    struct heap futures;          /* type-stable, 128-byte cells */
    struct extents extents;
    struct memory_record record; /* used by the threads of a mortal process */
    struct extents shared;       /* what the program asks for itself: filch_shared_alloc */
};

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): lines are apart by who writes them */
struct worker {
    struct producer producer;
    struct deque batch;
    _Alignas(CACHE_LINE) filch_atomic_u32 sleep_word;
    filch_atomic_pointer mail;   /* a stack of the layer above; see serve_mail and worker_notify */
    filch_atomic_u32 n_expected; /* letters that will come: until then it does not leave */
    struct heap consumers;       /* of its process (future/consumer.h); all zero before the first */
    filch_atomic_u32 is_spare;   /* it stands by, or is about to be told that it does so no more */
    filch_atomic_u32
        absence; /* in a pool between processes: not 0 while it is absent; see slots.h */
    filch_atomic_u32 is_initialising;
    uint32_t n_absences;
    filch_atomic_u32 given; /* to a spare, by who has claimed it: a seat, or SEAT_END */
    uint32_t number;
    uint32_t seat;      /* SEAT_NONE: it may not start tasks */
    uint32_t last_seat; /* where it sat when it last blocked */
    bool is_searching;  /* its own copy of its search bit */
    bool keeps_seat; /* its initializer or finalizer runs: a wait neither leaves nor takes a seat */
    bool is_leaving; /* it takes no seat any more, and ends after its task */
    bool is_retiring; /* it ends, and counts as absent until its slot is free */
    uint32_t tick;
    uint32_t reach;       /* the rings that it steals from next; widens with each failed round */
    struct worker *lucky; /* its last victim; NULL: the last try there failed */
    uint64_t random;
    struct producer *next_outside;    /* where it looks for outside work next; NULL: at the first */
    filch_atomic_pointer fork_stacks; /* for tasks that spawn, the outermost first; they stay */
    struct fork_stack *forking;       /* the innermost that is in use */
    struct filch_stack *stolen;       /* the child that it has found */
    struct intent intent;
    struct worker_counters counters;
    _Alignas(CACHE_LINE) unsigned char batch_ring[sizeof(struct ring) + BATCH * sizeof(uint64_t)];
};

enum { SCHEDULER_STOPPING = 1, SCHEDULER_BROKEN = 2, SCHEDULER_CANCELLING = 4 };

#define SEAT_NONE UINT32_MAX
#define SEAT_END (UINT32_MAX - 1) /* given to a spare: the pool ends */

/* A worker's slot is its number; there are SUBSTITUTES more of them than seats. */
enum { SUBSTITUTES = 256, MAX_SLOTS = PARK_MAX_SEATS + SUBSTITUTES, SLOT_WORDS = MAX_SLOTS / 64 };

struct scheduler {
    const struct scheduler_operations *operations;
    struct arena *arena;
    uint64_t spin_ns;
    uint32_t n_seats;
    uint32_t n_slots;
    bool is_shared;          /* between processes */
    filch_atomic_u32 n_made; /* slots below it may have a worker */
    filch_atomic_u32 flags;
    filch_atomic_u32 n_initialising; /* workers that run their initializer; as n_absent */
    filch_atomic_pointer outside;    /* struct producer, newest first */
    filch_atomic_pointer retired;    /* struct ring, to be freed after a grace period */
    struct park park;
    struct victims victims;
    struct claims slot_claims;
    filch_atomic_u32 n_absent; /* workers without a seat, in the middle of a task; in a pool
                                                between processes they say so themselves: slots.h */
    filch_atomic_u64 spares[SLOT_WORDS];     /* workers that wait for a seat */
    filch_atomic_u64 free_slots[SLOT_WORDS]; /* slots whose worker does not run */
    filch_atomic_pointer *seated;            /* struct worker, of each seat that is taken */
    filch_atomic_pointer workers[];          /* struct worker, NULL before its slot is first used */
};

/* Lays out a scheduler over memory that the caller gives: filchi_scheduler_bytes(n_seats). */
size_t filchi_scheduler_bytes(uint32_t n_seats);
void filchi_scheduler_init(struct scheduler *scheduler, struct arena *arena, uint32_t n_seats,
                           uint64_t spin_ns, bool is_shared,
                           const struct scheduler_operations *operations);

/* Tells where who sits on each seat is bound. Before the first worker is started. */
void filchi_scheduler_place(struct scheduler *scheduler, const struct filchi_placement *placements);

/* A producer for the calling outside thread, or (`node` >= 0) for what anybody submits to the workers of
 * a node: an abandoned one or a new one. Returns: NULL if there is no memory. */
struct producer *filchi_scheduler_join(struct scheduler *scheduler, int node);

/* Leaves a producer, entries included, to the next thread that joins. */
void filchi_scheduler_part(struct producer *producer);

/* Makes room for one entry more; wakes a worker if entries were out of sight meanwhile.
 * Returns: false if there is no memory. Owner. */
bool filchi_producer_make_room(struct producer *producer);

/* Makes room for n entries. Returns: false if there is no memory. Owner. */
bool filchi_producer_reserve(struct producer *producer, size_t n);

/* Takes back what an outside thread has pushed since its deque's bottom was `from`.
 * Returns: false if somebody has taken one of them. That one is a worker that comes back for the others
 * before it leaves, or ends the pool and drops them all. */
bool filchi_producer_take_back(struct producer *producer, uint64_t from);

/* Is there an entry anywhere? May miss what an owner that compacts its deque has in its hands; that
 * owner wakes somebody when it has put it back. */
bool filchi_scheduler_has_work(const struct scheduler *scheduler);

/* Is there no entry anywhere, in no owner's hands either? For those who leave for good. */
bool filchi_scheduler_is_drained(const struct scheduler *scheduler);

/* How many entries are queued; a racy snapshot. */
size_t filchi_scheduler_count_work(const struct scheduler *scheduler);

/* Wakes one worker that sits and sleeps, if there is one. */
void filchi_scheduler_wake_seated(struct scheduler *scheduler);

/* After something was released or undone that kept others from waking somebody: looks, and does. */
void filchi_scheduler_look(struct scheduler *scheduler);

/* Wakes one seat, if any sleeps; a vacant one gets a worker. Returns: 0, or an errno value if only
 * vacant ones could be woken and no worker could be started. */
int filchi_scheduler_wake_one(struct scheduler *scheduler);

/* The same; if any seat sleeps on this node, one of those. */
int filchi_scheduler_wake_on(struct scheduler *scheduler, int node);

/* Sets a flag that ends or breaks the pool and wakes every worker: whoever pushes afterwards sees the
 * flag after its push, and workers that then see the flag and no work leave. */
void filchi_scheduler_set_flag(struct scheduler *scheduler, uint32_t flag);

static inline uint32_t scheduler_flags(const struct scheduler *scheduler) {
    return filch_load_acquire(&scheduler->flags);
}

/* Takes every entry that is queued anywhere and gives it to drop(arg, entry). For a pool that broke
 * or ends; workers may be taking at the same time. */
void filchi_scheduler_drain(struct scheduler *scheduler, void (*drop)(void *arg, uint64_t entry),
                            void *arg);

/* Pushes an entry; filchi_producer_make_room has been called if this returns false. Owner. */
static inline bool producer_push(struct producer *producer, uint64_t entry) {
    return deque_push(&producer->deque, entry);
}

/* Around looks at others' deques, whose rings go only after they were left. Those of a shared pool stay. */
static inline void scheduler_enter_rings(const struct scheduler *scheduler) {
    if (likely(!scheduler->is_shared))
        filchi_reclaim_enter();
}

static inline void scheduler_leave_rings(const struct scheduler *scheduler) {
    if (likely(!scheduler->is_shared))
        filchi_reclaim_leave();
}

static inline uint32_t scheduler_n_made(const struct scheduler *scheduler) {
    return filch_load_seq_cst(&scheduler->n_made); /* WORKER-MADE */
}

static inline struct worker *scheduler_worker(const struct scheduler *scheduler, uint32_t number) {
    /* seq_cst for the looks of HANDED and ASLEEP; on x86 it is a plain load. */
    return (struct worker *)filch_load_seq_cst(&scheduler->workers[number]); /* WORKER-MADE */
}

/* Who sits on a seat that the caller has claimed and found taken (SAT). */
static inline struct worker *scheduler_seated(const struct scheduler *scheduler, uint32_t seat) {
    return (struct worker *)filch_load_relaxed(&scheduler->seated[seat]);
}

#endif
