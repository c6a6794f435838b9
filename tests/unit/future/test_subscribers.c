/* test_subscribers.c: who is told, how often, in which order; and that giving up leaves no growth. */
#include "unit/future/host.h"

enum { CALLS_MOST = 16 };
static int calls[CALLS_MOST], n_calls;

static void note(filch_future *future, void *arg) {
    CHECK(state_is_done(future_state(future)));
    CHECK_LT(n_calls, CALLS_MOST);
    calls[n_calls++] = (int)(intptr_t)arg;
}

static void start(void) {
    host_open();
    n_calls = 0;
}

static void add(filch_future *future, int number) {
    CHECK_EQ(filch_add_done_callback(future, note, (void *)(intptr_t)number), FILCH_OK);
}

static struct completion_node *next_of(const struct completion_node *link) {
    return (struct completion_node *)filch_load_relaxed(&link->next);
}

TEST(subscribers, smoke) {
    start();
    filch_future *future = host_submit(NULL);
    for (int i = 0; i < 5; i++)
        add(future, i);
    CHECK_EQ(n_calls, 0);
    host_run(future, FUTURE_FINISHED);
    CHECK_EQ(n_calls, 5);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(calls[i], i); /* in the order of adding */
    add(future, 9);            /* done already: here and now */
    CHECK_EQ(n_calls, 6);
    CHECK_EQ(atomic_load(&it.n_nodes), 5);
    filch_release(future);
    host_close();
}

TEST(subscribers, every_end_tells) {
    for (int end = 0; end < 3; end++) {
        start();
        filch_future *future = host_submit(NULL);
        add(future, 0);
        if (end == 0)
            host_run(future, FUTURE_FINISHED);
        else if (end == 1)
            CHECK(filch_cancel(future));
        else
            CHECK(filchi_future_break(future, generation_of(future)));
        CHECK_EQ(n_calls, 1);
        (void)filch_exception(future);
        filch_release(future);
        host_close();
    }
}

TEST(subscribers, consumers_get_nodes_in_order) {
    start();
    enum { FUTURES = 6 };
    struct consumer *consumer = filchi_consumer_open();
    filch_future *futures[FUTURES];
    struct subscriber *nodes[FUTURES];
    for (int i = 0; i < FUTURES; i++) {
        futures[i] = host_submit(NULL);
        CHECK_EQ(filchi_subscribers_add(futures[i], consumer, consumer->generation, &nodes[i]),
                 FILCH_OK);
        CHECK_NOT_NULL(nodes[i]);
    }
    CHECK_NULL(consumer_take_all(consumer));
    static const int order[FUTURES] = {3, 0, 5, 4, 1, 2};
    for (int i = 0; i < FUTURES; i++)
        host_run(futures[order[i]], FUTURE_FINISHED);
    CHECK_EQ(filchi_consumer_await(consumer, &it.host, 0), FILCH_OK); /* it need not */
    struct completion_node *link = consumer_take_all(consumer);
    for (int i = 0; i < FUTURES; i++, link = next_of(link))
        CHECK_PTR_EQ(link, &nodes[order[i]]->link);
    CHECK_NULL(link);
    CHECK_EQ(filchi_consumer_await(consumer, &it.host, 1), FILCH_TIMEOUT);
    for (int i = 0; i < FUTURES; i++)
        filch_release(futures[i]);
    filchi_consumer_close(consumer);
    host_close();
}

TEST(subscribers, a_done_future_takes_none) {
    start();
    struct consumer *consumer = filchi_consumer_open();
    filch_future *future = host_submit(NULL);
    host_run(future, FUTURE_FINISHED);
    struct subscriber *node;
    CHECK_EQ(filchi_subscribers_add(future, consumer, consumer->generation, &node), FILCH_OK);
    CHECK_NULL(node);
    CHECK_NULL(consumer_take_all(consumer));
    CHECK_EQ(atomic_load(&it.n_nodes), 0);
    filch_release(future);
    filchi_consumer_close(consumer);
    host_close();
}

TEST(subscribers, closed_consumers_are_not_told) {
    start();
    struct consumer *consumer = filchi_consumer_open();
    uint64_t generation = consumer->generation;
    filch_future *future = host_submit(NULL);
    struct subscriber *node;
    CHECK_EQ(filchi_subscribers_add(future, consumer, generation, &node), FILCH_OK);
    filchi_consumer_close(
        consumer); /* without giving the subscription up: a finisher that is late */
    struct consumer *again = filchi_consumer_open();
    while (again != consumer) { /* sooner or later the cell is used again */
        filchi_consumer_close(again);
        again = filchi_consumer_open();
    }
    CHECK_NE(again->generation, generation);
    host_run(future, FUTURE_FINISHED);
    CHECK_NULL(consumer_take_all(again));
    filch_release(future);
    filchi_consumer_close(again);
    host_close();
}

TEST(subscribers, giving_up_leaves_no_growth) {
    start();
    filch_future *future = host_submit(NULL);
    add(future, 1);
    for (int i = 0; i < 10000; i++) {
        struct consumer *consumer = filchi_consumer_open();
        struct subscriber *nodes[2];
        for (int j = 0; j < 2; j++)
            CHECK_EQ(filchi_subscribers_add(future, consumer, consumer->generation, &nodes[j]),
                     FILCH_OK);
        CHECK(nodes[0] != nodes[1]);
        CHECK_EQ(filchi_consumer_await(consumer, &it.host, 1), FILCH_TIMEOUT);
        for (int j = 0; j < 2; j++)
            filchi_subscribers_abandon(nodes[j]);
        filchi_consumer_close(consumer);
    }
    CHECK_EQ(atomic_load(&it.n_nodes), 3);
    struct consumer *consumer = filchi_consumer_open(); /* a node that is armed again tells */
    struct subscriber *node;
    CHECK_EQ(filchi_subscribers_add(future, consumer, consumer->generation, &node), FILCH_OK);
    host_run(future, FUTURE_FINISHED);
    struct completion_node *link = consumer_take_all(consumer);
    CHECK_PTR_EQ(link, &node->link);
    CHECK_NULL(next_of(link));
    CHECK_EQ(n_calls, 1);
    filchi_subscribers_abandon(node); /* too late, and harmless */
    filch_release(future);
    filchi_consumer_close(consumer);
    host_close();
}

TEST(subscribers, no_memory) {
    start();
    struct consumer *consumer = filchi_consumer_open();
    filch_future *future = host_submit(NULL);
    it.has_no_memory = true;
    CHECK_EQ(filch_add_done_callback(future, note, NULL), FILCH_NO_MEMORY);
    CHECK_STR_HAS(filch_error_message(), "test_task");
    struct subscriber *node;
    CHECK_EQ(filchi_subscribers_add(future, consumer, consumer->generation, &node),
             FILCH_NO_MEMORY);
    CHECK_NULL(node);
    it.has_no_memory = false;
    add(future, 3);
    host_run(future, FUTURE_FINISHED);
    CHECK_EQ(n_calls, 1);
    filch_release(future);
    filchi_consumer_close(consumer);
    host_close();
}

static void add_nested(filch_future *future, void *arg) {
    note(future, arg);
    add(future, 8);
}

TEST(subscribers, a_callback_adds_a_callback) {
    start();
    filch_future *future = host_submit(NULL);
    CHECK_EQ(filch_add_done_callback(future, add_nested, (void *)(intptr_t)1), FILCH_OK);
    add(future, 2);
    host_run(future, FUTURE_FINISHED);
    CHECK_EQ(n_calls, 3);
    CHECK_EQ(calls[0], 1);
    CHECK_EQ(calls[1], 8);
    CHECK_EQ(calls[2], 2);
    filch_release(future);
    host_close();
}

static void give_back(filch_future *future, void *arg) {
    note(future, arg);
    filch_release(future);
}

TEST(subscribers, a_callback_gives_the_last_handle_back) {
    for (int end = 0; end < 3; end++) {
        start();
        filch_future *future = host_submit(NULL);
        if (end == 2)
            host_run(future, FUTURE_FINISHED);
        CHECK_EQ(filch_add_done_callback(future, give_back, NULL), FILCH_OK);
        if (end == 0)
            host_run(future, FUTURE_FINISHED);
        else if (end == 1)
            CHECK(filch_cancel(future));
        CHECK_EQ(n_calls, 1);
        CHECK_EQ(phase_of(future), FUTURE_FREE);
        host_close();
    }
}

/* ---- the future finishes while a subscriber is being added ---- */

static filch_future *finishing;

static void finish_now(void) {
    it.in_take_node = NULL;
    host_run(finishing, FUTURE_FINISHED);
}

TEST(subscribers, done_while_a_callback_is_added) {
    start();
    finishing = host_submit(NULL);
    it.in_take_node = finish_now;
    add(finishing, 1);
    CHECK_EQ(n_calls, 1);
    CHECK_EQ(atomic_load(&it.n_delivering), 0);
    filch_release(finishing);
    host_close();
}

TEST(subscribers, done_while_a_consumer_is_added) {
    start();
    struct consumer *consumer = filchi_consumer_open();
    finishing = host_submit(NULL);
    it.in_take_node = finish_now;
    struct subscriber *node;
    CHECK_EQ(filchi_subscribers_add(finishing, consumer, consumer->generation, &node), FILCH_OK);
    if (node != NULL) { /* it was told, or told that there is nothing to be told */
        struct completion_node *link = consumer_take_all(consumer);
        CHECK_PTR_EQ(link, &node->link);
        CHECK_NULL(next_of(link));
    }
    filch_release(finishing);
    filchi_consumer_close(consumer);
    host_close();
}

/* In a callback that is run by its adder because the future ended meanwhile: the last handle goes,
 * and the node's cell, free then, is used for something else at once. */
static void give_back_and_reuse(filch_future *future, void *arg) {
    note(future, arg);
    filch_release(future);
    struct slab *slab = it.nodes.slab;
    for (uint32_t i = 0; i < slab->n_cells; i++) {
        unsigned char *cell = heap_take(&it.nodes);
        memset(cell, 0xff, 64);
    }
}

TEST(subscribers, done_while_a_callback_is_added_that_gives_the_last_handle_back) {
    start();
    finishing = host_submit(NULL);
    it.in_take_node = finish_now;
    CHECK_EQ(filch_add_done_callback(finishing, give_back_and_reuse, NULL), FILCH_OK);
    CHECK_EQ(n_calls, 1);
    CHECK_EQ(phase_of(finishing), FUTURE_FREE);
    filchi_arena_close(it.arena);
}

/* ---- at once ---- */

enum { ROUNDS = 2000, ADDERS = 2 };
static filch_future *_Atomic target;
static atomic_int at_round, n_done;
static atomic_int n_called, n_told;

static void count(filch_future *future, void *arg) {
    CHECK(state_is_done(future_state(future)));
    (void)arg;
    atomic_fetch_add(&n_called, 1);
}

/* Subscribes, gives up and subscribes again until it is told, or told that it is done. */
static void watch(filch_future *future) {
    struct consumer *consumer = filchi_consumer_open();
    struct subscriber *node;
    for (int turn = 0;; turn++) {
        CHECK_EQ(filchi_subscribers_add(future, consumer, consumer->generation, &node), FILCH_OK);
        if (node == NULL)
            break;
        if (turn % 4 == 3 && filchi_consumer_await(consumer, &it.host, FILCHI_NEVER) == FILCH_OK) {
            struct completion_node *link = consumer_take_all(consumer);
            for (; link != NULL; link = next_of(link)) /* of an earlier turn, perhaps */
                CHECK_PTR_EQ(container_of(link, struct subscriber, link)->future, future);
            filchi_future_await_outcome(future);
            break;
        }
        filchi_subscribers_abandon(node);
    }
    filchi_consumer_close(consumer);
    CHECK(filch_done(future));
    atomic_fetch_add(&n_told, 1);
}

static void *watch_main(void *unused) {
    (void)unused;
    for (int round = 1; round <= ROUNDS; round++) {
        while (atomic_load(&at_round) < round)
            sched_yield();
        filch_future *future = atomic_load(&target);
        CHECK_EQ(filch_add_done_callback(future, count, NULL), FILCH_OK);
        watch(future);
        CHECK_EQ(filch_add_done_callback(future, count, NULL), FILCH_OK);
        filch_release(future);
        atomic_fetch_add(&n_done, 1);
    }
    return NULL;
}

TEST(subscribers, stress) {
    start();
    atomic_store(&at_round, 0);
    atomic_store(&n_done, 0);
    atomic_store(&n_called, 0);
    atomic_store(&n_told, 0);
    pthread_t threads[ADDERS];
    for (int i = 0; i < ADDERS; i++)
        threads[i] = thread_start(watch_main, NULL);
    for (int round = 1; round <= ROUNDS; round++) {
        filch_future *future = host_submit(NULL);
        for (int i = 0; i < ADDERS; i++)
            filch_retain(future);
        atomic_store(&target, future);
        atomic_store(&at_round, round);
        for (int i = round % 256 * 8; i > 0; i--)
            atomic_signal_fence(memory_order_seq_cst);
        if (round % 3 == 0)
            CHECK(filch_cancel(future));
        else
            host_run(future, FUTURE_FINISHED);
        filch_release(future);
        while (atomic_load(&n_done) < round * ADDERS)
            sched_yield();
        CHECK_EQ(phase_of(future), FUTURE_FREE);
        CHECK_EQ(atomic_load(&n_called), round * ADDERS * 2);
        CHECK_EQ(atomic_load(&n_told), round * ADDERS);
    }
    for (int i = 0; i < ADDERS; i++)
        thread_join(threads[i]);
    host_close();
}
