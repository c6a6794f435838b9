/* detail/fork_macros.h: what FILCH_FORK_TASK, filch_spawn and filch_sync expand to. Not for users.
 *
 * Beside what FILCH_TASK makes (task_macros.h), for a function fn:
 *     filch_fn_call_<fn>    the call of a submitted task, on a fork stack of its own
 *     filch_fn_stolen_<fn>  the call of a child by whoever has stolen it
 *     filch_fn_fork_<fn>    the descriptor (struct filch_fork_type)
 *     filch_fn_packed_<fn>  its arguments as they lie in a place
 *     filch_fn_spawn_<fn>, filch_fn_sync_<fn>
 *
 * A spawn that nobody interferes with is the stores of the arguments and the descriptor, one load and one
 * branch; such a sync is one load, one branch and a direct call. What is loaded lies in the child's own place,
 * a constant distance from what else is accessed, so a compiler that inlines a few levels of the recursion
 * computes one address for all. Everything else is in the library (core/scheduler/fork_stack.h). */
#ifndef FILCH_DETAIL_FORK_MACROS_H
#define FILCH_DETAIL_FORK_MACROS_H

#include <filch/detail/task_macros.h>
#include <filch/status.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(FILCH_DEBUG) || !(defined(NDEBUG) || defined(__OPTIMIZE__))
#define FILCH_FORK_CHECKS 1
#else
#define FILCH_FORK_CHECKS 0
#endif

#define FILCH_FORK_INLINE static inline __attribute__((unused, always_inline))
#define FILCH_RARELY(condition) __builtin_expect(!!(condition), 0)

enum { FILCH_STACK_VALUES = 48, FILCH_STACK_VALUES_ALIGN = 16, FILCH_CHILD_RETURNED = 4 };

/* A place on a worker's fork stack: what was spawned and is not synced yet lies below it. */
typedef struct filch_stack filch_stack;

/* What is known of a function that is spawned. */
typedef struct filch_fork_type {
    const char *name;
    void (*run)(filch_stack *top,
                filch_stack *child); /* calls it; its result in place of its arguments */
} filch_fork_type;

/* A child that was spawned: one cache line. */
struct filch_stack {
    const filch_fork_type *type;
    filch_atomic_u64 state; /* 0: nobody interferes; else the library is asked (REQUESTED) */
    /* Arguments, then the result; of large ones where they are. */
    __attribute__((aligned(16))) unsigned char values[FILCH_STACK_VALUES];
} __attribute__((aligned(64)));

FILCH_API filch_stack *filch_stack_begin(void);
FILCH_API void filch_stack_end(filch_stack *top);
/* The child, which has been written, is the newest one. */
FILCH_API void filch_stack_push(filch_stack *child) __attribute__((cold));
/* The newest child is to return. Returns: true: it has, and its result lies in its place, whose state has
 * FILCH_CHILD_RETURNED; false: it is to be called. */
FILCH_API bool filch_stack_pop(filch_stack *child) __attribute__((cold));
FILCH_API void *filch_stack_reserve(filch_stack *child, size_t bytes);
FILCH_API void filch_stack_release(filch_stack *child, size_t bytes);
FILCH_API void filch_stack_check_child(const filch_stack *child, const filch_fork_type *type);
FILCH_API void filch_stack_check_balance(const filch_stack *child, const filch_fork_type *type);

/* For clang, which saves registers at the entry of a function for calls that are hardly ever made: the same
 * two, by a convention that leaves nearly all of them alone. By pointers: the dynamic linker's binding at the
 * first call would not. (Neither returns anything: clang loses that before version 17.) */
#if defined(__clang__) && defined(__x86_64__)
#define FILCH_HAS_KEPT 1
#define FILCH_KEEPS_REGISTERS __attribute__((preserve_most))
#else
#define FILCH_HAS_KEPT 0
#define FILCH_KEEPS_REGISTERS
#endif
typedef struct filch_stack_calls {
    void (*push)(filch_stack *child) FILCH_KEEPS_REGISTERS;
    void (*pop)(filch_stack *child) FILCH_KEEPS_REGISTERS;
} filch_stack_calls;
FILCH_API extern const filch_stack_calls filch_stack_kept;

FILCH_FORK_INLINE bool filch_stack_asks(const filch_stack *place) {
    return filch_load_relaxed(&place->state) != 0; /* REQUESTED */
}

FILCH_FORK_INLINE void filch_stack_ask_push(filch_stack *child) {
    if (FILCH_HAS_KEPT)
        filch_stack_kept.push(child);
    else
        filch_stack_push(child);
}

FILCH_FORK_INLINE bool filch_stack_ask_pop(filch_stack *child) {
    if (!FILCH_HAS_KEPT)
        return filch_stack_pop(child);
    filch_stack_kept.pop(child);
    return (filch_load_relaxed(&child->state) & FILCH_CHILD_RETURNED) != 0;
}

FILCH_FORK_INLINE void *filch_stack_values(filch_stack *child, bool is_large) {
    void *values = child->values;
    if (is_large)
        __builtin_memcpy(&values, child->values, sizeof values);
    return values;
}

/* Room for values; NULL only for large ones, without memory. */
FILCH_FORK_INLINE void *filch_stack_place(filch_stack *top, bool is_large, size_t bytes) {
    if (!is_large)
        return top->values;
    void *values = filch_stack_reserve(top, bytes);
    __builtin_memcpy(top->values, &values, sizeof values);
    return values;
}

#ifdef __cplusplus
}
#endif

#define FILCH_IS_LARGE(size, align)                                                                \
    ((size) > FILCH_STACK_VALUES || (align) > FILCH_STACK_VALUES_ALIGN)

/* A leading comma, unless there is nothing. */
#define FILCH_ALSO_0
#define FILCH_ALSO_1 , FILCH_PASSED_1
#define FILCH_ALSO_2 , FILCH_PASSED_2
#define FILCH_ALSO_3 , FILCH_PASSED_3
#define FILCH_ALSO_4 , FILCH_PASSED_4
#define FILCH_ALSO_5 , FILCH_PASSED_5
#define FILCH_ALSO_6 , FILCH_PASSED_6
#define FILCH_ALSO_7 , FILCH_PASSED_7
#define FILCH_ALSO_8 , FILCH_PASSED_8

#define FILCH_FORK_TASK_(count, ret, fn, ...)                                                      \
    FILCH_FORK_TASK_N(FILCH_CAT(FILCH_LESS_, count), ret, fn, __VA_ARGS__)
#define FILCH_FORK_TASK_N(n, ret, fn, ...)                                                         \
    FILCH_FORK_TASK_FULL(n, ret, fn, FILCH_CAT(FILCH_TYPES_, n)(__VA_ARGS__))
#define FILCH_FORK_TASK_FULL(n, ret, fn, types)                                                    \
    FILCH_TASK_ARGS(n, fn, types)                                                                  \
    enum {                                                                                         \
        filch_fn_room_##fn =                                                                       \
            sizeof(ret) > sizeof(filch_fn_args_##fn) ? sizeof(ret) : sizeof(filch_fn_args_##fn),   \
        filch_fn_large_##fn =                                                                      \
            FILCH_IS_LARGE(filch_fn_room_##fn, FILCH_ALIGNOF(filch_fn_args_##fn)) ||               \
            FILCH_ALIGNOF(ret) > FILCH_STACK_VALUES_ALIGN                                          \
    };                                                                                             \
    static inline FILCH_UNUSED __typeof__(ret) filch_fn_call_##fn(                                 \
        const filch_fn_args_##fn *filch_in) {                                                      \
        filch_stack *filch_top = filch_stack_begin();                                              \
        __typeof__(ret) filch_value;                                                               \
        __builtin_memset(&filch_value, 0, sizeof filch_value);                                     \
        (void)filch_in;                                                                            \
        if (filch_top != NULL) {                                                                   \
            filch_value = fn(filch_top FILCH_ALSO_##n);                                            \
            filch_stack_end(filch_top);                                                            \
        }                                                                                          \
        return filch_value;                                                                        \
    }                                                                                              \
    FILCH_FORK_INLINE __typeof__(ret) filch_fn_read_##fn(filch_stack *filch_child) {               \
        const void *filch_values = filch_stack_values(filch_child, filch_fn_large_##fn);           \
        __typeof__(ret) filch_value;                                                               \
        if (filch_values != NULL)                                                                  \
            __builtin_memcpy(&filch_value, filch_values, sizeof filch_value);                      \
        else                                                                                       \
            __builtin_memset(&filch_value, 0, sizeof filch_value);                                 \
        return filch_value;                                                                        \
    }                                                                                              \
    FILCH_FORK_STOLEN(n, fn, __typeof__(ret) filch_value =,                                        \
                      __builtin_memcpy(filch_values, &filch_value, sizeof filch_value))            \
    FILCH_FORK_SPAWN(n, fn, types)                                                                 \
    FILCH_FORK_SYNC(n, fn, __typeof__(ret), __typeof__(ret) filch_value =, return filch_value)     \
    FILCH_TASK_CALLED(n, ret, fn, filch_fn_call_##fn(filch_in), types)

#define FILCH_FORK_TASK_VOID_(count, fn, ...)                                                      \
    FILCH_FORK_TASK_VOID_N(FILCH_CAT(FILCH_LESS_, count), fn, __VA_ARGS__)
#define FILCH_FORK_TASK_VOID_N(n, fn, ...)                                                         \
    FILCH_FORK_TASK_VOID_FULL(n, fn, FILCH_CAT(FILCH_TYPES_, n)(__VA_ARGS__))
#define FILCH_FORK_TASK_VOID_FULL(n, fn, types)                                                    \
    FILCH_TASK_ARGS(n, fn, types)                                                                  \
    enum {                                                                                         \
        filch_fn_room_##fn = sizeof(filch_fn_args_##fn),                                           \
        filch_fn_large_##fn =                                                                      \
            FILCH_IS_LARGE(filch_fn_room_##fn, FILCH_ALIGNOF(filch_fn_args_##fn))                  \
    };                                                                                             \
    static inline FILCH_UNUSED void filch_fn_call_##fn(const filch_fn_args_##fn *filch_in) {       \
        filch_stack *filch_top = filch_stack_begin();                                              \
        (void)filch_in;                                                                            \
        if (filch_top != NULL) {                                                                   \
            fn(filch_top FILCH_ALSO_##n);                                                          \
            filch_stack_end(filch_top);                                                            \
        }                                                                                          \
    }                                                                                              \
    FILCH_FORK_INLINE void filch_fn_read_##fn(filch_stack *filch_child) {                          \
        (void)filch_child;                                                                         \
    }                                                                                              \
    FILCH_FORK_STOLEN(n, fn, , (void)0)                                                            \
    FILCH_FORK_SPAWN(n, fn, types)                                                                 \
    FILCH_FORK_SYNC(n, fn, void, , return )                                                        \
    FILCH_TASK_VOID_CALLED(n, fn, filch_fn_call_##fn(filch_in), types)

/* The arguments, which the result may replace, in *filch_in. By assignment: gcc makes one access for each member
 * of that; of memcpy it makes wide ones, which wait for what was just stored in narrow ones. */
#define FILCH_FORK_UNPACK(fn, values)                                                              \
    filch_fn_args_##fn filch_copy;                                                                 \
    const filch_fn_args_##fn *filch_in = &filch_copy;                                              \
    filch_copy = ((const filch_fn_packed_##fn *)(values))->args;                                   \
    (void)filch_in

#define FILCH_FORK_STOLEN(n, fn, value_is, store)                                                  \
    typedef struct filch_fn_packed_##fn {                                                          \
        filch_fn_args_##fn args;                                                                   \
    } __attribute__((may_alias)) filch_fn_packed_##fn;                                             \
    static FILCH_UNUSED void filch_fn_stolen_##fn(filch_stack *filch_top,                          \
                                                  filch_stack *filch_child) {                      \
        void *filch_values = filch_stack_values(filch_child, filch_fn_large_##fn);                 \
        if (filch_fn_large_##fn && filch_values == NULL)                                           \
            return;                                                                                \
        FILCH_FORK_UNPACK(fn, filch_values);                                                       \
        value_is fn(filch_top FILCH_ALSO_##n);                                                     \
        store;                                                                                     \
        if (filch_fn_large_##fn) /* what it spawned may have been there */                         \
            __builtin_memcpy(filch_child->values, &filch_values, sizeof filch_values);             \
    }                                                                                              \
    static const filch_fork_type filch_fn_fork_##fn FILCH_UNUSED = {FILCH_STRING(fn),              \
                                                                    filch_fn_stolen_##fn};

#define FILCH_FORK_SPAWN(n, fn, types)                                                             \
    FILCH_FORK_INLINE void filch_fn_spawn_##fn(filch_stack **filch_at FILCH_PARAMS_##n types) {    \
        filch_stack *filch_top = *filch_at;                                                        \
        filch_top->type = &filch_fn_fork_##fn;                                                     \
        void *filch_values =                                                                       \
            filch_stack_place(filch_top, filch_fn_large_##fn, filch_fn_room_##fn);                 \
        if (!filch_fn_large_##fn || filch_values != NULL) {                                        \
            FILCH_FORK_PACK_##n(fn, filch_values)                                                  \
        }                                                                                          \
        if (FILCH_RARELY(filch_stack_asks(filch_top)))                                             \
            filch_stack_ask_push(filch_top);                                                       \
        *filch_at = filch_top + 1;                                                                 \
    }

#define FILCH_FORK_SYNC(n, fn, ret, value_is, return_value)                                        \
    FILCH_FORK_INLINE ret filch_fn_sync_##fn(filch_stack **filch_at) {                             \
        filch_stack *filch_child = *filch_at - 1;                                                  \
        *filch_at = filch_child;                                                                   \
        if (FILCH_FORK_CHECKS)                                                                     \
            filch_stack_check_child(filch_child, &filch_fn_fork_##fn);                             \
        if (FILCH_RARELY(filch_stack_asks(filch_child)) && filch_stack_ask_pop(filch_child)) {     \
            if (FILCH_FORK_CHECKS)                                                                 \
                filch_child->type = NULL;                                                          \
            value_is filch_fn_read_##fn(filch_child);                                              \
            if (filch_fn_large_##fn)                                                               \
                filch_stack_release(filch_child, filch_fn_room_##fn);                              \
            return_value;                                                                          \
        }                                                                                          \
        void *filch_values = filch_stack_values(filch_child, filch_fn_large_##fn);                 \
        if (filch_fn_large_##fn && filch_values == NULL) {                                         \
            filch_stack_release(filch_child, filch_fn_room_##fn);                                  \
            value_is filch_fn_read_##fn(filch_child);                                              \
            return_value;                                                                          \
        }                                                                                          \
        FILCH_FORK_UNPACK(fn, filch_values);                                                       \
        if (filch_fn_large_##fn)                                                                   \
            filch_stack_release(filch_child, filch_fn_room_##fn);                                  \
        if (FILCH_FORK_CHECKS)                                                                     \
            filch_child->type = NULL;                                                              \
        value_is fn(filch_child FILCH_ALSO_##n);                                                   \
        if (FILCH_FORK_CHECKS)                                                                     \
            filch_stack_check_balance(filch_child, &filch_fn_fork_##fn);                           \
        return_value;                                                                              \
    }

/* clang-format off */
#define FILCH_FORK_PACK_0(fn, values)
#define FILCH_FORK_PACK_1(fn, values) FILCH_FORK_PACK(fn, values, FILCH_NAMES_1)
#define FILCH_FORK_PACK_2(fn, values) FILCH_FORK_PACK(fn, values, FILCH_NAMES_2)
#define FILCH_FORK_PACK_3(fn, values) FILCH_FORK_PACK(fn, values, FILCH_NAMES_3)
#define FILCH_FORK_PACK_4(fn, values) FILCH_FORK_PACK(fn, values, FILCH_NAMES_4)
#define FILCH_FORK_PACK_5(fn, values) FILCH_FORK_PACK(fn, values, FILCH_NAMES_5)
#define FILCH_FORK_PACK_6(fn, values) FILCH_FORK_PACK(fn, values, FILCH_NAMES_6)
#define FILCH_FORK_PACK_7(fn, values) FILCH_FORK_PACK(fn, values, FILCH_NAMES_7)
#define FILCH_FORK_PACK_8(fn, values) FILCH_FORK_PACK(fn, values, FILCH_NAMES_8)
#define FILCH_FORK_PACK(fn, values, ...)                                                           \
    filch_fn_args_##fn filch_packed = {__VA_ARGS__};                                               \
    ((filch_fn_packed_##fn *)(values))->args = filch_packed;

#define FILCH_SPAWN_(count, top, ...) FILCH_CAT(FILCH_SPAWN_, count)(top, __VA_ARGS__)
#define FILCH_SPAWN_1(top, fn) FILCH_CAT(filch_fn_spawn_, fn)(&(top))
#define FILCH_SPAWN_2(top, fn, a1) FILCH_CAT(filch_fn_spawn_, fn)(&(top), a1)
#define FILCH_SPAWN_3(top, fn, a1, a2) FILCH_CAT(filch_fn_spawn_, fn)(&(top), a1, a2)
#define FILCH_SPAWN_4(top, fn, a1, a2, a3) FILCH_CAT(filch_fn_spawn_, fn)(&(top), a1, a2, a3)
#define FILCH_SPAWN_5(top, fn, a1, a2, a3, a4) FILCH_CAT(filch_fn_spawn_, fn)(&(top), a1, a2, a3, a4)
#define FILCH_SPAWN_6(top, fn, a1, a2, a3, a4, a5) FILCH_CAT(filch_fn_spawn_, fn)(&(top), a1, a2, a3, a4, a5)
#define FILCH_SPAWN_7(top, fn, a1, a2, a3, a4, a5, a6) FILCH_CAT(filch_fn_spawn_, fn)(&(top), a1, a2, a3, a4, a5, a6)
#define FILCH_SPAWN_8(top, fn, a1, a2, a3, a4, a5, a6, a7) FILCH_CAT(filch_fn_spawn_, fn)(&(top), a1, a2, a3, a4, a5, a6, a7)
#define FILCH_SPAWN_9(top, fn, a1, a2, a3, a4, a5, a6, a7, a8) FILCH_CAT(filch_fn_spawn_, fn)(&(top), a1, a2, a3, a4, a5, a6, a7, a8)

/* (fn, out, args...) */
#define FILCH_RUN_(count, ex, ...) FILCH_CAT(FILCH_RUN_, count)(ex, __VA_ARGS__)
#define FILCH_RUN_2(ex, fn, out) FILCH_RUN(fn, out, filch_submit(ex, fn))
#define FILCH_RUN_3(ex, fn, out, a1) FILCH_RUN(fn, out, filch_submit(ex, fn, a1))
#define FILCH_RUN_4(ex, fn, out, a1, a2) FILCH_RUN(fn, out, filch_submit(ex, fn, a1, a2))
#define FILCH_RUN_5(ex, fn, out, a1, a2, a3) FILCH_RUN(fn, out, filch_submit(ex, fn, a1, a2, a3))
#define FILCH_RUN_6(ex, fn, out, a1, a2, a3, a4) FILCH_RUN(fn, out, filch_submit(ex, fn, a1, a2, a3, a4))
#define FILCH_RUN_7(ex, fn, out, a1, a2, a3, a4, a5) FILCH_RUN(fn, out, filch_submit(ex, fn, a1, a2, a3, a4, a5))
#define FILCH_RUN_8(ex, fn, out, a1, a2, a3, a4, a5, a6) FILCH_RUN(fn, out, filch_submit(ex, fn, a1, a2, a3, a4, a5, a6))
#define FILCH_RUN_9(ex, fn, out, a1, a2, a3, a4, a5, a6, a7) FILCH_RUN(fn, out, filch_submit(ex, fn, a1, a2, a3, a4, a5, a6, a7))
#define FILCH_RUN_10(ex, fn, out, a1, a2, a3, a4, a5, a6, a7, a8) FILCH_RUN(fn, out, filch_submit(ex, fn, a1, a2, a3, a4, a5, a6, a7, a8))
/* clang-format on */

#ifdef __cplusplus
#define FILCH_OUT(out) filch_out_of(out)
template <class T> static inline T *filch_out_of(T *out) {
    return out;
}
static inline int *filch_out_of(decltype(nullptr)) {
    return nullptr;
}
#define FILCH_LIVES_IN_FUTURE(out)                                                                 \
    (FILCH_KIND_AT(FILCH_OUT(out)) == FILCH_KIND_STRING ||                                         \
     FILCH_KIND_AT(FILCH_OUT(out)) == FILCH_KIND_BYTES)
#else
#define FILCH_OUT(out) _Generic((out), void * : (int *)NULL, default : (out))
#define FILCH_LIVES_IN_FUTURE(out)                                                                 \
    _Generic(*FILCH_OUT(out), char * : 1, const char * : 1, filch_bytes : 1, default : 0)
#endif
#define FILCH_RUN(fn, out, future)                                                                 \
    __extension__({                                                                                \
        FILCH_STATIC_ASSERT(!FILCH_LIVES_IN_FUTURE(out),                                           \
                            "filch: filch_run gives no strings and no bytes, which live in a "     \
                            "future: use filch_submit and filch_result");                          \
        filch_run_future((future), (out), sizeof *FILCH_OUT(out), FILCH_KIND_AT(FILCH_OUT(out)));  \
    })

#endif
