/* completion_list.c: many pushers and one taker.
 *
 * Recycled: each pusher has four nodes and pushes them again as soon as the taker has given them back,
 * so that heads repeat; every push arrives, once, in the pusher's order.
 *
 * Reopened: the taker opens the list anew again and again while pushers still use older generations.
 * A push that was refused never arrives; one that was accepted arrives under its own generation, or
 * is dropped by the reopening that ended it, and then everything that the same pusher pushed after it
 * in that generation is dropped too; in the last generation nothing is dropped.
 *
 *     stress.completion_list [rounds [seed]] */
#include "structures/completion_list.h"
#include "stress.h"

enum { PUSHERS_MOST = 4, RECYCLED = 4, RECYCLED_PUSHES = 1000, NODES = 3000 };

struct node {
    _Alignas(64) struct completion_node link;
    atomic_bool is_free;
    int pusher;
    uint64_t generation; /* written by the pusher before the push, like number */
    long number;
    bool was_accepted; /* the pusher's */
    bool was_taken;    /* the taker's */
};

struct pusher {
    int number;
    uint64_t random;
    struct node *nodes;
};

static struct completion_list list;
static filch_atomic_u64 generation; /* what pushers use; may be late */
static atomic_int arrived, n_left;
static int n_pushers;
static struct node recycled[PUSHERS_MOST][RECYCLED];
static struct node fresh[PUSHERS_MOST][NODES];

static struct node *node_of(struct completion_node *link) {
    return (struct node *)link;
}

static struct completion_node *next_of(const struct completion_node *link) {
    return (struct completion_node *)filch_load_relaxed(&link->next);
}

/* ---- recycled ---- */

static void *recycle_main(void *arg) {
    struct pusher *it = arg;
    uint64_t own = filch_load_relaxed(&generation);
    stress_meet(&arrived, n_pushers + 1);
    for (long i = 0; i < RECYCLED_PUSHES; i++) {
        struct node *node = &it->nodes[i % RECYCLED];
        while (!atomic_load_explicit(&node->is_free, memory_order_acquire))
            sched_yield();
        atomic_store_explicit(&node->is_free, false, memory_order_relaxed);
        node->number = i;
        STRESS_CHECK(completion_list_push(&list, own, &node->link));
    }
    atomic_fetch_sub(&n_left, 1);
    return NULL;
}

static void take_recycled(void) {
    long expected[PUSHERS_MOST] = {0};
    stress_meet(&arrived, n_pushers + 1);
    for (bool was_over = false;;) {
        struct completion_node *link = completion_list_take_all(&list);
        if (link == NULL) {
            if (was_over)
                break;
            was_over = atomic_load(&n_left) == 0;
            sched_yield();
            continue;
        }
        for (struct completion_node *next; link != NULL; link = next) {
            next = next_of(link);
            struct node *node = node_of(link);
            STRESS_CHECK(node->number == expected[node->pusher]);
            expected[node->pusher]++;
            atomic_store_explicit(&node->is_free, true, memory_order_release);
        }
    }
    for (int i = 0; i < n_pushers; i++)
        STRESS_CHECK(expected[i] == RECYCLED_PUSHES);
    STRESS_CHECK(completion_list_is_empty(&list));
}

/* ---- reopened ---- */

static void *push_late_main(void *arg) {
    struct pusher *it = arg;
    stress_meet(&arrived, n_pushers + 1);
    uint64_t own = filch_load_relaxed(&generation);
    for (long i = 0; i < NODES; i++) {
        struct node *node = &it->nodes[i];
        if (random_below(&it->random, 4) == 0)
            own = filch_load_relaxed(&generation);
        if (random_below(&it->random, 64) == 0)
            sched_yield();
        node->generation = own;
        node->number = i;
        node->was_accepted = completion_list_push(&list, own, &node->link);
    }
    atomic_fetch_sub(&n_left, 1);
    return NULL;
}

static void take_under(uint64_t current) {
    struct completion_node *link = completion_list_take_all(&list);
    for (; link != NULL; link = next_of(link)) {
        struct node *node = node_of(link);
        STRESS_CHECK(node->generation == current);
        STRESS_CHECK_MSG(!node->was_taken, "a node arrived twice");
        node->was_taken = true;
    }
}

/* Returns: the last generation. */
static uint64_t take_reopened(uint64_t random) {
    uint64_t current = filch_load_relaxed(&generation);
    stress_meet(&arrived, n_pushers + 1);
    while (atomic_load(&n_left) > 0) {
        take_under(current);
        if (random_below(&random, 3) == 0) {
            uint64_t opened = completion_list_reopen(&list);
            STRESS_CHECK(opened == ((current + 1) & GENERATION_MASK));
            current = opened;
            filch_store_relaxed(&generation, current);
        }
        stress_gap(&random, 20);
    }
    take_under(current);
    return current;
}

static void check_reopened(const struct node *nodes, uint64_t last) {
    static bool was_dropped[GENERATION_MASK + 1]; /* by generation */
    for (int i = 0; i < NODES; i++) {
        const struct node *node = &nodes[i];
        STRESS_CHECK_MSG(node->was_accepted || !node->was_taken, "refused, but it arrived");
        if (!node->was_accepted)
            continue;
        bool *dropped = &was_dropped[node->generation];
        STRESS_CHECK_MSG(!(*dropped && node->was_taken),
                         "an older push of the generation was lost");
        STRESS_CHECK_MSG(node->was_taken || node->generation != last,
                         "the last generation lost one");
        *dropped = !node->was_taken;
    }
    for (int i = 0; i < NODES; i++)
        was_dropped[nodes[i].generation] = false;
}

static void run_round(const struct stress *stress, long round) {
    bool is_recycled = round % 2 == 0;
    n_pushers = 1 + (int)(round / 2 % PUSHERS_MOST);
    atomic_store(&arrived, 0);
    atomic_store(&n_left, n_pushers);
    filch_store_relaxed(&generation, completion_list_reopen(&list));
    struct pusher pushers[PUSHERS_MOST];
    pthread_t threads[PUSHERS_MOST];
    for (int i = 0; i < n_pushers; i++) {
        struct node *nodes = is_recycled ? recycled[i] : fresh[i];
        for (int j = 0; j < (is_recycled ? RECYCLED : NODES); j++) {
            nodes[j].pusher = i;
            nodes[j].was_taken = false;
            atomic_store(&nodes[j].is_free, true);
        }
        pushers[i] = (struct pusher){i, stress_stream(stress, round, i + 1), nodes};
        threads[i] = stress_start(is_recycled ? recycle_main : push_late_main, &pushers[i]);
    }
    uint64_t last = 0;
    if (is_recycled)
        take_recycled();
    else
        last = take_reopened(stress_stream(stress, round, 0));
    for (int i = 0; i < n_pushers; i++)
        stress_join(threads[i]);
    for (int i = 0; i < n_pushers && !is_recycled; i++)
        check_reopened(fresh[i], last);
}

int main(int argc, char **argv) {
    struct stress stress = stress_begin(argc, argv, "completion_list", 200);
    /* Start just below the end of the generations: they go round. */
    filch_store_relaxed(&list.head, GENERATION_MASK - 20);
    for (long round = 0; round < stress.rounds; round++)
        run_round(&stress, round);
    return EXIT_SUCCESS;
}
