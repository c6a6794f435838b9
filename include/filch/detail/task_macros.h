/* detail/task_macros.h: what FILCH_TASK and filch_submit expand to. Not for users.
 *
 * For a function fn this makes
 *     filch_fn_args_<fn>    the struct of its arguments, a1 to a8
 *     filch_fn_input_<fn>   what an array given to filch_map holds: a1, or the whole struct
 *     filch_fn_item_<fn>    that input as arguments, converted as in a call
 *     filch_fn_run_<fn>     the call itself, from arguments to result
 *     filch_fn_many_<fn>    the same for items of a map, one after the other
 *     filch_fn_type_<fn>    the descriptor (struct filch_task_type)
 *     filch_fn_submit_<fn>  the typed submit
 * All of it is static and marked unused. A trailing comma in the callers' lists keeps every variadic
 * part non-empty, which C11 demands. */
#ifndef FILCH_DETAIL_TASK_MACROS_H
#define FILCH_DETAIL_TASK_MACROS_H

#include <filch/detail/atomic.h>
#include <filch/detail/macros.h>

#define FILCH_UNUSED __attribute__((unused))

/* clang-format off */
#define FILCH_FIELDS_1(T1) __typeof__(T1) a1;
#define FILCH_FIELDS_2(T1, T2) FILCH_FIELDS_1(T1) __typeof__(T2) a2;
#define FILCH_FIELDS_3(T1, T2, T3) FILCH_FIELDS_2(T1, T2) __typeof__(T3) a3;
#define FILCH_FIELDS_4(T1, T2, T3, T4) FILCH_FIELDS_3(T1, T2, T3) __typeof__(T4) a4;
#define FILCH_FIELDS_5(T1, T2, T3, T4, T5) FILCH_FIELDS_4(T1, T2, T3, T4) __typeof__(T5) a5;
#define FILCH_FIELDS_6(T1, T2, T3, T4, T5, T6) FILCH_FIELDS_5(T1, T2, T3, T4, T5) __typeof__(T6) a6;
#define FILCH_FIELDS_7(T1, T2, T3, T4, T5, T6, T7) FILCH_FIELDS_6(T1, T2, T3, T4, T5, T6) __typeof__(T7) a7;
#define FILCH_FIELDS_8(T1, T2, T3, T4, T5, T6, T7, T8) FILCH_FIELDS_7(T1, T2, T3, T4, T5, T6, T7) __typeof__(T8) a8;
#define FILCH_PARAMS_1(T1) , __typeof__(T1) a1
#define FILCH_PARAMS_2(T1, T2) FILCH_PARAMS_1(T1), __typeof__(T2) a2
#define FILCH_PARAMS_3(T1, T2, T3) FILCH_PARAMS_2(T1, T2), __typeof__(T3) a3
#define FILCH_PARAMS_4(T1, T2, T3, T4) FILCH_PARAMS_3(T1, T2, T3), __typeof__(T4) a4
#define FILCH_PARAMS_5(T1, T2, T3, T4, T5) FILCH_PARAMS_4(T1, T2, T3, T4), __typeof__(T5) a5
#define FILCH_PARAMS_6(T1, T2, T3, T4, T5, T6) FILCH_PARAMS_5(T1, T2, T3, T4, T5), __typeof__(T6) a6
#define FILCH_PARAMS_7(T1, T2, T3, T4, T5, T6, T7) FILCH_PARAMS_6(T1, T2, T3, T4, T5, T6), __typeof__(T7) a7
#define FILCH_PARAMS_8(T1, T2, T3, T4, T5, T6, T7, T8) FILCH_PARAMS_7(T1, T2, T3, T4, T5, T6, T7), __typeof__(T8) a8
#define FILCH_KINDS_1(T1) FILCH_KIND_OF(T1)
#define FILCH_KINDS_2(T1, T2) FILCH_KINDS_1(T1), FILCH_KIND_OF(T2)
#define FILCH_KINDS_3(T1, T2, T3) FILCH_KINDS_2(T1, T2), FILCH_KIND_OF(T3)
#define FILCH_KINDS_4(T1, T2, T3, T4) FILCH_KINDS_3(T1, T2, T3), FILCH_KIND_OF(T4)
#define FILCH_KINDS_5(T1, T2, T3, T4, T5) FILCH_KINDS_4(T1, T2, T3, T4), FILCH_KIND_OF(T5)
#define FILCH_KINDS_6(T1, T2, T3, T4, T5, T6) FILCH_KINDS_5(T1, T2, T3, T4, T5), FILCH_KIND_OF(T6)
#define FILCH_KINDS_7(T1, T2, T3, T4, T5, T6, T7) FILCH_KINDS_6(T1, T2, T3, T4, T5, T6), FILCH_KIND_OF(T7)
#define FILCH_KINDS_8(T1, T2, T3, T4, T5, T6, T7, T8) FILCH_KINDS_7(T1, T2, T3, T4, T5, T6, T7), FILCH_KIND_OF(T8)
#define FILCH_COPIED_1(T1) FILCH_IS_COPIED(T1)
#define FILCH_COPIED_2(T1, T2) FILCH_COPIED_1(T1) || FILCH_IS_COPIED(T2)
#define FILCH_COPIED_3(T1, T2, T3) FILCH_COPIED_2(T1, T2) || FILCH_IS_COPIED(T3)
#define FILCH_COPIED_4(T1, T2, T3, T4) FILCH_COPIED_3(T1, T2, T3) || FILCH_IS_COPIED(T4)
#define FILCH_COPIED_5(T1, T2, T3, T4, T5) FILCH_COPIED_4(T1, T2, T3, T4) || FILCH_IS_COPIED(T5)
#define FILCH_COPIED_6(T1, T2, T3, T4, T5, T6) FILCH_COPIED_5(T1, T2, T3, T4, T5) || FILCH_IS_COPIED(T6)
#define FILCH_COPIED_7(T1, T2, T3, T4, T5, T6, T7) FILCH_COPIED_6(T1, T2, T3, T4, T5, T6) || FILCH_IS_COPIED(T7)
#define FILCH_COPIED_8(T1, T2, T3, T4, T5, T6, T7, T8) FILCH_COPIED_7(T1, T2, T3, T4, T5, T6, T7) || FILCH_IS_COPIED(T8)
#define FILCH_NO_ARRAYS_1(T1) FILCH_NO_ARRAY(T1, 1)
#define FILCH_NO_ARRAYS_2(T1, T2) FILCH_NO_ARRAYS_1(T1) FILCH_NO_ARRAY(T2, 2)
#define FILCH_NO_ARRAYS_3(T1, T2, T3) FILCH_NO_ARRAYS_2(T1, T2) FILCH_NO_ARRAY(T3, 3)
#define FILCH_NO_ARRAYS_4(T1, T2, T3, T4) FILCH_NO_ARRAYS_3(T1, T2, T3) FILCH_NO_ARRAY(T4, 4)
#define FILCH_NO_ARRAYS_5(T1, T2, T3, T4, T5) FILCH_NO_ARRAYS_4(T1, T2, T3, T4) FILCH_NO_ARRAY(T5, 5)
#define FILCH_NO_ARRAYS_6(T1, T2, T3, T4, T5, T6) FILCH_NO_ARRAYS_5(T1, T2, T3, T4, T5) FILCH_NO_ARRAY(T6, 6)
#define FILCH_NO_ARRAYS_7(T1, T2, T3, T4, T5, T6, T7) FILCH_NO_ARRAYS_6(T1, T2, T3, T4, T5, T6) FILCH_NO_ARRAY(T7, 7)
#define FILCH_NO_ARRAYS_8(T1, T2, T3, T4, T5, T6, T7, T8) FILCH_NO_ARRAYS_7(T1, T2, T3, T4, T5, T6, T7) FILCH_NO_ARRAY(T8, 8)
#define FILCH_NAMES_1 a1
#define FILCH_NAMES_2 a1, a2
#define FILCH_NAMES_3 a1, a2, a3
#define FILCH_NAMES_4 a1, a2, a3, a4
#define FILCH_NAMES_5 a1, a2, a3, a4, a5
#define FILCH_NAMES_6 a1, a2, a3, a4, a5, a6
#define FILCH_NAMES_7 a1, a2, a3, a4, a5, a6, a7
#define FILCH_NAMES_8 a1, a2, a3, a4, a5, a6, a7, a8
#define FILCH_PASSED_0
#define FILCH_PASSED_1 filch_in->a1
#define FILCH_PASSED_2 filch_in->a1, filch_in->a2
#define FILCH_PASSED_3 filch_in->a1, filch_in->a2, filch_in->a3
#define FILCH_PASSED_4 filch_in->a1, filch_in->a2, filch_in->a3, filch_in->a4
#define FILCH_PASSED_5 filch_in->a1, filch_in->a2, filch_in->a3, filch_in->a4, filch_in->a5
#define FILCH_PASSED_6 filch_in->a1, filch_in->a2, filch_in->a3, filch_in->a4, filch_in->a5, filch_in->a6
#define FILCH_PASSED_7 filch_in->a1, filch_in->a2, filch_in->a3, filch_in->a4, filch_in->a5, filch_in->a6, filch_in->a7
#define FILCH_PASSED_8 filch_in->a1, filch_in->a2, filch_in->a3, filch_in->a4, filch_in->a5, filch_in->a6, filch_in->a7, filch_in->a8
#define FILCH_OFFSETS_0(fn) 0
#define FILCH_OFFSETS_1(fn) offsetof(filch_fn_args_##fn, a1)
#define FILCH_OFFSETS_2(fn) offsetof(filch_fn_args_##fn, a1), offsetof(filch_fn_args_##fn, a2)
#define FILCH_OFFSETS_3(fn) offsetof(filch_fn_args_##fn, a1), offsetof(filch_fn_args_##fn, a2), offsetof(filch_fn_args_##fn, a3)
#define FILCH_OFFSETS_4(fn) offsetof(filch_fn_args_##fn, a1), offsetof(filch_fn_args_##fn, a2), offsetof(filch_fn_args_##fn, a3), offsetof(filch_fn_args_##fn, a4)
#define FILCH_OFFSETS_5(fn) offsetof(filch_fn_args_##fn, a1), offsetof(filch_fn_args_##fn, a2), offsetof(filch_fn_args_##fn, a3), offsetof(filch_fn_args_##fn, a4), offsetof(filch_fn_args_##fn, a5)
#define FILCH_OFFSETS_6(fn) offsetof(filch_fn_args_##fn, a1), offsetof(filch_fn_args_##fn, a2), offsetof(filch_fn_args_##fn, a3), offsetof(filch_fn_args_##fn, a4), offsetof(filch_fn_args_##fn, a5), offsetof(filch_fn_args_##fn, a6)
#define FILCH_OFFSETS_7(fn) offsetof(filch_fn_args_##fn, a1), offsetof(filch_fn_args_##fn, a2), offsetof(filch_fn_args_##fn, a3), offsetof(filch_fn_args_##fn, a4), offsetof(filch_fn_args_##fn, a5), offsetof(filch_fn_args_##fn, a6), offsetof(filch_fn_args_##fn, a7)
#define FILCH_OFFSETS_8(fn) offsetof(filch_fn_args_##fn, a1), offsetof(filch_fn_args_##fn, a2), offsetof(filch_fn_args_##fn, a3), offsetof(filch_fn_args_##fn, a4), offsetof(filch_fn_args_##fn, a5), offsetof(filch_fn_args_##fn, a6), offsetof(filch_fn_args_##fn, a7), offsetof(filch_fn_args_##fn, a8)

#define FILCH_FIELDS_0() char none;
#define FILCH_PARAMS_0()
#define FILCH_KINDS_0() FILCH_KIND_VOID
#define FILCH_COPIED_0() 0
#define FILCH_NO_ARRAYS_0()
/* clang-format on */

#define FILCH_IS_COPIED(type)                                                                      \
    (FILCH_KIND_OF(type) == FILCH_KIND_STRING || FILCH_KIND_OF(type) == FILCH_KIND_BYTES)
#define FILCH_NO_ARRAY(type, n)                                                                    \
    FILCH_STATIC_ASSERT(!FILCH_IS_ARRAY(type),                                                     \
                        "filch: parameter " #n " of a task is an array, which cannot travel by "   \
                        "value: use a pointer, a struct or filch_bytes");

/* FILCH_COUNT counts the function too: n arguments are n - 1 parameters. */
#define FILCH_LESS_1 0
#define FILCH_LESS_2 1
#define FILCH_LESS_3 2
#define FILCH_LESS_4 3
#define FILCH_LESS_5 4
#define FILCH_LESS_6 5
#define FILCH_LESS_7 6
#define FILCH_LESS_8 7
#define FILCH_LESS_9 8

/* The list of types without the trailing comma, in parentheses. */
#define FILCH_TYPES_0(x) ()
#define FILCH_TYPES_1(T1, x) (T1)
#define FILCH_TYPES_2(T1, T2, x) (T1, T2)
#define FILCH_TYPES_3(T1, T2, T3, x) (T1, T2, T3)
#define FILCH_TYPES_4(T1, T2, T3, T4, x) (T1, T2, T3, T4)
#define FILCH_TYPES_5(T1, T2, T3, T4, T5, x) (T1, T2, T3, T4, T5)
#define FILCH_TYPES_6(T1, T2, T3, T4, T5, T6, x) (T1, T2, T3, T4, T5, T6)
#define FILCH_TYPES_7(T1, T2, T3, T4, T5, T6, T7, x) (T1, T2, T3, T4, T5, T6, T7)
#define FILCH_TYPES_8(T1, T2, T3, T4, T5, T6, T7, T8, x) (T1, T2, T3, T4, T5, T6, T7, T8)

#define FILCH_TASK_(count, ret, fn, ...)                                                           \
    FILCH_TASK_N(FILCH_CAT(FILCH_LESS_, count), ret, fn, __VA_ARGS__)
#define FILCH_TASK_N(n, ret, fn, ...)                                                              \
    FILCH_TASK_FULL(n, ret, fn, FILCH_CAT(FILCH_TYPES_, n)(__VA_ARGS__))
#define FILCH_TASK_FULL(n, ret, fn, types)                                                         \
    FILCH_TASK_ARGS(n, fn, types)                                                                  \
    FILCH_TASK_CALLED(n, ret, fn, fn(FILCH_PASSED_##n), types)
/* `call` is how fn is called with what is in *filch_in. */
#define FILCH_TASK_CALLED(n, ret, fn, call, types)                                                 \
    static inline FILCH_UNUSED int filch_fn_run_##fn(const void *filch_args, void *filch_result) { \
        const filch_fn_args_##fn *filch_in = (const filch_fn_args_##fn *)filch_args;               \
        (void)filch_in;                                                                            \
        *(__typeof__(ret) *)filch_result = call;                                                   \
        return 0;                                                                                  \
    }                                                                                              \
    FILCH_TASK_LOOP(fn, __typeof__(ret) filch_value = call,                                        \
                    __builtin_memcpy(filch_to, &filch_value, sizeof filch_value);                  \
                    filch_to += sizeof filch_value)                                                \
    FILCH_TASK_TYPE(n, fn, types, sizeof(ret), FILCH_ALIGNOF(ret), FILCH_KIND_OF(ret))

/* A result may replace its tuple, which has been read by then; it is stored by memcpy, so that the
 * compiler does not take the two for different objects. That of an item that has raised is not. */
#define FILCH_TASK_LOOP(fn, call, ...)                                                             \
    static inline FILCH_UNUSED size_t filch_fn_many_##fn(const void *filch_args,                   \
                                                         void *filch_values, size_t filch_n,       \
                                                         const filch_task_watch *filch_watch) {    \
        const filch_fn_args_##fn *filch_in = (const filch_fn_args_##fn *)filch_args;               \
        char *filch_to = (char *)filch_values;                                                     \
        const void *const *filch_raised = filch_watch->raised;                                     \
        filch_atomic_u64 *filch_running = filch_watch->running;                                    \
        (void)filch_to;                                                                            \
        for (size_t filch_at = 0; filch_at < filch_n; filch_in++) {                                \
            /* release: whoever reads it after a death finds all results before it */              \
            filch_store_release(filch_running, (uint64_t)(uintptr_t)filch_in);                     \
            call;                                                                                  \
            filch_at++;                                                                            \
            if (*filch_raised != NULL)                                                             \
                return filch_at;                                                                   \
            __VA_ARGS__;                                                                           \
            if ((filch_load_relaxed(filch_watch->stop_word) & filch_watch->stop_bits) != 0)        \
                return filch_at;                                                                   \
        }                                                                                          \
        return filch_n;                                                                            \
    }

#define FILCH_TASK_VOID_(count, fn, ...)                                                           \
    FILCH_TASK_VOID_N(FILCH_CAT(FILCH_LESS_, count), fn, __VA_ARGS__)
#define FILCH_TASK_VOID_N(n, fn, ...)                                                              \
    FILCH_TASK_VOID_FULL(n, fn, FILCH_CAT(FILCH_TYPES_, n)(__VA_ARGS__))
#define FILCH_TASK_VOID_FULL(n, fn, types)                                                         \
    FILCH_TASK_ARGS(n, fn, types)                                                                  \
    FILCH_TASK_VOID_CALLED(n, fn, fn(FILCH_PASSED_##n), types)
#define FILCH_TASK_VOID_CALLED(n, fn, call, types)                                                 \
    static inline FILCH_UNUSED int filch_fn_run_##fn(const void *filch_args, void *filch_result) { \
        const filch_fn_args_##fn *filch_in = (const filch_fn_args_##fn *)filch_args;               \
        (void)filch_in;                                                                            \
        (void)filch_result;                                                                        \
        call;                                                                                      \
        return 0;                                                                                  \
    }                                                                                              \
    FILCH_TASK_LOOP(fn, call, )                                                                    \
    FILCH_TASK_TYPE(n, fn, types, 0, 1, FILCH_KIND_VOID)

#define FILCH_TASK_ARGS(n, fn, types)                                                              \
    FILCH_NO_ARRAYS_##n types typedef struct filch_fn_args_##fn {                                  \
        FILCH_FIELDS_##n types                                                                     \
    } filch_fn_args_##fn;                                                                          \
    FILCH_STATIC_ASSERT(FILCH_ALIGNOF(filch_fn_args_##fn) <= 64,                                   \
                        "filch: arguments may be aligned to 64 bytes at most");                    \
    FILCH_TASK_INPUT_##n(fn, types)

#define FILCH_TASK_TYPE(n, fn, types, ret_size, ret_align, ret_kind)                               \
    FILCH_STATIC_ASSERT(ret_align <= 64, "filch: a result may be aligned to 64 bytes at most");    \
    static const filch_task_type filch_fn_type_##fn FILCH_UNUSED = {                               \
        FILCH_STRING(fn),                                                                          \
        filch_fn_run_##fn,                                                                         \
        n == 0 ? 0 : sizeof(filch_fn_args_##fn),                                                   \
        ret_size,                                                                                  \
        ret_align,                                                                                 \
        ret_kind,                                                                                  \
        n,                                                                                         \
        FILCH_COPIED_##n types,                                                                    \
        {FILCH_KINDS_##n types},                                                                   \
        {FILCH_OFFSETS_##n(fn)},                                                                   \
        filch_fn_many_##fn};                                                                       \
    static inline FILCH_UNUSED filch_future *filch_fn_submit_##fn(                                 \
        filch_executor *filch_ex, const filch_submit_options *filch_opt FILCH_PARAMS_##n types) {  \
        FILCH_TUPLE_##n(fn) return filch_submit_task(filch_ex, &filch_fn_type_##fn,                \
                                                     FILCH_TUPLE_AT_##n, filch_opt);               \
    }                                                                                              \
    FILCH_STATIC_ASSERT(1, "")

#define FILCH_TASK_INPUT_1(fn, types)                                                              \
    typedef FILCH_INPUT_TYPE types filch_fn_input_##fn;                                            \
    static inline FILCH_UNUSED filch_fn_args_##fn filch_fn_item_##fn(filch_fn_input_##fn a1) {     \
        filch_fn_args_##fn filch_in = {a1};                                                        \
        return filch_in;                                                                           \
    }
#define FILCH_INPUT_TYPE(type) __typeof__(type)
#define FILCH_TASK_INPUT_MANY(fn)                                                                  \
    typedef filch_fn_args_##fn filch_fn_input_##fn;                                                \
    static inline FILCH_UNUSED filch_fn_args_##fn filch_fn_item_##fn(filch_fn_args_##fn in) {      \
        return in;                                                                                 \
    }
#define FILCH_TASK_INPUT_0(fn, types) FILCH_TASK_INPUT_MANY(fn)
#define FILCH_TASK_INPUT_2(fn, types) FILCH_TASK_INPUT_MANY(fn)
#define FILCH_TASK_INPUT_3(fn, types) FILCH_TASK_INPUT_MANY(fn)
#define FILCH_TASK_INPUT_4(fn, types) FILCH_TASK_INPUT_MANY(fn)
#define FILCH_TASK_INPUT_5(fn, types) FILCH_TASK_INPUT_MANY(fn)
#define FILCH_TASK_INPUT_6(fn, types) FILCH_TASK_INPUT_MANY(fn)
#define FILCH_TASK_INPUT_7(fn, types) FILCH_TASK_INPUT_MANY(fn)
#define FILCH_TASK_INPUT_8(fn, types) FILCH_TASK_INPUT_MANY(fn)

#define FILCH_TUPLE_0(fn)
#define FILCH_TUPLE_AT_0 NULL
#define FILCH_TUPLE_1(fn) filch_fn_args_##fn filch_in = {FILCH_NAMES_1};
#define FILCH_TUPLE_AT_1 &filch_in
#define FILCH_TUPLE_2(fn) filch_fn_args_##fn filch_in = {FILCH_NAMES_2};
#define FILCH_TUPLE_AT_2 &filch_in
#define FILCH_TUPLE_3(fn) filch_fn_args_##fn filch_in = {FILCH_NAMES_3};
#define FILCH_TUPLE_AT_3 &filch_in
#define FILCH_TUPLE_4(fn) filch_fn_args_##fn filch_in = {FILCH_NAMES_4};
#define FILCH_TUPLE_AT_4 &filch_in
#define FILCH_TUPLE_5(fn) filch_fn_args_##fn filch_in = {FILCH_NAMES_5};
#define FILCH_TUPLE_AT_5 &filch_in
#define FILCH_TUPLE_6(fn) filch_fn_args_##fn filch_in = {FILCH_NAMES_6};
#define FILCH_TUPLE_AT_6 &filch_in
#define FILCH_TUPLE_7(fn) filch_fn_args_##fn filch_in = {FILCH_NAMES_7};
#define FILCH_TUPLE_AT_7 &filch_in
#define FILCH_TUPLE_8(fn) filch_fn_args_##fn filch_in = {FILCH_NAMES_8};
#define FILCH_TUPLE_AT_8 &filch_in

#define FILCH_SUBMIT_(count, executor, options, ...)                                               \
    FILCH_CAT(FILCH_SUBMIT_, count)(executor, options, __VA_ARGS__)
/* clang-format off */
#define FILCH_SUBMIT_1(ex, opt, fn) FILCH_CAT(filch_fn_submit_, fn)(ex, opt)
#define FILCH_SUBMIT_2(ex, opt, fn, a1) FILCH_CAT(filch_fn_submit_, fn)(ex, opt, a1)
#define FILCH_SUBMIT_3(ex, opt, fn, a1, a2) FILCH_CAT(filch_fn_submit_, fn)(ex, opt, a1, a2)
#define FILCH_SUBMIT_4(ex, opt, fn, a1, a2, a3) FILCH_CAT(filch_fn_submit_, fn)(ex, opt, a1, a2, a3)
#define FILCH_SUBMIT_5(ex, opt, fn, a1, a2, a3, a4) FILCH_CAT(filch_fn_submit_, fn)(ex, opt, a1, a2, a3, a4)
#define FILCH_SUBMIT_6(ex, opt, fn, a1, a2, a3, a4, a5) FILCH_CAT(filch_fn_submit_, fn)(ex, opt, a1, a2, a3, a4, a5)
#define FILCH_SUBMIT_7(ex, opt, fn, a1, a2, a3, a4, a5, a6) FILCH_CAT(filch_fn_submit_, fn)(ex, opt, a1, a2, a3, a4, a5, a6)
#define FILCH_SUBMIT_8(ex, opt, fn, a1, a2, a3, a4, a5, a6, a7) FILCH_CAT(filch_fn_submit_, fn)(ex, opt, a1, a2, a3, a4, a5, a6, a7)
#define FILCH_SUBMIT_9(ex, opt, fn, a1, a2, a3, a4, a5, a6, a7, a8) FILCH_CAT(filch_fn_submit_, fn)(ex, opt, a1, a2, a3, a4, a5, a6, a7, a8)
/* clang-format on */

#endif
