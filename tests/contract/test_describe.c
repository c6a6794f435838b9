/* filch_describe: a picture for people; these tests look for what has to be in it. */
#include "pools.h"

static char text[1 << 16];

static const char *describe(filch_executor *ex) {
    FILE *file = fmemopen(text, sizeof text, "w");
    CHECK_NOT_NULL(file);
    CHECK_EQ(filch_describe(ex, file), FILCH_OK);
    CHECK_EQ(fclose(file), 0);
    return text;
}

CONTRACT(describe, any_pool) {
    filch_executor *ex = pool->open(3);
    struct hold *held = pool->alloc(ex, sizeof *held);
    CHECK_STR_HAS(describe(ex), "pool, open\n");
    CHECK_STR_HAS(text, "in the affinity mask");
    CHECK_STR_HAS(text, "workers: 3, as .max_workers asks; ");
    CHECK_STR_HAS(text, "tasks: 0 submitted");
    CHECK_STR_HAS(text, "seat 2: ");
    CHECK_STR_HAS(text, "vacant");
    filch_future *one = pool_hold(ex, held);
    CHECK_STR_HAS(describe(ex), "worker 0");
    CHECK_STR_HAS(text, ", busy");
    CHECK_STR_HAS(text, "1 running");
    gate_open(&held->go);
    check_held(one);
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    CHECK_STR_HAS(describe(ex), "shut down\n");
    CHECK_STR_HAS(text, "1 finished");
    pool_close(pool, ex, held);
}

CONTRACT(describe, bad_input) {
    filch_executor *ex = pool->open(1);
    CHECK_EQ(filch_describe(NULL, stdout), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "executor");
    CHECK_EQ(filch_describe(ex, NULL), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "file");
    FILE *full = fopen("/dev/full", "w");
    if (full != NULL) {
        setvbuf(full, NULL, _IONBF, 0);
        CHECK_EQ(filch_describe(ex, full), FILCH_SYSTEM);
        CHECK_FAILURE(FILCH_SYSTEM, "file");
        fclose(full);
    }
    filch_close(ex);
}

static int no(void *arg) {
    (void)arg;
    return 1;
}

THREAD_POOL_TEST(describe, a_broken_pool) {
    filch_executor *ex = filch_thread_pool(.max_workers = 1, .initializer = no);
    filch_future *future = filch_submit(ex, twice, 1);
    if (future != NULL) /* else it broke before the submit was through */
        CHECK_EQ(filch_join(future), FILCH_BROKEN);
    filch_release(future);
    CHECK_STR_HAS(describe(ex), "pool, broken: the initializer");
    filch_close(ex);
}

THREAD_POOL_TEST(describe, places_and_victims) {
    CHECK_EQ(setenv("HWLOC_SYNTHETIC", "pack:2 [numa] l3:1 core:2 pu:2", 1), 0);
    filch_executor *ex = filch_thread_pool(.max_workers = 8, .bind = FILCH_BIND_CORE);
    CHECK_STR_HAS(describe(ex), "bound to one CPU each, as .bind asks");
    CHECK_STR_HAS(text, "made up");
    CHECK_STR_HAS(text, "seat 0: CPU 0, core 0, L2 0, L3 0, NUMA node 0; vacant\n"
                        "    victims: SMT 4; L3 1 5; remote 2 6 3 7\n");
    CHECK_STR_HAS(text, "seat 7: CPU 7, core 3, L2 3, L3 1, NUMA node 1; vacant\n"
                        "    victims: SMT 3; L3 2 6; remote 0 4 1 5\n");
    filch_close(ex);
    ex = filch_thread_pool(.max_workers = 2, .bind = FILCH_BIND_NONE);
    CHECK_STR_HAS(describe(ex), "not bound, as .bind asks");
    CHECK_STR_HAS(text, "everybody, from a random start");
    CHECK_STR_HAS(text, "seat 1: vacant");
    filch_close(ex);
}
