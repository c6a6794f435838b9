/* test_watched.c: each future once, found again, slots used again. */
#include "future/watched.h"

#include "test.h"

enum { MANY = 1000 };

/* Futures are only addresses here. */
static filch_future *future_at(size_t i) {
    static struct filch_future futures[MANY];
    return &futures[i];
}

static size_t put(struct watched *watched, size_t i, bool expect_new) {
    bool is_new = !expect_new;
    CHECK(filchi_watched_reserve(watched, watched->n_futures + 1));
    size_t number = filchi_watched_put(watched, future_at(i), &is_new);
    CHECK_EQ(is_new, expect_new);
    CHECK_PTR_EQ(watched->slots[number].future, future_at(i));
    return number;
}

TEST(watched, smoke) {
    struct watched watched = {0};
    size_t a = put(&watched, 3, true), b = put(&watched, 4, true);
    CHECK_NE(a, b);
    CHECK_EQ(put(&watched, 3, false), a);
    filchi_watched_remove(&watched, a);
    CHECK_EQ(put(&watched, 4, false), b);
    put(&watched, 3, true);
    CHECK_EQ(watched.n_futures, 2);
    filchi_watched_fini(&watched);
}

TEST(watched, empty) {
    struct watched watched = {0};
    CHECK(filchi_watched_reserve(&watched, 0));
    CHECK_EQ(watched.n_slots, 0);
    CHECK(!filchi_watched_reserve(&watched, SIZE_MAX / 2));
    filchi_watched_fini(&watched);
}

/* Coming and going in every pattern, against a plain table. */
TEST(watched, model) {
    struct watched watched = {0};
    size_t numbers[MANY] = {0}; /* + 1 */
    size_t n = 0;
    unsigned random = 1;
    for (int step = 0; step < 200000; step++) {
        random = random * 1664525u + 1013904223u;
        size_t i = random >> 8;
        i %= step / 50000 % 2 == 0 ? MANY : 20; /* many, then few again and again */
        if (random >> 28 < 9) {
            size_t number = put(&watched, i, numbers[i] == 0);
            CHECK(numbers[i] == 0 || numbers[i] == number + 1);
            n += numbers[i] == 0;
            numbers[i] = number + 1;
        } else if (numbers[i] != 0) {
            filchi_watched_remove(&watched, numbers[i] - 1);
            numbers[i] = 0;
            n--;
        }
        CHECK_EQ(watched.n_futures, n);
    }
    CHECK_LE(watched.n_slots, MANY); /* no growth beyond what was in at once */
    filchi_watched_fini(&watched);
}
