/* The sets of sleepers and searchers, up to the largest pool; the sleep word; several wakers. */
#include "contract/gate.h"
#include "platform/clock.h"
#include "scheduler/park.h"
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
    bool is_taken;
    CHECK_EQ(filchi_park_claim_sleeper(park, true, &is_taken), -1);
    CHECK_EQ(filchi_park_claim_sleeper(park, false, &is_taken), 0);
    CHECK(!is_taken);
    CHECK(park_has_searchers(park)); /* who was woken searches */
    filchi_park_set_taken(park, 0, true);
    CHECK_EQ(filchi_park_claim_sleeper(park, false, &is_taken), 1);
    CHECK(!is_taken);
    filchi_park_set_taken(park, 1, true);
    filchi_park_enter(park, 1);
    CHECK_EQ(filchi_park_claim_sleeper(park, false, &is_taken), 1);
    CHECK(is_taken);
    free(park);
}

TEST(park, every_worker_once) {
    filchi_barrier_init();
    static const uint32_t sizes[] = {1, 2, 63, 64, 65, 128, 1000, PARK_MAX_SEATS};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        struct park *park = new_park(sizes[s]);
        bool is_taken;
        for (uint32_t i = 0; i < sizes[s]; i++) {
            CHECK_EQ(filchi_park_claim_sleeper(park, false, &is_taken), i);
            filchi_park_set_taken(park, i, true);
        }
        CHECK_EQ(filchi_park_claim_sleeper(park, false, &is_taken), -1);
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
    bool is_taken;
    CHECK_EQ(filchi_park_claim_sleeper(park, false, &is_taken), 0);
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
        CHECK(filchi_park_await_token(park, &sleep_word, FILCHI_NEVER));
        CHECK_EQ(filch_load_relaxed(&sleep_word), SLEEP_WORD_EMPTY);
    }
    free(park);
}

TEST(park, few_search_at_once) {
    filchi_barrier_init();
    struct park *park = new_park(8);
    CHECK(filchi_park_may_search(park)); /* one may always */
    bool is_taken;
    for (uint32_t i = 0; i < 8; i++) { /* all awake, and busy */
        CHECK_EQ(filchi_park_claim_sleeper(park, false, &is_taken), i);
        filchi_park_set_taken(park, i, true);
        filchi_park_end_search(park, i);
    }
    uint32_t n = 0;
    while (filchi_park_may_search(park))
        filchi_park_begin_search(park, n++);
    CHECK_GE(n, 1);
    CHECK_LE(n, 4); /* half of the busy ones */
    free(park);
}

/* ---- several threads ---- */

enum { SLEEPERS = 3, WAKES = 2000 };
static struct park *shared;
static filch_atomic_u32 words[SLEEPERS];
static atomic_int n_woken, n_given, is_over;

static void *sleep_again(void *arg) {
    uint32_t me = (uint32_t)(uintptr_t)arg;
    for (;;) {
        filchi_park_enter(shared, me);
        if (atomic_load(&is_over) && filchi_park_leave(shared, me))
            return NULL;
        CHECK(filchi_park_await_token(shared, &words[me], FILCHI_NEVER));
        atomic_fetch_add(&n_woken, 1);
    }
}

static bool wake_one(void) {
    bool is_taken;
    int number = filchi_park_claim_sleeper(shared, true, &is_taken);
    if (number < 0)
        return false;
    CHECK(is_taken);
    atomic_fetch_add(&n_given, 1);
    filchi_park_give_token(shared, &words[number]);
    return true;
}

static void *wake_some(void *unused) {
    (void)unused;
    for (int n = 0; n < WAKES;) {
        if (wake_one())
            n++;
        else
            sched_yield();
    }
    return NULL;
}

TEST(park, mpmc) { /* each claim of a sleeper wakes that one, once */
    filchi_barrier_init();
    shared = new_park(SLEEPERS);
    atomic_store(&n_woken, 0);
    atomic_store(&n_given, 0);
    atomic_store(&is_over, 0);
    for (uint32_t i = 0; i < SLEEPERS; i++) { /* all are awake */
        bool is_taken;
        CHECK_EQ(filchi_park_claim_sleeper(shared, false, &is_taken), i);
        filchi_park_set_taken(shared, i, true);
        filch_store_relaxed(&words[i], (uint32_t)SLEEP_WORD_EMPTY);
    }
    pthread_t sleepers[SLEEPERS], wakers[2];
    for (uintptr_t i = 0; i < SLEEPERS; i++)
        sleepers[i] = thread_start(sleep_again, (void *)i);
    for (int i = 0; i < 2; i++)
        wakers[i] = thread_start(wake_some, NULL);
    for (int i = 0; i < 2; i++)
        thread_join(wakers[i]);
    atomic_store(&is_over, 1);
    while (wake_one())
        ;
    for (int i = 0; i < SLEEPERS; i++)
        thread_join(sleepers[i]);
    CHECK_EQ(atomic_load(&n_woken), atomic_load(&n_given));
    free(shared);
}
