/* test_clock.c: deadlines. */
#include "platform/clock.h"

#include "test.h"
#include <float.h>
#include <math.h>

TEST(clock, rises) {
    uint64_t last = filchi_clock_ns();
    for (int i = 0; i < 10000; i++) {
        uint64_t now = filchi_clock_ns();
        CHECK_GE(now, last);
        last = now;
    }
}

TEST(clock, deadlines) {
    uint64_t before = filchi_clock_ns();
    uint64_t deadline = filchi_clock_deadline(1.5);
    CHECK_GE(deadline, before + 1500000000u);
    CHECK_LE(deadline, filchi_clock_ns() + 1500000000u);
    static const double past[] = {0, -0.0, -1, -DBL_MAX, -INFINITY, DBL_MIN};
    for (size_t i = 0; i < sizeof past / sizeof past[0]; i++)
        CHECK(filchi_clock_passed(filchi_clock_deadline(past[i])));
    static const double never[] = {INFINITY, DBL_MAX, 1e30, 1e12};
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        CHECK_EQ(filchi_clock_deadline(never[i]), FILCHI_NEVER);
    CHECK(!filchi_clock_passed(FILCHI_NEVER));
    CHECK(!filchi_clock_passed(filchi_clock_deadline(1e9))); /* 31 years */
}
