/* executor/crew.c: options, hooks and places of workers. */
#include "executor/crew.h"

#include "base/status.h"
#include "executor/execute.h"
#include "platform/binding.h"
#include "platform/thread.h"
#include <math.h>
#include <string.h>

/* An idle worker searches so long before it sleeps: less than a wake-up across cores costs. */
static const double DEFAULT_SPIN_S = 20e-6;
static const double LONGEST_SPIN_S = 3600;
static const size_t LARGEST_STACK = (size_t)1 << 40;

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

filch_status filchi_crew_init(const char *function, struct crew *crew,
                              const filch_thread_pool_options *options) {
    filch_status status = check_options(function, options);
    if (status != FILCH_OK)
        return status;
    *crew = (struct crew){.options = *options};
    const char *prefix = options->thread_name_prefix;
    strncpy(crew->prefix, prefix != NULL ? prefix : "filch", sizeof crew->prefix - 1);
    return FILCH_OK;
}

/* Searching pays only where every worker, and the one who waits, can have a core. */
uint64_t filchi_crew_spin_ns(const struct crew *crew, const struct plan *plan) {
    double spin = crew->options.spin;
    if (spin < 0 || plan->n_usable == 1 || plan->n_workers > plan->n_usable)
        return 0;
    return (uint64_t)((spin > 0 ? spin : DEFAULT_SPIN_S) * 1e9);
}

void filchi_crew_bind(const struct plan *plan, const struct worker *worker) {
    const struct filchi_placement *place = plan_placement(plan, worker->seat);
    if (place != NULL)
        (void)filchi_binding_set(place);
    else
        (void)filchi_binding_undo();
}

bool filchi_crew_initialise(const struct crew *crew, struct worker *worker, char *why,
                            size_t why_size) {
    if (crew->options.initializer == NULL)
        return true;
    filchi_worker_begin_initializer(worker);
    worker->keeps_seat = true;
    int code = filchi_execute_hook(pool_of_worker(worker), "initializer", crew->options.initializer,
                                   NULL, crew->options.initarg, why, why_size);
    worker->keeps_seat = false;
    filchi_worker_end_initializer(worker);
    return code == 0;
}

void filchi_crew_finalise(const struct crew *crew, struct worker *worker) {
    char why[128];
    worker->keeps_seat = true;
    if (crew->options.finalizer != NULL)
        (void)filchi_execute_hook(pool_of_worker(worker), "finalizer", NULL,
                                  crew->options.finalizer, crew->options.initarg, why, sizeof why);
}
