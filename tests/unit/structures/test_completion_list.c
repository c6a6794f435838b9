/* The completion list in one thread. */
#include "structures/completion_list.h"
#include "test.h"
#include <stdalign.h>

struct node {
    alignas(64) struct completion_node link;
};

TEST(completion_list, order) {
    struct completion_list list = {{0}};
    struct node nodes[3];
    uint64_t generation = completion_list_reopen(&list);
    CHECK(completion_list_is_empty(&list));
    CHECK_NULL(completion_list_take_all(&list));
    for (int i = 0; i < 3; i++)
        CHECK(completion_list_push(&list, generation, &nodes[i].link));
    struct completion_node *taken = completion_list_take_all(&list);
    for (int i = 0; i < 3; i++) {
        CHECK_PTR_EQ(taken, &nodes[i].link);
        taken = (struct completion_node *)filch_load_relaxed(&taken->next);
    }
    CHECK_NULL(taken);
    CHECK(completion_list_is_empty(&list));
}

TEST(completion_list, late_pushes_are_refused) {
    struct completion_list list = {{0}};
    struct node node, late;
    uint64_t first = completion_list_reopen(&list);
    CHECK(completion_list_push(&list, first, &node.link));
    uint64_t second = completion_list_reopen(&list);
    CHECK_NE(first, second);
    CHECK(completion_list_is_empty(&list)); /* what was left in it is dropped */
    CHECK(!completion_list_push(&list, first, &late.link));
    CHECK(completion_list_is_empty(&list));
    CHECK(completion_list_push(&list, second, &node.link));
    CHECK_PTR_EQ(completion_list_take_all(&list), &node.link);
}

TEST(completion_list, generations_wrap) {
    struct completion_list list = {{GENERATION_MASK - 1}};
    uint64_t last = completion_list_reopen(&list), first = completion_list_reopen(&list);
    CHECK_EQ(last, GENERATION_MASK);
    CHECK_EQ(first, 0);
    struct node node;
    CHECK(!completion_list_push(&list, last, &node.link));
    CHECK(completion_list_push(&list, first, &node.link));
    CHECK_PTR_EQ(completion_list_take_all(&list), &node.link);
}
