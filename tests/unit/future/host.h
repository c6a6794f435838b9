/* host.h: a future_host for the tests of the state machine: blocks and nodes from an arena of the
 * test's own, no workers, no queue. It counts what futures ask of it. */
#ifndef FILCH_TEST_HOST_H
#define FILCH_TEST_HOST_H

#include "contract/gate.h"
#include "future/future.h"
#include "future/subscribers.h"
#include "platform/clock.h"

enum { HOST_ARENA_BYTES = 16 << 20, FUTURE_CELL_LOG2 = 7, NODE_CELL_LOG2 = 6, DEFERRED_MOST = 16 };

/* What a shared host has deferred; in its arena. */
struct deferred {
    atomic_int n;
    filch_future *futures[DEFERRED_MOST];
};

static struct {
    struct future_host host; /* the arena's owner */
    struct arena *arena;
    struct heap futures;
    struct heap nodes;
    pthread_mutex_t lock; /* of both heaps */
    bool has_no_memory;
    void (*in_take_node)(void); /* what happens while a subscriber is being made */
    filch_status refusal;       /* of waits */
    struct deferred *deferred;
    atomic_int n_nodes, n_calls, n_disposed, n_waits, n_blocked, n_delivering;
} it = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const filch_task_type test_type = {.name = "test_task", .result_kind = FILCH_KIND_VOID};

TEST_HELPER void *host_take_node(struct future_host *host, size_t bytes) {
    CHECK_PTR_EQ(host, &it.host);
    if (it.in_take_node != NULL)
        it.in_take_node();
    atomic_fetch_add(&it.n_nodes, 1);
    pthread_mutex_lock(&it.lock);
    CHECK_LE(bytes, (size_t)1 << it.nodes.cell_log2);
    void *node = it.has_no_memory ? NULL : heap_take(&it.nodes);
    pthread_mutex_unlock(&it.lock);
    return node;
}

TEST_HELPER void host_call(struct future_host *host, filch_future *future,
                           void (*fn)(filch_future *, void *), void *arg) {
    CHECK_PTR_EQ(host, &it.host);
    atomic_fetch_add(&it.n_calls, 1);
    fn(future, arg);
}

TEST_HELPER filch_status host_before_wait(struct future_host *host, filch_future *future,
                                          bool is_timed) {
    (void)host;
    (void)future;
    (void)is_timed;
    atomic_fetch_add(&it.n_waits, 1);
    return it.refusal;
}

TEST_HELPER filch_status host_begin_block(struct future_host *host) {
    (void)host;
    atomic_fetch_add(&it.n_blocked, 1);
    return FILCH_OK;
}

TEST_HELPER void host_end_block(struct future_host *host) {
    (void)host;
    atomic_fetch_sub(&it.n_blocked, 1);
}

TEST_HELPER void host_before_report(struct future_host *host) {
    (void)host;
}

TEST_HELPER void host_dispose(struct future_host *host, filch_future *future) {
    (void)host;
    if (future->extents != 0) /* else it only had an error */
        atomic_fetch_add(&it.n_disposed, 1);
}

TEST_HELPER void host_enter(struct future_host *host) {
    (void)host;
    atomic_fetch_add(&it.n_delivering, 1);
}

TEST_HELPER void host_leave(struct future_host *host) {
    (void)host;
    atomic_fetch_sub(&it.n_delivering, 1);
}

TEST_HELPER void host_defer(struct future_host *host, filch_future *future) {
    CHECK_PTR_EQ(host, &it.host);
    int n = atomic_load(&it.deferred->n);
    CHECK_LT(n, DEFERRED_MOST);
    it.deferred->futures[n] = future;
    atomic_store(&it.deferred->n, n + 1);
}

TEST_HELPER void host_open_over(struct arena *arena, uint32_t node_log2) {
    it.host = (struct future_host){.take = host_take_node,
                                   .call = host_call,
                                   .before_wait = host_before_wait,
                                   .begin_block = host_begin_block,
                                   .end_block = host_end_block,
                                   .before_report = host_before_report,
                                   .defer = host_defer,
                                   .dispose = host_dispose,
                                   .enter_delivery = host_enter,
                                   .leave_delivery = host_leave,
                                   .fork_generation = filchi_process_generation(),
                                   .is_shared = arena != NULL && arena->is_shared};
    it.arena = arena;
    CHECK_NOT_NULL(it.arena);
    it.arena->owner = &it.host;
    filchi_heap_init(&it.futures, it.arena, FUTURE_CELL_LOG2, true);
    filchi_heap_init(&it.nodes, it.arena, node_log2, true);
    it.has_no_memory = false;
    it.in_take_node = NULL;
    it.refusal = FILCH_OK;
    atomic_store(&it.n_nodes, 0);
    atomic_store(&it.n_calls, 0);
    atomic_store(&it.n_disposed, 0);
    atomic_store(&it.n_waits, 0);
    atomic_store(&it.n_blocked, 0);
}

TEST_HELPER void host_open(void) {
    host_open_over(filchi_arena_open(HOST_ARENA_BYTES), NODE_CELL_LOG2);
}

/* Every block and every node has come back. */
TEST_HELPER void host_close(void) {
    CHECK_EQ(atomic_load(&it.n_delivering), 0);
    CHECK_EQ(filchi_heap_retire(&it.futures), 0);
    CHECK_EQ(filchi_heap_retire(&it.nodes), 0);
    filchi_arena_close(it.arena);
}

/* INIT, with one handle. */
TEST_HELPER filch_future *host_take(void) {
    pthread_mutex_lock(&it.lock);
    filch_future *future = heap_take(&it.futures);
    pthread_mutex_unlock(&it.lock);
    CHECK_NOT_NULL(future);
    CHECK(filchi_future_init(future, &test_type));
    return future;
}

TEST_HELPER filch_future *host_submit(uint32_t *generation) {
    filch_future *future = host_take();
    uint32_t published = future_publish(future);
    if (generation != NULL)
        *generation = published;
    return future;
}

TEST_HELPER uint32_t generation_of(const filch_future *future) {
    return state_generation(future_state(future));
}

/* PENDING -> RUNNING -> done. */
TEST_HELPER void host_run(filch_future *future, enum future_phase phase) {
    CHECK(future_try_start(future, generation_of(future), 1));
    filchi_future_finish(future, phase);
}

TEST_HELPER enum future_phase phase_of(const filch_future *future) {
    return state_phase(filch_load_acquire(&future->state));
}

#endif
