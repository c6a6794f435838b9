/* executor/modules.h: does a worker process have the code that a task consists of?
 *
 * Workers are copies of the process as it was when the pool was opened. What was loaded then lies at
 * the same address in all of them; a module that was loaded later is not there, and its functions would
 * be called into nothing. So the opener notes what is loaded, and a submit compares: two loads as long
 * as the thread submits the same task, a walk over the loaded modules for another one.
 *
 * The snapshot lies in the opener's own memory, which its workers inherit. */
#ifndef FILCHI_MODULES_H
#define FILCHI_MODULES_H

#include "executor/pool.h"
#include <filch/task.h>

struct modules;

/* Returns: NULL without memory. Owns: the caller, filchi_modules_close. */
struct modules *filchi_modules_open(void);

/* NULL is allowed. */
void filchi_modules_close(struct modules *modules);

/* Is the code of this task, or the function `fn` that is called `name`, in every worker of this pool?
 * Else the thread's failure says what is missing and what to do. A pool whose workers are threads has
 * all. */
filch_status filchi_modules_check_type(const char *function, struct pool *pool,
                                       const filch_task_type *type);
filch_status filchi_modules_check_code(const char *function, struct pool *pool, const char *name,
                                       void (*fn)(void));

#endif
