/* executor/process_pool/lost_runs.c: the errors, the levels of the stack of runs, the counts. */
#include "executor/process_pool/lost_runs.h"

#include "executor/chunk.h"
#include "executor/range.h"
#include "executor/transport.h"
#include "future/error.h"
#include "future/recover.h"
#include "structures/recover.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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

void filchi_lost_runs_queue(const struct death *death, filch_future *future, uint32_t generation) {
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
        filchi_lost_runs_queue(death, future, generation);
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
        filchi_lost_runs_queue(death, future, generation);
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
 * callback of theirs that waited. */
bool filchi_lost_runs_recover(struct death *death) {
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

const filch_future *filchi_lost_runs_find_innermost(const struct death *death) {
    const filch_future *future = NULL;
    uint32_t depth = filch_load_acquire(&death->worker->intent.depth); /* ANNOUNCED */
    while (future == NULL && depth-- > 0)
        future = find_running(death, depth);
    return future;
}

bool filchi_lost_runs_has_late(const struct death *death) {
    const struct intent *intent = &death->worker->intent;
    for (uint32_t i = 0; i < filch_load_acquire(&intent->depth); i++) { /* ANNOUNCED */
        uint64_t entry = filch_load_relaxed(&intent_run(intent, i)->entry);
        uint64_t state = future_state(entry_future(death->pool->arena, entry));
        if ((state & FUTURE_TIMED_OUT) && state_generation(state) == entry_generation(entry))
            return true;
    }
    return false;
}
