/* cgroup.h: a control group of the test's own, in which processes may not use more than so much memory.
 * Version 1 or 2 of them, whichever is there and may be written. */
#ifndef FILCH_TEST_CGROUP_H
#define FILCH_TEST_CGROUP_H

#include "test.h"
#include <errno.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

struct cgroup {
    char path[96];
};

static inline bool cgroup_write(const struct cgroup *group, const char *file, const char *text) {
    char path[160];
    snprintf(path, sizeof path, "%s/%s", group->path, file);
    FILE *stream = fopen(path, "w");
    if (stream == NULL)
        return false;
    bool is_written = fputs(text, stream) >= 0;
    return fclose(stream) == 0 && is_written;
}

/* Swap space would only put the end off. */
static inline bool cgroup_limit(const struct cgroup *group, size_t bytes) {
    char text[32];
    snprintf(text, sizeof text, "%zu", bytes);
    bool is_limited = cgroup_write(group, "memory.limit_in_bytes", text) ||
                      cgroup_write(group, "memory.max", text);
    (void)(cgroup_write(group, "memory.memsw.limit_in_bytes", text) ||
           cgroup_write(group, "memory.swap.max", "0"));
    return is_limited;
}

/* Returns: false, and says so, if no group can be made here. */
static inline bool cgroup_open(struct cgroup *group, size_t bytes) {
    static const char *const roots[] = {"/sys/fs/cgroup/memory", "/sys/fs/cgroup"};
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++) {
        snprintf(group->path, sizeof group->path, "%s/filch_test_%d", roots[i], (int)getpid());
        if (mkdir(group->path, 0755) != 0)
            continue;
        if (cgroup_limit(group, bytes))
            return true;
        rmdir(group->path);
    }
    printf("skipped: no control group for memory can be made here\n");
    fflush(stdout);
    return false;
}

/* The calling process, with what it takes from now on. */
static inline bool cgroup_join(const struct cgroup *group) {
    return cgroup_write(group, "cgroup.procs", "0");
}

/* When the last of its processes is gone. */
static inline void cgroup_close(const struct cgroup *group) {
    while (rmdir(group->path) != 0) {
        CHECK_EQ(errno, EBUSY);
        sched_yield();
    }
}

#endif
