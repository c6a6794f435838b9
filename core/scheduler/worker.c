/* scheduler/worker.c: the worker's loop.
 *
 * Order of looking: its own deque (newest first), its batch (oldest first), the deques of outside
 * threads (a batch), then the other workers (one entry; the nearest first: victims.h), then what their
 * tasks have spawned (one child, the oldest: fork_stack.h). Every
 * OUTSIDE_EVERY entries the outside deques come first, so that tasks that keep submitting tasks do not
 * starve them. What was submitted to another NUMA node comes last, and every FOREIGN_EVERY entries
 * first. */
#include "scheduler/worker.h"

#include "base/random.h"
#include "platform/clock.h"
#include "platform/memory.h"
#include "platform/process.h"
#include "platform/thread.h"
#include "scheduler/fork_stack.h"
#include "scheduler/substitute.h"
#include <string.h>

enum {
    OUTSIDE_EVERY = 64,
    FOREIGN_EVERY = 16 * OUTSIDE_EVERY,
    UNIFORM_EVERY = 16,
    FIRST_PAUSE = 16,
    YIELD_FROM = 64,
    LONGEST_PAUSE = 512
};

static THREAD_LOCAL struct worker *self;

struct worker *filchi_worker_self(void) {
    return self;
}

void filchi_worker_become(struct worker *worker) {
    self = worker;
    bool is_mortal =
        worker != NULL && filchi_process_serves(worker->producer.scheduler->arena->owner);
    filchi_record_use(is_mortal ? &worker->producer.record : NULL);
}

/* Who made it may have died before it came to this. */
static void raise_n_made(struct scheduler *scheduler, uint32_t number) {
    uint32_t n_made = filch_load_relaxed(&scheduler->n_made);
    while (n_made <= number &&
           !filch_cas_seq_cst(&scheduler->n_made, &n_made, number + 1)) /* WORKER-MADE */
        ;
}

struct worker *filchi_worker_make(struct scheduler *scheduler, uint32_t number, uint32_t seat) {
    struct worker *worker = scheduler_worker(scheduler, number);
    if (worker != NULL)
        raise_n_made(scheduler, number);
    if (worker != NULL)
        return worker; /* made before; its thread has ended, or could not be started */
    struct memory_record *record = record_of(scheduler->arena);
    record_aim(record, (uintptr_t)&scheduler->workers[number]);
    worker = filchi_arena_take(scheduler->arena, 1, CHUNK_WORKER);
    if (worker == NULL) {
        record_done(record);
        return NULL;
    }
    /* This thread is the first to touch it, but it is to lie where the worker runs. The rest of what
     * the worker uses is touched first by itself. */
    if (scheduler->victims.n_nodes > 1)
        filchi_memory_prefer_node(worker, CHUNK_BYTES, victims_node(&scheduler->victims, seat));
    memset(worker, 0, sizeof *worker);
    filchi_producer_init(&worker->producer, scheduler);
    struct ring *ring = (struct ring *)worker->batch_ring;
    ring_init(ring, BATCH);
    deque_init(&worker->batch, ring);
    worker->number = number;
    worker->producer.process = number + 1;
    worker->seat = SEAT_NONE;
    filch_store_relaxed(&worker->given, SEAT_NONE);
    worker->intent.is_kept = scheduler->is_shared;
    worker->reach = VICTIM_RINGS; /* it is started because there is work */
    random_seed(&worker->random, number);
    /* Only who claimed the slot makes it, so nobody else stores here. */
    filch_store_release(&scheduler->workers[number], (void *)worker); /* WORKER-MADE */
    record_done(record);
    raise_n_made(scheduler, number);
    return worker;
}

/* Where all that is taken goes, and is read from: the record of it, written before it leaves its deque. */
static uint64_t *found(struct worker *worker) {
    return worker->intent.entries;
}

/* Takes up to `most` entries from an outside deque; the first one to run, the rest to be stolen. */
static bool take_from(struct worker *worker, struct producer *producer, size_t most) {
    struct scheduler *scheduler = worker->producer.scheduler;
    uint64_t *entries = found(worker);
    size_t share = scheduler->n_seats > 1 ? 2 : 1;
    filch_atomic_u32 *hidden = &worker->producer.hidden;
    uint32_t count = filch_load_relaxed(hidden);
    filch_store_release(hidden, count + 1); /* HIDDEN */
    size_t n = deque_take_many(&producer->deque, entries, most, share);
    if (n == 0) {
        filch_store_release(hidden, count); /* HIDDEN */
        return false;
    }
    for (size_t i = 0; i < n; i++)
        scheduler->operations->prefetch(scheduler, entries[i]);
    if (n > 1)
        deque_refill(&worker->batch, entries + 1, n - 1);
    filch_store_release(hidden, count + 2); /* HIDDEN */
    worker->reach = 0;
    worker->next_outside = producer->next; /* in turn, so that none starves behind another */
    /* Who looked while the batch was out of sight may have gone to sleep. A searcher's end of its
     * search looks once more anyway. */
    if (n > 1 && !worker->is_searching && park_must_wake(&scheduler->park))
        (void)filchi_scheduler_wake_one(scheduler);
    return true;
}

static bool is_foreign(const struct producer *producer, int node) {
    return producer->node != node && producer->node >= 0 && node >= 0;
}

static int node_of(const struct worker *worker) {
    return victims_node(&worker->producer.scheduler->victims, worker->seat);
}

/* What was submitted to the workers of another node is left to them here. */
static bool take_outside(struct worker *worker) {
    struct scheduler *scheduler = worker->producer.scheduler;
    if (!deque_is_empty(&worker->batch))
        return deque_steal(&worker->batch, found(worker)) == DEQUE_TOOK;
    int node = node_of(worker);
    struct producer *first = filch_load_acquire(&scheduler->outside); /* PRODUCER-MADE */
    struct producer *from = worker->next_outside != NULL ? worker->next_outside : first;
    for (struct producer *p = from; p != NULL; p = p->next)
        if (!is_foreign(p, node) && take_from(worker, p, BATCH))
            return true;
    for (struct producer *p = first; p != from; p = p->next)
        if (!is_foreign(p, node) && take_from(worker, p, BATCH))
            return true;
    return false;
}

/* One entry that was meant for another node: the rest stays there. */
static bool take_foreign(struct worker *worker) {
    int node = node_of(worker);
    if (node < 0 || !deque_is_empty(&worker->batch))
        return false;
    struct producer *p =
        filch_load_acquire(&worker->producer.scheduler->outside); /* PRODUCER-MADE */
    for (; p != NULL; p = p->next)
        if (is_foreign(p, node) && take_from(worker, p, 1))
            return true;
    return false;
}

static bool steal_from(struct worker *worker, struct worker *victim) {
    if (victim == NULL || victim == worker)
        return false;
    count_up(&worker->counters.n_steals_tried);
    if (deque_steal(&victim->batch, found(worker)) != DEQUE_TOOK &&
        deque_steal(&victim->producer.deque, found(worker)) != DEQUE_TOOK)
        return false;
    count_up(&worker->counters.n_steals_won);
    worker->lucky = victim;
    worker->reach = 0;
    return true;
}

static bool steal_in_ring(struct worker *worker, struct victim_ring_span span) {
    struct scheduler *scheduler = worker->producer.scheduler;
    uint32_t n = ring_count(span);
    uint32_t start = random_below(&worker->random, n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t index = start + i < n ? start + i : start + i - n;
        uint32_t seat = ring_seat(&scheduler->victims, span, index);
        /* Racy, like everything that thieves look at: somebody else may sit there by now. */
        if (steal_from(worker, filch_load_acquire(&scheduler->seated[seat]))) /* SAT */
            return true;
    }
    return false;
}

/* Everybody, those without a seat included. */
static bool steal_anywhere(struct worker *worker, uint32_t n_made) {
    struct scheduler *scheduler = worker->producer.scheduler;
    uint32_t start = random_below(&worker->random, n_made);
    for (uint32_t i = 0; i < n_made; i++) {
        uint32_t number = start + i < n_made ? start + i : start + i - n_made;
        if (steal_from(worker, scheduler_worker(scheduler, number)))
            return true;
    }
    return false;
}

/* A worker that has run out of work looks at everybody, the nearest first. A searcher, which looks again
 * and again, begins near and reaches one ring further with each failed round; but everybody at once
 * if it was woken, or kept from sleeping: there is work that it has not seen. */
static uint32_t find_reach(const struct worker *worker) {
    bool is_patient = worker->is_searching && worker->producer.scheduler->spin_ns > 0;
    return is_patient ? worker->reach : VICTIM_RINGS;
}

/* The last victim that had something, then the rings within reach. A small share of the rounds begins
 * with everybody, so that what piles up far away is found by somebody soon. */
static bool steal(struct worker *worker) {
    struct scheduler *scheduler = worker->producer.scheduler;
    uint32_t n_made = scheduler_n_made(scheduler);
    if (n_made == 1)
        return false;
    if (steal_from(worker, worker->lucky))
        return true;
    worker->lucky = NULL;
    bool has_rings = scheduler->victims.order != NULL && worker->seat != SEAT_NONE;
    if (!has_rings || random_below(&worker->random, UNIFORM_EVERY) == 0)
        return steal_anywhere(worker, n_made);
    uint32_t reach = find_reach(worker);
    for (uint32_t ring = 0; ring < VICTIM_RINGS && ring <= reach; ring++) {
        struct victim_ring_span span = victims_ring(&scheduler->victims, worker->seat, ring);
        if (ring_count(span) == 0)
            reach++; /* not a round */
        else if (steal_in_ring(worker, span))
            return true;
    }
    if (reach >= VICTIM_RINGS)
        return steal_anywhere(worker, n_made);
    worker->reach = reach + 1;
    return false;
}

static bool look_elsewhere(struct worker *worker) {
    const struct scheduler *scheduler = worker->producer.scheduler;
    bool reaches_all = find_reach(worker) >= VICTIM_RINGS;
    scheduler_enter_rings(scheduler);
    bool has_found = take_outside(worker) || steal(worker) || (reaches_all && take_foreign(worker));
    scheduler_leave_rings(scheduler);
    return has_found;
}

static bool take_batch(struct worker *worker) {
    for (;;) {
        enum deque_outcome outcome = deque_steal(&worker->batch, found(worker));
        if (outcome != DEQUE_LOST)
            return outcome == DEQUE_TOOK;
    }
}

/* What it has found: a child of a task, or an entry. */
static void run(struct worker *worker) {
    if (unlikely(worker->stolen != NULL))
        filchi_fork_stack_run_stolen(worker);
    else
        worker->producer.scheduler->operations->run(worker, *found(worker));
}

static bool find(struct worker *worker) {
    if (++worker->tick % OUTSIDE_EVERY == 0) {
        const struct scheduler *scheduler = worker->producer.scheduler;
        scheduler_enter_rings(scheduler);
        bool has_found =
            (worker->tick % FOREIGN_EVERY == 0 && take_foreign(worker)) || take_outside(worker);
        scheduler_leave_rings(scheduler);
        if (has_found)
            return true;
    }
    return deque_pop(&worker->producer.deque, found(worker)) || take_batch(worker) ||
           look_elsewhere(worker) || filchi_fork_stack_steal(worker);
}

static void begin_search(struct worker *worker) {
    worker->is_searching = true;
    filchi_park_begin_search(&worker->producer.scheduler->park, worker->seat);
}

/* A searcher that found something leaves the rest to another one: what was pushed while it searched
 * woke nobody. */
static void end_search(struct worker *worker) {
    struct scheduler *scheduler = worker->producer.scheduler;
    worker->is_searching = false;
    filchi_park_end_search(&scheduler->park, worker->seat); /* HANDED */
    if (!park_has_searchers(&scheduler->park) && park_has_sleepers(&scheduler->park) &&
        filchi_scheduler_has_work(scheduler))
        filchi_scheduler_wake_one(scheduler);
}

void filchi_worker_is_nearly_free(struct worker *worker) {
    if (worker->is_searching || worker->seat == SEAT_NONE || !deque_is_empty(&worker->batch) ||
        !deque_is_empty(&worker->producer.deque) ||
        park_has_searchers(&worker->producer.scheduler->park))
        return;
    begin_search(worker);
}

void filchi_worker_is_busy(struct worker *worker) {
    if (worker->is_searching)
        end_search(worker);
}

/* Returns: how many do. */
static uint32_t begin_initialising(struct worker *worker) {
    struct scheduler *scheduler = worker->producer.scheduler;
    if (!scheduler->is_shared)
        return filch_fetch_add_seq_cst(&scheduler->n_initialising, 1u) + 1;
    filch_store_seq_cst(&worker->is_initialising, 1u);
    uint32_t n = 0;
    for (uint32_t i = 0, n_made = scheduler_n_made(scheduler); i < n_made; i++) {
        const struct worker *other = scheduler_worker(scheduler, i);
        n += other != NULL && filch_load_seq_cst(&other->is_initialising) != 0;
    }
    return n;
}

void filchi_worker_begin_initializer(struct worker *worker) {
    struct scheduler *scheduler = worker->producer.scheduler;
    uint32_t n = begin_initialising(worker);
    worker->is_searching = false;
    filchi_park_end_search(&scheduler->park, worker->seat); /* HANDED */
    if (filchi_scheduler_count_work(scheduler) > n && park_has_sleepers(&scheduler->park))
        (void)filchi_scheduler_wake_one(scheduler);
}

void filchi_worker_end_initializer(struct worker *worker) {
    if (worker->producer.scheduler->is_shared)
        filch_store_seq_cst(&worker->is_initialising, 0u);
    else
        filch_fetch_sub_seq_cst(&worker->producer.scheduler->n_initialising, 1u);
    begin_search(worker);
}

static void pause_for(uint32_t turns) {
    for (uint32_t i = 0; i < turns; i++)
        cpu_relax();
}

/* Looks again and again for a bounded time. */
static bool search(struct worker *worker) {
    struct scheduler *scheduler = worker->producer.scheduler;
    if (scheduler->spin_ns == 0)
        return false;
    if (!worker->is_searching) {
        if (!filchi_park_may_search(&scheduler->park))
            return false;
        begin_search(worker);
    }
    uint64_t deadline = filchi_clock_ns() + scheduler->spin_ns;
    uint32_t turns = FIRST_PAUSE;
    do {
        pause_for(turns);
        if (turns > YIELD_FROM)
            filchi_thread_yield(); /* whoever is about to submit may be waiting for this very core */
        if (turns < LONGEST_PAUSE)
            turns *= 2;
        if (find(worker))
            return true;
    } while (scheduler_flags(scheduler) == 0 && filchi_clock_ns() < deadline);
    return false;
}

/* What a look missed comes with a token, which nobody takes without another look (MAIL). */
static bool has_mail(const struct worker *worker) {
    return filch_load_relaxed(&worker->mail) != NULL;
}

/* Runs the program's code: nobody may count on this worker meanwhile. */
static void serve_mail(struct worker *worker) {
    filchi_worker_is_busy(worker);
    worker->producer.scheduler->operations->serve_mail(worker);
}

/* Sleeps until there may be work. Returns: false if the worker is to leave. */
static bool park(struct worker *worker) {
    struct scheduler *scheduler = worker->producer.scheduler;
    filchi_scheduler_free_retired(scheduler);
    worker->reach = VICTIM_RINGS;
    filchi_park_enter(&scheduler->park, worker->seat); /* ASLEEP */
    worker->is_searching = false;
    filchi_fork_stack_request_all(scheduler, worker);
    bool stopping = scheduler_flags(scheduler) & SCHEDULER_STOPPING; /* STOPPED */
    bool leaving = stopping && !has_mail(worker) && !worker_expects_mail(worker) &&
                   filchi_scheduler_is_drained(scheduler);
    if ((leaving || has_mail(worker) || filchi_scheduler_has_work(scheduler)) &&
        filchi_park_leave(&scheduler->park, worker->seat)) {
        if (leaving) {
            /* Others may have gone back to sleep because of what was out of sight. */
            filchi_scheduler_wake_seated(scheduler);
            return false;
        }
        begin_search(worker);
        return true;
    }
    count_up(&worker->counters.n_parks);
    (void)filchi_park_await_token(&scheduler->park, &worker->sleep_word, FILCHI_NEVER); /* TOKEN */
    count_up(&worker->counters.n_wakes);
    filchi_park_wake_up(&scheduler->park, worker->seat);
    worker->is_searching =
        true; /* its bit was set by the waker; if it was cleared again, it is woken
                                    besides others, not in their place */
    return true;
}

void filchi_worker_notify(struct worker *worker) {
    filchi_park_give_token(&worker->producer.scheduler->park, &worker->sleep_word); /* MAIL */
}

/* The worker itself comes to look; another thread of its process tells it. */
void filchi_worker_end_expected(struct worker *worker) {
    if (filch_fetch_sub_acq_rel(&worker->n_expected, 1u) == 1 && /* MAIL */
        filchi_worker_self() != worker)
        filchi_worker_notify(worker);
}

void filchi_worker_retire(struct worker *worker) {
    if (!worker->is_leaving && filchi_substitute_leave(worker) == 0)
        worker->is_leaving = worker->seat == SEAT_NONE;
}

void filchi_worker_loop(struct worker *worker) {
    do {
        if (has_mail(worker))
            serve_mail(worker);
        /* A callback may have blocked: that of a letter, or of a pool that broke before. */
        if (worker->seat == SEAT_NONE && !filchi_substitute_stand_by(worker))
            return;
        while (find(worker) || search(worker)) {
            if (worker->is_searching)
                end_search(worker);
            run(worker);
            if (unlikely(has_mail(worker)))
                serve_mail(worker);
            if (unlikely(worker->seat == SEAT_NONE) && !filchi_substitute_stand_by(worker))
                return;
        }
    } while (park(worker));
}
