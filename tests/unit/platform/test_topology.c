/* test_topology.c: plans on made-up machines (HWLOC_SYNTHETIC), binding on this one.
 *
 * A machine is loaded once per process, so each test needs a process of its own, which the plain
 * mode of test.h does not give; hence TEST_ALONE. */
#include "platform/affinity.h"
#include "platform/binding.h"

#include "unit/alone.h"
#include <limits.h>
#include <pthread.h>
#include <sched.h>

static void *run_as_thread(void *function) {
    (*(void (**)(void))function)();
    return NULL;
}

static void run_in_thread(void (*run)(void)) {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, run_as_thread, &run), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* The tests themselves assume at most CPU_SETSIZE CPUs. */
static cpu_set_t own_mask(void) {
    cpu_set_t set;
    CHECK_EQ(sched_getaffinity(0, sizeof set, &set), 0);
    return set;
}

static bool has_mask(cpu_set_t expected) {
    cpu_set_t set = own_mask();
    return CPU_EQUAL(&set, &expected);
}

static cpu_set_t one_cpu(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return set;
}

static int last_cpu(void) {
    cpu_set_t set = own_mask();
    int cpu = CPU_SETSIZE - 1;
    while (!CPU_ISSET(cpu, &set))
        cpu--;
    return cpu;
}

/* Restricts the calling thread to its last CPU. Returns: that. */
static int restrict_to_one(void) {
    int cpu = last_cpu();
    cpu_set_t one = one_cpu(cpu);
    CHECK_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    return cpu;
}

/* cpu core l2 l3 node of each worker. */
static void check_plan(int n, const int (*expected)[5]) {
    struct filchi_placement plan[64];
    CHECK_LE(n, 64);
    CHECK(filchi_topology_plan(n, FILCHI_BIND_CORE, plan));
    for (int i = 0; i < n; i++) {
        CHECK_EQ((int)plan[i].kind, (int)FILCHI_BIND_CORE);
        const int seen[5] = {plan[i].cpu, plan[i].core, plan[i].l2, plan[i].l3, plan[i].node};
        CHECK_MSG(memcmp(seen, expected[i], sizeof seen) == 0, "worker %d: %d %d %d %d %d", i,
                  seen[0], seen[1], seen[2], seen[3], seen[4]);
    }
}

/* ---- the mask ---- */

TEST_ALONE(topology, usable_cpus_are_those_of_the_mask) {
    cpu_set_t all = own_mask();
    CHECK_EQ(filchi_affinity_count_usable(), CPU_COUNT(&all));
    restrict_to_one();
    CHECK_EQ(filchi_affinity_count_usable(), 1);
    CHECK_EQ(sched_setaffinity(0, sizeof all, &all), 0);
    CHECK_EQ(filchi_affinity_count_usable(), CPU_COUNT(&all));
}

static int usable_before;

static void count_in_restricted_thread(void) {
    restrict_to_one();
    CHECK_EQ(filchi_affinity_count_usable(), usable_before);
}

TEST_ALONE(topology, usable_cpus_are_the_same_in_a_bound_thread) {
    usable_before = filchi_affinity_count_usable();
    run_in_thread(count_in_restricted_thread);
}

TEST_ALONE(topology, usable_cpus_does_not_need_hwloc) {
    setenv("HWLOC_COMPONENTS", "stop", 1);
    cpu_set_t all = own_mask();
    CHECK_EQ(filchi_affinity_count_usable(), CPU_COUNT(&all));
}

/* ---- plans on made-up machines ---- */

TEST_ALONE(topology, cores_come_before_siblings) {
    use_machine("pack:2 core:2 l2:1 pu:2");
    static const int expected[][5] = {
        {0, 0, 0, 0, 0}, {2, 1, 1, 0, 0}, {4, 2, 2, 0, 0}, {6, 3, 3, 0, 0},
        {1, 0, 0, 0, 0}, {3, 1, 1, 0, 0}, {5, 2, 2, 0, 0}, {7, 3, 3, 0, 0},
    };
    check_plan(8, expected);
    check_plan(3, expected);
    check_plan(1, expected);
}

TEST_ALONE(topology, workers_beyond_the_cpus_start_again) {
    use_machine("core:2 pu:2");
    static const int expected[][5] = {
        {0, 0, 0, 0, 0}, {2, 1, 1, 0, 0}, {1, 0, 0, 0, 0}, {3, 1, 1, 0, 0}, {0, 0, 0, 0, 0},
        {2, 1, 1, 0, 0}, {1, 0, 0, 0, 0}, {3, 1, 1, 0, 0}, {0, 0, 0, 0, 0},
    };
    check_plan(9, expected);
}

TEST_ALONE(topology, caches_and_nodes_are_told_apart) {
    use_machine("pack:2 [numa] l3:2 l2:2 core:2 pu:1");
    static const int expected[][5] = {
        {0, 0, 0, 0, 0},   {1, 1, 0, 0, 0},   {2, 2, 1, 0, 0},   {3, 3, 1, 0, 0},
        {4, 4, 2, 1, 0},   {5, 5, 2, 1, 0},   {6, 6, 3, 1, 0},   {7, 7, 3, 1, 0},
        {8, 8, 4, 2, 1},   {9, 9, 4, 2, 1},   {10, 10, 5, 2, 1}, {11, 11, 5, 2, 1},
        {12, 12, 6, 3, 1}, {13, 13, 6, 3, 1}, {14, 14, 7, 3, 1}, {15, 15, 7, 3, 1},
    };
    check_plan(16, expected);
    CHECK_EQ(filchi_topology_numa_nodes(), 2);
    CHECK(filchi_topology_has_node(1));
}

TEST_ALONE(topology, nodes_smaller_than_a_cache_or_a_package) {
    use_machine("pack:1 l3:1 group:2 [numa] core:2 pu:1");
    static const int expected[][5] = {
        {0, 0, 0, 0, 0}, {1, 1, 1, 0, 0}, {2, 2, 2, 0, 1}, {3, 3, 3, 0, 1}};
    check_plan(4, expected);
    CHECK_EQ(filchi_topology_numa_nodes(), 2);
}

TEST_ALONE(topology, without_an_l3_the_node_takes_its_place) {
    use_machine("pack:2 [numa] core:2 pu:1");
    static const int expected[][5] = {
        {0, 0, 0, 0, 0}, {1, 1, 1, 0, 0}, {2, 2, 2, 1, 1}, {3, 3, 3, 1, 1}};
    check_plan(4, expected);
}

TEST_ALONE(topology, cpu_numbers_are_the_systems) {
    use_machine("core:2 pu:2(indexes=0,2,1,3)");
    static const int expected[][5] = {
        {0, 0, 0, 0, 0}, {1, 1, 1, 0, 0}, {2, 0, 0, 0, 0}, {3, 1, 1, 0, 0}};
    check_plan(4, expected);
}

TEST_ALONE(topology, node_numbers_are_the_systems) {
    use_machine("pack:2 [numa(indexes=5,3)] core:1 pu:1");
    static const int expected[][5] = {{0, 0, 0, 0, 5}, {1, 1, 1, 1, 3}};
    check_plan(2, expected);
    CHECK_EQ(filchi_topology_numa_nodes(), 2);
    CHECK(filchi_topology_has_node(5));
    CHECK(filchi_topology_has_node(3));
    CHECK(!filchi_topology_has_node(0));
    CHECK(!filchi_topology_has_node(-1));
    CHECK(!filchi_topology_has_node(INT_MAX));
}

TEST_ALONE(topology, a_machine_without_cores_is_planned_by_cpu) {
    use_machine("pack:2 pu:2");
    static const int expected[][5] = {
        {0, 0, 0, 0, 0}, {1, 1, 1, 0, 0}, {2, 2, 2, 0, 0}, {3, 3, 3, 0, 0}};
    check_plan(4, expected);
}

TEST_ALONE(topology, a_machine_of_more_cpus_than_a_cpu_set) {
    use_machine("pack:2 [numa] l3:8 core:64 pu:2");
    static struct filchi_placement plan[2048];
    CHECK(filchi_topology_plan(2048, FILCHI_BIND_CORE, plan));
    CHECK_EQ(plan[1023].cpu, 2046);
    CHECK_EQ(plan[1023].core, 1023);
    CHECK_EQ(plan[1023].l3, 15);
    CHECK_EQ(plan[2047].cpu, 2047);
    CHECK(!filchi_binding_set(&plan[2047]));
}

TEST_ALONE(topology, numa_plans_name_the_node_of_the_core) {
    use_machine("pack:2 [numa] core:2 pu:2");
    struct filchi_placement plan[4];
    CHECK(filchi_topology_plan(4, FILCHI_BIND_NUMA, plan));
    for (int i = 0; i < 4; i++) {
        CHECK_EQ((int)plan[i].kind, (int)FILCHI_BIND_NUMA);
        CHECK_EQ(plan[i].node, i / 2);
    }
}

TEST_ALONE(topology, a_made_up_machine_ignores_the_mask_and_binds_nothing) {
    use_machine("core:4 pu:1");
    struct filchi_placement plan[4];
    restrict_to_one();
    cpu_set_t before = own_mask();
    CHECK(filchi_topology_plan(4, FILCHI_BIND_CORE, plan));
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(plan[i].cpu, i);
        CHECK(!filchi_binding_set(&plan[i]));
        plan[i].kind = FILCHI_BIND_NUMA;
        CHECK(!filchi_binding_set(&plan[i]));
    }
    CHECK(has_mask(before));
}

/* ---- this machine ---- */

TEST_ALONE(topology, a_plan_uses_each_cpu_of_the_mask_once) {
    cpu_set_t all = own_mask(), seen;
    int n = CPU_COUNT(&all);
    struct filchi_placement *plan = calloc((size_t)n, sizeof *plan);
    CHECK(filchi_topology_plan(n, FILCHI_BIND_CORE, plan));
    CHECK(has_mask(all));
    CPU_ZERO(&seen);
    for (int i = 0; i < n; i++)
        CPU_SET(plan[i].cpu, &seen);
    CHECK(CPU_EQUAL(&seen, &all));
    CHECK_GE(filchi_topology_numa_nodes(), 1);
    CHECK(plan[0].node < 0 || filchi_topology_has_node(plan[0].node));
    free(plan);
}

TEST_ALONE(topology, a_mask_of_one_cpu) {
    struct filchi_placement plan[3];
    int cpu = restrict_to_one();
    CHECK(filchi_topology_plan(3, FILCHI_BIND_CORE, plan));
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(plan[i].cpu, cpu);
        CHECK_EQ(plan[i].core, 0);
        CHECK_EQ(plan[i].l3, 0);
    }
    cpu_set_t one = one_cpu(cpu);
    CHECK(filchi_binding_set(&plan[2]));
    CHECK(has_mask(one));
    CHECK(filchi_topology_plan(1, FILCHI_BIND_NUMA, plan));
    if (filchi_binding_set(&plan[0]))
        CHECK(has_mask(one));
}

TEST_ALONE(topology, plans_follow_the_mask) {
    struct filchi_placement plan[2];
    CHECK(filchi_topology_plan(2, FILCHI_BIND_CORE, plan));
    int first = plan[0].cpu;
    int cpu = restrict_to_one();
    struct filchi_placement after[2];
    CHECK(filchi_topology_plan(2, FILCHI_BIND_CORE, after));
    CHECK_EQ(after[0].cpu, cpu);
    CHECK_EQ(after[1].cpu, cpu);
    if (first != cpu) {
        CHECK(!filchi_binding_set(&plan[0]));
        CHECK(has_mask(one_cpu(cpu)));
    }
}

static struct filchi_placement shared_plan[2];
static cpu_set_t whole;

static void check_unbound(void) {
    CHECK(has_mask(whole));
}

static void check_inherited_binding_ends(void) {
    CHECK(has_mask(one_cpu(shared_plan[1].cpu)));
    CHECK(filchi_binding_undo());
    CHECK(has_mask(whole));
}

static void check_binding(void) {
    for (int i = 0; i < 2; i++) {
        CHECK(filchi_binding_set(&shared_plan[i]));
        CHECK(has_mask(one_cpu(shared_plan[i].cpu)));
        CHECK_EQ(sched_getcpu(), shared_plan[i].cpu);
    }
    CHECK_EQ(filchi_affinity_count_usable(), CPU_COUNT(&whole));
    run_in_child(check_unbound);
    run_in_thread(check_inherited_binding_ends);
    CHECK(has_mask(one_cpu(shared_plan[1].cpu)));
    CHECK(filchi_binding_undo());
    CHECK(has_mask(whole));
    CHECK(filchi_binding_set(&shared_plan[0]));
}

TEST_ALONE(topology, binding_is_of_one_thread_and_not_of_its_children) {
    whole = own_mask();
    CHECK(filchi_topology_plan(2, FILCHI_BIND_CORE, shared_plan));
    run_in_thread(check_binding);
    CHECK(has_mask(whole));
}

/* As a worker process does. Its mask is then one CPU, for pools inside it too. */
TEST_ALONE(topology, the_main_thread_of_a_process_can_be_bound_twice) {
    whole = own_mask();
    CHECK(filchi_topology_plan(2, FILCHI_BIND_CORE, shared_plan));
    for (int i = 0; i < 2; i++) {
        CHECK(filchi_binding_set(&shared_plan[i]));
        CHECK(has_mask(one_cpu(shared_plan[i].cpu)));
        CHECK_EQ(filchi_affinity_count_usable(), 1);
        run_in_child(check_unbound);
    }
    CHECK(filchi_binding_undo());
    CHECK(has_mask(whole));
}

static void check_node_binding(void) {
    CHECK(filchi_binding_set(&shared_plan[0]));
    if (filchi_topology_numa_nodes() == 1)
        CHECK(has_mask(whole));
    CHECK(CPU_ISSET(shared_plan[0].cpu, &whole));
}

TEST_ALONE(topology, binding_to_a_node) {
    whole = own_mask();
    CHECK(filchi_topology_plan(2, FILCHI_BIND_NUMA, shared_plan));
    if (shared_plan[0].node >= 0)
        run_in_thread(check_node_binding);
}

TEST_ALONE(topology, impossible_placements_change_nothing) {
    whole = own_mask();
    CHECK(filchi_topology_plan(1, FILCHI_BIND_CORE, shared_plan));
    struct filchi_placement impossible = shared_plan[0];
    const int cpus[] = {-1, CPU_SETSIZE - 1, CPU_SETSIZE, INT_MAX};
    for (size_t i = 0; i < sizeof cpus / sizeof cpus[0]; i++) {
        impossible.cpu = cpus[i];
        CHECK(!filchi_binding_set(&impossible) || CPU_ISSET(CPU_SETSIZE - 1, &whole));
    }
    impossible.kind = FILCHI_BIND_NUMA;
    const int nodes[] = {-1, INT_MAX};
    for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++) {
        impossible.node = nodes[i];
        CHECK(!filchi_binding_set(&impossible));
    }
    check_unbound();
}

TEST_ALONE(topology, without_hwloc_nothing_is_planned_or_bound) {
    setenv("HWLOC_COMPONENTS", "stop", 1);
    whole = own_mask();
    struct filchi_placement untouched = {FILCHI_BIND_CORE, last_cpu(), 7, 7, 7, 7};
    struct filchi_placement plan = untouched;
    for (int i = 0; i < 2; i++) {
        CHECK(!filchi_topology_plan(1, FILCHI_BIND_CORE, &plan));
        CHECK(memcmp(&plan, &untouched, sizeof plan) == 0);
        CHECK(!filchi_binding_set(&plan));
        CHECK_EQ(filchi_topology_numa_nodes(), 1);
        CHECK(filchi_topology_has_node(0));
        CHECK(!filchi_topology_has_node(1));
        check_unbound();
    }
}

/* ---- many threads, and forks ---- */

static void plan_once(void) {
    struct filchi_placement plan[2];
    CHECK(filchi_topology_plan(2, FILCHI_BIND_CORE, plan));
    CHECK(filchi_binding_set(&plan[0]));
}

/* Until here the threads live, because ThreadSanitizer calls one that has ended by the time of a
 * fork a leak of the child. */
static pthread_barrier_t forks_are_done;

static void plan_and_stay(void) {
    plan_once();
    pthread_barrier_wait(&forks_are_done);
}

TEST_ALONE(topology, stampede_to_load_while_forking) {
    enum { N_THREADS = 4, N_FORKS = 20 };
    void (*run)(void) = plan_and_stay;
    pthread_t threads[N_THREADS];
    CHECK_EQ(pthread_barrier_init(&forks_are_done, NULL, N_THREADS + 1), 0);
    for (int i = 0; i < N_THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, run_as_thread, &run), 0);
    for (int i = 0; i < N_FORKS; i++)
        run_in_child(plan_once);
    pthread_barrier_wait(&forks_are_done);
    for (int i = 0; i < N_THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    pthread_barrier_destroy(&forks_are_done);
}

/* ---- parts ---- */

TEST_ALONE(topology, ranks_share_the_cpus_without_overlap) {
    use_machine("pack:2 [numa] core:4 pu:1");
    struct filchi_placement plan[4];
    for (int rank = 0, cpu = 0; rank < 3; rank++) {
        int n = filchi_topology_part(8, rank, 3);
        CHECK_EQ(n, rank == 0 ? 2 : 3);
        CHECK(filchi_topology_plan_part(n, FILCHI_BIND_CORE, rank, 3, plan));
        for (int i = 0; i < n; i++)
            CHECK_EQ(plan[i].cpu, cpu++);
    }
    /* More ranks than CPUs: neighbours share one. */
    for (int rank = 0; rank < 16; rank++) {
        CHECK_EQ(filchi_topology_part(8, rank, 16), 1);
        CHECK(filchi_topology_plan_part(1, FILCHI_BIND_CORE, rank, 16, plan));
        CHECK_EQ(plan[0].cpu, rank / 2);
    }
}

TEST_ALONE(topology, a_part_keeps_the_siblings_of_a_core) {
    use_machine("pack:1 core:4 pu:2");
    static const int expected[4] = {4, 6, 5, 7};
    struct filchi_placement plan[4];
    CHECK(filchi_topology_plan_part(4, FILCHI_BIND_CORE, 1, 2, plan));
    for (int i = 0; i < 4; i++)
        CHECK_EQ(plan[i].cpu, expected[i]);
}

/* ---- what loading cost ---- */

TEST_ALONE(topology, facts_are_known_once_it_is_loaded) {
    use_machine("core:4 pu:1");
    struct topology_facts facts;
    filchi_topology_read_facts(false, &facts);
    CHECK(!facts.is_loaded);
    filchi_topology_read_facts(true, &facts);
    CHECK(facts.is_loaded);
    CHECK(!facts.is_this_system);
    CHECK_GT(facts.load_ns, 0);
    uint64_t first_ns = facts.load_ns;
    filchi_topology_read_facts(false, &facts);
    CHECK(facts.is_loaded);
    CHECK_EQ(facts.load_ns, first_ns);
}
