/* fork_join.c: trees of random shapes, deep, wide and both, whose nodes are spawned, with more workers than cores
 * and few: every node is called once, every result is right.
 *
 *     stress.fork_join [rounds [seed]] */
#include "stress.h"
#include <filch/filch.h>

enum { MOST_WORKERS = 6, ROOTS = 4, MOST_CHILDREN = 200 };

static atomic_long n_called;

/* How many nodes, and what they add up to. */
struct sum {
    long n;
    uint64_t total;
};

/* What a node's children are given follows from its own number, so the tree is the same for the serial walk. */
struct node {
    uint64_t number;
    int size; /* about so many nodes below it */
};

static int draw_children(struct node node, uint64_t *random) {
    random_seed(random, node.number);
    if (node.size <= 1)
        return 0;
    switch (random_below(random, 8)) {
    case 0:
        return 1;
    case 1:
        return node.size < MOST_CHILDREN ? node.size : MOST_CHILDREN;
    default:
        return 1 + (int)random_below(random, 4);
    }
}

static struct node draw_child(struct node node, int n_children, uint64_t *random) {
    uint64_t number =
        (uint64_t)random_below(random, UINT32_MAX) << 20 | random_below(random, 1 << 20);
    return (struct node){number, (node.size - 1) / n_children};
}

static struct sum add(struct sum a, struct sum b) {
    return (struct sum){a.n + b.n, a.total + b.total};
}

static struct sum walk(struct node node) {
    uint64_t random;
    struct sum sum = {1, node.number};
    int n_children = draw_children(node, &random);
    for (int i = 0; i < n_children; i++)
        sum = add(sum, walk(draw_child(node, n_children, &random)));
    return sum;
}

static struct sum grow(filch_stack *top, struct node node);
FILCH_FORK_TASK(struct sum, grow, struct node);

/* The last child is called, not spawned; now and then one is submitted and waited for, or this thread sleeps. */
static struct sum grow(filch_stack *top, struct node node) {
    uint64_t random;
    struct sum sum = {1, node.number};
    int n_children = draw_children(node, &random), n_spawned = 0;
    atomic_fetch_add_explicit(&n_called, 1, memory_order_relaxed);
    for (int i = 0; i < n_children; i++) {
        struct node child = draw_child(node, n_children, &random);
        struct sum value = {0, 0};
        if (child.number % 4096 == 0) {
            filch_status status = filch_run(filch_this_executor(), grow, &value, child);
            STRESS_CHECK_MSG(status == FILCH_OK || status == FILCH_SHUTDOWN, "%s",
                             filch_error_message());
            if (status == FILCH_SHUTDOWN) /* it is being closed */
                value = grow(top, child);
            sum = add(sum, value);
        } else if (i == n_children - 1) {
            sum = add(sum, grow(top, child));
        } else {
            filch_spawn(top, grow, child);
            n_spawned++;
        }
    }
    if (node.number % 1024 == 0) {
        uint64_t gap = node.number | 1;
        stress_gap(&gap, 100);
    }
    while (n_spawned-- > 0)
        sum = add(sum, filch_sync(top, grow));
    return sum;
}

/* Returns: how many nodes there were. */
static long play(uint64_t *random) {
    filch_executor *ex =
        filch_thread_pool(.max_workers = 1 + (int)random_below(random, MOST_WORKERS));
    STRESS_CHECK(ex != NULL);
    filch_future *futures[ROOTS];
    struct sum expected[ROOTS];
    long n = 0;
    atomic_store(&n_called, 0);
    for (int i = 0; i < ROOTS; i++) {
        struct node root = {random_below(random, UINT32_MAX), 1 << random_below(random, 17)};
        expected[i] = walk(root);
        n += expected[i].n;
        futures[i] = filch_submit(ex, grow, root);
        STRESS_CHECK(futures[i] != NULL);
        if (random_below(random, 2) == 0)
            stress_gap(random, 200);
    }
    bool closes_first = random_below(random, 2) == 0;
    if (closes_first)
        filch_close(ex);
    for (int i = 0; i < ROOTS; i++) {
        struct sum value = {0, 0};
        STRESS_CHECK(filch_result(futures[i], &value) == FILCH_OK);
        STRESS_CHECK_MSG(value.n == expected[i].n && value.total == expected[i].total,
                         "%ld nodes in place of %ld", value.n, expected[i].n);
        filch_release(futures[i]);
    }
    STRESS_CHECK_MSG(atomic_load(&n_called) == n, "%ld calls of %ld nodes", atomic_load(&n_called),
                     n);
    if (!closes_first)
        filch_close(ex);
    return n;
}

int main(int argc, char **argv) {
    struct stress stress = stress_begin(argc, argv, "fork_join", 60);
    long n = 0;
    for (long round = 0; round < stress.rounds; round++)
        n += play(&stress.random);
    printf("%ld nodes\n", n);
    return EXIT_SUCCESS;
}
