/* detail/atomic.h: every atomic access of filch, the order in the operation's name.
 *
 * An atomic is a struct around its value, so that no plain (implicitly seq_cst) access compiles, and
 * so that the same header serves C and C++, whose _Atomic and std::atomic differ. The operations are
 * the compiler's builtins with C11's orders; sanitizers and model checkers know them.
 *
 * Hooks: a build that defines FILCH_ATOMIC_HOOK(operation, address, bytes, order) before this header
 * sees each access before it is made: the explorer schedules there, and a kill at the n-th shared
 * operation counts there. Not defined, it costs nothing. A build may also bring the six
 * FILCH_ATOMIC_*_AS itself: the explorer (tests/model) does, so that it can delay a store.
 *
 * Orders used: relaxed for hints, counters and data that another edge publishes; acquire and release
 * in labelled pairs (the label stands beside the access); seq_cst where a store must be ordered
 * before a later load of another location.
 */
#ifndef FILCH_DETAIL_ATOMIC_H
#define FILCH_DETAIL_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

typedef struct filch_atomic_u32 {
    uint32_t value;
} filch_atomic_u32;

typedef struct filch_atomic_u64 {
    uint64_t value;
} filch_atomic_u64;

typedef struct filch_atomic_pointer {
    void *value;
} filch_atomic_pointer;

enum filch_atomic_operation {
    FILCH_ATOMIC_LOAD,
    FILCH_ATOMIC_STORE,
    FILCH_ATOMIC_EXCHANGE,
    FILCH_ATOMIC_CAS,
    FILCH_ATOMIC_FETCH,
    FILCH_ATOMIC_FENCE,
};

#ifndef FILCH_ATOMIC_HOOK
#define FILCH_ATOMIC_HOOK(operation, address, bytes, order) ((void)0)
#endif

#define FILCH_ATOMIC_SEEN(operation, object, order)                                                \
    FILCH_ATOMIC_HOOK(FILCH_ATOMIC_##operation, &(object)->value, sizeof((object)->value), order)

#ifndef FILCH_ATOMIC_LOAD_AS
#define FILCH_ATOMIC_LOAD_AS(object, order)                                                        \
    (FILCH_ATOMIC_SEEN(LOAD, object, order), __atomic_load_n(&(object)->value, order))
#define FILCH_ATOMIC_STORE_AS(object, new_value, order)                                            \
    (FILCH_ATOMIC_SEEN(STORE, object, order), __atomic_store_n(&(object)->value, new_value, order))
#define FILCH_ATOMIC_EXCHANGE_AS(object, v, order)                                                 \
    (FILCH_ATOMIC_SEEN(EXCHANGE, object, order), __atomic_exchange_n(&(object)->value, v, order))
#define FILCH_ATOMIC_CAS_AS(object, expected, v, success, failure)                                 \
    (FILCH_ATOMIC_SEEN(CAS, object, success),                                                      \
     __atomic_compare_exchange_n(&(object)->value, expected, v, false, success, failure))
#define FILCH_ATOMIC_FETCH_AS(name, object, v, order)                                              \
    (FILCH_ATOMIC_SEEN(FETCH, object, order), __atomic_fetch_##name(&(object)->value, v, order))
#define FILCH_ATOMIC_FENCE_AS(order)                                                               \
    (FILCH_ATOMIC_HOOK(FILCH_ATOMIC_FENCE, NULL, 0, order), __atomic_thread_fence(order))
#endif

#define filch_load_relaxed(object) FILCH_ATOMIC_LOAD_AS(object, __ATOMIC_RELAXED)
#define filch_load_acquire(object) FILCH_ATOMIC_LOAD_AS(object, __ATOMIC_ACQUIRE)
#define filch_load_seq_cst(object) FILCH_ATOMIC_LOAD_AS(object, __ATOMIC_SEQ_CST)

#define filch_store_relaxed(object, v) FILCH_ATOMIC_STORE_AS(object, v, __ATOMIC_RELAXED)
#define filch_store_release(object, v) FILCH_ATOMIC_STORE_AS(object, v, __ATOMIC_RELEASE)
#define filch_store_seq_cst(object, v) FILCH_ATOMIC_STORE_AS(object, v, __ATOMIC_SEQ_CST)

#define filch_exchange_acquire(object, v) FILCH_ATOMIC_EXCHANGE_AS(object, v, __ATOMIC_ACQUIRE)
#define filch_exchange_acq_rel(object, v) FILCH_ATOMIC_EXCHANGE_AS(object, v, __ATOMIC_ACQ_REL)
#define filch_exchange_seq_cst(object, v) FILCH_ATOMIC_EXCHANGE_AS(object, v, __ATOMIC_SEQ_CST)

/* Compare and swap: true if `*expected` was there and is now `v`; else `*expected` is what was. A
 * failed one orders as an acquire load (relaxed: as a relaxed one). */
#define filch_cas_relaxed(object, expected, v)                                                     \
    FILCH_ATOMIC_CAS_AS(object, expected, v, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#define filch_cas_acq_rel(object, expected, v)                                                     \
    FILCH_ATOMIC_CAS_AS(object, expected, v, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
#define filch_cas_seq_cst(object, expected, v)                                                     \
    FILCH_ATOMIC_CAS_AS(object, expected, v, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

/* Each gives the value before. */
#define filch_fetch_add_relaxed(object, v) FILCH_ATOMIC_FETCH_AS(add, object, v, __ATOMIC_RELAXED)
#define filch_fetch_add_acq_rel(object, v) FILCH_ATOMIC_FETCH_AS(add, object, v, __ATOMIC_ACQ_REL)
#define filch_fetch_add_seq_cst(object, v) FILCH_ATOMIC_FETCH_AS(add, object, v, __ATOMIC_SEQ_CST)
#define filch_fetch_sub_acq_rel(object, v) FILCH_ATOMIC_FETCH_AS(sub, object, v, __ATOMIC_ACQ_REL)
#define filch_fetch_sub_seq_cst(object, v) FILCH_ATOMIC_FETCH_AS(sub, object, v, __ATOMIC_SEQ_CST)
#define filch_fetch_or_acq_rel(object, v) FILCH_ATOMIC_FETCH_AS(or, object, v, __ATOMIC_ACQ_REL)
#define filch_fetch_or_seq_cst(object, v) FILCH_ATOMIC_FETCH_AS(or, object, v, __ATOMIC_SEQ_CST)
#define filch_fetch_and_acq_rel(object, v) FILCH_ATOMIC_FETCH_AS(and, object, v, __ATOMIC_ACQ_REL)
#define filch_fetch_and_seq_cst(object, v) FILCH_ATOMIC_FETCH_AS(and, object, v, __ATOMIC_SEQ_CST)

/* Orders a store before a later load. ThreadSanitizer does not know fences (and gcc says so); there
 * the accesses around it are atomic anyway, and on x86 a locked instruction is a full barrier. */
#if defined(__SANITIZE_THREAD__)
#define FILCH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FILCH_TSAN 1
#endif
#endif
static inline __attribute__((unused)) void filch_fence_seq_cst(void) {
#ifdef FILCH_TSAN
    filch_atomic_u32 barrier = {0};
    (void)filch_exchange_seq_cst(&barrier, 1u);
#else
    FILCH_ATOMIC_FENCE_AS(__ATOMIC_SEQ_CST);
#endif
}

/* Keeps the compiler, not the processor, from moving accesses across. */
static inline __attribute__((unused)) void filch_fence_compiler(void) {
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

#endif
