/* The sets of sleepers and searchers in one thread, up to the largest pool. */
#include "scheduler/park.h"
#include "test.h"
#include <stdlib.h>

static struct park *new_park(uint32_t n_workers) {
    struct park *park = aligned_alloc(CACHE_LINE, sizeof *park);
    CHECK_NOT_NULL(park);
    filchi_park_init(park, n_workers, false);
    return park;
}

TEST(park, started_sleepers_first) {
    filchi_barrier_init();
    struct park *park = new_park(130);
    bool is_started;
    CHECK_EQ(filchi_park_claim_sleeper(park, true, &is_started), -1);
    CHECK_EQ(filchi_park_claim_sleeper(park, false, &is_started), 0);
    CHECK(!is_started);
    CHECK(park_has_searchers(park)); /* who was woken searches */
    filchi_park_set_started(park, 0, true);
    CHECK_EQ(filchi_park_claim_sleeper(park, false, &is_started), 1);
    CHECK(!is_started);
    filchi_park_set_started(park, 1, true);
    filchi_park_enter(park, 1);
    CHECK_EQ(filchi_park_claim_sleeper(park, false, &is_started), 1);
    CHECK(is_started);
    free(park);
}

TEST(park, every_worker_once) {
    filchi_barrier_init();
    static const uint32_t sizes[] = {1, 2, 63, 64, 65, 128, 1000, PARK_MAX_WORKERS};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        struct park *park = new_park(sizes[s]);
        bool is_started;
        for (uint32_t i = 0; i < sizes[s]; i++) {
            CHECK_EQ(filchi_park_claim_sleeper(park, false, &is_started), i);
            filchi_park_set_started(park, i, true);
        }
        CHECK_EQ(filchi_park_claim_sleeper(park, false, &is_started), -1);
        CHECK(!park_has_sleepers(park));
        for (uint32_t i = 0; i < sizes[s]; i++)
            filchi_park_end_search(park, i);
        CHECK(!park_has_searchers(park));
        CHECK(!park_must_wake(park));
        filchi_park_enter(park, sizes[s] - 1);
        CHECK(park_must_wake(park));
        CHECK(filchi_park_leave(park, sizes[s] - 1));
        CHECK(!filchi_park_leave(park, sizes[s] - 1)); /* a waker would have been faster */
        free(park);
    }
}

TEST(park, failed_start_is_undone) {
    filchi_barrier_init();
    struct park *park = new_park(1);
    bool is_started;
    CHECK_EQ(filchi_park_claim_sleeper(park, false, &is_started), 0);
    filchi_park_unclaim(park, 0);
    CHECK(!park_has_searchers(park));
    CHECK(park_must_wake(park));
    free(park);
}

TEST(park, token) {
    struct park *park = new_park(1);
    filch_atomic_u32 sleep_word = {SLEEP_WORD_EMPTY};
    for (int i = 0; i < 3; i++) { /* a token given before is not lost, and taken once */
        filchi_park_give_token(park, &sleep_word);
        filchi_park_await_token(park, &sleep_word);
        CHECK_EQ(filch_load_relaxed(&sleep_word), SLEEP_WORD_EMPTY);
    }
    free(park);
}
