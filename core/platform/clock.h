/* platform/clock.h: the monotonic clock in nanoseconds, and deadlines from seconds. */
#ifndef FILCHI_CLOCK_H
#define FILCHI_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define FILCHI_NEVER UINT64_MAX

uint64_t filchi_clock_ns(void);

/* The deadline `timeout_s` seconds from now: FILCHI_NEVER for infinity and for what is centuries
 * away, now for what is not positive. NaN must have been refused before. */
uint64_t filchi_clock_deadline(double timeout_s);

/* For poll, which is to come back after it. */
int filchi_clock_milliseconds_until(uint64_t deadline_ns);

static inline bool filchi_clock_passed(uint64_t deadline_ns) {
    return deadline_ns != FILCHI_NEVER && filchi_clock_ns() >= deadline_ns;
}

#endif
