/* platform/stack.h: how much stack is left, and calling a function on a fresh one.
 *
 * A worker that waits for a task runs it on top of the waiting one, to any depth. When the room gets
 * short, the next one runs on a newly mapped segment of the same thread. Only threads that called
 * filchi_stack_enter_thread switch; elsewhere there is always room. */
#ifndef FILCHI_STACK_H
#define FILCHI_STACK_H

#include <stdbool.h>
#include <stddef.h>

/* Notes the bounds of the calling thread's stack, which was to have so many bytes (0: as many as the system gives).
 * Call it from the thread's main function. */
void filchi_stack_enter_thread(size_t asked_bytes);

/* Is less than a quarter of the current stack (or segment) left? */
bool filchi_stack_is_short(void);

/* Calls fn(arg) on a fresh segment as large as the thread's stack (64 KiB at least), and returns when it has
 * returned. Returns: false if there was no memory for one; fn has not been called then. */
bool filchi_stack_call(void (*fn)(void *arg), void *arg);

/* Calls fn(arg) on a fresh segment of that many bytes (0: as large as the system lets a stack grow, at most
 * 8 MiB), which is the calling thread's stack from then on: for a process that was forked by a thread with a
 * small one. Returns: false without memory. */
bool filchi_stack_begin(size_t bytes, void (*fn)(void *arg), void *arg);

/* Frees what the thread keeps. Call it at the end of the thread's main function. */
void filchi_stack_leave_thread(void);

#endif
