/* executor/process_pool/notifier.h: who delivers what a finisher must not.
 *
 * Whoever runs a future in a worker process may neither run a callback that the opener's process added
 * nor report a failure there. It makes the outcome known and tells consumers, sets DEFERRED, and pushes
 * the block here: one CAS, without memory, since the link lies in the block. A thread of the opener, the
 * notifier, takes all of them at once and delivers. It sleeps on a futex while there are none.
 *
 * A future that a worker process submitted, and that has a callback, goes on from here by that worker's
 * mail: a stack of the same links, which the worker takes between two tasks. So callbacks run in the
 * process that added them, and never on top of a task that waits. A worker that expects to call one does not
 * leave before (worker->n_expected).
 *
 *     DEFERRED                    in the stack, or in the notifier's hands, or about to be pushed by its
 *                                 finisher
 *     MAILED                      in the mail, or in the hands of the worker whose mail it was
 *     DELIVERED and RELEASED      posted by who found out that its handles are gone: to be freed
 *
 * A block is in one list at a time: only who sets DEFERRED or MAILED pushes it, and it is not freed before
 * it was delivered. The end of a worker takes its mail back (filchi_notifier_disown); one lock of the
 * opener's process keeps that from what the notifier is mailing just then. It is never held while the
 * program's code runs, so a callback that blocks holds up only callbacks.
 *
 * Whether a worker that died had pushed a block nobody can tell. So who sees to its end gives the future to
 * the notifier as an orphan (filchi_notifier_adopt), which takes its orphans first and the stack next: the
 * dead pushes no more, so when all from the stack is delivered an orphan is in nobody's hands, or MAILED, and
 * what is left to be done for it is done. tests/model/recovery/delivery.pml shows it.
 *
 * It also rings the fork server for workers that may not send it signals any more, since a task has given up
 * the rights of the program's user (filchi_notifier_relay).
 *
 * Edges:
 *   UNDELIVERED  push (seq_cst), then a look at the bell (seq_cst) against bell set (seq_cst), then a look
 *                at the stack (seq_cst): the notifier sees the block or is woken; orphans and the wish for
 *                a relay likewise
 *   MAIL         push (seq_cst) -> the worker's exchange (acquire) */
#ifndef FILCHI_NOTIFIER_H
#define FILCHI_NOTIFIER_H

#include "executor/block.h"
#include "executor/pool.h"

struct process_pool;

/* In shared memory. All zero at first. */
struct undelivered {
    _Alignas(CACHE_LINE) filch_atomic_pointer newest; /* struct block */
    filch_atomic_u32 bell;                            /* 1: the notifier sleeps, or is about to */
    filch_atomic_u32 is_busy;   /* it may have taken some that it has not delivered */
    filch_atomic_u32 n_rounds;  /* that it has come to the end of; a futex */
    filch_atomic_u32 n_waiting; /* for all to be delivered */
    filch_atomic_u32 n_orphans; /* that it has not looked at */
    filch_atomic_u32 has_relay; /* somebody cannot ring the server */
    filch_atomic_u32 is_to_end;
};

/* Queue entries. A death leaves one, if any, and some dozens are there from the start: that must not fail. */
struct orphans {
    uint64_t *entries;
    size_t n, capacity;
};

/* The opener's. */
struct notifier {
    struct pool *pool;
    pthread_t thread;
    bool is_running;
    pthread_mutex_t mail;              /* around mailing and disowning, and the orphans */
    struct orphans orphans;            /* that were given since, */
    struct orphans taken;              /* and those before: the thread's own */
    struct process_pool *process_pool; /* NULL: there is no server */
};

/* Leaves the delivery of this block to the notifier. Any process. */
void filchi_notifier_push(struct undelivered *undelivered, struct block *block);

/* Has the opener's process ring the server; a callback that blocks holds it up. Any process. */
void filchi_notifier_relay(struct undelivered *undelivered);

/* Starts the thread. `process_pool`: whose server it rings; NULL where workers are threads.
 * Returns: 0 or an errno value. */
int filchi_notifier_start(struct notifier *notifier, struct pool *pool,
                          struct process_pool *process_pool);

/* Ends it, when nobody pushes any more and all has been delivered. */
void filchi_notifier_stop(struct notifier *notifier);

/* Waits until all that was pushed is delivered. Returns: FILCH_OK or FILCH_TIMEOUT. */
filch_status filchi_notifier_await(struct undelivered *undelivered, uint64_t deadline_ns);

/* A worker process has ended, in whatever way, and nobody has taken its place: its handles and callbacks
 * are gone. Runs none of the program's code. */
void filchi_notifier_disown(struct notifier *notifier, struct worker *worker);

/* A worker process has ended that may have been about to deliver this future, which is done. Returns: false if
 * there is no memory to say so before others have been delivered: it is to be given again. */
bool filchi_notifier_adopt(struct notifier *notifier, uint64_t entry);

/* Somebody who died may have pushed and not rung. Harmless if not. */
void filchi_notifier_rouse(struct undelivered *undelivered);

/* Delivers what is in the calling worker's mail. */
void filchi_notifier_serve_mail(struct worker *worker);

#endif
