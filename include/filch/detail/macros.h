/* detail/macros.h: the preprocessor's share of the public macros. Not for users.
 *
 * FILCH_COUNT counts 1 to 10 arguments; FILCH_CAT pastes after expansion; FILCH_STRUCT makes the
 * address of an options struct whose size is filled in; FILCH_KIND_OF classifies a type at compile
 * time. C and C++ differ only in the last two. */
#ifndef FILCH_DETAIL_MACROS_H
#define FILCH_DETAIL_MACROS_H

#include <stddef.h>

#define FILCH_CAT_(a, b) a##b
#define FILCH_CAT(a, b) FILCH_CAT_(a, b)
#define FILCH_STRING_(a) #a
#define FILCH_STRING(a) FILCH_STRING_(a)

#define FILCH_COUNT_(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, n, ...) n
#define FILCH_COUNT(...) FILCH_COUNT_(__VA_ARGS__, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)

/* How a value travels between the submitter and the worker. */
typedef enum filch_kind {
    FILCH_KIND_VOID,
    FILCH_KIND_INTEGER, /* numbers, booleans, enums */
    FILCH_KIND_REAL,
    FILCH_KIND_POINTER, /* passed as it is */
    FILCH_KIND_RECORD,  /* structs, unions, complex numbers: copied bit by bit */
    FILCH_KIND_STRING,  /* char *: the characters are copied */
    FILCH_KIND_BYTES,   /* filch_bytes: the bytes are copied */
    FILCH_KIND_UNTYPED, /* filch_submit_raw: the size alone is known */
} filch_kind;

/* A run of bytes that travels by value.
 * Owns: as an argument the caller keeps `data`; as a result it belongs to the future. */
typedef struct filch_bytes {
    const void *data;
    size_t size;
} filch_bytes;

/* The numbers are those of GCC's typeclass.h; clang uses the same. */
#define FILCH_CLASS(n)                                                                             \
    ((n) >= 1 && (n) <= 4 ? FILCH_KIND_INTEGER                                                     \
     : (n) == 5           ? FILCH_KIND_POINTER                                                     \
     : (n) == 8           ? FILCH_KIND_REAL                                                        \
     : (n) == 0           ? FILCH_KIND_VOID                                                        \
                          : FILCH_KIND_RECORD)

#ifdef __cplusplus

/* g++ warns of options that a designated initialiser leaves out, unless the macro is a system's. */
#ifndef __clang__
#pragma GCC system_header
#endif

template <class T> struct filch_kind_of {
    static constexpr filch_kind value = FILCH_CLASS(__builtin_classify_type(*(T *)0));
};
template <class T> struct filch_kind_of<const T> : filch_kind_of<T> {};
template <> struct filch_kind_of<char *> { static constexpr filch_kind value = FILCH_KIND_STRING; };
template <> struct filch_kind_of<const char *> {
    static constexpr filch_kind value = FILCH_KIND_STRING;
};
template <> struct filch_kind_of<filch_bytes> {
    static constexpr filch_kind value = FILCH_KIND_BYTES;
};
template <class T> struct filch_without_reference { typedef T type; };
template <class T> struct filch_without_reference<T &> { typedef T type; };
template <class T> struct filch_is_array { static constexpr bool value = false; };
template <class T, size_t n> struct filch_is_array<T[n]> { static constexpr bool value = true; };
template <class T> struct filch_is_array<T[]> { static constexpr bool value = true; };
template <class T> static inline const T *filch_address(const T &value) {
    return &value;
}
template <class T, class U> static inline U *filch_items_of(U *items) {
    return items;
}
template <class T> static inline const T *filch_items_of(decltype(nullptr)) {
    return nullptr;
}

#define FILCH_KIND_OF(type) (filch_kind_of<__typeof__(type)>::value)
#define FILCH_KIND_AT(pointer)                                                                     \
    (filch_kind_of<filch_without_reference<decltype(*(pointer))>::type>::value)
#define FILCH_IS_ARRAY(type) (filch_is_array<__typeof__(type)>::value)
#define FILCH_STRUCT(type, ...) (filch_address(type{.size = sizeof(type), __VA_ARGS__}))
#define FILCH_VALUE(type, ...)                                                                     \
    type {                                                                                         \
        .size = sizeof(type), __VA_ARGS__                                                          \
    }
#define FILCH_ITEMS(input, items) filch_items_of<input>(items)
#define FILCH_STATIC_ASSERT static_assert
#define FILCH_ALIGNOF alignof

#else

#define FILCH_KIND_AT(pointer)                                                                     \
    _Generic(*(pointer),                                                                           \
        char *: FILCH_KIND_STRING,                                                                 \
        const char *: FILCH_KIND_STRING,                                                           \
        filch_bytes: FILCH_KIND_BYTES,                                                             \
        default: FILCH_CLASS(__builtin_classify_type(*(pointer))))
#define FILCH_KIND_OF(type) FILCH_KIND_AT((__typeof__(type) *)0)
/* A comma expression decays an array and leaves everything else as it is. */
#define FILCH_IS_ARRAY(type)                                                                       \
    (!__builtin_types_compatible_p(__typeof__(type), __typeof__(((void)0, *(__typeof__(type) *)0))))
#define FILCH_STRUCT(type, ...) (&(type){.size = sizeof(type), __VA_ARGS__})
#define FILCH_VALUE(type, ...) ((type){.size = sizeof(type), __VA_ARGS__})
/* A literal NULL becomes a pointer to the task's input type, so that it can be indexed. */
#define FILCH_ITEMS(input, items) _Generic((items), void * : (input *)NULL, default : (items))
#define FILCH_STATIC_ASSERT _Static_assert
#define FILCH_ALIGNOF _Alignof

#endif

#endif
