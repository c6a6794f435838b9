/* survey.h: what filch-info has found out, before anything is printed. */
#ifndef FILCH_INFO_SURVEY_H
#define FILCH_INFO_SURVEY_H

#include "executor/plan.h"
#include "scheduler/victims.h"
#include <stdio.h>

/* What may disappoint, and what to do about it. */
struct warning {
    const char *id; /* for scripts; never changes */
    const char *text;
    const char *remedy;
};

enum { MOST_WARNINGS = 16 };

struct survey {
    struct plan *plan;
    struct topology_facts topology;
    int n_nodes;
    bool has_membarrier;
    struct victims victims; /* of bound workers */
    struct warning warnings[MOST_WARNINGS];
    int n_warnings;
};

/* Returns: false without memory. */
bool survey_make(struct survey *survey, int max_workers, filch_bind bind);

void survey_free(struct survey *survey);

void survey_print_text(const struct survey *survey, FILE *file);

/* Returns: false without memory. */
bool survey_print_json(const struct survey *survey, FILE *file);

#endif
