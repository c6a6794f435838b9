/* scheduler/fork_memory.h: the memory of fork stacks (fork_stack.h).
 *
 * The places lie in address space of their own, aligned to FILCHI_FORK_STACK_BYTES, so that the stack of any place is
 * found from its address; they are made usable in doublings, ahead of need. Values that do not fit into a
 * place lie beside, last in first out.
 *
 * Thread-safety: the owner's alone, but for stack_of, place_at and index_of. */
#ifndef FILCHI_FORK_MEMORY_H
#define FILCHI_FORK_MEMORY_H

#include "scheduler/fork_stack.h"

#ifndef FILCHI_FORK_STACK_BYTES
#define FILCHI_FORK_STACK_BYTES ((uintptr_t)1 << 31) /* the explorer's are smaller */
#endif

enum {
    PLACE_BYTES = sizeof(filch_stack),
    FIRST_PLACE = (sizeof(struct fork_stack) + PLACE_BYTES - 1) / PLACE_BYTES,
};

static inline struct fork_stack *stack_of(const filch_stack *place) {
    return (struct fork_stack *)((uintptr_t)place & ~(FILCHI_FORK_STACK_BYTES - 1));
}

static inline filch_stack *place_at(const struct fork_stack *stack, uint32_t index) {
    return (filch_stack *)(uintptr_t)stack + index;
}

static inline uint32_t index_of(const filch_stack *place) {
    return (uint32_t)(((uintptr_t)place & (FILCHI_FORK_STACK_BYTES - 1)) / PLACE_BYTES);
}

/* A cleared one with some usable places. Returns: NULL if there is no memory. */
struct fork_stack *filchi_fork_memory_make(void);
void filchi_fork_memory_release(struct fork_stack *stack);

/* Is a child at `index` in the lower half of what is usable? If not, twice as much is made usable.
 * Returns: false if there is no memory. Where nothing is left above it at all, the process ends. */
bool filchi_fork_memory_has_room(struct fork_stack *stack, uint32_t index);

/* Gives back what is more than a task usually needs. Nothing is on the stack. */
void filchi_fork_memory_trim(struct fork_stack *stack);

/* Room for values beside the places, aligned to a cache line. Returns: NULL if there is no memory. */
void *filchi_fork_memory_push(struct fork_stack *stack, size_t bytes);
/* The newest such room, which was of so many bytes. */
void filchi_fork_memory_pop(struct fork_stack *stack, size_t bytes);

#endif
