/* subscribers.c: each callback runs once, after the outcome, oldest first; each consumer that waits is
 * told; nobody is told for a collection that is over; and all nodes come back. */
#include "host.h"

static filch_atomic_u32 n_called[3]; /* by the callback's argument */
static filch_atomic_u32 n_calls;
static uint32_t generation;
static struct consumer *consumers[2]; /* open from the start */

static void set_up(uint32_t handles) {
    for (int i = 0; i < 2; i++) {
        consumers[i] = filchi_consumer_open();
        model_name(consumers[i], sizeof *consumers[i], i == 0 ? "consumer 0" : "consumer 1");
        model_name(&consumers[i]->bell, sizeof(uint32_t), i == 0 ? "bell 0" : "bell 1");
    }
    host_open(handles);
    generation = generation_of(0);
    filch_store_relaxed(&n_calls, 0u);
    for (int i = 0; i < 3; i++)
        filch_store_relaxed(&n_called[i], 0u);
}

static void set_up_one(void) {
    set_up(1);
}

static void set_up_two(void) {
    set_up(2);
}

static void end_second(uint32_t handles) {
    (void)filchi_future_cancel_pending(futures[1], generation_of(1));
    for (uint32_t i = 0; i < handles; i++)
        filch_release(futures[1]);
}

static void check_one(void) {
    end_second(1);
    host_check(2);
}

static void check_two(void) {
    end_second(2);
    host_check(2);
}

static void run_first(void) {
    (void)run(0, generation);
}

static void run_second(void) {
    (void)run(1, generation);
}

/* ---- callbacks ---- */

static void count_call(filch_future *future, void *arg) {
    look_at(future == futures[0] ? 0 : 1);
    (void)filch_fetch_add_relaxed(&n_called[(uintptr_t)arg], 1u);
}

static void add_callback(void) {
    (void)filchi_subscribers_add_callback(futures[0], count_call, (void *)0);
    filch_release(futures[0]);
}

static void add_other_callback(void) {
    (void)filchi_subscribers_add_callback(futures[0], count_call, (void *)1);
    filch_release(futures[0]);
}

static void check_calls(void) {
    model_assert(filch_load_relaxed(&n_called[0]) == 1);
    model_assert(filch_load_relaxed(&n_called[1]) == 1);
    check_two();
}

/* Two that were added long ago run one after the other, the older one first, whoever adds a third. */
static void count_in_order(filch_future *future, void *arg) {
    (void)future;
    model_assert(filch_fetch_add_relaxed(&n_calls, 1u) == (uintptr_t)arg);
}

static void set_up_ordered(void) {
    set_up(2);
    (void)filchi_subscribers_add_callback(futures[0], count_in_order, (void *)0);
    (void)filchi_subscribers_add_callback(futures[0], count_in_order, (void *)1);
}

static void add_consumer_and_leave(void) {
    struct subscriber *node;
    struct consumer *mine = consumers[1];
    (void)filchi_subscribers_add(futures[0], mine, mine->generation, &node);
    if (node != NULL)
        filchi_subscribers_abandon(node);
    filchi_consumer_close(mine);
    filch_release(futures[0]);
}

static void check_order(void) {
    model_assert(filch_load_relaxed(&n_calls) == 2);
    check_two();
}

static void cancel(void) {
    (void)filchi_future_cancel_pending(futures[0], generation);
}

/* A callback that gives back the handle of who added it. */
static void release_in_call(filch_future *future, void *arg) {
    count_call(future, arg);
    filch_release(future);
}

static void set_up_releasing(void) {
    set_up(1);
    it.nodes_die = true;
}

static void add_releasing(void) {
    (void)filchi_subscribers_add_callback(futures[0], release_in_call, (void *)0);
}

static void check_called_once(void) {
    model_assert(filch_load_relaxed(&n_called[0]) == 1);
    check_one();
}

/* ---- consumers ---- */

/* Waits for one future as filch_wait does. Returns: the node, NULL if it was done. */
static struct subscriber *subscribe(struct consumer *mine, int i) {
    struct subscriber *node;
    model_assert(filchi_subscribers_add(futures[i], mine, mine->generation, &node) == FILCH_OK);
    if (node == NULL)
        look_at(i);
    return node;
}

static void await_node(struct consumer *mine, struct subscriber *node, int i) {
    model_assert(filchi_consumer_await(mine, &it.host, FILCHI_NEVER) == FILCH_OK);
    struct completion_node *first = consumer_take_all(mine);
    model_assert(first == &node->link && filch_load_relaxed(&first->next) == NULL);
    model_assert(node->future == futures[i]);
    filchi_future_await_outcome(futures[i]);
    look_at(i);
}

static void wait_with(struct consumer *mine) {
    struct subscriber *node = subscribe(mine, 0);
    if (node != NULL) {
        await_node(mine, node, 0);
        filchi_subscribers_abandon(node);
    }
    filchi_consumer_close(mine);
    filch_release(futures[0]);
}

static void wait_for_first(void) {
    wait_with(consumers[0]);
}

static void wait_for_first_too(void) {
    wait_with(consumers[1]);
}

/* A node was abandoned long ago; two take it over, or one does. */
static void set_up_abandoned(void) {
    set_up(2);
    struct subscriber *node = subscribe(consumers[0], 0);
    filchi_subscribers_abandon(node);
}

/* Gives up, and takes the abandoned node over: its own, or another one's. */
static void wait_again(void) {
    struct consumer *mine = consumers[0];
    struct subscriber *node = subscribe(mine, 0);
    if (node != NULL)
        filchi_subscribers_abandon(node);
    filchi_consumer_close(mine);
    wait_with(filchi_consumer_open());
}

/* A finisher that is late for a collection that is over rings nobody else's bell. */
static void leave_and_wait_for_second(void) {
    struct consumer *mine = consumers[0];
    struct subscriber *node = subscribe(mine, 0);
    if (node != NULL)
        filchi_subscribers_abandon(node);
    filchi_consumer_close(mine);
    mine = filchi_consumer_open();
    model_assert(completion_list_is_empty(&mine->list));
    node = subscribe(mine, 1);
    if (node != NULL) {
        await_node(mine, node, 1);
        filchi_subscribers_abandon(node);
    }
    filchi_consumer_close(mine);
    filch_release(futures[0]);
    filch_release(futures[1]);
}

static void check_both_released(void) {
    host_check(2);
}

/* Both futures of one collection. */
static void wait_for_both(void) {
    struct consumer *mine = consumers[0];
    struct subscriber *nodes[2];
    int n_left = 0;
    for (int i = 0; i < 2; i++) {
        nodes[i] = subscribe(mine, i);
        n_left += nodes[i] != NULL;
    }
    while (n_left > 0) {
        model_assert(filchi_consumer_await(mine, &it.host, FILCHI_NEVER) == FILCH_OK);
        struct completion_node *node = consumer_take_all(mine);
        for (; node != NULL; node = (struct completion_node *)filch_load_relaxed(&node->next)) {
            filch_future *future = container_of(node, struct subscriber, link)->future;
            filchi_future_await_outcome(future);
            look_at(future == futures[0] ? 0 : 1);
            n_left--;
        }
    }
    filchi_consumer_close(mine);
    filch_release(futures[0]);
    filch_release(futures[1]);
}

const struct model_scenario model_scenarios[] = {
    {.name = "subscribers.callbacks",
     .setup = set_up_two,
     .threads = {THREAD("worker", run_first), THREAD("adder", add_callback),
                 THREAD("adder2", add_other_callback)},
     .check = check_calls,
     .teardown = host_close},
    {.name = "subscribers.cancel",
     .setup = set_up_two,
     .threads = {THREAD("canceller", cancel), THREAD("adder", add_callback),
                 THREAD("adder2", add_other_callback)},
     .check = check_calls,
     .teardown = host_close},
    {.name = "subscribers.order",
     .setup = set_up_ordered,
     .threads = {THREAD("worker", run_first), THREAD("adder", add_callback),
                 THREAD("waiter", add_consumer_and_leave)},
     .check = check_order,
     .teardown = host_close},
    {.name = "subscribers.release",
     .setup = set_up_releasing,
     .threads = {THREAD("worker", run_first), THREAD("adder", add_releasing)},
     .check = check_called_once,
     .teardown = host_close},
    {.name = "subscribers.wait",
     .setup = set_up_two,
     .threads = {THREAD("worker", run_first), THREAD("waiter", wait_for_first),
                 THREAD("waiter2", wait_for_first_too)},
     .check = check_two,
     .teardown = host_close},
    {.name = "subscribers.again",
     .setup = set_up_two,
     .threads = {THREAD("worker", run_first), THREAD("waiter", wait_for_first),
                 THREAD("leaver", add_consumer_and_leave)},
     .check = check_two,
     .teardown = host_close},
    {.name = "subscribers.claim",
     .setup = set_up_abandoned,
     .threads = {THREAD("worker", run_first), THREAD("waiter", wait_for_first),
                 THREAD("waiter2", wait_for_first_too)},
     .check = check_two,
     .teardown = host_close},
    {.name = "subscribers.own_again",
     .setup = set_up_one,
     .threads = {THREAD("worker", run_first), THREAD("waiter", wait_again)},
     .check = check_one,
     .teardown = host_close},
    {.name = "subscribers.late",
     .setup = set_up_one,
     .threads = {THREAD("worker", run_first), THREAD("worker2", run_second),
                 THREAD("waiter", leave_and_wait_for_second)},
     .check = check_both_released,
     .teardown = host_close},
    {.name = "subscribers.both",
     .setup = set_up_one,
     .threads = {THREAD("worker", run_first), THREAD("worker2", run_second),
                 THREAD("waiter", wait_for_both)},
     .check = check_both_released,
     .teardown = host_close},
    {.name = NULL},
};
