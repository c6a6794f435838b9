/* scenarios.h: uses of the public API that stay well while calls fail.
 *
 * A scenario opens its pools, uses them, and ends with nothing left. It gives up what it is refused
 * and goes on: every branch that a failure opens is part of it. */
#ifndef FAULT_SCENARIOS_H
#define FAULT_SCENARIOS_H

struct scenario {
    const char *name;
    void (*run)(void);
};

/* The last one has no name. */
extern const struct scenario scenarios_submit[], scenarios_collect[], scenarios_block[],
    scenarios_bulk[], scenarios_fork[], scenarios_pool[], scenarios_process[],
    scenarios_process_end[];

#endif
