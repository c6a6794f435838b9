/* future/subscribers.h: who is told when a future is done: one mechanism for callbacks, wait and
 * as_completed.
 *
 * A subscriber is a node that belongs to the future. It is ARMED (a callback: ARMED_CALLBACK) until
 * somebody who knows that the future is done moves it to FIRED by CAS: that one, and nobody else,
 * calls the callback or pushes the node to the consumer's list. A consumer that gives up moves it to
 * ABANDONED; the next who subscribes takes such a node over (CLAIMED, then ARMED again), so time-outs
 * leave no growth.
 *
 *     ARMED -> FIRED        the finisher, or a subscriber that found the future done
 *     ARMED -> ABANDONED    its consumer
 *     ABANDONED -> CLAIMED -> ARMED    a new subscriber
 *
 * In shared memory FIRED says which process fired it: it may die before the push. The consumer of such a
 * node is sent to look for it (consumer.h, RESCAN). What came to it is TAKEN.
 *
 * The chain is closed by a tag bit in its head, which keeps the chain readable. SUBSCRIBED in the
 * state word is set after the push; a finisher that has not seen it is done before, and then the
 * subscriber itself closes and fires (both may: the CAS to FIRED decides for each node).
 *
 * Edges:
 *   NODE     push, then SUBSCRIBED (release) -> the outcome's CAS, closing the chain (acquire): the
 *            node is complete, and is seen.
 *   ARMED    exchange (seq_cst) -> load of the closed tag (seq_cst), against closing (seq_cst) -> CAS
 *            to FIRED (seq_cst): a node armed again is fired by one of the two.
 *   CLAIMED  ABANDONED (release) -> CLAIMED (acquire): its consumer is done with the node. */
#ifndef FILCHI_SUBSCRIBERS_H
#define FILCHI_SUBSCRIBERS_H

#include "future/consumer.h"
#include "future/future.h"

struct subscriber {
    struct completion_node link; /* in the consumer's list, once fired */
    struct subscriber *next;     /* older one of the same future */
    filch_atomic_pointer newer;  /* set while firing, to go from old to new */
    filch_atomic_u64 state;
    filch_future *future;
    union {
        struct consumer *consumer;
        void (*fn)(filch_future *future, void *arg);
    } to;
    uint64_t generation; /* of the consumer */
    void *arg;           /* of the callback, or whatever the consumer likes */
};
_Static_assert(sizeof(struct subscriber) == 64, "a node is one cell of the smallest size");

/* Adds a callback; runs it at once if the future is done. Returns: FILCH_OK or FILCH_NO_MEMORY. */
filch_status filchi_subscribers_add_callback(filch_future *future,
                                             void (*fn)(filch_future *, void *), void *arg);

/* Has the consumer told when the future is done. `*node` can be abandoned; it is NULL if the future
 * is done already, and then nothing is told.
 * Returns: FILCH_OK or FILCH_NO_MEMORY. */
filch_status filchi_subscribers_add(filch_future *future, struct consumer *consumer,
                                    uint64_t generation, struct subscriber **node);

/* What has come to a consumer. */
struct completion_node *filchi_subscribers_take_all(struct consumer *consumer);

/* Was this node fired by a process that has died, and has not come? Then it does not come any more; it is
 * TAKEN from now on, and its future is done. By the consumer, after it has taken all that has come. */
bool filchi_subscribers_take_lost(struct subscriber *node);

/* The consumer gives the subscription up. The caller has a handle on the future. */
void filchi_subscribers_abandon(struct subscriber *node);

/* Before the owner of a running future makes its outcome known: tells the consumers, so that whoever
 * sees the outcome and makes another future complete finds both in that order. A consumer that is
 * told waits for the outcome (filchi_future_await_outcome). */
void filchi_subscribers_fire_consumers(filch_future *future);

/* Fires all that are left, oldest first. The future is done. Returns: false in a child that a callback
 * has forked, if the future is not the child's own copy: it must leave it alone. */
bool filchi_subscribers_fire(filch_future *future);

/* The same where no callback may be called. Returns: true if there is one; none comes any more. */
bool filchi_subscribers_leave_callbacks(filch_future *future);

/* Frees the nodes of a future that nobody can reach any more. */
void filchi_subscribers_free(filch_future *future);

#endif
