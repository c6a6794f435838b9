/* kernels.c: what the leaves of the applications do: the same code for every contender, compiled by
 * the contender's own C compiler (for C++ and Rust the one that builds everything else). */
#include "kernels.h"

#include <math.h>
#include <string.h>

#if SUITE_HAS_SHA1
/* EVP, which OpenSSL 3 would rather see, allocates, and takes several times as long. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#endif

/* --- queens --- */

bool suite_is_safe(const struct queens *queens, int column) {
    for (int row = 0; row < queens->row; row++) {
        int right = column - queens->column[row], down = queens->row - row;
        if (right == 0 || right == down || right == -down)
            return false;
    }
    return true;
}

/* --- uts: as in uts.c and rng/brg_sha1.c of UTS 1.1 --- */

static struct uts_tree tree;

/* The number behind a word whose high byte comes first. */
static uint32_t big_endian(uint32_t word) {
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? word : __builtin_bswap32(word);
}

static void hash(const unsigned char *bytes, size_t size, unsigned char state[20]) {
#if SUITE_HAS_SHA1
    SHA_CTX context;
    SHA1_Init(&context);
    SHA1_Update(&context, bytes, size);
    SHA1_Final(state, &context);
#else
    (void)bytes, (void)size, (void)state;
#endif
}

bool suite_choose_tree(const struct uts_tree *chosen, struct uts_node *root) {
    unsigned char bytes[20] = {0};
    uint32_t seed = big_endian((uint32_t)chosen->r);
    tree = *chosen;
    memcpy(bytes + 16, &seed, sizeof seed);
    hash(bytes, sizeof bytes, root->state);
    root->depth = 0;
    return SUITE_HAS_SHA1;
}

struct uts_node suite_child(const struct uts_node *parent, int index) {
    unsigned char bytes[24];
    uint32_t number = big_endian((uint32_t)index);
    struct uts_node child;
    memcpy(bytes, parent->state, 20);
    memcpy(bytes + 20, &number, sizeof number);
    hash(bytes, sizeof bytes, child.state);
    child.depth = parent->depth + 1;
    return child;
}

int suite_count_children(const struct uts_node *node) {
    uint32_t word;
    memcpy(&word, node->state + 16, sizeof word);
    double random = (double)(big_endian(word) & 0x7fffffff) / 2147483648.0;
    if (tree.kind == UTS_BINOMIAL) {
        if (node->depth == 0)
            return (int)tree.b;
        return random < tree.q ? tree.m : 0;
    }
    if (node->depth >= tree.d)
        return 0;
    double p = 1 / (1 + tree.b);
    int n = (int)floor(log(1 - random) / log(1 - p));
    return n < 100 ? n : 100;
}

/* --- matmul --- */

void suite_matmul_base(const struct matmul *m) {
    for (size_t i = 0; i < m->n; i++) {
        double *restrict c = m->c + i * m->stride;
        for (size_t k = 0; k < m->n; k++) {
            const double factor = m->a[i * m->stride + k], *b = m->b + k * m->stride;
            for (size_t j = 0; j < m->n; j++)
                c[j] += factor * b[j];
        }
    }
}

/* --- cilksort --- */

enum { INSERTION_MOST = 20 };

static void sort_by_insertion(long *items, size_t n) {
    for (size_t i = 1; i < n; i++) {
        long item = items[i];
        size_t at = i;
        for (; at > 0 && items[at - 1] > item; at--)
            items[at] = items[at - 1];
        items[at] = item;
    }
}

static long median_of_three(long a, long b, long c) {
    long low = a < b ? a : b, high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

/* Quicksort: the shorter side by recursion. */
void suite_sort_base(long *items, size_t n) {
    while (n > INSERTION_MOST) {
        long pivot = median_of_three(items[0], items[n / 2], items[n - 1]);
        size_t i = 0, j = n - 1;
        for (;; i++, j--) {
            while (items[i] < pivot)
                i++;
            while (items[j] > pivot)
                j--;
            if (i >= j)
                break;
            long item = items[i];
            items[i] = items[j];
            items[j] = item;
        }
        size_t n_low = i;
        if (n_low <= n / 2) {
            suite_sort_base(items, n_low);
            items += n_low;
            n -= n_low;
        } else {
            suite_sort_base(items + n_low, n - n_low);
            n = n_low;
        }
    }
    sort_by_insertion(items, n);
}

void suite_merge_base(const struct merge *merge) {
    const long *a = merge->a, *b = merge->b, *a_end = a + merge->n_a, *b_end = b + merge->n_b;
    long *out = merge->out;
    while (a < a_end && b < b_end)
        *out++ = *b < *a ? *b++ : *a++;
    memcpy(out, a, (size_t)(a_end - a) * sizeof *a);
    memcpy(out + (a_end - a), b, (size_t)(b_end - b) * sizeof *b);
}

/* How many of `items` are less than `limit`. */
static size_t count_less(const long *items, size_t n, long limit) {
    size_t first = 0;
    while (n > 0) {
        size_t half = n / 2;
        if (items[first + half] < limit) {
            first += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return first;
}

/* The longer array in the middle, the other where that item belongs. */
void suite_split(const struct merge *merge, struct merge *low, struct merge *high) {
    struct merge m = *merge;
    if (m.n_a < m.n_b)
        m = (struct merge){m.b, m.a, m.out, m.n_b, m.n_a};
    size_t n_a = m.n_a / 2, n_b = count_less(m.b, m.n_b, m.a[n_a]);
    *low = (struct merge){m.a, m.b, m.out, n_a, n_b};
    *high = (struct merge){m.a + n_a, m.b + n_b, m.out + n_a + n_b, m.n_a - n_a, m.n_b - n_b};
}

/* --- chains: x becomes FACTOR x + 1 --- */

static const uint64_t FACTOR = 6364136223846793005U;
static struct chains chains;

void suite_choose_chains(struct chains chosen) {
    chains = chosen;
}

/* The ranks 1 .. n, spread over the leaves; the multiplier is a prime. */
static uint64_t steps_of(long i) {
    if (chains.steps != 0)
        return chains.steps;
    return 64 * chains.n / ((uint64_t)i * 2654435761U % chains.n + 1);
}

long suite_chain(long i) {
    uint64_t x = (uint64_t)i, factor = FACTOR;
    __asm__("" : "+r"(factor)); /* or clang would do several steps at once, as chain_jump does */
    for (uint64_t left = steps_of(i); left > 0; left--)
        x = factor * x + 1;
    return (long)(x >> 40);
}

/* As many steps at once, by squaring: x becomes factor x + sum. */
static long chain_jump(long i) {
    uint64_t x = (uint64_t)i, factor = FACTOR, sum = 1;
    for (uint64_t left = steps_of(i); left > 0; left /= 2) {
        if (left % 2 != 0)
            x = factor * x + sum;
        sum += factor * sum;
        factor *= factor;
    }
    return (long)(x >> 40);
}

long suite_expected_chains(void) {
    long sum = 0;
    for (size_t i = 0; i < chains.n; i++)
        sum += chain_jump((long)i);
    return sum;
}

/* --- blocks: item i is i --- */

static long *blocks;

void suite_choose_blocks(long *items) {
    blocks = items;
}

long suite_fill_block(long i) {
    long *items = blocks + i * BLOCK_ITEMS;
    for (long at = 0; at < BLOCK_ITEMS; at++)
        items[at] = i * BLOCK_ITEMS + at;
    return 0;
}

long suite_sum_block(long i) {
    const long *items = blocks + i * BLOCK_ITEMS;
    long sum = 0;
    for (long at = 0; at < BLOCK_ITEMS; at++)
        sum += items[at];
    return sum;
}

long suite_expected_blocks(size_t n_blocks) {
    long n = (long)n_blocks * BLOCK_ITEMS;
    return n * (n - 1) / 2;
}
