/* deque.c: one owner and several thieves on one deque; every entry is taken exactly once.
 *
 * Popped: the owner pushes and pops in bursts, thieves take one by one, the ring grows from 4 slots
 * and the old ones are freed after a grace period. Unpopped: the owner pushes and compacts, thieves
 * take batches and single entries.
 *
 * Each entry stands for a plain word that is written before the push and read by whoever takes it.
 * What one thief takes has rising numbers, since top only grows.
 *
 *     stress.deque [rounds [seed]] */
#include "structures/deque.h"
#include "stress.h"
#include "structures/reclaim.h"

enum { ENTRIES = 6000, THIEVES_MOST = 3, FIRST_CAPACITY = 4, BATCH_MOST = 32 };

static struct deque deque;
static uint32_t payload[ENTRIES];
static atomic_uchar taken[ENTRIES];
static bool is_dead[ENTRIES]; /* for compacting; fixed before the round */
static atomic_bool is_over;   /* the owner pushes no more */
static atomic_int arrived;
static int n_threads;
static struct ring *retired;
static long n_stolen; /* in all rounds */

struct thief {
    uint64_t random;
    bool may_batch; /* and so the deque is not popped, and keeps its order */
    long n;
};

static void take(uint64_t entry, const char *who) {
    STRESS_CHECK_MSG(entry < ENTRIES, "%s took %llu, which was never pushed", who,
                     (unsigned long long)entry);
    STRESS_CHECK_MSG(payload[entry] == (uint32_t)entry * 3 + 1, "%s saw an old payload of %llu",
                     who, (unsigned long long)entry);
    STRESS_CHECK_MSG(atomic_fetch_add(&taken[entry], 1) == 0, "%s took %llu a second time", who,
                     (unsigned long long)entry);
}

/* Returns: how many were taken; SIZE_MAX if the deque was seen empty. */
static size_t take_some(struct thief *it, uint64_t *entries) {
    size_t n = 0;
    filchi_reclaim_enter();
    if (it->may_batch && random_below(&it->random, 4) != 0) {
        size_t max = 1 + random_below(&it->random, BATCH_MOST);
        n = deque_take_many(&deque, entries, max, 1 + random_below(&it->random, 2));
        if (n == 0 && deque_is_empty(&deque))
            n = SIZE_MAX;
    } else {
        switch (deque_steal(&deque, entries)) {
        case DEQUE_TOOK:
            n = 1;
            break;
        case DEQUE_LOST:
            break;
        case DEQUE_EMPTY:
            n = SIZE_MAX;
        }
    }
    filchi_reclaim_leave();
    return n;
}

static void *thief_main(void *arg) {
    struct thief *it = arg;
    uint64_t entries[BATCH_MOST], last = 0;
    stress_meet(&arrived, n_threads);
    for (bool was_over = false;;) {
        size_t n = take_some(it, entries);
        if (n == SIZE_MAX) {
            if (was_over)
                return NULL;
            was_over = atomic_load(&is_over); /* look once more after it */
            if (random_below(&it->random, 8) == 0)
                sched_yield();
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            take(entries[i], "a thief");
            STRESS_CHECK_MSG(!it->may_batch || it->n == 0 || entries[i] > last,
                             "a thief took %llu after %llu", (unsigned long long)entries[i],
                             (unsigned long long)last);
            last = entries[i];
            it->n++;
        }
    }
}

static struct ring *make_ring(size_t capacity) {
    struct ring *ring = malloc(ring_bytes(capacity));
    STRESS_CHECK(ring != NULL);
    ring_init(ring, capacity);
    return ring;
}

static void free_retired(void) {
    if (retired == NULL)
        return;
    filchi_reclaim_wait();
    for (struct ring *next; retired != NULL; retired = next) {
        next = retired->next_retired;
        free(retired);
    }
}

/* To a ring `factor` times as large; 1: another one of the same size. */
static void grow(size_t factor) {
    struct ring *ring = (struct ring *)filch_load_relaxed(&deque.ring);
    struct ring *old = filchi_deque_grow(&deque, make_ring((ring->mask + 1) * factor));
    old->next_retired = retired;
    retired = old;
}

static bool is_live(void *arg, uint64_t entry) {
    long *dropped = arg;
    if (!is_dead[entry])
        return true;
    take(entry, "compact");
    ++*dropped;
    return false;
}

/* Every second owner that pops stays near empty, where it meets the thieves. */
static long run_owner(bool is_popped, uint64_t random) {
    size_t (*compact)(struct deque *, bool (*)(void *, uint64_t), void *) =
        is_popped ? filchi_deque_compact_popped : filchi_deque_compact;
    uint32_t longest = is_popped && random_below(&random, 2) == 0 ? 2 : 12;
    long n = 0;
    stress_meet(&arrived, n_threads);
    for (uint64_t next = 0; next < ENTRIES;) {
        for (uint32_t burst = 1 + random_below(&random, longest); burst > 0 && next < ENTRIES;
             burst--) {
            payload[next] = (uint32_t)next * 3 + 1;
            while (!deque_push(&deque, next))
                if (compact(&deque, is_live, &n) > 0)
                    grow(2);
            next++;
        }
        uint64_t entry;
        for (uint32_t burst = is_popped ? random_below(&random, longest + 2) : 0; burst > 0;
             burst--)
            if (deque_pop(&deque, &entry)) {
                take(entry, "the owner");
                n++;
            }
        if (random_below(&random, 16) == 0)
            compact(&deque, is_live, &n);
        if (random_below(&random, 16) == 0)
            grow(1);
        if (random_below(&random, 64) == 0)
            free_retired();
        if (random_below(&random, 32) == 0)
            sched_yield();
    }
    for (uint64_t entry; is_popped && deque_pop(&deque, &entry);) {
        take(entry, "the owner");
        n++;
    }
    atomic_store(&is_over, true);
    return n;
}

static void run_round(const struct stress *stress, long round) {
    bool is_popped = round % 2 == 0;
    int n_thieves = 1 + (int)(round / 2 % THIEVES_MOST);
    uint64_t random = stress_stream(stress, round, 0);
    for (int i = 0; i < ENTRIES; i++) {
        atomic_store(&taken[i], 0);
        is_dead[i] = random_below(&random, 3) == 0;
    }
    deque_init(&deque, make_ring(FIRST_CAPACITY));
    atomic_store(&is_over, false);
    atomic_store(&arrived, 0);
    n_threads = n_thieves + 1;
    struct thief thieves[THIEVES_MOST];
    pthread_t threads[THIEVES_MOST];
    for (int i = 0; i < n_thieves; i++) {
        thieves[i] = (struct thief){stress_stream(stress, round, i + 1), !is_popped, 0};
        threads[i] = stress_start(thief_main, &thieves[i]);
    }
    long n = run_owner(is_popped, random);
    for (int i = 0; i < n_thieves; i++) {
        stress_join(threads[i]);
        n += thieves[i].n;
        n_stolen += thieves[i].n;
    }
    for (int i = 0; i < ENTRIES; i++)
        STRESS_CHECK_MSG(atomic_load(&taken[i]) == 1, "round %ld: entry %d was lost", round, i);
    STRESS_CHECK(n == ENTRIES);
    free_retired();
    free(filch_load_relaxed(&deque.ring));
}

int main(int argc, char **argv) {
    struct stress stress = stress_begin(argc, argv, "deque", 1200);
    STRESS_CHECK(filchi_reclaim_init() == 0);
    for (long round = 0; round < stress.rounds; round++)
        run_round(&stress, round);
    printf("%ld were stolen\n", n_stolen);
    return EXIT_SUCCESS;
}
