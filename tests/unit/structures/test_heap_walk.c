/* Somebody walks over the cells of a heap whose owner goes on taking: he comes to all that there were. */
#include "structures/recover.h"

#include "test.h"

enum { CELL_LOG2 = 14, MOST_CELLS = 64 };

static struct {
    struct heap heap;
    void *taken[MOST_CELLS];
    size_t n_cells;
    uint32_t n_visits[MOST_CELLS];
    size_t goes_on_at; /* the visit in which the owner goes on to another slab */
    bool adds;         /* and makes that slab */
    size_t n;
} walk;

static void take_one(void) {
    void *cell = heap_take(&walk.heap);
    CHECK_NOT_NULL(cell);
    walk.taken[walk.n_cells++] = cell;
}

/* The ring's next slab gets a free cell, which is taken at once. */
static void go_on(void) {
    const struct slab *before = walk.heap.slab;
    CHECK_EQ(walk.heap.mask, 0);
    for (size_t i = 0; !walk.adds && i < walk.n_cells; i++)
        if (slab_of(walk.taken[i]) == before->next) {
            slab_free(walk.taken[i]);
            CHECK(heap_take(&walk.heap) == walk.taken[i]);
            break;
        }
    if (walk.adds)
        CHECK_NOT_NULL(heap_take(&walk.heap));
    CHECK(walk.heap.slab != before);
}

static void visit(void *cell, void *arg) {
    (void)arg;
    for (size_t i = 0; i < walk.n_cells; i++)
        walk.n_visits[i] += walk.taken[i] == cell;
    if (walk.n++ == walk.goes_on_at)
        go_on();
}

/* Of `n_slabs` full slabs. */
static void check_walk(size_t n_slabs, size_t goes_on_at, bool adds) {
    struct arena *arena = filchi_arena_open_shared((size_t)64 << 20);
    CHECK_NOT_NULL(arena);
    arena->owner = arena;
    memset(&walk, 0, sizeof walk);
    filchi_heap_init(&walk.heap, arena, CELL_LOG2, true);
    walk.goes_on_at = goes_on_at;
    walk.adds = adds;
    take_one();
    size_t n_each = slab_of(walk.taken[0])->n_cells;
    while (walk.n_cells < n_slabs * n_each)
        take_one();
    filchi_heap_walk(&walk.heap, visit, NULL);
    for (size_t i = 0; i < walk.n_cells; i++)
        CHECK_EQ(walk.n_visits[i], 1);
    filchi_arena_close(arena);
}

TEST(heap_walk, all_cells_of_a_heap_that_rests) {
    check_walk(1, SIZE_MAX, false);
    check_walk(4, SIZE_MAX, false);
}

TEST(heap_walk, its_owner_goes_on_to_the_next_slab) {
    for (size_t at = 0; at < 12; at++)
        check_walk(4, at, false);
}

TEST(heap_walk, its_owner_adds_a_slab) {
    for (size_t at = 0; at < 9; at++)
        check_walk(3, at, true);
}
