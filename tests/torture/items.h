/* items.h: what a submitting thread has submitted, and what must become of it. */
#ifndef FILCH_TORTURE_ITEMS_H
#define FILCH_TORTURE_ITEMS_H

#include "kills.h"

enum { AT_ONCE = 64 };

enum result { LONG, RAISED, BYTES, TEXT, SHARED, LATE };

struct item {
    struct entry entry;
    size_t size;
    char *memory;
    enum result result;
    int n_callbacks;
    atomic_int n_called;
    bool waits; /* for other tasks */
    bool is_cancelled;
    bool is_late; /* its time limit has ended it */
};

/* So far. */
struct outcomes {
    unsigned n_finished, n_failed, n_cancelled, n_late;
};

/* Did a task fail by the death of its worker? */
bool items_has_crashed(const filch_error *error);

/* Cancels some, at random. */
void items_cancel(uint64_t *random, struct item *items, int n);

/* Waits for all of them, or for none, in one of many ways. */
void items_await(uint64_t *random, struct item *items, int n);

/* All have ended, each as it must. Gives them back. */
void items_check(filch_executor *executor, struct item *items, int n, struct outcomes *outcomes);

/* A callback: counts in the atomic_int that it is given. */
void items_count_call(filch_future *future, void *arg);

#endif
