/* bench.c: main. One call measures one workload of `bench_workloads` and prints one line of JSON per
 * measurement. peers/python.py and peers/ForkJoin.java take the same options and print the same
 * lines. */
#include "measure.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

struct options bench_options = {
    .workload = "",
    .setup = {.workers = 1, .submitters = 1},
    .size = 1000000,
    .bytes = 64 << 20,
    .seconds = 10,
    .processes = 1,
};

static error_t set_place(const char *name, struct argp_state *state) {
    if (strcmp(name, "free") == 0)
        bench_options.place = PLACE_FREE;
    else if (strcmp(name, "same") == 0)
        bench_options.place = PLACE_SAME;
    else if (strcmp(name, "cross") == 0)
        bench_options.place = PLACE_CROSS;
    else
        argp_error(state, "unknown place: %s", name);
    return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct options *o = &bench_options;
    switch (key) {
    case 'w':
        o->setup.workers = (unsigned)strtoul(arg, NULL, 10);
        return 0;
    case 'm':
        o->setup.submitters = (unsigned)strtoul(arg, NULL, 10);
        return 0;
    case 'n':
        o->size = strtoul(arg, NULL, 10);
        return 0;
    case 'b':
        o->bytes = strtoul(arg, NULL, 10);
        return 0;
    case 's':
        o->setup.spin_s = strtod(arg, NULL);
        return 0;
    case 'p':
        o->pause_s = strtod(arg, NULL);
        return 0;
    case 'k':
        o->work_s = strtod(arg, NULL);
        return 0;
    case 't':
        o->seconds = strtod(arg, NULL);
        return 0;
    case 'c':
        o->steps = strtoul(arg, NULL, 10);
        return 0;
    case 'a':
        o->processes = (unsigned)strtoul(arg, NULL, 10);
        return 0;
    case 'r':
        o->round = (int)strtol(arg, NULL, 10);
        return 0;
    case 'l':
        return set_place(arg, state);
    case ARGP_KEY_ARG:
        if (o->workload[0] != '\0')
            return ARGP_ERR_UNKNOWN;
        o->workload = arg;
        return 0;
    case ARGP_KEY_END:
        if (o->workload[0] == '\0' || o->setup.workers == 0 || o->setup.submitters == 0 ||
            o->size == 0 || o->bytes == 0)
            argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct workload *find_workload(const char *name) {
    for (const struct workload *const *table = bench_workloads; *table != NULL; table++)
        for (const struct workload *w = *table; w->name != NULL; w++)
            if (strcmp(name, w->name) == 0)
                return w;
    bench_fail("unknown workload: %s", name);
}

int main(int argc, char **argv) {
    static const struct argp_option argp_options[] = {
        {"workers", 'w', "N", 0, "workers (1)", 0},
        {"submitters", 'm', "N", 0, "submitters: threads (1)", 0},
        {"size", 'n', "N", 0, "tasks, trips, items, bursts, kills (1000000)", 0},
        {"bytes", 'b', "N", 0, "argument: its bytes (67108864)", 0},
        {"spin", 's', "SECONDS", 0, "search before sleep (0: the default; -1: none)", 0},
        {"pause", 'p', "SECONDS", 0, "roundtrip, storm: sleep before each (0)", 0},
        {"work", 'k', "SECONDS", 0, "storm: length of a task (0)", 0},
        {"seconds", 't', "SECONDS", 0,
         "idle: how long to watch; applications: no further pass after (10)", 0},
        {"steps", 'c', "N", 0, "grain: steps of a leaf, of a nanosecond or two (0)", 0},
        {"processes", 'a', "N", 0, "copied to the output: so many run at the same time (1)", 0},
        {"place", 'l', "PLACE", 0,
         "free; same: all threads on one core; cross: the workers on another core", 0},
        {"round", 'r', "N", 0, "copied to the output", 0},
        {0},
    };
    static const struct argp argp = {
        argp_options,
        parse,
        "WORKLOAD",
        "One contender, one workload, one line of JSON for each measurement. Status 77: the "
        "contender does not do this.",
        NULL,
        NULL,
        NULL,
    };
    argp_parse(&argp, argc, argv, 0, NULL, NULL);
    struct setup *setup = &bench_options.setup;
    const struct workload *workload = find_workload(bench_options.workload);
    if (!workload->is_possible() || (setup->spin_s > 0 && !bench_contender.can_spin))
        return EXIT_UNSUPPORTED;
    setup->size = bench_options.size > setup->workers ? bench_options.size : setup->workers;
    setup->bytes = bench_options.bytes;
    measure_init();
    if (bench_options.place == PLACE_SAME)
        measure_pin_same();
    bench_contender.open(setup);
    if (bench_contender.enter != NULL && !workload->enters_itself)
        bench_contender.enter(workload->run);
    else
        workload->run();
    bench_contender.close();
    return EXIT_SUCCESS;
}
