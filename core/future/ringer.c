/* future/ringer.c: the list of consumers with a descriptor, and the thread that looks after it for
 * other processes. */
#include "future/ringer.h"

#include "platform/clock.h"
#include "platform/event.h"
#include "platform/futex.h"
#include "platform/thread.h"
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock;
    struct consumer *first;
    filch_atomic_u32 *word; /* that others raise; made with the first thread, kept */
    size_t n_remote;        /* consumers in the list that need the thread */
    bool is_running;
    bool is_to_end;
    pthread_t thread;
    pthread_cond_t ended; /* somebody has joined a thread */
    bool is_joining;
} ringer = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};

void filchi_ringer_before_fork(void) {
    pthread_mutex_lock(&ringer.lock);
}

void filchi_ringer_after_fork(void) {
    pthread_mutex_unlock(&ringer.lock);
}

void filchi_ringer_after_fork_in_child(void) {
    ringer.first = NULL;
    ringer.word = NULL;
    ringer.n_remote = 0;
    ringer.is_running = ringer.is_to_end = ringer.is_joining = false;
    ringer.ended = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    pthread_mutex_unlock(&ringer.lock);
}

/* With the lock held. */
static void set_event(struct consumer *consumer) {
    if (!consumer->is_set)
        filchi_event_set(consumer->fd);
    consumer->is_set = true;
    (void)filch_fetch_and_acq_rel(&consumer->bell, ~(uint32_t)BELL_POLLED);
}

/* With the lock held. No readiness is lost. A node that is in the list before the owner's last look under
 * the lock is seen by that look. One that comes later comes after POLLED was set (BELL), so its finisher
 * comes here, or sends the thread, and finds the list not empty, or emptied by the owner, which has shown
 * what it took. And none is made up: who is late sets the descriptor only if the list, whosever it is
 * now, has something. */
static void set_if_due(struct consumer *consumer) {
    if (consumer->fd >= 0 && consumer_has_news(consumer))
        set_event(consumer);
}

static COLD void ring_here(struct consumer *consumer) {
    pthread_mutex_lock(&ringer.lock);
    set_if_due(consumer);
    pthread_mutex_unlock(&ringer.lock);
}

/* Edge RUNG: push, then the word raised (acq_rel) -> the word's load (acquire), then the looks. */
void filchi_ringer_ring(struct consumer *consumer) {
    if (filch_load_relaxed(&consumer->pid) == (uint32_t)getpid()) {
        ring_here(consumer);
        return;
    }
    filch_atomic_u32 *word = filch_load_acquire(&consumer->ring); /* RUNG */
    if (word == NULL)
        return; /* closed meanwhile, and opened by somebody who expects no other process */
    (void)filch_fetch_add_acq_rel(word, 1u); /* RUNG */
    filchi_futex_wake(&word->value, INT_MAX, true);
}

static void *serve(void *arg) {
    filch_atomic_u32 *word = arg;
    filchi_thread_set_name("filch_bell", 0);
    for (bool ends = false; !ends;) {
        uint32_t seen = filch_load_acquire(word); /* RUNG */
        pthread_mutex_lock(&ringer.lock);
        for (struct consumer *consumer = ringer.first; consumer != NULL; consumer = consumer->next)
            set_if_due(consumer);
        ends = ringer.is_to_end;
        pthread_mutex_unlock(&ringer.lock);
        if (!ends)
            (void)filchi_futex_wait(&word->value, seen, FILCHI_NEVER, true);
    }
    return NULL;
}

/* With the lock held, which it may leave for a moment. Returns: 0 or an errno value. */
static int need_thread(void) {
    while (ringer.is_joining)
        pthread_cond_wait(&ringer.ended, &ringer.lock);
    if (ringer.is_running)
        return 0;
    if (ringer.word == NULL)
        ringer.word = filchi_consumer_take_cell();
    if (ringer.word == NULL)
        return ENOMEM;
    ringer.is_to_end = false;
    int error = filchi_thread_start(&ringer.thread, serve, ringer.word, 0);
    ringer.is_running = error == 0;
    return error;
}

/* With the lock held, which it leaves for a moment. */
static void end_thread(void) {
    if (!ringer.is_running || ringer.is_joining)
        return;
    ringer.is_to_end = ringer.is_joining = true;
    (void)filch_fetch_add_acq_rel(ringer.word, 1u); /* RUNG */
    filchi_futex_wake(&ringer.word->value, INT_MAX, true);
    pthread_mutex_unlock(&ringer.lock);
    pthread_join(ringer.thread, NULL);
    pthread_mutex_lock(&ringer.lock);
    ringer.is_running = ringer.is_joining = false;
    pthread_cond_broadcast(&ringer.ended);
}

/* With the lock held: a consumer in the list that another process may push to. */
static int add_remote(struct consumer *consumer) {
    int error = need_thread();
    if (error != 0)
        return error;
    ringer.n_remote++;
    filch_store_release(&consumer->ring, (void *)ringer.word); /* RUNG */
    return 0;
}

static bool is_remote(const struct consumer *consumer) {
    return (filch_load_relaxed(&consumer->bell) & BELL_REMOTE) != 0;
}

int filchi_ringer_expect_remote(struct consumer *consumer) {
    if (is_remote(consumer))
        return 0;
    int error = 0;
    if (consumer->fd >= 0) {
        pthread_mutex_lock(&ringer.lock);
        error = add_remote(consumer);
        pthread_mutex_unlock(&ringer.lock);
    }
    if (error == 0)
        consumer_expect_remote(consumer);
    return error;
}

int filchi_ringer_fd(struct consumer *consumer) {
    if (consumer->fd >= 0)
        return consumer->fd;
    int fd = filchi_event_open();
    if (fd < 0)
        return -1;
    pthread_mutex_lock(&ringer.lock);
    int error = is_remote(consumer) ? add_remote(consumer) : 0;
    if (error == 0) {
        consumer->fd = fd;
        consumer->is_set = false;
        consumer->next = ringer.first;
        ringer.first = consumer;
    }
    pthread_mutex_unlock(&ringer.lock);
    if (error == 0)
        return fd;
    filchi_event_close(fd);
    errno = error;
    return -1;
}

void filchi_ringer_show(struct consumer *consumer, bool is_ready) {
    if (consumer->fd < 0)
        return;
    pthread_mutex_lock(&ringer.lock);
    if (!is_ready) {
        if (consumer->is_set)
            filchi_event_clear(consumer->fd);
        consumer->is_set = false;
        filch_fetch_or_seq_cst(&consumer->bell, (uint32_t)BELL_POLLED); /* BELL */
    }
    if (is_ready || consumer_has_news(consumer)) /* BELL */
        set_event(consumer);
    pthread_mutex_unlock(&ringer.lock);
}

void filchi_ringer_close(struct consumer *consumer) {
    if (consumer->fd < 0)
        return;
    pthread_mutex_lock(&ringer.lock);
    for (struct consumer **at = &ringer.first; *at != NULL; at = &(*at)->next)
        if (*at == consumer) {
            *at = consumer->next;
            break;
        }
    filchi_event_close(consumer->fd);
    consumer->fd = -1;
    if (is_remote(consumer) && --ringer.n_remote == 0)
        end_thread();
    pthread_mutex_unlock(&ringer.lock);
}
