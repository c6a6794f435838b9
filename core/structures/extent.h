/* structures/extent.h: memory of any size from an arena: what does not fit into a future's block.
 *
 * Up to 16 KiB: a cell of the next power of two, from the owner's heaps; more: a run of chunks, whose
 * pages go back to the system when it is freed. A run starts on a chunk boundary and a cell never
 * does, so an address alone says which it is.
 *
 * Threads: take by the owner of the heaps; give by anyone. */
#ifndef FILCHI_EXTENT_H
#define FILCHI_EXTENT_H

#include "structures/slab.h"

enum { EXTENT_MIN_LOG2 = 6, EXTENT_MAX_LOG2 = 14, EXTENT_CLASSES = 9 };

struct extents {
    struct arena *arena;
    enum chunk_kind run_kind;
    struct heap heaps[EXTENT_CLASSES];
};

void filchi_extents_init(struct extents *extents, struct arena *arena);

/* Extents for the program itself (filch_shared_alloc), told from others by filchi_extent_find_shared. */
void filchi_extents_init_shared(struct extents *extents, struct arena *arena);

/* `bytes` (0 counts as 1) aligned to 64. Returns: NULL if there is no memory. */
void *filchi_extent_take(struct extents *extents, size_t bytes);

void filchi_extent_give(struct arena *arena, void *extent);

/* The same for memory that somebody refers to by a word in the arena, so that the death of a process in
 * the middle costs nothing (record.h). `where` becomes the extent's address, or NULL without memory; the
 * second one stores its arena reference, 0 without memory. */
void *filchi_extent_take_into(struct extents *extents, size_t bytes, void *where);
void *filchi_extent_take_reference(struct extents *extents, size_t bytes, uint32_t *where);

/* As filchi_extent_take_into, zeroed before `where` says so: for what is looked at even if whoever took it
 * has died. */
void *filchi_extent_take_zero_into(struct extents *extents, size_t bytes, void *where);

/* Gives back what `where` refers to, which becomes NULL, or 0; it may have been that already. */
void filchi_extent_give_from(struct arena *arena, void *where);
void filchi_extent_give_reference(struct arena *arena, uint32_t *where);

/* The shared extent that an address lies in, NULL if in none; `*bytes` is its size. One that was given
 * back is found only as long as it is kept for later. */
void *filchi_extent_find_shared(const struct arena *arena, const void *address, size_t *bytes);

#endif
