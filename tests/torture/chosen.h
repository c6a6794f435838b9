/* chosen.h: the situations in which a worker process dies at a chosen access.
 *
 * In each trial one task arms its worker with n, does what the scenario says, and returns; the worker
 * dies in the middle of that, or later, on its way to sleep. */
#ifndef TORTURE_CHOSEN_H
#define TORTURE_CHOSEN_H

#include "torture.h"

enum { MOST_ENTRIES = 256 };

struct trial {
    filch_executor *executor;
    uint64_t n;
    int n_entries;
    struct entry entries[MOST_ENTRIES];
    atomic_int n_called; /* callbacks */
};

struct scenario {
    const char *name;
    int n_workers;
    int retries;
    void (*run)(struct trial *trial);
};

/* The last one has no name. */
extern const struct scenario scenarios[];

#endif
