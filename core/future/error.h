/* future/error.h: filch_error records.
 *
 * What a task raised is made in the arena of its future before the future fails. A cancelled or
 * broken future has no record until somebody asks for one; that one is malloc'ed, or in shared memory made
 * in the arena, too, and found again by the state of the future. */
#ifndef FILCHI_ERROR_H
#define FILCHI_ERROR_H

#include "future/future.h"
#include "structures/extent.h"
#include <stdarg.h>

/* A FILCH_FAILED record in the arena; the strings are copied. Never NULL: without memory (or with
 * `extents` NULL) it is a static record that says so. */
filch_error *filchi_error_new(struct extents *extents, const char *task, int code, int worker,
                              const char *file, int line, const char *format, va_list list);

/* The same into a word that is in shared memory (see filchi_extent_take_into), unless that is NULL. */
filch_error *filchi_error_new_into(filch_atomic_pointer *made, struct extents *extents,
                                   const char *task, int code, int worker, const char *file,
                                   int line, const char *format, va_list list);

/* The static record. */
filch_error *filchi_error_without_memory(void);

/* Frees what filchi_error_new gave; NULL and the static record are allowed. */
void filchi_error_give(struct arena *arena, filch_error *error);

/* The same of what a word in shared memory refers to, which becomes NULL. */
void filchi_error_give_from(struct arena *arena, filch_atomic_pointer *where);

/* The record of a future that is done and not FINISHED. Never NULL. */
const filch_error *filchi_error_of(filch_future *future, uint64_t state);

/* At the end of a future. */
void filchi_error_report_unseen(filch_future *future, uint64_t state);
void filchi_error_free(filch_future *future, uint64_t state);

#endif
