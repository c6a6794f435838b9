/* scheduler/scheduler.c: producers, rings, waking, and the end of a pool. */
#include "scheduler/scheduler.h"

#include "platform/process.h"
#include "scheduler/fork_stack.h"
#include "scheduler/substitute.h"
#include "scheduler/worker.h"
#include <errno.h>
#include <string.h>

/* A word for each seat, then for each slot. */
static size_t claims_bytes(uint32_t n_seats) {
    size_t n = 2 * (size_t)n_seats + SUBSTITUTES;
    return (n + n % 2) * sizeof(filch_atomic_u32);
}

size_t filchi_scheduler_bytes(uint32_t n_seats) {
    return sizeof(struct scheduler) +
           ((size_t)n_seats + SUBSTITUTES + n_seats) * sizeof(filch_atomic_pointer) +
           claims_bytes(n_seats) + filchi_victims_bytes(n_seats);
}

void filchi_scheduler_init(struct scheduler *scheduler, struct arena *arena, uint32_t n_seats,
                           uint64_t spin_ns, bool is_shared,
                           const struct scheduler_operations *operations) {
    memset(scheduler, 0, filchi_scheduler_bytes(n_seats));
    scheduler->operations = operations;
    scheduler->arena = arena;
    scheduler->spin_ns = spin_ns;
    scheduler->n_seats = n_seats;
    scheduler->n_slots = n_seats + SUBSTITUTES;
    scheduler->is_shared = is_shared;
    scheduler->seated = &scheduler->workers[scheduler->n_slots];
    for (uint32_t i = 0; i < scheduler->n_slots; i++)
        scheduler->free_slots[i / 64].value |= (uint64_t)1 << (i % 64);
    filchi_park_init(&scheduler->park, n_seats, is_shared);
    filch_atomic_u32 *claims = (filch_atomic_u32 *)&scheduler->seated[n_seats];
    if (is_shared) {
        scheduler->park.claims = (struct claims){arena, claims};
        scheduler->slot_claims = (struct claims){arena, claims + n_seats};
    }
}

void filchi_scheduler_place(struct scheduler *scheduler,
                            const struct filchi_placement *placements) {
    uint32_t n = scheduler->n_seats;
    char *memory = (char *)&scheduler->seated[n] + claims_bytes(n);
    filchi_victims_build(&scheduler->victims, memory, n, placements);
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
    filch_store_relaxed(&producer->hidden, 0u);
    filch_store_relaxed(&producer->in_use, 1u);
    producer->node = -1;
    producer->process = filchi_process_tag(scheduler->arena->owner);
    filch_store_relaxed(&producer->n_submitted, (uint64_t)0);
    filch_store_relaxed(&producer->counting, (uint64_t)0);
    struct ring *ring = first_ring(producer);
    ring_init(ring, FIRST_RING);
    deque_init(&producer->deque, ring);
    filchi_heap_init(&producer->futures, scheduler->arena, 7, true);
    filchi_extents_init(&producer->extents, scheduler->arena);
    filchi_extents_init_shared(&producer->shared, scheduler->arena);
    producer->record.arena = scheduler->arena;
}

struct producer *filchi_scheduler_join(struct scheduler *scheduler, int node) {
    uint32_t process = filchi_process_tag(scheduler->arena->owner);
    void *first = filch_load_seq_cst(&scheduler->outside); /* PRODUCER-MADE */
    for (struct producer *p = first; p != NULL; p = p->next) {
        uint32_t abandoned = 0;
        if (p->node == node && p->process == process &&
            filch_cas_acq_rel(&p->in_use, &abandoned, 1u)) /* PARTED */
            return p;
    }
    struct producer *producer = filchi_arena_take(scheduler->arena, 1, CHUNK_WORKER);
    if (producer == NULL)
        return NULL;
    filchi_producer_init(producer, scheduler);
    producer->node = node;
    do {
        producer->next = first;
    } while (!filch_cas_acq_rel(&scheduler->outside, &first, (void *)producer)); /* PRODUCER-MADE */
    return producer;
}

void filchi_scheduler_part(struct producer *producer) {
    filch_store_release(&producer->in_use, 0u); /* PARTED */
}

static bool is_popped(const struct producer *producer) {
    const struct worker *self = filchi_worker_self();
    return self != NULL && &self->producer == producer;
}

/* Rids a deque of what is stale, so that cycles of submit and cancel, or of submits and waits that run
 * them inside one long task, do not grow it. Whoever looks meanwhile may find it empty though tasks are
 * waiting: that is why it is announced to those who want to leave, and why a sleeper is woken
 * afterwards. */
static size_t compact(struct producer *producer) {
    struct scheduler *scheduler = producer->scheduler;
    struct deque *deque = &producer->deque;
    bool (*is_live)(void *, uint64_t) = scheduler->operations->is_live;
    filch_fetch_add_seq_cst(&producer->hidden, 1u); /* HIDDEN */
    size_t n = is_popped(producer) ? filchi_deque_compact_popped(deque, is_live, scheduler)
                                   : filchi_deque_compact(deque, is_live, scheduler);
    filch_fetch_add_seq_cst(&producer->hidden, 1u); /* HIDDEN */
    if (park_must_wake(&scheduler->park))
        (void)filchi_scheduler_wake_one(scheduler);
    return n;
}

static void retire(struct scheduler *scheduler, struct ring *ring) {
    void *head = filch_load_relaxed(&scheduler->retired);
    do {
        ring->next_retired = head;
    } while (!filch_cas_acq_rel(&scheduler->retired, &head, (void *)ring)); /* RING-RETIRED */
}

static size_t capacity_of(const struct producer *producer) {
    return ((struct ring *)filch_load_relaxed(&producer->deque.ring))->mask + 1;
}

static bool grow(struct producer *producer, size_t capacity) {
    struct scheduler *scheduler = producer->scheduler;
    size_t bytes = ring_bytes(capacity);
    struct memory_record *record = record_of(scheduler->arena);
    record_aim(record, (uintptr_t)&producer->deque.ring);
    struct ring *larger =
        filchi_arena_take(scheduler->arena, (bytes + CHUNK_BYTES - 1) / CHUNK_BYTES, CHUNK_RING);
    if (larger == NULL) {
        record_done(record);
        return false;
    }
    ring_init(larger, capacity);
    struct ring *old = filchi_deque_grow(&producer->deque, larger);
    record_done(record);
    /* In a shared pool it stays until the close: all that a deque ever had are less than its last one. */
    if (old != first_ring(producer) && !scheduler->is_shared)
        retire(scheduler, old);
    return true;
}

/* Is compacting better than growing? */
static bool is_mostly_stale(struct producer *producer) {
    struct scheduler *scheduler = producer->scheduler;
    return filchi_deque_is_mostly_stale(&producer->deque, scheduler->operations->is_live,
                                        scheduler);
}

bool filchi_producer_make_room(struct producer *producer) {
    size_t capacity = capacity_of(producer);
    if (!is_mostly_stale(producer) && grow(producer, capacity * 2))
        return true;
    return compact(producer) < capacity;
}

bool filchi_producer_reserve(struct producer *producer, size_t n) {
    if (deque_has_room(&producer->deque, n))
        return true;
    if (is_mostly_stale(producer))
        (void)compact(producer);
    if (deque_has_room(&producer->deque, n))
        return true;
    size_t needed = (size_t)deque_count(&producer->deque) + n;
    size_t capacity = capacity_of(producer);
    while (capacity < needed && capacity < SIZE_MAX / 4 / sizeof(uint64_t))
        capacity *= 2;
    return capacity >= needed && grow(producer, capacity) && deque_has_room(&producer->deque, n);
}

bool filchi_producer_take_back(struct producer *producer, uint64_t from) {
    struct scheduler *scheduler = producer->scheduler;
    filch_fetch_add_seq_cst(&producer->hidden, 1u); /* HIDDEN */
    bool is_back = filchi_deque_take_back(&producer->deque, from);
    filch_fetch_add_seq_cst(&producer->hidden, 1u); /* HIDDEN */
    if (park_must_wake(&scheduler->park))           /* what is older was out of sight */
        (void)filchi_scheduler_wake_one(scheduler);
    return is_back;
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

static bool is_worker_idle(const struct worker *worker) {
    return worker == NULL ||
           (deque_is_empty(&worker->producer.deque) && deque_is_empty(&worker->batch) &&
            (worker->producer.scheduler->is_shared || !filchi_fork_stack_has_public(worker)));
}

bool filchi_scheduler_has_work(const struct scheduler *scheduler) {
    for (uint32_t i = 0, n = scheduler_n_made(scheduler); i < n; i++)
        if (!is_worker_idle(scheduler_worker(scheduler, i)))
            return true;
    const struct producer *p = filch_load_seq_cst(&scheduler->outside); /* PRODUCER-MADE */
    for (; p != NULL; p = p->next)
        if (!deque_is_empty(&p->deque))
            return true;
    return false;
}

/* The sum of all counts of what is out of sight. Returns: false if something is right now. */
static bool sum_hidden(const struct scheduler *scheduler, uint32_t *sum) {
    *sum = 0;
    for (uint32_t i = 0, n = scheduler_n_made(scheduler); i < n; i++) {
        const struct worker *worker = scheduler_worker(scheduler, i);
        uint32_t count = worker == NULL ? 0 : filch_load_seq_cst(&worker->producer.hidden);
        if (count % 2 != 0) /* HIDDEN */
            return false;
        *sum += count;
    }
    const struct producer *p = filch_load_seq_cst(&scheduler->outside); /* PRODUCER-MADE */
    for (; p != NULL; p = p->next) {
        uint32_t count = filch_load_seq_cst(&p->hidden);
        if (count % 2 != 0) /* HIDDEN */
            return false;
        *sum += count;
    }
    return true;
}

/* Who leaves for good while a task may yet spawn leaves it to fewer. */
static bool has_forking(const struct scheduler *scheduler) {
    for (uint32_t i = 0, n = scheduler_n_made(scheduler); i < n; i++) {
        const struct worker *worker = scheduler_worker(scheduler, i);
        if (worker != NULL && !scheduler->is_shared && filchi_fork_stack_is_active(worker))
            return true;
    }
    return false;
}

bool filchi_scheduler_is_drained(const struct scheduler *scheduler) {
    uint32_t before, after;
    return sum_hidden(scheduler, &before) && !filchi_scheduler_has_work(scheduler) &&
           !has_forking(scheduler) && sum_hidden(scheduler, &after) && before == after;
}

size_t filchi_scheduler_count_work(const struct scheduler *scheduler) {
    size_t n = 0;
    for (uint32_t i = 0, n_made = scheduler_n_made(scheduler); i < n_made; i++) {
        const struct worker *worker = scheduler_worker(scheduler, i);
        if (worker != NULL)
            n += deque_count(&worker->producer.deque) + deque_count(&worker->batch);
    }
    const struct producer *p = filch_load_seq_cst(&scheduler->outside); /* PRODUCER-MADE */
    for (; p != NULL; p = p->next)
        n += deque_count(&p->deque);
    return n;
}

static void give_token(struct scheduler *scheduler, uint32_t seat) {
    struct worker *worker = scheduler_seated(scheduler, seat);
    filchi_park_give_token(&scheduler->park, &worker->sleep_word);
}

void filchi_scheduler_look(struct scheduler *scheduler) {
    if (park_must_wake(&scheduler->park) && filchi_scheduler_has_work(scheduler))
        (void)filchi_scheduler_wake_one(scheduler);
}

/* Ends a claim. Who came meanwhile, to wake this seat for a push or a flag, left it to the claimer. */
static void release(struct scheduler *scheduler, uint32_t seat) {
    if (!park_release(&scheduler->park, seat))
        return;
    if (park_is_taken(&scheduler->park, seat)) /* SAT */
        give_token(scheduler, seat);
    else
        filchi_scheduler_look(scheduler);
}

/* Somebody who pushed, or left this seat, while it was claimed found nobody asleep. */
static void unclaim_and_look(struct scheduler *scheduler, uint32_t seat) {
    filchi_park_unclaim(&scheduler->park, seat);
    (void)park_release(&scheduler->park, seat);
    filchi_barrier_heavy(&scheduler->park.barrier); /* ASLEEP */
    if (filchi_scheduler_has_work(scheduler))
        (void)filchi_scheduler_wake_one(scheduler);
}

/* Returns: false if none sleeps. */
static bool wake_seated(struct scheduler *scheduler) {
    for (;;) {
        bool is_taken;
        int seat = filchi_park_claim_sleeper(&scheduler->park, true, &is_taken);
        if (seat < 0)
            return false;
        if (is_taken) {
            give_token(scheduler, (uint32_t)seat);
            release(scheduler, (uint32_t)seat);
            return true;
        }
        /* Its worker left it between the look and the claim, or was not started; there may be another
         * one. */
        unclaim_and_look(scheduler, (uint32_t)seat);
    }
}

void filchi_scheduler_wake_seated(struct scheduler *scheduler) {
    (void)wake_seated(scheduler);
}

/* Wakes a seat that was claimed. Returns: 0 or an errno value. */
static int wake_claimed(struct scheduler *scheduler, uint32_t seat, bool is_taken) {
    int error = 0;
    if (is_taken)
        give_token(scheduler, seat);
    else
        error = filchi_substitute_fill(scheduler, seat);
    if (error != 0)
        filchi_park_unclaim(&scheduler->park, seat);
    release(scheduler, seat);
    if (error == 0)
        return 0;
    /* A push in between may have left its entry to the worker that did not come: somebody who sleeps
     * takes its place; those who are awake look again before they sleep. */
    return wake_seated(scheduler) ? 0 : error;
}

int filchi_scheduler_wake_one(struct scheduler *scheduler) {
    bool is_taken;
    int seat = filchi_park_claim_sleeper(&scheduler->park, false, &is_taken);
    return seat < 0 ? 0 : wake_claimed(scheduler, (uint32_t)seat, is_taken);
}

int filchi_scheduler_wake_on(struct scheduler *scheduler, int node) {
    const struct victims *victims = &scheduler->victims;
    struct victim_run run = filchi_victims_on_node(victims, node);
    bool is_taken;
    int seat = filchi_park_claim_among(&scheduler->park, victims->order + run.begin,
                                       (uint32_t)(run.end - run.begin), &is_taken);
    return seat < 0 ? filchi_scheduler_wake_one(scheduler)
                    : wake_claimed(scheduler, (uint32_t)seat, is_taken);
}

void filchi_scheduler_set_flag(struct scheduler *scheduler, uint32_t flag) {
    filch_fetch_or_seq_cst(&scheduler->flags, flag);
    /* STOPPED: pairs with the light barrier between a push and its look. */
    filchi_barrier_heavy(&scheduler->park.barrier);
    while (wake_seated(scheduler))
        ;
    if (flag & SCHEDULER_STOPPING)
        filchi_substitute_wake_spares(scheduler);
}

static void drain_deque(const struct scheduler *scheduler, struct deque *deque,
                        void (*drop)(void *arg, uint64_t entry), void *arg) {
    for (;;) {
        uint64_t entry;
        scheduler_enter_rings(scheduler);
        enum deque_outcome outcome = deque_steal(deque, &entry);
        scheduler_leave_rings(scheduler); /* drop() may run the program's callbacks */
        if (outcome == DEQUE_EMPTY)
            return;
        if (outcome == DEQUE_TOOK)
            drop(arg, entry);
    }
}

void filchi_scheduler_drain(struct scheduler *scheduler, void (*drop)(void *arg, uint64_t entry),
                            void *arg) {
    for (uint32_t i = 0, n = scheduler_n_made(scheduler); i < n; i++) {
        struct worker *worker = scheduler_worker(scheduler, i);
        if (worker == NULL)
            continue;
        drain_deque(scheduler, &worker->producer.deque, drop, arg);
        drain_deque(scheduler, &worker->batch, drop, arg);
    }
    struct producer *p = filch_load_seq_cst(&scheduler->outside); /* PRODUCER-MADE */
    for (; p != NULL; p = p->next)
        drain_deque(scheduler, &p->deque, drop, arg);
    /* A worker that wants to leave may have gone to sleep because of an entry that was taken here. */
    filchi_scheduler_wake_seated(scheduler);
}
