/* coroutine.c: the registers that a call preserves go to the old stack, the new stack's come back. */
#include "coroutine.h"

#include <stdint.h>
#include <string.h>

#if !defined(__x86_64__) || defined(MODEL_UCONTEXT)

void coroutine_make(struct coroutine *coroutine, void *stack, size_t bytes, void (*run)(void)) {
    getcontext(&coroutine->context);
    coroutine->context.uc_stack.ss_sp = stack;
    coroutine->context.uc_stack.ss_size = bytes;
    coroutine->context.uc_link = NULL;
    makecontext(&coroutine->context, run, 0);
}

void coroutine_switch(struct coroutine *from, struct coroutine *to) {
    swapcontext(&from->context, &to->context);
}

char *coroutine_top(const struct coroutine *coroutine, void *stack) {
    (void)coroutine;
    return stack; /* nobody knows: all of it */
}

#else

void model_switch(void **from, void *to);
__asm__(".text\n"
        "model_switch:\n"
        "    push %rbp\n"
        "    push %rbx\n"
        "    push %r12\n"
        "    push %r13\n"
        "    push %r14\n"
        "    push %r15\n"
        "    mov %rsp, (%rdi)\n"
        "    mov %rsi, %rsp\n"
        "    pop %r15\n"
        "    pop %r14\n"
        "    pop %r13\n"
        "    pop %r12\n"
        "    pop %rbx\n"
        "    pop %rbp\n"
        "    ret\n");

void coroutine_make(struct coroutine *coroutine, void *stack, size_t bytes, void (*run)(void)) {
    enum { REGISTERS = 6 };
    uintptr_t end = ((uintptr_t)stack + bytes) & ~(uintptr_t)15;
    void **frame = (void **)end - (REGISTERS + 2); /* then `run` starts as if it had been called */
    memset(frame, 0, (REGISTERS + 2) * sizeof *frame);
    memcpy(&frame[REGISTERS], &run, sizeof run);
    coroutine->stack_pointer = frame;
}

void coroutine_switch(struct coroutine *from, struct coroutine *to) {
    model_switch(&from->stack_pointer, to->stack_pointer);
}

char *coroutine_top(const struct coroutine *coroutine, void *stack) {
    (void)stack;
    return coroutine->stack_pointer;
}

#endif
