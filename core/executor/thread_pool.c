/* executor/thread_pool.c: workers that are threads of this process. */
#include <filch/thread_pool.h>

#include "base/status.h"
#include "executor/execute.h"
#include "executor/options.h"
#include "executor/plan.h"
#include "executor/pool.h"
#include "platform/binding.h"
#include "platform/stack.h"
#include "platform/thread.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX_BYTES = 16 };

/* An idle worker searches so long before it sleeps: less than a wake-up across cores costs. */
static const double DEFAULT_SPIN_S = 20e-6;
static const double LONGEST_SPIN_S = 3600;
static const size_t LARGEST_STACK = (size_t)1 << 40;

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
    filch_thread_pool_options options;
    char prefix[PREFIX_BYTES];
    struct thread threads[]; /* one per slot */
};

/* Only the kind knows what is behind the handle. */
static struct thread_pool *threads_of(filch_executor *executor) {
    return executor->kind_data;
}

/* The initializer, then tasks, then the finalizer. */
static void serve(struct thread_pool *self, struct worker *worker) {
    const filch_thread_pool_options *options = &self->options;
    struct pool *pool = self->executor->pool;
    char why[128];
    bool is_initialised = true;
    if (options->initializer != NULL) {
        filchi_worker_begin_initializer(worker);
        worker->keeps_seat = true;
        is_initialised = filchi_execute_hook(pool, "initializer", options->initializer, NULL,
                                             options->initarg, why, sizeof why) == 0;
        worker->keeps_seat = false;
        filchi_worker_end_initializer(worker);
    }
    if (!is_initialised)
        filchi_pool_break(pool, "the initializer of worker %u %s", worker->number, why);
    filchi_worker_loop(worker);
    worker->keeps_seat = true;
    if (options->finalizer != NULL && is_initialised)
        (void)filchi_execute_hook(pool, "finalizer", NULL, options->finalizer, options->initarg,
                                  why, sizeof why);
}

/* A worker is bound where it sits; without a seat it runs anywhere, so as not to share the core of its
 * substitute while others are idle. */
static void bind(const struct plan *plan, const struct worker *worker) {
    const struct filchi_placement *place = plan_placement(plan, worker->seat);
    if (place != NULL)
        (void)filchi_binding_set(place);
    else
        (void)filchi_binding_undo();
}

static void move_worker(filch_executor *executor, struct worker *worker) {
    if (executor->plan->placements != NULL)
        bind(executor->plan, worker);
}

static void *thread_main(void *arg) {
    struct thread *thread = arg;
    struct thread_pool *self = thread->pool;
    struct worker *worker = thread->worker;
    filch_executor *executor = self->executor;
    filchi_thread_set_name(self->prefix, (int)worker->number);
    filchi_stack_enter_thread();
    bind(executor->plan,
         worker); /* even if that is nowhere: a bound worker may have started this one */
    filchi_worker_become(worker);
    worker->is_searching = true; /* who woke it set the bit */
    worker->keeps_seat = false;
    serve(self, worker);
    filchi_worker_become(NULL);
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
    if (!clear_slot(self, thread))
        return ENOMEM;
    thread->pool = self;
    thread->worker = worker;
    int error = filchi_thread_start(&thread->id, thread_main, thread, self->options.stack_size);
    thread->is_started = error == 0;
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

static filch_status check_options(const char *function, const filch_thread_pool_options *options) {
    if (options->max_workers < 0 || options->max_workers > PARK_MAX_SEATS)
        return filchi_fail(FILCH_INVALID,
                           "%s: .max_workers is %d; give 1 to %d, or 0 for one per usable core",
                           function, options->max_workers, PARK_MAX_SEATS);
    if ((int)options->bind < FILCH_BIND_AUTO || (int)options->bind > FILCH_BIND_NONE)
        return filchi_fail(FILCH_INVALID,
                           "%s: .bind is %d; use FILCH_BIND_AUTO, _CORE, _NUMA or _NONE", function,
                           (int)options->bind);
    if (isnan(options->spin) || options->spin > LONGEST_SPIN_S)
        return filchi_fail(FILCH_INVALID,
                           "%s: .spin is %g; give seconds up to %g, or FILCH_NO_SPIN", function,
                           options->spin, LONGEST_SPIN_S);
    size_t least = filchi_thread_least_stack();
    if (options->stack_size != 0 &&
        (options->stack_size < least || options->stack_size > LARGEST_STACK))
        return filchi_fail(FILCH_INVALID,
                           "%s: .stack_size is %zu bytes; give %zu to %zu, or 0 for the system's "
                           "default",
                           function, options->stack_size, least, LARGEST_STACK);
    return FILCH_OK;
}

/* Searching pays only where every worker, and the one who waits, can have a core. */
static uint64_t choose_spin_ns(double spin, const struct plan *plan) {
    if (spin < 0 || plan->n_usable == 1 || plan->n_workers > plan->n_usable)
        return 0;
    return (uint64_t)((spin > 0 ? spin : DEFAULT_SPIN_S) * 1e9);
}

filch_executor *filch_thread_pool_open(const filch_thread_pool_options *given) {
    const char *function = "filch_thread_pool";
    filch_thread_pool_options options;
    if (filchi_options_read(function, &options, sizeof options, given) != FILCH_OK ||
        check_options(function, &options) != FILCH_OK)
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
    self->options = options;
    strncpy(self->prefix, options.thread_name_prefix != NULL ? options.thread_name_prefix : "filch",
            sizeof self->prefix - 1);
    self->executor = filchi_executor_open(&thread_pool_operations, n_workers,
                                          choose_spin_ns(options.spin, plan), self, function);
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
