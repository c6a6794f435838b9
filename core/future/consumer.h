/* future/consumer.h: who waits for the first of several futures.
 *
 * A consumer has a completion list and a bell. Finishers push to the list and ring; one thread takes
 * the list and, when it is empty, sleeps on the bell. Consumers are type-stable: a finisher may push
 * late, after the consumer was closed and even opened again for somebody else; its generation is old
 * then and the push fails (completion_list.h).
 *
 * They live in an arena of their own that is never unmapped, since a finisher in one executor may be
 * late for a collection that is over futures of another one, closed by then. Finishers may be other
 * processes: that arena is shared memory, made before any worker process is. A worker process takes its
 * consumers from the arena that it serves, where somebody can put them right should it die.
 *
 * RESCAN: a process has died that may have fired nodes and not pushed them. All consumers that it may have
 * been about to tell are rung, and look at the nodes that they wait for (subscribers.h). The count of deaths
 * is raised (release) before the bit is set, and read (acquire) after it was seen.
 *
 * Its owner is the thread that uses it; its process is the one that opened it. A forked child has no
 * part in what it inherits: it does not take, ring or close it.
 *
 * Edge BELL: push (seq_cst), load of the bell (seq_cst) against bell set (seq_cst), look at the list
 * (seq_cst): the finisher sees the bell set, or the sleeper (the owner that arms the descriptor) sees
 * the node. */
#ifndef FILCHI_CONSUMER_H
#define FILCHI_CONSUMER_H

#include "future/future.h"
#include "structures/completion_list.h"

enum {
    BELL_SLEEPER = 1, /* somebody sleeps, or is about to */
    BELL_POLLED = 2,  /* there is a descriptor, and it is not set (ringer.h) */
    BELL_REMOTE = 4,  /* another process may push; set by the owner, who is awake then */
    BELL_RESCAN = 8,  /* one that has may have died; set by who saw that */
};

struct consumer {
    struct completion_list list;
    filch_atomic_u32 bell;
    filch_atomic_u32 pid;      /* its process, and */
    uint32_t fork_generation;  /* the same for who may only be a descendant of it */
    int fd;                    /* -1: none; it and the next two under the ringer's lock */
    bool is_set;               /* the descriptor */
    struct consumer *next;     /* of this process's consumers that have one */
    filch_atomic_pointer ring; /* what another process raises and wakes; NULL: none has to */
    uint64_t generation;       /* the current one; the opener's */
};

/* Registers the fork handlers, since a fork must not copy locks while another thread has them; once,
 * before the first one is opened. Returns: 0 or an errno value. */
int filchi_consumer_init(void);

/* Before this process forks workers: what it opens from now on can be told of by them.
 * Returns: 0 or an errno value. */
int filchi_consumer_share(void);

/* In a new worker process: it takes its consumers from this heap, of 64-byte cells of the arena that it
 * serves; made if it has never been. */
void filchi_consumer_serve(struct heap *heap, struct arena *arena);

/* Returns: NULL if there is no memory. */
struct consumer *filchi_consumer_open(void);

/* Later pushes fail. In a forked child this leaves the parent's alone. */
void filchi_consumer_close(struct consumer *consumer);

/* Was it opened by this process? */
bool filchi_consumer_is_here(const struct consumer *consumer);

/* Another process may push from now on. Owner. */
static inline void consumer_expect_remote(struct consumer *consumer) {
    if ((filch_load_relaxed(&consumer->bell) & BELL_REMOTE) == 0)
        (void)filch_fetch_or_acq_rel(&consumer->bell, (uint32_t)BELL_REMOTE);
}

/* Pushes and rings, unless the generation is over. */
void filchi_consumer_push(struct consumer *consumer, uint64_t generation,
                          struct completion_node *node);

/* All that has been pushed since, oldest first. */
static inline struct completion_node *consumer_take_all(struct consumer *consumer) {
    return completion_list_take_all(&consumer->list);
}

/* Is there something in the list, or something to be looked for? */
static inline bool consumer_has_news(const struct consumer *consumer) {
    return !completion_list_is_empty(&consumer->list) ||
           (filch_load_seq_cst(&consumer->bell) & BELL_RESCAN) != 0;
}

/* Is something to be looked for, after what is in the list was taken? Asked before. */
static inline bool consumer_must_rescan(struct consumer *consumer) {
    return unlikely(filch_load_relaxed(&consumer->bell) & BELL_RESCAN) &&
           (filch_fetch_and_acq_rel(&consumer->bell, ~(uint32_t)BELL_RESCAN) & BELL_RESCAN) !=
               0; /* RESCAN */
}

/* Has all consumers in this heap, or in this process's own, look for what a dead process has not pushed. */
void filchi_consumer_rescan(const struct heap *heap);
void filchi_consumer_rescan_own(void);

/* The process that had all consumers in this heap has ended: nobody is told any more. */
void filchi_consumer_recover(struct heap *heap);

/* Sleeps until there are news. `host`: of one of the futures that are waited for, whose
 * before_wait has been called. Returns: FILCH_OK, FILCH_TIMEOUT, or what the host refused with. */
filch_status filchi_consumer_await(struct consumer *consumer, struct future_host *host,
                                   uint64_t deadline_ns);

/* For the ringer: a cell of 64 bytes that other processes see, and that is never freed; or NULL. */
void *filchi_consumer_take_cell(void);

#endif
