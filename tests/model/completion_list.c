/* completion_list.c: many push, one takes all; a list that is opened anew refuses late pushes; and who
 * sleeps until something comes wakes. */
#include "model.h"

#include "future/consumer.h"
#include "future/future.h"
#include "platform/clock.h"
#include <string.h>

enum { PUSHERS = 2, EACH = 2 };

struct entry {
    _Alignas(64) struct completion_node node;
    filch_atomic_u32 payload;
    bool is_taken; /* the taker's */
};

static struct consumer consumer;
static struct entry entries[PUSHERS][EACH];
static filch_atomic_u32 n_refused;
static uint64_t generation;
static int n_taken, last[PUSHERS]; /* the taker's */

static filch_status begin_block(struct future_host *unused) {
    (void)unused;
    return FILCH_OK;
}

static void end_block(struct future_host *unused) {
    (void)unused;
}

static struct future_host host = {.begin_block = begin_block, .end_block = end_block};

static void set_up(void) {
    memset(&consumer, 0, sizeof consumer);
    consumer.fd = -1;
    memset(entries, 0, sizeof entries);
    consumer.generation = completion_list_reopen(&consumer.list);
    generation = consumer.generation;
    filch_store_relaxed(&n_refused, 0u);
    n_taken = 0;
    last[0] = last[1] = -1;
    model_name(entries, sizeof entries, "entries");
    model_name(&consumer.list, sizeof consumer.list, "list");
    model_name(&consumer.bell, sizeof consumer.bell, "bell");
}

static void push(int pusher) {
    for (int i = 0; i < EACH; i++) {
        filch_store_relaxed(&entries[pusher][i].payload, 7u);
        filchi_consumer_push(&consumer, generation, &entries[pusher][i].node);
    }
}

static void push_first(void) {
    push(0);
}

static void push_second(void) {
    push(1);
}

/* Oldest first: a pusher's nodes come in its order. */
static void take(void) {
    struct completion_node *node = consumer_take_all(&consumer);
    for (; node != NULL; node = (struct completion_node *)filch_load_relaxed(&node->next)) {
        size_t at = (size_t)((struct entry *)node - &entries[0][0]);
        int pusher = (int)(at / EACH), number = (int)(at % EACH);
        model_assert(number > last[pusher]);
        last[pusher] = number;
        model_assert(filch_load_relaxed(&entries[pusher][number].payload) == 7);
        model_assert(!entries[pusher][number].is_taken);
        entries[pusher][number].is_taken = true;
        n_taken++;
    }
}

static void take_until_all(void) {
    while (n_taken < PUSHERS * EACH) {
        model_assert(filchi_consumer_await(&consumer, &host, FILCHI_NEVER) == FILCH_OK);
        take();
    }
}

static void take_with_limit(void) {
    if (filchi_consumer_await(&consumer, &host, filchi_clock_deadline(1e-6)) == FILCH_OK)
        take();
    take_until_all();
}

static void check_all(void) {
    model_assert(n_taken == PUSHERS * EACH);
}

/* ---- generations ---- */

static void push_one(int pusher) {
    filch_store_relaxed(&entries[pusher][0].payload, 7u);
    if (!completion_list_push(&consumer.list, generation, &entries[pusher][0].node))
        (void)filch_fetch_add_relaxed(&n_refused, 1u);
}

static void push_one_first(void) {
    push_one(0);
}

static void push_one_second(void) {
    push_one(1);
}

static int n_taken_late;

static void take_and_reopen(void) {
    take();
    uint64_t next = completion_list_reopen(&consumer.list);
    model_assert(next != generation);
    /* What was pushed between is given up with the old generation; nothing comes to the new one. */
    n_taken_late = n_taken;
    model_assert(completion_list_is_empty(&consumer.list));
    model_assert(completion_list_push(&consumer.list, next, &entries[0][1].node));
    struct completion_node *node = completion_list_take_all(&consumer.list);
    model_assert(node == &entries[0][1].node);
    model_assert(filch_load_relaxed(&node->next) == NULL);
}

static void check_reopened(void) {
    model_assert(n_taken + (int)filch_load_relaxed(&n_refused) <= PUSHERS);
    model_assert(completion_list_is_empty(&consumer.list));
}

const struct model_scenario model_scenarios[] = {
    {.name = "list.sleep",
     .setup = set_up,
     .threads = {THREAD("taker", take_until_all), THREAD("pusher", push_first),
                 THREAD("pusher2", push_second)},
     .check = check_all},
    {.name = "list.limit",
     .setup = set_up,
     .threads = {THREAD("taker", take_with_limit), THREAD("pusher", push_first),
                 THREAD("pusher2", push_second)},
     .check = check_all},
    {.name = "list.reopen",
     .setup = set_up,
     .threads = {THREAD("taker", take_and_reopen), THREAD("pusher", push_one_first),
                 THREAD("pusher2", push_one_second)},
     .check = check_reopened},
    {.name = NULL},
};
