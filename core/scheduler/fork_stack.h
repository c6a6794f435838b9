/* scheduler/fork_stack.h: what a task has spawned, and how others steal it.
 *
 * A fork stack is an array of children, a cache line each, oldest first, in address space of its own that is
 * aligned to its size. Its owner spawns and syncs at the end (the `top` that the program's functions hand
 * on); thieves take from the beginning. Two marks part it:
 *
 *     first            tail              split               top
 *     |  stolen        |  public         |  private          |
 *     |  (a thief has  |  (anybody may   |  (the owner's     |
 *     |  run it, or    |  take the       |  alone)           |
 *     |  does)         |  oldest)        |                   |
 *
 * The word {epoch, split, tail} is changed by CAS alone: by a thief that takes the oldest, by the owner that
 * publishes children or takes them back. A thief reads a child only after its CAS, and nobody writes to one
 * that is public, so what it reads is what was published. The epoch grows with every change by the owner.
 *
 * What is private costs no atomic operation: spawn and sync look at the state of the child's place, and go on
 * by themselves while it is 0. Three others say CHILD_ASKS, so that the library is asked there: what is public,
 * the place PRIVATE_MOST behind the split, and all that is private once a thief that finds nothing public
 * anywhere has raised the count of requests. The owner then publishes all that it has. The flag may be left
 * where it is not needed any more; that costs a look.
 *
 * A stolen child runs on its thief's own fork stack, from the first free place on. Its owner, at the sync,
 * steals from there what that child has spawned (leapfrogging: nothing else, so what it runs on top of itself
 * is what it waits for), and sleeps when there is nothing.
 *
 * Operations x operations: one owner; any number of thieves.
 * Progress: spawn and sync of private children wait-free; steal lock-free; a sync of a stolen child waits for
 * its thief.
 *
 * Edges:
 *   SPAWNED    child written, its state set, then the owner's CAS of the word (release) -> the thief's
 *              CAS (acquire): it reads the child.
 *   TAKEN      the thief's CAS (acq_rel) -> the owner's (acquire): which children are its own again.
 *   THIEF      where it runs (release, in the child's state) -> the owner, at the sync (acquire): what it may
 *              take from there.
 *   RETURNED   result written, then the state (acq_rel) -> the owner, at the sync (acquire).
 *   LEAPT      the word of the thief's stack (acquire), then the child's state: not returned, so what the
 *              word said was the child's; the CAS fails if it is not any more.
 *   REQUESTED  count of requests raised, fence, split read, the places behind it flagged -> flags cleared or
 *              split changed, fence, the count loaded by the owner: it sees the request, or what the request
 *              flags is what the owner comes to, and stays flagged.
 *   ASLEEP     (park.h) asleep, heavy barrier, then requests and the last look -> published, light barrier,
 *              look at the sleepers.
 *   FORKING    owner's flag cleared, fence, look at the pool's flag and at the sleepers -> pool's flag, or
 *              asleep and heavy barrier, then the look at the owner's flag: one of the two sees the other. */
#ifndef FILCHI_FORK_STACK_H
#define FILCHI_FORK_STACK_H

#include "scheduler/scheduler.h"
#include <filch/detail/fork_macros.h>

#ifndef FILCHI_PRIVATE_MOST
#define FILCHI_PRIVATE_MOST 32 /* the explorer's are fewer */
#endif

enum {
    PRIVATE_MOST = FILCHI_PRIVATE_MOST, /* when there are so many, */
    PRIVATE_LEFT =
        PRIVATE_MOST / 2, /* but so many are published: a loop does not publish at each spawn */
};

/* What a child's state says. Above these bits: the place where its thief runs it; once it has returned,
 * what it leaves for the layer above. */
enum {
    CHILD_RUNS = 1,
    CHILD_AWAITED = 2, /* the owner sleeps on the low half */
    CHILD_RETURNED = FILCH_CHILD_RETURNED,
    CHILD_ASKS = 8, /* set by thieves where it is 0, and by others: see above */
};
#define CHILD_FLAGS UINT64_C(15)

struct side; /* memory for what does not fit into a place: fork_memory.h */

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): lines are apart by who writes them */
struct fork_stack {
    _Alignas(CACHE_LINE) filch_atomic_u64 word;
    filch_atomic_u64 flagged; /* for which request, and from which split on */
    filch_atomic_u32 n_requests;
    filch_atomic_u32 n_served; /* of them; the owner's */
    filch_atomic_u32 is_active;
    void *task; /* whose children these are: for the layer above; constant while active */
    _Alignas(CACHE_LINE) struct worker *worker;
    filch_atomic_pointer
        next; /* the worker's next one: for a task that runs inside a wait of this one's */
    struct fork_stack *below;
    uint32_t split;    /* own copy */
    struct side *side; /* this and the next two: fork_memory.h */
    size_t n_bytes;
    uint32_t n_usable;
    uint32_t n_called;     /* the newest children, called at once: there are too many */
    uint32_t n_unreserved; /* the newest that found no memory for their values */
};

/* A stack for a task that the calling worker begins, inside of whatever else it runs.
 * Returns: where it begins; NULL if there is no memory. */
filch_stack *filchi_fork_stack_begin(struct worker *worker, void *task);

/* The function that began at `top` has returned. Returns: how many of its children it has not synced, as
 * far as others could see them: they are not run any more, or awaited. */
uint32_t filchi_fork_stack_settle(filch_stack *top);

/* The task has ended, and is settled. */
void filchi_fork_stack_end(struct worker *worker);

/* Takes a child from some other worker's stack, for filchi_fork_stack_run_stolen; if there is none, asks all
 * for some. By a worker that runs nothing. */
bool filchi_fork_stack_steal(struct worker *worker);
void filchi_fork_stack_run_stolen(struct worker *worker);

/* Has it something public? */
bool filchi_fork_stack_has_public(const struct worker *worker);

/* Is it in the middle of a task that may spawn? */
bool filchi_fork_stack_is_active(const struct worker *worker);

/* By a worker that is asleep but for its last look: who spawns from now on wakes somebody. */
void filchi_fork_stack_request_all(struct scheduler *scheduler, const struct worker *worker);

/* When nobody uses the worker's stacks any more. */
void filchi_fork_stack_release(struct worker *worker);

#endif
