/* test_completion_list.c: order, generations, and many pushers. stress/completion_list.c does more of
 * the latter. */
#include "structures/completion_list.h"

#include "contract/gate.h"

enum { NODES = 16, PUSHERS = 3, PUSHES = 5000 };

struct node {
    _Alignas(64) struct completion_node link;
    long number;
};

static struct node nodes[NODES];

static struct completion_node *next_of(const struct completion_node *link) {
    return (struct completion_node *)filch_load_relaxed(&link->next);
}

TEST(completion_list, smoke) {
    struct completion_list list = {{0}};
    uint64_t generation = completion_list_reopen(&list);
    for (int i = 0; i < 3; i++)
        CHECK(completion_list_push(&list, generation, &nodes[i].link));
    CHECK(!completion_list_is_empty(&list));
    struct completion_node *link = completion_list_take_all(&list);
    for (int i = 0; i < 3; i++, link = next_of(link))
        CHECK_PTR_EQ(link, &nodes[i].link); /* oldest first */
    CHECK_NULL(link);
    CHECK(completion_list_is_empty(&list));
}

TEST(completion_list, empty) {
    struct completion_list list = {{0}};
    CHECK(completion_list_is_empty(&list));
    CHECK_NULL(completion_list_take_all(&list));
    uint64_t generation = completion_list_reopen(&list);
    CHECK(completion_list_is_empty(&list));
    CHECK_NULL(completion_list_take_all(&list));
    for (int i = 0; i < 3; i++) { /* a single node, again and again */
        CHECK(completion_list_push(&list, generation, &nodes[0].link));
        CHECK_PTR_EQ(completion_list_take_all(&list), &nodes[0].link);
        CHECK_NULL(next_of(&nodes[0].link));
        CHECK_NULL(completion_list_take_all(&list));
    }
}

TEST(completion_list, reopening_empties_it_and_refuses_older_pushes) {
    struct completion_list list = {{0}};
    uint64_t first = completion_list_reopen(&list);
    CHECK(completion_list_push(&list, first, &nodes[0].link));
    uint64_t second = completion_list_reopen(&list);
    CHECK_NE(first, second);
    CHECK(completion_list_is_empty(&list));
    CHECK(!completion_list_push(&list, first, &nodes[1].link));
    CHECK(completion_list_is_empty(&list));
    CHECK(completion_list_push(&list, second, &nodes[2].link));
    CHECK(!completion_list_push(&list, first, &nodes[1].link));
    CHECK_PTR_EQ(completion_list_take_all(&list), &nodes[2].link);
    CHECK_NULL(next_of(&nodes[2].link));
}

TEST(completion_list, generations_go_round) {
    struct completion_list list;
    filch_store_relaxed(&list.head, GENERATION_MASK - 1);
    CHECK_EQ(completion_list_reopen(&list), GENERATION_MASK);
    CHECK(completion_list_push(&list, GENERATION_MASK, &nodes[0].link));
    CHECK_EQ(completion_list_reopen(&list), 0); /* the node's address is not touched by the carry */
    CHECK(completion_list_is_empty(&list));
    CHECK(!completion_list_push(&list, GENERATION_MASK, &nodes[0].link));
    CHECK(completion_list_push(&list, 0, &nodes[1].link));
    CHECK_PTR_EQ(completion_list_take_all(&list), &nodes[1].link);
}

TEST(completion_list, addresses_of_48_bits) {
    static const uintptr_t addresses[] = {64, 0x7fffffffffc0, 0xffffffffffc0, 0x555555555540};
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++)
        for (uint64_t generation = 0; generation <= GENERATION_MASK;
             generation += GENERATION_MASK) {
            struct completion_node *node = (struct completion_node *)addresses[i];
            uint64_t head = completion_head(node, generation);
            CHECK_PTR_EQ(completion_first(head), node);
            CHECK_EQ(head & GENERATION_MASK, generation);
        }
}

static struct completion_list shared;
static uint64_t shared_generation;
static struct node pushed[PUSHERS][PUSHES];

static void *push_all(void *arg) {
    struct node *mine = arg;
    for (long i = 0; i < PUSHES; i++) {
        mine[i].number = i;
        CHECK(completion_list_push(&shared, shared_generation, &mine[i].link));
    }
    return NULL;
}

static void run_with_pushers(int n_pushers) {
    shared_generation = completion_list_reopen(&shared);
    pthread_t threads[PUSHERS];
    for (int i = 0; i < n_pushers; i++)
        threads[i] = thread_start(push_all, pushed[i]);
    long expected[PUSHERS] = {0};
    for (int n = 0; n < n_pushers * PUSHES;) {
        struct completion_node *link = completion_list_take_all(&shared);
        if (link == NULL)
            sched_yield();
        for (; link != NULL; link = next_of(link), n++) {
            struct node *node = (struct node *)link;
            long pusher = (node - &pushed[0][0]) / PUSHES;
            CHECK_EQ(node->number, expected[pusher]); /* each pusher's in its order, each once */
            expected[pusher]++;
        }
    }
    for (int i = 0; i < n_pushers; i++)
        thread_join(threads[i]);
    CHECK(completion_list_is_empty(&shared));
}

TEST(completion_list, spsc) {
    run_with_pushers(1);
}

TEST(completion_list, mpsc) {
    run_with_pushers(PUSHERS);
}
