/* structures/backing.h: the pages of a shared arena.
 *
 * Pages are made for a run that is TAKING, chunk words say which exist (BACKED). BACKED is set after
 * the pages are there and cleared before they go, so whoever dies in between leaves at worst pages that
 * nobody counts. */
#ifndef FILCHI_BACKING_H
#define FILCHI_BACKING_H

#include "structures/arena.h"

/* Makes the missing pages of a run that the caller is TAKING; with `must_exist` it only looks. With
 * `is_zero` the others are zeroed.
 * Returns: false without memory; what was made stays, marked. */
bool filchi_backing_make(struct arena *arena, uint32_t at, size_t n, bool must_exist, bool is_zero);

/* The caller is GIVING the run: its pages stay as spare ones, or go. */
void filchi_backing_release(struct arena *arena, uint32_t at, size_t n);

/* Makes the pages of the table up to this word, for backing_reaches. Returns: false without memory. */
bool filchi_backing_reach(struct arena *arena, uint32_t end);

/* May the words below `end` be looked at? */
static inline bool backing_reaches(struct arena *arena, uint32_t end) {
    return end <= filch_load_acquire(&arena->n_reach) /* USABLE */ ||
           filchi_backing_reach(arena, end);
}

#endif
