/* platform/barrier.h: an asymmetric full barrier: free on the frequent side, dear on the rare one.
 *
 *     frequent side:  store A;  filchi_barrier_light();  load B
 *     rare side:      store B;  filchi_barrier_heavy();  load A
 *
 * At least one side sees the other's store. With membarrier(2) the light side is a compiler barrier
 * alone and the heavy one interrupts the other running threads of this process (about 0.3 us when
 * none runs, 16 us when one does, so never on the path of a steal); where the system has no
 * membarrier, or forbids it, both are fences. Threads of one process only. */
#ifndef FILCHI_BARRIER_H
#define FILCHI_BARRIER_H

#include <filch/detail/atomic.h>

/* Registers the process, once; any number of calls. */
void filchi_barrier_init(void);

extern filch_atomic_u32 filchi_barrier_is_asymmetric;

static inline void filchi_barrier_light(void) {
    if (filch_load_relaxed(&filchi_barrier_is_asymmetric))
        filch_fence_compiler();
    else
        filch_fence_seq_cst();
}

void filchi_barrier_heavy(void);

#endif
