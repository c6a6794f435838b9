/* executor/process_pool/recover.c: what a worker process leaves when it dies in the middle of something. */
#include "executor/process_pool/process_pool.h"

#include "future/error.h"
#include "future/recover.h"
#include "platform/fork.h"
#include <stdarg.h>

static PRINTF_LIKE(4, 5) filch_error *make_error(struct pool *pool, const struct slot *slot,
                                                 const filch_future *future, const char *format,
                                                 ...) {
    struct producer *producer = filchi_pool_producer(pool);
    struct process_end end = filchi_process_pool_read_end(slot);
    uint32_t number = state_owner(future_state(future));
    va_list list;
    va_start(list, format);
    filch_error *error =
        filchi_error_new(producer == NULL ? NULL : &producer->extents, filchi_future_name(future),
                         0, (int)number, "", 0, format, list);
    va_end(list);
    if (error == filchi_error_without_memory())
        return error;
    error->pid = (pid_t)filch_load_relaxed(&slot->pid);
    error->signal = end.signal;
    error->exit_status = end.exit_status;
    return error;
}

/* The tasks that it was running fail: the innermost one, and those that waited for it below. */
static void fail_runs(struct process_pool *self, struct worker *worker, const struct slot *slot) {
    struct pool *pool = self->executor->pool;
    struct intent *intent = &worker->intent;
    uint32_t depth = filch_load_acquire(&intent->depth); /* ANNOUNCED */
    const char *inner = NULL;
    char how[64];
    filchi_fork_explain_end(filchi_process_pool_read_end(slot), how, sizeof how);
    for (uint32_t i = depth; i-- > 0;) {
        uint64_t entry = filch_load_relaxed(&intent->runs[i].entry);
        filch_future *future = entry_future(pool->arena, entry);
        uint64_t state = future_state(future);
        if (state_phase(state) != FUTURE_RUNNING ||
            state_generation(state) != entry_generation(entry) ||
            state_owner(state) != worker->number)
            continue;
        if (filch_load_acquire(&self->shared->is_ending) != 0) { /* all workers were ended */
            filchi_future_lose(future, entry_generation(entry), NULL);
            continue;
        }
        const char *name = filchi_future_name(future);
        filch_error *error =
            inner == NULL
                ? make_error(pool, slot, future, "worker %u (pid %u) %s while it ran task '%s'",
                             worker->number, filch_load_relaxed(&slot->pid), how, name)
                : make_error(pool, slot, future,
                             "worker %u (pid %u) %s while it ran task '%s', which task '%s' waited "
                             "for",
                             worker->number, filch_load_relaxed(&slot->pid), how, inner, name);
        if (inner == NULL)
            inner = name;
        filchi_future_lose(future, entry_generation(entry), error);
    }
    filch_store_release(&intent->depth, 0u);
}

void filchi_process_pool_recover(struct process_pool *self, struct worker *worker,
                                 const struct slot *slot) {
    struct pool *pool = self->executor->pool;
    char how[64];
    filchi_fork_explain_end(filchi_process_pool_read_end(slot), how, sizeof how);
    filchi_pool_break(pool, "worker %u (pid %u) %s", worker->number, filch_load_relaxed(&slot->pid),
                      how);
    fail_runs(self, worker, slot);
}
