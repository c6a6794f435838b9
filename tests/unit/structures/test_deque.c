/* test_deque.c: the table at the head of deque.h, one operation after the other and several at once.
 * stress/deque.c does more of the latter. */
#include "structures/deque.h"

#include "contract/gate.h"

enum { CAPACITY = 8, LARGER = 16, ENTRIES = 20000, THIEVES = 3 };

static struct ring *make_ring(size_t capacity) {
    struct ring *ring = malloc(ring_bytes(capacity));
    CHECK_NOT_NULL(ring);
    ring_init(ring, capacity);
    return ring;
}

static void start(struct deque *deque) {
    deque_init(deque, make_ring(CAPACITY));
}

static void end(struct deque *deque) {
    free(filch_load_relaxed(&deque->ring));
}

static void push_all(struct deque *deque, uint64_t first, uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        CHECK(deque_push(deque, first + i));
}

static void check_stolen(struct deque *deque, uint64_t expected) {
    uint64_t entry;
    CHECK_EQ(deque_steal(deque, &entry), DEQUE_TOOK);
    CHECK_EQ(entry, expected);
}

static void check_popped(struct deque *deque, uint64_t expected) {
    uint64_t entry;
    CHECK(deque_pop(deque, &entry));
    CHECK_EQ(entry, expected);
}

static void check_empty(struct deque *deque) {
    uint64_t entries[2];
    CHECK(deque_is_empty(deque));
    CHECK_EQ(deque_count(deque), 0);
    CHECK(!deque_pop(deque, entries));
    CHECK_EQ(deque_steal(deque, entries), DEQUE_EMPTY);
    CHECK_EQ(deque_take_many(deque, entries, 2, 1), 0);
}

TEST(deque, smoke) {
    struct deque deque;
    start(&deque);
    push_all(&deque, 10, 3);
    CHECK_EQ(deque_count(&deque), 3);
    check_popped(&deque, 12);
    check_stolen(&deque, 10);
    check_popped(&deque, 11);
    check_empty(&deque);
    end(&deque);
}

TEST(deque, empty) {
    struct deque deque;
    start(&deque);
    check_empty(&deque);
    push_all(&deque, 1, 1);
    check_popped(&deque, 1);
    check_empty(&deque);
    push_all(&deque, 2, 1);
    check_stolen(&deque, 2);
    check_empty(&deque);
    push_all(&deque, 3, 1);
    check_stolen(&deque, 3);
    end(&deque);
}

TEST(deque, full) {
    struct deque deque;
    start(&deque);
    /* At every place of the ring, so that it wraps everywhere. */
    for (uint64_t shift = 0; shift < 2 * CAPACITY; shift++) {
        push_all(&deque, 0, CAPACITY);
        CHECK(!deque_push(&deque, 99));
        CHECK(!deque_push(&deque, 99));
        CHECK_EQ(deque_count(&deque), CAPACITY);
        check_stolen(&deque, 0);
        push_all(&deque, CAPACITY, 1);
        CHECK(!deque_push(&deque, 99));
        check_popped(&deque, CAPACITY);
        push_all(&deque, CAPACITY, 1);
        for (uint64_t i = 1; i <= CAPACITY; i++)
            check_stolen(&deque, i);
        check_empty(&deque);
    }
    end(&deque);
}

TEST(deque, a_ring_of_one) {
    struct deque deque;
    deque_init(&deque, make_ring(1));
    for (uint64_t i = 0; i < 5; i++) {
        push_all(&deque, i, 1);
        CHECK(!deque_push(&deque, 99));
        if (i % 2 == 0)
            check_popped(&deque, i);
        else
            check_stolen(&deque, i);
    }
    check_empty(&deque);
    end(&deque);
}

TEST(deque, entries_of_any_value) {
    struct deque deque;
    start(&deque);
    static const uint64_t values[] = {0, UINT64_MAX, UINT64_C(1) << 63, 0};
    for (size_t i = 0; i < 4; i++)
        CHECK(deque_push(&deque, values[i]));
    for (size_t i = 0; i < 4; i++)
        check_stolen(&deque, values[i]);
    end(&deque);
}

TEST(deque, take_many_takes_the_oldest) {
    struct deque deque;
    start(&deque);
    push_all(&deque, 0, 7);
    uint64_t entries[CAPACITY];
    CHECK_EQ(deque_take_many(&deque, entries, 2, 1), 2); /* no more than max */
    CHECK_EQ(entries[0], 0);
    CHECK_EQ(entries[1], 1);
    CHECK_EQ(deque_take_many(&deque, entries, CAPACITY, 2), 3); /* half of five, and not less */
    CHECK_EQ(entries[0], 2);
    CHECK_EQ(entries[2], 4);
    CHECK_EQ(deque_take_many(&deque, entries, CAPACITY, 2), 1);
    CHECK_EQ(entries[0], 5);
    CHECK_EQ(deque_take_many(&deque, entries, CAPACITY, 2), 1); /* the last one, too */
    CHECK_EQ(entries[0], 6);
    check_empty(&deque);
    push_all(&deque, 20, CAPACITY);
    CHECK_EQ(deque_take_many(&deque, entries, CAPACITY, 1), CAPACITY);
    for (uint64_t i = 0; i < CAPACITY; i++)
        CHECK_EQ(entries[i], 20 + i);
    check_empty(&deque);
    end(&deque);
}

TEST(deque, refill_of_an_empty_one) {
    struct deque deque;
    start(&deque);
    for (uint64_t n = 0; n <= CAPACITY; n++) {
        uint64_t entries[CAPACITY];
        for (uint64_t i = 0; i < n; i++)
            entries[i] = n * 100 + i;
        deque_refill(&deque, entries, n);
        CHECK_EQ(deque_count(&deque), n);
        for (uint64_t i = 0; i < n; i++)
            check_stolen(&deque, n * 100 + i);
        check_empty(&deque);
    }
    end(&deque);
}

TEST(deque, grow_keeps_entries_and_order) {
    for (uint64_t shift = 0; shift < CAPACITY; shift++)
        for (uint64_t n = 0; n <= CAPACITY; n++) {
            struct deque deque;
            start(&deque);
            struct ring *first = filch_load_relaxed(&deque.ring);
            push_all(&deque, 0, shift);
            for (uint64_t i = 0; i < shift; i++)
                check_stolen(&deque, i);
            push_all(&deque, 0, n);
            CHECK_PTR_EQ(filchi_deque_grow(&deque, make_ring(LARGER)), first);
            free(first);
            CHECK_EQ(deque_count(&deque), n);
            push_all(&deque, n, LARGER - n);
            CHECK(!deque_push(&deque, 99));
            for (uint64_t i = 0; i < LARGER / 2; i++) {
                check_stolen(&deque, i);
                check_popped(&deque, LARGER - 1 - i);
            }
            check_empty(&deque);
            end(&deque);
        }
}

static bool is_odd(void *arg, uint64_t entry) {
    ++*(int *)arg;
    return entry % 2 != 0;
}

static bool is_anything(void *arg, uint64_t entry) {
    (void)entry;
    return *(bool *)arg;
}

static void check_compacted(size_t (*compact)(struct deque *, bool (*)(void *, uint64_t), void *)) {
    for (uint64_t shift = 0; shift < CAPACITY; shift++)
        for (uint64_t n = 0; n <= CAPACITY; n++) {
            struct deque deque;
            start(&deque);
            push_all(&deque, 0, shift);
            for (uint64_t i = 0; i < shift; i++)
                check_stolen(&deque, i);
            push_all(&deque, 0, n);
            int asked = 0;
            CHECK_EQ(compact(&deque, is_odd, &asked), n / 2);
            CHECK_EQ(asked, n);
            CHECK_EQ(deque_count(&deque), n / 2);
            for (uint64_t i = 0; i < CAPACITY - n / 2; i++) /* and there is room again */
                CHECK(deque_push(&deque, 100 + i));
            CHECK(!deque_push(&deque, 99));
            for (uint64_t i = 1; i < n; i += 2)
                check_stolen(&deque, i);
            for (uint64_t i = 0; i < CAPACITY - n / 2; i++)
                check_stolen(&deque, 100 + i);
            check_empty(&deque);
            end(&deque);
        }
}

TEST(deque, compact_keeps_what_is_live_in_order) {
    check_compacted(filchi_deque_compact);
    check_compacted(filchi_deque_compact_popped);
}

TEST(deque, compact_of_all_and_of_none) {
    struct deque deque;
    start(&deque);
    push_all(&deque, 0, CAPACITY);
    bool is_live = true;
    CHECK_EQ(filchi_deque_compact(&deque, is_anything, &is_live), CAPACITY);
    CHECK(!deque_push(&deque, 99));
    struct ring *old = filchi_deque_grow(&deque, make_ring(LARGER));
    free(old);
    push_all(&deque, CAPACITY, 1);
    for (uint64_t i = 0; i <= CAPACITY; i++)
        check_stolen(&deque, i);
    push_all(&deque, 0, 5);
    is_live = false;
    CHECK_EQ(filchi_deque_compact(&deque, is_anything, &is_live), 0);
    check_empty(&deque);
    end(&deque);
}

TEST(deque, several_at_once) { /* nobody sees them before the one store */
    struct deque deque;
    start(&deque);
    push_all(&deque, 10, 3);
    check_stolen(&deque, 10);
    CHECK(deque_has_room(&deque, CAPACITY - 2));
    CHECK(!deque_has_room(&deque, CAPACITY - 1));
    for (uint64_t i = 0; i < CAPACITY - 2; i++)
        deque_put(&deque, i, 20 + i);
    CHECK_EQ(deque_count(&deque), 2);
    CHECK_EQ(deque_show(&deque, CAPACITY - 2), 3);
    CHECK_EQ(deque_count(&deque), CAPACITY);
    for (uint64_t i = 11; i < 13; i++)
        check_stolen(&deque, i);
    for (uint64_t i = 0; i < CAPACITY - 2; i++)
        check_stolen(&deque, 20 + i);
    check_empty(&deque);
    end(&deque);
}

TEST(deque, take_back_takes_all_or_none) {
    for (uint64_t n_older = 0; n_older < 4; n_older++)
        for (uint64_t n_stolen = 0; n_stolen <= n_older + 1; n_stolen++) {
            struct deque deque;
            start(&deque);
            push_all(&deque, 0, 5); /* so that the ring wraps */
            for (uint64_t i = 0; i < 5; i++)
                check_stolen(&deque, i);
            push_all(&deque, 10, n_older);
            for (uint64_t i = 0; i < CAPACITY - n_older; i++)
                deque_put(&deque, i, 20 + i);
            uint64_t from = deque_show(&deque, CAPACITY - n_older);
            for (uint64_t i = 0; i < n_stolen; i++)
                check_stolen(&deque, i < n_older ? 10 + i : 20);
            bool is_back = filchi_deque_take_back(&deque, from);
            CHECK_EQ(is_back, n_stolen <= n_older);
            for (uint64_t i = n_stolen; i < n_older; i++)
                check_stolen(&deque, 10 + i);
            for (uint64_t i = 1; !is_back && i < CAPACITY - n_older; i++)
                check_stolen(&deque, 20 + i);
            check_empty(&deque);
            end(&deque);
        }
}

TEST(deque, destroy) { /* nothing is left behind in the caller's storage */
    struct deque deque;
    start(&deque);
    push_all(&deque, 0, CAPACITY);
    end(&deque);
    start(&deque);
    check_empty(&deque);
    push_all(&deque, 0, CAPACITY);
    check_stolen(&deque, 0);
    end(&deque);
}

/* ---- at once ---- */

static struct deque shared;
static atomic_int taken[ENTRIES], n_taken;

static void take_once(uint64_t entry) {
    CHECK_LT(entry, ENTRIES);
    CHECK_EQ(atomic_fetch_add(&taken[entry], 1), 0);
    atomic_fetch_add(&n_taken, 1);
}

static void start_shared(void) {
    start(&shared);
    atomic_store(&n_taken, 0);
    for (int i = 0; i < ENTRIES; i++)
        atomic_store(&taken[i], 0);
}

static void *steal_in_order(void *unused) {
    (void)unused;
    for (uint64_t next = 0; next < ENTRIES;) {
        uint64_t entry;
        if (deque_steal(&shared, &entry) == DEQUE_TOOK)
            CHECK_EQ(entry, next++);
        else
            sched_yield();
    }
    return NULL;
}

TEST(deque, spsc) { /* one thief sees the pushes in order, without a gap */
    start_shared();
    pthread_t thief = thread_start(steal_in_order, NULL);
    for (uint64_t i = 0; i < ENTRIES; i++)
        while (!deque_push(&shared, i))
            sched_yield();
    thread_join(thief);
    check_empty(&shared);
    end(&shared);
}

static void *steal_all(void *unused) {
    (void)unused;
    while (atomic_load(&n_taken) < ENTRIES) {
        uint64_t entry;
        if (deque_steal(&shared, &entry) == DEQUE_TOOK)
            take_once(entry);
        else
            sched_yield();
    }
    return NULL;
}

TEST(deque, mpmc) { /* owner and thieves take each entry once */
    start_shared();
    pthread_t thieves[THIEVES];
    for (int i = 0; i < THIEVES; i++)
        thieves[i] = thread_start(steal_all, NULL);
    uint64_t entry;
    for (uint64_t i = 0; i < ENTRIES; i++) {
        while (!deque_push(&shared, i))
            if (deque_pop(&shared, &entry))
                take_once(entry);
        if (i % 3 == 0 && deque_pop(&shared, &entry))
            take_once(entry);
    }
    while (deque_pop(&shared, &entry))
        take_once(entry);
    for (int i = 0; i < THIEVES; i++)
        thread_join(thieves[i]);
    for (int i = 0; i < ENTRIES; i++)
        CHECK_EQ(atomic_load(&taken[i]), 1);
    check_empty(&shared);
    end(&shared);
}

/* An owner that pushes and pops all the time, one thief after the other gets its entry. */
static void *steal_one(void *arg) {
    uint64_t entry;
    while (deque_steal(&shared, &entry) != DEQUE_TOOK)
        sched_yield();
    atomic_store((atomic_bool *)arg, true);
    return NULL;
}

TEST(deque, no_starvation) {
    start_shared();
    for (int i = 0; i < THIEVES; i++) {
        atomic_bool has_one = false;
        pthread_t thief = thread_start(steal_one, &has_one);
        while (!atomic_load(&has_one)) {
            uint64_t entry;
            CHECK(deque_push(&shared, 1) && deque_push(&shared, 2));
            while (deque_pop(&shared, &entry))
                ;
        }
        thread_join(thief);
    }
    end(&shared);
}

enum { STAMPEDES = 2000 };
static atomic_int stampede_round, stampede_done, stampede_winners;

static void *stampede(void *unused) {
    (void)unused;
    for (int round = 1; round <= STAMPEDES; round++) {
        while (atomic_load(&stampede_round) < round)
            sched_yield();
        uint64_t entry;
        enum deque_outcome outcome;
        while ((outcome = deque_steal(&shared, &entry)) == DEQUE_LOST)
            ;
        if (outcome == DEQUE_TOOK) {
            CHECK_EQ(entry, round);
            atomic_fetch_add(&stampede_winners, 1);
        }
        atomic_fetch_add(&stampede_done, 1);
    }
    return NULL;
}

TEST(deque, stampede) { /* all go for the only entry, the owner too: one gets it */
    start_shared();
    atomic_store(&stampede_round, 0);
    atomic_store(&stampede_done, 0);
    atomic_store(&stampede_winners, 0);
    pthread_t thieves[THIEVES];
    for (int i = 0; i < THIEVES; i++)
        thieves[i] = thread_start(stampede, NULL);
    for (int round = 1; round <= STAMPEDES; round++) {
        CHECK(deque_push(&shared, (uint64_t)round));
        atomic_store(&stampede_round, round);
        uint64_t entry;
        if (round % 2 == 0 && deque_pop(&shared, &entry)) {
            CHECK_EQ(entry, round);
            atomic_fetch_add(&stampede_winners, 1);
        }
        while (atomic_load(&stampede_done) < round * THIEVES)
            sched_yield();
        CHECK_EQ(atomic_load(&stampede_winners), round);
    }
    for (int i = 0; i < THIEVES; i++)
        thread_join(thieves[i]);
    check_empty(&shared);
    end(&shared);
}
