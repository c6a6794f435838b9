/* executor/plan.h: how many workers a pool has and where they belong, with the reasons kept as data.
 *
 * Facts are read from the system; the decision is made from the facts alone, so that every condition
 * can be tested. filch_describe and filch-info show both. */
#ifndef FILCHI_PLAN_H
#define FILCHI_PLAN_H

#include "platform/cgroup.h"
#include "platform/launcher.h"
#include "platform/topology.h"
#include <filch/executor.h>
#include <stddef.h>

struct plan_facts {
    int n_online; /* CPUs of the machine */
    int n_mask;   /* CPUs in the process's mask */
    struct launcher launcher;
    struct cgroup_quota quota;
};

/* What decided about the number of workers. */
enum plan_count {
    PLAN_COUNT_REQUEST, /* .max_workers */
    PLAN_COUNT_MASK,
    PLAN_COUNT_RANKS, /* this rank's part of a mask that a launcher's ranks share */
    PLAN_COUNT_QUOTA,
    PLAN_COUNT_LIMIT, /* of the library */
};

/* Why the workers are bound, or are not. */
enum plan_binding {
    PLAN_BINDS,             /* one to each usable CPU */
    PLAN_BINDS_AS_ASKED,    /* .bind says so */
    PLAN_BINDS_NOTHING,     /* .bind = FILCH_BIND_NONE */
    PLAN_UNBOUND_ONE_CPU,   /* there is no choice */
    PLAN_UNBOUND_QUOTA,     /* which CPUs are throttled when is the kernel's business */
    PLAN_UNBOUND_MANY,      /* more workers than CPUs: the kernel balances better */
    PLAN_UNBOUND_FEW,       /* fewer workers than CPUs: others may bind to the same ones */
    PLAN_UNBOUND_RANKS,     /* more ranks than CPUs */
    PLAN_UNBOUND_RANK,      /* the launcher does not say which rank this is */
    PLAN_UNBOUND_LAUNCHER,  /* the launcher chose the mask; other ranks may have the same one */
    PLAN_UNBOUND_STRUCTURE, /* the machine's structure could not be read */
};

struct plan {
    struct plan_facts facts;
    int n_requested;       /* 0: the default */
    bool is_mask_shared;   /* by the launcher's ranks, each of which takes its part */
    int n_part;            /* CPUs of the mask that are left to this process */
    int n_quota;           /* CPUs that its quota keeps busy; INT_MAX without one */
    bool is_throttled;     /* the quota, before it is rounded up, is below that part */
    int n_usable;          /* the smaller of both */
    int n_workers;         /* at least 1 */
    enum plan_count count; /* what decided about that */
    filch_bind asked;
    enum plan_binding binding;
    struct filchi_placement *placements; /* of each worker; NULL: not bound */
};

void filchi_plan_read(struct plan_facts *facts);

/* Everything but the placements. */
void filchi_plan_decide(struct plan *plan, int max_workers, filch_bind bind);

static inline bool plan_is_bound(const struct plan *plan) {
    return plan->binding <= PLAN_BINDS_AS_ASKED;
}

/* A pool's plan. A pool that binds its workers loads the machine's structure; no other one does,
 * since a worker that is not bound is nowhere, and has no neighbours.
 * Owns: the caller, filchi_plan_free. Returns: NULL without memory. */
struct plan *filchi_plan_make(int max_workers, filch_bind bind);

void filchi_plan_free(struct plan *plan);

/* Where who sits on a seat belongs; NULL: nowhere. */
static inline const struct filchi_placement *plan_placement(const struct plan *plan,
                                                            uint32_t seat) {
    return plan->placements != NULL && seat < (uint32_t)plan->n_workers ? &plan->placements[seat]
                                                                        : NULL;
}

/* The reasons in words: "one for each CPU of the affinity mask". */
const char *filchi_plan_explain_count(const struct plan *plan);
const char *filchi_plan_explain_binding(const struct plan *plan);

#endif
