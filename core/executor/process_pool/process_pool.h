/* executor/process_pool/process_pool.h: a process pool as its own files see it.
 *
 * struct process_pool belongs to the opener; the fork server and the workers have it as it was when they
 * were forked. What all of them see is in slots.h. */
#ifndef FILCHI_PROCESS_POOL_H
#define FILCHI_PROCESS_POOL_H

#include "executor/crew.h"
#include "executor/process_pool/notifier.h"
#include "executor/process_pool/slots.h"
#include "platform/fork.h"
#include <filch/process_pool.h>
#include <signal.h>

struct process_pool {
    filch_executor *executor;
    struct process_shared *shared;
    struct crew crew;
    filch_process_pool_options options;
    struct notifier notifier;
    pthread_t reaper;
    bool has_reaper;
    filch_atomic_u32
        is_reaper_ready; /* 1: it has all the memory that it needs; 2: there was none */
    uint64_t *limbo; /* blocks that may be free and not marked so: queue entries; the reaper's */
    size_t n_limbo;
    uint64_t n_limbo_cells; /* that a dead worker may have given back, or not: those stay in use */
    bool must_recount;      /* what chunks are in use: the reaper's, after a death */
    int bell;               /* the opener's end of a socket pair, */
    int server_bell;        /* the server's; in the opener -1 once the server is there */
    int server_watch;       /* pidfd of the server; -1: none */
    int opener_watch;       /* pidfd of the opener; in the opener -1 once the server is there */
    pid_t opener;
    sigset_t mask;             /* of the thread that opened the pool, and */
    struct sigaction on_child; /* how it handles SIGCHLD */
};

static inline struct process_pool *process_pool_of(const filch_executor *executor) {
    return executor->kind_data;
}

/* The server's life; does not return. */
void filchi_server_main(void *self);

/* A worker process's life, in a child of the server's; does not return. */
void filchi_worker_process_main(struct process_pool *self, uint32_t number);

/* Has the server look at all slots. Any process of the pool. */
void filchi_server_ring(struct process_pool *self);

/* Starts the thread that sees to what dead workers leave. Returns: 0 or an errno value. */
int filchi_reaper_start(struct process_pool *self);

/* Has the server and the thread end, when all workers are gone. */
void filchi_reaper_stop(struct process_pool *self);

/* In the tasks' own process, when one has returned: what it printed goes out. */
void filchi_worker_process_after_task(struct worker *worker);

/* The calling worker begins a task that may run until then. */
void filchi_worker_process_limit_task(struct worker *worker, uint64_t deadline_ns);

/* Stops the tasks that have run past their limit. Returns: when the next one will have, or FILCHI_NEVER. By
 * the reaper. */
uint64_t filchi_process_pool_stop_late(struct process_pool *self);

/* What a worker process left is put in order: see recover.c. By the reaper. Returns: false if it is to be
 * called again in a while. */
bool filchi_process_pool_recover(struct process_pool *self, struct worker *worker,
                                 struct slot *slot);

/* No worker is left, and no reaper. */
void filchi_process_pool_end_limbo(struct process_pool *self);

/* How the process ended, of a slot that is DEAD. */
struct process_end filchi_process_pool_read_end(const struct slot *slot);

#endif
