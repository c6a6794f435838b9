/* deque.c: an owner and two thieves: every entry is taken once, and what was written before its push is
 * visible to who takes it. */
#include "model.h"

#include "structures/deque.h"
#include "structures/reclaim.h"

enum { ENTRIES = 8 };

static struct deque deque;
static _Alignas(64) unsigned char memory[2][sizeof(struct ring) + 8 * sizeof(uint64_t)];
static filch_atomic_u32 payload[ENTRIES]; /* entry e refers to payload[e] */
static filch_atomic_u32 n_taken[ENTRIES];
static uint64_t n_pushed; /* the owner's */

static struct ring *ring(int number) {
    return (struct ring *)memory[number];
}

static void set_up(size_t capacity) {
    n_pushed = 0;
    for (int i = 0; i < ENTRIES; i++) {
        filch_store_relaxed(&payload[i], 0u);
        filch_store_relaxed(&n_taken[i], 0u);
    }
    ring_init(ring(0), capacity);
    deque_init(&deque, ring(0));
    model_name(&deque, sizeof deque, "deque");
    model_name(&deque.top, sizeof deque.top, "top");
    model_name(&deque.bottom, sizeof deque.bottom, "bottom");
    model_name(&deque.ring, sizeof deque.ring, "ring");
    model_name(memory[0], sizeof memory[0], "ring 0");
    model_name(memory[1], sizeof memory[1], "ring 1");
    model_name(payload, sizeof payload, "payload");
    model_name(n_taken, sizeof n_taken, "n_taken");
}

static void take(uint64_t entry) {
    model_assert(entry < ENTRIES);
    model_assert(filch_load_relaxed(&payload[entry]) == 7);
    model_assert(filch_fetch_add_relaxed(&n_taken[entry], 1u) == 0);
}

static void push(void) {
    filch_store_relaxed(&payload[n_pushed], 7u);
    model_assert(deque_push(&deque, n_pushed));
    n_pushed++;
}

static void pop(void) {
    uint64_t entry;
    if (deque_pop(&deque, &entry))
        take(entry);
}

static void steal(void) {
    uint64_t entry;
    filchi_reclaim_enter();
    if (deque_steal(&deque, &entry) == DEQUE_TOOK)
        take(entry);
    filchi_reclaim_leave();
}

static void take_two(void) {
    uint64_t entries[2];
    filchi_reclaim_enter();
    size_t n = deque_take_many(&deque, entries, 2, 1);
    filchi_reclaim_leave();
    for (size_t i = 0; i < n; i++)
        take(entries[i]);
}

/* At the end: what is left can be taken, and then each entry was taken once. */
static void check_all(void) {
    uint64_t entry;
    while (deque_steal(&deque, &entry) == DEQUE_TOOK)
        take(entry);
    for (uint64_t i = 0; i < n_pushed; i++)
        model_assert(filch_load_relaxed(&n_taken[i]) == 1);
}

/* ---- pop against steal ---- */

static void set_up_pop(void) {
    set_up(4);
}

static void push_pop(void) {
    push();
    push();
    pop();
    push();
    pop();
    pop();
}

static void steal_twice(void) {
    steal();
    steal();
}

/* ---- the last entry; a slot that is written again ---- */

static void set_up_last(void) {
    set_up(2);
}

static void push_pop_push(void) {
    push();
    pop();
    push();
    push();
    pop();
}

/* ---- growth: the ring that was replaced is dead when those who read it have left ---- */

static void grow(void) {
    ring_init(ring(1), 8);
    struct ring *old = filchi_deque_grow(&deque, ring(1));
    filchi_reclaim_wait();
    old->mask = 0;
    model_dead(old, sizeof memory[0]);
}

static void push_grow_push(void) {
    push();
    push();
    grow();
    push();
    pop();
}

static void push_grow_push_only(void) {
    push();
    push();
    filch_store_relaxed(&payload[n_pushed], 7u);
    if (!deque_push(&deque, n_pushed)) {
        grow();
        model_assert(deque_push(&deque, n_pushed));
    }
    n_pushed++;
}

/* ---- compaction against batches: odd entries are stale ---- */

static bool is_even(void *arg, uint64_t entry) {
    (void)arg;
    if (entry % 2 == 0)
        return true;
    take(entry);
    return false;
}

static void push_compact_push(void) {
    push();
    push();
    push();
    filchi_deque_compact(&deque, is_even, NULL);
    push();
}

/* ---- the same where the owner pops, against thieves ---- */

static void push_compact_pop(void) {
    push();
    push();
    push();
    filchi_deque_compact_popped(&deque, is_even, NULL);
    pop();
    pop();
}

/* ---- the batch: refilled when empty, taken by everybody from the top ---- */

static void refill_steal_refill(void) {
    static const uint64_t entries[] = {0, 1, 2};
    for (int i = 0; i < 3; i++)
        filch_store_relaxed(&payload[i], 7u);
    n_pushed = 3;
    deque_refill(&deque, entries, 2);
    while (!deque_is_empty(&deque))
        steal();
    deque_refill(&deque, entries + 2, 1);
}

const struct model_scenario model_scenarios[] = {
    {.name = "deque.pop",
     .setup = set_up_pop,
     .threads = {THREAD("owner", push_pop), THREAD("thief", steal_twice), THREAD("thief2", steal)},
     .check = check_all},
    {.name = "deque.last",
     .setup = set_up_last,
     .threads = {THREAD("owner", push_pop_push), THREAD("thief", steal_twice),
                 THREAD("thief2", steal)},
     .check = check_all},
    {.name = "deque.grow",
     .setup = set_up_last,
     .threads = {THREAD("owner", push_grow_push), THREAD("thief", steal_twice),
                 THREAD("thief2", steal)},
     .check = check_all,
     .reclaims = true},
    {.name = "deque.grow_batches",
     .setup = set_up_last,
     .threads = {THREAD("owner", push_grow_push_only), THREAD("taker", take_two),
                 THREAD("thief", steal)},
     .check = check_all,
     .reclaims = true},
    {.name = "deque.compact",
     .setup = set_up_pop,
     .threads = {THREAD("owner", push_compact_push), THREAD("taker", take_two),
                 THREAD("taker2", take_two)},
     .check = check_all},
    {.name = "deque.compact_popped",
     .setup = set_up_pop,
     .threads = {THREAD("owner", push_compact_pop), THREAD("thief", steal_twice),
                 THREAD("thief2", steal)},
     .check = check_all},
    {.name = "deque.refill",
     .setup = set_up_last,
     .threads = {THREAD("owner", refill_steal_refill), THREAD("thief", steal_twice),
                 THREAD("thief2", steal)},
     .check = check_all},
    {.name = NULL},
};
