/* slab.c: one owner takes cells, other threads free them; no cell is given out twice, what the last
 * user wrote is visible to the next, and when the heap is retired in the midst of frees, the last
 * free unmaps the arena.
 *
 *     stress.slab [rounds [seed]] */
#include "structures/slab.h"
#include "stress.h"
#include <errno.h>
#include <sys/mman.h>

enum { FREERS = 3, BOXES = 32, TAKES = 60000, ARENA_BYTES = 64 << 20, UNITS = ARENA_BYTES / 64 };

static atomic_uchar in_use[UNITS]; /* by 64 bytes of the arena */
static filch_atomic_pointer boxes[FREERS][BOXES];
static atomic_bool is_over;
static atomic_int arrived;
static struct arena *arena;

struct freer {
    int number;
    long n;
};

static atomic_uchar *mark_of(const void *cell) {
    return &in_use[((uintptr_t)cell - (uintptr_t)arena) / 64];
}

/* A plain word in the cell: a data race here is a missing edge in the slab. */
static void fill(void *cell, uint64_t number) {
    STRESS_CHECK_MSG(atomic_exchange(mark_of(cell), 1) == 0, "a cell was given out twice");
    *(uint64_t *)cell = number;
}

static void check_and_free(void *cell, uint64_t number) {
    STRESS_CHECK(*(uint64_t *)cell == number);
    *(uint64_t *)cell = ~number;
    STRESS_CHECK(atomic_exchange(mark_of(cell), 0) == 1);
    slab_free(cell);
}

static void *freer_main(void *arg) {
    struct freer *it = arg;
    stress_meet(&arrived, FREERS + 1);
    for (bool was_over = false;;) {
        bool found = false;
        for (int i = 0; i < BOXES; i++) {
            void *cell = filch_exchange_acquire(&boxes[it->number][i], NULL);
            if (cell == NULL)
                continue;
            check_and_free(cell, (uint64_t)(uintptr_t)cell / 64);
            it->n++;
            found = true;
        }
        if (found)
            continue;
        if (was_over)
            return NULL;
        was_over = atomic_load(&is_over);
        sched_yield();
    }
}

/* Puts it into a box, or frees it in this thread if the box is full. Returns: was it boxed? */
static bool give_away(void *cell, uint64_t *random) {
    filch_atomic_pointer *box = &boxes[random_below(random, FREERS)][random_below(random, BOXES)];
    void *empty = NULL;
    return filch_cas_acq_rel(box, &empty, cell);
}

static bool is_mapped(void *page) {
    unsigned char seen;
    return mincore(page, 1, &seen) == 0 || errno != ENOMEM;
}

static void run_round(const struct stress *stress, long round) {
    bool is_stable = round % 2 == 0;
    uint32_t cell_log2 = is_stable ? 7 : 6 + (uint32_t)(round / 2 % 9);
    uint64_t random = stress_stream(stress, round, 0);
    arena = filchi_arena_open(ARENA_BYTES);
    STRESS_CHECK(arena != NULL);
    struct heap heap;
    filchi_heap_init(&heap, arena, cell_log2, is_stable);
    atomic_store(&is_over, false);
    atomic_store(&arrived, 0);
    struct freer freers[FREERS];
    pthread_t threads[FREERS];
    for (int i = 0; i < FREERS; i++) {
        freers[i] = (struct freer){i, 0};
        threads[i] = stress_start(freer_main, &freers[i]);
    }
    stress_meet(&arrived, FREERS + 1);
    enum { KEPT = 700 };
    static void *kept[KEPT];
    long n_taken = TAKES >> (cell_log2 > 10 ? 3 : 0), n_freed = 0;
    for (long i = 0; i < n_taken; i++) {
        void *cell = heap_take(&heap);
        STRESS_CHECK(cell != NULL);
        STRESS_CHECK((uintptr_t)cell % 64 == 0);
        STRESS_CHECK(slab_of(cell)->arena == arena);
        fill(cell, (uint64_t)(uintptr_t)cell / 64);
        /* A random one of those at hand goes; the set breathes, so that slabs get empty. */
        uint32_t at = random_below(&random, i / 4096 % 2 == 0 ? KEPT : 8);
        void *out = kept[at];
        kept[at] = cell;
        if (out != NULL && !give_away(out, &random)) {
            check_and_free(out, (uint64_t)(uintptr_t)out / 64);
            n_freed++;
        }
    }
    if (is_stable) {
        uint64_t n_live = filchi_heap_retire(&heap);
        STRESS_CHECK(n_live <= KEPT + FREERS * BOXES + FREERS);
        filchi_arena_expect(arena, n_live + 1); /* one for this thread: is_mapped below */
    }
    for (int i = 0; i < KEPT; i++) {
        if (kept[i] != NULL && !give_away(kept[i], &random)) {
            check_and_free(kept[i], (uint64_t)(uintptr_t)kept[i] / 64);
            n_freed++;
        }
        kept[i] = NULL;
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < FREERS; i++) {
        stress_join(threads[i]);
        n_freed += freers[i].n;
    }
    STRESS_CHECK(n_freed == n_taken);
    STRESS_CHECK(is_mapped(arena));
    if (is_stable)
        filchi_arena_cell_is_gone(arena);
    else
        filchi_arena_close(arena);
    STRESS_CHECK_MSG(!is_mapped(arena), "the last cell did not unmap the arena");
}

int main(int argc, char **argv) {
    struct stress stress = stress_begin(argc, argv, "slab", 300);
    for (long round = 0; round < stress.rounds; round++)
        run_round(&stress, round);
    return EXIT_SUCCESS;
}
