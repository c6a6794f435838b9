/* platform/clock.c: CLOCK_MONOTONIC, which futexes count in too. */
#include "platform/clock.h"

#include <limits.h>
#include <time.h>

uint64_t filchi_clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t filchi_clock_deadline(double timeout_s) {
    const double longest_s = 4e9; /* well inside 64 bits of nanoseconds */
    if (timeout_s > longest_s)
        return FILCHI_NEVER;
    uint64_t now = filchi_clock_ns();
    return timeout_s > 0 ? now + (uint64_t)(timeout_s * 1e9) : now;
}

int filchi_clock_milliseconds_until(uint64_t deadline_ns) {
    uint64_t now_ns = filchi_clock_ns();
    if (deadline_ns == FILCHI_NEVER)
        return -1;
    if (deadline_ns <= now_ns)
        return 0;
    uint64_t ms = (deadline_ns - now_ns) / 1000000 + 1;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}
