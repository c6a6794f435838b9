/* future/consumer.c: consumers of this process, and their bell. */
#include "future/consumer.h"

#include "platform/clock.h"
#include "platform/event.h"
#include "platform/futex.h"
#include "platform/process.h"
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

int filchi_consumer_init(void) {
    return pthread_atfork(lock_home, unlock_home, unlock_home);
}

enum { CONSUMER_LOG2 = 6 };
_Static_assert(sizeof(struct consumer) <= 1 << CONSUMER_LOG2, "a consumer fits into its cell");

struct consumer *filchi_consumer_open(void) {
    lock_home();
    if (home.arena == NULL) {
        home.arena = filchi_arena_open((size_t)1 << 30);
        if (home.arena != NULL)
            filchi_heap_init(&home.heap, home.arena, CONSUMER_LOG2, true);
    }
    struct consumer *consumer = home.arena == NULL ? NULL : heap_take(&home.heap);
    if (consumer != NULL)
        consumer->fd = -1;
    unlock_home();
    if (consumer != NULL) {
        /* A late finisher may be ringing: it looks under the lock, and at this list. */
        filch_store_relaxed(&consumer->bell, 0u);
        consumer->generation = completion_list_reopen(&consumer->list);
    }
    return consumer;
}

void filchi_consumer_close(struct consumer *consumer) {
    (void)completion_list_reopen(&consumer->list);
    if (consumer->fd >= 0) {
        lock_home();
        filchi_event_close(consumer->fd);
        consumer->fd = -1;
        unlock_home();
    }
    slab_free(consumer);
}

/* A forked child leaves its parent's descriptor alone: both have the same counter behind it. */
static bool has_event(const struct consumer *consumer) {
    return consumer->fd >= 0 && consumer->fd_generation == filchi_process_generation();
}

/* With the lock held. */
static void set_event(struct consumer *consumer) {
    if (!consumer->is_set)
        filchi_event_set(consumer->fd);
    consumer->is_set = true;
    (void)filch_fetch_and_acq_rel(&consumer->bell, ~(uint32_t)BELL_POLLED);
}

/* No readiness is lost. A node that is in the list before the owner's last look under the lock is seen
 * by that look. One that comes later comes after POLLED was set (BELL), so its finisher comes here, and
 * finds the list not empty, or emptied by the owner, which has shown what it took. And none is made up:
 * a finisher that is late sets the descriptor only if the list, whosever it is now, has something. */
static COLD void ring_event(struct consumer *consumer) {
    lock_home();
    if (has_event(consumer) && !completion_list_is_empty(&consumer->list))
        set_event(consumer);
    unlock_home();
}

int filchi_consumer_fd(struct consumer *consumer) {
    if (!has_event(consumer)) {
        int fd = filchi_event_open();
        if (fd < 0)
            return -1;
        lock_home();
        if (consumer->fd >= 0)
            filchi_event_close(consumer->fd); /* this process's copy of its parent's */
        consumer->fd = fd;
        consumer->fd_generation = filchi_process_generation();
        consumer->is_set = false;
        unlock_home();
    }
    return consumer->fd;
}

void filchi_consumer_show(struct consumer *consumer, bool is_ready) {
    if (!has_event(consumer))
        return;
    lock_home();
    if (!is_ready) {
        if (consumer->is_set)
            filchi_event_clear(consumer->fd);
        consumer->is_set = false;
        filch_fetch_or_seq_cst(&consumer->bell, (uint32_t)BELL_POLLED); /* BELL */
    }
    if (is_ready || !completion_list_is_empty(&consumer->list)) /* BELL */
        set_event(consumer);
    unlock_home();
}

void filchi_consumer_push(struct consumer *consumer, uint64_t generation,
                          struct completion_node *node) {
    if (!completion_list_push(&consumer->list, generation, node)) /* BELL */
        return;
    uint32_t bell = filch_load_seq_cst(&consumer->bell); /* BELL */
    if (bell & BELL_SLEEPER) {
        bell = filch_fetch_and_acq_rel(&consumer->bell, ~(uint32_t)BELL_SLEEPER);
        if (bell & BELL_SLEEPER)
            filchi_futex_wake(&consumer->bell.value, 1, false);
    }
    if (unlikely(bell & BELL_POLLED))
        ring_event(consumer);
}

/* Returns: false if the deadline passed first. */
static bool sleep_on(struct consumer *consumer, uint64_t deadline_ns) {
    bool in_time = true;
    while (completion_list_is_empty(&consumer->list)) {
        uint32_t bell = filch_fetch_or_seq_cst(&consumer->bell, (uint32_t)BELL_SLEEPER); /* BELL */
        if (!completion_list_is_empty(&consumer->list) || !in_time)                      /* BELL */
            break;
        bell |= BELL_SLEEPER;
        in_time = filchi_futex_wait(&consumer->bell.value, bell, deadline_ns, false);
    }
    (void)filch_fetch_and_acq_rel(&consumer->bell, ~(uint32_t)BELL_SLEEPER);
    return !completion_list_is_empty(&consumer->list);
}

filch_status filchi_consumer_await(struct consumer *consumer, struct future_host *host,
                                   uint64_t deadline_ns) {
    if (!completion_list_is_empty(&consumer->list))
        return FILCH_OK;
    filch_status status = host->begin_block(host);
    if (status != FILCH_OK)
        return status;
    bool in_time = sleep_on(consumer, deadline_ns);
    host->end_block(host);
    return in_time ? FILCH_OK : FILCH_TIMEOUT;
}
