/* platform/barrier.h: a full barrier of two sides, which may be asymmetric: free on the frequent side,
 * dear on the rare one.
 *
 *     frequent side:  store A;  barrier_light(&barrier);          load B
 *     rare side:      store B;  filchi_barrier_heavy(&barrier);   load A
 *
 * At least one side sees the other's store. With membarrier(2) the light side is a compiler barrier
 * alone and the heavy one interrupts the other running threads of this process (about 0.3 us when
 * none runs, 16 us when one does, so never on the path of a steal). Where the system has no membarrier,
 * or forbids it, both are fences; so they are between processes, since the cheap kind of membarrier
 * orders nothing in other ones, and the other kind is dearer than all the fences that it saves. */
#ifndef FILCHI_BARRIER_H
#define FILCHI_BARRIER_H

#include <filch/detail/atomic.h>
#include <stdbool.h>

/* Both sides look here what to do. */
struct barrier {
    filch_atomic_u32 is_asymmetric;
};

/* Registers the process, once; any number of calls. */
void filchi_barrier_init(void);

/* `is_shared`: between processes. Before anybody passes it. */
void filchi_barrier_make(struct barrier *barrier, bool is_shared);

static inline void barrier_light(const struct barrier *barrier) {
    if (filch_load_relaxed(&barrier->is_asymmetric))
        filch_fence_compiler();
    else
        filch_fence_seq_cst();
}

void filchi_barrier_heavy(struct barrier *barrier);

#endif
