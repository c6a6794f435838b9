/* Thieves ask the nearest workers first. The machine is made up; its places count all the same. */
#include "pools.h"

enum { NESTED = 10, ROUNDS_OF_THEFT = 20 };
static int tags[2 * NESTED];
static struct gate n_noted;

static void note(int tag) {
    tags[gate_value(&n_noted)] = tag; /* by one worker alone */
    gate_open(&n_noted);
}
FILCH_TASK_VOID(note, int);

struct hoard {
    struct hold held;
    struct gate push, pushed;
    int tag;
};

/* Fills its worker's own queue once all others are busy, and keeps the worker. */
static int hoard(filch_executor *ex, struct hoard *it) {
    gate_open(&it->held.started);
    gate_wait(&it->push, 1);
    for (int i = 0; i < NESTED; i++)
        filch_release(filch_submit(ex, note, it->tag));
    gate_open(&it->pushed);
    gate_wait(&it->held.go, 1);
    return HOLD_RESULT;
}
FILCH_TASK(int, hoard, filch_executor *, struct hoard *);

static filch_future *start_hoard(filch_executor *ex, struct hoard *it, int tag) {
    it->tag = tag;
    filch_future *future = filch_submit(ex, hoard, ex, it);
    CHECK_NOT_NULL(future);
    gate_wait(&it->held.started, 1);
    return future;
}

/* Seats 0 and 1 are on node 0, 2 and 3 on node 1; the worker of seat `thief` may steal from seats 0 and 2.
 * Returns: did it take everything from its own node first? */
static bool steals_near_first(uint32_t thief) {
    filch_executor *ex = filch_thread_pool(.max_workers = 4, .bind = FILCH_BIND_CORE);
    CHECK_NOT_NULL(ex);
    struct hoard hoards[2];
    struct hold holds[2];
    memset(hoards, 0, sizeof hoards);
    memset(holds, 0, sizeof holds);
    atomic_store(&n_noted.value, 0);
    filch_future *futures[4];
    for (int node = 0; node < 2; node++) {
        futures[2 * node] = start_hoard(ex, &hoards[node], node);
        futures[2 * node + 1] = pool_hold(ex, &holds[node]);
    }
    for (int node = 0; node < 2; node++) {
        gate_open(&hoards[node].push);
        gate_wait(&hoards[node].pushed, 1);
    }
    gate_open(&holds[thief / 2].go);
    gate_wait(&n_noted, 2 * NESTED);
    bool is_near_first = true;
    for (int i = 0; i < NESTED; i++)
        is_near_first = is_near_first && tags[i] == (int)thief / 2;
    for (int node = 0; node < 2; node++) {
        gate_open(&hoards[node].held.go);
        gate_open(&holds[node].go);
    }
    for (int i = 0; i < 4; i++)
        check_held(futures[i]);
    filch_close(ex);
    return is_near_first;
}

/* One round in sixteen begins anywhere, on purpose. */
THREAD_POOL_TEST(victims, the_own_node_first) {
    CHECK_EQ(setenv("HWLOC_SYNTHETIC", "pack:2 [numa] core:2 pu:1", 1), 0);
    int n_near = 0;
    for (int round = 0; round < ROUNDS_OF_THEFT; round++)
        n_near += steals_near_first(round % 2 == 0 ? 1 : 3);
    CHECK_GE(n_near, ROUNDS_OF_THEFT * 3 / 4);
}
