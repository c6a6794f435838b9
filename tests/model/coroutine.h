/* coroutine.h: stacks that take turns. A switch costs some nanoseconds on x86-64; elsewhere ucontext
 * does it, with a system call. */
#ifndef FILCH_MODEL_COROUTINE_H
#define FILCH_MODEL_COROUTINE_H

#include <stddef.h>

#if !defined(__x86_64__) || defined(MODEL_UCONTEXT)
#include <ucontext.h>
struct coroutine {
    ucontext_t context;
};
#else
struct coroutine {
    void *stack_pointer;
};
#endif

/* Starts at `run`, which never returns, when it is first switched to. What ran there before is gone. */
void coroutine_make(struct coroutine *coroutine, void *stack, size_t bytes, void (*run)(void));
void coroutine_switch(struct coroutine *from, struct coroutine *to);

/* Where what is in use of the stack of a suspended coroutine begins; it goes on to the stack's end. */
char *coroutine_top(const struct coroutine *coroutine, void *stack);

#endif
