/* main.c: the command filch-info: what the library sees, and would do, here. */
#include "survey.h"

#include "scheduler/park.h"
#include <argp.h>
#include <stdlib.h>
#include <string.h>

enum { ALL_WELL = 0, WITH_WARNINGS = 1, FAILED = 2 };

/* argp looks for it from outside. */
__attribute__((visibility("default"))) const char *argp_program_version =
    "filch-info " FILCH_VERSION;

struct wish {
    bool json;
    int max_workers;
    filch_bind bind;
};

static filch_bind parse_bind(const char *text, struct argp_state *state) {
    static const struct {
        const char *name;
        filch_bind bind;
    } known[] = {{"auto", FILCH_BIND_AUTO},
                 {"core", FILCH_BIND_CORE},
                 {"numa", FILCH_BIND_NUMA},
                 {"none", FILCH_BIND_NONE}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(text, known[i].name) == 0)
            return known[i].bind;
    argp_error(state, "--bind=%s: give auto, core, numa or none", text);
    return FILCH_BIND_AUTO;
}

static int parse_workers(const char *text, struct argp_state *state) {
    char *end;
    long n = strtol(text, &end, 10);
    if (end == text || *end != '\0' || n < 1 || n > PARK_MAX_SEATS)
        argp_error(state, "--workers=%s: give 1 to %d", text, PARK_MAX_SEATS);
    return (int)n;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct wish *wish = state->input;
    switch (key) {
    case 'j':
        wish->json = true;
        return 0;
    case 'w':
        wish->max_workers = parse_workers(arg, state);
        return 0;
    case 'b':
        wish->bind = parse_bind(arg, state);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "%s: filch-info takes options only", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int main(int argc, char **argv) {
    static const struct argp_option options[] = {
        {"json", 'j', NULL, 0, "Print JSON", 0},
        {"workers", 'w', "N", 0, "As if the program asked for .max_workers = N", 0},
        {"bind", 'b', "KIND", 0, "As if it asked for .bind: auto, core, numa or none", 0},
        {0},
    };
    static const struct argp argp = {
        options,
        parse,
        NULL,
        "Shows what filch sees on this machine and what a thread pool that is opened here would "
        "do: "
        "how the number of workers comes about, where each is bound and whom it steals from first, "
        "and what may disappoint."
        "\vThe exit status is 0 if all is well, 1 if there are warnings, 2 after an error. "
        "Run it the way the program is run: inside the container, under the launcher.",
        NULL,
        NULL,
        NULL};
    struct wish wish = {.bind = FILCH_BIND_AUTO};
    argp_err_exit_status = FAILED;
    argp_parse(&argp, argc, argv, 0, NULL, &wish);
    struct survey survey;
    bool ok = survey_make(&survey, wish.max_workers, wish.bind);
    if (ok && wish.json)
        ok = survey_print_json(&survey, stdout);
    else if (ok)
        survey_print_text(&survey, stdout);
    if (!ok)
        fprintf(stderr, "filch-info: no memory\n");
    int status = survey.n_warnings > 0 ? WITH_WARNINGS : ALL_WELL;
    survey_free(&survey);
    if (ok && fflush(stdout) != 0) {
        perror("filch-info");
        ok = false;
    }
    return ok ? status : FAILED;
}
