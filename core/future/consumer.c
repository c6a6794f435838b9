/* future/consumer.c: consumers of this process, and their bell. */
#include "future/consumer.h"

#include "future/ringer.h"
#include "platform/clock.h"
#include "platform/futex.h"
#include "platform/process.h"
#include "structures/recover.h"
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

/* Opening and closing a collection is rare beside what it collects, so a mutex is enough here. */
static struct {
    pthread_mutex_t lock;
    struct heap *heap; /* NULL before the first */
    struct heap own;   /* unless another one is served */
    uint32_t pid;      /* of this process; 0: not asked for yet */
    const void *owned; /* by its arena; leak checkers do not look for pointers in shared memory */
} home = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void before_fork(void) {
    filchi_ringer_before_fork();
    pthread_mutex_lock(&home.lock);
}

static void after_fork(void) {
    pthread_mutex_unlock(&home.lock);
    filchi_ringer_after_fork();
}

/* The heap is the parent's, which goes on taking from it; what lies in it stays where it is. */
static void after_fork_in_child(void) {
    home.heap = NULL;
    home.pid = 0;
    pthread_mutex_unlock(&home.lock);
    filchi_ringer_after_fork_in_child();
}

int filchi_consumer_init(void) {
    return pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

enum { CONSUMER_LOG2 = 6 };
_Static_assert(sizeof(struct consumer) <= 1 << CONSUMER_LOG2, "a consumer fits into its cell");

#define HOME_BYTES ((size_t)1 << 30)

/* With the lock held. Where the system has no shared memory, threads alone can be waited for; but a pool of
 * processes that finds none for a moment must not decide that for good. */
static struct heap *need_heap(bool must_share) {
    if (home.heap != NULL)
        return home.heap;
    struct arena *arena = filchi_arena_open_shared(HOME_BYTES);
    if (arena == NULL && !must_share)
        arena = filchi_arena_open(HOME_BYTES);
    if (arena == NULL)
        return NULL;
    filchi_heap_init(&home.own, arena, CONSUMER_LOG2, true);
    home.heap = &home.own;
    home.owned = arena->headroom;
    return home.heap;
}

int filchi_consumer_share(void) {
    pthread_mutex_lock(&home.lock);
    struct heap *heap = need_heap(true);
    int error = heap == NULL ? ENOMEM : heap->arena->is_shared ? 0 : ENOSYS;
    pthread_mutex_unlock(&home.lock);
    return error;
}

void filchi_consumer_serve(struct heap *heap, struct arena *arena) {
    if (heap->arena == NULL)
        filchi_heap_init(heap, arena, CONSUMER_LOG2, true);
    pthread_mutex_lock(&home.lock);
    home.heap = heap;
    pthread_mutex_unlock(&home.lock);
}

/* With the lock held. */
static void *take_cell(void) {
    struct heap *heap = need_heap(false);
    return heap == NULL ? NULL : heap_take(heap);
}

/* In place of a process's number: this cell is no consumer, and stays what it is. */
static const uint32_t NO_CONSUMER = UINT32_MAX;

void *filchi_consumer_take_cell(void) {
    pthread_mutex_lock(&home.lock);
    struct consumer *cell = take_cell();
    if (cell != NULL)
        filch_store_relaxed(&cell->pid, NO_CONSUMER);
    pthread_mutex_unlock(&home.lock);
    return cell;
}

static void rescan(void *cell, void *arg) {
    struct consumer *consumer = cell;
    (void)arg;
    uint32_t pid = filch_load_relaxed(&consumer->pid);
    if (pid == NO_CONSUMER || pid == 0)
        return;
    uint32_t bell = filch_fetch_or_seq_cst(&consumer->bell, (uint32_t)BELL_RESCAN); /* RESCAN */
    if (bell & BELL_REMOTE) /* the dead may have cleared SLEEPER, and not woken whom it stood for */
        filchi_futex_wake(&consumer->bell.value, 1, true);
    if (bell & BELL_POLLED)
        filchi_ringer_ring(consumer);
}

void filchi_consumer_rescan(const struct heap *heap) {
    filchi_heap_walk(heap, rescan, NULL);
}

void filchi_consumer_rescan_own(void) {
    pthread_mutex_lock(&home.lock);
    const struct heap *heap = home.heap;
    pthread_mutex_unlock(&home.lock);
    if (heap != NULL) /* its slabs stay */
        filchi_heap_walk(heap, rescan, NULL);
}

static void close_for(void *cell, void *arg) {
    struct consumer *consumer = cell;
    (void)arg;
    if (filch_load_relaxed(&consumer->pid) != NO_CONSUMER)
        (void)completion_list_reopen(&consumer->list);
}

static bool is_free_now(const void *cell) {
    return filch_load_relaxed(&((const struct consumer *)cell)->pid) != NO_CONSUMER;
}

void filchi_consumer_recover(struct heap *heap) {
    filchi_heap_walk(heap, close_for, NULL);
    filchi_heap_rebuild(heap, is_free_now);
}

struct consumer *filchi_consumer_open(void) {
    pthread_mutex_lock(&home.lock);
    struct consumer *consumer = take_cell();
    if (home.pid == 0)
        home.pid = (uint32_t)getpid();
    uint32_t pid = home.pid;
    pthread_mutex_unlock(&home.lock);
    if (consumer == NULL)
        return NULL;
    filch_store_relaxed(&consumer->pid, pid);
    consumer->fork_generation = filchi_process_generation();
    consumer->fd = -1;
    /* A late finisher may be ringing: it looks under the ringer's lock, and at this list. */
    filch_store_relaxed(&consumer->bell, 0u);
    consumer->generation = completion_list_reopen(&consumer->list);
    return consumer;
}

bool filchi_consumer_is_here(const struct consumer *consumer) {
    return consumer->fork_generation == filchi_process_generation();
}

void filchi_consumer_close(struct consumer *consumer) {
    if (!filchi_consumer_is_here(consumer))
        return;
    (void)completion_list_reopen(&consumer->list);
    filchi_ringer_close(consumer);
    slab_free(consumer);
}

void filchi_consumer_push(struct consumer *consumer, uint64_t generation,
                          struct completion_node *node) {
    if (!completion_list_push(&consumer->list, generation, node)) /* BELL */
        return;
    uint32_t bell = filch_load_seq_cst(&consumer->bell); /* BELL */
    if (bell & BELL_SLEEPER) {
        bell = filch_fetch_and_acq_rel(&consumer->bell, ~(uint32_t)BELL_SLEEPER);
        if (bell & BELL_SLEEPER)
            filchi_futex_wake(&consumer->bell.value, 1, (bell & BELL_REMOTE) != 0);
    }
    if (unlikely(bell & BELL_POLLED))
        filchi_ringer_ring(consumer);
}

/* Returns: false if the deadline passed first. */
static bool sleep_on(struct consumer *consumer, uint64_t deadline_ns) {
    bool in_time = true;
    while (!consumer_has_news(consumer)) {
        uint32_t bell = filch_fetch_or_seq_cst(&consumer->bell, (uint32_t)BELL_SLEEPER); /* BELL */
        if (consumer_has_news(consumer) || !in_time)                                     /* BELL */
            break;
        bell |= BELL_SLEEPER;
        in_time =
            filchi_futex_wait(&consumer->bell.value, bell, deadline_ns, (bell & BELL_REMOTE) != 0);
    }
    (void)filch_fetch_and_acq_rel(&consumer->bell, ~(uint32_t)BELL_SLEEPER);
    return consumer_has_news(consumer);
}

filch_status filchi_consumer_await(struct consumer *consumer, struct future_host *host,
                                   uint64_t deadline_ns) {
    if (consumer_has_news(consumer))
        return FILCH_OK;
    filch_status status = host->begin_block(host);
    if (status != FILCH_OK)
        return status;
    bool in_time = sleep_on(consumer, deadline_ns);
    host->end_block(host);
    return in_time ? FILCH_OK : FILCH_TIMEOUT;
}
