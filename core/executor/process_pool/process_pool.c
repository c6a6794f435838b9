/* executor/process_pool/process_pool.c: options, opening, and what differs from other kinds of pools. */
#include "executor/process_pool/process_pool.h"

#include "base/status.h"
#include "executor/options.h"
#include "executor/thread_pool.h"
#include "platform/clock.h"
#include "platform/fork.h"
#include "platform/futex.h"
#include "platform/process.h"
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Who has not died of a signal that can be handled by then dies of one that cannot. */
static const uint64_t PATIENCE_NS = 5000000000;

static int request_worker(filch_executor *executor, struct worker *worker) {
    struct process_pool *self = process_pool_of(executor);
    struct slot *slot = &self->shared->slots[worker->number];
    if (!slot_move(slot, SLOT_FREE, SLOT_REQUESTED)) /* REQUESTED */
        return EBUSY;
    /* The reaper looks for requests after it has said so; one of the two takes this one back. */
    if (unlikely(filch_load_seq_cst(&self->shared->is_server_gone) != 0) && /* REQUESTED */
        slot_move(slot, SLOT_REQUESTED, SLOT_FREE))
        return ESHUTDOWN;
    filchi_server_ring(self);
    return 0;
}

static bool has_started(const filch_executor *executor, const struct worker *worker) {
    return slot_state(&process_pool_of(executor)->shared->slots[worker->number]) != SLOT_FREE;
}

static void move_worker(filch_executor *executor, struct worker *worker) {
    if (executor->plan->placements != NULL)
        filchi_crew_bind(executor->plan, worker);
}

static void signal_all(struct process_pool *self, int number) {
    for (uint32_t i = 0; i < self->shared->n_slots; i++) {
        struct slot *slot = &self->shared->slots[i];
        enum slot_state state = slot_state(slot);
        if (state >= SLOT_REQUESTED && state <= SLOT_LEAVING)
            filch_store_seq_cst(&slot->signal, (uint32_t)number); /* REQUESTED */
    }
    filchi_server_ring(self);
}

static void end_workers(filch_executor *executor, int number, bool may_wait) {
    struct process_pool *self = process_pool_of(executor);
    struct pool *pool = executor->pool;
    filch_store_seq_cst(&self->shared->is_ending, 1u); /* REQUESTED */
    signal_all(self, number);
    uint64_t deadline_ns = number == SIGKILL ? FILCHI_NEVER : filchi_clock_ns() + PATIENCE_NS;
    while (may_wait && !filchi_roster_await_none(&pool->roster, deadline_ns)) {
        signal_all(self, SIGKILL);
        deadline_ns = FILCHI_NEVER;
    }
}

static int find_pid(const filch_executor *executor, uint32_t number) {
    const struct slot *slot = &process_pool_of(executor)->shared->slots[number];
    return slot_has_process(slot) ? (int)filch_load_relaxed(&slot->pid) : 0;
}

static void join_workers(filch_executor *executor) {
    struct process_pool *self = process_pool_of(executor);
    if (self->shared == NULL)
        return; /* its opening failed */
    filchi_reaper_stop(self);
    filchi_notifier_stop(&self->notifier);
    filchi_process_pool_end_limbo(self);
}

static void close_descriptors(struct process_pool *self) {
    int *const descriptors[] = {&self->bell, &self->server_bell, &self->server_watch,
                                &self->opener_watch};
    for (size_t i = 0; i < sizeof descriptors / sizeof descriptors[0]; i++) {
        if (*descriptors[i] >= 0)
            close(*descriptors[i]);
        *descriptors[i] = -1;
    }
}

static void close_processes(filch_executor *executor) {
    struct process_pool *self = process_pool_of(executor);
    close_descriptors(self);
    free(self);
}

static const struct pool_operations process_pool_operations = {
    .kind = "process pool",
    .is_shared = true,
    .takes_pointers = false,
    .stops_tasks = true,
    .start_worker = request_worker,
    .has_started = has_started,
    .move_worker = move_worker,
    .after_task = filchi_worker_process_after_task,
    .limit_task = filchi_worker_process_limit_task,
    .join_workers = join_workers,
    .end_workers = end_workers,
    .find_pid = find_pid,
    .close = close_processes,
};

static filch_status check_options(const char *function, const filch_process_pool_options *options) {
    if ((int)options->start_method < FILCH_FORKSERVER || options->start_method > FILCH_THREADS)
        return filchi_fail(
            FILCH_INVALID,
            "%s: .start_method is %d; use FILCH_FORKSERVER, FILCH_FORK or FILCH_THREADS", function,
            (int)options->start_method);
    if (options->max_tasks_per_child < 0)
        return filchi_fail(FILCH_INVALID,
                           "%s: .max_tasks_per_child is %d; give 1 or more, or 0 for no limit",
                           function, options->max_tasks_per_child);
    if ((int)options->on_crash < FILCH_CRASH_FAILS_TASK ||
        options->on_crash > FILCH_CRASH_BREAKS_POOL)
        return filchi_fail(FILCH_INVALID,
                           "%s: .on_crash is %d; use FILCH_CRASH_FAILS_TASK or "
                           "FILCH_CRASH_BREAKS_POOL",
                           function, (int)options->on_crash);
    return FILCH_OK;
}

/* The options that a thread pool has, too. */
static filch_thread_pool_options common_options(const filch_process_pool_options *options) {
    return (filch_thread_pool_options){
        .size = sizeof(filch_thread_pool_options),
        .max_workers = options->max_workers,
        .thread_name_prefix = options->thread_name_prefix,
        .initializer = options->initializer,
        .finalizer = options->finalizer,
        .initarg = options->initarg,
        .bind = options->bind,
        .spin = options->spin,
        .stack_size = options->stack_size,
    };
}

/* What the server needs of this process. Returns: 0 or an errno value. */
static int open_descriptors(struct process_pool *self) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return errno;
    self->bell = pair[0];
    self->server_bell = pair[1];
    self->opener = getpid();
    self->opener_watch = filchi_fork_watch(self->opener); /* there is another way, without it */
    return 0;
}

/* What was printed so far goes out before it is copied. */
static void flush(FILE *stream) {
    if (ftrylockfile(stream) != 0)
        return; /* somebody is writing, and will go on */
    fflush(stream);
    funlockfile(stream);
}

static int start_server(struct process_pool *self) {
    flush(stdout);
    flush(stderr);
    pthread_sigmask(SIG_SETMASK, NULL, &self->mask);
    int error = filchi_fork_detached(filchi_server_main, self);
    if (error != 0)
        return error;
    close(self->server_bell);
    self->server_bell = -1;
    struct pollfd ready = {self->bell, POLLIN, 0};
    while (poll(&ready, 1, -1) < 0 && errno == EINTR)
        ;
    char byte;
    if (recv(self->bell, &byte, 1, MSG_DONTWAIT) != 1) {
        uint32_t server_error = filch_load_relaxed(&self->shared->server_error);
        return server_error != 0 ? (int)server_error : ECHILD;
    }
    self->server_watch = filchi_fork_watch(self->shared->server);
    if (self->opener_watch >= 0)
        close(self->opener_watch);
    self->opener_watch = -1;
    return 0;
}

static int make_shared(struct process_pool *self) {
    struct pool *pool = self->executor->pool;
    uint32_t n_slots = pool->scheduler->n_slots;
    size_t bytes = process_shared_bytes(n_slots);
    self->shared =
        filchi_arena_take(pool->arena, (bytes + CHUNK_BYTES - 1) / CHUNK_BYTES, CHUNK_RUN);
    if (self->shared == NULL)
        return errno;
    memset(self->shared, 0, bytes);
    self->shared->n_slots = n_slots;
    pool->undelivered = &self->shared->undelivered;
    pool->host.lives = process_shared_lives(self->shared);
    return 0;
}

static int start_notifier(struct process_pool *self) {
    return filchi_notifier_start(&self->notifier, self->executor->pool, self);
}

/* What was made by then is left to closing. Returns: 0 or an errno value, and `*what` could not be made. */
static int start(struct process_pool *self, const char **what) {
    static const struct {
        int (*make)(struct process_pool *self);
        const char *what;
    } steps[] = {{make_shared, "what its processes share"},
                 {open_descriptors, "a socket pair"},
                 {start_server, "its fork server"},
                 {start_notifier, "its thread for callbacks"},
                 {filchi_reaper_start, "its thread that sees to dead workers"}};
    int error = 0;
    for (size_t i = 0; error == 0 && i < sizeof steps / sizeof steps[0]; i++) {
        *what = steps[i].what;
        error = steps[i].make(self);
    }
    return error;
}

filch_executor *filch_process_pool_open(const filch_process_pool_options *given) {
    const char *function = "filch_process_pool";
    filch_process_pool_options options;
    struct crew crew;
    if (filchi_options_read(function, &options, sizeof options, given) != FILCH_OK ||
        check_options(function, &options) != FILCH_OK)
        return NULL;
    filch_thread_pool_options common = common_options(&options);
    if (options.start_method == FILCH_THREADS)
        return filchi_thread_pool_open_stand_ins(function, &common, options.memory);
    if (filchi_crew_init(function, &crew, &common) != FILCH_OK)
        return NULL;
    struct plan *plan = filchi_plan_make(options.max_workers, options.bind);
    struct process_pool *self = plan == NULL ? NULL : calloc(1, sizeof *self);
    if (self == NULL) {
        filchi_plan_free(plan);
        filchi_fail(FILCH_NO_MEMORY, "%s: no memory for %d workers", function, options.max_workers);
        return NULL;
    }
    *self = (struct process_pool){.crew = crew,
                                  .options = options,
                                  .bell = -1,
                                  .server_bell = -1,
                                  .server_watch = -1,
                                  .opener_watch = -1};
    struct pool_opening opening = {(uint32_t)plan->n_workers, filchi_crew_spin_ns(&crew, plan),
                                   options.memory, self};
    self->executor = filchi_executor_open(&process_pool_operations, opening, function);
    if (self->executor == NULL) {
        filchi_plan_free(plan);
        free(self);
        return NULL;
    }
    self->executor->plan = plan;
    if (plan->placements != NULL)
        filchi_scheduler_place(self->executor->pool->scheduler, plan->placements);
    const char *what;
    int error = start(self, &what);
    if (error == 0)
        return self->executor;
    filch_close(self->executor);
    errno = error;
    filchi_fail(error == ENOMEM ? FILCH_NO_MEMORY : FILCH_SYSTEM, "%s: %s could not be made: %s",
                function, what, strerror(error));
    return NULL;
}
