/* executor/chunk.h: a chunk of a map: many items that travel and run as one task.
 *
 * The chunk is the result of its task, an extent: this header, a bit per item for those that failed,
 * room for the items' strings, the argument tuples, the results. Where nothing is copied and a result
 * is not larger than a tuple, the results replace the tuples one after the other (is_packed): an item
 * is read before its result is written, and never again. An item that fails costs itself alone.
 *
 * Chunks of CHUNK_BYTES are kept by the pool when a map is through with them, up to SPARE_CHUNKS:
 * their pages are warm, and pages that come and go cost more than trivial items do. The list is a
 * stack whose head has a tag against ABA, and chunks lie in memory that stays mapped.
 *
 * Edge SPARE: kept (release) -> taken (acquire). */
#ifndef FILCHI_CHUNK_H
#define FILCHI_CHUNK_H

#include "executor/submit.h"

enum { SPARE_CHUNKS = 2048 }; /* 128 MiB */

struct chunk {
    filch_atomic_u64 next_spare; /* arena reference; read by others even while it is in use */
    const filch_task_type *type; /* of the items */
    size_t n;                    /* items sealed into it */
    size_t capacity;
    size_t n_run;             /* those that ran; the rest was cancelled. It is run from here on */
    filch_atomic_u64 running; /* address of the tuple that runs, or ran last; 0: none yet */
    size_t n_given;           /* those whose result and error have been taken care of */
    size_t args_stride;
    size_t value_stride;
    char *args;
    char *values;
    void **texts;         /* of each item's strings and bytes; NULL unless the type copies */
    uint64_t *failed;     /* a bit per item; not written before the first one fails */
    filch_error **errors; /* NULL before the first one fails, or without memory for it */
    bool has_errors;
    bool is_timed; /* keep `ns` */
    bool is_packed;
    uint64_t ns; /* that it ran */
    /* The map's own: its list, and what it knows of the chunk. */
    filch_future *future;
    struct chunk *older, *newer;
    struct subscriber *node; /* if it is waited for with others */
    size_t first;            /* input index of its first item */
};

/* A block in INIT whose task is a chunk with room for `capacity` items of `type`.
 * Returns: NULL with the thread's failure set. */
filch_future *filchi_chunk_new(struct pool *pool, const filch_task_type *type, size_t capacity);

static inline struct chunk *chunk_of(const filch_future *future) {
    return (struct chunk *)future->value;
}

/* So many items of this type make a chunk that can be kept; 1 or more. */
size_t filchi_chunk_items(const filch_task_type *type);

/* The bytes that one item takes, its text left out. */
size_t filchi_chunk_item_bytes(const filch_task_type *type);

/* Takes the next tuple into the chunk: copies what it refers to. Returns: false, with the thread's
 * failure set, if there is no memory or it is not fit to travel. */
bool filchi_chunk_seal_item(struct pool *pool, struct chunk *chunk);

/* Has item `at`, which ran, failed? */
static inline bool chunk_has_failed(const struct chunk *chunk, size_t at) {
    return chunk->has_errors && (chunk->failed[at / 64] >> at % 64 & 1) != 0;
}

/* Is that the result or the error of the item that ran last? */
bool filchi_chunk_has(const struct chunk *chunk, const void *extent);

/* After the death of who ran it: the item that was running, with all before it counted as run; SIZE_MAX if
 * none was. */
size_t filchi_chunk_find_running(struct chunk *chunk);

/* That item has failed, with this error; the chunk is to go on behind it. */
void filchi_chunk_fail_running(struct pool *pool, struct chunk *chunk, size_t at,
                               filch_error *error);

/* The error of an item that ran, or NULL. */
filch_error *filchi_chunk_error(const struct chunk *chunk, size_t at);

/* Are the results values that need no care, one behind the other? */
static inline bool chunk_is_plain(const filch_task_type *type) {
    return type->result_kind < FILCH_KIND_STRING;
}

/* The first item from `at` on that failed or did not run. */
size_t filchi_chunk_end_of_good(const struct chunk *chunk, size_t at);

/* Frees what the items before `end` left, those that ran. */
void filchi_chunk_forget(struct arena *arena, struct chunk *chunk, size_t end);

/* Frees everything but the extent itself; errors that nobody saw are reported. */
void filchi_chunk_dispose(filch_future *future);

/* The caller is through with a chunk whose future is done: releases the future, and keeps the memory. */
void filchi_chunk_release(struct pool *pool, filch_future *future);

#endif
