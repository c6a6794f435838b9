/* scheduler/intent.c: deep stacks of runs. */
#include "scheduler/intent.h"

#include "scheduler/scheduler.h"

_Static_assert(CHUNK_RUNS * sizeof(struct run) <= CHUNK_BYTES, "a chunk of runs");
_Static_assert((int)INTENT_ENTRIES >= (int)BATCH, "a batch can be told");

bool filchi_intent_grow(struct intent *intent) {
    uint32_t level = filch_load_relaxed(&intent->depth);
    if (level >= MOST_RUNS)
        return false;
    filch_atomic_pointer *chunk = &intent->more[(level - INTENT_RUNS) / CHUNK_RUNS];
    if (filch_load_relaxed(chunk) != NULL)
        return true;
    struct worker *worker = container_of(intent, struct worker, intent);
    struct arena *arena = worker->producer.scheduler->arena;
    struct memory_record *record = record_of(arena);
    record_aim(record, (uintptr_t)chunk);
    struct run *runs = filchi_arena_take(arena, 1, CHUNK_WORKER);
    if (runs != NULL)
        filch_store_release(chunk, (void *)runs); /* RECORDED, ANNOUNCED */
    record_done(record);
    return runs != NULL;
}
