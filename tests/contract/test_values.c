/* E1: numbers, enums, structs and pointers arrive bit by bit, aligned as their type demands. */
#include "pools.h"
#include <complex.h>
#include <stdint.h>

/* E1: one task for each type of result, which gives back its argument. */
enum colour { RED, GREEN = 1000000, BLUE = -5 };
typedef int (*operation)(int);
union number {
    double real;
    long integer;
};
struct small {
    char c;
    double d;
    short s;
};
struct large {
    int values[25000];
};
struct line {
    _Alignas(64) char bytes[64];
};
struct with_pointer {
    const char *name;
    int *slot;
};

#define ECHO(name, type)                                                                           \
    static type echo_##name(type x) {                                                              \
        return x;                                                                                  \
    }                                                                                              \
    FILCH_TASK(type, echo_##name, type)

typedef _Bool boolean;
typedef signed char signed_char;
typedef unsigned char unsigned_char;
typedef unsigned long long unsigned_long_long;
typedef long double long_double;
typedef double complex complex_double;
typedef enum colour colour;
typedef union number number;
typedef struct small small;
typedef struct large large;
typedef struct line line;
typedef struct with_pointer with_pointer;
typedef void *pointer;
typedef const int *const_int_pointer;
__extension__ typedef __int128 wide;

ECHO(bool, boolean);
ECHO(signed_char, signed_char);
ECHO(unsigned_char, unsigned_char);
ECHO(short, short);
ECHO(int, int);
ECHO(unsigned_long_long, unsigned_long_long);
ECHO(int64, int64_t);
ECHO(size, size_t);
ECHO(float, float);
ECHO(double, double);
ECHO(long_double, long_double);
ECHO(complex, complex_double);
ECHO(wide, wide);
ECHO(colour, colour);
ECHO(number, number);
ECHO(small, small);
ECHO(large, large);
ECHO(line, line);
ECHO(with_pointer, with_pointer);
ECHO(pointer, pointer);
ECHO(const_int_pointer, const_int_pointer);
ECHO(operation, operation);

#define CHECK_ECHO(name, type, ...)                                                                \
    do {                                                                                           \
        type echo_in = __VA_ARGS__, echo_out;                                                      \
        memset(&echo_out, 0, sizeof echo_out);                                                     \
        filch_future *echo_future = filch_submit(ex, echo_##name, echo_in);                        \
        CHECK_EQ(filch_result(echo_future, &echo_out), FILCH_OK);                                  \
        CHECK(echo_in == echo_out);                                                                \
        filch_release(echo_future);                                                                \
    } while (0)

CONTRACT(values, numbers) {
    filch_executor *ex = pool->open(1);
    CHECK_ECHO(bool, boolean, true);
    CHECK_ECHO(signed_char, signed_char, -128);
    CHECK_ECHO(unsigned_char, unsigned_char, 255);
    CHECK_ECHO(short, short, -32768);
    CHECK_ECHO(int, int, INT_MIN);
    CHECK_ECHO(unsigned_long_long, unsigned_long_long, ULLONG_MAX);
    CHECK_ECHO(int64, int64_t, INT64_MIN);
    CHECK_ECHO(size, size_t, SIZE_MAX);
    CHECK_ECHO(float, float, 1.0f / 3);
    CHECK_ECHO(double, double, -0.1);
    CHECK_ECHO(double, double, INFINITY);
    CHECK_ECHO(long_double, long_double, 1.0L / 3);
    CHECK_ECHO(complex, complex_double, 1.5 + 2.5 * I);
    CHECK_ECHO(wide, wide, ((wide)1 << 100) + 3);
    CHECK_ECHO(colour, colour, GREEN);
    CHECK_ECHO(colour, colour, BLUE);
    filch_close(ex);
}

static int plus_one(int x) {
    return x + 1;
}

/* E1 */
CONTRACT(values, pointers) {
    filch_executor *ex = pool->open(1);
    int *shared = pool->alloc(ex, sizeof *shared);
    CHECK_ECHO(pointer, pointer, shared);
    CHECK_ECHO(pointer, pointer, NULL);
    CHECK_ECHO(const_int_pointer, const_int_pointer, shared);
    if (pool->takes_pointers) {
        CHECK_ECHO(operation, operation, plus_one);
    } else { /* private memory, and so is code: nobody says that workers have it there */
        CHECK_NULL(filch_submit(ex, echo_pointer, &shared));
        CHECK_FAILURE(FILCH_INVALID, "argument 1 of task 'echo_pointer'");
        CHECK_STR_HAS(filch_error_message(), "filch_shared_alloc");
        CHECK_NULL(filch_submit(ex, echo_operation, plus_one));
        CHECK_FAILURE(FILCH_INVALID, "argument 1 of task 'echo_operation'");
    }
    pool_close(pool, ex, shared);
}

/* E1 */
CONTRACT(values, structs) {
    filch_executor *ex = pool->open(1);
    small in_small = {'c', 2.5, -3}, out_small = {0};
    filch_future *future = filch_submit(ex, echo_small, in_small);
    CHECK_EQ(filch_result(future, &out_small), FILCH_OK);
    CHECK(out_small.c == 'c' && out_small.d == 2.5 && out_small.s == -3);
    filch_release(future);

    number in_number = {.integer = 99}, out_number = {.integer = 0};
    future = filch_submit(ex, echo_number, in_number);
    CHECK_EQ(filch_result(future, &out_number), FILCH_OK);
    CHECK_EQ(out_number.integer, 99);
    filch_release(future);

    large *in_large = calloc(2, sizeof *in_large), *out_large = in_large + 1;
    for (int i = 0; i < 25000; i++)
        in_large->values[i] = i * 7;
    future = filch_submit(ex, echo_large, *in_large);
    CHECK_EQ(filch_result(future, out_large), FILCH_OK);
    CHECK_EQ(memcmp(in_large, out_large, sizeof *in_large), 0);
    filch_release(future);
    free(in_large);

    line in_line, out_line;
    for (int i = 0; i < 64; i++)
        in_line.bytes[i] = (char)i;
    future = filch_submit(ex, echo_line, in_line);
    CHECK_EQ(filch_result(future, &out_line), FILCH_OK);
    CHECK_EQ(memcmp(&in_line, &out_line, sizeof in_line), 0);
    filch_release(future);

    int slot = 0; /* pointers inside structs are not looked at, only copied */
    with_pointer in_pointer = {"name", &slot}, out_pointer = {NULL, NULL};
    future = filch_submit(ex, echo_with_pointer, in_pointer);
    CHECK_EQ(filch_result(future, &out_pointer), FILCH_OK);
    CHECK_PTR_EQ(out_pointer.name, in_pointer.name);
    CHECK_PTR_EQ(out_pointer.slot, &slot);
    filch_release(future);
    filch_close(ex);
}

/* E1: arguments and results of over-aligned types lie where their type demands. */
static size_t misalignment(line a, char b, line c) {
    (void)b;
    return ((uintptr_t)&a | (uintptr_t)&c) % 64;
}
FILCH_TASK(size_t, misalignment, line, char, line);

CONTRACT(values, alignment) {
    filch_executor *ex = pool->open(1);
    for (int i = 0; i < 20; i++) {
        line aligned = {{0}};
        filch_future *future = filch_submit(ex, misalignment, aligned, 'x', aligned);
        size_t off = 1;
        CHECK_EQ(filch_result(future, &off), FILCH_OK);
        CHECK_EQ(off, 0);
        filch_release(future);
    }
    filch_close(ex);
}

/* E1: results that are aligned more than the arguments, and neighbours that must not be touched. */
struct aligned32 {
    _Alignas(32) long value;
};
struct aligned64 {
    _Alignas(64) char text[64];
};

static struct aligned32 align32(long a, long b, long c, long d, long e) {
    return (struct aligned32){a + b + c + d + e};
}
FILCH_TASK(struct aligned32, align32, long, long, long, long, long);

static struct aligned64 align64(char c) {
    struct aligned64 result;
    memset(result.text, c, sizeof result.text);
    return result;
}
FILCH_TASK(struct aligned64, align64, char);

CONTRACT(values, aligned_results) {
    filch_executor *ex = pool->open(2);
    filch_future *futures[60];
    for (int i = 0; i < 60; i += 3) { /* in neighbouring blocks */
        futures[i] = filch_submit(ex, align32, i, 1, 2, 3, 4);
        futures[i + 1] = filch_submit(ex, align64, (char)('a' + i % 26));
        futures[i + 2] = filch_submit(ex, align32, i, 0, 0, 0, 0);
    }
    for (int i = 0; i < 60; i += 3) {
        struct aligned32 sum;
        struct aligned64 text;
        CHECK_EQ(filch_result(futures[i], &sum), FILCH_OK);
        CHECK_EQ(sum.value, i + 10);
        CHECK_EQ(filch_result(futures[i + 1], &text), FILCH_OK);
        CHECK_EQ(text.text[0], 'a' + i % 26);
        CHECK_EQ(text.text[63], 'a' + i % 26);
        CHECK_EQ(filch_result(futures[i + 2], &sum), FILCH_OK);
        CHECK_EQ(sum.value, i);
    }
    for (int i = 0; i < 60; i++)
        filch_release(futures[i]);
    filch_close(ex);
}
