/* future/consumer.h: who waits for the first of several futures.
 *
 * A consumer has a completion list and a bell. Finishers push to the list and ring; one thread takes
 * the list and, when it is empty, sleeps on the bell. Consumers are type-stable: a finisher may push
 * late, after the consumer was closed and even opened again for somebody else; its generation is old
 * then and the push fails (completion_list.h).
 *
 * They live in an arena of their own that is never unmapped, since a finisher in one executor may be
 * late for a collection that is over futures of another one, closed by then.
 *
 * For event loops a consumer has, on demand, a descriptor that is set while its owner would get
 * something. Its owner clears it, and whoever pushes to an armed one sets it; both under one lock, since
 * a late finisher must not write to a descriptor that was closed and is somebody else's by then.
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
    BELL_POLLED = 2,  /* there is a descriptor, and it is not set */
};

struct consumer {
    struct completion_list list;
    filch_atomic_u32 bell;
    int fd;                 /* -1: none; it and the next two under the lock */
    bool is_set;            /* the descriptor */
    uint32_t fd_generation; /* of the process whose it is */
    uint64_t generation;    /* the current one; the opener's */
};

/* Registers the fork handlers, since a fork must not copy the lock around opening while another thread
 * has it; once, before the first one is opened. Returns: 0 or an errno value. */
int filchi_consumer_init(void);

/* Returns: NULL if there is no memory. */
struct consumer *filchi_consumer_open(void);

/* Later pushes fail. */
void filchi_consumer_close(struct consumer *consumer);

/* Pushes and rings, unless the generation is over. */
void filchi_consumer_push(struct consumer *consumer, uint64_t generation,
                          struct completion_node *node);

/* All that has been pushed since, oldest first. */
static inline struct completion_node *consumer_take_all(struct consumer *consumer) {
    return completion_list_take_all(&consumer->list);
}

/* Sleeps until the list is not empty. `host`: of one of the futures that are waited for, whose
 * before_wait has been called. Returns: FILCH_OK, FILCH_TIMEOUT, or what the host refused with. */
filch_status filchi_consumer_await(struct consumer *consumer, struct future_host *host,
                                   uint64_t deadline_ns);

/* The descriptor, which is made if there is none; not set. Owner. Returns: -1 with errno set. */
int filchi_consumer_fd(struct consumer *consumer);

/* Sets the descriptor, if there is one, if `is_ready` or the list is not empty; else clears it. Owner,
 * whenever what it has taken and not given has changed. */
void filchi_consumer_show(struct consumer *consumer, bool is_ready);

#endif
