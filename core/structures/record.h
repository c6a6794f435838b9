/* structures/record.h: what one thread of a mortal process is about to do to a shared arena's memory.
 *
 * Taking, giving and harvesting are several steps, and a worker process may be killed between any two.
 * Each step is written here before it is made, so that whoever recovers can tell a cell that has found
 * its place from one that nobody refers to any more. `where` is the word that a cell is to be stored in,
 * or is taken from; it lies in the arena, too. The opener's threads die together with everybody who
 * could recover: they have no record, and a private arena never asks for one.
 *
 *     harvest   word, bits         ; the word of free bits becomes 0 ; bits are at hand ; bits = 0
 *     take      where, cell        ; cell leaves what is free        ; *where = cell    ; cell = 0
 *     give      where, cell        ; *where = NULL                   ; cell is free     ; cell = 0
 *
 * A slab that is added while a cell is taken is a take of its own: level 1. What recovery does with all
 * this is in recover.h. A record lies in the same chunk as the heaps of its thread.
 *
 * Edge RECORDED: each store here is a release, and so are those of the steps: who reads the record after
 * its process's death sees what came before. */
#ifndef FILCHI_RECORD_H
#define FILCHI_RECORD_H

#include "structures/arena.h"

struct record_take {
    filch_atomic_u64
        where;             /* address; its lowest bit: the word holds 32 bits, an arena reference */
    filch_atomic_u64 cell; /* address of a cell or run; 0: none is in between */
};

enum { RECORD_CELL, RECORD_SLAB, RECORD_LEVELS };
#define RECORD_REFERENCE ((uintptr_t)1)

struct memory_record {
    const struct arena *arena; /* that it is about; written before its thread uses it */
    uint32_t level;
    filch_atomic_u64 word, bits; /* of a harvest; 0 bits: none */
    struct record_take takes[RECORD_LEVELS];
    struct record_take give;
    filch_atomic_u64 generation; /* of the run that is given */
};

/* From now on the calling thread writes this record; NULL: none. */
void filchi_record_use(struct memory_record *record);

/* The calling thread's record for a shared arena, or NULL. */
struct memory_record *filchi_record_of(const struct arena *arena);

static inline struct memory_record *record_of(const struct arena *arena) {
    return arena->is_shared ? filchi_record_of(arena) : NULL;
}

/* Before a take: where the cell will be stored. */
static inline void record_aim(struct memory_record *record, uintptr_t where) {
    if (record != NULL)
        filch_store_release(&record->takes[record->level].where, (uint64_t)where); /* RECORDED */
}

/* A cell or run is about to leave what is free. */
static inline void record_taken(struct memory_record *record, const void *cell) {
    if (record == NULL || filch_load_relaxed(&record->takes[record->level].where) == 0)
        return;
    filch_store_release(&record->takes[record->level].cell,
                        (uint64_t)(uintptr_t)cell); /* RECORDED */
}

/* The cell is where it belongs, or there was none. */
static inline void record_done(struct memory_record *record) {
    if (record == NULL)
        return;
    struct record_take *take = &record->takes[record->level];
    filch_store_release(&take->cell, (uint64_t)0);  /* RECORDED */
    filch_store_release(&take->where, (uint64_t)0); /* RECORDED */
}

/* Stores a pointer where a record says that it goes. */
static inline void record_link(void *where, const void *cell) {
    filch_store_release((filch_atomic_pointer *)where, (void *)(uintptr_t)cell); /* RECORDED */
}

/* Clears such a word, or a reference. */
static inline void record_unlink(uintptr_t where) {
    if (where & RECORD_REFERENCE)
        filch_store_release((filch_atomic_u32 *)(where - RECORD_REFERENCE), 0u); /* RECORDED */
    else
        record_link((void *)where, NULL);
}

#endif
