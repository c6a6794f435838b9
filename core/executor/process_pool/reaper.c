/* executor/process_pool/reaper.c: the opener's thread that sees to the ends of workers.
 *
 * It runs none of the program's code, and waits for nobody but the server: its tag is its own, so what is
 * delivered to the program is left to the notifier. */
#include "executor/process_pool/process_pool.h"

#include "platform/clock.h"
#include "platform/fork.h"
#include "platform/futex.h"
#include "platform/process.h"
#include "platform/thread.h"
#include "structures/recover.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* No worker's; see platform/process.h. */
enum { REAPER_TAG = 0xffff };

/* So many processes in a row that ended before they were ready are no accident. To be killed is somebody else's
 * doing, and heals; but where the system kills each one for its memory there has to be an end too. */
enum { MOST_FAILED_STARTS = 3, MOST_KILLED_STARTS = 100 };

/* Where somebody who is in the middle of something has to be awaited. */
static const uint64_t TRY_AGAIN_NS = 1000000;

/* Where somebody was just taking or giving memory, which may be a lot. */
static const uint64_t COUNT_AGAIN_NS = 100000000;

/* How long a worker may take to die of its server's death. */
static const uint64_t ORPHAN_NS = 5000000000;

struct process_end filchi_process_pool_read_end(const struct slot *slot) {
    return filchi_fork_read_status((int)filch_load_relaxed(&slot->wait_status));
}

static void free_slot(struct process_pool *self, struct slot *slot, struct worker *worker) {
    filch_store_relaxed(&slot->pid, 0u);
    slot->is_noted = false;
    filch_store_release(&slot->state, (uint32_t)SLOT_FREE); /* SLOT */
    filchi_pool_worker_left(self->executor, worker);
    /* There may have been no memory for another one while this one's was not free. */
    filchi_pool_attend(self->executor->pool);
}

/* It was never ready: its initializer failed, or it died on the way. */
static void see_to_failed_start(struct process_pool *self, struct slot *slot,
                                struct worker *worker) {
    struct pool *pool = self->executor->pool;
    struct process_end end = filchi_process_pool_read_end(slot);
    char how[64];
    filchi_fork_explain_end(end, how, sizeof how);
    bool was_killed = end.signal == SIGKILL;
    uint32_t most = was_killed ? MOST_KILLED_STARTS : MOST_FAILED_STARTS;
    uint32_t n_failed =
        1 + filch_fetch_add_relaxed(
                was_killed ? &self->shared->n_killed_starts : &self->shared->n_failed_starts, 1u);
    if (end.exit_status == EXIT_NOT_READY && slot->why[0] != '\0')
        filchi_pool_break(pool, "the initializer of worker %u %s", worker->number, slot->why);
    else if (n_failed >= most)
        filchi_pool_break(pool,
                          "%u workers in a row ended before their first task; the last one, "
                          "worker %u, %s",
                          n_failed, worker->number, how);
}

/* Returns: false if it is to be tried again in a while. */
static bool bury(struct process_pool *self, uint32_t number) {
    struct slot *slot = &self->shared->slots[number];
    struct worker *worker = scheduler_worker(self->executor->pool->scheduler, number);
    uint32_t last_state = filch_load_relaxed(&slot->last_state);
    if (last_state == SLOT_STARTING && !slot->is_noted)
        see_to_failed_start(self, slot, worker);
    if (!filchi_process_pool_recover(self, worker, slot))
        return false;
    free_slot(self, slot, worker);
    return true;
}

static void see_to_unforked(struct process_pool *self, uint32_t number) {
    struct slot *slot = &self->shared->slots[number];
    struct worker *worker = scheduler_worker(self->executor->pool->scheduler, number);
    int error = (int)filch_load_relaxed(&slot->wait_status);
    filch_store_release(&slot->state, (uint32_t)SLOT_FREE); /* SLOT */
    filchi_pool_worker_failed(worker, error);
}

/* A process that has done no more than find no memory for its stack is like one that was not forked. */
static bool had_no_stack(struct slot *slot) {
    if (slot_state(slot) != SLOT_DEAD || !slot->has_no_stack)
        return false;
    filch_store_relaxed(&slot->pid, 0u);
    filch_store_relaxed(&slot->wait_status, (uint32_t)ENOMEM);
    filch_store_release(&slot->state, (uint32_t)SLOT_UNFORKED); /* SLOT */
    return true;
}

/* Returns: false if somebody is left. */
static bool bury_all(struct process_pool *self) {
    bool is_done = true;
    for (uint32_t i = 0; i < self->shared->n_slots; i++) {
        struct slot *slot = &self->shared->slots[i];
        enum slot_state state = slot_state(slot);
        if (state == SLOT_UNFORKED || had_no_stack(slot))
            see_to_unforked(self, i);
        else if (state == SLOT_DEAD)
            is_done = bury(self, i) && is_done;
    }
    return is_done;
}

/* Returns: false if the chunks of memory are to be counted later. */
static bool recount(struct process_pool *self) {
    if (self->must_recount && filchi_arena_recount(self->executor->pool->arena))
        self->must_recount = false;
    return !self->must_recount;
}

/* The process has ended, or does so soon: it dies of its server's death. But the system forgets to kill
 * it once a task has become another user; it still has its number then, since nobody has reaped it. */
static void await_orphan(pid_t pid) {
    if (pid <= 0)
        return; /* it was not there yet */
    int watch = filchi_fork_watch(pid);
    bool has_ended = filchi_fork_await_end(pid, watch, filchi_clock_ns() + ORPHAN_NS);
    if (!has_ended && watch >= 0) { /* else the number may be somebody else's */
        kill(pid, SIGKILL);
        (void)filchi_fork_await_end(pid, watch, filchi_clock_ns() + ORPHAN_NS);
    }
    if (watch >= 0)
        close(watch);
}

/* Nobody starts workers any more, and nobody says how they end. */
static void see_to_lost_server(struct process_pool *self) {
    /* First, so that who waits is told of this, and not that no worker can be started. */
    filchi_pool_break(self->executor->pool, "its fork server (pid %d) has ended",
                      (int)self->shared->server);
    filch_store_seq_cst(&self->shared->is_server_gone, 1u); /* REQUESTED */
    /* Its socket is closed before its children are adopted by others. */
    (void)filchi_fork_await_end(self->shared->server, self->server_watch,
                                filchi_clock_ns() + ORPHAN_NS);
    for (uint32_t i = 0; i < self->shared->n_slots; i++) {
        struct slot *slot = &self->shared->slots[i];
        enum slot_state state = slot_state(slot);
        if (state == SLOT_REQUESTED && slot_move(slot, SLOT_REQUESTED, SLOT_UNFORKED))
            filch_store_relaxed(&slot->wait_status, (uint32_t)ESHUTDOWN);
        if (state < SLOT_STARTING || state > SLOT_LEAVING)
            continue;
        await_orphan((pid_t)filch_load_acquire(&slot->pid));
        filch_store_relaxed(&slot->last_state, (uint32_t)slot_state(slot));
        filch_store_relaxed(&slot->wait_status, (uint32_t)SIGKILL);
        filch_store_release(&slot->state, (uint32_t)SLOT_DEAD); /* SLOT */
    }
}

static bool is_quitting(const struct process_pool *self) {
    return filch_load_acquire(&self->shared->is_to_quit) != 0;
}

/* Returns: false if the server has ended. */
static bool await_bell(struct process_pool *self, uint64_t deadline_ns) {
    struct pollfd events[] = {{self->bell, POLLIN, 0}, {self->server_watch, POLLIN, 0}};
    (void)poll(events, self->server_watch >= 0 ? 2 : 1,
               filchi_clock_milliseconds_until(deadline_ns));
    while (recv(self->bell, (char[64]){0}, 64, MSG_DONTWAIT) > 0)
        ;
    return (events[0].revents & (POLLHUP | POLLERR | POLLNVAL)) == 0 && events[1].revents == 0;
}

static void *reap(void *arg) {
    struct process_pool *self = arg;
    filchi_fork_set_name(self->crew.prefix, "reap");
    filchi_process_serve_on_thread(self->executor->pool, REAPER_TAG);
    /* Now: a death may come when all memory is in use. */
    bool has_producer = filchi_pool_producer(self->executor->pool) != NULL;
    filch_store_release(&self->is_reaper_ready, has_producer ? 1u : 2u); /* READY */
    filchi_futex_wake(&self->is_reaper_ready.value, 1, false);
    if (!has_producer)
        return NULL;
    for (uint64_t next_ns = FILCHI_NEVER; await_bell(self, next_ns);) {
        bool is_done = bury_all(self);
        next_ns = filchi_process_pool_stop_late(self);
        uint64_t pause_ns = !is_done ? TRY_AGAIN_NS : !recount(self) ? COUNT_AGAIN_NS : 0;
        uint64_t again_ns = filchi_clock_ns() + pause_ns;
        if (pause_ns > 0 && next_ns > again_ns)
            next_ns = again_ns;
    }
    if (!is_quitting(self))
        see_to_lost_server(self);
    while (!bury_all(self)) /* others are still in the middle of something, or about to die of it */
        filchi_thread_yield();
    (void)recount(self);
    return NULL;
}

int filchi_reaper_start(struct process_pool *self) {
    int error = filchi_thread_start(&self->reaper, reap, self, 0);
    self->has_reaper = error == 0;
    if (error != 0)
        return error;
    while (filch_load_acquire(&self->is_reaper_ready) == 0) /* READY */
        (void)filchi_futex_wait(&self->is_reaper_ready.value, 0, FILCHI_NEVER, false);
    return filch_load_relaxed(&self->is_reaper_ready) == 1 ? 0 : ENOMEM;
}

void filchi_reaper_stop(struct process_pool *self) {
    filch_store_seq_cst(&self->shared->is_ending, 1u);
    filch_store_seq_cst(&self->shared->is_to_quit, 1u); /* REQUESTED */
    filchi_server_ring(self);
    if (self->has_reaper)
        pthread_join(self->reaper, NULL);
    self->has_reaper = false;
    /* Where this process adopts what others leave (pid 1, a subreaper), the server is its child now. */
    filchi_fork_await_adopted(self->shared->server);
}
