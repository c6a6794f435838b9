/* platform/affinity.h: affinity masks of any number of CPUs, and whose mask counts.
 *
 * The mask of the process is that of its main thread at the moment: the calling thread may be bound,
 * or have inherited a binding. Nothing here needs the machine's structure. */
#ifndef FILCHI_AFFINITY_H
#define FILCHI_AFFINITY_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>

struct affinity {
    size_t bytes;
    cpu_set_t *set;
};

/* The process's mask. Owns: the caller, filchi_affinity_free. Returns: NULL if it cannot be read. */
struct affinity *filchi_affinity_of_process(void);

/* Returns: NULL without memory. */
struct affinity *filchi_affinity_copy(const struct affinity *affinity);

void filchi_affinity_free(struct affinity *affinity);

/* Gives the calling thread this mask. Returns: false if the system refuses. */
bool filchi_affinity_apply(const struct affinity *affinity);

static inline size_t affinity_limit(const struct affinity *affinity) {
    return affinity->bytes * 8;
}

static inline bool affinity_has(const struct affinity *affinity, size_t cpu) {
    return CPU_ISSET_S(cpu, affinity->bytes, affinity->set);
}

static inline void affinity_remove(struct affinity *affinity, size_t cpu) {
    CPU_CLR_S(cpu, affinity->bytes, affinity->set);
}

static inline int affinity_count(const struct affinity *affinity) {
    return CPU_COUNT_S(affinity->bytes, affinity->set);
}

/* The CPUs in the process's mask, read anew at each call. Returns: at least 1. */
int filchi_affinity_count_usable(void);

/* The CPUs that the machine has online. Returns: at least 1. */
int filchi_affinity_count_online(void);

#endif
