/* platform/process.h: which process is this?
 *
 * The generation is 0 in the process that loaded the library and one more in each forked child. What
 * was opened under another generation belongs to an ancestor and is dead here. */
#ifndef FILCHI_PROCESS_H
#define FILCHI_PROCESS_H

#include <stdint.h>

/* Progress: wait-free. */
uint32_t filchi_process_generation(void);

/* Registers what to run at every fork; once per process tree. Returns: 0 or an errno value. */
int filchi_process_watch_forks(void (*prepare)(void), void (*parent)(void), void (*child)(void));

#endif
