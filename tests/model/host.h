/* host.h: what the scenarios of futures share: a future_host without workers, and futures and nodes
 * from an arena, which must all have come back at the end. */
#ifndef FILCH_MODEL_HOST_H
#define FILCH_MODEL_HOST_H

#include "model.h"

#include "future/future.h"
#include "future/subscribers.h"
#include "platform/clock.h"
#include <stdatomic.h>

enum { NODES = 6, FUTURES = 2, GOOD = 7 };

static struct {
    struct future_host host;
    struct arena *arena;
    struct heap futures, nodes;
    void *node[NODES];
    filch_atomic_u32 n_nodes; /* that were taken */
    bool nodes_die;           /* with the first future: nobody touches one then */
    /* Read at the end alone, so the explorer need not see them. */
    atomic_int n_disposed;
} it;

static const filch_task_type type = {.name = "task", .result_kind = FILCH_KIND_VOID};

static filch_future *futures[FUTURES];
static filch_atomic_u32
    results[FUTURES]; /* stored by who runs a future, relaxed: OUTCOME shows it */

static inline void *take_node(struct future_host *host, size_t bytes) {
    (void)host;
    model_assert(bytes == 64);
    uint32_t at = filch_fetch_add_relaxed(&it.n_nodes, 1u);
    model_assert(at < NODES);
    return it.node[at];
}

static inline void call(struct future_host *host, filch_future *future,
                        void (*fn)(filch_future *, void *), void *arg) {
    (void)host;
    fn(future, arg);
}

static inline filch_status before_wait(struct future_host *host, filch_future *future,
                                       bool is_timed) {
    (void)host;
    (void)future;
    (void)is_timed;
    return FILCH_OK;
}

static inline filch_status begin_block(struct future_host *host) {
    (void)host;
    return FILCH_OK;
}

static inline void do_nothing(struct future_host *host) {
    (void)host;
}

static inline void dispose(struct future_host *host, filch_future *future) {
    (void)host;
    (void)future;
    atomic_fetch_add(&it.n_disposed, 1);
    if (it.nodes_die)
        model_dead(it.node[0], NODES * sizeof(struct subscriber));
}

/* INIT, so that dispose is called. */
static inline void host_init_future(filch_future *future) {
    bool was_free = filchi_future_init(future, &type);
    model_assert(was_free);
    future->extents = 1;
    filch_store_relaxed(&future->looked_at, 1u); /* a failure is nothing to report here */
}

/* Both futures are PENDING, with so many handles each. */
static inline void host_open(uint32_t handles) {
    it.host = (struct future_host){.take = take_node,
                                   .call = call,
                                   .before_wait = before_wait,
                                   .begin_block = begin_block,
                                   .end_block = do_nothing,
                                   .before_report = do_nothing,
                                   .dispose = dispose,
                                   .enter_delivery = do_nothing,
                                   .leave_delivery = do_nothing};
    it.arena = filchi_arena_open(4 << 20);
    model_assert(it.arena != NULL);
    it.arena->owner = &it.host;
    filchi_heap_init(&it.futures, it.arena, 7, true);
    filchi_heap_init(&it.nodes, it.arena, 6, true);
    for (int i = 0; i < NODES; i++)
        it.node[i] = heap_take(&it.nodes);
    filch_store_relaxed(&it.n_nodes, 0u);
    atomic_store(&it.n_disposed, 0);
    it.nodes_die = false;
    static const char *const names[FUTURES] = {"future 0", "future 1"};
    for (int i = 0; i < FUTURES; i++) {
        futures[i] = heap_take(&it.futures);
        host_init_future(futures[i]);
        (void)future_publish(futures[i]);
        filch_store_relaxed(&futures[i]->handles, handles);
        filch_store_relaxed(&results[i], 0u);
        model_name(futures[i], 128, names[i]);
        model_name(&futures[i]->state, 8, i == 0 ? "state 0" : "state 1");
        model_name(&futures[i]->subscribers, 8, i == 0 ? "subscribers 0" : "subscribers 1");
    }
    model_name(it.node[0], NODES * sizeof(struct subscriber), "nodes");
    model_name(results, sizeof results, "results");
    model_name(&it.n_nodes, sizeof it.n_nodes, "n_nodes");
}

/* After each future's last handle: each block and node came back, once. */
static inline void host_check(int n_disposed) {
    model_assert(atomic_load(&it.n_disposed) == n_disposed);
    for (int i = 0; i < FUTURES; i++) /* nobody touched them since */
        model_assert((uint32_t)filch_load_relaxed(&futures[i]->state) == FUTURE_FREE);
    uint64_t n_never_taken = NODES - filch_load_relaxed(&it.n_nodes);
    model_assert(filchi_heap_retire(&it.nodes) == n_never_taken);
    model_assert(filchi_heap_retire(&it.futures) == 0);
}

static inline void host_close(void) {
    filchi_arena_close(it.arena);
}

static inline uint32_t generation_of(int i) {
    return state_generation(filch_load_relaxed(&futures[i]->state));
}

static inline enum future_phase phase_of(const filch_future *future) {
    return state_phase(future_state(future));
}

/* As a worker does. Returns: false if it was not pending. */
static inline bool run(int i, uint32_t generation) {
    if (!future_try_start(futures[i], generation, 1))
        return false;
    filch_store_relaxed(&results[i], (uint32_t)GOOD);
    filchi_future_finish(futures[i], FUTURE_FINISHED);
    return true;
}

/* Who sees it finished sees its result. */
static inline void look_at(int i) {
    model_assert(state_is_done(future_state(futures[i])));
    if (phase_of(futures[i]) == FUTURE_FINISHED)
        model_assert(filch_load_relaxed(&results[i]) == GOOD);
}

#endif
