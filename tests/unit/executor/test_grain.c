/* test_grain.c: how large the next piece is. */
#include "executor/grain.h"

#include "test.h"

enum { MANY = 1000000 };

TEST(grain, smoke) { /* nothing is known: 1, 2, 4, ... up to the share */
    struct grain grain = {0, 0};
    for (size_t expected = 1; expected < 100; expected *= 2)
        CHECK_EQ(grain_next(&grain, MANY, 100, MANY), expected);
    CHECK_EQ(grain_next(&grain, MANY, 100, MANY), 100);
}

TEST(grain, limits) {
    struct grain grain = {0, 64};
    CHECK_EQ(grain_next(&grain, MANY, MANY, 7), 7);
    grain.last = 64;
    CHECK_EQ(grain_next(&grain, 5, MANY, MANY), 5);
    grain.last = 64;
    CHECK_EQ(grain_next(&grain, MANY, 0, MANY), 1);
    grain.last = 64;
    CHECK_EQ(grain_next(&grain, 0, 0, MANY), 1);
}

TEST(grain, long_items_go_one_by_one) {
    struct grain grain = {0, 0};
    for (int i = 0; i < 4; i++)
        (void)grain_next(&grain, MANY, MANY, MANY);
    grain_note(&grain, 1, 1000000);
    CHECK_EQ(grain_next(&grain, MANY, MANY, MANY), 1);
}

TEST(grain, short_items_fill_the_target) {
    struct grain grain = {0, 0};
    size_t n = 1;
    for (int i = 0; i < 12; i++) {
        size_t next = grain_next(&grain, MANY, MANY, MANY);
        CHECK_LE(next, n * GRAIN_GROWTH);
        n = next;
        grain_note(&grain, n, n * 10);
    }
    CHECK_GE(n * 10, GRAIN_TARGET_NS / 2);
    CHECK_LE(n * 10, GRAIN_TARGET_NS);
    /* A slow piece counts at once, a fast one little by little. */
    grain_note(&grain, n, n * 10000);
    CHECK_LE(grain_next(&grain, MANY, MANY, MANY) * 10000, GRAIN_TARGET_NS);
    grain_note(&grain, 1, 1);
    CHECK_LE(grain_next(&grain, MANY, MANY, MANY) * 5000, GRAIN_TARGET_NS);
}

TEST(grain, last_pieces_are_not_too_small) {
    struct grain grain = {0, 1000};
    grain_note(&grain, 1000, 10000);
    CHECK_GE(grain_next(&grain, 1000, 1, MANY) * 11, GRAIN_LEAST_NS);
    CHECK_EQ(grain_next(&grain, 20, 1, MANY), 20);
}

TEST(grain, items_that_take_no_time) {
    struct grain grain = {0, 0};
    size_t left = SIZE_MAX;
    int n_pieces = 0;
    for (; left > 0; n_pieces++) {
        size_t n = grain_next(&grain, left, left / 6, SIZE_MAX);
        CHECK(n > 0 && n <= left);
        left -= n;
        grain_note(&grain, n, 0);
    }
    CHECK_LE(n_pieces, 1000);
}
