/* executor/shared.c: extents of the arena for the program itself.
 *
 * The chunk word of a run, or of a slab of cells, says that it is the program's; so there is no header,
 * and an address tells all. pool->shared_extents counts what is not freed. When the executor is closed,
 * LEFT is set in it: from then on each free is also the end of a cell that the arena expects, and the
 * pool is in the list of those that are found without a handle. The list belongs to the process that
 * closed them. */
#include "executor/shared.h"

#include "base/status.h"
#include "executor/registry.h"
#include "platform/memory.h"
#include "platform/process.h"
#include <filch/shared.h>

#define LEFT (UINT64_C(1) << 63)

/* Under the registry's lock. */
static struct {
    struct pool *first;
    uint32_t generation; /* of the process whose list it is */
} left;

/* Where the workers are, one after the other. A small extent lies in a page with others. */
static void spread(const struct pool *pool, void *memory, size_t size) {
    const struct scheduler *scheduler = pool->scheduler;
    if (!pool->host.is_shared || scheduler->victims.n_nodes < 2 ||
        size <= (size_t)1 << EXTENT_MAX_LOG2)
        return;
    uint64_t nodes[MEMORY_NODE_WORDS] = {0};
    for (uint32_t seat = 0; seat < scheduler->n_seats; seat++) {
        int node = victims_node(&scheduler->victims, seat);
        if (node >= 0 && node < MEMORY_NODE_WORDS * 64)
            nodes[node / 64] |= (uint64_t)1 << (node % 64);
    }
    filchi_memory_interleave(memory, round_up(size, CHUNK_BYTES), nodes);
}

void *filch_shared_alloc(filch_executor *executor, size_t size) {
    const char *function = "filch_shared_alloc";
    if (!filchi_executor_check(function, executor))
        return NULL;
    struct pool *pool = executor->pool;
    struct producer *producer = filchi_pool_producer(pool);
    void *memory = producer == NULL ? NULL : filchi_extent_take(&producer->shared, size);
    if (memory == NULL) {
        filchi_fail(FILCH_NO_MEMORY, "%s: no memory for %zu bytes%s", function, size,
                    pool->host.is_shared ? "; the pool's limit is its option .memory" : "");
        return NULL;
    }
    filch_fetch_add_relaxed(&pool->shared_extents, UINT64_C(1));
    spread(pool, memory, size);
    return memory;
}

bool filchi_shared_has(const struct pool *pool, const void *pointer) {
    size_t bytes;
    return filchi_extent_find_shared(pool->arena, pointer, &bytes) != NULL;
}

/* The list of this process, empty in a forked child. With the lock held. */
static struct pool **list_of_left(void) {
    uint32_t generation = filchi_process_generation();
    if (left.generation != generation)
        left.first = NULL;
    left.generation = generation;
    return &left.first;
}

/* The closed pool whose memory this is, or NULL. It stays while that memory is not freed. */
static struct pool *find_left(const void *pointer) {
    filchi_registry_lock();
    struct pool *pool = *list_of_left();
    while (pool != NULL && !filchi_shared_has(pool, pointer))
        pool = pool->next_left;
    filchi_registry_unlock();
    return pool;
}

static void forget_left(const struct pool *pool) {
    filchi_registry_lock();
    for (struct pool **at = list_of_left(); *at != NULL; at = &(*at)->next_left) {
        if (*at == pool) {
            *at = pool->next_left;
            break;
        }
    }
    filchi_registry_unlock();
}

uint64_t filchi_shared_leave(struct pool *pool) {
    filchi_registry_lock();
    uint64_t n = filch_fetch_or_acq_rel(&pool->shared_extents, LEFT); /* SHARED-LEFT */
    if (n > 0) {
        struct pool **first = list_of_left();
        pool->next_left = *first;
        *first = pool;
    }
    filchi_registry_unlock();
    return n;
}

void filch_shared_free(filch_executor *executor, void *memory) {
    const char *function = "filch_shared_free";
    if (memory == NULL || (executor != NULL && !filchi_executor_check(function, executor)))
        return;
    struct pool *pool = executor != NULL ? executor->pool : find_left(memory);
    size_t bytes;
    if (pool == NULL || filchi_extent_find_shared(pool->arena, memory, &bytes) != memory) {
        filchi_fail(FILCH_INVALID,
                    "%s: memory is not what filch_shared_alloc returned%s, or has been freed",
                    function, executor != NULL ? " for this executor" : " for one that is closed");
        return;
    }
    struct arena *arena = pool->arena;
    /* First: who dies in between leaves memory that goes with the arena, not a count that keeps the arena. */
    uint64_t before = filch_fetch_sub_acq_rel(&pool->shared_extents, UINT64_C(1)); /* SHARED-LEFT */
    if (before == (LEFT | 1))
        forget_left(pool);
    filchi_extent_give(arena, memory);
    if (before & LEFT)
        filchi_arena_cell_is_gone(arena);
}

bool filch_shared_contains(filch_executor *executor, const void *pointer) {
    if (executor == NULL)
        return find_left(pointer) != NULL;
    return filchi_executor_check("filch_shared_contains", executor) &&
           filchi_shared_has(executor->pool, pointer);
}
