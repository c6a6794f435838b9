/* The deque in one thread: what each operation gives, and in which order. */
#include "structures/deque.h"
#include "test.h"
#include <stdlib.h>

static struct ring *new_ring(size_t capacity) {
    struct ring *ring = malloc(ring_bytes(capacity));
    CHECK_NOT_NULL(ring);
    ring_init(ring, capacity);
    return ring;
}

static void open_deque(struct deque *deque, size_t capacity) {
    deque_init(deque, new_ring(capacity));
}

static void close_deque(struct deque *deque) {
    free(filch_load_relaxed(&deque->ring));
}

static void push_all(struct deque *deque, uint64_t first, uint64_t last) {
    for (uint64_t entry = first; entry <= last; entry++)
        CHECK(deque_push(deque, entry));
}

TEST(deque, smoke) {
    struct deque deque;
    open_deque(&deque, 8);
    push_all(&deque, 1, 4);
    uint64_t entry;
    CHECK(deque_pop(&deque, &entry));
    CHECK_EQ(entry, 4); /* the owner takes the newest */
    CHECK_EQ(deque_steal(&deque, &entry), DEQUE_TOOK);
    CHECK_EQ(entry, 1); /* a thief the oldest */
    CHECK_EQ(deque_count(&deque), 2);
    close_deque(&deque);
}

TEST(deque, empty) {
    struct deque deque;
    open_deque(&deque, 8);
    uint64_t entry, entries[4];
    for (int round = 0; round < 20; round++) { /* once around the ring and more */
        CHECK(deque_is_empty(&deque));
        CHECK(!deque_pop(&deque, &entry));
        CHECK_EQ(deque_steal(&deque, &entry), DEQUE_EMPTY);
        CHECK_EQ(deque_take_many(&deque, entries, 4, 1), 0);
        push_all(&deque, 7, 7);
        if (round % 2 == 0)
            CHECK(deque_pop(&deque, &entry));
        else
            CHECK_EQ(deque_steal(&deque, &entry), DEQUE_TOOK);
        CHECK_EQ(entry, 7);
    }
    close_deque(&deque);
}

TEST(deque, full) {
    struct deque deque;
    open_deque(&deque, 4);
    push_all(&deque, 1, 4);
    CHECK(!deque_push(&deque, 5));
    uint64_t entry;
    CHECK_EQ(deque_steal(&deque, &entry), DEQUE_TOOK);
    CHECK(deque_push(&deque, 5)); /* what was stolen makes room */
    CHECK(!deque_push(&deque, 6));
    free(filchi_deque_grow(&deque, new_ring(8)));
    push_all(&deque, 6, 9);
    for (uint64_t expected = 2; expected <= 9; expected++) {
        CHECK_EQ(deque_steal(&deque, &entry), DEQUE_TOOK);
        CHECK_EQ(entry, expected);
    }
    close_deque(&deque);
}

TEST(deque, batches) {
    struct deque deque;
    open_deque(&deque, 16);
    push_all(&deque, 1, 10);
    uint64_t entries[16];
    CHECK_EQ(deque_take_many(&deque, entries, 16, 2), 5); /* a fair share */
    CHECK_EQ(entries[4], 5);
    CHECK_EQ(deque_take_many(&deque, entries, 3, 1), 3); /* what fits */
    CHECK_EQ(entries[0], 6);
    CHECK_EQ(deque_take_many(&deque, entries, 16, 2), 1); /* one of two */
    CHECK_EQ(deque_take_many(&deque, entries, 16, 2), 1); /* one of one */
    CHECK_EQ(entries[0], 10);
    static const uint64_t refill[] = {21, 22, 23};
    deque_refill(&deque, refill, 3);
    uint64_t entry;
    CHECK_EQ(deque_steal(&deque, &entry), DEQUE_TOOK);
    CHECK_EQ(entry, 21);
    close_deque(&deque);
}

static bool is_odd(void *arg, uint64_t entry) {
    (void)arg;
    return entry % 2 == 1;
}

TEST(deque, compact) {
    struct deque deque;
    open_deque(&deque, 8);
    uint64_t entry;
    for (int turn = 0; turn < 5; turn++) { /* at every offset in the ring */
        push_all(&deque, 1, 8);
        CHECK_EQ(filchi_deque_compact(&deque, is_odd, NULL), 4);
        push_all(&deque, 9, 12);
        CHECK(!deque_push(&deque, 13));
        static const uint64_t expected[] = {1, 3, 5, 7, 9, 10, 11, 12};
        for (int i = 0; i < 8; i++) {
            CHECK_EQ(deque_steal(&deque, &entry), DEQUE_TOOK);
            CHECK_EQ(entry, expected[i]);
        }
        push_all(&deque, 1, 1);
        CHECK_EQ(deque_steal(&deque, &entry), DEQUE_TOOK);
    }
    close_deque(&deque);
}
