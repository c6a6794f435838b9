/* future/recover.c: futures whose process has ended. */
#include "future/recover.h"

#include "future/subscribers.h"

/* What is MAILED has not been delivered by who is gone now; it goes back to where it came from. What was
 * delivered is freed by who may report a failure. The others are freed when they have ended, since they
 * are RELEASED then. */
static void disown(struct future_host *host, filch_future *future) {
    filchi_subscribers_forget_callbacks(future);
    uint64_t state = future_state(future), next;
    do {
        bool was_released = (state & FUTURE_RELEASED) != 0 && (state & FUTURE_MAILED) == 0;
        if (state_phase(state) <= FUTURE_INIT || was_released)
            return;
        next = state | FUTURE_RELEASED;
        if (state & FUTURE_MAILED)
            next = (next & ~FUTURE_MAILED) | FUTURE_DEFERRED;
    } while (!filch_cas_acq_rel(&future->state, &state, next)); /* GONE, OUTCOME */
    if (state & (FUTURE_MAILED | FUTURE_DELIVERED))
        host->defer(host, future);
}

static void disown_slab(struct slab *slab) {
    char *cell = (char *)slab + SLAB_HEAD_BYTES;
    for (uint32_t i = 0; i < slab->n_cells; i++, cell += (size_t)1 << slab->cell_log2) {
        filch_future *future = (filch_future *)cell;
        if (state_phase(future_state(future)) > FUTURE_INIT)
            disown((struct future_host *)slab->arena->owner, future);
    }
}

void filchi_future_disown(struct heap *heap) {
    struct slab *slab = heap->slab;
    if (slab != NULL)
        do {
            disown_slab(slab);
            slab = slab->next;
        } while (slab != heap->slab);
}
