/* executor/process_pool/notifier.c: the stack, the thread, the mail. */
#include "executor/process_pool/notifier.h"

#include "base/status.h"
#include "executor/execute.h"
#include "executor/frame.h"
#include "future/error.h"
#include "future/recover.h"
#include "platform/clock.h"
#include "platform/futex.h"
#include "platform/thread.h"
#include <limits.h>

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
    filchi_frame_leave(&frame);
    filchi_error_give(notifier->pool->arena, frame.raised);
}

static void end_round(struct undelivered *undelivered) {
    filch_store_seq_cst(&undelivered->is_busy, 0u);
    (void)filch_fetch_add_seq_cst(&undelivered->n_rounds, 1u);
    if (filch_load_seq_cst(&undelivered->n_waiting) != 0)
        filchi_futex_wake(&undelivered->n_rounds.value, INT_MAX, false);
}

/* Sleeps until there is something. Returns: false if there will not be. */
static bool sleep_on(struct undelivered *undelivered) {
    filch_store_seq_cst(&undelivered->bell, 1u);                      /* UNDELIVERED */
    bool has_more = filch_load_seq_cst(&undelivered->newest) != NULL; /* UNDELIVERED */
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
        filch_store_seq_cst(&undelivered->is_busy, 1u);
        deliver_all(notifier, take_all(&undelivered->newest));
        end_round(undelivered);
    } while (sleep_on(undelivered));
    return NULL;
}

int filchi_notifier_start(struct notifier *notifier, struct pool *pool) {
    notifier->pool = pool;
    pthread_mutex_init(&notifier->mail, NULL);
    int error = filchi_thread_start(&notifier->thread, notify, notifier, 0);
    notifier->is_running = error == 0;
    if (error != 0)
        pthread_mutex_destroy(&notifier->mail);
    return error;
}

void filchi_notifier_stop(struct notifier *notifier) {
    if (!notifier->is_running)
        return;
    struct undelivered *undelivered = notifier->pool->undelivered;
    filch_store_seq_cst(&undelivered->is_to_end, 1u);
    filchi_notifier_rouse(undelivered);
    pthread_join(notifier->thread, NULL);
    pthread_mutex_destroy(&notifier->mail);
    notifier->is_running = false;
}

/* Who pushed is through with it: looked at in this order, what is neither in the stack nor in the
 * notifier's hands has been delivered. */
static bool is_idle(struct undelivered *undelivered) {
    return filch_load_seq_cst(&undelivered->newest) == NULL &&
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

void filchi_notifier_disown(struct notifier *notifier, struct worker *worker) {
    pthread_mutex_lock(&notifier->mail);
    filch_store_relaxed(&worker->mail, NULL); /* all of it is MAILED, and found by that */
    filchi_future_disown(&worker->producer.futures);
    pthread_mutex_unlock(&notifier->mail);
}

void filchi_notifier_serve_mail(struct worker *worker) {
    struct block *block = take_all(&worker->mail); /* MAIL */
    for (struct block *next; block != NULL; block = next) {
        next = filch_load_relaxed(&block->next);
        filchi_future_deliver_mailed(&block->future);
    }
}
