/* random.c: worker processes die at random moments, while up to three threads submit tasks of all sorts;
 * nothing is lost but what they ran, and the pool goes on.
 *
 * A seed stands for a pool: how many workers it has, and some rounds. After each round nothing runs any
 * more, all the numbers add up, and one or all of the sleeping workers are killed as well. */
#include "ends.h"
#include "work.h"

#include "executor/process_pool/process_pool.h"
#include "structures/recover.h"
#include <argp.h>
#include <ctype.h>
#include <dirent.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS_PER_POOL = 5, MOST_SUBMITTERS = 3, MOST_KILLS_PER_ROUND = 24 };

static struct options {
    uint64_t seed;
    uint64_t n_rounds, n_kills; /* ends after these, or */
    double seconds;             /* this time; 0: no limit */
    int n_workers;              /* 0: 1 to 8, by the seed */
    int kills_per_round;        /* 0: 1 to MOST_KILLS_PER_ROUND */
    bool is_verbose;
} options;

static struct {
    uint64_t n_rounds, n_kills, n_tasks, n_finished, n_failed, n_late, n_cancelled;
} total;

static filch_executor *executor;
static int n_workers;
static unsigned n_kills_in_pool;
static char prefix[16];

/* ---- the end of a round ------------------------------------------------------------------------------ */

/* Who was killed has been buried. */
static bool are_all_buried(void) {
    const struct process_shared *shared = process_pool_of(executor)->shared;
    for (uint32_t i = 0; i < shared->n_slots; i++) {
        enum slot_state state = slot_state(&shared->slots[i]);
        if (state != SLOT_FREE &&
            (state != SLOT_RUNNING || kills_have((int)filch_load_relaxed(&shared->slots[i].pid))))
            return false;
    }
    return true;
}

static bool is_at_rest(filch_stats_snapshot *stats) {
    *stats = FILCH_STATS();
    if (!are_all_buried() || filch_stats(executor, stats) != FILCH_OK)
        return false;
    return stats->pending == 0 && stats->running == 0 && stats->idle >= stats->started &&
           are_all_buried();
}

static void await_rest(void) {
    filch_stats_snapshot stats;
    double end = torture_now_s() + TORTURE_LIMIT_S;
    while (!is_at_rest(&stats)) {
        if (torture_now_s() > end)
            torture_fail("the pool does not come to rest: %d of %d idle, %ju pending, %ju running, "
                         "%s",
                         stats.idle, stats.started, (uintmax_t)stats.pending,
                         (uintmax_t)stats.running,
                         are_all_buried() ? "all buried" : "somebody is dead");
        sched_yield();
    }
    unsigned n_sure, n_killed = kills_count(&n_sure);
    if (stats.replaced < (int)n_sure || stats.replaced > (int)n_killed)
        torture_fail("%u workers were killed, %u of them surely, and %d replaced", n_killed, n_sure,
                     stats.replaced);
    n_kills_in_pool = n_killed;
}

/* Also of those that somebody left behind, and that ran, or did not. */
static void check_runs(void) {
    for (int id = 1; id <= torture_last_id(); id++) {
        int n_runs = atomic_load(&table->n_runs[id]);
        if (n_runs > 1 + atomic_load(&table->may_rerun[id]))
            torture_fail("task %d ran %d times", id, n_runs);
        if (atomic_load(&table->n_calls[id]) > 1)
            torture_fail("the callback of task %d ran %d times", id,
                         atomic_load(&table->n_calls[id]));
    }
}

/* Those that sleep. */
static void kill_at_rest(uint64_t *random) {
    bool all = draw(random) % 2 == 0, has_killed = false;
    filch_worker_stats each[512];
    filch_stats_snapshot stats = FILCH_STATS(.workers = each, .capacity = 512);
    if (filch_stats(executor, &stats) != FILCH_OK)
        torture_fail("stats: %s", filch_error_message());
    for (unsigned i = 0; i < stats.n_workers && (all || !has_killed); i++)
        has_killed |= kills_one(executor, i, each[i].pid);
    await_rest();
}

/* ---- rounds ---------------------------------------------------------------------------------------------- */

static void add_up(const struct work *work) {
    total.n_tasks += (uint64_t)work->n_tasks;
    total.n_finished += work->outcomes.n_finished;
    total.n_late += work->outcomes.n_late;
    total.n_failed += work->outcomes.n_failed;
    total.n_cancelled += work->outcomes.n_cancelled;
}

static void run_round(uint64_t seed, int round) {
    uint64_t random = draw_seed(seed, (uint64_t)round);
    struct work works[MOST_SUBMITTERS];
    int n_submitters = 1 + (int)(draw(&random) % MOST_SUBMITTERS);
    unsigned n_kills_before = n_kills_in_pool;
    snprintf(torture_where, sizeof torture_where, "random --seed %ju --rounds %d --workers %d",
             (uintmax_t)seed, ROUNDS_PER_POOL, n_workers);
    torture_reset();
    struct killer killer = {.executor = executor, .seed = draw(&random) | 1};
    killer.n = options.kills_per_round > 0 ? (unsigned)options.kills_per_round
                                           : 1 + (unsigned)(draw(&random) % MOST_KILLS_PER_ROUND);
    for (int i = 0; i < n_submitters; i++) {
        works[i] = (struct work){.executor = executor, .random = draw(&random) | 1};
        works[i].n_tasks = 100 + (int)(draw(&random) % 200);
        works[i].suicides_per_mille = (unsigned)(draw(&random) % 40);
    }
    killer_start(&killer);
    for (int i = 0; i < n_submitters; i++)
        work_start(&works[i]);
    for (int i = 0; i < n_submitters; i++) {
        work_join(&works[i]);
        add_up(&works[i]);
    }
    killer_stop(&killer);
    await_rest();
    kills_check_nothing_wrong();
    kills_check_explained();
    check_runs();
    torture_check_counts(executor);
    kill_at_rest(&random);
    torture_check_whole(executor, n_workers);
    total.n_rounds++;
    total.n_kills += n_kills_in_pool - n_kills_before;
    if (options.is_verbose)
        printf("seed %ju, round %d: %d workers, %d submitters, %u kills\n", (uintmax_t)seed, round,
               n_workers, n_submitters, n_kills_in_pool - n_kills_before);
}

/* ---- pools -------------------------------------------------------------------------------------------- */

static void open_pool(uint64_t seed) {
    n_workers = options.n_workers > 0 ? options.n_workers : 1 + (int)(seed % MOST_WORKERS);
    snprintf(prefix, sizeof prefix, "r%u", (unsigned)getpid() % 1000000);
    kills_forget();
    n_kills_in_pool = 0;
    executor = filch_process_pool(.max_workers = n_workers, .memory = (size_t)256 << 20,
                                  .thread_name_prefix = prefix,
                                  .start_method = seed % 3 == 0 ? FILCH_FORK : FILCH_FORKSERVER,
                                  .max_tasks_per_child = seed % 5 == 0 ? 20 : 0);
    if (executor == NULL)
        torture_fail("open: %s", filch_error_message());
    torture_pool = executor;
}

/* Does a process live whose name begins as those of the pool do? A zombie does not. */
static bool has_process(const char *number) {
    char path[300], line[512] = "";
    snprintf(path, sizeof path, "/proc/%s/stat", number);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    size_t length = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[length] = '\0';
    const char *begin = strchr(line, '('), *end = strrchr(line, ')');
    return begin != NULL && end != NULL && end[2] != 'Z' && end[2] != 'X' &&
           strncmp(begin + 1, prefix, strlen(prefix)) == 0 && begin[1 + strlen(prefix)] == '_';
}

static int count_processes(void) {
    DIR *directory = opendir("/proc");
    int n = 0;
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;)
        n += isdigit((unsigned char)entry->d_name[0]) && has_process(entry->d_name);
    if (directory != NULL)
        closedir(directory);
    return n;
}

static void close_pool(uint64_t seed) {
    char why[200] = "";
    if (count_processes() == 0)
        torture_fail("no process of the pool is found by its name, %s_", prefix);
    snprintf(torture_where, sizeof torture_where, "random --seed %ju --rounds %d, at the end",
             (uintmax_t)seed, ROUNDS_PER_POOL);
    if (seed % 4 != 0)
        ends_run(executor, draw_seed(seed, ROUNDS_PER_POOL));
    kills_check_nothing_wrong();
    if (filch_shutdown(executor, .timeout = TORTURE_LIMIT_S) != FILCH_OK)
        torture_fail("shutdown: %s", filch_error_message());
    torture_check_counts(executor);
    if (!filchi_arena_is_valid(executor->pool->arena, why, sizeof why))
        torture_fail("the arena is broken: %s", why);
    torture_pool = NULL;
    filch_close(executor);
    executor = NULL;
    double end = torture_now_s() + TORTURE_LIMIT_S;
    while (count_processes() > 0) {
        if (torture_now_s() > end)
            torture_fail("%d processes of the pool are left", count_processes());
        sched_yield();
    }
}

static bool is_over(double begin_s) {
    const struct options *o = &options;
    return (o->n_rounds > 0 && total.n_rounds >= o->n_rounds) ||
           (o->n_kills > 0 && total.n_kills >= o->n_kills) ||
           (o->seconds > 0 && torture_now_s() - begin_s >= o->seconds);
}

static void run(void) {
    double begin_s = torture_now_s();
    for (uint64_t seed = options.seed; !is_over(begin_s); seed++) {
        open_pool(seed);
        for (int round = 0; round < ROUNDS_PER_POOL && !is_over(begin_s); round++)
            run_round(seed, round);
        close_pool(seed);
    }
}

/* ---- the program ---------------------------------------------------------------------------------------- */

enum { WITH_KILLS = 1000 };

/* Reports of errors at which nobody looked: there are many. */
static void report(const char *line, void *arg) {
    (void)arg;
    if (options.is_verbose)
        fprintf(stderr, "%s\n", line);
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    switch (key) {
    case 'r':
        options.n_rounds = strtoull(arg, NULL, 10);
        return 0;
    case 's':
        options.seconds = strtod(arg, NULL);
        return 0;
    case 'x':
        options.seed = strtoull(arg, NULL, 10);
        return 0;
    case 'w':
        options.n_workers = atoi(arg);
        return options.n_workers > MOST_WORKERS ? EINVAL : 0;
    case 'k':
        options.kills_per_round = atoi(arg);
        return 0;
    case WITH_KILLS:
        options.n_kills = strtoull(arg, NULL, 10);
        return 0;
    case 'v':
        options.is_verbose = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_usage(state);
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int main(int argc, char **argv) {
    static const struct argp_option argp_options[] = {
        {"rounds", 'r', "N", 0, "end after so many rounds", 0},
        {"seconds", 's', "S", 0, "end after this time (8, if there is no other end)", 0},
        {"kills", WITH_KILLS, "N", 0, "end after so many kills", 0},
        {"seed", 'x', "X", 0, "of the first pool (the time); the next ones follow", 0},
        {"workers", 'w', "N", 0, "of each pool (1 to 8, by the seed)", 0},
        {"kills-per-round", 'k', "N", 0, "of the killer (1 to 24, by the seed)", 0},
        {"verbose", 'v', NULL, 0, "say what each round is, and what the library reports", 0},
        {0},
    };
    static const struct argp argp = {argp_options, parse, NULL, "Workers die at random moments.",
                                     NULL,         NULL,  NULL};
    options.seed = (uint64_t)time(NULL);
    argp_parse(&argp, argc, argv, 0, NULL, NULL);
    if (options.n_rounds == 0 && options.n_kills == 0 && options.seconds <= 0)
        options.seconds = 8;
    printf("random --seed %ju\n", (uintmax_t)options.seed);
    fflush(stdout);
    torture_open();
    kills_open();
    filch_on_report(report, NULL);
    run();
    printf("%ju rounds, %ju tasks: %ju finished, %ju failed (%ju were late), %ju "
           "cancelled\n",
           (uintmax_t)total.n_rounds, (uintmax_t)total.n_tasks, (uintmax_t)total.n_finished,
           (uintmax_t)total.n_failed, (uintmax_t)total.n_late, (uintmax_t)total.n_cancelled);
    printf("%ju kills\n", (uintmax_t)total.n_kills);
    return EXIT_SUCCESS;
}
