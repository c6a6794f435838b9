/* E1 of the conformance list: none to eight parameters, of a task that returns something or nothing,
 * converted as in a call. */
#include "pools.h"

/* E1: 0 to 8 parameters, each of another type. */
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

CONTRACT(parameters, none_to_eight_parameters) {
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

/* E1: the same for functions that return nothing. */
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

CONTRACT(parameters, void_tasks) {
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

/* E1: functions that the user did not write, names that are macros, conversion as in a call. */
FILCH_TASK(double, hypot, double, double);
#define ALIAS twice
#define ALIAS_WITH_ARGUMENTS sum2, 1, 2

CONTRACT(parameters, foreign_functions_and_aliases) {
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

/* E1: more than what fits into one task's arguments, all kinds mixed. */
typedef struct small {
    char c;
    double d;
    short s;
} small;

static char *mixed(const char *a, filch_bytes b, int c, char *d, filch_bytes e, double f, small g,
                   const char *h) {
    char *text = malloc(200);
    snprintf(text, 200, "%s|%.*s|%d|%s|%.*s|%g|%c|%s", a, (int)b.size, (const char *)b.data, c, d,
             (int)e.size, (const char *)e.data, f, g.c, h == NULL ? "none" : h);
    return filch_own(text);
}
FILCH_TASK(char *, mixed, const char *, filch_bytes, int, char *, filch_bytes, double, small,
           const char *);

CONTRACT(parameters, mixed_arguments) {
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
