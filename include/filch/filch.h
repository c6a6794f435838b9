/* filch.h: Python's concurrent.futures for C. This header includes all the others. */
#ifndef FILCH_H
#define FILCH_H

#include <filch/collect.h>
#include <filch/executor.h>
#include <filch/fork.h>
#include <filch/future.h>
#include <filch/process_pool.h>
#include <filch/shared.h>
#include <filch/stats.h>
#include <filch/status.h>
#include <filch/task.h>
#include <filch/thread_pool.h>

#endif
