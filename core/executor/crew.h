/* executor/crew.h: what a thread pool and a process pool have in common: workers of their own, with an
 * initializer and a finalizer, bound by a plan. */
#ifndef FILCHI_CREW_H
#define FILCHI_CREW_H

#include "executor/plan.h"
#include "executor/pool.h"
#include <filch/thread_pool.h>

enum { CREW_PREFIX_BYTES = 16 };

struct crew {
    filch_thread_pool_options options; /* those that both kinds have */
    char prefix[CREW_PREFIX_BYTES];    /* of the workers' names */
};

/* Checks the options and notes them. Returns: FILCH_OK, or what is wrong with which. */
filch_status filchi_crew_init(const char *function, struct crew *crew,
                              const filch_thread_pool_options *options);

/* How long an idle worker searches. */
uint64_t filchi_crew_spin_ns(const struct crew *crew, const struct plan *plan);

/* The calling thread runs a worker: binds it where the worker sits, even if that is nowhere, since who
 * started it may be bound. Without a seat it runs anywhere, so as not to share the core of its
 * substitute while others are idle. */
void filchi_crew_bind(const struct plan *plan, const struct worker *worker);

/* The initializer, on the calling worker. Returns: false if it failed; `why` gets the text. */
bool filchi_crew_initialise(const struct crew *crew, struct worker *worker, char *why,
                            size_t why_size);

/* The finalizer, on a worker that has been initialised. */
void filchi_crew_finalise(const struct crew *crew, struct worker *worker);

#endif
