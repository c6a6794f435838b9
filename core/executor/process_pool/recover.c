/* executor/process_pool/recover.c: what a worker process leaves when it ends, in whatever way.
 *
 * By the reaper, which runs none of the program's code and acts as the dead one, of which no thread is left,
 * while all others go on. In this order:
 *
 *     memory      steps that were not one access are undone, or ended (structures/recover.h)
 *     runs        what it ran (lost_runs.h)
 *     queues      the scheduler's own: what it held, its seat, whom it was about to wake
 *     submitted   what it submitted: what is half made goes, what is pending is queued again, in case it
 *                 never was; all of its handles count as given back
 *     heaps       whose cells say themselves whether they are free
 *     consumers   of others, which it may have been about to tell, are sent to look
 *
 * Each step may be done twice. An entry may be queued twice: a start is decided by the future's state. */
#include "executor/process_pool/process_pool.h"

#include "executor/process_pool/lost_runs.h"
#include "executor/submit.h"
#include "future/consumer.h"
#include "future/recover.h"
#include "platform/fork.h"
#include "scheduler/recover.h"
#include "structures/recover.h"
#include <signal.h>
#include <stdlib.h>

/* ---- what it submitted ---- */

static void see_to_submitted(void *cell, void *arg) {
    const struct death *death = arg;
    filch_future *future = cell;
    uint64_t state = future_state(future);
    if (state_phase(state) == FUTURE_INIT)
        filchi_submit_give_back(future);
    else if (state_phase(state) == FUTURE_PENDING)
        filchi_lost_runs_queue(death, future, state_generation(state));
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

static void break_pool(struct death *death) {
    const filch_future *future = filchi_lost_runs_find_innermost(death);
    bool has_name = future != NULL;
    filchi_pool_break(death->pool, "worker %u (pid %u) %s%s%s%s", death->worker->number,
                      filch_load_relaxed(&death->slot->pid), death->how,
                      has_name ? " while it ran task '" : "",
                      has_name ? filchi_future_name(future) : "", has_name ? "'" : "");
    death->self->executor->operations->end_workers(death->self->executor, SIGKILL, false);
}

/* Neither did it leave, nor say why it could not begin. */
static bool was_abrupt(const struct death *death, uint32_t last_state) {
    int expected = last_state == SLOT_LEAVING ? 0 : EXIT_NOT_READY;
    return last_state == SLOT_RUNNING || death->end.exit_status != expected;
}

/* Once for each such death. */
static void note_death(struct death *death) {
    (void)filch_fetch_add_relaxed(&death->pool->n_replaced, 1u);
    if (death->self->options.on_crash == FILCH_CRASH_BREAKS_POOL &&
        !filchi_lost_runs_has_late(death))
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
    if (!filchi_lost_runs_recover(&death))
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
    self->must_recount = true;
    if ((scheduler_flags(pool->scheduler) & (SCHEDULER_BROKEN | SCHEDULER_CANCELLING)) != 0)
        filchi_pool_drop_queued(pool);
    else
        filchi_scheduler_look(pool->scheduler);
    return is_whole;
}
