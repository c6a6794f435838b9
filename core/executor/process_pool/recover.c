/* executor/process_pool/recover.c: what a worker process leaves when it ends, in whatever way.
 *
 * By the reaper, which runs none of the program's code and acts as the dead one, of which no thread is left,
 * while all others go on. In this order:
 *
 *     memory      steps that were not one access are undone, or ended (structures/recover.h)
 *     runs        what it ran, the innermost first: fails, or is queued again; or its outcome is made known
 *     queues      the scheduler's own: what it held, its seat, whom it was about to wake
 *     submitted   what it submitted: what is half made goes, what is pending is queued again, in case it
 *                 never was; all of its handles count as given back
 *     heaps       whose cells say themselves whether they are free
 *     consumers   of others, which it may have been about to tell, are sent to look
 *
 * Each step may be done twice. An entry may be queued twice: a start is decided by the future's state. */
#include "executor/process_pool/process_pool.h"

#include "executor/chunk.h"
#include "executor/range.h"
#include "executor/transport.h"
#include "future/consumer.h"
#include "future/error.h"
#include "future/recover.h"
#include "platform/fork.h"
#include "scheduler/recover.h"
#include "structures/recover.h"
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct death {
    struct process_pool *self;
    struct pool *pool;
    struct worker *worker;
    const struct slot *slot;
    uint32_t tag;
    struct producer *producer; /* of the reaper */
    struct process_end end;
    char how[64];
    const filch_future *inner; /* the last one that was running; those below waited for it */
    bool has_more;             /* than there is memory for */
};

/* ---- errors ---- */

static PRINTF_LIKE(3, 4) filch_error *make_error(const struct death *death, const char *name,
                                                 const char *format, ...) {
    va_list list;
    va_start(list, format);
    filch_error *error = filchi_error_new(&death->producer->extents, name, 0,
                                          (int)death->worker->number, "", 0, format, list);
    va_end(list);
    if (error == filchi_error_without_memory())
        return error;
    error->pid = (pid_t)filch_load_relaxed(&death->slot->pid);
    error->signal = death->end.signal;
    error->exit_status = death->end.exit_status;
    return error;
}

static double limit_of(const filch_future *future) {
    const struct future_options *options = future_options(future);
    return options == NULL ? 0 : (double)options->timeout_ns * 1e-9;
}

static filch_error *explain(const struct death *death, const filch_future *future,
                            const char *name) {
    uint32_t number = death->worker->number, pid = filch_load_relaxed(&death->slot->pid);
    if (filch_load_relaxed(&future->state) & FUTURE_TIMED_OUT)
        return make_error(death, name, "it ran past its time limit of %g s", limit_of(future));
    if (death->inner == NULL)
        return make_error(death, name, "worker %u (pid %u) %s while it ran task '%s'", number, pid,
                          death->how, name);
    return make_error(death, name,
                      "worker %u (pid %u) %s while it ran task '%s', which task '%s' waited for",
                      number, pid, death->how, filchi_future_name(death->inner), name);
}

/* ---- runs ---- */

static bool is_broken(const struct pool *pool) {
    return (scheduler_flags(pool->scheduler) & SCHEDULER_BROKEN) != 0;
}

/* Queues a pending future, perhaps once more. */
static void queue(const struct death *death, filch_future *future, uint32_t generation) {
    struct producer *producer = death->producer;
    uint64_t entry = entry_of(future, generation);
    bool is_queued = producer != NULL &&
                     (producer_push(producer, entry) ||
                      (filchi_producer_make_room(producer) && producer_push(producer, entry)));
    if (!is_queued)
        (void)filchi_future_break(future, generation); /* no memory to do better */
}

static bool is_linked(const filch_future *future, const void *extent) {
    if (extent == filch_load_relaxed(&future->error))
        return true;
    if (future->extents & BLOCK_HAS_CHUNK)
        return filchi_chunk_has(future->value, extent);
    return ((future->extents & BLOCK_HAS_TEXT) && *(void **)future->value == extent) ||
           filchi_range_has(future, extent);
}

/* What a task had, unless it had been linked to where it belongs. */
static void free_belongings(const struct death *death, const filch_future *future,
                            struct run *run) {
    struct arena *arena = death->pool->arena;
    void *raised = filch_load_relaxed(&run->raised);
    if (raised != NULL && !is_linked(future, raised))
        filchi_error_give_from(arena, &run->raised);
    void *allocated = filch_load_relaxed(&run->allocated);
    if (allocated != NULL && !is_linked(future, allocated))
        filchi_extent_give_from(arena, &run->allocated);
    filch_store_relaxed(&run->raised, NULL);
    filch_store_relaxed(&run->allocated, NULL);
}

static bool take_retry(const filch_future *future) {
    struct future_options *options = future_options(future);
    uint32_t n = options == NULL ? 0 : filch_load_relaxed(&options->retries_left);
    if (n > 0)
        filch_store_relaxed(&options->retries_left, n - 1);
    return n > 0;
}

/* A result that had been kept, of a task that will make another one. */
static void forget_result(struct pool *pool, filch_future *future) {
    if (future->extents & BLOCK_HAS_TEXT)
        filchi_extent_give_from(pool->arena, future->value);
    future->extents &= ~(uint32_t)BLOCK_HAS_TEXT;
}

/* As the dead would have counted. `is_counted`: it has counted the start. */
static void count(const struct death *death, enum future_phase phase, bool is_counted) {
    struct worker_counters *counters = &death->worker->counters;
    if (phase == FUTURE_PENDING && is_counted)
        count_down(&counters->n_started);
    if (phase == FUTURE_PENDING)
        return;
    if (!is_counted)
        count_up(&counters->n_started);
    count_up(phase == FUTURE_FINISHED ? &counters->n_finished : &counters->n_failed);
}

/* Returns: what becomes of a chunk whose running item has been seen to. */
static enum future_phase resume_chunk(const struct death *death, filch_future *future) {
    struct chunk *chunk = chunk_of(future);
    size_t at = filchi_chunk_find_running(chunk);
    if (at != SIZE_MAX)
        filchi_chunk_fail_running(death->pool, chunk, at,
                                  explain(death, future, chunk->type->name));
    return chunk->n_run == chunk->n ? FUTURE_FINISHED : FUTURE_PENDING;
}

/* What becomes of a task that had not returned. */
static enum future_phase decide(const struct death *death, filch_future *future) {
    bool is_over_time = (filch_load_relaxed(&future->state) & FUTURE_TIMED_OUT) != 0;
    if (filch_load_relaxed(&future->error) != NULL)
        return FUTURE_FAILED; /* it had, and failed */
    if ((future->extents & BLOCK_HAS_CHUNK))
        return resume_chunk(death, future);
    if (!is_over_time && take_retry(future)) {
        forget_result(death->pool, future);
        return FUTURE_PENDING;
    }
    /* Who could have looked has died of the same: the task that waited for this one tells. */
    if (slab_of(future)->owner == death->tag)
        filch_store_relaxed(&future->looked_at, 1u);
    filch_store_release(&future->error, /* OUTCOME */
                        (void *)explain(death, future, filchi_future_name(future)));
    return FUTURE_FAILED;
}

static void break_run(const struct death *death, filch_future *future, uint32_t generation,
                      bool is_counted) {
    filchi_error_give_from(death->pool->arena, &future->error);
    count(death, FUTURE_PENDING, is_counted);
    (void)filch_fetch_add_relaxed(&death->pool->host.n_broken, UINT64_C(1));
    (void)filchi_future_end_for(future, generation, FUTURE_FAILED | FUTURE_BROKEN);
}

/* It was RUNNING here. `has_uncounted`: its start was counted, and its end not. */
static void end_run(struct death *death, filch_future *future, struct run *run, uint32_t generation,
                    bool has_uncounted) {
    enum future_phase phase = (enum future_phase)filch_load_acquire(&run->outcome); /* ANNOUNCED */
    if (phase != 0) { /* it had returned, and perhaps told some of those that wait */
        filchi_transport_drop_args(block_of(future));
        if (has_uncounted)
            count(death, phase, true);
        (void)filchi_future_end_for(future, generation, phase);
        return;
    }
    if (is_broken(death->pool)) {
        break_run(death, future, generation, has_uncounted);
        return;
    }
    phase = decide(death, future);
    count(death, phase, has_uncounted);
    death->inner = future;
    if (phase != FUTURE_PENDING)
        (void)filchi_future_end_for(future, generation, phase);
    else if (filchi_future_run_again(future, generation))
        queue(death, future, generation);
}

/* A block that was freed, by whoever: was its bit set? One of the opener's that might not have been is
 * looked at when nobody uses it any more. */
static void note_limbo(struct process_pool *self, uint64_t entry, const filch_future *future) {
    struct slab *slab = slab_of(future);
    uint32_t at = slab_cell_number(slab, future);
    bool is_free =
        (filch_load_relaxed(&slab->free[at / CELLS_PER_WORD]) >> at % CELLS_PER_WORD & 1);
    if (is_free || slab->owner != PROCESS_OPENER)
        return;
    uint64_t *larger = realloc(self->limbo, (self->n_limbo + 1) * sizeof *larger);
    if (larger == NULL)
        return; /* the pool's memory stays mapped */
    self->limbo = larger;
    self->limbo[self->n_limbo++] = entry;
}

/* Returns: false if it is to be done again in a while. */
static bool see_to_run(struct death *death, struct run *run, bool has_uncounted) {
    uint64_t entry = filch_load_relaxed(&run->entry);
    filch_future *future = entry_future(death->pool->arena, entry);
    uint32_t generation = entry_generation(entry);
    uint64_t state = future_state(future);
    if (state_generation(state) != generation)
        return true;
    if (state_phase(state) == FUTURE_FREE) {
        note_limbo(death->self, entry, future);
    } else if (state_phase(state) == FUTURE_PENDING) {
        queue(death, future, generation);
    } else if (state_phase(state) == FUTURE_RUNNING &&
               state_owner(state) == death->worker->number) {
        free_belongings(death, future, run);
        end_run(death, future, run, generation, has_uncounted);
    } else if (state_is_done(state) && state_owner(state) == death->worker->number) {
        filchi_future_wake(future);
        return filchi_notifier_adopt(&death->self->notifier, entry);
    }
    return true;
}

/* The task of a level, if it was running there; NULL if not. */
static filch_future *find_running(const struct death *death, uint32_t level) {
    uint64_t entry = filch_load_relaxed(&intent_run(&death->worker->intent, level)->entry);
    filch_future *future = entry_future(death->pool->arena, entry);
    uint64_t state = future_state(future);
    bool runs_here = state_phase(state) == FUTURE_RUNNING &&
                     state_owner(state) == death->worker->number &&
                     state_generation(state) == entry_generation(entry);
    return runs_here ? future : NULL;
}

static uint32_t count_running(const struct death *death, uint32_t depth) {
    uint32_t n = 0;
    for (uint32_t level = 0; level < depth; level++)
        n += find_running(death, level) != NULL;
    return n;
}

/* Those below the innermost are in the middle of a wait, and counted as begun; or they had ended, and it was a
 * callback of theirs that waited. Returns: false if some are left for the next call. */
static bool recover_runs(struct death *death) {
    struct intent *intent = &death->worker->intent;
    const struct worker_counters *counters = &death->worker->counters;
    uint32_t depth = filch_load_acquire(&intent->depth); /* ANNOUNCED */
    for (uint32_t n_below = count_running(death, depth); depth > 0; depth--) {
        uint64_t n_open = filch_load_relaxed(&counters->n_started) -
                          filch_load_relaxed(&counters->n_finished) -
                          filch_load_relaxed(&counters->n_failed);
        n_below -= find_running(death, depth - 1) != NULL;
        if (!see_to_run(death, intent_run(intent, depth - 1), n_open > n_below))
            return false;
        filch_store_release(&intent->depth, depth - 1); /* ANNOUNCED */
    }
    return true;
}

/* ---- what it submitted ---- */

static void see_to_submitted(void *cell, void *arg) {
    const struct death *death = arg;
    filch_future *future = cell;
    uint64_t state = future_state(future);
    if (state_phase(state) == FUTURE_INIT)
        filchi_submit_give_back(future);
    else if (state_phase(state) == FUTURE_PENDING)
        queue(death, future, state_generation(state));
}

/* Futures that it was cancelling or breaking, whosever they are. */
static void see_to_settled(void *cell, void *arg) {
    struct death *death = arg;
    filch_future *future = cell;
    if (!filchi_future_was_left_settled(future, death->worker->number))
        return;
    filchi_future_wake(future);
    if (!filchi_notifier_adopt(&death->self->notifier,
                               entry_of(future, state_generation(future_state(future)))))
        death->has_more = true;
}

/* Visits the futures that the threads of workers have submitted: of all, or of the dead one. */
static void visit_of_workers(struct death *death, bool all, void (*visit)(void *cell, void *arg)) {
    struct scheduler *scheduler = death->pool->scheduler;
    for (uint32_t i = 0, n = scheduler_n_made(scheduler); i < n; i++) {
        const struct worker *worker = scheduler_worker(scheduler, i);
        if (worker != NULL && (all || worker == death->worker))
            filchi_heap_walk(&worker->producer.futures, visit, death);
    }
}

/* And those of all other threads, or of the others in the dead one's process. */
static void visit_of_others(struct death *death, bool all, void (*visit)(void *cell, void *arg)) {
    const struct producer *p =
        filch_load_acquire(&death->pool->scheduler->outside); /* PRODUCER-MADE */
    for (; p != NULL; p = p->next)
        if (all || p->process == death->tag)
            filchi_heap_walk(&p->futures, visit, death);
}

/* A worker that has left in order has submitted all that it had begun; its other threads end anywhere. */
static void recover_submitted(struct death *death, bool has_left) {
    if (!has_left)
        visit_of_workers(death, false, see_to_submitted);
    visit_of_others(death, false, see_to_submitted);
}

static void recover_settled(struct death *death) {
    struct process_life *life = &death->pool->host.lives[death->tag];
    filchi_life_recover_count(life, death->tag);
    if (filch_load_acquire(&life->n_settling) == 0)
        return;
    visit_of_workers(death, true, see_to_settled);
    visit_of_others(death, true, see_to_settled);
}

/* ---- memory ---- */

static bool is_block_free(const void *cell) {
    return state_phase(filch_load_acquire(&((const filch_future *)cell)->state)) == FUTURE_FREE;
}

static void recover_record(struct death *death, struct producer *producer) {
    filchi_submit_recover_count(producer);
    struct extents *const extents[] = {&producer->extents, &producer->shared};
    death->self->n_limbo_cells += filchi_record_recover(&producer->record, death->tag, extents, 2);
}

static void rebuild_heap(struct death *death, struct producer *producer) {
    (void)death;
    filchi_heap_rebuild(&producer->futures, is_block_free);
}

static void for_each_producer(struct death *death,
                              void (*act)(struct death *death, struct producer *producer)) {
    act(death, &death->worker->producer);
    struct producer *p = filch_load_acquire(&death->pool->scheduler->outside); /* PRODUCER-MADE */
    for (; p != NULL; p = p->next)
        if (p->process == death->tag)
            act(death, p);
}

void filchi_process_pool_end_limbo(struct process_pool *self) {
    struct arena *arena = self->executor->pool->arena;
    for (size_t i = 0; i < self->n_limbo; i++) {
        filch_future *future = entry_future(arena, self->limbo[i]);
        uint64_t state = future_state(future);
        struct slab *slab = slab_of(future);
        uint32_t at = slab_cell_number(slab, future);
        uint64_t bit = UINT64_C(1) << at % CELLS_PER_WORD;
        const struct heap *heap = slab->heap;
        bool is_at_hand = heap->mask != 0 && slab_of(heap->cells) == slab &&
                          slab_cell_number(slab, heap->cells) == at - at % CELLS_PER_WORD &&
                          (heap->mask & bit) != 0;
        if (state_phase(state) == FUTURE_FREE &&
            state_generation(state) == entry_generation(self->limbo[i]) && !is_at_hand)
            (void)filch_fetch_or_acq_rel(&slab->free[at / CELLS_PER_WORD], bit); /* CELL-FREE */
    }
    free(self->limbo);
    self->limbo = NULL;
    self->n_limbo = 0;
}

/* ---- all of it ---- */

/* Consumers of the opener and of all workers may watch what it was about to end. */
static void rescan_consumers(struct death *death) {
    struct process_life *life = &death->pool->host.lives[death->tag];
    filch_store_relaxed(&life->n_settling, 0u);
    (void)filch_fetch_add_seq_cst(&life->n_deaths, 1u); /* RESCAN */
    filchi_consumer_rescan_own();
    struct scheduler *scheduler = death->pool->scheduler;
    for (uint32_t i = 0, n = scheduler_n_made(scheduler); i < n; i++) {
        const struct worker *worker = scheduler_worker(scheduler, i);
        if (worker != NULL)
            filchi_consumer_rescan(&worker->consumers);
    }
}

/* The innermost task that it was running; NULL: none. */
static const filch_future *find_innermost(const struct death *death) {
    const filch_future *future = NULL;
    uint32_t depth = filch_load_acquire(&death->worker->intent.depth); /* ANNOUNCED */
    while (future == NULL && depth-- > 0)
        future = find_running(death, depth);
    return future;
}

static void break_pool(struct death *death) {
    const filch_future *future = find_innermost(death);
    bool has_name = future != NULL;
    filchi_pool_break(death->pool, "worker %u (pid %u) %s%s%s%s", death->worker->number,
                      filch_load_relaxed(&death->slot->pid), death->how,
                      has_name ? " while it ran task '" : "",
                      has_name ? filchi_future_name(future) : "", has_name ? "'" : "");
    death->self->executor->operations->end_workers(death->self->executor, SIGKILL, false);
}

/* Did a task run past its time limit? */
static bool was_stopped(const struct death *death) {
    const struct intent *intent = &death->worker->intent;
    for (uint32_t i = 0; i < filch_load_acquire(&intent->depth); i++) { /* ANNOUNCED */
        uint64_t entry = filch_load_relaxed(&intent_run(intent, i)->entry);
        uint64_t state = future_state(entry_future(death->pool->arena, entry));
        if ((state & FUTURE_TIMED_OUT) && state_generation(state) == entry_generation(entry))
            return true;
    }
    return false;
}

/* Neither did it leave, nor say why it could not begin. */
static bool was_abrupt(const struct death *death, uint32_t last_state) {
    int expected = last_state == SLOT_LEAVING ? 0 : EXIT_NOT_READY;
    return last_state == SLOT_RUNNING || death->end.exit_status != expected;
}

/* Once for each such death. */
static void note_death(struct death *death) {
    (void)filch_fetch_add_relaxed(&death->pool->n_replaced, 1u);
    if (death->self->options.on_crash == FILCH_CRASH_BREAKS_POOL && !was_stopped(death))
        break_pool(death);
}

bool filchi_process_pool_recover(struct process_pool *self, struct worker *worker,
                                 struct slot *slot) {
    struct pool *pool = self->executor->pool;
    uint32_t last_state = filch_load_relaxed(&slot->last_state);
    struct death death = {.self = self,
                          .pool = pool,
                          .worker = worker,
                          .slot = slot,
                          .tag = worker->number + 1,
                          .producer = filchi_pool_producer(pool),
                          .end = filchi_process_pool_read_end(slot)};
    if (death.producer == NULL)
        return false;
    filchi_fork_explain_end(death.end, death.how, sizeof death.how);
    if (!slot->is_noted && was_abrupt(&death, last_state))
        note_death(&death);
    slot->is_noted = true;
    filchi_pool_break_for(pool, worker);
    for_each_producer(&death, recover_record);
    if (!recover_runs(&death))
        return false;
    bool is_whole = filchi_scheduler_recover(worker, death.producer);
    recover_submitted(&death, last_state == SLOT_LEAVING && death.end.exit_status == 0);
    recover_settled(&death);
    if (death.has_more)
        return false;
    filchi_notifier_disown(&self->notifier, worker);
    for_each_producer(&death, rebuild_heap);
    filchi_consumer_recover(&worker->consumers);
    rescan_consumers(&death);
    filchi_arena_recover(pool->arena, death.tag);
    filchi_arena_recount(pool->arena);
    if ((scheduler_flags(pool->scheduler) & (SCHEDULER_BROKEN | SCHEDULER_CANCELLING)) != 0)
        filchi_pool_drop_queued(pool);
    else
        filchi_scheduler_look(pool->scheduler);
    return is_whole;
}
