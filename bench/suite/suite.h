/* suite.h: the fork-join applications: what a contender fills in, and the leaf code that it calls.
 *
 * A contender is one file of peers/ that defines `bench_contender` (harness/bench.h: name, note,
 * version, open, close; the other members are for pools) and `suite_applications`. The recursion is
 * written there, as a user of that library writes it, and spawns down to the leaf, or to the base
 * case that is part of the application. What happens in a leaf is in kernels.c: the same code for
 * everybody, behind a call that no compiler looks through.
 *
 * Each function of the table is called from the main thread and comes back with the result.
 */
#ifndef SUITE_H
#define SUITE_H

#include "bench.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- queens: a place for one queen in each row --- */

struct queens {
    int n;
    int row; /* the first without a queen */
    signed char column[24];
};
/* May a queen stand in `column` of the first free row? */
bool suite_is_safe(const struct queens *queens, int column);
static inline struct queens suite_with_queen(struct queens queens, int column) {
    queens.column[queens.row++] = (signed char)column;
    return queens;
}

/* --- Unbalanced Tree Search: the tree is chosen by the harness --- */

struct uts_node {
    unsigned char state[20]; /* SHA-1 of the parent's, and the child's index */
    int32_t depth;
};
int suite_count_children(const struct uts_node *node);
struct uts_node suite_child(const struct uts_node *parent, int index);

/* --- matmul: c += a b, square parts of matrices whose rows are `stride` apart --- */

enum { MATMUL_BASE = 64 };
struct matmul {
    const double *a, *b;
    double *c;
    size_t n, stride;
};
void suite_matmul_base(const struct matmul *m);
/* The part that adds a[row][k] b[k][column] to c[row][column], of 2 x 2 quarters each. */
static inline struct matmul suite_quarter(const struct matmul *m, int row, int column, int k) {
    size_t half = m->n / 2, down = half * m->stride;
    struct matmul quarter = {
        m->a + (size_t)row * down + (size_t)k * half,
        m->b + (size_t)k * down + (size_t)column * half,
        m->c + (size_t)row * down + (size_t)column * half,
        half,
        m->stride,
    };
    return quarter;
}

/* --- cilksort: quarters sorted, then merged twice --- */

enum { SORT_BASE = 1024, MERGE_BASE = 1024 };
struct merge {
    const long *a, *b; /* two sorted arrays */
    long *out;
    size_t n_a, n_b;
};
void suite_sort_base(long *items, size_t n);
void suite_merge_base(const struct merge *merge);
/* Splits a merge of more than MERGE_BASE items in two: what comes first, and what comes after. */
void suite_split(const struct merge *merge, struct merge *low, struct merge *high);
static inline struct merge suite_merge_of(const long *from, size_t n_a, size_t n, long *out) {
    struct merge merge = {from, from + n_a, out, n_a, n - n_a};
    return merge;
}

/* --- the table --- */

enum { SKYNET_CHILDREN = 10 };

struct applications {
    long (*fib)(long n);
    /* A tree of `size` leaves, each node with n_children, at most SKYNET_CHILDREN, which is known at run time
     * only (as where it comes from: github.com/atemerev/skynet); leaf i gives `first` + i, and all the sum. */
    long (*skynet)(long first, long size, long n_children);
    long (*nqueens)(struct queens queens); /* in how many ways can the others be placed? */
    long (*uts)(struct uts_node root);     /* nodes */
    void (*matmul)(struct matmul m);
    void (*cilksort)(long *items, long *scratch, size_t n);
    /* The sum of leaf(first .. end-1), split in halves down to single ones. */
    long (*range)(long (*leaf)(long i), long first, long end);
};
extern const struct applications suite_applications;

#ifdef __cplusplus
}
#endif

#endif
