/* executor/grain.h: how many items the next piece of a range is given: of a map, or of filch_for.
 *
 * A piece is to take about TARGET_NS: so long that what a piece costs is little beside it, so short
 * that pieces balance and stop soon. What an item takes is learnt from pieces that have run. Until one
 * has, pieces double from one item on; a piece is at most GROWTH times as large as the last one, since
 * items may differ; and nobody gets more than a share of what is left, so the last pieces are small, but
 * not so small that they take less than LEAST_NS.
 *
 * Invariant: a piece has 1 to max(1, left) items. Threads: one at a time per grain. */
#ifndef FILCHI_GRAIN_H
#define FILCHI_GRAIN_H

#include "base/cc.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GRAIN_TARGET_NS = 50000, GRAIN_LEAST_NS = 3000, GRAIN_GROWTH = 8 };

struct grain {
    double ns_per_item; /* 0: not known */
    size_t last;        /* items of the last piece; 0: none yet */
};

/* A piece of `n` items took `ns`. The last few pieces count; a slower one at once, since a piece that
 * is too long costs more than one that is too short. */
static inline void grain_note(struct grain *grain, size_t n, uint64_t ns) {
    double seen = ((double)ns + 1) / (double)n;
    bool is_new = grain->ns_per_item == 0 || seen > grain->ns_per_item;
    grain->ns_per_item = is_new ? seen : (3 * grain->ns_per_item + seen) / 4;
}

/* So many items take `ns`; at most `most`. */
static inline size_t grain_items(const struct grain *grain, double ns, size_t most) {
    double n = ns / grain->ns_per_item;
    return n < (double)most ? (size_t)n : most;
}

/* The number of items for the next piece of `left`, at most `share` and at most `most`. */
static inline size_t grain_next(struct grain *grain, size_t left, size_t share, size_t most) {
    bool is_known = grain->ns_per_item > 0;
    size_t growth = is_known ? GRAIN_GROWTH : 2;
    size_t n = grain->last == 0 ? 1 : grain->last < SIZE_MAX / growth ? grain->last * growth : left;
    if (is_known) {
        n = grain_items(grain, GRAIN_TARGET_NS, n);
        size_t least = grain_items(grain, GRAIN_LEAST_NS, left);
        share = share > least ? share : least;
    }
    n = n < share ? n : share;
    n = n < most ? n : most;
    n = n < left ? n : left;
    n = n > 0 ? n : 1;
    grain->last = n;
    return n;
}

#endif
