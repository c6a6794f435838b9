/* executor/registry.c: one mutex around a short list; the way to a thread's own producer is a
 * comparison of serial numbers. */
#include "executor/registry.h"

#include "executor/frame.h"
#include "future/consumer.h"
#include "platform/process.h"
#include "structures/reclaim.h"
#include <errno.h>
#include <stdlib.h>

static struct {
    pthread_mutex_t lock;
    filch_executor *first;
    uint64_t last_serial;
    pthread_key_t key; /* its destructor runs at the end of each thread that submitted */
    bool has_key;
    size_t n_done; /* steps of initialise() */
    pthread_cond_t unpinned;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER, .unpinned = PTHREAD_COND_INITIALIZER};

/* A thread's producer in one executor, for one NUMA node (-1: for any). */
struct membership {
    struct membership *next;
    uint64_t serial;
    int node;
    struct producer *producer;
};

static THREAD_LOCAL struct {
    uint64_t last_serial; /* 0: none */
    struct producer *last_producer;
    struct membership *all;
} mine;

void filchi_registry_lock(void) {
    pthread_mutex_lock(&registry.lock);
}

void filchi_registry_unlock(void) {
    pthread_mutex_unlock(&registry.lock);
}

/* With the lock held. */
static bool is_open(uint64_t serial) {
    for (filch_executor *executor = registry.first; executor != NULL;
         executor = executor->next_open)
        if (executor->pool->serial == serial)
            return true;
    return false;
}

/* With the lock held: forgets executors that are closed by now. */
static void forget_closed(void) {
    for (struct membership **at = &mine.all; *at != NULL;) {
        struct membership *membership = *at;
        if (is_open(membership->serial)) {
            at = &membership->next;
        } else {
            *at = membership->next;
            free(membership);
        }
    }
}

static void end_thread(void *arg) {
    (void)arg;
    pthread_mutex_lock(&registry.lock);
    forget_closed();
    for (struct membership *next; mine.all != NULL; mine.all = next) {
        next = mine.all->next;
        filchi_scheduler_part(mine.all->producer);
        free(mine.all);
    }
    pthread_mutex_unlock(&registry.lock);
    mine.last_serial = 0;
}

static struct producer *find_or_join(struct pool *pool, int node) {
    for (struct membership *membership = mine.all; membership != NULL;
         membership = membership->next)
        if (membership->serial == pool->serial && membership->node == node)
            return membership->producer;
    struct membership *membership = malloc(sizeof *membership);
    /* Any value but NULL: then end_thread gives the producer back. */
    pthread_mutex_lock(&registry.lock);
    bool has_end =
        membership != NULL && registry.has_key && pthread_setspecific(registry.key, &registry) == 0;
    pthread_mutex_unlock(&registry.lock);
    struct producer *producer = has_end ? filchi_scheduler_join(pool->scheduler, node) : NULL;
    if (producer == NULL) {
        free(membership);
        return NULL;
    }
    pthread_mutex_lock(&registry.lock);
    forget_closed();
    pthread_mutex_unlock(&registry.lock);
    if (unlikely(filchi_process_serves(pool)))
        filchi_record_use(&producer->record);
    *membership = (struct membership){mine.all, pool->serial, node, producer};
    mine.all = membership;
    return producer;
}

struct producer *filchi_pool_producer(struct pool *pool) {
    struct worker *worker = filchi_worker_self();
    if (worker != NULL && pool_of_worker(worker) == pool)
        return &worker->producer;
    if (likely(mine.last_serial == pool->serial))
        return mine.last_producer;
    struct producer *producer = find_or_join(pool, -1);
    if (producer != NULL) {
        mine.last_serial = pool->serial;
        mine.last_producer = producer;
    }
    return producer;
}

struct producer *filchi_pool_producer_for(struct pool *pool, int node) {
    if (filchi_victims_on_node(&pool->scheduler->victims, node).end == 0)
        return filchi_pool_producer(pool);
    return find_or_join(pool, node);
}

/* The open executor of this process that comes next behind `serial` and has workers, pinned: nobody
 * frees it before it is unpinned. NULL if there is none. */
static filch_executor *pin_next(uint64_t serial) {
    filch_executor *next = NULL;
    pthread_mutex_lock(&registry.lock);
    for (filch_executor *executor = registry.first; executor != NULL;
         executor = executor->next_open)
        if (executor->fork_generation == filchi_process_generation() &&
            executor->pool->scheduler->n_seats > 0 && executor->pool->serial > serial &&
            (next == NULL || executor->pool->serial < next->pool->serial))
            next = executor;
    if (next != NULL)
        next->n_pins++;
    pthread_mutex_unlock(&registry.lock);
    return next;
}

static void unpin(filch_executor *executor) {
    pthread_mutex_lock(&registry.lock);
    executor->n_pins--;
    pthread_cond_broadcast(&registry.unpinned);
    pthread_mutex_unlock(&registry.lock);
}

/* At the program's exit: waits for what was accepted by executors that nobody has shut down. Other
 * threads may be closing them meanwhile. */
static void end_program(void) {
    uint64_t serial = 0;
    for (filch_executor *executor; (executor = pin_next(serial)) != NULL; unpin(executor)) {
        serial = executor->pool->serial;
        struct worker *worker = filchi_worker_self();
        bool is_own = worker != NULL && pool_of_worker(worker) == executor->pool;
        if (!is_own && (scheduler_flags(executor->pool->scheduler) & SCHEDULER_STOPPING) == 0)
            (void)filch_shutdown(executor);
    }
}

static void before_fork(void) {
    pthread_mutex_lock(&registry.lock);
}

static void after_fork(void) {
    pthread_mutex_unlock(&registry.lock);
}

/* The child has none of the parent's workers: its executors are dead, and this thread is nobody's
 * worker. */
static void after_fork_in_child(void) {
    pthread_mutex_unlock(&registry.lock);
    filchi_worker_become(NULL);
    filchi_frame_forget();
    mine.last_serial = 0;
    for (struct membership *next; mine.all != NULL; mine.all = next) {
        next = mine.all->next;
        free(mine.all);
    }
    registry.first = NULL;
}

static int make_key(void) {
    int error = pthread_key_create(&registry.key, end_thread);
    registry.has_key = error == 0;
    return error;
}

/* Where the library is unloaded, threads that submitted may still run; at their end there is nothing
 * left to call. */
__attribute__((destructor)) static void unload(void) {
    pthread_mutex_lock(&registry.lock);
    if (registry.has_key)
        pthread_key_delete(registry.key);
    registry.has_key = false;
    pthread_mutex_unlock(&registry.lock);
}

/* Last of the fork handlers: until they are registered a fork waits for nobody who registers some. */
static int watch_forks(void) {
    return filchi_process_watch_forks(before_fork, after_fork, after_fork_in_child);
}

static int watch_exit(void) {
    return atexit(end_program) == 0 ? 0 : ENOMEM;
}

/* What a process needs once. A step that fails is tried again when the next executor is opened. With
 * the lock held. Returns: 0 or an errno value, and `*what` could not be made. */
static int initialise(const char **what) {
    static const struct {
        int (*make)(void);
        const char *what;
    } steps[] = {{make_key, "a thread-specific key"},
                 {filchi_consumer_init, "fork handlers"},
                 {filchi_reclaim_init, "fork handlers"},
                 {watch_forks, "fork handlers"},
                 {watch_exit, "an exit handler"}};
    int error = 0;
    while (error == 0 && registry.n_done < sizeof steps / sizeof steps[0]) {
        *what = steps[registry.n_done].what;
        error = steps[registry.n_done].make();
        if (error == 0)
            registry.n_done++;
    }
    return error;
}

int filchi_registry_add(filch_executor *executor, const char **what) {
    filchi_barrier_init();
    pthread_mutex_lock(&registry.lock);
    int error = initialise(what);
    if (error == 0 && executor->operations->is_shared) {
        *what = "shared memory for those who wait";
        error = filchi_consumer_share();
    }
    if (error == 0) {
        executor->pool->serial = ++registry.last_serial;
        executor->next_open = registry.first;
        registry.first = executor;
    }
    pthread_mutex_unlock(&registry.lock);
    return error;
}

void filchi_registry_serve(filch_executor *executor) {
    pthread_mutex_lock(&registry.lock);
    executor->next_open = NULL;
    registry.first = executor;
    pthread_mutex_unlock(&registry.lock);
}

void filchi_registry_remove(filch_executor *executor) {
    pthread_mutex_lock(&registry.lock);
    for (filch_executor **at = &registry.first; *at != NULL; at = &(*at)->next_open)
        if (*at == executor) {
            *at = executor->next_open;
            break;
        }
    while (executor->n_pins > 0)
        pthread_cond_wait(&registry.unpinned, &registry.lock);
    pthread_mutex_unlock(&registry.lock);
}
