/* future/subscribers.c: adding, firing, abandoning. */
#include "future/subscribers.h"

#include "base/status.h"
#include "future/ringer.h"

/* With FIRED: the tag of the process that fired, and how many of that worker had died before. */
enum {
    ARMED,
    ARMED_CALLBACK,
    FIRED,
    ABANDONED,
    CLAIMED,
    TAKEN,
    FIRED_BY_SHIFT = 8,
    FIRED_LIFE_SHIFT = 32
};

#define CLOSED ((uintptr_t)1)

static bool is_closed(const void *head) {
    return ((uintptr_t)head & CLOSED) != 0;
}

static struct subscriber *first_of(const void *head) {
    return (struct subscriber *)((uintptr_t)head & ~CLOSED);
}

static bool is_mortal(const struct future_host *host, uint32_t tag) {
    return host->lives != NULL && tag != PROCESS_OPENER && tag != PROCESS_REAPER;
}

/* What this process makes of the nodes that it fires. */
static uint64_t fired_here(const filch_future *future) {
    const struct future_host *host = future_host(future);
    if (!host->is_shared)
        return FIRED;
    uint32_t tag = filchi_process_tag(host);
    uint64_t life = is_mortal(host, tag) ? filch_load_relaxed(&host->lives[tag].n_deaths) : 0;
    return FIRED | (uint64_t)tag << FIRED_BY_SHIFT | life << FIRED_LIFE_SHIFT;
}

struct completion_node *filchi_subscribers_take_all(struct consumer *consumer) {
    struct completion_node *first = consumer_take_all(consumer);
    if (filch_load_relaxed(&consumer->bell) & BELL_REMOTE) {
        struct completion_node *link = first;
        for (; link != NULL; link = (struct completion_node *)filch_load_relaxed(&link->next))
            filch_store_relaxed(&container_of(link, struct subscriber, link)->state,
                                (uint64_t)TAKEN);
    }
    return first;
}

bool filchi_subscribers_take_lost(struct subscriber *node) {
    const struct future_host *host = future_host(node->future);
    uint64_t state = filch_load_acquire(&node->state); /* ARMED */
    uint32_t tag = (uint32_t)(state >> FIRED_BY_SHIFT) & 0xffff;
    if ((state & ((1 << FIRED_BY_SHIFT) - 1)) != FIRED || !is_mortal(host, tag))
        return false;
    uint32_t n_deaths = filch_load_acquire(&host->lives[tag].n_deaths); /* RESCAN */
    if ((uint32_t)(state >> FIRED_LIFE_SHIFT) == n_deaths)
        return false; /* it lives, and will push */
    filch_store_relaxed(&node->state, (uint64_t)TAKEN);
    return true;
}

static bool take_to_fire(struct subscriber *node, uint64_t armed, uint64_t fired) {
    return filch_load_seq_cst(&node->state) == armed &&    /* ARMED */
           filch_cas_seq_cst(&node->state, &armed, fired); /* ARMED */
}

/* Tells a node's consumer, unless somebody else has or the node is a callback. Nothing in it is read
 * before the CAS: somebody may just be taking an abandoned node over. */
static void fire_consumer(struct subscriber *node, uint64_t fired) {
    if (take_to_fire(node, ARMED, fired))
        filchi_consumer_push(node->to.consumer, node->generation, &node->link);
}

static void fire(struct subscriber *node, uint64_t fired) {
    fire_consumer(node, fired);
    if (take_to_fire(node, ARMED_CALLBACK, fired)) {
        struct future_host *host = future_host(node->future);
        host->call(host, node->future, node->to.fn, node->arg);
    }
}

/* The oldest node of a closed chain; from there `newer` leads back to its head. Nothing is pushed any
 * more, so two who walk at once write the same. */
static struct subscriber *oldest_of(const void *closed_head) {
    struct subscriber *oldest = NULL;
    for (struct subscriber *node = first_of(closed_head); node != NULL; node = node->next) {
        filch_store_relaxed(&node->newer, (void *)oldest);
        oldest = node;
    }
    return oldest;
}

static struct subscriber *newer_than(const struct subscriber *node) {
    return (struct subscriber *)filch_load_relaxed(&node->newer);
}

/* The chain may still grow, so this leaves `newer` alone; a consumer has one node here at most, and
 * order matters to callbacks only. */
void filchi_subscribers_fire_consumers(filch_future *future) {
    void *head = filch_load_seq_cst(&future->subscribers); /* NODE */
    uint64_t fired = fired_here(future);
    for (struct subscriber *node = first_of(head); node != NULL; node = node->next)
        fire_consumer(node, fired);
}

/* Nothing is pushed any more. Returns: the head. */
static void *close_chain(filch_future *future) {
    void *head = filch_load_acquire(&future->subscribers); /* NODE */
    while (!is_closed(head) &&
           !filch_cas_seq_cst(&future->subscribers, &head, (void *)((uintptr_t)head | CLOSED)))
        ; /* NODE, ARMED */
    return head;
}

bool filchi_subscribers_fire(filch_future *future) {
    void *head = close_chain(future);
    uint64_t fired = fired_here(future);
    uint32_t generation = filchi_process_generation();
    for (struct subscriber *node = oldest_of(head); node != NULL; node = newer_than(node)) {
        fire(node, fired);
        if (unlikely(generation != filchi_process_generation()) && !future_is_held(future))
            return false;
    }
    return true;
}

bool filchi_subscribers_leave_callbacks(filch_future *future) {
    void *head = close_chain(future);
    uint64_t fired = fired_here(future);
    bool is_left = false;
    for (struct subscriber *node = first_of(head); node != NULL; node = node->next) {
        fire_consumer(node, fired);
        is_left = is_left || filch_load_relaxed(&node->state) == ARMED_CALLBACK;
    }
    return is_left;
}

/* Sets SUBSCRIBED, so that the finisher looks at the chain. Returns: false if it is done already. */
static bool announce(filch_future *future) {
    uint64_t state = future_state(future);
    for (;;) {
        if (state_is_done(state))
            return false;
        if (state & FUTURE_SUBSCRIBED)
            return true;
        if (filch_cas_acq_rel(&future->state, &state, state | FUTURE_SUBSCRIBED)) /* NODE */
            return true;
    }
}

/* Returns: false if the chain is closed. */
static bool push(filch_future *future, struct subscriber *node) {
    void *head = filch_load_relaxed(&future->subscribers); /* only its address is used */
    do {
        if (is_closed(head))
            return false;
        node->next = first_of(head);
    } while (!filch_cas_seq_cst(&future->subscribers, &head, (void *)node)); /* NODE */
    return true;
}

static struct subscriber *take_node(filch_future *future) {
    struct future_host *host = future_host(future);
    struct subscriber *node = host->take(host, sizeof *node);
    if (node == NULL)
        filchi_fail(FILCH_NO_MEMORY, "no memory for a subscription to the future of task '%s'",
                    future->type->name);
    else
        node->future = future;
    return node;
}

/* Runs what the caller has to run, counted, so that closing waits for it. */
static void run_here(filch_future *future, void (*fn)(filch_future *, void *), void *arg) {
    struct future_host *host = future_host(future);
    host->enter_delivery(host);
    if (fn != NULL)
        host->call(host, future, fn, arg);
    else
        (void)filchi_subscribers_fire(future);
    host->leave_delivery(host);
}

static filch_status add_callback(filch_future *future, void (*fn)(filch_future *, void *),
                                 void *arg) {
    /* While its callbacks run, the chain is closed though they are not all through: a callback that
     * is added then runs at once, nested. */
    if (!state_is_done(future_state(future))) {
        struct subscriber *node = take_node(future);
        if (node == NULL)
            return FILCH_NO_MEMORY;
        node->to.fn = fn;
        node->arg = arg;
        filch_store_relaxed(&node->state, (uint64_t)ARMED_CALLBACK);
        if (push(future, node)) {
            /* Done already. If SUBSCRIBED was set before the outcome, who delivers comes to this node
             * too; a second walk beside that one would run callbacks out of their order. */
            if (!announce(future) && (future_state(future) & FUTURE_SUBSCRIBED) == 0)
                run_here(future, NULL, NULL);
            return FILCH_OK;
        }
        slab_free(node);
    }
    run_here(future, fn, arg);
    return FILCH_OK;
}

filch_status filchi_subscribers_add_callback(filch_future *future,
                                             void (*fn)(filch_future *, void *), void *arg) {
    /* The callback may give the caller's handle back before this is through with the block, and the
     * future may be all that keeps its host. */
    filch_retain(future);
    struct future_host *host = future_host(future);
    if (host->expect_call != NULL)
        host->expect_call(host, true);
    filch_status status = add_callback(future, fn, arg);
    if (unlikely(status != FILCH_OK) && host->expect_call != NULL)
        host->expect_call(host, false);
    filch_release(future);
    return status;
}

/* Takes over a node that somebody abandoned. */
static struct subscriber *claim_abandoned(filch_future *future) {
    void *head = filch_load_acquire(&future->subscribers); /* NODE */
    for (struct subscriber *node = first_of(head); node != NULL; node = node->next) {
        uint64_t abandoned = ABANDONED;
        if (filch_load_relaxed(&node->state) == ABANDONED &&
            filch_cas_acq_rel(&node->state, &abandoned, (uint64_t)CLAIMED)) /* CLAIMED */
            return node;
    }
    return NULL;
}

filch_status filchi_subscribers_add(filch_future *future, struct consumer *consumer,
                                    uint64_t generation, struct subscriber **out) {
    *out = NULL;
    if (state_is_done(future_state(future)))
        return FILCH_OK;
    if (future_host(future)->is_shared && filchi_ringer_expect_remote(consumer) != 0)
        return filchi_fail(FILCH_NO_MEMORY,
                           "no thread to watch the future of task '%s' for a "
                           "descriptor",
                           future->type->name);
    struct subscriber *node = claim_abandoned(future);
    bool is_chained = node != NULL;
    if (!is_chained) {
        node = take_node(future);
        if (node == NULL)
            return FILCH_NO_MEMORY;
        /* Not visible to anybody yet: CLAIMED keeps it from being fired before it is complete. */
        filch_store_relaxed(&node->state, (uint64_t)CLAIMED);
    }
    node->to.consumer = consumer;
    node->generation = generation;
    (void)filch_exchange_seq_cst(&node->state, (uint64_t)ARMED); /* ARMED */
    *out = node;
    if (!is_chained && !push(future, node)) {
        slab_free(node);
        *out = NULL;
        return FILCH_OK;
    }
    /* Consumers alone: callbacks that others are adding are theirs to run. */
    if (!announce(future) || is_closed(filch_load_seq_cst(&future->subscribers))) /* ARMED */
        filchi_subscribers_fire_consumers(future);
    return FILCH_OK;
}

void filchi_subscribers_abandon(struct subscriber *node) {
    uint64_t armed = ARMED;
    (void)filch_cas_seq_cst(&node->state, &armed, (uint64_t)ABANDONED); /* CLAIMED */
}

void filchi_subscribers_free(filch_future *future) {
    struct subscriber *node = first_of(filch_load_relaxed(&future->subscribers));
    for (struct subscriber *next; node != NULL; node = next) {
        next = node->next;
        filch_store_release(&future->subscribers,
                            (void *)next); /* RECORDED: it may be done twice */
        slab_free(node);
    }
}

filch_status filch_add_done_callback(filch_future *future,
                                     void (*fn)(filch_future *future, void *arg), void *arg) {
    if (future == NULL || fn == NULL)
        return filchi_fail(FILCH_INVALID, "filch_add_done_callback: %s is NULL",
                           future == NULL ? "future" : "fn");
    if (!filchi_future_check_held("filch_add_done_callback", future))
        return FILCH_INVALID_STATE;
    return filchi_subscribers_add_callback(future, fn, arg);
}
