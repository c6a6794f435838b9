/* executor/range.h: filch_for: a range of items that its caller and helpers run, piece by piece.
 *
 * Whoever takes part claims the next piece by a CAS of `next`, as large as its own grain says
 * (grain.h), so pieces are cut when they are needed, in the order of the items. The caller takes part;
 * helpers are tasks. The caller submits the first one, each helper up to two more when it starts, so
 * that helpers come only as fast as workers are free.
 *
 * Who fails closes the range: nobody gets a piece any more. All items before a piece that ran have
 * been given to somebody, and run to their end, so the failure with the lowest index is the one that a
 * serial loop would have ended with.
 *
 * The range lies in the arena, but only while the call lasts: at its end the caller cancels helpers that
 * no worker has started, whose entries are stale then, and waits for those that run.
 *
 * Edge HELPER: a helper's future is stored (release) by who called it -> the caller of filch_for reads
 * it (acquire), at the latest when it has seen the end of that one. What helpers did and what they
 * leave in their parts is read after their end (OUTCOME, future.h); `next` orders nothing. */
#ifndef FILCHI_RANGE_H
#define FILCHI_RANGE_H

#include "executor/frame.h"
#include "executor/grain.h"

/* What one who takes part keeps: the caller, or a helper. */
struct range_part {
    filch_atomic_pointer future; /* of the helper; NULL: the caller, or the submit failed */
    filch_error *error;          /* of its piece that failed */
    size_t began_at;             /* where the piece that it runs, or ran last, begins */
    bool has_begun;              /* a helper: it may have been given a piece */
};

/* Is this the error of a helper's part, and the future that helper? */
bool filchi_range_has(const filch_future *future, const filch_error *error);

struct range {
    void (*body)(size_t begin, size_t end, void *arg);
    void *arg;
    struct pool *pool;
    size_t begin;
    size_t n; /* items */
    uint32_t n_parts;
    filch_atomic_u64 next;      /* items that have been given to somebody; n: closed */
    filch_atomic_u32 n_claimed; /* parts */
    struct range_part parts[];  /* the first is the caller's */
};

#endif
