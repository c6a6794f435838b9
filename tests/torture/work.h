/* work.h: what one submitting thread does in a round: some hundred tasks of all sorts, each with an outcome
 * that is known, or known to be lost with its worker. */
#ifndef FILCH_TORTURE_WORK_H
#define FILCH_TORTURE_WORK_H

#include "items.h"

struct work {
    filch_executor *executor;
    uint64_t random;
    int n_tasks;
    unsigned suicides_per_mille;
    struct outcomes outcomes;
    pthread_t thread;
};

void work_start(struct work *work);
void work_join(struct work *work);

#endif
