/* base/cc.h: what the compiler offers beyond C11, under one name each. */
#ifndef FILCHI_CC_H
#define FILCHI_CC_H

#include <stddef.h>

#define CACHE_LINE 64

#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

#define COLD __attribute__((cold, noinline))
#define PRINTF_LIKE(at, first) __attribute__((format(printf, at, first)))

/* Thread-local storage that costs one instruction; the library has a few bytes of it. (The explorer's
 * threads share one thread of the system: it keeps these variables for each of them.) */
#ifndef THREAD_LOCAL
#define THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))
#endif

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

static inline size_t round_up(size_t n, size_t power_of_two) {
    return (n + power_of_two - 1) & ~(power_of_two - 1);
}

/* Tells the processor that this is a waiting loop. */
static inline void cpu_relax(void) {
#if defined(CPU_RELAX)
    CPU_RELAX();
#elif defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

#endif
