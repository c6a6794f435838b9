/* platform/cgroup.h: the control groups that this process runs in: v1, v2, and both at once; their
 * CPU quota. What they leave of memory is in headroom.h.
 *
 * The limit of every group from the process's own up to the root of its hierarchy applies, so the
 * smallest of them counts. Where the group's path lies outside of what is mounted (a container with
 * the host's paths, or without a namespace of its own), the limits of what is mounted count.
 *
 * Nothing is cached here: quotas change while programs run. */
#ifndef FILCHI_CGROUP_H
#define FILCHI_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* A directory and the name of a file in it. */
enum { CGROUP_PATH_BYTES = PATH_MAX + 32 };

/* Visits the directory of our group, and then of each group above it, in every hierarchy that is mounted
 * and has this controller ("cpu", "memory"; a v2 hierarchy may have any).
 * `root` is "" for this system; tests give a directory that holds proc/self/ and what is mounted. */
void filchi_cgroup_walk(const char *root, const char *controller,
                        void (*visit)(const char *directory, bool is_v2, void *arg), void *arg);

/* The number in a file of one line: at most two, -1 where it is not a number ("max").
 * Returns: how many there were. */
int filchi_cgroup_numbers(const char *path, long long numbers[2]);

/* CPU time of all threads together, per wall-clock time. */
struct cgroup_quota {
    uint64_t quota_us; /* 0: no limit */
    uint64_t period_us;
    char file[CGROUP_PATH_BYTES]; /* that set it */
};

void filchi_cgroup_read(const char *root, struct cgroup_quota *quota);

/* The number of CPUs that the quota keeps busy, rounded up; INT_MAX without a limit. */
int filchi_cgroup_cpus(const struct cgroup_quota *quota);

#endif
