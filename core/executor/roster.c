/* executor/roster.c: bits of live workers. */
#include "executor/roster.h"

#include "platform/futex.h"
#include <limits.h>

static uint64_t bit_of(uint32_t slot) {
    return UINT64_C(1) << slot % 64;
}

bool filchi_roster_add(struct roster *roster, uint32_t slot) {
    filch_fetch_or_seq_cst(&roster->live[slot / 64], bit_of(slot));
    if (likely(!roster_has_ended(roster)))
        return true;
    filchi_roster_drop(roster, slot);
    return false;
}

void filchi_roster_drop(struct roster *roster, uint32_t slot) {
    filch_fetch_and_seq_cst(&roster->live[slot / 64], ~bit_of(slot)); /* LEFT */
    (void)filch_fetch_add_seq_cst(&roster->n_changes, 1u);            /* LEFT */
    filchi_futex_wake(&roster->n_changes.value, INT_MAX, roster->is_shared);
}

uint32_t filchi_roster_count(const struct roster *roster) {
    uint32_t n = 0;
    for (size_t i = 0; i < SLOT_WORDS; i++)
        n += (uint32_t)__builtin_popcountll(filch_load_seq_cst(&roster->live[i]));
    return n;
}

bool filchi_roster_end(struct roster *roster) {
    filch_store_seq_cst(&roster->is_ended, 1u);
    if (filchi_roster_count(roster) == 0)
        return true;
    filch_store_seq_cst(&roster->is_ended, 0u);
    return false;
}

bool filchi_roster_await_none(const struct roster *roster, uint64_t deadline_ns) {
    for (bool in_time = true;;) {
        uint32_t n_changes = filch_load_seq_cst(&roster->n_changes); /* LEFT */
        if (filchi_roster_count(roster) == 0)
            return true;
        if (!in_time)
            return false;
        in_time =
            filchi_futex_wait(&roster->n_changes.value, n_changes, deadline_ns, roster->is_shared);
    }
}
