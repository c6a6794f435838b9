/* executor/chunk.h: a chunk of a map: many items that travel and run as one task.
 *
 * The chunk is the result of its task, an extent: this header, the argument tuples, the results, and
 * room for what the items' strings and errors need. An item that fails costs itself alone. */
#ifndef FILCHI_CHUNK_H
#define FILCHI_CHUNK_H

#include "executor/submit.h"

struct chunk {
    const filch_task_type *type; /* of the items */
    size_t n;                    /* items sealed into it */
    size_t n_run;                /* those that ran; the rest was cancelled */
    size_t n_given;              /* those whose result and error have been taken care of */
    size_t args_stride;
    size_t value_stride;
    char *args;
    char *values;
    void **texts;         /* of each item's strings and bytes; NULL unless the type copies */
    filch_error **errors; /* of each item; not written before the first one fails */
    bool has_errors;
};

/* A block in INIT whose task is a chunk with room for `capacity` items of `type`.
 * Returns: NULL with the thread's failure set. */
filch_future *filchi_chunk_new(struct pool *pool, const filch_task_type *type, size_t capacity);

static inline struct chunk *chunk_of(const filch_future *future) {
    return (struct chunk *)future->value;
}

/* The bytes that one item takes, its text left out. */
size_t filchi_chunk_item_bytes(const filch_task_type *type);

/* Takes the next tuple into the chunk: copies what it refers to. Returns: false, with the thread's
 * failure set, if there is no memory or it is not fit to travel. */
bool filchi_chunk_seal_item(struct pool *pool, struct chunk *chunk);

/* The error of an item that ran, or NULL. */
static inline filch_error *chunk_error(const struct chunk *chunk, size_t at) {
    return chunk->has_errors ? chunk->errors[at] : NULL;
}

/* Frees what item `at` left; to be called for each item once, in order. */
void filchi_chunk_forget_item(struct arena *arena, struct chunk *chunk, size_t at);

/* Frees everything but the extent itself; errors that nobody saw are reported. */
void filchi_chunk_dispose(filch_future *future);

#endif
