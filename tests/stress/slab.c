/* slab.c: one owner takes cells and extents, others free them; no cell is handed out twice, the last
 * user's writes are seen by the next, and an arena whose cells outlive their heap closes with the last
 * of them.
 *
 *     stress.slab [rounds [seed]] */
#include "platform/memory.h"
#include "stress.h"
#include "structures/extent.h"
#include <string.h>

enum { FREERS = 3, HANDS = 1024, CELLS = 100000 };

/* The owner puts cells into hands, the freers take them out. */
static struct {
    filch_atomic_pointer hands[HANDS];
    atomic_int owner_done;
    struct arena *arena;
    struct heap heap;
    struct extents extents;
} game;

static void free_cell(uint64_t *cell) {
    STRESS_CHECK(cell[0] == (uintptr_t)cell); /* what the owner wrote */
    cell[0] = 0;                              /* and the next owner must see this */
    slab_free(cell);
}

static void *freer(void *arg) {
    uint64_t random;
    random_seed(&random, (uint64_t)(uintptr_t)arg);
    for (int idle = 0; idle < HANDS || !atomic_load(&game.owner_done);) {
        void *cell = filch_exchange_acquire(&game.hands[random_below(&random, HANDS)], NULL);
        if (cell != NULL)
            free_cell(cell);
        idle = cell != NULL ? 0 : idle + 1;
    }
    return NULL;
}

static void own(struct stress *stress) {
    for (int i = 0; i < CELLS; i++) {
        uint64_t *cell = heap_take(&game.heap);
        STRESS_CHECK(cell != NULL && cell[0] == 0);
        cell[0] = (uintptr_t)cell;
        uint32_t at = random_below(&stress->random, HANDS);
        void *before = filch_exchange_acq_rel(&game.hands[at], (void *)cell);
        if (before != NULL)
            free_cell(before);
        if (i % 64 == 0) { /* extents of all sizes, runs of chunks too */
            size_t bytes = (size_t)1 << random_below(&stress->random, 19);
            unsigned char *extent = filchi_extent_take(&game.extents, bytes);
            STRESS_CHECK(extent != NULL);
            memset(extent, i, bytes);
            STRESS_CHECK(extent[0] == (unsigned char)i && extent[bytes - 1] == (unsigned char)i);
            filchi_extent_give(game.arena, extent);
        }
    }
    atomic_store(&game.owner_done, 1);
}

static void play(struct stress *stress) {
    game.arena = filchi_arena_open((size_t)256 << 20);
    STRESS_CHECK(game.arena != NULL);
    filchi_heap_init(&game.heap, game.arena, 7, true);
    filchi_extents_init(&game.extents, game.arena);
    atomic_store(&game.owner_done, 0);
    pthread_t freers[FREERS];
    for (int i = 0; i < FREERS; i++)
        freers[i] = stress_start(freer, (void *)(uintptr_t)(i + 1));
    own(stress);
    /* Retired while cells are still being freed: whoever frees the last one closes the arena. */
    filchi_arena_expect(game.arena, filchi_heap_retire(&game.heap));
    for (int i = 0; i < FREERS; i++)
        pthread_join(freers[i], NULL);
    for (int i = 0; i < HANDS; i++) {
        void *cell = filch_exchange_acquire(&game.hands[i], NULL);
        if (cell != NULL)
            free_cell(cell);
    }
}

int main(int argc, char **argv) {
    struct stress stress = stress_begin(argc, argv, "slab", 10);
    for (long round = 0; round < stress.rounds; round++)
        play(&stress);
    return 0;
}
