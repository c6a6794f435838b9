/* scheduler/scheduler.c: producers, rings, waking, and the end of a pool. */
#include "scheduler/scheduler.h"

#include "scheduler/worker.h"
#include "structures/reclaim.h"
#include <errno.h>
#include <string.h>

size_t filchi_scheduler_bytes(uint32_t n_workers) {
    return sizeof(struct scheduler) + n_workers * sizeof(filch_atomic_pointer);
}

void filchi_scheduler_init(struct scheduler *scheduler, struct arena *arena, uint32_t n_workers,
                           uint64_t spin_ns, bool is_shared,
                           const struct scheduler_operations *operations) {
    memset(scheduler, 0, filchi_scheduler_bytes(n_workers));
    scheduler->operations = operations;
    scheduler->arena = arena;
    scheduler->spin_ns = spin_ns;
    scheduler->n_workers = n_workers;
    filchi_park_init(&scheduler->park, n_workers, is_shared);
}

/* The chunk that a producer or worker lies in holds its first ring too. */
static struct ring *first_ring(struct producer *producer) {
    enum { BEHIND = 8192 };
    _Static_assert(sizeof(struct worker) <= BEHIND, "a worker and its ring share a chunk");
    _Static_assert(BEHIND + sizeof(struct ring) + FIRST_RING * 8 <= CHUNK_BYTES, "first ring");
    return (struct ring *)((char *)producer + BEHIND);
}

void filchi_producer_init(struct producer *producer, struct scheduler *scheduler) {
    producer->scheduler = scheduler;
    producer->next = NULL;
    filch_store_relaxed(&producer->in_use, 1u);
    struct ring *ring = first_ring(producer);
    ring_init(ring, FIRST_RING);
    deque_init(&producer->deque, ring);
    filchi_heap_init(&producer->futures, scheduler->arena, 7, true);
    filchi_extents_init(&producer->extents, scheduler->arena);
}

struct producer *filchi_scheduler_join(struct scheduler *scheduler) {
    void *first = filch_load_acquire(&scheduler->outside); /* PRODUCER-MADE */
    for (struct producer *p = first; p != NULL; p = p->next) {
        uint32_t abandoned = 0;
        if (filch_cas_acq_rel(&p->in_use, &abandoned, 1u)) /* PARTED */
            return p;
    }
    struct producer *producer = filchi_arena_take(scheduler->arena, 1);
    if (producer == NULL)
        return NULL;
    filchi_producer_init(producer, scheduler);
    do {
        producer->next = first;
    } while (!filch_cas_acq_rel(&scheduler->outside, &first, (void *)producer)); /* PRODUCER-MADE */
    return producer;
}

void filchi_scheduler_part(struct producer *producer) {
    filch_store_release(&producer->in_use, 0u); /* PARTED */
}

/* A popped deque only grows; one that is not popped is first rid of what is stale, so that cycles of
 * submit and cancel do not grow it. */
bool filchi_producer_make_room(struct producer *producer) {
    struct scheduler *scheduler = producer->scheduler;
    struct worker *self = filchi_worker_self();
    struct ring *ring = (struct ring *)filch_load_relaxed(&producer->deque.ring);
    size_t capacity = ring->mask + 1;
    if (self == NULL || &self->producer != producer) {
        size_t n =
            filchi_deque_compact(&producer->deque, scheduler->operations->is_live, scheduler);
        if (n <= capacity / 2)
            return true;
    }
    size_t bytes = ring_bytes(capacity * 2);
    struct ring *larger =
        filchi_arena_take(scheduler->arena, (bytes + CHUNK_BYTES - 1) / CHUNK_BYTES);
    if (larger == NULL)
        return deque_count(&producer->deque) < capacity; /* compacting alone may do */
    ring_init(larger, capacity * 2);
    struct ring *old = filchi_deque_grow(&producer->deque, larger);
    if (old == first_ring(producer))
        return true;
    void *head = filch_load_relaxed(&scheduler->retired);
    do {
        old->next_retired = head;
    } while (!filch_cas_acq_rel(&scheduler->retired, &head, (void *)old)); /* RING-RETIRED */
    return true;
}

void filchi_scheduler_free_retired(struct scheduler *scheduler) {
    if (filch_load_relaxed(&scheduler->retired) == NULL)
        return;
    struct ring *ring = filch_exchange_acquire(&scheduler->retired, NULL); /* RING-RETIRED */
    if (ring == NULL)
        return;
    filchi_reclaim_wait();
    for (struct ring *next; ring != NULL; ring = next) {
        next = ring->next_retired;
        filchi_arena_give(scheduler->arena, ring);
    }
}

bool filchi_scheduler_has_work(const struct scheduler *scheduler) {
    for (uint32_t i = 0; i < scheduler->n_workers; i++) {
        const struct worker *worker = scheduler_worker(scheduler, i);
        if (worker != NULL &&
            !(deque_is_empty(&worker->producer.deque) && deque_is_empty(&worker->batch)))
            return true;
    }
    const struct producer *p = filch_load_acquire(&scheduler->outside); /* PRODUCER-MADE */
    for (; p != NULL; p = p->next)
        if (!deque_is_empty(&p->deque))
            return true;
    return false;
}

int filchi_scheduler_wake_one(struct scheduler *scheduler) {
    for (;;) {
        bool is_started;
        int number = filchi_park_claim_sleeper(&scheduler->park, false, &is_started);
        if (number < 0)
            return 0;
        if (is_started) {
            struct worker *worker = scheduler_worker(scheduler, (uint32_t)number);
            filchi_park_give_token(&scheduler->park, &worker->sleep_word);
            return 0;
        }
        struct worker *worker = filchi_worker_make(scheduler, (uint32_t)number);
        int error = worker == NULL ? ENOMEM : scheduler->operations->start(worker);
        if (error == 0)
            return 0;
        filchi_park_unclaim(&scheduler->park, (uint32_t)number);
        /* A push in between may have left its entry to the worker that did not come: somebody who
         * sleeps takes its place; those who are awake look again before they sleep. */
        number = filchi_park_claim_sleeper(&scheduler->park, true, &is_started);
        if (number < 0)
            return error;
        worker = scheduler_worker(scheduler, (uint32_t)number);
        filchi_park_give_token(&scheduler->park, &worker->sleep_word);
        return 0;
    }
}

static void wake_all_started(struct scheduler *scheduler) {
    for (;;) {
        bool is_started;
        int number = filchi_park_claim_sleeper(&scheduler->park, true, &is_started);
        if (number < 0)
            return;
        struct worker *worker = scheduler_worker(scheduler, (uint32_t)number);
        filchi_park_give_token(&scheduler->park, &worker->sleep_word);
    }
}

void filchi_scheduler_set_flag(struct scheduler *scheduler, uint32_t flag) {
    filch_fetch_or_seq_cst(&scheduler->flags, flag);
    filchi_barrier_heavy(); /* STOPPED: pairs with the light barrier between a push and its look */
    wake_all_started(scheduler);
}

static void drain_deque(struct deque *deque, void (*drop)(void *arg, uint64_t entry), void *arg) {
    for (;;) {
        uint64_t entry;
        enum deque_outcome outcome = deque_steal(deque, &entry);
        if (outcome == DEQUE_EMPTY)
            return;
        if (outcome == DEQUE_TOOK)
            drop(arg, entry);
    }
}

void filchi_scheduler_drain(struct scheduler *scheduler, void (*drop)(void *arg, uint64_t entry),
                            void *arg) {
    filchi_reclaim_enter();
    for (uint32_t i = 0; i < scheduler->n_workers; i++) {
        struct worker *worker = scheduler_worker(scheduler, i);
        if (worker == NULL)
            continue;
        drain_deque(&worker->producer.deque, drop, arg);
        drain_deque(&worker->batch, drop, arg);
    }
    struct producer *p = filch_load_acquire(&scheduler->outside); /* PRODUCER-MADE */
    for (; p != NULL; p = p->next)
        drain_deque(&p->deque, drop, arg);
    filchi_reclaim_leave();
}
