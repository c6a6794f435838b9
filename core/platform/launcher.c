/* platform/launcher.c: the launchers' environment variables. */
#include "platform/launcher.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* "4", and Slurm's "4(x2)" and "4(x2),3", where the first host's number is taken.
 * Returns: -1 for anything else. */
static int parse(const char *text) {
    if (text == NULL || text[0] < '0' || text[0] > '9')
        return -1;
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    bool ends_well = *end == '\0' || *end == ',' || strncmp(end, "(x", 2) == 0;
    return ends_well && errno == 0 && n <= INT_MAX ? (int)n : -1;
}

void filchi_launcher_read(struct launcher *launcher) {
    static const struct {
        const char *n_ranks, *rank;
    } launchers[] = {
        {"OMPI_COMM_WORLD_LOCAL_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"},
        {"MPI_LOCALNRANKS", "MPI_LOCALRANKID"},
        {"SLURM_NTASKS_PER_NODE", "SLURM_LOCALID"},
    };
    *launcher = (struct launcher){.n_ranks = 1, .rank = -1};
    for (size_t i = 0; i < sizeof launchers / sizeof launchers[0]; i++) {
        int n = parse(getenv(launchers[i].n_ranks));
        if (n <= 0)
            continue;
        int rank = parse(getenv(launchers[i].rank));
        launcher->name = launchers[i].n_ranks;
        launcher->n_ranks = n;
        launcher->rank = rank < n ? rank : -1;
        break;
    }
    /* An allocation can be a part of the host, whichever of them starts the ranks. */
    int n_cpus = parse(getenv("SLURM_CPUS_ON_NODE"));
    launcher->n_cpus = n_cpus > 0 ? n_cpus : 0;
}
