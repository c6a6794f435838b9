/* scheduler/claims.h: who is in the middle of something with a seat or a slot.
 *
 * To wake a seat, to sit down on it, or to start somebody for it takes several steps, and between two of
 * them the bits do not say whose step it is. In a pool of threads that is all right, since nobody dies
 * alone. In a pool between processes there is a word for each seat and slot, which is taken first and
 * released last: nobody else begins anything there meanwhile, and if its holder dies, it says so.
 *
 * Who finds a word taken does not wait, since the holder may be stopped: he marks it, and goes on as if
 * nobody slept there. So who releases a word that is marked does what the other one wanted to do: by now
 * the seat's worker may have looked, and fallen asleep, once more.
 *
 *     0                     nobody
 *     tag + 1 [+ MARKED]    of the process (platform/process.h) whose thread it is
 *
 * Edge CLAIMED: release (seq_cst) -> the next one's CAS (seq_cst): all that was done there. */
#ifndef FILCHI_CLAIMS_H
#define FILCHI_CLAIMS_H

#include "base/cc.h"
#include "structures/arena.h"

struct claims {
    const struct arena *arena; /* whose owner is the key of the tags */
    filch_atomic_u32 *words;   /* NULL: in a pool of threads */
};

#define CLAIM_MARKED (UINT32_C(1) << 31)

/* What a process with this tag writes. */
static inline uint32_t claim_of(uint32_t tag) {
    return tag + 1;
}

/* Returns: false if somebody has it, whose release will tell him. */
bool filchi_claims_take(const struct claims *claims, uint32_t at);

/* Takes over what a process with this tag had when it died. Returns: false if it is not his. */
bool filchi_claims_inherit(const struct claims *claims, uint32_t at, uint32_t tag);

/* Returns: was it marked? */
bool filchi_claims_release(const struct claims *claims, uint32_t at);

/* Does the calling process have it? */
bool filchi_claims_has(const struct claims *claims, uint32_t at);

/* Has nobody? */
static inline bool claims_is_free(const struct claims *claims, uint32_t at) {
    return unlikely(claims->words != NULL) &&
           filch_load_seq_cst(&claims->words[at]) == 0; /* CLAIMED */
}

static inline bool claims_take(const struct claims *claims, uint32_t at) {
    return likely(claims->words == NULL) || filchi_claims_take(claims, at);
}

static inline bool claims_release(const struct claims *claims, uint32_t at) {
    return unlikely(claims->words != NULL) && filchi_claims_release(claims, at);
}

#endif
