/* workloads.c: what the programs of the contenders measure. (Those of the fork-join suite have a list
 * of their own, suite/workloads.c.) */
#include "workloads.h"

#include <stddef.h>

const struct workload *const bench_workloads[] = {
    bench_task_workloads,
    bench_pool_workloads,
    bench_process_workloads,
    NULL,
};
