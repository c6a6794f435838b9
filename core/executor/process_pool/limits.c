/* executor/process_pool/limits.c: tasks that run longer than they may.
 *
 * When its time is over the task's future is marked TIMED_OUT, by a CAS that needs it to be running there
 * still; whoever finds the mark when it wants to end it waits for the signal instead, so the signal that
 * follows never meets a later task. What the end of the process means for the task is recover.c's. */
#include "executor/process_pool/process_pool.h"

#include "platform/clock.h"

/* The level may be in other use by now: what it says of a task that is seen running there is true (the
 * level was written first), so it is read once more. Returns: false if that task is not late. */
static bool mark_late(struct pool *pool, const struct worker *worker, const struct run *run,
                      uint64_t now_ns) {
    uint64_t entry = filch_load_relaxed(&run->entry);
    filch_future *future = entry_future(pool->arena, entry);
    uint64_t state = future_state(future); /* PUBLISHED */
    do {
        uint64_t deadline_ns = filch_load_relaxed(&run->deadline_ns);
        if (state_phase(state) != FUTURE_RUNNING || state_owner(state) != worker->number ||
            state_generation(state) != entry_generation(entry) || deadline_ns == 0 ||
            deadline_ns > now_ns)
            return false;
    } while (!filch_cas_acq_rel(&future->state, &state, state | FUTURE_TIMED_OUT)); /* OUTCOME */
    return true;
}

/* Returns: the first limit of its tasks that has not passed, or FILCHI_NEVER. */
static uint64_t look_at(struct process_pool *self, const struct worker *worker, uint64_t now_ns) {
    struct pool *pool = self->executor->pool;
    uint64_t nearest_ns = FILCHI_NEVER;
    uint32_t depth = filch_load_acquire(&worker->intent.depth); /* ANNOUNCED */
    for (uint32_t i = 0; i < depth; i++) {
        const struct run *run = intent_run(&worker->intent, i);
        uint64_t deadline_ns = filch_load_relaxed(&run->deadline_ns);
        if (deadline_ns == 0)
            continue;
        if (deadline_ns > now_ns) {
            nearest_ns = deadline_ns < nearest_ns ? deadline_ns : nearest_ns;
        } else if (mark_late(pool, worker, run, now_ns)) {
            filch_store_seq_cst(&self->shared->slots[worker->number].signal,
                                (uint32_t)SIGKILL); /* REQUESTED */
            filchi_server_ring(self);
        }
    }
    return nearest_ns;
}

uint64_t filchi_process_pool_stop_late(struct process_pool *self) {
    filch_atomic_u64 *word = &self->shared->nearest_deadline_ns;
    if (filch_load_relaxed(word) == 0)
        return FILCHI_NEVER;
    filch_store_seq_cst(word, UINT64_C(0)); /* LIMITED: who begins from now on rings */
    struct scheduler *scheduler = self->executor->pool->scheduler;
    uint64_t now_ns = filchi_clock_ns(), nearest_ns = FILCHI_NEVER;
    for (uint32_t i = 0, n = scheduler_n_made(scheduler); i < n; i++) {
        const struct worker *worker = scheduler_worker(scheduler, i);
        bool has_process = worker != NULL && slot_has_process(&self->shared->slots[i]);
        uint64_t next_ns = has_process ? look_at(self, worker, now_ns) : FILCHI_NEVER;
        nearest_ns = next_ns < nearest_ns ? next_ns : nearest_ns;
    }
    uint64_t before = 0;
    if (nearest_ns != FILCHI_NEVER) /* if not, somebody has begun, and rung */
        (void)filch_cas_seq_cst(word, &before, nearest_ns); /* LIMITED */
    return nearest_ns;
}
