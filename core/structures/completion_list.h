/* structures/completion_list.h: many push, one takes everything, in the order of the pushes.
 *
 * A Treiber stack (1986) without pop, so without ABA, whose head carries a generation: a push that
 * names another generation than the list's fails, which makes a late push to a list that has been
 * closed and opened again harmless. The list's memory must be type-stable.
 *
 * Head: the node's address divided by 64 in the upper 42 bits, the generation in the lower 22.
 * (User addresses have at most 48 bits on x86-64 and aarch64.)
 *
 *     push x push, push x take_all, push x reopen: allowed; take_all and reopen: one consumer
 *
 * Edge COMPLETED: push (seq_cst CAS) -> take_all (acquire): what the pusher did before is visible.
 * The CAS is seq_cst, not release, because the pusher then looks whether the consumer sleeps.
 * Progress: push lock-free, take_all wait-free. */
#ifndef FILCHI_COMPLETION_LIST_H
#define FILCHI_COMPLETION_LIST_H

#include <filch/detail/atomic.h>
#include <stddef.h>

struct completion_node { /* aligned to 64 */
    filch_atomic_pointer next;
};

struct completion_list {
    filch_atomic_u64 head;
};

enum { GENERATION_BITS = 22, NODE_LOG2 = 6 };
#define GENERATION_MASK (((uint64_t)1 << GENERATION_BITS) - 1)

static inline uint64_t completion_head(const struct completion_node *node, uint64_t generation) {
    return ((uint64_t)(uintptr_t)node >> NODE_LOG2 << GENERATION_BITS) | generation;
}

static inline struct completion_node *completion_first(uint64_t head) {
    return (struct completion_node *)(uintptr_t)(head >> GENERATION_BITS << NODE_LOG2);
}

/* Opens the list anew: empties it and refuses pushes for earlier generations.
 * Returns: the generation for pushes. */
static inline uint64_t completion_list_reopen(struct completion_list *list) {
    uint64_t head = filch_load_relaxed(&list->head);
    while (!filch_cas_seq_cst(&list->head, &head, (head + 1) & GENERATION_MASK))
        ;
    return (head + 1) & GENERATION_MASK;
}

/* Returns: false if the generation is over. */
static inline bool completion_list_push(struct completion_list *list, uint64_t generation,
                                        struct completion_node *node) {
    uint64_t head = filch_load_relaxed(&list->head);
    do {
        if ((head & GENERATION_MASK) != generation)
            return false;
        filch_store_relaxed(&node->next, (void *)completion_first(head));
    } while (!filch_cas_seq_cst(&list->head, &head, completion_head(node, generation)));
    return true;
}

static inline bool completion_list_is_empty(const struct completion_list *list) {
    return completion_first(filch_load_seq_cst(&list->head)) == NULL;
}

/* Takes all nodes, oldest push first, linked by `next`; NULL if there are none. */
static inline struct completion_node *completion_list_take_all(struct completion_list *list) {
    uint64_t head = filch_load_relaxed(&list->head);
    while (!filch_cas_acq_rel(&list->head, &head, head & GENERATION_MASK)) /* COMPLETED */
        ;
    struct completion_node *oldest = NULL;
    for (struct completion_node *node = completion_first(head), *next; node != NULL; node = next) {
        next = (struct completion_node *)filch_load_relaxed(&node->next);
        filch_store_relaxed(&node->next, (void *)oldest);
        oldest = node;
    }
    return oldest;
}

#endif
