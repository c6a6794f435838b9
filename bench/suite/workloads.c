/* workloads.c: the fork-join applications from the harness's side: what they are given, how the
 * result is checked, how often they run.
 *
 * An application runs pass after pass in one process, until bench_options.seconds are used up. The
 * first pass warms up and is not counted, unless it is the only one. What a pass needs is made
 * before it, and checked after it, outside of the time.
 */
#include "kernels.h"
#include "measure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PASSES = 200, BLOCK_ROUNDS = 10 };

struct application {
    const char *name;
    /* Makes what all passes need. Returns the number of spawns of a pass, or 0 where they are too few
     * to be felt. */
    double (*prepare)(size_t size);
    void (*reset)(void); /* before each pass; NULL: nothing */
    void (*run)(void);
    void (*check)(void);
};

/* What the applications work on: one per process. */
static size_t size;
static long result, expected;
static struct queens queens;
static struct uts_node root;
static struct matmul matmul;
static double *vectors[3]; /* for the check of matmul */
static long *items, *scratch;

static void check_result(void) {
    if (result != expected)
        bench_fail("wrong result: %s of %zu gave %ld instead of %ld", bench_options.workload, size,
                   result, expected);
}

/* Memory that nobody has touched yet. */
static void *alloc_untouched(size_t bytes) {
    void *memory = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    if (memory == NULL)
        bench_fail("no memory for %zu bytes", bytes);
    return memory;
}

/* --- fib: every call but those with n < 2 spawns one --- */

static double prepare_fib(size_t n) {
    long previous = 1, sum = 0;
    for (size_t i = 0; i < n; i++) {
        long next = previous + sum;
        previous = sum;
        sum = next;
    }
    expected = sum;
    return (double)(previous + sum - 1);
}

static void run_fib(void) {
    result = suite_applications.fib((long)size);
}

/* --- skynet --- */

static double prepare_skynet(size_t n) {
    double nodes = 0;
    for (size_t left = n; left > 1; left /= 10) {
        if (left % 10 != 0)
            bench_fail("skynet: the size has to be a power of ten");
        nodes += (double)left;
    }
    expected = (long)(n * (n - 1) / 2);
    return nodes;
}

static void run_skynet(void) {
    result = suite_applications.skynet(0, (long)size, 10);
}

/* --- nqueens --- */

static double prepare_nqueens(size_t n) {
    static const struct {
        long ways;
        double nodes;
    } known[] = {{1, 1},       {1, 2},         {0, 3},          {0, 6},          {2, 17},
                 {10, 54},     {4, 153},       {40, 552},       {92, 2057},      {352, 8394},
                 {724, 35539}, {2680, 166926}, {14200, 856189}, {73712, 4674890}};
    if (n >= sizeof known / sizeof known[0])
        bench_fail("nqueens: at most %zu queens", sizeof known / sizeof known[0] - 1);
    queens.n = (int)n;
    expected = known[n].ways;
    return known[n].nodes - 1;
}

static void run_nqueens(void) {
    result = suite_applications.nqueens(queens);
}

/* --- uts: trees whose size is known; those of the full size are T1 and T3 --- */

struct known_tree {
    size_t size;
    long nodes;
    struct uts_tree tree;
};

static double prepare_tree(const struct known_tree *trees, size_t n) {
    for (; trees->size != 0; trees++)
        if (trees->size == n) {
            if (!suite_choose_tree(&trees->tree, &root))
                exit(EXIT_UNSUPPORTED);
            expected = trees->nodes;
            return (double)(trees->nodes - 1);
        }
    bench_fail("uts: nobody knows how many nodes this tree has");
}

static double prepare_t1(size_t n) {
    static const struct known_tree trees[] = {
        {10, 4130071, {.kind = UTS_GEOMETRIC, .b = 4, .d = 10, .r = 19}},
        {8, 257042, {.kind = UTS_GEOMETRIC, .b = 4, .d = 8, .r = 19}},
        {5, 3987, {.kind = UTS_GEOMETRIC, .b = 4, .d = 5, .r = 19}},
        {0},
    };
    return prepare_tree(trees, n);
}

static double prepare_t3(size_t n) {
    static const struct known_tree trees[] = {
        {2000, 4112897, {.kind = UTS_BINOMIAL, .b = 2000, .q = 0.124875, .m = 8, .r = 42}},
        {200, 2745281, {.kind = UTS_BINOMIAL, .b = 200, .q = 0.124875, .m = 8, .r = 42}},
        {20, 6213, {.kind = UTS_BINOMIAL, .b = 20, .q = 0.124875, .m = 8, .r = 42}},
        {0},
    };
    return prepare_tree(trees, n);
}

static void run_uts(void) {
    result = suite_applications.uts(root);
}

/* --- matmul: small whole numbers, so that every sum is exact --- */

static double prepare_matmul(size_t n) {
    if (n < MATMUL_BASE || (n & (n - 1)) != 0)
        bench_fail("matmul: the size has to be a power of two, at least %d", MATMUL_BASE);
    double *a = bench_alloc(n * n * sizeof *a), *b = bench_alloc(n * n * sizeof *b);
    for (size_t i = 0; i < n * n; i++) {
        a[i] = (double)(i * 7 % 13) - 6;
        b[i] = (double)(i * 5 % 11) - 5;
    }
    matmul = (struct matmul){a, b, bench_alloc(n * n * sizeof(double)), n, n};
    for (int i = 0; i < 3; i++)
        vectors[i] = bench_alloc(n * sizeof(double));
    for (size_t i = 0; i < n; i++)
        vectors[0][i] = (double)(i * 31 % 17) - 8;
    return 0;
}

static void reset_matmul(void) {
    memset(matmul.c, 0, size * size * sizeof *matmul.c);
}

static void run_matmul(void) {
    suite_applications.matmul(matmul);
}

static void multiply_vector(const double *matrix, const double *vector, double *product) {
    for (size_t i = 0; i < size; i++) {
        product[i] = 0;
        for (size_t j = 0; j < size; j++)
            product[i] += matrix[i * size + j] * vector[j];
    }
}

/* Freivalds: for some vector v, (a b) v has to be a (b v). */
static void check_matmul(void) {
    double *product = bench_alloc(size * sizeof *product);
    multiply_vector(matmul.b, vectors[0], vectors[1]);
    multiply_vector(matmul.a, vectors[1], vectors[2]);
    multiply_vector(matmul.c, vectors[0], product);
    for (size_t i = 0; i < size; i++)
        if (product[i] != vectors[2][i])
            bench_fail("wrong result: row %zu of matmul", i);
    free(product);
}

/* --- cilksort: random numbers; what comes out has to ascend, and to have the same sum --- */

static double prepare_cilksort(size_t n) {
    items = bench_alloc(n * sizeof *items);
    scratch = bench_alloc(n * sizeof *scratch);
    return 0;
}

static void reset_cilksort(void) {
    uint64_t x = 42, sum = 0;
    for (size_t i = 0; i < size; i++) {
        x = x * 6364136223846793005U + 1442695040888963407U;
        items[i] = (long)(x >> 24);
        sum += x >> 24;
    }
    expected = (long)sum;
}

static void run_cilksort(void) {
    suite_applications.cilksort(items, scratch, size);
}

static void check_cilksort(void) {
    uint64_t sum = (uint64_t)items[0];
    for (size_t i = 1; i < size; i++) {
        if (items[i - 1] > items[i])
            bench_fail("wrong result: cilksort, item %zu", i);
        sum += (uint64_t)items[i];
    }
    result = (long)sum;
    check_result();
}

/* --- skewed, grain --- */

static double prepare_chains(size_t n) {
    suite_choose_chains((struct chains){n, bench_options.steps});
    expected = suite_expected_chains();
    return (double)n - 1;
}

static double prepare_skewed(size_t n) {
    bench_options.steps = 0;
    prepare_chains(n);
    return 0;
}

static void run_chains(void) {
    result = suite_applications.range(suite_chain, 0, (long)size);
}

/* --- blocks: touched first by whom the contender gives each block --- */

static double prepare_blocks(size_t n) {
    if (n % BLOCK_ITEMS != 0)
        bench_fail("blocks: the size has to be a multiple of %d", BLOCK_ITEMS);
    items = alloc_untouched(n * sizeof *items);
    suite_choose_blocks(items);
    suite_applications.range(suite_fill_block, 0, (long)n / BLOCK_ITEMS);
    expected = BLOCK_ROUNDS * suite_expected_blocks(n / BLOCK_ITEMS);
    return 0;
}

static void run_blocks(void) {
    result = 0;
    for (int i = 0; i < BLOCK_ROUNDS; i++)
        result += suite_applications.range(suite_sum_block, 0, (long)size / BLOCK_ITEMS);
}

/* --- all of them --- */

static const struct application applications[] = {
    {"fib", prepare_fib, NULL, run_fib, check_result},
    {"skynet", prepare_skynet, NULL, run_skynet, check_result},
    {"nqueens", prepare_nqueens, NULL, run_nqueens, check_result},
    {"uts_t1", prepare_t1, NULL, run_uts, check_result},
    {"uts_t3", prepare_t3, NULL, run_uts, check_result},
    {"matmul", prepare_matmul, reset_matmul, run_matmul, check_matmul},
    {"cilksort", prepare_cilksort, reset_cilksort, run_cilksort, check_cilksort},
    {"skewed", prepare_skewed, NULL, run_chains, check_result},
    {"blocks", prepare_blocks, NULL, run_blocks, check_result},
    {"grain", prepare_chains, NULL, run_chains, check_result},
};

static double time_pass(const struct application *application) {
    if (application->reset != NULL)
        application->reset();
    uint64_t start = measure_now_ns();
    application->run();
    double seconds = (double)(measure_now_ns() - start) * 1e-9;
    application->check();
    return seconds;
}

static int compare_seconds(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure_application(const struct application *application) {
    size = bench_options.size;
    double spawns = application->prepare(size);
    double seconds[MOST_PASSES], first = time_pass(application), used = first;
    int n = 0;
    while (used < bench_options.seconds && n < MOST_PASSES) {
        seconds[n] = time_pass(application);
        used += seconds[n++];
    }
    if (n == 0)
        seconds[n++] = first;
    qsort(seconds, (size_t)n, sizeof seconds[0], compare_seconds);
    measure_print_head("", seconds[n / 2]);
    printf(",\"best_s\":%.9f,\"first_s\":%.9f,\"passes\":%d,\"spawns\":%.0f,\"steps\":%zu}\n",
           seconds[0], first, n, spawns, bench_options.steps);
}

static bool always(void) {
    return true;
}

static void run(void) {
    for (const struct application *a = applications;; a++)
        if (strcmp(a->name, bench_options.workload) == 0) {
            measure_application(a);
            return;
        }
}

static const struct workload suite_workloads[] = {
    {"fib", always, run, false},     {"skynet", always, run, false},
    {"nqueens", always, run, false}, {"uts_t1", always, run, false},
    {"uts_t3", always, run, false},  {"matmul", always, run, false},
    {"skewed", always, run, false},  {"cilksort", always, run, false},
    {"blocks", always, run, false},  {"grain", always, run, false},
    {NULL, NULL, NULL, false},
};
const struct workload *const bench_workloads[] = {suite_workloads, NULL};
