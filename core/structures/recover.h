/* structures/recover.h: memory after the death of a process that had a shared arena mapped.
 *
 * Whoever recovers lives in the opener, and acts for the dead one, of which no thread is left; others
 * take and give meanwhile. In this order, for every record of the dead and the heaps of its thread:
 *
 *     1. filchi_record_recover   what was in between is undone, or done to its end
 *     2. filchi_heap_rebuild     of stable heaps, whose cells themselves say whether they are free
 *     3. filchi_arena_recover    once: runs that it was taking or giving
 *     4. filchi_arena_recount    until it says true: how many chunks are in use
 *
 * After that the heaps are as good as new, and the next process goes on with them. Every step may be
 * repeated.
 *
 * One thing cannot be told. Somebody else's cell that the dead was about to give back, whose link is
 * cleared and whose bit is not set: it was either not given yet, or given and taken again. It is left
 * alone, and counted as limbo: at most one cell for each death. */
#ifndef FILCHI_RECOVER_H
#define FILCHI_RECOVER_H

#include "structures/extent.h"
#include "structures/record.h"

/* `extents` are the unstable heaps of the record's thread. Returns: the number of cells in limbo. */
uint32_t filchi_record_recover(struct memory_record *record, uint32_t tag,
                               struct extents *const *extents, size_t n);

/* Makes the bits of a stable heap those of the cells that are free by their own word. */
void filchi_heap_rebuild(struct heap *heap, bool (*is_free)(const void *cell));

/* Visits all cells of a heap, whose owner may live: those that it had when this began. */
void filchi_heap_walk(const struct heap *heap, void (*visit)(void *cell, void *arg), void *arg);

/* Frees the runs that the dead process was taking, and ends what it was giving back. */
void filchi_arena_recover(struct arena *arena, uint32_t tag);

/* Counts anew how many chunks of a shared arena are in use and spare. Returns: false if somebody was just
 * changing that: it is to be called again. */
bool filchi_arena_recount(struct arena *arena);

/* While its owner rests: is the heap whole? If not, `why` says what is wrong with it. */
bool filchi_heap_is_valid(const struct heap *heap, char *why, size_t size);

#endif
