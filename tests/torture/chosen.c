/* chosen.c: a worker process dies before its n-th access to shared memory, for every n, in each of many
 * situations; nobody else is harmed.
 *
 * In each trial one task arms its worker with n, does what the scenario says, and returns; the worker
 * dies in the middle of that, or later, on its way to sleep. The scenario is through when n is beyond
 * all of it. The library is compiled with kill_point.h. */
#include "torture.h"

#include "executor/pool.h"
#include "structures/recover.h"
#include <argp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ENTRIES = 256, AROUND = 12, PER_POOL = 64 };

struct trial {
    filch_executor *executor;
    uint64_t n;
    int n_entries;
    struct entry entries[MOST_ENTRIES];
    atomic_int n_called; /* callbacks */
};

struct scenario {
    const char *name;
    int n_workers;
    int retries;
    void (*run)(struct trial *trial);
};

/* --- tasks ---------------------------------------------------------------------------------------- */

static long plain(int id) {
    return torture_run(id);
}
FILCH_TASK(long, plain, int);

static long arm(int id, uint64_t n) {
    torture_arm(n);
    return torture_run(id);
}
FILCH_TASK(long, arm, int, uint64_t);

/* With retries the second run goes well. */
static long arm_once(int id, uint64_t n) {
    if (atomic_exchange(&table->is_armed_once, 1) == 0)
        torture_arm(n);
    return torture_run(id);
}
FILCH_TASK(long, arm_once, int, uint64_t);

static long arm_and_raise(int id, uint64_t n) {
    torture_arm(n);
    torture_run(id);
    filch_raise(7, "task %d raises with some text", id);
    return 0;
}
FILCH_TASK(long, arm_and_raise, int, uint64_t);

static long below(int x) {
    return x;
}
FILCH_TASK(long, below, int);

/* Submits to its own pool, and waits: the tasks run on top of it, or elsewhere. */
static long arm_and_submit(int id, uint64_t n) {
    filch_executor *executor = filch_this_executor();
    filch_future *futures[6];
    torture_arm(n);
    for (int i = 0; i < 6; i++)
        futures[i] = filch_submit(executor, below, i);
    for (int i = 0; i < 6; i++) {
        filch_join(futures[i]);
        filch_release(futures[i]);
    }
    return torture_run(id);
}
FILCH_TASK(long, arm_and_submit, int, uint64_t);

static long arm_and_leave(int id, uint64_t n) {
    filch_executor *executor = filch_this_executor();
    torture_arm(n);
    for (int i = 0; i < 20; i++)
        filch_release(filch_submit(executor, below, i));
    return torture_run(id);
}
FILCH_TASK(long, arm_and_leave, int, uint64_t);

/* A wait with a time limit blocks its worker, and a substitute comes. */
static long arm_and_block(int id, uint64_t n) {
    filch_executor *executor = filch_this_executor();
    torture_arm(n);
    filch_future *future = filch_submit(executor, below, 5);
    filch_join_timeout(future, TORTURE_LIMIT_S);
    filch_release(future);
    return torture_run(id);
}
FILCH_TASK(long, arm_and_block, int, uint64_t);

static long arm_and_cancel(int id, uint64_t n) {
    filch_executor *executor = filch_this_executor();
    filch_future *futures[4];
    torture_arm(n);
    for (int i = 0; i < 4; i++)
        futures[i] = filch_submit(executor, below, i);
    for (int i = 0; i < 4; i++) {
        filch_cancel(futures[i]);
        filch_release(futures[i]);
    }
    return torture_run(id);
}
FILCH_TASK(long, arm_and_cancel, int, uint64_t);

static long arm_and_map(int id, uint64_t n) {
    int items[60];
    for (int i = 0; i < 60; i++)
        items[i] = i;
    torture_arm(n);
    filch_results *results = filch_map(filch_this_executor(), below, items, 60, .chunksize = 4);
    long value;
    while (results != NULL && filch_results_next(results, &value) != FILCH_END)
        ;
    filch_results_close(results);
    return torture_run(id);
}
FILCH_TASK(long, arm_and_map, int, uint64_t);

static long arm_and_collect(int id, uint64_t n) {
    filch_executor *executor = filch_this_executor();
    filch_future *futures[4], *done;
    torture_arm(n);
    for (int i = 0; i < 4; i++)
        futures[i] = filch_submit(executor, below, i);
    filch_completed *completed = filch_as_completed(futures, 4);
    while (completed != NULL && filch_completed_next(completed, &done, FILCH_FOREVER) == FILCH_OK)
        ;
    filch_completed_close(completed);
    for (int i = 0; i < 4; i++)
        filch_release(futures[i]);
    return torture_run(id);
}
FILCH_TASK(long, arm_and_collect, int, uint64_t);

static void count_call(filch_future *future, void *arg) {
    (void)future;
    (void)arg;
}

/* Callbacks that this process has added come back to it by mail. */
static long arm_and_call(int id, uint64_t n) {
    filch_executor *executor = filch_this_executor();
    filch_future *futures[4];
    torture_arm(n);
    for (int i = 0; i < 4; i++) {
        futures[i] = filch_submit(executor, below, i);
        filch_add_done_callback(futures[i], count_call, NULL);
    }
    for (int i = 0; i < 4; i++) {
        filch_join(futures[i]);
        filch_release(futures[i]);
    }
    return torture_run(id);
}
FILCH_TASK(long, arm_and_call, int, uint64_t);

static filch_bytes arm_and_allocate(int id, uint64_t n, size_t size) {
    torture_arm(n);
    void *memory = filch_result_alloc(size);
    if (memory != NULL)
        memset(memory, id, size);
    torture_run(id);
    return (filch_bytes){memory, memory == NULL ? 0 : size};
}
FILCH_TASK(filch_bytes, arm_and_allocate, int, uint64_t, size_t);

static long arm_and_send(int id, uint64_t n) {
    filch_executor *executor = filch_this_executor();
    static char text[40000];
    memset(text, 'x', sizeof text - 1);
    torture_arm(n);
    filch_future *future =
        filch_submit_with(executor, FILCH_OPTIONS(.name = "with a name"), below, 3);
    void *shared = filch_shared_alloc(executor, 100000);
    filch_shared_free(executor, shared);
    shared = filch_shared_alloc(executor, 100);
    filch_shared_free(executor, shared);
    filch_join(future);
    filch_release(future);
    return torture_run(id);
}
FILCH_TASK(long, arm_and_send, int, uint64_t);

/* Many tasks that others steal. */
static long fill(int id, int n) {
    filch_executor *executor = filch_this_executor();
    filch_future *futures[64];
    for (int i = 0; i < n; i++)
        futures[i] = filch_submit(executor, below, i);
    while (atomic_load(&table->is_armed_once) == 0)
        sched_yield();
    for (int i = n; i-- > 0;) {
        filch_join(futures[i]); /* those that a dead thief ran have failed */
        filch_release(futures[i]);
    }
    return torture_run(id);
}
FILCH_TASK(long, fill, int, int);

static long arm_at_item(int item, uint64_t n) {
    if (item == 17)
        torture_arm(n);
    return item * 2;
}
FILCH_TASK(long, arm_at_item, int, uint64_t);

/* The worker's free memory for what is as large as the errors of ten items is full of something. */
static void litter(void) {
    enum { BYTES = 100, CELLS = 600 };
    for (int i = 0; i < CELLS; i++) {
        void *memory = filch_result_alloc(BYTES);
        if (memory != NULL)
            memset(memory, 0x5a, BYTES);
    }
}

/* The last two of ten raise. */
static long arm_and_raise_at_item(int item, uint64_t n) {
    if (item == 17) {
        litter();
        torture_arm(n);
    }
    if (item % 10 >= 8)
        filch_raise(3, "item %d", item);
    return item * 2;
}
FILCH_TASK(long, arm_and_raise_at_item, int, uint64_t);

/* --- submitting and collecting --------------------------------------------------------------------- */

static struct entry *add(struct trial *trial, int id, filch_future *future, bool may_fail) {
    if (future == NULL)
        torture_fail("submit: %s", filch_error_message());
    struct entry *entry = &trial->entries[trial->n_entries++];
    *entry = (struct entry){.future = future, .id = id, .may_fail = may_fail};
    return entry;
}

/* Tasks that the victim may be running when it dies: the one that armed it, or one that it ran later. */
static void add_some(struct trial *trial, int n) {
    for (int i = 0; i < n; i++) {
        int id = torture_new_id();
        add(trial, id, filch_submit(trial->executor, plain, id), true);
    }
}

static void count_in_trial(filch_future *future, void *arg) {
    (void)future;
    struct trial *trial = arg;
    atomic_fetch_add(&trial->n_called, 1);
}

static void collect(struct trial *trial) {
    int n = trial->n_entries;
    filch_future *futures[MOST_ENTRIES] = {NULL};
    for (int i = 0; i < n; i++)
        futures[i] = trial->entries[i].future;
    size_t n_done = 0;
    switch (trial->n % 4) {
    case 1:
        if (filch_wait(futures, (size_t)n, FILCH_ALL_COMPLETED, TORTURE_LIMIT_S, &n_done) !=
            FILCH_OK)
            torture_fail("wait: %zu of %d done; %s", n_done, n, filch_error_message());
        break;
    case 2: {
        filch_completed *completed = filch_as_completed(futures, (size_t)n);
        for (int i = 0; i < n; i++) {
            filch_future *done;
            if (filch_completed_next(completed, &done, TORTURE_LIMIT_S) != FILCH_OK)
                torture_fail("as_completed: %d of %d given; %s", i, n, filch_error_message());
        }
        filch_completed_close(completed);
        break;
    }
    case 3:
        for (int i = 0; i < n; i++)
            filch_add_done_callback(futures[i], count_in_trial, trial);
    }
    int n_failed = 0;
    for (int i = 0; i < n; i++)
        n_failed += torture_check(&trial->entries[i]);
    if (n_failed > 1)
        torture_fail("%d tasks failed by one death", n_failed);
}

/* --- scenarios --------------------------------------------------------------------------------------- */

#define ARMED(name, task)                                                                          \
    static void run_##name(struct trial *trial) {                                                  \
        add_some(trial, AROUND);                                                                   \
        int id = torture_new_id();                                                                 \
        add(trial, id, filch_submit(trial->executor, task, id, trial->n), true);                   \
        add_some(trial, AROUND);                                                                   \
        collect(trial);                                                                            \
    }
ARMED(plain, arm)
ARMED(submit, arm_and_submit)
ARMED(leave, arm_and_leave)
ARMED(block, arm_and_block)
ARMED(cancel, arm_and_cancel)
ARMED(map_inside, arm_and_map)
ARMED(collect_inside, arm_and_collect)
ARMED(call, arm_and_call)
ARMED(send, arm_and_send)

static void run_retry(struct trial *trial) {
    add_some(trial, AROUND);
    int id = torture_new_id();
    struct entry *entry =
        add(trial, id,
            filch_submit_with(trial->executor, FILCH_OPTIONS(.retries = 1), arm_once, id, trial->n),
            true);
    entry->retries = 1;
    add_some(trial, AROUND);
    collect(trial);
}

static void run_raise(struct trial *trial) {
    add_some(trial, AROUND);
    int id = torture_new_id();
    filch_future *future = filch_submit(trial->executor, arm_and_raise, id, trial->n);
    add_some(trial, AROUND);
    collect(trial);
    filch_status status = filch_join_timeout(future, TORTURE_LIMIT_S);
    const filch_error *error = status == FILCH_FAILED ? filch_exception(future) : NULL;
    if (error == NULL || (error->code != 7 && error->signal == 0))
        torture_fail("raise: %s", error == NULL ? filch_error_message() : error->message);
    filch_release(future);
}

static void run_bytes(struct trial *trial) {
    static const size_t sizes[] = {10, 3000, 100000};
    size_t size = sizes[trial->n % 3];
    add_some(trial, AROUND);
    int id = torture_new_id();
    filch_future *future = filch_submit(trial->executor, arm_and_allocate, id, trial->n, size);
    add_some(trial, AROUND);
    collect(trial);
    filch_bytes bytes;
    filch_status status = filch_result_timeout(future, &bytes, TORTURE_LIMIT_S);
    if (status == FILCH_TIMEOUT || (status == FILCH_OK && bytes.size != size))
        torture_fail("bytes: %zu; %s", bytes.size, filch_error_message());
    filch_release(future);
}

/* One is full of tasks, the other steals them until it dies. */
static void run_steal(struct trial *trial) {
    int id = torture_new_id();
    add(trial, id, filch_submit(trial->executor, fill, id, 64), true);
    id = torture_new_id();
    add(trial, id, filch_submit(trial->executor, arm, id, trial->n), true);
    collect(trial);
}

static void run_map(struct trial *trial) {
    enum { ITEMS = 100 };
    filch_args(arm_at_item) items[ITEMS];
    for (int i = 0; i < ITEMS; i++)
        items[i] = (filch_args(arm_at_item)){i, trial->n};
    filch_results *results = filch_map(trial->executor, arm_at_item, items, ITEMS, .chunksize = 10,
                                       .timeout = TORTURE_LIMIT_S);
    int n_failed = 0;
    for (int i = 0; i < ITEMS; i++) {
        long value = 0;
        filch_status status = filch_results_next(results, &value);
        if (status == FILCH_FAILED)
            n_failed++;
        else if (status != FILCH_OK || value != 2 * i)
            torture_fail("map: item %d gave %ld; %s", i, value, filch_error_message());
    }
    if (n_failed > 1)
        torture_fail("map: %d items failed by one death", n_failed);
    filch_results_close(results);
}

static void run_map_raise(struct trial *trial) {
    enum { ITEMS = 100 };
    filch_args(arm_and_raise_at_item) items[ITEMS];
    for (int i = 0; i < ITEMS; i++)
        items[i] = (filch_args(arm_and_raise_at_item)){i, trial->n};
    filch_results *results = filch_map(trial->executor, arm_and_raise_at_item, items, ITEMS,
                                       .chunksize = 10, .timeout = TORTURE_LIMIT_S);
    int n_lost = 0;
    for (int i = 0; i < ITEMS; i++) {
        long value = 0;
        char message[32];
        snprintf(message, sizeof message, "item %d", i);
        filch_status status = filch_results_next(results, &value);
        const filch_error *error = filch_results_exception(results);
        if (status == FILCH_FAILED && error != NULL && error->signal != 0)
            n_lost++;
        else if (status == FILCH_FAILED && error != NULL &&
                 (i % 10 < 8 || error->code != 3 || strcmp(error->message, message) != 0))
            torture_fail("map: item %d raised '%s'", i, error->message);
        else if (status != (i % 10 < 8 ? FILCH_OK : FILCH_FAILED) ||
                 (status == FILCH_OK && value != 2 * i))
            torture_fail("map: item %d gave %ld; %s", i, value, filch_error_message());
    }
    if (n_lost > 1)
        torture_fail("map: %d items failed by one death", n_lost);
    filch_results_close(results);
}

/* The one that dies is a new worker, on its way to its first task. */
static void run_start(struct trial *trial) {
    atomic_store(&table->kill_at_start, (int)trial->n);
    add_some(trial, 2 * AROUND);
    collect(trial);
    atomic_store(&table->kill_at_start, 0);
}

static const struct scenario scenarios[] = {
    {"plain", 1, 0, run_plain},
    {"plain_two", 2, 0, run_plain},
    {"plain_four", 4, 0, run_plain},
    {"submit", 1, 0, run_submit},
    {"submit_two", 2, 0, run_submit},
    {"leave", 2, 0, run_leave},
    {"block", 1, 0, run_block},
    {"block_two", 2, 0, run_block},
    {"cancel", 2, 0, run_cancel},
    {"map_inside", 2, 0, run_map_inside},
    {"collect_inside", 2, 0, run_collect_inside},
    {"call", 2, 0, run_call},
    {"send", 2, 0, run_send},
    {"retry", 2, 1, run_retry},
    {"raise", 2, 0, run_raise},
    {"bytes", 2, 0, run_bytes},
    {"steal", 2, 0, run_steal},
    {"map", 2, 0, run_map},
    {"map_raise", 2, 0, run_map_raise},
    {"start", 1, 0, run_start},
};

/* --- trials --------------------------------------------------------------------------------------------- */

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
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
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
