/* platform/affinity.c: sched_getaffinity and sched_setaffinity. */
#include "platform/affinity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void filchi_affinity_free(struct affinity *affinity) {
    if (affinity != NULL)
        CPU_FREE(affinity->set);
    free(affinity);
}

static struct affinity *new_affinity(size_t n_cpus) {
    struct affinity *affinity = calloc(1, sizeof *affinity);
    if (affinity == NULL)
        return NULL;
    affinity->bytes = CPU_ALLOC_SIZE(n_cpus);
    affinity->set = CPU_ALLOC(n_cpus);
    if (affinity->set != NULL)
        return affinity;
    free(affinity);
    return NULL;
}

struct affinity *filchi_affinity_copy(const struct affinity *affinity) {
    struct affinity *copy = new_affinity(affinity_limit(affinity));
    if (copy != NULL)
        memcpy(copy->set, affinity->set, affinity->bytes);
    return copy;
}

/* The kernel says EINVAL as long as the set is smaller than its own. */
static struct affinity *read_mask(pid_t thread) {
    const size_t most_cpus = 1 << 20;
    for (size_t n_cpus = CPU_SETSIZE; n_cpus <= most_cpus; n_cpus *= 2) {
        struct affinity *affinity = new_affinity(n_cpus);
        if (affinity == NULL)
            return NULL;
        if (sched_getaffinity(thread, affinity->bytes, affinity->set) == 0)
            return affinity;
        bool is_too_small = errno == EINVAL;
        filchi_affinity_free(affinity);
        if (!is_too_small)
            return NULL;
    }
    return NULL;
}

struct affinity *filchi_affinity_of_process(void) {
    struct affinity *affinity = read_mask(getpid());
    return affinity != NULL ? affinity : read_mask(0);
}

bool filchi_affinity_apply(const struct affinity *affinity) {
    return sched_setaffinity(0, affinity->bytes, affinity->set) == 0;
}

int filchi_affinity_count_online(void) {
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

int filchi_affinity_count_usable(void) {
    struct affinity *affinity = filchi_affinity_of_process();
    int n = affinity != NULL ? affinity_count(affinity) : filchi_affinity_count_online();
    filchi_affinity_free(affinity);
    return n > 0 ? n : 1;
}
