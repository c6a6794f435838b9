/* platform/thread.h: threads that belong to the library.
 *
 * They block every signal, so that the program's signals go to the program's threads, except those
 * that a fault of the thread itself raises. */
#ifndef FILCHI_THREAD_H
#define FILCHI_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* What the system demands of a thread's stack, in bytes. */
size_t filchi_thread_least_stack(void);

/* Starts a thread. `stack_bytes` 0: the system's default.
 * Returns: 0 or an errno value. */
int filchi_thread_start(pthread_t *thread, void *(*main)(void *), void *arg, size_t stack_bytes);

/* Lets others run: for a wait that cannot be long. */
void filchi_thread_yield(void);

/* Names the calling thread "<prefix>_<number>"; the prefix is cut so that the number fits into the
 * kernel's 15 characters. */
void filchi_thread_set_name(const char *prefix, int number);

#endif
