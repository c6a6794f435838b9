/* executor/thread_pool.c: workers that are threads of this process.
 *
 * Threads may also stand in for the processes of a process pool: in shared memory, with each a tag of its
 * own, and with a notifier. All that differs then is that none of them can die alone. */
#include "executor/thread_pool.h"

#include "base/status.h"
#include "executor/crew.h"
#include "executor/options.h"
#include "executor/pool.h"
#include "executor/process_pool/notifier.h"
#include "platform/process.h"
#include "platform/stack.h"
#include "platform/thread.h"
#include "scheduler/fork_stack.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)SUBSTITUTES == (int)FILCH_MAX_SUBSTITUTES, "as promised");

struct thread {
    struct thread_pool *pool;
    struct worker *worker;
    pthread_t id;
    bool is_started;
};

/* A thread that has left its slot to another one, and may still be about to end. */
struct ended {
    struct ended *next;
    pthread_t id;
};

struct thread_pool {
    filch_executor *executor;
    struct ended *ended; /* under the executor's lock */
    struct crew crew;
    struct notifier notifier; /* of threads that stand in for processes */
    struct thread threads[];  /* one per slot */
};

/* Only the kind knows what is behind the handle. */
static struct thread_pool *threads_of(filch_executor *executor) {
    return executor->kind_data;
}

/* The initializer, then tasks, then the finalizer. */
static void serve(struct thread_pool *self, struct worker *worker) {
    char why[128];
    bool is_initialised = filchi_crew_initialise(&self->crew, worker, why, sizeof why);
    if (!is_initialised)
        filchi_pool_break(self->executor->pool, "the initializer of worker %u %s", worker->number,
                          why);
    filchi_worker_loop(worker);
    if (is_initialised)
        filchi_crew_finalise(&self->crew, worker);
}

static void move_worker(filch_executor *executor, struct worker *worker) {
    if (executor->plan->placements != NULL)
        filchi_crew_bind(executor->plan, worker);
}

static void *thread_main(void *arg) {
    struct thread *thread = arg;
    struct thread_pool *self = thread->pool;
    struct worker *worker = thread->worker;
    filch_executor *executor = self->executor;
    filchi_thread_set_name(self->crew.prefix, (int)worker->number);
    filchi_stack_enter_thread(self->crew.options.stack_size);
    filchi_crew_bind(executor->plan, worker);
    if (executor->operations->is_shared)
        filchi_process_serve_on_thread(executor->pool, worker->number + 1);
    filchi_worker_become(worker);
    worker->is_searching = true; /* who woke it set the bit */
    worker->keeps_seat = false;
    serve(self, worker);
    filchi_worker_become(NULL);
    if (executor->operations->is_shared) {
        filchi_process_serve_on_thread(NULL, PROCESS_OPENER);
        filchi_notifier_disown(&self->notifier, worker);
    }
    filchi_stack_leave_thread();
    filchi_pool_worker_left(executor, worker);
    return NULL;
}

/* Joins those that have ended by now. */
static void join_ended(struct thread_pool *self) {
    for (struct ended **at = &self->ended; *at != NULL;) {
        struct ended *ended = *at;
        if (pthread_tryjoin_np(ended->id, NULL) == 0) {
            *at = ended->next;
            free(ended);
        } else {
            at = &ended->next;
        }
    }
}

/* Makes room for another thread in a slot whose worker has left. Its thread is not waited for: the
 * program's destructors of thread-specific values may still run there, and want a lock that the calling
 * thread holds. Returns: false without memory. */
static bool clear_slot(struct thread_pool *self, struct thread *thread) {
    join_ended(self);
    if (!thread->is_started || pthread_tryjoin_np(thread->id, NULL) == 0) {
        thread->is_started = false;
        return true;
    }
    struct ended *ended = malloc(sizeof *ended);
    if (ended == NULL)
        return false;
    *ended = (struct ended){self->ended, thread->id};
    self->ended = ended;
    thread->is_started = false;
    return true;
}

static int start_worker(filch_executor *executor, struct worker *worker) {
    struct thread_pool *self = threads_of(executor);
    struct thread *thread = &self->threads[worker->number];
    int error = ENOMEM;
    pthread_mutex_lock(&executor->lock);
    if (clear_slot(self, thread)) {
        thread->pool = self;
        thread->worker = worker;
        error =
            filchi_thread_start(&thread->id, thread_main, thread, self->crew.options.stack_size);
        thread->is_started = error == 0;
    }
    pthread_mutex_unlock(&executor->lock);
    return error;
}

static void join_workers(filch_executor *executor) {
    struct thread_pool *self = threads_of(executor);
    for (uint32_t i = 0; i < executor->pool->scheduler->n_slots; i++)
        if (self->threads[i].is_started)
            pthread_join(self->threads[i].id, NULL);
    for (struct ended *next; self->ended != NULL; self->ended = next) {
        next = self->ended->next;
        pthread_join(self->ended->id, NULL);
        free(self->ended);
    }
    struct scheduler *scheduler = executor->pool->scheduler;
    for (uint32_t i = 0, n = scheduler_n_made(scheduler); i < n; i++)
        if (scheduler_worker(scheduler, i) != NULL)
            filchi_fork_stack_release(scheduler_worker(scheduler, i));
}

static void join_stand_ins(filch_executor *executor) {
    join_workers(executor);
    filchi_notifier_stop(&threads_of(executor)->notifier);
}

static void close_threads(filch_executor *executor) {
    free(threads_of(executor));
}

static const struct pool_operations thread_pool_operations = {
    .kind = "thread pool",
    .takes_pointers = true,
    .stops_tasks = false,
    .start_worker = start_worker,
    .move_worker = move_worker,
    .join_workers = join_workers,
    .close = close_threads,
};

static filch_executor *open_pool(const char *function, const filch_thread_pool_options *given,
                                 const struct pool_operations *operations, size_t memory) {
    filch_thread_pool_options options;
    struct crew crew;
    if (filchi_options_read(function, &options, sizeof options, given) != FILCH_OK ||
        filchi_crew_init(function, &crew, &options) != FILCH_OK)
        return NULL;
    struct plan *plan = filchi_plan_make(options.max_workers, options.bind);
    uint32_t n_workers = plan != NULL ? (uint32_t)plan->n_workers : 0;
    size_t n_threads = (size_t)n_workers + SUBSTITUTES;
    struct thread_pool *self = calloc(1, sizeof *self + n_threads * sizeof self->threads[0]);
    if (self == NULL || plan == NULL) {
        filchi_plan_free(plan);
        free(self);
        filchi_fail(FILCH_NO_MEMORY, "%s: no memory for %u workers", function, n_workers);
        return NULL;
    }
    self->crew = crew;
    struct pool_opening opening = {n_workers, filchi_crew_spin_ns(&crew, plan), memory, self};
    self->executor = filchi_executor_open(operations, opening, function);
    if (self->executor == NULL) {
        filchi_plan_free(plan);
        free(self);
        return NULL;
    }
    self->executor->plan = plan;
    if (plan->placements != NULL)
        filchi_scheduler_place(self->executor->pool->scheduler, plan->placements);
    return self->executor;
}

filch_executor *filch_thread_pool_open(const filch_thread_pool_options *options) {
    return open_pool("filch_thread_pool", options, &thread_pool_operations, 0);
}

static const struct pool_operations stand_in_operations = {
    .kind = "thread-backed process pool",
    .is_shared = true,
    .takes_pointers = false,
    .stops_tasks = false,
    .start_worker = start_worker,
    .move_worker = move_worker,
    .join_workers = join_stand_ins,
    .close = close_threads,
};

/* Returns: 0 or an errno value. */
static int start_notifier(struct thread_pool *self) {
    struct pool *pool = self->executor->pool;
    struct undelivered *undelivered = filchi_arena_take(pool->arena, 1, CHUNK_RUN);
    if (undelivered == NULL)
        return errno;
    memset(undelivered, 0, sizeof *undelivered);
    pool->undelivered = undelivered;
    return filchi_notifier_start(&self->notifier, pool, NULL);
}

filch_executor *filchi_thread_pool_open_stand_ins(const char *function,
                                                  const filch_thread_pool_options *options,
                                                  size_t memory) {
    filch_executor *executor = open_pool(function, options, &stand_in_operations, memory);
    int error = executor == NULL ? 0 : start_notifier(threads_of(executor));
    if (error == 0)
        return executor;
    filch_close(executor);
    errno = error;
    filchi_fail(error == ENOMEM ? FILCH_NO_MEMORY : FILCH_SYSTEM,
                "%s: the notifier could not be started: %s", function, strerror(error));
    return NULL;
}
