/* platform/futex.c: the futex system call (Drepper, "Futexes Are Tricky"). */
#include "platform/futex.h"

#include "base/assert.h"
#include "platform/clock.h"
#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long futex(const uint32_t *word, int operation, uint32_t value,
                  const struct timespec *deadline) {
    return syscall(SYS_futex, word, operation, value, deadline, NULL, FUTEX_BITSET_MATCH_ANY);
}

bool filchi_futex_wait(const uint32_t *word, uint32_t expected, uint64_t deadline_ns, bool shared) {
    /* WAIT_BITSET, because its time is absolute and monotonic. */
    int operation = FUTEX_WAIT_BITSET | (shared ? 0 : FUTEX_PRIVATE_FLAG);
    struct timespec deadline = {.tv_sec = (time_t)(deadline_ns / 1000000000u),
                                .tv_nsec = (long)(deadline_ns % 1000000000u)};
    int saved = errno;
    long failed = futex(word, operation, expected, deadline_ns == FILCHI_NEVER ? NULL : &deadline);
    bool timed_out = failed != 0 && errno == ETIMEDOUT;
    check(failed == 0 || errno == ETIMEDOUT || errno == EAGAIN || errno == EINTR);
    errno = saved;
    return !timed_out;
}

void filchi_futex_wake(const uint32_t *word, int count, bool shared) {
    int saved = errno;
    futex(word, FUTEX_WAKE | (shared ? 0 : FUTEX_PRIVATE_FLAG), (uint32_t)count, NULL);
    errno = saved; /* EFAULT if the memory is gone by now, which the protocols allow */
}
