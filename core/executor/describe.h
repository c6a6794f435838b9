/* executor/describe.h: a plan in words, for filch_describe and for filch-info. */
#ifndef FILCHI_DESCRIBE_H
#define FILCHI_DESCRIBE_H

#include "executor/plan.h"
#include "scheduler/victims.h"
#include <stdio.h>

/* How the number of workers came about, and whether they are bound. */
void filchi_describe_plan(FILE *file, const struct plan *plan);

/* "CPU 4, core 2, L2 2, L3 0, NUMA node 0" */
void filchi_describe_place(FILE *file, const struct filchi_placement *place);

/* The seats of a ring, neighbours as "2-7". */
void filchi_describe_ring(FILE *file, const struct victims *victims, struct victim_ring_span span,
                          char between);

/* "SMT 12; L3 1-3; node 5 7; remote 8-11": the rings that are not empty. */
void filchi_describe_victims(FILE *file, const struct victims *victims, uint32_t seat);

#endif
