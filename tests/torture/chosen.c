/* chosen.c: a worker process dies before its n-th access to shared memory, for every n, in each of many
 * situations (scenarios.c); nobody else is harmed.
 *
 * A scenario is through when n is beyond all of it. The library is compiled with kill_point.h. */
#include "chosen.h"

#include "executor/pool.h"
#include "structures/recover.h"
#include <argp.h>
#include <stdlib.h>
#include <string.h>

enum { PER_POOL = 64 };

static struct options {
    const char *only;
    uint64_t from, to, stride;
    bool is_verbose;
} options = {.from = 1, .to = UINT64_MAX, .stride = 1};

static filch_executor *executor;
static int n_open_workers, n_in_pool;
static unsigned n_seen; /* kills that this pool has seen */

static void close_pool(void) {
    if (executor == NULL)
        return;
    char why[200] = "";
    struct pool *pool = executor->pool;
    if (filch_shutdown(executor, .timeout = TORTURE_LIMIT_S) != FILCH_OK)
        torture_fail("shutdown: %s", filch_error_message());
    torture_check_counts(executor);
    if (!filchi_arena_is_valid(pool->arena, why, sizeof why))
        torture_fail("the arena is broken: %s", why);
    torture_pool = NULL;
    filch_close(executor);
    executor = NULL;
}

static void need_pool(int n_workers) {
    if (executor != NULL && n_open_workers == n_workers && n_in_pool < PER_POOL)
        return;
    close_pool();
    executor = filch_process_pool(.max_workers = n_workers, .memory = (size_t)256 << 20);
    if (executor == NULL)
        torture_fail("open: %s", filch_error_message());
    torture_pool = executor;
    n_open_workers = n_workers;
    n_in_pool = 0;
    atomic_store(&table->n_kills, 0);
    n_seen = 0;
}

/* Returns: false if nobody died: n is beyond the scenario. */
static bool run_trial(const struct scenario *scenario, uint64_t n) {
    snprintf(torture_where, sizeof torture_where, "chosen --scenario %s --from %ju --to %ju",
             scenario->name, (uintmax_t)n, (uintmax_t)n);
    need_pool(scenario->n_workers);
    n_in_pool++;
    torture_reset();
    atomic_fetch_add(&table->trial, 1);
    atomic_store(&table->is_armed_once, 0);
    struct trial trial = {.executor = executor, .n = n};
    scenario->run(&trial);
    torture_await_rest(executor, atomic_load(&table->n_kills));
    bool has_died = atomic_load(&table->n_kills) > n_seen;
    n_seen = atomic_load(&table->n_kills);
    atomic_fetch_add(&table->trial, 1); /* disarms */
    torture_check_whole(executor, scenario->n_workers);
    if (trial.n % 4 == 3)
        torture_await_count(&trial.n_called, trial.n_entries, "callbacks");
    return has_died;
}

static unsigned run_scenario(const struct scenario *scenario) {
    enum { BEYOND = 8 }; /* so many in a row without a death */
    unsigned n_kills = 0;
    int n_quiet = 0;
    uint64_t n = options.from;
    for (; n <= options.to && n_quiet < BEYOND; n += options.stride) {
        if (strncmp(scenario->name, "start", 5) == 0)
            n_in_pool = PER_POOL; /* each trial a new pool */
        bool has_died = run_trial(scenario, n);
        n_kills += has_died;
        n_quiet = has_died ? 0 : n_quiet + 1;
    }
    close_pool();
    printf("%-16s %6u kills, up to access %ju\n", scenario->name, n_kills, (uintmax_t)n);
    fflush(stdout);
    return n_kills;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    switch (key) {
    case 's':
        options.only = arg;
        return 0;
    case 'f':
        options.from = strtoull(arg, NULL, 10);
        return 0;
    case 't':
        options.to = strtoull(arg, NULL, 10);
        return 0;
    case 'e':
        options.stride = strtoull(arg, NULL, 10);
        return options.stride == 0 ? EINVAL : 0;
    case ARGP_KEY_ARG:
        argp_usage(state);
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int main(int argc, char **argv) {
    static const struct argp_option argp_options[] = {
        {"scenario", 's', "NAME", 0, "this one alone", 0},
        {"from", 'f', "N", 0, "begin at this access (1)", 0},
        {"to", 't', "N", 0, "end at this access (when nobody dies any more)", 0},
        {"every", 'e', "N", 0, "only every N-th access (1)", 0},
        {0},
    };
    static const struct argp argp = {
        argp_options, parse, NULL, "A worker dies before its n-th access, for every n.",
        NULL,         NULL,  NULL};
    argp_parse(&argp, argc, argv, 0, NULL, NULL);
    torture_open();
    unsigned n_kills = 0;
    bool is_known = options.only == NULL;
    for (size_t i = 0; scenarios[i].name != NULL; i++) {
        if (options.only != NULL && strcmp(options.only, scenarios[i].name) != 0)
            continue;
        is_known = true;
        n_kills += run_scenario(&scenarios[i]);
    }
    if (!is_known) {
        fprintf(stderr, "chosen: there is no scenario %s\n", options.only);
        return 2;
    }
    printf("%u kills\n", n_kills);
    return EXIT_SUCCESS;
}
