/* executor/submit.c: one task into the queue of the thread that submits it. */
#include "executor/submit.h"

#include "base/assert.h"
#include "base/status.h"
#include "executor/modules.h"
#include "executor/options.h"
#include "executor/transport.h"
#include "platform/topology.h"
#include <errno.h>
#include <math.h>
#include <string.h>

enum { MOST_RETRIES = 1000 };

/* The pool ended, or nobody can be started, after the push. */
static COLD filch_status enqueue_late(const char *function, struct pool *pool,
                                      struct producer *producer, filch_future *future, int error) {
    bool ending = scheduler_flags(pool->scheduler) != 0;
    if (!ending && park_is_attended(&pool->scheduler->park))
        return FILCH_OK; /* whoever is awake will come to it */
    if (!filchi_future_withdraw(future))
        return FILCH_OK; /* a worker was faster */
    count_down(&producer->n_submitted);
    /* Others may have left their tasks to the worker that did not come. */
    if (error != 0 && !park_is_attended(&pool->scheduler->park))
        filchi_pool_fail_queued(pool);
    filch_status status;
    if (ending) {
        status = filchi_executor_check_open(function, pool);
    } else {
        errno = error;
        status = filchi_fail(FILCH_SYSTEM, "%s: no worker could be started for task '%s': %s",
                             function, future->type->name, strerror(error));
    }
    filchi_submit_give_back(future); /* last: the pool may live by this block alone */
    return status;
}

static inline filch_status enqueue(const char *function, struct pool *pool,
                                   struct producer *producer, filch_future *future) {
    submit_announce(producer, future, filch_load_relaxed(&producer->n_submitted));
    count_up(&producer->n_submitted);
    uint32_t generation = future_publish(future); /* PUBLISHED */
    uint64_t entry = entry_of(future, generation);
    if (unlikely(!producer_push(producer, entry))) {
        if (!filchi_producer_make_room(producer) || !producer_push(producer, entry)) {
            filchi_fail(FILCH_NO_MEMORY, "%s: no memory to queue task '%s'", function,
                        future->type->name);
            (void)filchi_future_withdraw(future); /* nobody has seen it */
            count_down(&producer->n_submitted);
            filchi_submit_give_back(future);
            return FILCH_NO_MEMORY;
        }
    }
    struct scheduler *scheduler = pool->scheduler;
    int error = 0;
    if (park_must_wake(&scheduler->park)) /* ASLEEP, HANDED */
        error = likely(producer->node < 0) ? filchi_scheduler_wake_one(scheduler)
                                           : filchi_scheduler_wake_on(scheduler, producer->node);
    if (unlikely(error != 0 || scheduler_flags(scheduler) != 0)) /* STOPPED */
        return enqueue_late(function, pool, producer, future, error);
    return FILCH_OK;
}

void filchi_submit_announce(struct producer *producer, const filch_future *future,
                            uint64_t n_before) {
    uint32_t generation = state_generation(filch_load_relaxed(&future->state));
    filch_store_release(&producer->counting, (uint64_t)0); /* ANNOUNCED: read after the death */
    filch_store_release(&producer->n_before, n_before);    /* ANNOUNCED */
    filch_store_release(&producer->counting, entry_of(future, generation)); /* ANNOUNCED */
}

void filchi_submit_recover_count(struct producer *producer) {
    uint64_t entry = filch_load_acquire(&producer->counting); /* ANNOUNCED */
    uint64_t n_before = filch_load_relaxed(&producer->n_before);
    if (entry == 0)
        return;
    uint64_t state = future_state(entry_future(producer->scheduler->arena, entry));
    if (state_generation(state) == entry_generation(entry) && state_phase(state) != FUTURE_FREE)
        filch_store_relaxed(&producer->n_submitted, n_before + (state_phase(state) != FUTURE_INIT));
    filch_store_relaxed(&producer->counting, (uint64_t)0);
}

filch_status filchi_submit_queue(const char *function, struct pool *pool, filch_future *future) {
    filch_status status = filchi_executor_check_open(function, pool);
    struct producer *producer = status == FILCH_OK ? filchi_pool_producer(pool) : NULL;
    if (producer != NULL)
        return enqueue(function, pool, producer, future);
    if (status == FILCH_OK)
        status = filchi_fail(FILCH_NO_MEMORY, "%s: no memory for this thread's queue", function);
    filchi_submit_give_back(future); /* last: the pool may live by this block alone */
    return status;
}

/* Of the pool's own nodes it is known without a look at the machine. */
static bool has_node(const struct scheduler *scheduler, int node) {
    return filchi_victims_on_node(&scheduler->victims, node).end != 0 ||
           filchi_topology_has_node(node);
}

static filch_status read_options(const char *function, struct pool *pool,
                                 const filch_submit_options *given, filch_submit_options *options) {
    filch_status status = filchi_options_read(function, options, sizeof *options, given);
    if (status != FILCH_OK)
        return status;
    const struct pool_operations *operations = pool->executor->operations;
    if (options->retries < 0 || options->retries > MOST_RETRIES)
        return filchi_fail(FILCH_INVALID, "%s: .retries is %d; give 0 to %d", function,
                           options->retries, MOST_RETRIES);
    if (isnan(options->timeout) || options->timeout < 0)
        return filchi_fail(FILCH_INVALID, "%s: .timeout is %g; give seconds, or 0 for no limit",
                           function, options->timeout);
    if (options->timeout > 0 && !operations->stops_tasks)
        return filchi_fail(FILCH_UNSUPPORTED,
                           "%s: .timeout: a %s cannot stop a running task; use a process pool, or "
                           "filch_cancel_requested in the task",
                           function, operations->kind);
    if (options->numa_node < 0 ||
        (options->numa_node > 0 && !has_node(pool->scheduler, options->numa_node - 1)))
        return filchi_fail(
            FILCH_INVALID,
            "%s: .numa_node: there is no node %lld here; use FILCH_NODE(n) for a node "
            "that has CPUs (filch-info lists them)",
            function, (long long)options->numa_node - 1);
    return FILCH_OK;
}

/* 0: no limit. What is longer than 292 years is none. */
static uint64_t limit_ns(double seconds) {
    double ns = seconds * 1e9;
    if (ns >= 0x1p63)
        return 0;
    uint64_t whole = (uint64_t)ns;
    return whole + ((double)whole < ns);
}

/* What the task's end needs of its options, in an extent of its own. Threads do not die alone: there
 * only the name is of use. */
static filch_status keep_options(const char *function, struct pool *pool, struct producer *home,
                                 filch_future *future, const filch_submit_options *options) {
    bool is_mortal = pool->host.is_shared && (options->retries > 0 || options->timeout > 0);
    if (options->name == NULL && !is_mortal)
        return FILCH_OK;
    size_t name_bytes = options->name == NULL ? 0 : strlen(options->name) + 1;
    future->extents |= BLOCK_HAS_OPTIONS;
    struct future_options *kept =
        filchi_extent_take_reference(&home->extents, sizeof *kept + name_bytes, &future->options);
    if (kept == NULL)
        return filchi_fail(FILCH_NO_MEMORY, "%s: no memory for the task's options", function);
    kept->timeout_ns = limit_ns(options->timeout);
    filch_store_relaxed(&kept->retries_left, (uint32_t)options->retries);
    kept->has_name = options->name != NULL;
    if (kept->has_name)
        memcpy(kept->name, options->name, name_bytes);
    return FILCH_OK;
}

/* `*producer` is where the block comes from, and becomes the one that it goes to. */
static filch_status apply_options(const char *function, struct pool *pool,
                                  struct producer **producer, filch_future *future,
                                  const filch_submit_options *given) {
    filch_submit_options options;
    filch_status status = read_options(function, pool, given, &options);
    struct producer *home = *producer;
    if (status == FILCH_OK && options.numa_node > 0) {
        *producer = filchi_pool_producer_for(pool, options.numa_node - 1);
        if (*producer == NULL)
            status = filchi_fail(FILCH_NO_MEMORY, "%s: no memory for a queue to NUMA node %d",
                                 function, options.numa_node - 1);
    }
    if (status != FILCH_OK)
        return status;
    return keep_options(function, pool, home, future, &options);
}

/* Returns: false for a block whose bit was wrong, which nobody's death explains in a private pool. */
static inline bool init_block(const struct pool *pool, struct block *block,
                              const filch_task_type *type) {
    bool was_free = filchi_future_init(&block->future, type);
    debug_check(was_free || pool->host.is_shared);
    (void)pool;
    return was_free;
}

static inline filch_future *take_block(const char *function, struct pool *pool,
                                       const filch_task_type *type, struct producer **producer) {
    if (unlikely(filchi_executor_check_open(function, pool) != FILCH_OK))
        return NULL;
    *producer = filchi_pool_producer(pool);
    struct block *block;
    do {
        block = *producer == NULL ? NULL : heap_take(&(*producer)->futures);
        if (unlikely(block == NULL)) {
            filchi_fail(FILCH_NO_MEMORY,
                        "%s: no memory for one more pending task ('%s'); release "
                        "futures that are no longer needed",
                        function, type->name);
            return NULL;
        }
        void *next = heap_peek(&(*producer)->futures);
        if (next != NULL) {
            __builtin_prefetch(next, 1);
            __builtin_prefetch((char *)next + CACHE_LINE, 1);
        }
    } while (unlikely(!init_block(pool, block, type)));
    return &block->future;
}

filch_future *filchi_submit_take_block(const char *function, struct pool *pool,
                                       const filch_task_type *type, struct producer **producer) {
    return take_block(function, pool, type, producer);
}

void filchi_submit_give_back(filch_future *future) {
    filchi_transport_dispose(block_of(future));
    filchi_future_abort(future);
}

static COLD filch_future *give_block_back(filch_future *future) {
    filchi_submit_give_back(future);
    return NULL;
}

static filch_status look_at(const char *function, struct pool *pool, const filch_task_type *type,
                            const void *args) {
    filch_status status = filchi_modules_check_type(function, pool, type);
    return status != FILCH_OK ? status : filchi_transport_check(function, pool, type, args);
}

static inline filch_future *pack(const char *function, struct pool *pool,
                                 const filch_task_type *type, const void *args,
                                 const filch_submit_options *options, struct producer **producer) {
    filch_future *future = take_block(function, pool, type, producer);
    if (unlikely(future == NULL))
        return NULL;
    size_t args_size = type->args_size;
    if (type->copies | pool->must_look) {
        if (look_at(function, pool, type, args) != FILCH_OK)
            return give_block_back(future);
        args_size = filchi_transport_size(type, args);
    }
    if (unlikely(filchi_transport_pack(function, *producer, block_of(future), type, args, args_size,
                                       type->result_size) != FILCH_OK))
        return give_block_back(future);
    if (unlikely(options != NULL) &&
        apply_options(function, pool, producer, future, options) != FILCH_OK)
        return give_block_back(future);
    return future;
}

filch_future *filchi_submit_pack(const char *function, filch_executor *executor,
                                 const filch_task_type *type, const void *args,
                                 const filch_submit_options *options) {
    struct producer *producer;
    return pack(function, executor->pool, type, args, options, &producer);
}

filch_future *filch_submit_task(filch_executor *executor, const filch_task_type *type,
                                const void *args, const filch_submit_options *options) {
    const char *function = "filch_submit";
    if (unlikely(type == NULL || (args == NULL && type->args_size > 0))) {
        filchi_fail(FILCH_INVALID, "%s: %s is NULL", function, type == NULL ? "type" : "args");
        return NULL;
    }
    if (unlikely(!filchi_executor_check(function, executor)))
        return NULL;
    struct pool *pool = executor->pool;
    struct producer *producer;
    filch_future *future = pack(function, pool, type, args, options, &producer);
    if (unlikely(future == NULL))
        return NULL;
    return likely(enqueue(function, pool, producer, future) == FILCH_OK) ? future : NULL;
}

/* The function of a raw task lies behind its arguments' pointer in the block. */
static int run_raw(const void *args, void *result) {
    (void)args;
    struct block *block = block_of(filchi_frame_current()->future);
    return block->raw(block->args, result);
}

filch_future *filch_submit_raw(filch_executor *executor, filch_raw_fn *fn, const void *arg,
                               size_t arg_size, size_t result_size,
                               const filch_submit_options *options) {
    static const filch_task_type type = {
        .name = "raw task",
        .run = run_raw,
        .result_align = 16,
        .result_kind = FILCH_KIND_UNTYPED,
    };
    static const filch_task_type void_type = {
        .name = "raw task",
        .run = run_raw,
        .result_align = 16,
        .result_kind = FILCH_KIND_VOID,
    };
    const char *function = "filch_submit_raw";
    if (fn == NULL || (arg == NULL && arg_size > 0)) {
        filchi_fail(FILCH_INVALID, "%s: %s is NULL", function, fn == NULL ? "fn" : "arg");
        return NULL;
    }
    if (!filchi_executor_check(function, executor))
        return NULL;
    struct pool *pool = executor->pool;
    if (filchi_modules_check_code(function, pool, "raw task", (void (*)(void))fn) != FILCH_OK)
        return NULL;
    struct producer *producer;
    const filch_task_type *used = result_size == 0 ? &void_type : &type;
    filch_future *future = take_block(function, pool, used, &producer);
    if (future == NULL)
        return NULL;
    struct block *block = block_of(future);
    block->raw = fn;
    if (filchi_transport_pack(function, producer, block, used, arg, arg_size, result_size) !=
        FILCH_OK)
        return give_block_back(future);
    if (options != NULL && apply_options(function, pool, &producer, future, options) != FILCH_OK)
        return give_block_back(future);
    return enqueue(function, pool, producer, future) == FILCH_OK ? future : NULL;
}
