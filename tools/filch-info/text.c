/* text.c: for people. */
#include "survey.h"

#include "executor/describe.h"

static void print_workers(const struct survey *survey, FILE *file) {
    const struct plan *plan = survey->plan;
    for (uint32_t i = 0; plan->placements != NULL && i < (uint32_t)plan->n_workers; i++) {
        fprintf(file, "  worker %u: ", i);
        filchi_describe_place(file, &plan->placements[i]);
        fprintf(file, "\n    victims: ");
        filchi_describe_victims(file, &survey->victims, i);
        fprintf(file, "\n");
    }
}

void survey_print_text(const struct survey *survey, FILE *file) {
    fprintf(file, "filch " FILCH_VERSION ": a pool opened here\n");
    filchi_describe_plan(file, survey->plan);
    if (survey->topology.is_loaded)
        fprintf(file, "  machine: %d NUMA node%s with CPUs; hwloc took %.1f ms to read it\n",
                survey->n_nodes, survey->n_nodes == 1 ? "" : "s",
                (double)survey->topology.load_ns / 1e6);
    print_workers(survey, file);
    for (int i = 0; i < survey->n_warnings; i++)
        fprintf(file, "warning: %s\n    remedy: %s\n", survey->warnings[i].text,
                survey->warnings[i].remedy);
}
