/* deque.c: every entry that was pushed is taken exactly once, by the owner or by a thief, while the
 * ring grows (an owner that pops) or is compacted and grows (an owner that never pops).
 *
 *     stress.deque [rounds [seed]] */
#include "structures/deque.h"
#include "stress.h"
#include "structures/reclaim.h"

enum { THIEVES = 3, ENTRIES = 100000, BATCH = 32 };

/* One round: entries are numbered from 1; even ones are stale for the compacting owner. */
static struct {
    struct deque deque;
    bool is_popped;
    atomic_int owner_done;
    atomic_uchar taken[ENTRIES + 1];
} game;

static void take(uint64_t entry) {
    STRESS_CHECK(entry >= 1 && entry <= ENTRIES);
    STRESS_CHECK(atomic_fetch_add(&game.taken[entry], 1) == 0);
}

static struct ring *new_ring(size_t capacity) {
    struct ring *ring = malloc(ring_bytes(capacity));
    STRESS_CHECK(ring != NULL);
    ring_init(ring, capacity);
    return ring;
}

/* Returns: whether something was there, won or lost. */
static bool rob(void) {
    uint64_t entries[BATCH];
    size_t n = 0;
    bool was_there;
    filchi_reclaim_enter();
    if (game.is_popped) {
        enum deque_outcome outcome = deque_steal(&game.deque, entries);
        n = outcome == DEQUE_TOOK;
        was_there = outcome != DEQUE_EMPTY;
    } else {
        n = deque_take_many(&game.deque, entries, BATCH, 2);
        was_there = n > 0 || !deque_is_empty(&game.deque);
    }
    filchi_reclaim_leave();
    for (size_t i = 0; i < n; i++)
        take(entries[i]);
    return was_there;
}

static void *thief(void *arg) {
    (void)arg;
    for (;;) {
        bool done = atomic_load(&game.owner_done);
        if (!rob() && done)
            return NULL;
    }
}

static bool is_live(void *arg, uint64_t entry) {
    (void)arg;
    if (entry % 2 == 1)
        return true;
    take(entry); /* dropped: nobody else may see it */
    return false;
}

static void make_room(void) {
    struct ring *ring = (struct ring *)filch_load_relaxed(&game.deque.ring);
    size_t capacity = ring->mask + 1;
    if (!game.is_popped && filchi_deque_compact(&game.deque, is_live, NULL) <= capacity / 2)
        return;
    struct ring *old = filchi_deque_grow(&game.deque, new_ring(capacity * 2));
    filchi_reclaim_wait();
    free(old);
}

static void own(struct stress *stress) {
    for (uint64_t entry = 1; entry <= ENTRIES; entry++) {
        while (!deque_push(&game.deque, entry))
            make_room();
        uint64_t mine;
        for (uint32_t n = game.is_popped ? random_below(&stress->random, 3) : 0; n > 0; n--)
            if (deque_pop(&game.deque, &mine))
                take(mine);
    }
    atomic_store(&game.owner_done, 1);
}

static void play(struct stress *stress, bool is_popped) {
    deque_init(&game.deque, new_ring(8));
    game.is_popped = is_popped;
    atomic_store(&game.owner_done, 0);
    for (int i = 0; i <= ENTRIES; i++)
        atomic_store(&game.taken[i], 0);
    pthread_t thieves[THIEVES];
    for (int i = 0; i < THIEVES; i++)
        thieves[i] = stress_start(thief, NULL);
    own(stress);
    for (int i = 0; i < THIEVES; i++)
        pthread_join(thieves[i], NULL);
    for (int i = 1; i <= ENTRIES; i++)
        STRESS_CHECK(atomic_load(&game.taken[i]) == 1);
    free(filch_load_relaxed(&game.deque.ring));
}

int main(int argc, char **argv) {
    struct stress stress = stress_begin(argc, argv, "deque", 10);
    filchi_reclaim_init();
    for (long round = 0; round < stress.rounds; round++)
        play(&stress, round % 2 == 0);
    return 0;
}
