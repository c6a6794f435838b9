/* test_recover.c: a process takes and gives memory of a shared arena, and dies before its n-th atomic
 * access, for every n; then its memory is recovered. No cell and no run is lost, and none is there
 * twice. Compiled with kill_point.h, as are the structures. */
#include "structures/recover.h"

#include "platform/process.h"
#include "test.h"
#include <sched.h>
#include <sys/wait.h>

__thread uint64_t kill_in;

enum { LINKS = 24, FOREIGN = 12, TAG = 1, OTHER_TAG = 2 };

/* In the arena: what a worker process has, and the words that refer to its memory. */
struct worker_memory {
    struct memory_record record; /* in one chunk with the heaps */
    struct extents extents;
    struct heap stable;
    void *links[LINKS];
    uint32_t references[LINKS];
    void *foreign[FOREIGN]; /* what the opener took, and the worker gives back */
};

static struct arena *arena;
static struct worker_memory *memory;
static struct worker_memory *own; /* the opener's; its record is not used */
static uint32_t n_limbo;
static bool gives_foreign; /* the worker gives back what is the opener's, too */

static struct worker_memory *make_memory(void) {
    struct worker_memory *made = filchi_arena_take(arena, 1, CHUNK_WORKER);
    CHECK_NOT_NULL(made);
    made->record.arena = arena;
    filchi_extents_init(&made->extents, arena);
    filchi_heap_init(&made->stable, arena, 7, true);
    return made;
}

static size_t size_of(uint32_t random) {
    static const size_t sizes[] = {1, 64, 100, 3000, 16384, 16385, 200000};
    return sizes[random % (sizeof sizes / sizeof sizes[0])];
}

static void give_foreign(uint32_t random) {
    for (size_t i = 0; i < FOREIGN; i++)
        if (memory->foreign[i] == NULL)
            CHECK_NOT_NULL(filchi_extent_take_into(&own->extents, size_of(random + (uint32_t)i),
                                                   &memory->foreign[i]));
}

static void set_up(void) {
    arena = filchi_arena_open_shared((size_t)64 << 20);
    CHECK_NOT_NULL(arena);
    arena->owner = arena;
    own = make_memory();
    memory = make_memory();
    n_limbo = 0;
    give_foreign(0);
}

/* A cell of the stable heap says by its first word whether it is free. */
static bool is_free_by_itself(const void *cell) {
    return filch_load_relaxed((const filch_atomic_u64 *)cell) == 0;
}

static void use_stable(uint32_t random) {
    static void *taken[8];
    void **place = &taken[random % 8];
    if (*place == NULL) {
        *place = heap_take(&memory->stable);
        CHECK(is_free_by_itself(*place));
        filch_store_relaxed((filch_atomic_u64 *)*place, UINT64_C(1));
        return;
    }
    filch_store_relaxed((filch_atomic_u64 *)*place, UINT64_C(0));
    slab_free(*place);
    *place = NULL;
}

static void work(uint32_t seed, int n_steps) {
    uint32_t random = seed;
    for (int i = 0; i < n_steps; i++) {
        random = random * 1664525 + 1013904223;
        size_t at = (random >> 8) % LINKS;
        switch ((random >> 16) % 8) {
        case 0:
            if (gives_foreign)
                filchi_extent_give_from(arena, &memory->foreign[at % FOREIGN]);
            break;
        case 1:
            use_stable(random >> 20);
            break;
        case 2:
        case 3:
            if (memory->references[at] == 0)
                (void)filchi_extent_take_reference(&memory->extents, size_of(random >> 20),
                                                   &memory->references[at]);
            else
                filchi_extent_give_reference(arena, &memory->references[at]);
            break;
        default:
            if (memory->links[at] == NULL)
                (void)filchi_extent_take_into(&memory->extents, size_of(random >> 20),
                                              &memory->links[at]);
            else
                filchi_extent_give_from(arena, &memory->links[at]);
        }
    }
}

static pid_t start(uint32_t tag, uint32_t seed, int n_steps, uint64_t dies_at) {
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child > 0)
        return child;
    filchi_process_serve(arena, tag);
    filchi_record_use(&memory->record);
    kill_in = dies_at;
    work(seed, n_steps);
    kill_in = 0;
    _exit(0);
}

/* Returns: true if it was killed. */
static bool await(pid_t child) {
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : status == 0);
    return WIFSIGNALED(status);
}

static void recover(struct worker_memory *dead, uint32_t tag) {
    struct extents *all[] = {&dead->extents};
    for (int i = 0; i < 2; i++) { /* the second time there is nothing left to do */
        uint32_t limbo = filchi_record_recover(&dead->record, tag, all, 1);
        CHECK_LE(limbo, i == 0 ? 1 : 0);
        n_limbo += limbo;
        filchi_heap_rebuild(&dead->stable, is_free_by_itself);
        filchi_arena_recover(arena, tag);
    }
    while (!filchi_arena_recount(arena))
        sched_yield();
}

/* ---- what the opener takes between a death and the recovery ---- */

enum { MOST_SNATCHED = 4000 };
static void *snatched[MOST_SNATCHED];
static size_t n_snatched;

/* Whatever the dead one gave back, somebody has it by now: of each size more than were free. */
static void snatch(void) {
    static const struct {
        size_t bytes;
        int n;
    } lots[] = {{64, 1020}, {128, 510}, {4096, 30}, {16384, 8}, {65536, 20}, {200000, 12}};
    for (size_t i = 0; i < sizeof lots / sizeof lots[0]; i++)
        for (int n = 0; n < lots[i].n; n++) {
            void *extent = filchi_extent_take(&own->extents, lots[i].bytes);
            if (extent != NULL)
                snatched[n_snatched++] = extent;
        }
}

static void let_go(void) {
    while (n_snatched > 0)
        filchi_extent_give(arena, snatched[--n_snatched]);
}

/* ---- who has what ---- */

struct census {
    const struct heap *heap;
    uint32_t n_lost;
    unsigned char links[(64 << 20) / 64]; /* to each unit of the arena */
};

static void count_link(struct census *census, const void *cell) {
    if (cell != NULL)
        census->links[arena_reference(arena, cell)]++;
}

static void count_links(struct census *census, const struct worker_memory *of) {
    for (int i = 0; i < LINKS; i++) {
        count_link(census, of->links[i]);
        if (of->references[i] != 0)
            count_link(census, arena_address(arena, of->references[i]));
    }
    for (int i = 0; i < FOREIGN; i++)
        count_link(census, of->foreign[i]);
}

static int links_to(const struct census *census, const void *cell) {
    return census->links[arena_reference(arena, cell)];
}

static void count_cell(void *cell, void *arg) {
    struct census *census = arg;
    const struct slab *slab = slab_of(cell);
    uint32_t at = slab_cell_number(slab, cell);
    int n = (int)(filch_load_relaxed(&slab->free[at / 32]) >> at % 32 & 1);
    if (census->heap->mask != 0 && slab_of(census->heap->cells) == slab &&
        slab_cell_number(slab, census->heap->cells) == at / 32 * 32)
        n += (int)(census->heap->mask >> at % 32 & 1);
    n += links_to(census, cell);
    CHECK_LE(n, 1);
    census->n_lost += n == 0;
}

static void check_heaps(struct census *census, const struct worker_memory *of, uint32_t *n_slabs) {
    char why[128] = "";
    const struct heap *heaps[EXTENT_CLASSES + 1];
    for (int i = 0; i < EXTENT_CLASSES; i++)
        heaps[i] = &of->extents.heaps[i];
    heaps[EXTENT_CLASSES] = &of->stable;
    for (int i = 0; i <= EXTENT_CLASSES; i++) {
        CHECK_MSG(filchi_heap_is_valid(heaps[i], why, sizeof why), "%s", why);
        const struct slab *slab = heaps[i]->slab;
        if (slab != NULL)
            do
                ++*n_slabs;
            while ((slab = slab->next) != heaps[i]->slab);
        census->heap = heaps[i];
        if (i < EXTENT_CLASSES)
            filchi_heap_walk(heaps[i], count_cell, census);
    }
}

static void check_runs(const struct census *census, uint32_t n_slabs) {
    uint32_t n_slab_chunks = 0;
    for (uint32_t at = arena->first_chunk; at < filch_load_relaxed(&arena->n_reach); at++) {
        uint64_t word = filch_load_relaxed(&arena->words[at]);
        n_slab_chunks += chunk_kind(word) == CHUNK_SLAB;
        if (chunk_kind(word) == CHUNK_RUN)
            CHECK_EQ(links_to(census, (char *)arena + (size_t)at * CHUNK_BYTES), 1);
    }
    CHECK_EQ(n_slab_chunks, n_slabs);
}

static void check_all(struct worker_memory *second) {
    char why[128] = "";
    CHECK_MSG(filchi_arena_is_valid(arena, why, sizeof why), "%s", why);
    const struct worker_memory *all[] = {own, memory, second};
    size_t n = second == NULL ? 2 : 3;
    static struct census census;
    memset(&census, 0, sizeof census);
    for (size_t i = 0; i < n; i++)
        count_links(&census, all[i]);
    for (size_t i = 0; i < n_snatched; i++)
        count_link(&census, snatched[i]);
    uint32_t n_slabs = 0;
    for (size_t i = 0; i < n; i++)
        check_heaps(&census, all[i], &n_slabs);
    check_runs(&census, n_slabs);
    CHECK_LE(census.n_lost, n_limbo);
}

/* ---- the tests ---- */

/* Under a sanitizer, where each trial costs many times as much, every fifth access has to do. */
enum { STEPS = 60, STRIDE = UNDER_TSAN || UNDER_ASAN ? 5 : 1 };

/* Dies before each access in turn, with a whole arena each time. */
static void die_at_every_access(uint32_t seed) {
    bool was_killed = true;
    uint64_t n = 1;
    for (; was_killed; n += STRIDE) {
        set_up();
        was_killed = await(start(TAG, seed, STEPS, n));
        if (was_killed) {
            if (n % 4 == 0)
                snatch();
            recover(memory, TAG);
        }
        check_all(NULL);
        let_go();
        check_all(NULL);
        CHECK_LE(n_limbo, gives_foreign ? 1 : 0);
        filchi_arena_close(arena);
    }
    CHECK_GT(n, 200);
}

TEST(recover, every_access) {
    gives_foreign = false;
    for (uint32_t seed = 1; seed <= 2; seed++)
        die_at_every_access(seed);
}

TEST(recover, every_access_of_one_who_frees_for_others) {
    gives_foreign = true;
    for (uint32_t seed = 1; seed <= 2; seed++)
        die_at_every_access(seed);
}

/* One after the other in the same arena: each goes on with what the one before had. */
TEST(recover, one_after_the_other) {
    gives_foreign = true;
    set_up();
    uint32_t n_killed = 0;
    for (uint32_t seed = 1; seed <= 400; seed++) {
        give_foreign(seed);
        if (await(start(TAG, seed, STEPS, 1 + seed * 7919 % 700))) {
            n_killed++;
            snatch();
            recover(memory, TAG);
        }
        check_all(NULL);
        let_go();
    }
    CHECK_GT(n_killed, 100);
    CHECK_LE(n_limbo, 20); /* it is a window of two accesses */
    filchi_arena_close(arena);
}

/* While another process takes and gives, and is not disturbed. */
TEST(recover, beside_a_living_one) {
    gives_foreign = false;
    set_up();
    struct worker_memory *mortal = memory, *living = make_memory();
    for (uint32_t round = 0; round < 20; round++) {
        memory = living;
        pid_t other = start(OTHER_TAG, round + 1, 20000, 0);
        memory = mortal;
        for (uint32_t seed = 1; seed <= 20; seed++)
            if (await(start(TAG, round * 20 + seed, STEPS, 1 + seed * 7919 % 500)))
                recover(memory, TAG);
        CHECK(!await(other));
        check_all(living);
    }
    CHECK_EQ(n_limbo, 0);
    filchi_arena_close(arena);
}
