/* test.h: how a unit or contract test is written.
 *
 *     #include "test.h"
 *
 *     TEST(deque, empty) {
 *         CHECK(filchi_deque_is_empty(&deque));
 *         CHECK_EQ(filchi_deque_size(&deque), 0);
 *     }
 *
 * TEST is Criterion's Test: a process for each. With FILCH_PLAIN_TESTS (ThreadSanitizer, where
 * Criterion does not work) all tests of the file run one after the other in one process; there an
 * argument "suite" or "suite/name" selects some.
 *
 * A check that fails says file, line and what it saw, and aborts the test, so that it may be used in
 * any thread and in any function.
 */
#ifndef FILCH_TEST_H
#define FILCH_TEST_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif
#ifndef UNDER_TSAN
#define UNDER_TSAN 0
#endif

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif
#ifndef UNDER_ASAN
#define UNDER_ASAN 0
#endif

#ifdef FILCH_PLAIN_TESTS

struct test {
    const char *suite;
    const char *name;
    void (*run)(void);
    struct test *next;
};

/* Adds a test to the ones that test_main.c runs, in the order of the file. */
void test_register(struct test *test);

#define TEST(suite, name)                                                                          \
    static void test_run_##suite##_##name(void);                                                   \
    __attribute__((constructor)) static void test_register_##suite##_##name(void) {                \
        static struct test test = {#suite, #name, test_run_##suite##_##name, NULL};                \
        test_register(&test);                                                                      \
    }                                                                                              \
    static void test_run_##suite##_##name(void)

#else

#include <criterion/criterion.h>

#define TEST(suite, name) Test(suite, name)

#endif

/* Ends the test as failed, with a message. */
#define FAIL(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)

/* The condition holds. CHECK_MSG adds what printf makes of the rest. */
#define CHECK(condition) ((condition) ? (void)0 : FAIL("%s is false", #condition))
#define CHECK_MSG(condition, ...) ((condition) ? (void)0 : FAIL(__VA_ARGS__))

/* Holds every integer, signed or not. */
__extension__ typedef __int128 test_integer;

/* Integers, enums and booleans compare so. Both sides are evaluated once. */
#define CHECK_EQ(a, b) CHECK_INTEGERS_(a, ==, b)
#define CHECK_NE(a, b) CHECK_INTEGERS_(a, !=, b)
#define CHECK_LT(a, b) CHECK_INTEGERS_(a, <, b)
#define CHECK_LE(a, b) CHECK_INTEGERS_(a, <=, b)
#define CHECK_GT(a, b) CHECK_INTEGERS_(a, >, b)
#define CHECK_GE(a, b) CHECK_INTEGERS_(a, >=, b)
#define CHECK_INTEGERS_(a, op, b)                                                                  \
    do {                                                                                           \
        test_integer check_a = (a), check_b = (b);                                                 \
        if (!(check_a op check_b))                                                                 \
            FAIL("%s %s %s: %lld and %lld", #a, #op, #b, (long long)check_a, (long long)check_b);  \
    } while (0)

/* Real numbers compare so; `op` is an operator. */
#define CHECK_REAL(a, op, b)                                                                       \
    do {                                                                                           \
        double check_a = (a), check_b = (b);                                                       \
        if (!(check_a op check_b))                                                                 \
            FAIL("%s %s %s: %.17g and %.17g", #a, #op, #b, check_a, check_b);                      \
    } while (0)

#define CHECK_PTR_EQ(a, b)                                                                         \
    do {                                                                                           \
        const void *check_a = (const void *)(a), *check_b = (const void *)(b);                     \
        if (check_a != check_b)                                                                    \
            FAIL("%s == %s: %p and %p", #a, #b, check_a, check_b);                                 \
    } while (0)
#define CHECK_NULL(a) CHECK_PTR_EQ(a, NULL)
#define CHECK_NOT_NULL(a) CHECK_MSG((const void *)(a) != NULL, "%s is NULL", #a)

/* Strings are equal; the second is contained in the first. NULL is equal to NULL alone. */
#define CHECK_STR_EQ(a, b) test_check_strings(__FILE__, __LINE__, #a, (a), #b, (b), false)
#define CHECK_STR_HAS(a, b) test_check_strings(__FILE__, __LINE__, #a, (a), #b, (b), true)

__attribute__((format(printf, 3, 4), noreturn, unused)) static void
test_fail(const char *file, int line, const char *format, ...) {
    char text[1024];
    __builtin_va_list args;
    __builtin_va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    __builtin_va_end(args);
    fflush(stdout);
    fprintf(stderr, "%s:%d: %s\n", file, line, text);
    fflush(stderr);
    abort();
}

__attribute__((unused)) static void test_check_strings(const char *file, int line,
                                                       const char *a_text, const char *a,
                                                       const char *b_text, const char *b,
                                                       bool contains) {
    bool ok = a == NULL || b == NULL ? a == b && !contains
              : contains             ? strstr(a, b) != NULL
                                     : strcmp(a, b) == 0;
    if (!ok)
        test_fail(file, line, "%s %s %s: \"%s\" and \"%s\"", a_text,
                  contains ? "contains" : "equals", b_text, a == NULL ? "(NULL)" : a,
                  b == NULL ? "(NULL)" : b);
}

#endif
