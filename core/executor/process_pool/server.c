/* executor/process_pool/server.c: the process that forks the workers.
 *
 * It is forked when the pool is opened and runs nothing of the program, so that workers are copies of a
 * clean process however many threads the program has by then. It sleeps until a worker ends, a bell
 * rings or the opener is gone; then it looks at everything. It allocates nothing. */
#include "executor/process_pool/process_pool.h"

#include "platform/fork.h"
#include "platform/process.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct server {
    struct process_pool *self;
    struct process_shared *shared;
    int child_events; /* signalfd of SIGCHLD: a worker has ended, or rings */
    uint32_t n_children;
    bool has_news; /* for the reaper */
};

/* Without a pidfd the opener's end is seen by looking again and again. */
enum { LOOK_AGAIN_MS = 100 };

/* A worker sends a signal: it has no descriptor of ours that a task could close. */
void filchi_server_ring(struct process_pool *self) {
    if (self->executor->fork_generation == filchi_process_generation())
        (void)send(self->bell, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL); /* full: it has been rung */
    else if (kill(self->shared->server, SIGCHLD) != 0 && errno == EPERM)
        filchi_notifier_relay(&self->shared->undelivered); /* a task has become another user */
}

static void tell_reaper(struct server *server) {
    if (server->has_news)
        (void)send(server->self->server_bell, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    server->has_news = false;
}

static struct slot *find_slot(struct server *server, pid_t pid) {
    for (uint32_t i = 0; i < server->shared->n_slots; i++) {
        struct slot *slot = &server->shared->slots[i];
        if (filch_load_relaxed(&slot->pid) == (uint32_t)pid && slot_has_process(slot))
            return slot;
    }
    return NULL;
}

static void reap(struct server *server) {
    int status;
    for (pid_t pid; (pid = filchi_fork_reap(&status)) != 0;) {
        struct slot *slot = find_slot(server, pid);
        if (slot == NULL)
            continue;
        server->n_children--;
        server->has_news = true;
        filch_store_relaxed(&slot->last_state, filch_load_acquire(&slot->state)); /* SLOT */
        filch_store_relaxed(&slot->wait_status, (uint32_t)status);
        filch_store_relaxed(&slot->signal, 0u);
        filch_store_release(&slot->state, (uint32_t)SLOT_DEAD); /* SLOT */
    }
}

static void send_signals(struct server *server) {
    for (uint32_t i = 0; i < server->shared->n_slots; i++) {
        struct slot *slot = &server->shared->slots[i];
        if (likely(filch_load_acquire(&slot->signal) == 0))
            continue;
        uint32_t number = filch_exchange_acquire(&slot->signal, 0u);
        if (slot_has_process(slot))
            kill((pid_t)filch_load_relaxed(&slot->pid), (int)number);
    }
}

static void begin_worker(struct server *server, uint32_t number) {
    struct process_pool *self = server->self;
    close(server->child_events);
    close(self->server_bell);
    if (self->opener_watch >= 0)
        close(self->opener_watch);
    if (!filchi_fork_die_with(server->shared->server))
        _exit(EXIT_NOT_READY);
    filchi_worker_process_main(self, number);
}

static void start(struct server *server, uint32_t number) {
    struct slot *slot = &server->shared->slots[number];
    if (!slot_move(slot, SLOT_REQUESTED, SLOT_STARTING))
        return;
    filch_store_relaxed(&slot->signal, 0u);
    filch_store_relaxed(&slot->n_tasks, 0u);
    slot->why[0] = '\0';
    slot->has_no_stack = false;
    bool is_ending = filch_load_seq_cst(&server->shared->is_ending) != 0; /* REQUESTED */
    pid_t pid = is_ending ? -1 : fork();
    if (pid == 0)
        begin_worker(server, number);
    if (pid > 0) {
        server->n_children++;
        filch_store_release(&slot->pid, (uint32_t)pid); /* SLOT */
        return;
    }
    server->has_news = true;
    filch_store_relaxed(&slot->wait_status, (uint32_t)(is_ending ? ESHUTDOWN : errno));
    filch_store_release(&slot->state, (uint32_t)SLOT_UNFORKED); /* SLOT */
}

static void start_requested(struct server *server) {
    for (uint32_t i = 0; i < server->shared->n_slots; i++)
        if (filch_load_seq_cst(&server->shared->slots[i].state) == SLOT_REQUESTED) /* REQUESTED */
            start(server, i);
}

/* The opener has ended, in whatever way. */
static _Noreturn void end_with_opener(struct server *server) {
    for (uint32_t i = 0; i < server->shared->n_slots; i++) {
        struct slot *slot = &server->shared->slots[i];
        if (slot_has_process(slot))
            kill((pid_t)filch_load_relaxed(&slot->pid), SIGKILL);
    }
    _exit(0); /* and those that were not caught die with this process */
}

static bool is_gone(pid_t opener) {
    return kill(opener, 0) != 0 && errno == ESRCH;
}

static void drain(int descriptor) {
    char bytes[512]; /* as large as some signalfd_siginfo */
    while (read(descriptor, bytes, sizeof bytes) > 0)
        ;
}

static void await_events(struct server *server) {
    struct process_pool *self = server->self;
    struct pollfd events[] = {{server->child_events, POLLIN, 0},
                              {self->server_bell, POLLIN, 0},
                              {self->opener_watch, POLLIN, 0}};
    bool is_watching = self->opener_watch >= 0;
    if (poll(events, is_watching ? 3 : 2, is_watching ? -1 : LOOK_AGAIN_MS) < 0 && errno != EINTR)
        _exit(1);
    if ((is_watching && events[2].revents != 0) || (!is_watching && is_gone(self->opener)))
        end_with_opener(server);
    drain(server->child_events);
    if (events[1].revents & (POLLHUP | POLLERR | POLLNVAL))
        end_with_opener(server); /* or has closed what it must not touch */
    while (recv(self->server_bell, (char[64]){0}, 64, MSG_DONTWAIT) > 0)
        ;
}

/* Signals are all blocked, and stay so: the program's handlers must not run here. A blocked SIGCHLD
 * that is ignored would be lost, and with it how workers ended. */
static void watch_children(struct server *server) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(SIGCHLD, &action, &server->self->on_child);
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    server->child_events = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (server->child_events < 0) {
        filch_store_relaxed(&server->shared->server_error, (uint32_t)errno);
        _exit(1);
    }
}

void filchi_server_main(void *arg) {
    struct process_pool *self = arg;
    struct server server = {.self = self, .shared = self->shared};
    close(self->bell);
    if (self->options.start_method == FILCH_FORKSERVER) {
        int kept[] = {self->server_bell, self->opener_watch,
                      self->executor->pool->arena->memory.descriptor};
        filchi_fork_close_others(kept, sizeof kept / sizeof kept[0]);
    }
    /* What the opener has not written yet it will write itself. */
    __fpurge(stdout);
    __fpurge(stderr);
    watch_children(&server);
    filchi_fork_set_name(self->crew.prefix, "fork");
    server.shared->server = getpid();
    server.has_news = true; /* it is there */
    for (;;) {
        tell_reaper(&server);
        await_events(&server);
        reap(&server);
        send_signals(&server);
        if (filch_exchange_acquire(&server.shared->has_new_deadline, 0u) != 0)
            server.has_news = true;
        if (filch_load_seq_cst(&server.shared->is_to_quit) != 0 && server.n_children == 0)
            _exit(0);
        start_requested(&server);
    }
}
