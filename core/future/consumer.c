/* future/consumer.c: consumers of this process, and their bell. */
#include "future/consumer.h"

#include "platform/clock.h"
#include "platform/futex.h"
#include "structures/slab.h"
#include <pthread.h>

/* Opening and closing a collection is rare beside what it collects, so a mutex is enough here. */
static struct {
    pthread_mutex_t lock;
    struct arena *arena;
    struct heap heap;
} home = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void lock_home(void) {
    pthread_mutex_lock(&home.lock);
}

static void unlock_home(void) {
    pthread_mutex_unlock(&home.lock);
}

/* A fork must not copy the lock while another thread has it. */
static void watch_forks(void) {
    pthread_atfork(lock_home, unlock_home, unlock_home);
}

enum { CONSUMER_LOG2 = 6 };
_Static_assert(sizeof(struct consumer) <= 1 << CONSUMER_LOG2, "a consumer fits into its cell");

struct consumer *filchi_consumer_open(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    lock_home();
    if (home.arena == NULL) {
        home.arena = filchi_arena_open((size_t)1 << 30);
        if (home.arena != NULL)
            filchi_heap_init(&home.heap, home.arena, CONSUMER_LOG2, true);
    }
    struct consumer *consumer = home.arena == NULL ? NULL : heap_take(&home.heap);
    unlock_home();
    if (consumer != NULL) {
        filch_store_relaxed(&consumer->bell, 0u);
        consumer->generation = completion_list_reopen(&consumer->list);
    }
    return consumer;
}

void filchi_consumer_close(struct consumer *consumer) {
    (void)completion_list_reopen(&consumer->list);
    slab_free(consumer);
}

void filchi_consumer_push(struct consumer *consumer, uint64_t generation,
                          struct completion_node *node) {
    if (!completion_list_push(&consumer->list, generation, node)) /* BELL */
        return;
    uint32_t somebody = 1;
    if (filch_load_seq_cst(&consumer->bell) == 1 && /* BELL */
        filch_cas_acq_rel(&consumer->bell, &somebody, 0u))
        filchi_futex_wake(&consumer->bell.value, 1, false);
}

static bool sleep_on(struct consumer *consumer, uint64_t deadline_ns) {
    bool in_time = true;
    while (completion_list_is_empty(&consumer->list)) {
        filch_store_seq_cst(&consumer->bell, 1u);                   /* BELL */
        if (!completion_list_is_empty(&consumer->list) || !in_time) /* BELL */
            break;
        in_time = filchi_futex_wait(&consumer->bell.value, 1, deadline_ns, false);
    }
    filch_store_relaxed(&consumer->bell, 0u);
    return !completion_list_is_empty(&consumer->list);
}

filch_status filchi_consumer_await(struct consumer *consumer, struct future_host *host,
                                   uint64_t deadline_ns) {
    if (!completion_list_is_empty(&consumer->list))
        return FILCH_OK;
    filch_status status = host->begin_block(host, NULL, deadline_ns != FILCHI_NEVER);
    if (status != FILCH_OK)
        return status;
    bool in_time = sleep_on(consumer, deadline_ns);
    host->end_block(host);
    return in_time ? FILCH_OK : FILCH_TIMEOUT;
}
