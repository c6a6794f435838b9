/* platform/launcher.h: what a launcher of MPI jobs (Open MPI, MPICH and Intel MPI, Slurm) says about
 * the processes that it started on this host. */
#ifndef FILCHI_LAUNCHER_H
#define FILCHI_LAUNCHER_H

struct launcher {
    const char *name; /* the variable that said how many; NULL: no launcher */
    int n_ranks;      /* on this host; 1 without a launcher */
    int rank;         /* of this process among them; -1: not said, or not one of them */
    int n_cpus;       /* that the launcher was given on this host; 0: not said */
};

/* Reads the environment. */
void filchi_launcher_read(struct launcher *launcher);

#endif
