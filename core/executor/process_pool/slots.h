/* executor/process_pool/slots.h: what the opener, the fork server and the workers of a process pool share
 * besides the pool itself.
 *
 * A worker's slot says how far its process is. One of them moves it at a time:
 *
 *     FREE -> REQUESTED               who has claimed the worker, in whatever process
 *     REQUESTED -> STARTING           the server, before it forks
 *     STARTING -> RUNNING -> LEAVING  the worker's process
 *     any of those three -> DEAD      the server, when the system has told it how the process ended
 *     STARTING -> UNFORKED            the server, if there was no process to be had
 *     DEAD -> UNFORKED                the reaper, of a process that had no stack
 *     DEAD, UNFORKED -> FREE          the reaper, when all that the worker left is in order
 *
 * Nobody but the server sends signals to workers: it alone knows which numbers are still theirs.
 *
 * Edges:
 *   SLOT       each transition (release or stronger) -> who sees the state (acquire): what came with it
 *   REQUESTED  a request or wish (seq_cst), then the server's bell -> the server looks at all slots */
#ifndef FILCHI_SLOTS_H
#define FILCHI_SLOTS_H

#include "executor/process_pool/notifier.h"

enum slot_state {
    SLOT_FREE,
    SLOT_REQUESTED,
    SLOT_STARTING,
    SLOT_RUNNING,
    SLOT_LEAVING,
    SLOT_DEAD,
    SLOT_UNFORKED,
};

/* A process that could not get ready exits with this. */
enum { EXIT_NOT_READY = 199 };

enum { SLOT_WHY_BYTES = 160 };

struct slot {
    filch_atomic_u32 state;
    filch_atomic_u32 last_state;  /* before DEAD */
    filch_atomic_u32 pid;         /* 0: none */
    filch_atomic_u32 wait_status; /* of one that is DEAD; of one that is UNFORKED: an errno value */
    filch_atomic_u32 signal;      /* which the server is to send it; 0: none */
    filch_atomic_u32 n_tasks;     /* that this process has begun, up to its limit */
    bool is_noted;                /* the reaper has counted its death */
    bool has_no_stack;            /* it found no memory for one, and has touched nothing */
    char why[SLOT_WHY_BYTES];     /* it was not ready */
};

struct process_shared {
    struct undelivered undelivered;
    pid_t server;
    filch_atomic_u32 server_error; /* an errno value: why it could not begin; read after its end */
    uint32_t n_slots;
    filch_atomic_u32 n_failed_starts; /* of themselves, since one was ready, */
    filch_atomic_u32 n_killed_starts; /* or by SIGKILL */
    filch_atomic_u32 is_ending;       /* the server starts no more workers, */
    filch_atomic_u32 is_server_gone;  /* nobody serves requests */
    filch_atomic_u32 is_to_quit;      /* and is to end, once it has none */
    filch_atomic_u64
        nearest_deadline_ns;           /* of the tasks that run; 0: none that the reaper knows of */
    filch_atomic_u32 has_new_deadline; /* the server is to tell the reaper */
    struct slot slots[];
};

static inline size_t process_shared_lives_at(uint32_t n_slots) {
    size_t at = sizeof(struct process_shared) + n_slots * sizeof(struct slot);
    return (at + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
}

static inline size_t process_shared_bytes(uint32_t n_slots) {
    return process_shared_lives_at(n_slots) + (n_slots + 1) * sizeof(struct process_life);
}

/* By tag. */
static inline struct process_life *process_shared_lives(struct process_shared *shared) {
    return (struct process_life *)((char *)shared + process_shared_lives_at(shared->n_slots));
}

static inline enum slot_state slot_state(const struct slot *slot) {
    return (enum slot_state)filch_load_acquire(&slot->state); /* SLOT */
}

/* It may run tasks in each of these states: initializers and finalizers can wait for some. */
static inline bool slot_has_process(const struct slot *slot) {
    enum slot_state state = slot_state(slot);
    return state >= SLOT_STARTING && state <= SLOT_LEAVING;
}

/* Returns: false if it was in another state. */
static inline bool slot_move(struct slot *slot, enum slot_state from, enum slot_state to) {
    uint32_t state = (uint32_t)from;
    return filch_cas_seq_cst(&slot->state, &state, (uint32_t)to); /* SLOT, REQUESTED */
}

#endif
