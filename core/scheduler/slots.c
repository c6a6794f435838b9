/* scheduler/slots.c: sets of slots; absent workers. */
#include "scheduler/slots.h"

int filchi_slots_claim(struct scheduler *scheduler, filch_atomic_u64 *set) {
    for (uint32_t i = 0; i < SLOT_WORDS; i++) {
        uint64_t slots = filch_load_seq_cst(&set[i]); /* SPARE */
        while (slots != 0) {
            int at = __builtin_ctzll(slots);
            uint64_t bit = (uint64_t)1 << at;
            uint32_t slot = i * 64 + (uint32_t)at;
            if (unlikely(!claims_take(&scheduler->slot_claims, slot))) {
                slots &= ~bit;
                continue;
            }
            slots = filch_fetch_and_seq_cst(&set[i], ~bit); /* SPARE, SLOT-FREE */
            if (slots & bit)
                return (int)slot;
            slots_let_go(scheduler, slot);
        }
    }
    return -1;
}

uint32_t filchi_slots_count_absent(const struct scheduler *scheduler) {
    uint32_t n = filch_load_acquire(&scheduler->n_absent); /* ABSENT */
    if (!scheduler->is_shared)
        return n;
    for (uint32_t i = 0, n_made = scheduler_n_made(scheduler); i < n_made; i++) {
        const struct worker *worker = scheduler_worker(scheduler, i);
        n += worker != NULL && filch_load_seq_cst(&worker->absence) != 0; /* ABSENT */
    }
    return n;
}

bool filchi_slots_add_absent(struct worker *worker) {
    struct scheduler *scheduler = worker->producer.scheduler;
    if (!scheduler->is_shared)
        return filch_fetch_add_acq_rel(&scheduler->n_absent, 1u) < SUBSTITUTES; /* ABSENT */
    worker->n_absences += 2;
    filch_store_seq_cst(&worker->absence, worker->n_absences | 1);
    return filchi_slots_count_absent(scheduler) <= SUBSTITUTES;
}

void filchi_slots_drop_absent(struct worker *worker, uint32_t absence) {
    struct scheduler *scheduler = worker->producer.scheduler;
    if (scheduler->is_shared)
        (void)filch_cas_acq_rel(&worker->absence, &absence, 0u); /* ABSENT */
    else
        filch_fetch_sub_acq_rel(&scheduler->n_absent, 1u); /* ABSENT */
}
