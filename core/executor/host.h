/* executor/host.h: what futures ask of their executor (struct future_host). */
#ifndef FILCHI_HOST_H
#define FILCHI_HOST_H

#include "future/future.h"

/* Of the calling process, which opens the executor. */
void filchi_host_init(struct future_host *host, uint64_t spin_ns, bool is_shared);

#endif
