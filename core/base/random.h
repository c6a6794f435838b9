/* base/random.h: a small generator for choosing victims: xorshift64* (Marsaglia 2003; Vigna 2016).
 * Not for secrets. The state is the caller's and never 0. */
#ifndef FILCHI_RANDOM_H
#define FILCHI_RANDOM_H

#include <stdint.h>

static inline void random_seed(uint64_t *state, uint64_t seed) {
    *state = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15);
    if (*state == 0)
        *state = 1;
}

/* A number below `n`, which must not be 0. */
static inline uint32_t random_below(uint64_t *state, uint32_t n) {
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    uint32_t high = (uint32_t)((x * UINT64_C(0x2545F4914F6CDD1D)) >> 32);
    return (uint32_t)(((uint64_t)high * n) >> 32);
}

#endif
