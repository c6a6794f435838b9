/* explorer.c: runs scenarios under every schedule within bounds, as a program.
 *
 *     model.NAME [--preemptions N] [--delays N] [--long] [--compare] [SCENARIO...]
 *     model.NAME --replay SCENARIO/PREEMPTIONS/DELAYS/CHOICES
 *
 * Without bounds: two preemptions and one delayed store, then three and none. Of large scenarios one
 * preemption less; with --long only beside the delayed store.
 *
 * A failure is looked for again with lower bounds, so that what is printed has few preemptions. */
#include "explorer.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

struct explorer *explorer;

/* The program's static memory, before and after setup. */
static char *pristine, *saved;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker makes these names. */
extern char __data_start[], _end[];
/* NOLINTEND(bugprone-reserved-identifier) */

static size_t static_bytes(void) {
    return (size_t)(_end - __data_start);
}

void *model_private(size_t bytes) {
    void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED) {
        perror("mmap");
        exit(EXIT_FAILURE);
    }
    return start;
}

static void keep_pristine(void) {
    pristine = model_private(static_bytes());
    saved = model_private(static_bytes());
    memcpy(pristine, __data_start, static_bytes());
}

char *model_memory(size_t *bytes) {
    *bytes = static_bytes();
    return __data_start;
}

void model_restore(void) {
    memcpy(__data_start, saved, static_bytes());
    platform_restore();
}

static bool set_up(const struct model_scenario *scenario) {
    if (explorer->scenario != scenario)
        store_forget();
    explorer->scenario = scenario;
    report_forget();
    memcpy(__data_start, pristine, static_bytes());
    if (!search_try(scenario->setup)) {
        printf("%s: setup failed: %s\n", scenario->name, report_failure());
        return false;
    }
    memcpy(saved, __data_start, static_bytes());
    platform_save();
    return true;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void look_for_shorter(int preemptions, int delays) {
    for (int sum = 0; sum <= preemptions + delays; sum++)
        for (int d = 0; d <= delays && d <= sum; d++)
            if (sum - d <= preemptions && !search_all(sum - d, d))
                return;
}

static bool run_scenario(const struct model_scenario *scenario, int preemptions, int delays,
                         const char *program) {
    if (!set_up(scenario))
        return false;
    double start = seconds();
    struct search_counts *counts = search_counts();
    counts->n_executions = 0;
    /* With low bounds first, which finds almost all that is shared, and most failures. */
    if (search_once(preemptions > 0, 0) && search_once(preemptions > 0, delays > 0) &&
        search_once(preemptions < 2 ? preemptions : 2, 0) && search_all(preemptions, delays)) {
        printf("%-24s %d preemptions, %d delays: %8llu executions, %8llu states, %6llu ends, "
               "%6.2f s\n",
               scenario->name, preemptions, delays, (unsigned long long)counts->n_executions,
               (unsigned long long)counts->n_states, (unsigned long long)counts->n_ends,
               seconds() - start);
        return true;
    }
    printf("%-24s FAILED after %llu executions, %.2f s: %s\n", scenario->name,
           (unsigned long long)counts->n_executions, seconds() - start, report_failure());
    look_for_shorter(preemptions, delays);
    printf("  %s\n  %s --replay %s/", report_failure(), program, scenario->name);
    search_print_choices();
    return false;
}

/* Does pruning lose nothing? The same ends are reached without it, which takes low bounds. */
static bool compare(const struct model_scenario *scenario, int preemptions, int delays) {
    uint64_t n_ends[2];
    for (int i = 0; i < 2; i++) {
        search_keep_all(i == 1);
        if (!set_up(scenario) || !search_all(preemptions, delays))
            return false;
        n_ends[i] = search_counts()->n_ends;
    }
    printf("%-24s %d preemptions, %d delays: %llu ends, %llu if nothing is pruned\n",
           scenario->name, preemptions, delays, (unsigned long long)n_ends[0],
           (unsigned long long)n_ends[1]);
    return n_ends[0] == n_ends[1];
}

static bool replay(const char *schedule) {
    const char *end = strchr(schedule, '/');
    size_t length = end == NULL ? strlen(schedule) : (size_t)(end - schedule);
    for (const struct model_scenario *s = model_scenarios; s->name != NULL; s++)
        if (strlen(s->name) == length && memcmp(s->name, schedule, length) == 0)
            return set_up(s) && search_replay(end == NULL ? "" : end + 1);
    fprintf(stderr, "--replay: there is no scenario %.*s here\n", (int)length, schedule);
    return false;
}

static bool is_wanted(const char *name, char **wanted) {
    if (*wanted == NULL)
        return true;
    for (; *wanted != NULL; wanted++)
        if (strcmp(*wanted, name) == 0)
            return true;
    return false;
}

int main(int argc, char **argv) {
    explorer = model_private(sizeof *explorer);
    report_init();
    search_init();
    schedule_init();
    store_init();
    checkpoint_init();
    setvbuf(stdout, NULL, _IOLBF, 0);
    static const struct option options[] = {{"preemptions", required_argument, NULL, 'p'},
                                            {"delays", required_argument, NULL, 'd'},
                                            {"replay", required_argument, NULL, 'r'},
                                            {"compare", no_argument, NULL, 'c'},
                                            {"long", no_argument, NULL, 'l'},
                                            {NULL, 0, NULL, 0}};
    int preemptions = -1, delays = -1;
    bool compares = false, is_long = false;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'r') {
            keep_pristine();
            return replay(optarg) ? EXIT_SUCCESS : EXIT_FAILURE;
        }
        if (option == 'p')
            preemptions = atoi(optarg);
        else if (option == 'd')
            delays = atoi(optarg);
        else if (option == 'c')
            compares = true;
        else if (option == 'l')
            is_long = true;
        else {
            fprintf(stderr,
                    "%s [--preemptions N] [--delays N] [--long] [--compare] "
                    "[--replay SCHEDULE] [SCENARIO...]\n",
                    argv[0]);
            return EXIT_FAILURE;
        }
    }
    char **wanted = argv + optind;
    keep_pristine();
    bool passed = true;
    const struct model_scenario *s = model_scenarios;
    for (; s->name != NULL; s++)
        if (is_wanted(s->name, wanted)) {
            bool has_bounds = preemptions >= 0 || delays >= 0;
            if (compares)
                passed = compare(s, preemptions < 0 ? 1 : preemptions, delays < 0 ? 1 : delays) &&
                         passed;
            else if (has_bounds)
                passed = run_scenario(s, preemptions < 0 ? 3 : preemptions, delays < 0 ? 0 : delays,
                                      argv[0]) &&
                         passed;
            else { /* a delay for one of the preemptions; then all of these */
                passed = run_scenario(s, s->is_large ? 1 : 2, 1, argv[0]) && passed;
                passed = run_scenario(s, s->is_large && !is_long ? 2 : 3, 0, argv[0]) && passed;
            }
        }
    return passed ? EXIT_SUCCESS : EXIT_FAILURE;
}
