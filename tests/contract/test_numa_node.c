/* .numa_node of submit: a preference, never a condition. The machine is made up: nothing is bound on it,
 * but seats have places. */
#include "pools.h"
#include "scheduler/worker.h"
#include <limits.h>

static void use_two_nodes(void) {
    CHECK_EQ(setenv("HWLOC_SYNTHETIC", "pack:2 [numa] core:2 pu:1", 1), 0);
}

/* Seats 0 and 1 are on node 0, 2 and 3 on node 1. */
static filch_executor *open_bound(void) {
    use_two_nodes();
    filch_executor *ex =
        filch_thread_pool(.max_workers = 4, .bind = FILCH_BIND_CORE, .spin = FILCH_NO_SPIN);
    CHECK_NOT_NULL(ex);
    return ex;
}

static int own_node(void) {
    return (int)filchi_worker_self()->seat / 2;
}
FILCH_TASK(int, own_node);

CONTRACT(numa_node, any_pool_takes_a_node_that_exists) {
    use_two_nodes();
    filch_executor *ex = pool->open(2);
    for (int node = 0; node < 2; node++)
        check_long(filch_submit_with(ex, FILCH_OPTIONS(.numa_node = FILCH_NODE(node)), twice, node),
                   2 * node);
    static const int wrong[] = {-1, FILCH_NODE(2), INT_MAX, INT_MIN};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK_NULL(filch_submit_with(ex, FILCH_OPTIONS(.numa_node = wrong[i]), twice, 1));
        CHECK_FAILURE(FILCH_INVALID, "numa_node");
    }
    filch_close(ex);
}

/* An idle pool wakes, or starts, a worker of the node. */
THREAD_POOL_TEST(numa_node, a_worker_of_the_node_is_woken) {
    filch_executor *ex = open_bound();
    int there = 0;
    enum { ROUNDS_EACH = 8 };
    for (int i = 0; i < 2 * ROUNDS_EACH; i++) {
        int node = 1 - i / 4 % 2, seen = -1;
        let_others_block(); /* until all are asleep */
        filch_future *future =
            filch_submit_with(ex, FILCH_OPTIONS(.numa_node = FILCH_NODE(node)), own_node);
        CHECK_EQ(filch_result(future, &seen), FILCH_OK);
        filch_release(future);
        there += seen == node;
    }
    CHECK_GE(there, 2 * ROUNDS_EACH - 4);
    filch_close(ex);
}

enum { TASKS = 60 };
static struct gate n_seen;
static int seen_tags[3 * TASKS];

static void note(int tag) {
    int at = atomic_fetch_add(&n_seen.value, 1);
    seen_tags[at] = tag;
    gate_add(&n_seen, 0);
}
FILCH_TASK_VOID(note, int);

/* A worker of node 1 takes what is for node 1 and for anybody before what is for node 0; but that, too,
 * though the workers of node 0 never come. */
THREAD_POOL_TEST(numa_node, others_come_last_and_come_all_the_same) {
    filch_executor *ex = open_bound();
    struct hold holds[4];
    filch_future *held[4], *tasks[3 * TASKS];
    memset(holds, 0, sizeof holds);
    atomic_store(&n_seen.value, 0);
    for (int i = 0; i < 4; i++)
        held[i] = pool_hold(ex, &holds[i]); /* seat i */
    for (int i = 0; i < 3 * TASKS; i++) {
        int tag = i % 3 - 1; /* -1: anybody */
        tasks[i] = filch_submit_with(ex, FILCH_OPTIONS(.numa_node = tag < 0 ? 0 : FILCH_NODE(tag)),
                                     note, tag);
        CHECK_NOT_NULL(tasks[i]);
    }
    gate_open(&holds[3].go);
    gate_wait(&n_seen, 3 * TASKS);
    int n_early = 0;
    for (int i = 0; i < 2 * TASKS; i++)
        n_early += seen_tags[i] == 0;
    CHECK_LE(n_early, 1); /* one look in 1024 begins there */
    for (int i = 0; i < 3 * TASKS; i++) {
        CHECK_EQ(filch_join(tasks[i]), FILCH_OK);
        filch_release(tasks[i]);
    }
    for (int i = 0; i < 4; i++) {
        if (i != 3)
            gate_open(&holds[i].go);
        check_held(held[i]);
    }
    filch_close(ex);
}

/* A worker may submit so, too; and waits for it inside a task, whoever runs it. */
static long submit_to_both(filch_executor *ex) {
    long sum = 0, value;
    for (int i = 0; i < 20; i++) {
        filch_future *future =
            filch_submit_with(ex, FILCH_OPTIONS(.numa_node = FILCH_NODE(i % 2)), twice, i);
        if (filch_result(future, &value) == FILCH_OK)
            sum += value;
        filch_release(future);
    }
    return sum;
}
FILCH_TASK(long, submit_to_both, filch_executor *);

THREAD_POOL_TEST(numa_node, from_inside_a_task) {
    filch_executor *ex = open_bound();
    filch_future *futures[8];
    for (int i = 0; i < 8; i++)
        futures[i] = filch_submit(ex, submit_to_both, ex);
    for (int i = 0; i < 8; i++)
        check_long(futures[i], 380);
    filch_close(ex);
}

/* Exactly the accepted tasks run, whoever shuts down meanwhile. */
THREAD_POOL_TEST(numa_node, every_task_runs_once) {
    for (int round = 0; round < ROUNDS(200); round++) {
        filch_executor *ex = open_bound();
        struct gate runs = {0};
        enum { N = 50 };
        for (int i = 0; i < N; i++) {
            filch_future *future = filch_submit_with(
                ex, FILCH_OPTIONS(.numa_node = FILCH_NODE(i % 2)), count_run, &runs);
            CHECK_NOT_NULL(future);
            filch_release(future);
        }
        filch_close(ex);
        CHECK_EQ(gate_value(&runs), N);
    }
}
