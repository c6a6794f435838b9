/* test_plan.c: how many workers, and whether they are bound, under every condition. */
#include "executor/plan.h"

#include "test.h"

/* A machine of 8 CPUs, all of them in the mask, no quota, no launcher. */
static struct plan_facts quiet_machine(void) {
    return (struct plan_facts){.n_online = 8, .n_mask = 8, .launcher = {.n_ranks = 1, .rank = -1}};
}

static struct plan decide(struct plan_facts facts, int max_workers, filch_bind bind) {
    struct plan plan = {.facts = facts};
    filchi_plan_decide(&plan, max_workers, bind);
    return plan;
}

static struct plan_facts with_quota(uint64_t percent) {
    struct plan_facts facts = quiet_machine();
    facts.quota.quota_us = percent * 1000;
    facts.quota.period_us = 100000;
    return facts;
}

static struct plan_facts with_ranks(int n_ranks, int rank) {
    struct plan_facts facts = quiet_machine();
    facts.launcher = (struct launcher){"MPI_LOCALNRANKS", n_ranks, rank, 0};
    return facts;
}

static void check(struct plan plan, int n_workers, enum plan_count count,
                  enum plan_binding binding) {
    CHECK_EQ(plan.n_workers, n_workers);
    CHECK_EQ((int)plan.count, (int)count);
    CHECK_EQ((int)plan.binding, (int)binding);
    CHECK(filchi_plan_explain_count(&plan)[0] != '\0');
    CHECK_STR_HAS(filchi_plan_explain_binding(&plan), plan_is_bound(&plan) ? "bound" : "not bound");
}

TEST(plan, the_mask) {
    check(decide(quiet_machine(), 0, FILCH_BIND_AUTO), 8, PLAN_COUNT_MASK, PLAN_BINDS);
    struct plan_facts half = quiet_machine();
    half.n_mask = 4;
    check(decide(half, 0, FILCH_BIND_AUTO), 4, PLAN_COUNT_MASK, PLAN_BINDS);
    half.n_mask = 1;
    check(decide(half, 0, FILCH_BIND_AUTO), 1, PLAN_COUNT_MASK, PLAN_UNBOUND_ONE_CPU);
}

TEST(plan, a_request_is_what_the_program_gets) {
    check(decide(quiet_machine(), 8, FILCH_BIND_AUTO), 8, PLAN_COUNT_REQUEST, PLAN_BINDS);
    check(decide(quiet_machine(), 3, FILCH_BIND_AUTO), 3, PLAN_COUNT_REQUEST, PLAN_UNBOUND_FEW);
    check(decide(quiet_machine(), 9, FILCH_BIND_AUTO), 9, PLAN_COUNT_REQUEST, PLAN_UNBOUND_MANY);
    check(decide(with_quota(200), 8, FILCH_BIND_AUTO), 8, PLAN_COUNT_REQUEST, PLAN_UNBOUND_QUOTA);
}

TEST(plan, binding_as_asked) {
    check(decide(quiet_machine(), 0, FILCH_BIND_NONE), 8, PLAN_COUNT_MASK, PLAN_BINDS_NOTHING);
    check(decide(quiet_machine(), 99, FILCH_BIND_CORE), 99, PLAN_COUNT_REQUEST,
          PLAN_BINDS_AS_ASKED);
    check(decide(with_quota(100), 2, FILCH_BIND_NUMA), 2, PLAN_COUNT_REQUEST, PLAN_BINDS_AS_ASKED);
}

TEST(plan, a_quota) {
    check(decide(with_quota(400), 0, FILCH_BIND_AUTO), 4, PLAN_COUNT_QUOTA, PLAN_UNBOUND_QUOTA);
    check(decide(with_quota(150), 0, FILCH_BIND_AUTO), 2, PLAN_COUNT_QUOTA, PLAN_UNBOUND_QUOTA);
    check(decide(with_quota(1), 0, FILCH_BIND_AUTO), 1, PLAN_COUNT_QUOTA, PLAN_UNBOUND_QUOTA);
    check(decide(with_quota(750), 0, FILCH_BIND_AUTO), 8, PLAN_COUNT_MASK, PLAN_UNBOUND_QUOTA);
    check(decide(with_quota(800), 0, FILCH_BIND_AUTO), 8, PLAN_COUNT_MASK, PLAN_BINDS);
    check(decide(with_quota(6400), 0, FILCH_BIND_AUTO), 8, PLAN_COUNT_MASK, PLAN_BINDS);
}

TEST(plan, ranks_share_a_whole_machine) {
    check(decide(with_ranks(2, 0), 0, FILCH_BIND_AUTO), 4, PLAN_COUNT_RANKS, PLAN_BINDS);
    check(decide(with_ranks(3, 0), 0, FILCH_BIND_AUTO), 2, PLAN_COUNT_RANKS, PLAN_BINDS);
    check(decide(with_ranks(3, 2), 0, FILCH_BIND_AUTO), 3, PLAN_COUNT_RANKS, PLAN_BINDS);
    check(decide(with_ranks(8, 7), 0, FILCH_BIND_AUTO), 1, PLAN_COUNT_RANKS, PLAN_BINDS);
    check(decide(with_ranks(9, 7), 0, FILCH_BIND_AUTO), 1, PLAN_COUNT_RANKS, PLAN_UNBOUND_RANKS);
    check(decide(with_ranks(2, -1), 0, FILCH_BIND_AUTO), 4, PLAN_COUNT_RANKS, PLAN_UNBOUND_RANK);
    check(decide(with_ranks(2, 0), 8, FILCH_BIND_AUTO), 8, PLAN_COUNT_REQUEST, PLAN_UNBOUND_MANY);
    check(decide(with_ranks(1, 0), 0, FILCH_BIND_AUTO), 8, PLAN_COUNT_MASK, PLAN_BINDS);
}

TEST(plan, ranks_whose_mask_the_launcher_chose) {
    struct plan_facts facts = with_ranks(2, 0);
    facts.n_mask = 4;
    check(decide(facts, 0, FILCH_BIND_AUTO), 4, PLAN_COUNT_MASK, PLAN_UNBOUND_LAUNCHER);
    facts.launcher.n_cpus = 4; /* the whole of an allocation of half the machine */
    check(decide(facts, 0, FILCH_BIND_AUTO), 2, PLAN_COUNT_RANKS, PLAN_BINDS);
    facts.launcher.n_cpus = 8;
    check(decide(facts, 0, FILCH_BIND_AUTO), 4, PLAN_COUNT_MASK, PLAN_UNBOUND_LAUNCHER);
}

TEST(plan, ranks_share_a_quota) {
    struct plan_facts facts = with_ranks(2, 1);
    facts.quota.quota_us = 300000;
    facts.quota.period_us = 100000;
    check(decide(facts, 0, FILCH_BIND_AUTO), 2, PLAN_COUNT_QUOTA, PLAN_UNBOUND_QUOTA);
    facts.quota.quota_us = 700000;
    check(decide(facts, 0, FILCH_BIND_AUTO), 4, PLAN_COUNT_RANKS, PLAN_UNBOUND_QUOTA);
    facts.quota.quota_us = 800000;
    check(decide(facts, 0, FILCH_BIND_AUTO), 4, PLAN_COUNT_RANKS, PLAN_BINDS);
}

TEST(plan, the_most_workers) {
    struct plan_facts facts = quiet_machine();
    facts.n_online = facts.n_mask = 5000;
    check(decide(facts, 0, FILCH_BIND_AUTO), 4096, PLAN_COUNT_LIMIT, PLAN_UNBOUND_FEW);
}

TEST(plan, placements_on_a_made_up_machine) {
    CHECK_EQ(setenv("HWLOC_SYNTHETIC", "pack:2 [numa] core:2 pu:2", 1), 0);
    struct plan *plan = filchi_plan_make(8, FILCH_BIND_CORE);
    CHECK_NOT_NULL(plan);
    static const int cpus[8] = {0, 2, 4, 6, 1, 3, 5, 7};
    for (uint32_t i = 0; i < 8; i++) {
        CHECK_NOT_NULL(plan_placement(plan, i));
        CHECK_EQ(plan_placement(plan, i)->cpu, cpus[i]);
    }
    CHECK_NULL(plan_placement(plan, 8));
    filchi_plan_free(plan);
    plan = filchi_plan_make(8, FILCH_BIND_NONE);
    CHECK_NOT_NULL(plan);
    CHECK_NULL(plan_placement(plan, 0));
    filchi_plan_free(plan);
}
