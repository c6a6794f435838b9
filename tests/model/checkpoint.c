/* checkpoint.c: all that an execution has changed: static memory, what is written of arenas, the stacks in
 * use, and what the explorer knows of threads and versions. Saved one behind the other, as the choices
 * are. */
#include "explorer.h"

#include <string.h>

enum { SAVED_BYTES = 1 << 30 };

static char *saved; /* not in the memory that is restored; its address is the same for ever */

void checkpoint_init(void) {
    saved = model_private(SAVED_BYTES);
}

struct head {
    struct explorer explorer;
    size_t store_mark;
};

static char *copy_to(char *to, const char *from, size_t bytes) {
    memcpy(to, from, bytes);
    return to + bytes;
}

static const char *copy_from(char *to, const char *from, size_t bytes) {
    memcpy(to, from, bytes);
    return from + bytes;
}

/* Also who has just ended, and chooses who is next. */
static bool has_stack(const struct thread *thread) {
    return thread == explorer->current || (thread->status != ENDED && thread->status != KILLED);
}

size_t checkpoint_save(size_t at) {
    size_t static_bytes, bytes;
    char *memory = model_memory(&static_bytes);
    if (at + sizeof(struct head) + static_bytes + platform_bytes() + MODEL_THREADS * STACK_BYTES >
        SAVED_BYTES)
        model_fail("more than %d bytes of checkpoints", SAVED_BYTES);
    struct head *head = (struct head *)(saved + at);
    head->explorer = *explorer;
    head->store_mark = store_mark();
    char *to = copy_to((char *)(head + 1), memory, static_bytes);
    platform_copy_to(to);
    to += platform_bytes();
    for (int i = 0; i < explorer->n_threads; i++)
        if (has_stack(&explorer->threads[i])) {
            const char *stack = schedule_stack(i, &bytes);
            to = copy_to(to, stack, bytes);
        }
    return ((size_t)(to - saved) + 63) & ~(size_t)63;
}

void checkpoint_restore(size_t at) {
    size_t static_bytes, bytes;
    char *memory = model_memory(&static_bytes);
    const struct head *head = (const struct head *)(saved + at);
    *explorer = head->explorer;
    store_undo(head->store_mark);
    const char *from = copy_from(memory, (const char *)(head + 1), static_bytes);
    platform_copy_from(from);
    from += platform_bytes();
    for (int i = 0; i < explorer->n_threads; i++)
        if (has_stack(&explorer->threads[i])) {
            char *stack = schedule_stack(i, &bytes);
            from = copy_from(stack, from, bytes);
        }
}
