/* executor/pool.h: an executor, in two parts.
 *
 * struct pool is what workers share and what futures need: it lies in the arena, whose owner it is,
 * and lives until the last future of the executor is gone. struct filch_executor is the handle: it
 * belongs to the process that opened it and ends with filch_close.
 *
 * What differs between kinds of executors is one table, struct pool_operations. */
#ifndef FILCHI_POOL_H
#define FILCHI_POOL_H

#include "executor/roster.h"
#include "future/future.h"
#include "scheduler/worker.h"
#include <filch/executor.h>
#include <pthread.h>

struct plan;
struct modules;

struct pool_operations {
    const char *kind; /* "thread pool": for messages */
    /* Are workers other processes (or act as if they were)? Then futexes and memory are shared, and
     * who runs a future need not be who may deliver it. */
    bool is_shared;
    /* Is a private pointer fine as an argument? */
    bool takes_pointers;
    /* Can a task that runs too long be stopped? */
    bool stops_tasks;
    /* Starts this worker, which counts as live already. In a shared pool it may be called by a worker, and
     * only asks for it. Returns: 0 or an errno value. */
    int (*start_worker)(filch_executor *executor, struct worker *worker);
    /* In a shared pool: has this worker been asked for, and not ended since? */
    bool (*has_started)(const filch_executor *executor, const struct worker *worker);
    /* The calling worker sits on another seat than before, or on none. */
    void (*move_worker)(filch_executor *executor, struct worker *worker);
    /* A task has returned in this worker, and its outcome is not known yet; NULL: nothing is to be done. */
    void (*after_task)(struct worker *worker);
    /* The calling worker begins a task that may run until then. NULL where stops_tasks is false. */
    void (*limit_task)(struct worker *worker, uint64_t deadline_ns);
    /* All workers have left: joins them. Called with the executor's lock held. */
    void (*join_workers)(filch_executor *executor);
    /* Sends a signal to all workers, which ends them; waits for that, unless the caller may be one of them
     * (`may_wait`). NULL: it cannot. */
    void (*end_workers)(filch_executor *executor, int number, bool may_wait);
    /* The process that this worker runs in; 0: in none now. NULL: in this one. */
    int (*find_pid)(const filch_executor *executor, uint32_t number);
    /* Frees what the kind keeps for the handle. */
    void (*close)(filch_executor *executor);
};

struct pool {
    struct future_host host; /* first: the arena's owner as futures see it */
    struct arena *arena;
    struct scheduler *scheduler;
    bool takes_pointers;      /* see pool_operations */
    bool must_look;           /* at each task before it may travel: its pointers, its code */
    filch_executor *executor; /* of the process that opened it; valid until close */
    struct modules *modules;  /* what workers have of the program's code; NULL: all (modules.h) */
    struct undelivered *undelivered; /* shared pools: process_pool/notifier.h; else NULL */
    uint64_t serial;                 /* never used twice in a process */
    struct roster roster;            /* workers started and not yet left */
    filch_atomic_u32 n_replaced;     /* workers that died */
    filch_atomic_u64 spare_chunks;   /* a stack: reference of the first, and a tag (chunk.h) */
    filch_atomic_u32 n_spare_chunks;
    filch_atomic_u32 n_delivering;   /* outside threads that are running callbacks */
    filch_atomic_u64 shared_extents; /* of filch_shared_alloc; see shared.c */
    struct pool *next_left;          /* of those that are closed and have some */
    filch_atomic_u32 broken_by; /* who has written broken_because, or does so: a claim; 0: nobody */
};

struct filch_executor {
    const struct pool_operations *operations;
    void *kind_data;   /* what the kind keeps; freed by its close() */
    struct plan *plan; /* how many workers, where, and why; NULL: no workers. Never changes */
    struct pool *pool;
    uint32_t fork_generation;
    filch_executor *next_open; /* the registry's list, and */
    unsigned n_pins;           /* its uses that closing waits for; under its lock */
    pthread_mutex_t lock;      /* of the kind, for its workers; never held while user code runs */
    bool is_joined;
};

static inline struct pool *pool_of_host(struct future_host *host) {
    return container_of(host, struct pool, host);
}

/* The pool that a scheduler's arena belongs to. */
static inline struct pool *pool_of(const struct scheduler *scheduler) {
    return (struct pool *)scheduler->arena->owner;
}

static inline struct pool *pool_of_worker(const struct worker *worker) {
    return pool_of(worker->producer.scheduler);
}

struct pool_opening {
    uint32_t n_workers;
    uint64_t spin_ns;
    size_t memory; /* limit of a shared pool's memory; 0: the default */
    void *kind_data;
};

/* A pool, or NULL with the thread's failure set. */
filch_executor *filchi_executor_open(const struct pool_operations *operations,
                                     struct pool_opening opening, const char *function);

/* The calling thread's producer in this pool. Returns: NULL without memory. */
struct producer *filchi_pool_producer(struct pool *pool);

/* The calling thread's producer for tasks that the workers of this node should run; the ordinary one if
 * the pool has none there. Returns: NULL without memory. */
struct producer *filchi_pool_producer_for(struct pool *pool, int node);

/* Breaks the pool: what is pending and what is submitted later fails with FILCH_BROKEN. */
void filchi_pool_break(struct pool *pool, const char *format, ...) PRINTF_LIKE(2, 3);

/* This worker's process has ended: breaks the pool if that was just what it did. What is queued is left to
 * the caller. */
void filchi_pool_break_for(struct pool *pool, const struct worker *dead);

/* Fails with FILCH_BROKEN what is queued, since nobody can be started to run it; the pool goes on. */
void filchi_pool_fail_queued(struct pool *pool);

/* Somebody has queued what was queued before: if the pool has broken, or drops what has not begun, so does
 * this. */
void filchi_pool_drop_queued(struct pool *pool);

/* Starts a worker by the pool's operation, unless the pool has ended. Returns: 0 or an errno value. */
int filchi_pool_start_worker(struct worker *worker);

/* Who was about to start this worker has died: was it asked for? If not, it counts as live no more. */
bool filchi_pool_has_started(const struct worker *worker);
void filchi_pool_undo_start(struct worker *worker);

/* The calling worker sits on another seat than before, or on none. */
void filchi_pool_move_worker(struct worker *worker);

/* A worker's last act, or of who has seen its end. */
void filchi_pool_worker_left(filch_executor *executor, struct worker *worker);

/* A worker that counts as live, and sits, could not be started after all. What is queued looks for another
 * one; if there is none left the pool breaks. */
void filchi_pool_worker_failed(struct worker *worker, int error);

/* Nobody sits any more, perhaps: what is queued has a worker started for it, or fails with the reason. */
void filchi_pool_attend(struct pool *pool);

/* Is this handle good for the calling process? Else the thread's failure is set. */
bool filchi_executor_check(const char *function, const filch_executor *executor);

/* Why nothing can be submitted now: FILCH_OK if it can. Sets the thread's failure. */
filch_status filchi_executor_check_open(const char *function, struct pool *pool);

#endif
