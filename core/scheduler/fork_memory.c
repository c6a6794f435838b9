/* scheduler/fork_memory.c: reserving, making usable, giving back. */
#include "scheduler/fork_memory.h"

#include "base/status.h"
#include "platform/memory.h"
#include <stdlib.h>

enum {
    MOST_PLACES = FILCHI_FORK_STACK_BYTES / PLACE_BYTES,
    FIRST_USABLE = MOST_PLACES < 16384 ? MOST_PLACES : 16384, /* so many are kept between tasks */
    LEAST_BYTES = 4 << 20,                                    /* a smaller stack is of no use */
    SIDE_BYTES = 64 * 1024,
};

/* Of the address space that the system grants this process, a stack takes this part at most. */
enum { PART_OF_LIMIT = 16 };

struct side {
    struct side *below;
    size_t used, capacity;
    _Alignas(CACHE_LINE) unsigned char bytes[];
};

static uint32_t n_places(const struct fork_stack *stack) {
    return (uint32_t)(stack->n_bytes / PLACE_BYTES);
}

/* Makes `n` places usable. Returns: false if there is no memory. */
static bool make_usable(struct fork_stack *stack, uint32_t n) {
    if (!filchi_memory_commit((char *)stack + (size_t)stack->n_usable * PLACE_BYTES,
                              (size_t)(n - stack->n_usable) * PLACE_BYTES))
        return false;
    stack->n_usable = n;
    return true;
}

struct fork_stack *filchi_fork_memory_make(void) {
    size_t n_bytes = FILCHI_FORK_STACK_BYTES, limit = filchi_memory_address_limit();
    while (n_bytes > limit / PART_OF_LIMIT && n_bytes > LEAST_BYTES)
        n_bytes /= 2;
    struct fork_stack *stack = filchi_memory_reserve(n_bytes, FILCHI_FORK_STACK_BYTES);
    if (stack == NULL)
        return NULL;
    if (!filchi_memory_commit(stack, (size_t)FIRST_USABLE * PLACE_BYTES)) {
        filchi_memory_release(stack, n_bytes);
        return NULL;
    }
    stack->n_bytes = n_bytes;
    stack->n_usable = FIRST_USABLE;
    return stack;
}

static void free_side(struct fork_stack *stack) {
    while (stack->side != NULL) {
        struct side *side = stack->side;
        stack->side = side->below;
        free(side);
    }
}

void filchi_fork_memory_release(struct fork_stack *stack) {
    free_side(stack);
    filchi_memory_release(stack, stack->n_bytes);
}

/* As of a stack overflow, nobody could go on. */
static _Noreturn COLD void die_of_places(uint32_t n) {
    filchi_report("no memory for more than %u spawns that are not synced yet", n);
    abort();
}

bool filchi_fork_memory_has_room(struct fork_stack *stack, uint32_t index) {
    if (index < stack->n_usable / 2)
        return true;
    if (stack->n_usable < n_places(stack) && make_usable(stack, 2 * stack->n_usable))
        return true;
    if (index == stack->n_usable - 2)
        die_of_places(stack->n_usable);
    return false;
}

void filchi_fork_memory_trim(struct fork_stack *stack) {
    if (stack->n_usable == FIRST_USABLE)
        return;
    filchi_memory_discard(place_at(stack, FIRST_USABLE),
                          (size_t)(stack->n_usable - FIRST_USABLE) * PLACE_BYTES);
    stack->n_usable = FIRST_USABLE;
    free_side(stack);
}

static size_t side_size(size_t bytes) {
    return (bytes + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
}

void *filchi_fork_memory_push(struct fork_stack *stack, size_t bytes) {
    struct side *side = stack->side;
    size_t size = side_size(bytes);
    if (side == NULL || side->capacity - side->used < size) {
        size_t capacity = size > SIDE_BYTES ? size : SIDE_BYTES;
        struct side *larger = aligned_alloc(CACHE_LINE, sizeof *larger + capacity);
        if (larger == NULL)
            return NULL;
        *larger = (struct side){.below = side, .capacity = capacity};
        stack->side = side = larger;
    }
    void *room = side->bytes + side->used;
    side->used += size;
    return room;
}

void filchi_fork_memory_pop(struct fork_stack *stack, size_t bytes) {
    while (stack->side->used == 0) {
        struct side *empty = stack->side;
        stack->side = empty->below;
        free(empty);
    }
    stack->side->used -= side_size(bytes);
}
