/* soak.c: random mixtures of every operation on pools of every kind, for as long as one likes; pools are opened
 * and closed, their workers are stopped, moved to other CPUs and killed meanwhile, and the whole program is
 * stopped now and then. After each period all pools are closed and what the program holds is counted: it must not
 * grow.
 *
 *     soak.soak [--seconds S] [--period S] [--seed X]
 *
 * Two processes: the one that plays, and its parent, which stops it, and ends it as hanging if no round of it
 * is over within a minute. A failure names the seed of its round: `--seed X --rounds 1` plays that one first. */
#include "census.h"
#include "disturb.h"
#include "play.h"

#include <argp.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_PLAYERS = 3, MOST_OPERATIONS = 40, MOST_WORKERS = 6, HANG_S = 60 };

static struct options {
    double seconds, period_s;
    uint64_t seed, n_rounds;
} options = {.seconds = 10};

/* Seen by both processes. */
static struct progress { atomic_ullong n_rounds, seed; } * progress;

static struct total { uint64_t n_operations, n_lost, n_pools, n_stops, n_moves, n_kills; } total;

static struct play players[MOST_PLAYERS]; /* what they keep outlives the rounds */
static atomic_ullong n_reports;

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ---- pools -------------------------------------------------------------------------------------------- */

enum kind { THREADS, PROCESSES, FORKED, STAND_INS, N_KINDS };

struct pool {
    filch_executor *executor;
    enum kind kind;
    char prefix[12];
};

static struct pool lasting[2]; /* for a whole period: of threads, of processes */

static void open_pool(struct pool *pool, enum kind kind, const char *name, uint64_t *random) {
    pool->kind = kind;
    snprintf(pool->prefix, sizeof pool->prefix, "%s%u", name, (unsigned)getpid() % 100000);
    int n_workers = 1 + (int)random_below(random, MOST_WORKERS);
    filch_bind bind = (filch_bind)random_below(random, 4);
    double spin_s = random_below(random, 3) == 0 ? FILCH_NO_SPIN : 0;
    if (kind == THREADS)
        pool->executor = filch_thread_pool(.max_workers = n_workers, .bind = bind, .spin = spin_s,
                                           .thread_name_prefix = pool->prefix);
    else
        pool->executor =
            filch_process_pool(.max_workers = n_workers, .bind = bind, .spin = spin_s,
                               .thread_name_prefix = pool->prefix, .memory = (size_t)256 << 20,
                               .max_tasks_per_child =
                                   kind != STAND_INS && random_below(random, 4) == 0 ? 50 : 0,
                               .start_method = kind == PROCESSES ? FILCH_FORKSERVER
                                               : kind == FORKED  ? FILCH_FORK
                                                                 : FILCH_THREADS);
    STRESS_CHECK_MSG(pool->executor != NULL, "open: %s", filch_error_message());
    total.n_pools++;
}

static void close_pool(struct pool *pool) {
    filch_close(pool->executor);
    pool->executor = NULL;
}

static void open_lasting(uint64_t *random) {
    open_pool(&lasting[0], THREADS, "st", random);
    open_pool(&lasting[1], PROCESSES, "sp", random);
}

/* ---- rounds ------------------------------------------------------------------------------------------- */

static void *play_in_thread(void *arg) {
    struct play *play = arg;
    play_some(play, 1 + (int)play_below(play, MOST_OPERATIONS));
    return NULL;
}

/* Beside those who play. */
static void end_pool(const struct pool *pool, uint64_t *random, atomic_bool *is_ending) {
    nanosleep(&(struct timespec){0, random_below(random, 5000000)}, NULL);
    atomic_store(is_ending, true);
    filch_executor *ex = pool->executor;
    bool can_kill = pool->kind == PROCESSES || pool->kind == FORKED;
    switch (random_below(random, can_kill ? 5 : 3)) {
    case 0:
        STRESS_CHECK(filch_shutdown(ex, .no_wait = true) == FILCH_OK);
        break;
    case 1:
        STRESS_CHECK(filch_shutdown(ex, .cancel_futures = true) == FILCH_OK);
        break;
    case 2:
        while (filch_shutdown(ex, .timeout = 1e-4) == FILCH_TIMEOUT)
            continue;
        break;
    case 3:
        STRESS_CHECK(filch_kill_workers(ex) == FILCH_OK);
        break;
    default:
        STRESS_CHECK(filch_terminate_workers(ex) == FILCH_OK);
    }
}

static void play_round(uint64_t seed) {
    uint64_t random;
    random_seed(&random, seed);
    struct pool own = {0}, *pool = &own;
    uint32_t which = random_below(&random, 8);
    if (which < 4)
        open_pool(&own, (enum kind)which, "so", &random);
    else
        pool = &lasting[which & 1];
    bool has_processes = pool->kind == PROCESSES || pool->kind == FORKED;
    bool can_end = pool == &own && random_below(&random, 3) == 0;
    atomic_bool is_ending = false;
    struct disturber disturber = {.executor = pool->executor,
                                  .prefix = pool->prefix,
                                  .has_processes = has_processes,
                                  .is_deadly = has_processes && random_below(&random, 4) == 0,
                                  .random = random};
    pthread_t threads[MOST_PLAYERS];
    int n_players = 1 + (int)random_below(&random, MOST_PLAYERS);
    disturb_start(&disturber);
    for (int i = 0; i < n_players; i++) {
        struct play *play = &players[i];
        play->executor = pool->executor;
        play->has_processes = has_processes;
        play->is_deadly = disturber.is_deadly;
        play->can_end = can_end;
        play->is_ending = &is_ending;
        random_seed(&play->random, seed * MOST_PLAYERS + (uint64_t)i + 1);
        threads[i] = stress_start(play_in_thread, play);
    }
    if (can_end)
        end_pool(pool, &random, &is_ending);
    for (int i = 0; i < n_players; i++)
        stress_join(threads[i]);
    disturb_stop(&disturber);
    if (pool == &own)
        close_pool(pool);
    total.n_stops += disturber.n_stops;
    total.n_moves += disturber.n_moves;
    total.n_kills += disturber.n_kills;
}

/* ---- the process that plays ------------------------------------------------------------------------------ */

static void count_report(const char *line, void *arg) {
    (void)line;
    (void)arg;
    atomic_fetch_add(&n_reports, 1);
}

/* Closes all that is open. */
static struct census end_period(double begin_s) {
    close_pool(&lasting[0]);
    close_pool(&lasting[1]);
    for (int i = 0; i < MOST_PLAYERS; i++) {
        play_forget(&players[i]);
        total.n_operations += players[i].n_operations;
        total.n_lost += players[i].n_lost;
        players[i].n_operations = players[i].n_lost = 0;
    }
    struct census census = census_take();
    printf("%6.0f s %9ju operations (%ju lost), %ju pools, %ju stops, %ju moves, %ju kills; "
           "heap %ld, resident %ld KiB, address space %ld MiB, %d descriptors, %d threads\n",
           now_s() - begin_s, (uintmax_t)total.n_operations, (uintmax_t)total.n_lost,
           (uintmax_t)total.n_pools, (uintmax_t)total.n_stops, (uintmax_t)total.n_moves,
           (uintmax_t)total.n_kills, census.heap, census.resident >> 10, census.address_space >> 20,
           census.descriptors - 2, census.threads - 2);
    fflush(stdout);
    return census;
}

static int play(void) {
    mallopt(M_ARENA_MAX, 1); /* malloc's own growth with threads is not looked for */
    disturb_init();
    census_open();
    filch_on_report(count_report, NULL);
    struct census first, last;
    double begin_s = now_s(), period_end_s;
    int n_periods = 0;
    uint64_t seed = options.seed, n_left = options.n_rounds, random = options.seed | 1;
    bool is_over = false;
    do {
        open_lasting(&random);
        period_end_s = now_s() + options.period_s;
        do {
            atomic_store(&progress->seed, seed);
            play_round(seed++);
            atomic_fetch_add(&progress->n_rounds, 1);
            is_over = options.n_rounds > 0 ? --n_left == 0 : now_s() - begin_s >= options.seconds;
        } while (!is_over && now_s() < period_end_s);
        last = end_period(begin_s);
        if (n_periods++ == 0)
            first = last; /* what is made once is made by now */
        else
            census_compare(&first, &last);
    } while (!is_over);
    printf("%ju operations, %d periods: nothing was lost without a reason, and nothing has grown\n",
           (uintmax_t)total.n_operations, n_periods);
    return EXIT_SUCCESS;
}

/* ---- its parent ------------------------------------------------------------------------------------------ */

/* Is it over? Waits so long for it. */
static bool has_ended(pid_t child, long wait_ms, int *status) {
    for (long ms = 0; ms < wait_ms; ms += 10) {
        if (waitpid(child, status, WNOHANG) == child)
            return true;
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    return false;
}

static int supervise(pid_t child) {
    uint64_t random = options.seed | 1, n_seen = 0;
    double changed_s = now_s();
    int status = 0;
    while (!has_ended(child, 10 + random_below(&random, 500), &status)) {
        kill(child, SIGSTOP);
        nanosleep(&(struct timespec){0, random_below(&random, 20000000)}, NULL);
        kill(child, SIGCONT);
        uint64_t n_rounds = atomic_load(&progress->n_rounds);
        if (n_rounds != n_seen)
            changed_s = now_s();
        n_seen = n_rounds;
        if (now_s() - changed_s < HANG_S + options.period_s)
            continue;
        fprintf(stderr, "it hangs\n");
        if (getenv("SOAK_HOLD") != NULL) /* for a debugger */
            (void)waitpid(child, &status, 0);
        kill(child, SIGABRT);
        (void)waitpid(child, &status, 0);
        break;
    }
    if (status == 0)
        return EXIT_SUCCESS;
    fprintf(stderr, "FAILED: --seed %llu --rounds 1, after %llu rounds\n",
            (unsigned long long)atomic_load(&progress->seed),
            (unsigned long long)atomic_load(&progress->n_rounds));
    return EXIT_FAILURE;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    switch (key) {
    case 's':
        options.seconds = strtod(arg, NULL);
        return 0;
    case 'p':
        options.period_s = strtod(arg, NULL);
        return 0;
    case 'x':
        options.seed = strtoull(arg, NULL, 10);
        return 0;
    case 'r':
        options.n_rounds = strtoull(arg, NULL, 10);
        return 0;
    case ARGP_KEY_ARG:
        argp_usage(state);
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* What malloc's caches of threads hold counts as given out. They can be left out by the environment alone. */
static void leave_out_caches(char **argv) {
    static const char name[] = "GLIBC_TUNABLES", value[] = "glibc.malloc.tcache_count=0";
    if (getenv(name) != NULL)
        return;
    STRESS_CHECK(setenv(name, value, 1) == 0);
    execv("/proc/self/exe", argv);
    stress_fail(__FILE__, __LINE__, "the program cannot be started again");
}

int main(int argc, char **argv) {
    static const struct argp_option known[] = {
        {"seconds", 's', "S", 0, "end after this time (10)", 0},
        {"period", 'p', "S", 0, "between two counts (a quarter of the time, at most a minute)", 0},
        {"seed", 'x', "X", 0, "of the first round (the time); the next ones follow", 0},
        {"rounds", 'r', "N", 0, "end after so many rounds", 0},
        {0},
    };
    static const struct argp parser = {
        known, parse, NULL, "Random operations on all kinds of pools.", NULL, NULL, NULL};
    leave_out_caches(argv);
    options.seed = (uint64_t)time(NULL);
    argp_parse(&parser, argc, argv, 0, NULL, NULL);
    if (options.period_s <= 0)
        options.period_s = options.seconds / 4 < 60 ? options.seconds / 4 : 60;
    progress =
        mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    STRESS_CHECK(progress != MAP_FAILED);
    printf("soak --seed %ju\n", (uintmax_t)options.seed);
    fflush(stdout);
    pid_t parent = getpid(), child = fork();
    STRESS_CHECK(child >= 0);
    if (child > 0)
        return supervise(child);
    STRESS_CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent);
    return play();
}
