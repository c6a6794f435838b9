/* maps.h: what the tests of filch_map share: numbers as input, `twice` as the task. */
#ifndef FILCH_TEST_MAPS_H
#define FILCH_TEST_MAPS_H

#include "pools.h"

TEST_HELPER void maps_fill(long *items, int n) {
    for (int i = 0; i < n; i++)
        items[i] = i;
}

/* All results, in input order, and the end. */
TEST_HELPER void maps_check_twice(filch_results *results, int n) {
    CHECK_NOT_NULL(results);
    long value = -1;
    for (int i = 0; i < n; i++) {
        CHECK_EQ(filch_results_next(results, &value), FILCH_OK);
        CHECK_EQ(value, 2 * i);
        CHECK_EQ(filch_results_index(results), i);
        CHECK_NULL(filch_results_exception(results));
    }
    CHECK_EQ(filch_results_next(results, &value), FILCH_END);
    CHECK_EQ(filch_error_status(), FILCH_END);
    CHECK_EQ(filch_results_next(results, &value), FILCH_END);
    CHECK_EQ(filch_results_skip(results), FILCH_END);
    CHECK_EQ(value, n == 0 ? -1 : 2 * (n - 1));
    filch_results_close(results);
}

#endif
