/* executor/thread_pool.h: threads that stand in for processes. */
#ifndef FILCHI_THREAD_POOL_H
#define FILCHI_THREAD_POOL_H

#include <filch/thread_pool.h>

/* A process pool whose workers are threads of this process (FILCH_THREADS). */
filch_executor *filchi_thread_pool_open_stand_ins(const char *function,
                                                  const filch_thread_pool_options *options,
                                                  size_t memory);

#endif
