/* scheduler/claims.c: words of claims, one CAS each. */
#include "scheduler/claims.h"

#include "platform/process.h"

static uint32_t own_claim(const struct claims *claims) {
    return claim_of(filchi_process_tag(claims->arena->owner));
}

bool filchi_claims_take(const struct claims *claims, uint32_t at) {
    filch_atomic_u32 *word = &claims->words[at];
    for (;;) {
        uint32_t seen = 0;
        if (filch_cas_seq_cst(word, &seen, own_claim(claims))) /* CLAIMED */
            return true;
        if ((seen & CLAIM_MARKED) != 0 || filch_cas_seq_cst(word, &seen, seen | CLAIM_MARKED))
            return false;
    }
}

bool filchi_claims_inherit(const struct claims *claims, uint32_t at, uint32_t tag) {
    filch_atomic_u32 *word = &claims->words[at];
    uint32_t seen = filch_load_seq_cst(word);
    while ((seen & ~CLAIM_MARKED) == claim_of(tag))
        if (filch_cas_seq_cst(word, &seen, own_claim(claims) | CLAIM_MARKED)) /* CLAIMED */
            return true;
    return false;
}

bool filchi_claims_release(const struct claims *claims, uint32_t at) {
    return (filch_exchange_seq_cst(&claims->words[at], 0u) & CLAIM_MARKED) != 0; /* CLAIMED */
}

bool filchi_claims_has(const struct claims *claims, uint32_t at) {
    return claims->words != NULL &&
           (filch_load_relaxed(&claims->words[at]) & ~CLAIM_MARKED) == own_claim(claims);
}
