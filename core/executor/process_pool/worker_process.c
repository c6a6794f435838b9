/* executor/process_pool/worker_process.c: the life of a worker that is a process of its own.
 *
 * It is a copy of the server, on a stack of its own, with the program's globals as they were when the pool
 * was opened. It dies with the server, and so with the opener. It leaves by _exit: what the program
 * registered for its own end is not this process's to do. */
#include "executor/process_pool/process_pool.h"

#include "executor/registry.h"
#include "future/consumer.h"
#include "platform/fork.h"
#include "platform/process.h"
#include "platform/stack.h"
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <unistd.h>

/* What the process on this thread is. */
static struct {
    struct process_pool *self;
    struct worker *worker;
    struct slot *slot;
} here;

/* Only the standard streams: in others there may be what the opener has not written yet. */
static void flush(void) {
    if (__fpending(stdout) > 0)
        fflush(stdout);
    if (__fpending(stderr) > 0)
        fflush(stderr);
}

void filchi_worker_process_after_task(struct worker *worker) {
    flush();
    if (here.self == NULL || here.self->options.max_tasks_per_child == 0)
        return;
    uint32_t n = filch_load_relaxed(&here.slot->n_tasks) + 1;
    filch_store_relaxed(&here.slot->n_tasks, n);
    if (n >= (uint32_t)here.self->options.max_tasks_per_child)
        filchi_worker_retire(worker);
}

/* Edge LIMITED: the task is on the stack of runs, and RUNNING, then the look at the nearest deadline (fence);
 * the reaper forgets that (seq_cst) before it looks at all stacks. One that is late there and not RUNNING
 * yet it passes over. */
void filchi_worker_process_limit_task(struct worker *worker, uint64_t deadline_ns) {
    (void)worker;
    filch_atomic_u64 *nearest = &here.self->shared->nearest_deadline_ns;
    filch_fence_seq_cst();
    uint64_t before = filch_load_seq_cst(nearest); /* LIMITED */
    do {
        if (before != 0 && before <= deadline_ns)
            return;
    } while (!filch_cas_seq_cst(nearest, &before, deadline_ns));   /* LIMITED */
    filch_store_seq_cst(&here.self->shared->has_new_deadline, 1u); /* REQUESTED */
    filchi_server_ring(here.self);
}

static _Noreturn void leave(int status) {
    flush();
    _exit(status);
}

static void begin_thread(struct worker *worker) {
    struct process_pool *self = here.self;
    struct pool *pool = self->executor->pool;
    filchi_process_serve(pool, worker->number + 1);
    filchi_registry_serve(self->executor);
    filchi_consumer_serve(&worker->consumers, pool->arena);
    filchi_crew_bind(self->executor->plan, worker);
    filchi_worker_become(worker);
    filch_store_relaxed(&worker->n_expected, 0u);
    filch_store_relaxed(&worker->fork_stacks, NULL); /* those of its last process went with it */
    worker->forking = NULL;
    worker->is_searching = true; /* who asked for it set the bit */
    worker->keeps_seat = false;
}

static void serve(void *arg) {
    struct worker *worker = arg;
    struct process_pool *self = here.self;
    struct slot *slot = here.slot;
    begin_thread(worker);
    if (!filchi_crew_initialise(&self->crew, worker, slot->why, sizeof slot->why))
        leave(EXIT_NOT_READY);
    if (!slot_move(slot, SLOT_STARTING, SLOT_RUNNING))
        leave(EXIT_NOT_READY);
    filch_store_relaxed(&self->shared->n_failed_starts, 0u);
    filch_store_relaxed(&self->shared->n_killed_starts, 0u);
    filchi_worker_loop(worker);
    slot_move(slot, SLOT_RUNNING, SLOT_LEAVING);
    filchi_crew_finalise(&self->crew, worker);
    leave(0);
}

static void restore_signals(const struct process_pool *self) {
    sigaction(SIGCHLD, &self->on_child, NULL);
    if (self->options.start_method == FILCH_FORKSERVER)
        filchi_fork_reset_signals();
    pthread_sigmask(SIG_SETMASK, &self->mask, NULL);
}

void filchi_worker_process_main(struct process_pool *self, uint32_t number) {
    char suffix[12];
    snprintf(suffix, sizeof suffix, "%u", number);
    filchi_fork_set_name(self->crew.prefix, suffix);
    restore_signals(self);
    filchi_fork_offer_to_oom_killer();
    here.self = self;
    here.worker = scheduler_worker(self->executor->pool->scheduler, number);
    here.slot = &self->shared->slots[number];
    filch_store_release(&here.slot->pid, (uint32_t)getpid()); /* SLOT */
    (void)filchi_stack_begin(self->crew.options.stack_size, serve, here.worker);
    here.slot->has_no_stack = true;
    _exit(EXIT_NOT_READY);
}
