/* executor/process_pool/notifier.c: the stack, the thread, the mail. */
#include "executor/process_pool/notifier.h"

#include "base/status.h"
#include "executor/execute.h"
#include "executor/frame.h"
#include "executor/process_pool/process_pool.h"
#include "future/error.h"
#include "future/recover.h"
#include "platform/clock.h"
#include "platform/futex.h"
#include "platform/thread.h"
#include "structures/recover.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

static void wake(struct undelivered *undelivered) {
    filchi_futex_wake(&undelivered->bell.value, 1, true);
}

static void push(filch_atomic_pointer *list, struct block *block) {
    void *newest = filch_load_relaxed(list); /* only its address is used */
    do {
        filch_store_relaxed(&block->next, newest);
    } while (!filch_cas_seq_cst(list, &newest, (void *)block)); /* UNDELIVERED, MAIL */
}

/* All of a list, the oldest first. */
static struct block *take_all(filch_atomic_pointer *list) {
    struct block *oldest = NULL;
    struct block *block = filch_exchange_seq_cst(list, NULL); /* UNDELIVERED, MAIL */
    for (struct block *next; block != NULL; block = next) {
        next = filch_load_relaxed(&block->next);
        filch_store_relaxed(&block->next, (void *)oldest);
        oldest = block;
    }
    return oldest;
}

void filchi_notifier_push(struct undelivered *undelivered, struct block *block) {
    push(&undelivered->newest, block);
    if (filch_load_seq_cst(&undelivered->bell) != 0) { /* UNDELIVERED */
        if (filch_exchange_acq_rel(&undelivered->bell, 0u) != 0)
            wake(undelivered);
    }
}

void filchi_notifier_rouse(struct undelivered *undelivered) {
    filch_store_seq_cst(&undelivered->bell, 0u);
    wake(undelivered);
}

void filchi_notifier_relay(struct undelivered *undelivered) {
    filch_store_seq_cst(&undelivered->has_relay, 1u); /* UNDELIVERED */
    filchi_notifier_rouse(undelivered);
}

/* Returns: false if the notifier delivers it. */
static bool mail(struct notifier *notifier, struct block *block, uint32_t tag) {
    struct worker *worker = scheduler_worker(notifier->pool->scheduler, tag - 1);
    pthread_mutex_lock(&notifier->mail);
    bool is_mailed = filchi_future_mail(&block->future);
    if (is_mailed)
        push(&worker->mail, block); /* MAIL */
    pthread_mutex_unlock(&notifier->mail);
    if (is_mailed)
        filchi_worker_notify(worker);
    return is_mailed;
}

static void deliver(struct notifier *notifier, struct block *block) {
    filch_future *future = &block->future;
    uint64_t state = future_state(future);
    uint32_t tag = slab_of(future)->owner;
    if ((state & FUTURE_DEFERRED) == 0)
        filchi_future_destroy(future);
    else if (tag == PROCESS_OPENER || !mail(notifier, block, tag))
        filchi_future_deliver_deferred(future, state_generation(state));
}

static void deliver_rest(struct notifier *notifier, uint64_t entry) {
    filch_future *future = entry_future(notifier->pool->arena, entry);
    switch (filchi_future_find_rest(future, entry_generation(entry))) {
    case REST_NOTHING:
        break;
    case REST_DELIVERY:
        filchi_future_defer(future);
        deliver(notifier, block_of(future));
        break;
    case REST_BLOCK:
        filchi_future_destroy(future);
        break;
    }
}

/* In a frame, so that the program's report hook, too, counts as code inside of the pool: it must not wait
 * for the pool's end. */
static void deliver_all(struct notifier *notifier, struct block *block) {
    struct frame frame;
    uint32_t generation = filchi_process_generation();
    frame_init(&frame, notifier->pool, NULL, "filch_on_report");
    filchi_frame_enter(&frame);
    for (struct block *next; block != NULL; block = next) {
        next = filch_load_relaxed(&block->next);
        deliver(notifier, block);
        execute_leave_if_forked(generation);
    }
    for (size_t i = 0; i < notifier->taken.n; i++) {
        deliver_rest(notifier, notifier->taken.entries[i]);
        execute_leave_if_forked(generation);
    }
    filchi_frame_leave(&frame);
    filchi_error_give(notifier->pool->arena, frame.raised);
}

/* Taken first, delivered last: what is in the stack is no orphan, and is seen to by then. */
static void serve(struct notifier *notifier) {
    struct undelivered *undelivered = notifier->pool->undelivered;
    pthread_mutex_lock(&notifier->mail);
    struct orphans given = notifier->orphans;
    notifier->orphans = notifier->taken;
    notifier->orphans.n = 0;
    notifier->taken = given;
    filch_store_seq_cst(&undelivered->n_orphans, 0u);
    pthread_mutex_unlock(&notifier->mail);
    deliver_all(notifier, take_all(&undelivered->newest));
}

static void end_round(struct undelivered *undelivered) {
    filch_store_seq_cst(&undelivered->is_busy, 0u);
    (void)filch_fetch_add_seq_cst(&undelivered->n_rounds, 1u);
    if (filch_load_seq_cst(&undelivered->n_waiting) != 0)
        filchi_futex_wake(&undelivered->n_rounds.value, INT_MAX, false);
}

/* Sleeps until there is something. Returns: false if there will not be. */
static bool sleep_on(struct undelivered *undelivered) {
    filch_store_seq_cst(&undelivered->bell, 1u);                        /* UNDELIVERED */
    bool has_more = filch_load_seq_cst(&undelivered->newest) != NULL || /* UNDELIVERED */
                    filch_load_seq_cst(&undelivered->n_orphans) != 0 || /* UNDELIVERED */
                    filch_load_seq_cst(&undelivered->has_relay) != 0;   /* UNDELIVERED */
    bool is_to_end = filch_load_seq_cst(&undelivered->is_to_end) != 0;
    if (!has_more && !is_to_end)
        (void)filchi_futex_wait(&undelivered->bell.value, 1, FILCHI_NEVER, true);
    filch_store_relaxed(&undelivered->bell, 0u);
    return has_more || !is_to_end;
}

static void *notify(void *arg) {
    struct notifier *notifier = arg;
    struct undelivered *undelivered = notifier->pool->undelivered;
    filchi_thread_set_name("filch_notify", 0);
    do {
        if (filch_exchange_seq_cst(&undelivered->has_relay, 0u) != 0) /* UNDELIVERED */
            filchi_server_ring(notifier->process_pool);
        filch_store_seq_cst(&undelivered->is_busy, 1u);
        serve(notifier);
        end_round(undelivered);
    } while (sleep_on(undelivered));
    return NULL;
}

static bool open_orphans(struct orphans *orphans) {
    enum { SOME = 32 };
    *orphans = (struct orphans){malloc(SOME * sizeof orphans->entries[0]), 0, SOME};
    return orphans->entries != NULL;
}

static void clear(struct notifier *notifier) {
    free(notifier->orphans.entries);
    free(notifier->taken.entries);
    pthread_mutex_destroy(&notifier->mail);
    notifier->is_running = false;
}

int filchi_notifier_start(struct notifier *notifier, struct pool *pool,
                          struct process_pool *process_pool) {
    *notifier = (struct notifier){.pool = pool, .process_pool = process_pool};
    pthread_mutex_init(&notifier->mail, NULL);
    int error = ENOMEM;
    if (open_orphans(&notifier->orphans) && open_orphans(&notifier->taken))
        error = filchi_thread_start(&notifier->thread, notify, notifier, 0);
    notifier->is_running = error == 0;
    if (error != 0)
        clear(notifier);
    return error;
}

void filchi_notifier_stop(struct notifier *notifier) {
    if (!notifier->is_running)
        return;
    struct undelivered *undelivered = notifier->pool->undelivered;
    filch_store_seq_cst(&undelivered->is_to_end, 1u);
    filchi_notifier_rouse(undelivered);
    pthread_join(notifier->thread, NULL);
    clear(notifier);
}

/* Who pushed is through with it: looked at in this order, what is neither in the stack nor in the
 * notifier's hands has been delivered. */
static bool is_idle(struct undelivered *undelivered) {
    return filch_load_seq_cst(&undelivered->newest) == NULL &&
           filch_load_seq_cst(&undelivered->n_orphans) == 0 &&
           filch_load_seq_cst(&undelivered->is_busy) == 0;
}

filch_status filchi_notifier_await(struct undelivered *undelivered, uint64_t deadline_ns) {
    (void)filch_fetch_add_seq_cst(&undelivered->n_waiting, 1u);
    bool in_time = true, idle;
    for (;;) {
        uint32_t n_rounds = filch_load_seq_cst(&undelivered->n_rounds);
        idle = is_idle(undelivered);
        if (idle || !in_time)
            break;
        in_time = filchi_futex_wait(&undelivered->n_rounds.value, n_rounds, deadline_ns, false);
    }
    (void)filch_fetch_sub_seq_cst(&undelivered->n_waiting, 1u);
    return idle ? FILCH_OK : FILCH_TIMEOUT;
}

static bool grow(struct orphans *orphans) {
    size_t capacity = 2 * orphans->capacity;
    uint64_t *larger = realloc(orphans->entries, capacity * sizeof *larger);
    if (larger == NULL)
        return false;
    *orphans = (struct orphans){larger, orphans->n, capacity};
    return true;
}

bool filchi_notifier_adopt(struct notifier *notifier, uint64_t entry) {
    pthread_mutex_lock(&notifier->mail);
    struct orphans *orphans = &notifier->orphans;
    bool has_room = orphans->n < orphans->capacity || grow(orphans);
    if (has_room)
        orphans->entries[orphans->n++] = entry;
    filch_store_seq_cst(&notifier->pool->undelivered->n_orphans, /* UNDELIVERED */
                        (uint32_t)orphans->n);
    pthread_mutex_unlock(&notifier->mail);
    filchi_notifier_rouse(notifier->pool->undelivered);
    return has_room;
}

static void disown(void *cell, void *arg) {
    (void)arg;
    filchi_future_disown(cell);
}

void filchi_notifier_disown(struct notifier *notifier, struct worker *worker) {
    pthread_mutex_lock(&notifier->mail);
    filch_store_relaxed(&worker->mail, NULL); /* all of it is MAILED, and found by that */
    filchi_heap_walk(&worker->producer.futures, disown, NULL);
    const struct producer *p = filch_load_acquire(&worker->producer.scheduler->outside);
    for (; p != NULL; p = p->next) /* PRODUCER-MADE */
        if (p->process == worker->number + 1)
            filchi_heap_walk(&p->futures, disown, NULL);
    pthread_mutex_unlock(&notifier->mail);
    filchi_notifier_rouse(notifier->pool->undelivered);
}

void filchi_notifier_serve_mail(struct worker *worker) {
    struct block *block = take_all(&worker->mail); /* MAIL */
    for (struct block *next; block != NULL; block = next) {
        next = filch_load_relaxed(&block->next);
        filchi_future_deliver_mailed(&block->future);
    }
}
