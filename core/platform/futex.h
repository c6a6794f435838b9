/* platform/futex.h: sleep until a 32-bit word changes, and wake those who sleep on it.
 *
 * A wait returns when the word is not `expected`, when it was woken, when a signal came, or when the
 * deadline has passed: the caller looks again in a loop, so spurious returns are harmless.
 * `deadline_ns` is on filchi_clock_ns; FILCHI_NEVER waits without a limit. `shared` says whether the
 * word lies in memory that processes share. */
#ifndef FILCHI_FUTEX_H
#define FILCHI_FUTEX_H

#include <stdbool.h>
#include <stdint.h>

/* Returns: false if the deadline had passed, else true. */
bool filchi_futex_wait(const uint32_t *word, uint32_t expected, uint64_t deadline_ns, bool shared);

/* Wakes up to `count` waiters; INT32_MAX wakes all. Never fails. */
void filchi_futex_wake(const uint32_t *word, int count, bool shared);

#endif
