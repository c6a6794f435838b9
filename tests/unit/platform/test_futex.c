/* test_futex.c: sleeping until a word changes, or a deadline passes. */
#include "platform/futex.h"

#include "contract/gate.h"
#include "platform/clock.h"
#include <errno.h>

TEST(futex, another_value_does_not_wait) {
    uint32_t word = 1;
    errno = ENOENT;
    CHECK(filchi_futex_wait(&word, 2, FILCHI_NEVER, false));
    CHECK(filchi_futex_wait(&word, 2, FILCHI_NEVER, true));
    filchi_futex_wake(&word, 1, false);
    CHECK_EQ(errno, ENOENT); /* kept */
}

TEST(futex, a_deadline_passes) {
    uint32_t word = 1;
    CHECK(!filchi_futex_wait(&word, 1, 0, false)); /* long ago */
    uint64_t deadline = filchi_clock_deadline(0.005);
    while (filchi_futex_wait(&word, 1, deadline, false))
        ;
    CHECK(filchi_clock_passed(deadline));
}

TEST(futex, a_wake_of_nothing_is_harmless) {
    filchi_futex_wake((const uint32_t *)64, 1, false); /* not mapped */
    filchi_futex_wake((const uint32_t *)64, 1, true);
}

static atomic_uint word;

static void *wait_for_change(void *shared) {
    while (atomic_load(&word) == 0)
        CHECK(filchi_futex_wait((const uint32_t *)&word, 0, FILCHI_NEVER, shared != NULL));
    return NULL;
}

TEST(futex, wakes_all) {
    for (int is_shared = 0; is_shared <= 1; is_shared++) {
        atomic_store(&word, 0);
        pthread_t threads[3];
        for (int i = 0; i < 3; i++)
            threads[i] = thread_start(wait_for_change, is_shared ? &word : NULL);
        let_others_block();
        atomic_store(&word, 1);
        filchi_futex_wake((const uint32_t *)&word, INT32_MAX, is_shared);
        for (int i = 0; i < 3; i++)
            thread_join(threads[i]);
    }
}
