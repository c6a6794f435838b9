/* workloads.h: the tables of workloads_*.c; each is ended by a NULL name. For workloads.c. */
#ifndef BENCH_WORKLOADS_H
#define BENCH_WORKLOADS_H

#include "measure.h"

extern const struct workload bench_task_workloads[], bench_pool_workloads[],
    bench_process_workloads[];

#endif
