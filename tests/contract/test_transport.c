/* E1 of the conformance list: values arrive unchanged, whatever their type. */
#include "pools.h"
#include <complex.h>
#include <stdint.h>

/* 0 to 8 parameters, each of another type. */
static long sum0(void) {
    return 10;
}
static long sum1(char a) {
    return a;
}
static long sum2(char a, short b) {
    return a + b;
}
static long sum3(char a, short b, int c) {
    return a + b + c;
}
static long sum4(char a, short b, int c, long d) {
    return a + b + c + d;
}
static long sum5(char a, short b, int c, long d, float e) {
    return a + b + c + d + (long)e;
}
static long sum6(char a, short b, int c, long d, float e, double f) {
    return a + b + c + d + (long)e + (long)f;
}
static long sum7(char a, short b, int c, long d, float e, double f, bool g) {
    return a + b + c + d + (long)e + (long)f + g;
}
static long sum8(char a, short b, int c, long d, float e, double f, bool g, unsigned long long h) {
    return a + b + c + d + (long)e + (long)f + g + (long)h;
}
FILCH_TASK(long, sum0);
FILCH_TASK(long, sum1, char);
FILCH_TASK(long, sum2, char, short);
FILCH_TASK(long, sum3, char, short, int);
FILCH_TASK(long, sum4, char, short, int, long);
FILCH_TASK(long, sum5, char, short, int, long, float);
FILCH_TASK(long, sum6, char, short, int, long, float, double);
FILCH_TASK(long, sum7, char, short, int, long, float, double, bool);
FILCH_TASK(long, sum8, char, short, int, long, float, double, bool, unsigned long long);

CONTRACT(transport, none_to_eight_parameters) {
    filch_executor *ex = pool->open(1);
    check_long(filch_submit(ex, sum0), 10);
    check_long(filch_submit(ex, sum1, -1), -1);
    check_long(filch_submit(ex, sum2, 1, -300), -299);
    check_long(filch_submit(ex, sum3, 1, 2, -70000), -69997);
    check_long(filch_submit(ex, sum4, 1, 2, 3, 1L << 40), (1L << 40) + 6);
    check_long(filch_submit(ex, sum5, 1, 2, 3, 4, 5.5f), 15);
    check_long(filch_submit(ex, sum6, 1, 2, 3, 4, 5, 6.5), 21);
    check_long(filch_submit(ex, sum7, 1, 2, 3, 4, 5, 6, true), 22);
    check_long(filch_submit(ex, sum8, 1, 2, 3, 4, 5, 6, true, 1ULL << 50), (1L << 50) + 22);
    filch_close(ex);
}

/* The same for functions that return nothing. */
struct sink {
    struct gate sum;
};
static void add0(void) {}
static void add1(struct sink *s) {
    gate_add(&s->sum, 1);
}
static void add3(struct sink *s, int a, int b) {
    gate_add(&s->sum, a + b);
}
static void add8(struct sink *s, int a, int b, int c, int d, int e, int f, int g) {
    gate_add(&s->sum, a + b + c + d + e + f + g);
}
FILCH_TASK_VOID(add0);
FILCH_TASK_VOID(add1, struct sink *);
FILCH_TASK_VOID(add3, struct sink *, int, int);
FILCH_TASK_VOID(add8, struct sink *, int, int, int, int, int, int, int);

CONTRACT(transport, void_tasks) {
    filch_executor *ex = pool->open(1);
    struct sink *s = pool->alloc(ex, sizeof *s);
    filch_future *futures[] = {filch_submit(ex, add0), filch_submit(ex, add1, s),
                               filch_submit(ex, add3, s, 10, 20),
                               filch_submit(ex, add8, s, 1, 2, 3, 4, 5, 6, 7)};
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(filch_join(futures[i]), FILCH_OK);
        filch_release(futures[i]);
    }
    CHECK_EQ(gate_value(&s->sum), 1 + 30 + 28);
    pool_close(pool, ex, s);
}

/* Functions that the user did not write, names that are macros, conversion as in a call. */
FILCH_TASK(double, hypot, double, double);
#define ALIAS twice
#define ALIAS_WITH_ARGUMENTS sum2, 1, 2

CONTRACT(transport, foreign_functions_and_aliases) {
    filch_executor *ex = pool->open(1);
    filch_future *future = filch_submit(ex, hypot, 3, 4); /* int becomes double */
    double length = 0;
    CHECK_EQ(filch_result(future, &length), FILCH_OK);
    CHECK_REAL(length, ==, 5);
    filch_release(future);
    check_long(filch_submit(ex, ALIAS, 21), 42);
    double real = 2.9; /* and double becomes long */
    check_long(filch_submit(ex, twice, real), 4);
    filch_args(ALIAS) tuple = {.a1 = 7};
    CHECK_EQ(sizeof tuple, sizeof(long));
    long items[] = {1, 2};
    filch_results *results = filch_map(ex, ALIAS, items, 2);
    long value = 0;
    CHECK_EQ(filch_results_next(results, &value), FILCH_OK);
    CHECK_EQ(value, 2);
    filch_results_close(results);
    filch_close(ex);
}

/* One task for each type of result, which gives back its argument. */
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

CONTRACT(transport, numbers) {
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

CONTRACT(transport, pointers) {
    filch_executor *ex = pool->open(1);
    int *shared = pool->alloc(ex, sizeof *shared);
    CHECK_ECHO(pointer, pointer, shared);
    CHECK_ECHO(pointer, pointer, NULL);
    CHECK_ECHO(const_int_pointer, const_int_pointer, shared);
    if (pool->in_process)
        CHECK_ECHO(operation, operation, plus_one);
    pool_close(pool, ex, shared);
}

CONTRACT(transport, structs) {
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

/* Arguments and results of over-aligned types lie where their type demands. */
static size_t misalignment(line a, char b, line c) {
    (void)b;
    return ((uintptr_t)&a | (uintptr_t)&c) % 64;
}
FILCH_TASK(size_t, misalignment, line, char, line);

CONTRACT(transport, alignment) {
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

/* Strings: the task sees its own copy, and may write to it. */
struct string_seen {
    struct gate go;
};

static char *shout(struct string_seen *s, char *text, const char *other) {
    gate_wait(&s->go, 1);
    size_t length = strlen(text), total = length + strlen(other) + 1;
    for (size_t i = 0; i < length; i++)
        if (text[i] >= 'a' && text[i] <= 'z')
            text[i] -= 'a' - 'A';
    char *joined = malloc(total);
    snprintf(joined, total, "%s%s", text, other);
    return filch_own(joined);
}
FILCH_TASK(char *, shout, struct string_seen *, char *, const char *);

CONTRACT(transport, string_arguments_are_copied) {
    filch_executor *ex = pool->open(1);
    struct string_seen *s = pool->alloc(ex, sizeof *s);
    char first[] = "hello, ", second[] = "world";
    filch_future *future = filch_submit(ex, shout, s, first, second);
    memset(first, '#', sizeof first - 1);
    memset(second, '#', sizeof second - 1);
    gate_open(&s->go);
    char *text = NULL;
    CHECK_EQ(filch_result(future, &text), FILCH_OK);
    CHECK_STR_EQ(text, "HELLO, world");
    CHECK_STR_EQ(first, "#######");
    filch_release(future);
    pool_close(pool, ex, s);
}

static const char *echo_string(const char *text) {
    return text;
}
FILCH_TASK(const char *, echo_string, const char *);

CONTRACT(transport, strings_of_every_length) {
    filch_executor *ex = pool->open(1);
    static const size_t lengths[] = {0,  1,  7,  8,   15,  16,   23,    24,     31,
                                     32, 47, 48, 100, 127, 4095, 65536, 100000, 5 << 20};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char *text = malloc(lengths[i] + 1);
        memset(text, 'a', lengths[i]);
        text[lengths[i]] = '\0';
        filch_future *future = filch_submit(ex, echo_string, text);
        CHECK_NOT_NULL(future);
        const char *back = NULL;
        CHECK_EQ(filch_result(future, &back), FILCH_OK);
        CHECK(back != text);
        CHECK_STR_EQ(back, text);
        filch_release(future);
        free(text);
    }
    filch_future *future = filch_submit(ex, echo_string, NULL);
    const char *back = "not NULL";
    CHECK_EQ(filch_result(future, &back), FILCH_OK);
    CHECK_NULL(back);
    filch_release(future);
    filch_close(ex);
}

/* A returned string is copied and not freed; own hands memory over, returned or not. */
static const char *from_buffer(int x) {
    static _Thread_local char buffer[32];
    snprintf(buffer, sizeof buffer, "number %d", x);
    return buffer;
}
FILCH_TASK(const char *, from_buffer, int);

static char *owned(int x) {
    char *text = malloc(64);
    snprintf(text, 64, "owned %d", x);
    return filch_own(text);
}
FILCH_TASK(char *, owned, int);

static const char *owned_but_not_returned(int x) {
    filch_own(malloc(1000));
    return x % 2 ? "odd" : "even";
}
FILCH_TASK(const char *, owned_but_not_returned, int);

static char *owned_and_failed(int x) {
    char *text = malloc(64);
    snprintf(text, 64, "owned %d", x);
    filch_raise(EIO, "too late");
    return filch_own(text);
}
FILCH_TASK(char *, owned_and_failed, int);

CONTRACT(transport, string_results) {
    filch_executor *ex = pool->open(1);
    filch_future *one = filch_submit(ex, from_buffer, 1), *two = filch_submit(ex, from_buffer, 2);
    filch_future *three = filch_submit(ex, owned, 3);
    filch_future *four = filch_submit(ex, owned_but_not_returned, 4);
    filch_future *five = filch_submit(ex, owned_and_failed, 5);
    const char *text = NULL, *again = NULL;
    CHECK_EQ(filch_join(two), FILCH_OK);
    CHECK_EQ(filch_result(one, &text), FILCH_OK);
    CHECK_STR_EQ(text, "number 1");
    CHECK_EQ(filch_result(one, &again), FILCH_OK);
    CHECK_PTR_EQ(text, again);
    CHECK_EQ(filch_result(two, &text), FILCH_OK);
    CHECK_STR_EQ(text, "number 2");
    CHECK_EQ(filch_result(three, &text), FILCH_OK);
    CHECK_STR_EQ(text, "owned 3");
    CHECK_EQ(filch_result(four, &text), FILCH_OK);
    CHECK_STR_EQ(text, "even");
    CHECK_EQ(filch_result(five, &text), FILCH_FAILED);
    filch_release(one);
    filch_release(two);
    filch_release(three);
    filch_release(four);
    filch_release(five);
    CHECK_NULL(filch_own(NULL)); /* outside a task it does nothing */
    char outside[] = "x";
    CHECK_PTR_EQ(filch_own(outside), outside);
    filch_close(ex);
}

/* Bytes, both ways: copied, allocated by the library, and everything between. */
static filch_bytes echo_bytes(filch_bytes bytes) {
    return bytes;
}
FILCH_TASK(filch_bytes, echo_bytes, filch_bytes);

enum way { WHOLE, SHORTER, INNER, OTHER, RAISED };

static filch_bytes allocated_bytes(size_t size, int way) {
    static const char other[] = "something else";
    unsigned char *data = filch_result_alloc(size);
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)i;
    switch (way) {
    case WHOLE:
        return (filch_bytes){data, size};
    case SHORTER:
        return (filch_bytes){data, size / 2};
    case INNER:
        return (filch_bytes){data + 10, size - 10};
    case OTHER:
        return (filch_bytes){other, sizeof other};
    default:
        filch_raise(EIO, "no bytes");
        return (filch_bytes){data, size};
    }
}
FILCH_TASK(filch_bytes, allocated_bytes, size_t, int);

CONTRACT(transport, bytes) {
    filch_executor *ex = pool->open(1);
    static const size_t sizes[] = {0, 1, 15, 16, 48, 49, 1000, 65536, 20 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned char *data = malloc(sizes[i] + 1), *copy = malloc(sizes[i] + 1);
        for (size_t k = 0; k < sizes[i]; k++)
            data[k] = copy[k] = (unsigned char)(k * 31);
        filch_future *future = filch_submit(ex, echo_bytes, ((filch_bytes){data, sizes[i]}));
        CHECK_NOT_NULL(future);
        memset(data, 0, sizes[i]);
        filch_bytes back = {NULL, 1};
        CHECK_EQ(filch_result(future, &back), FILCH_OK);
        CHECK_EQ(back.size, sizes[i]);
        CHECK(sizes[i] == 0 || memcmp(back.data, copy, sizes[i]) == 0);
        filch_release(future);
        free(data);
        free(copy);
    }
    filch_future *future = filch_submit(ex, echo_bytes, ((filch_bytes){NULL, 0}));
    filch_bytes back = {"x", 1};
    CHECK_EQ(filch_result(future, &back), FILCH_OK);
    CHECK_EQ(back.size, 0);
    filch_release(future);
    filch_close(ex);
}

static void check_pattern(filch_bytes bytes, size_t from, size_t size) {
    CHECK_EQ(bytes.size, size);
    for (size_t i = 0; i < size; i++)
        CHECK_EQ(((const unsigned char *)bytes.data)[i], (unsigned char)(from + i));
}

CONTRACT(transport, allocated_results) {
    filch_executor *ex = pool->open(1);
    static const size_t sizes[] = {20, 40, 64, 100, 5000, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int way = WHOLE; way <= RAISED; way++) {
            filch_future *future = filch_submit(ex, allocated_bytes, sizes[i], way);
            filch_bytes bytes = {NULL, 0};
            CHECK_EQ(filch_result(future, &bytes), way == RAISED ? FILCH_FAILED : FILCH_OK);
            if (way == WHOLE)
                check_pattern(bytes, 0, sizes[i]);
            else if (way == SHORTER)
                check_pattern(bytes, 0, sizes[i] / 2);
            else if (way == INNER)
                check_pattern(bytes, 10, sizes[i] - 10);
            else if (way == OTHER)
                CHECK_STR_EQ((const char *)bytes.data, "something else");
            filch_release(future);
        }
    filch_close(ex);
}

static size_t result_misalignment(size_t size) {
    return (uintptr_t)filch_result_alloc(size) % 64;
}
FILCH_TASK(size_t, result_misalignment, size_t);

static int refused_alloc(size_t size) {
    return filch_result_alloc(size) == NULL ? (int)filch_error_status() : -1;
}
FILCH_TASK(int, refused_alloc, size_t);

CONTRACT(transport, result_alloc) {
    filch_executor *ex = pool->open(1);
    for (size_t size = 1; size < 10000; size *= 3) {
        filch_future *future = filch_submit(ex, result_misalignment, size);
        size_t off = 1;
        CHECK_EQ(filch_result(future, &off), FILCH_OK);
        CHECK_EQ(off, 0);
        filch_release(future);
    }
    static const size_t absurd[] = {SIZE_MAX, SIZE_MAX / 2, (size_t)1 << 60};
    for (int i = 0; i < 3; i++) {
        filch_future *future = filch_submit(ex, refused_alloc, absurd[i]);
        int status = 0;
        CHECK_EQ(filch_result(future, &status), FILCH_OK);
        CHECK_EQ(status, FILCH_NO_MEMORY);
        filch_release(future);
    }
    CHECK_NULL(filch_result_alloc(10));
    CHECK_EQ(filch_error_status(), FILCH_INVALID_STATE);
    filch_close(ex);
}

/* Larger than memory: refused, and the pool is none the worse. */
CONTRACT(transport, absurd_sizes) {
    filch_executor *ex = pool->open(1);
    static const char small_buffer[] = "x";
    static const size_t absurd[] = {SIZE_MAX, SIZE_MAX - 64, SIZE_MAX / 2, (size_t)1 << 60};
    for (int i = 0; i < 4; i++) {
        CHECK_NULL(filch_submit(ex, echo_bytes, ((filch_bytes){small_buffer, absurd[i]})));
        CHECK(filch_error_status() == FILCH_NO_MEMORY || filch_error_status() == FILCH_INVALID);
        CHECK(filch_error_message()[0] != '\0');
    }
    check_long(filch_submit(ex, twice, 4), 8);
    filch_close(ex);
}

/* More than what fits into one task's arguments, all kinds mixed. */
static char *mixed(const char *a, filch_bytes b, int c, char *d, filch_bytes e, double f, small g,
                   const char *h) {
    char *text = malloc(200);
    snprintf(text, 200, "%s|%.*s|%d|%s|%.*s|%g|%c|%s", a, (int)b.size, (const char *)b.data, c, d,
             (int)e.size, (const char *)e.data, f, g.c, h == NULL ? "none" : h);
    return filch_own(text);
}
FILCH_TASK(char *, mixed, const char *, filch_bytes, int, char *, filch_bytes, double, small,
           const char *);

CONTRACT(transport, mixed_arguments) {
    filch_executor *ex = pool->open(2);
    filch_future *futures[100];
    for (int i = 0; i < 100; i++) {
        char a[16], d[] = "dd";
        snprintf(a, sizeof a, "a%d", i);
        futures[i] = filch_submit(ex, mixed, a, ((filch_bytes){"bytes", 5}), i, d,
                                  ((filch_bytes){"more", 3}), 0.5, ((small){'g', 0, 0}), NULL);
        CHECK_NOT_NULL(futures[i]);
    }
    for (int i = 0; i < 100; i++) {
        char expected[64], *text = NULL;
        snprintf(expected, sizeof expected, "a%d|bytes|%d|dd|mor|0.5|g|none", i, i);
        CHECK_EQ(filch_result(futures[i], &text), FILCH_OK);
        CHECK_STR_EQ(text, expected);
        filch_release(futures[i]);
    }
    filch_close(ex);
}

/* The untyped form. */
struct raw {
    long factor;
    char pad[100];
    long x;
};

static int raw_product(const void *arg, void *result) {
    const struct raw *raw = arg;
    if ((uintptr_t)arg % 64 != 0 || (uintptr_t)result % 64 != 0)
        return 1;
    long product = raw->factor * raw->x;
    memcpy(result, &product, sizeof product);
    return 0;
}

static int raw_failure(const void *arg, void *result) {
    (void)result;
    int code;
    memcpy(&code, arg, sizeof code);
    return code;
}

static int raw_raise(const void *arg, void *result) {
    (void)arg;
    (void)result;
    filch_raise(33, "raised in a raw task");
    return 0;
}

static int raw_nothing(const void *arg, void *result) {
    (void)arg;
    (void)result;
    return 0;
}

static int raw_fill(const void *arg, void *result) {
    size_t size;
    memcpy(&size, arg, sizeof size);
    memset(result, 'r', size);
    return 0;
}

CONTRACT(transport, raw) {
    filch_executor *ex = pool->open(1);
    struct raw raw = {.factor = 6, .x = 7};
    filch_future *future = filch_submit_raw(ex, raw_product, &raw, sizeof raw, sizeof(long), NULL);
    CHECK_NOT_NULL(future);
    long product = 0;
    CHECK_EQ(filch_result(future, &product), FILCH_OK);
    CHECK_EQ(product, 42);
    int wrong_size = 77;
    CHECK_EQ(filch_result(future, &wrong_size), FILCH_INVALID);
    CHECK_EQ(wrong_size, 77);
    filch_release(future);

    int code = 13;
    future = filch_submit_raw(ex, raw_failure, &code, sizeof code, 0, NULL);
    CHECK_EQ(filch_join(future), FILCH_FAILED);
    CHECK_EQ(filch_exception(future)->code, 13);
    CHECK_NOT_NULL(filch_exception(future)->message);
    filch_release(future);

    future = filch_submit_raw(ex, raw_raise, NULL, 0, 0, FILCH_OPTIONS(.name = "my raw task"));
    CHECK_EQ(filch_join(future), FILCH_FAILED);
    CHECK_EQ(filch_exception(future)->code, 33);
    CHECK_STR_EQ(filch_exception(future)->message, "raised in a raw task");
    CHECK_STR_EQ(filch_exception(future)->task, "my raw task");
    filch_release(future);

    future = filch_submit_raw(ex, raw_nothing, NULL, 0, 0, NULL);
    CHECK_EQ(filch_join(future), FILCH_OK);
    filch_release(future);

    size_t size = sizeof(large);
    large *filled = calloc(1, sizeof *filled);
    future = filch_submit_raw(ex, raw_fill, &size, sizeof size, size, NULL);
    CHECK_EQ(filch_result(future, filled), FILCH_OK);
    CHECK_EQ(((char *)filled)[size - 1], 'r');
    filch_release(future);
    free(filled);
    filch_close(ex);
}

/* raise, from any depth. */
static int dig(int depth) {
    return depth == 0 ? filch_raise(EDOM, "bottom of %s", "the pit") : dig(depth - 1) + 0;
}
FILCH_TASK(int, dig, int);

static int raise_twice(int x) {
    filch_raise(1, "first");
    filch_raise(2, "second");
    return x;
}
FILCH_TASK(int, raise_twice, int);

static int raise_at_length(int x) {
    char text[5000];
    memset(text, 'z', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    return filch_raise(x, "%s", text);
}
FILCH_TASK(int, raise_at_length, int);

static int return_raised(int code) {
    return filch_raise(code, "code %d", code) == code ? code : 0;
}
FILCH_TASK(int, return_raised, int);

CONTRACT(transport, raise) {
    filch_executor *ex = pool->open(1);
    filch_future *future = filch_submit(ex, dig, 50);
    const filch_error *error = filch_exception(future);
    CHECK_NOT_NULL(error);
    CHECK_EQ(error->code, EDOM);
    CHECK_STR_EQ(error->message, "bottom of the pit");
    CHECK_STR_EQ(error->task, "dig");
    CHECK_STR_HAS(error->where, "test_transport.c:");
    filch_release(future);

    future = filch_submit(ex, raise_twice, 1);
    error = filch_exception(future);
    CHECK_NOT_NULL(error);
    CHECK_EQ(error->code, 2);
    CHECK_STR_EQ(error->message, "second");
    filch_release(future);

    future = filch_submit(ex, raise_at_length, 1);
    error = filch_exception(future);
    CHECK_NOT_NULL(error);
    CHECK_GE(strlen(error->message), 100); /* cut perhaps, but not lost */
    filch_release(future);

    static const int codes[] = {0, -1, INT_MIN, INT_MAX};
    for (int i = 0; i < 4; i++) {
        future = filch_submit(ex, return_raised, codes[i]);
        error = filch_exception(future);
        CHECK_NOT_NULL(error);
        CHECK_EQ(error->code, codes[i]);
        filch_release(future);
    }
    check_long(filch_submit(ex, twice, 4), 8); /* the worker is none the worse */
    filch_close(ex);
}

/* submit_with */
CONTRACT(transport, submit_with) {
    filch_executor *ex = pool->open(1);
    char name[] = "a name of its own";
    filch_future *future =
        filch_submit_with(ex, FILCH_OPTIONS(.name = name, .retries = 3), fail_with, 8);
    CHECK_NOT_NULL(future);
    memset(name, '#', sizeof name - 1); /* it is copied */
    CHECK_STR_EQ(filch_exception(future)->task, "a name of its own");
    CHECK_EQ(filch_exception(future)->code, 8);
    filch_release(future);
    check_long(filch_submit_with(ex, FILCH_OPTIONS(.retries = 1000), twice, 4), 8);
    check_long(filch_submit_with(ex, NULL, twice, 4), 8);
    check_long(filch_submit_with(ex, FILCH_OPTIONS(.retries = 0), sum8, 1, 2, 3, 4, 5, 6, 1, 8),
               30);
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

CONTRACT(transport, aligned_results) {
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

/* What filch_result_alloc lent to a task that returns something else comes back. */
static long borrow(long size) {
    return filch_result_alloc((size_t)size) != NULL;
}
FILCH_TASK(long, borrow, long);

CONTRACT(transport, lent_memory_comes_back) {
    filch_executor *ex = pool->open(1);
    for (int i = ROUNDS(60000); i > 0; i--) { /* of 1 MiB: more than any machine has */
        long lent = 0;
        filch_future *future = filch_submit(ex, borrow, 1 << 20);
        CHECK_EQ(filch_result(future, &lent), FILCH_OK);
        CHECK_EQ(lent, 1);
        filch_release(future);
    }
    filch_close(ex);
}
