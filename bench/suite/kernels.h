/* kernels.h: leaf code that the harness chooses and checks, and contenders call only through
 * pointers. For workloads.c. */
#ifndef SUITE_KERNELS_H
#define SUITE_KERNELS_H

#include "suite.h"

/* --- uts --- */

enum uts_kind { UTS_BINOMIAL, UTS_GEOMETRIC };
/* UTS's own parameters, by the letters of its options. */
struct uts_tree {
    enum uts_kind kind; /* -t; a geometric one has the fixed shape, -a 3 */
    double b, q;
    int m, d, r;
};
/* Chooses the tree; false: this program was built without SHA-1. */
bool suite_choose_tree(const struct uts_tree *tree, struct uts_node *root);

/* --- skewed, grain: leaf i steps through a chain of numbers, each made from the one before --- */

/* Leaf i of n: 64 n / r steps, with r = 1 .. n in some order: Zipf's law. Or always `steps`. */
struct chains {
    size_t n;
    size_t steps; /* of each; 0: by Zipf's law */
};
void suite_choose_chains(struct chains chains);
long suite_chain(long i);
/* What the leaves give in all, by a short cut. */
long suite_expected_chains(void);

/* --- blocks: an array in blocks, which are filled once and summed often --- */

enum { BLOCK_ITEMS = 32768 };
void suite_choose_blocks(long *items);
long suite_fill_block(long i);
long suite_sum_block(long i);
long suite_expected_blocks(size_t n_blocks);

#endif
