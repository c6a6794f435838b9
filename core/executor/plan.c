/* executor/plan.c: from the mask, the quota, the ranks and the wish to workers and their places. */
#include "executor/plan.h"

#include "platform/affinity.h"
#include "platform/clock.h"
#include "scheduler/park.h"
#include <pthread.h>
#include <stdlib.h>

/* Reading the quota takes longer than opening a pool does otherwise (0.2 ms here; the kernel writes out
 * its table of mounts), and programs that open one pool after the other get the same answer. Quotas
 * change seldom, and a pool's size never does: what was read within the last second is good enough.
 * Nobody waits for the lock, so a child that was forked while it was held does not either. */
static void read_quota(struct cgroup_quota *quota) {
    static const uint64_t good_for_ns = 1000000000;
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct cgroup_quota last;
    static uint64_t last_ns; /* 0: never */
    if (pthread_mutex_trylock(&lock) != 0) {
        filchi_cgroup_read("", quota);
        return;
    }
    uint64_t now_ns = filchi_clock_ns();
    if (last_ns == 0 || now_ns - last_ns > good_for_ns) {
        filchi_cgroup_read("", &last);
        last_ns = now_ns;
    }
    *quota = last;
    pthread_mutex_unlock(&lock);
}

void filchi_plan_read(struct plan_facts *facts) {
    facts->n_online = filchi_affinity_count_online();
    facts->n_mask = filchi_affinity_count_usable();
    filchi_launcher_read(&facts->launcher);
    read_quota(&facts->quota);
}

/* Ranks share a mask that is all that there is: the whole machine, or the whole of what the launcher
 * was given. A smaller one is what the launcher chose for this rank, or for several. */
static bool is_mask_shared(const struct plan_facts *facts) {
    return facts->launcher.n_ranks > 1 &&
           (facts->n_mask >= facts->n_online || facts->n_mask == facts->launcher.n_cpus);
}

static int least(int a, int b) {
    return a < b ? a : b;
}

/* Compares CPU time, since a quota of 1.5 counts as 2 CPUs but is not. */
static bool is_throttled(const struct plan *plan, int n_sharing) {
    const struct cgroup_quota *quota = &plan->facts.quota;
    return quota->quota_us != 0 && (double)quota->quota_us < (double)quota->period_us *
                                                                 (double)plan->n_part *
                                                                 (double)n_sharing;
}

static void decide_capacity(struct plan *plan) {
    const struct plan_facts *facts = &plan->facts;
    int n_ranks = facts->launcher.n_ranks, rank = facts->launcher.rank;
    plan->is_mask_shared = is_mask_shared(facts);
    plan->n_part = facts->n_mask;
    plan->n_quota = filchi_cgroup_cpus(&facts->quota);
    if (plan->is_mask_shared) {
        /* A launcher makes no group for each rank, so they share the quota as they share the mask. */
        plan->n_part = filchi_topology_part(facts->n_mask, rank < 0 ? 0 : rank, n_ranks);
        if (plan->n_quota != INT_MAX)
            plan->n_quota = (plan->n_quota - 1) / n_ranks + 1;
    }
    plan->n_usable = least(plan->n_part, plan->n_quota);
    plan->is_throttled = is_throttled(plan, plan->is_mask_shared ? n_ranks : 1);
}

static void decide_count(struct plan *plan) {
    plan->n_workers = plan->n_requested > 0 ? plan->n_requested : plan->n_usable;
    plan->count = plan->n_requested > 0               ? PLAN_COUNT_REQUEST
                  : plan->n_quota < plan->n_part      ? PLAN_COUNT_QUOTA
                  : plan->n_part < plan->facts.n_mask ? PLAN_COUNT_RANKS
                                                      : PLAN_COUNT_MASK;
    if (plan->n_workers > PARK_MAX_SEATS) {
        plan->n_workers = PARK_MAX_SEATS;
        plan->count = PLAN_COUNT_LIMIT;
    }
}

/* Binding by default only where the workers are as many as the usable CPUs: fewer share the machine
 * with whatever else runs there, which the kernel balances and a binding would not; two pools bound
 * to the same half would each get half. */
static enum plan_binding decide_binding(const struct plan *plan) {
    const struct launcher *launcher = &plan->facts.launcher;
    switch (plan->asked) {
    case FILCH_BIND_NONE:
        return PLAN_BINDS_NOTHING;
    case FILCH_BIND_CORE:
    case FILCH_BIND_NUMA:
        return PLAN_BINDS_AS_ASKED;
    default:
        break;
    }
    if (plan->facts.n_mask == 1)
        return PLAN_UNBOUND_ONE_CPU;
    if (launcher->n_ranks > 1 && !plan->is_mask_shared)
        return PLAN_UNBOUND_LAUNCHER;
    if (launcher->n_ranks > plan->facts.n_mask)
        return PLAN_UNBOUND_RANKS;
    if (launcher->n_ranks > 1 && launcher->rank < 0)
        return PLAN_UNBOUND_RANK;
    if (plan->is_throttled)
        return PLAN_UNBOUND_QUOTA;
    if (plan->n_workers != plan->n_part)
        return plan->n_workers > plan->n_part ? PLAN_UNBOUND_MANY : PLAN_UNBOUND_FEW;
    return PLAN_BINDS;
}

void filchi_plan_decide(struct plan *plan, int max_workers, filch_bind bind) {
    plan->n_requested = max_workers;
    plan->asked = bind;
    decide_capacity(plan);
    decide_count(plan);
    plan->binding = decide_binding(plan);
}

/* A binding is a wish: without it the pool works all the same. */
static void place(struct plan *plan) {
    enum filchi_bind_kind kind =
        plan->asked == FILCH_BIND_NUMA ? FILCHI_BIND_NUMA : FILCHI_BIND_CORE;
    const struct launcher *launcher = &plan->facts.launcher;
    bool is_part = plan->is_mask_shared && launcher->rank >= 0;
    size_t n = (size_t)plan->n_workers;
    plan->placements = malloc(n * sizeof *plan->placements);
    if (plan->placements != NULL &&
        filchi_topology_plan_part(plan->n_workers, kind, is_part ? launcher->rank : 0,
                                  is_part ? launcher->n_ranks : 1, plan->placements))
        return;
    free(plan->placements);
    plan->placements = NULL;
    plan->binding = PLAN_UNBOUND_STRUCTURE;
}

struct plan *filchi_plan_make(int max_workers, filch_bind bind) {
    struct plan *plan = calloc(1, sizeof *plan);
    if (plan == NULL)
        return NULL;
    filchi_plan_read(&plan->facts);
    filchi_plan_decide(plan, max_workers, bind);
    if (plan_is_bound(plan))
        place(plan);
    return plan;
}

void filchi_plan_free(struct plan *plan) {
    if (plan != NULL)
        free(plan->placements);
    free(plan);
}

const char *filchi_plan_explain_count(const struct plan *plan) {
    switch (plan->count) {
    case PLAN_COUNT_REQUEST:
        return "as .max_workers asks";
    case PLAN_COUNT_MASK:
        return "one for each CPU of the affinity mask";
    case PLAN_COUNT_RANKS:
        return "one for each CPU of this rank's part of the affinity mask";
    case PLAN_COUNT_QUOTA:
        return "as many as the CPU quota keeps busy";
    case PLAN_COUNT_LIMIT:
        break;
    }
    return "the most that a pool can have";
}

const char *filchi_plan_explain_binding(const struct plan *plan) {
    switch (plan->binding) {
    case PLAN_BINDS:
        return "bound, one to each usable CPU";
    case PLAN_BINDS_AS_ASKED:
        return plan->asked == FILCH_BIND_NUMA ? "bound to NUMA nodes, as .bind asks"
                                              : "bound to one CPU each, as .bind asks";
    case PLAN_BINDS_NOTHING:
        return "not bound, as .bind asks";
    case PLAN_UNBOUND_ONE_CPU:
        return "not bound: there is one CPU";
    case PLAN_UNBOUND_QUOTA:
        return "not bound: the CPU quota is smaller than the affinity mask";
    case PLAN_UNBOUND_MANY:
        return "not bound: there are more workers than usable CPUs";
    case PLAN_UNBOUND_FEW:
        return "not bound: there are fewer workers than usable CPUs";
    case PLAN_UNBOUND_RANKS:
        return "not bound: there are more ranks than CPUs";
    case PLAN_UNBOUND_RANK:
        return "not bound: the launcher does not say which of its ranks this is";
    case PLAN_UNBOUND_LAUNCHER:
        return "not bound: the launcher chose the affinity mask, and other ranks may have the same";
    case PLAN_UNBOUND_STRUCTURE:
        break;
    }
    return "not bound: hwloc could not read the machine's structure";
}
