/* schedule.c: threads that take turns: each is a coroutine.
 *
 * Before each step that others can notice, a choice: go on, or let another one run. To leave a thread
 * that could go on costs one of the preemptions (Musuvathi and Qadeer, "Iterative Context Bounding",
 * PLDI 2007); to go on after one that sleeps, waits in a loop, or has ended is free. A thread's death
 * and a time-out are choices too.
 *
 * A failure is an assertion, or that nobody can run and somebody has not ended: a lost wake-up is one.
 * Loops must be bounded. */
#include "explorer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_STEPS = 20000 };

static char *stacks;
static struct coroutine *outside; /* who runs executions */

/* What core/ has thread-local. */
/* NOLINTBEGIN(bugprone-reserved-identifier): the linker makes these names. */
extern char __start_model_thread_local[] __attribute__((weak));
extern char __stop_model_thread_local[] __attribute__((weak));
/* NOLINTEND(bugprone-reserved-identifier) */

static size_t local_bytes(void) {
    return (size_t)(__stop_model_thread_local - __start_model_thread_local);
}

void schedule_init(void) {
    if (local_bytes() > LOCAL_BYTES) {
        fprintf(stderr, "LOCAL_BYTES has to be %zu at least\n", local_bytes());
        exit(EXIT_FAILURE);
    }
    stacks = model_private((size_t)MODEL_THREADS * STACK_BYTES);
    outside = model_private(sizeof *outside);
}

void make_ready(struct thread *thread) {
    thread->status = READY;
    learn_from(thread, explorer->current->history);
}

static void switch_to(struct thread *next) {
    struct thread *self = explorer->current;
    if (next == self)
        return;
    memcpy(self->locals, __start_model_thread_local, local_bytes());
    memcpy(__start_model_thread_local, next->locals, local_bytes());
    explorer->current = next;
    coroutine_switch(&self->coroutine, &next->coroutine);
}

/* Somebody who waits for the end of `thread` need not any more. */
static void announce_end(struct thread *thread, enum status status) {
    thread->status = status;
    for (int i = 0; i < explorer->n_threads; i++)
        if (explorer->threads[i].status == ON_END && explorer->threads[i].waits_for == thread)
            make_ready(&explorer->threads[i]);
}

/* Nobody can run. */
static void end_of_all(void) {
    static const char *const waits[] = {[ON_FUTEX] = "sleeps on",
                                        [ON_MUTEX] = "waits for",
                                        [ON_READERS] = "waits for readers",
                                        [ON_END] = "waits for the end of a thread",
                                        [ON_REST] = "waits for a rest"};
    char text[400] = "nobody can run";
    bool all_ended = true;
    for (int i = 0; i < explorer->n_threads; i++) {
        const struct thread *thread = &explorer->threads[i];
        if (thread->status == ENDED || thread->status == KILLED)
            continue;
        all_ended = false;
        size_t length = strlen(text);
        snprintf(text + length, sizeof text - length, ", %s %s %s", thread->name,
                 waits[thread->status],
                 thread->status == ON_FUTEX ? describe(thread->waits_for) : "");
    }
    store_drain_all();
    if (!all_ended && explorer->scenario->is_over == NULL)
        model_fail("%s", text);
    struct thread *self = explorer->current;
    explorer->current = NULL; /* accesses are plain from here on */
    bool is_over = explorer->scenario->is_over == NULL || explorer->scenario->is_over();
    explorer->current = self;
    if (!is_over)
        model_fail("%s, and it is not over", text);
    search_end(COMPLETE);
}

static void begin_step(void) {
    explorer->n_subs = 0;
    learn(0); /* no two steps of a thread are the same state */
    if (++explorer->n_steps > MOST_STEPS)
        model_fail("more than %d steps: a loop without a bound?", MOST_STEPS);
}

/* Who could go on: first the running thread, if it can. Returns: their number. */
static int list_options(signed char *options, bool is_running, bool is_free) {
    struct thread *self = explorer->current;
    int n = 0;
    if (is_running)
        options[n++] = (signed char)(self - explorer->threads);
    if (!is_running || is_free || explorer->preemptions_left > 0)
        for (int i = 0; i < explorer->n_threads; i++) {
            const struct thread *thread = &explorer->threads[i];
            bool may_time_out = thread->status == ON_FUTEX && thread->deadline_ns != UINT64_MAX &&
                                !explorer->scenario->keeps_time;
            if ((thread != self || !is_running) && (thread->status == READY || may_time_out))
                options[n++] = (signed char)i;
        }
    for (int i = 0; n == 0 && i < explorer->n_threads; i++)
        if (explorer->threads[i].status == ON_REST)
            options[n++] = (signed char)i;
    if (is_running && self->may_be_killed && explorer->kills_left > 0)
        options[n++] = KILL;
    return n;
}

void schedule(bool is_free) {
    struct thread *self = explorer->current;
    bool is_running = self->status == READY;
    signed char options[MODEL_THREADS + 1] = {0};
    int n = list_options(options, is_running, is_free);
    if (n == 0)
        end_of_all();
    int chosen = search_choose_next(options, n, is_running);
    if (chosen == KILL) {
        explorer->kills_left--;
        if (explorer->is_tracing)
            trace("", "is killed");
        store_drain(self); /* nobody hears of the end of a process before its stores have arrived */
        announce_end(self, KILLED);
        begin_step();
        schedule(true);
        __builtin_unreachable();
    }
    struct thread *next = &explorer->threads[chosen];
    if (is_running && next != self && !is_free)
        explorer->preemptions_left--;
    if (next->status == ON_FUTEX) {
        next->status = READY;
        next->timed_out = true;
    } else if (next->status == ON_REST) {
        next->status = READY;
    }
    switch_to(next);
}

void schedule_point(bool is_visible) {
    begin_step();
    /* Who may be killed may be so anywhere: what it has done so far may matter to who finds it. */
    if (is_visible || explorer->is_tracing || explorer->current->may_be_killed)
        schedule(false);
}

void schedule_yield(void) {
    begin_step();
    schedule(true);
}

void schedule_block(enum status status, const void *waits_for) {
    struct thread *self = explorer->current;
    self->waits_for = waits_for;
    self->status = status;
    begin_step();
    schedule(true);
}

static void thread_main(void) {
    struct thread *self = explorer->current;
    if (self->run != NULL)
        self->run();
    else
        self->run_with(self->arg);
    if (explorer->is_tracing)
        trace("", "ends");
    announce_end(self, ENDED);
    begin_step();
    schedule(true);
    __builtin_unreachable();
}

static struct thread *add_thread(const char *name) {
    if (explorer->n_threads == MODEL_THREADS)
        model_fail("more than %d threads", MODEL_THREADS);
    int number = explorer->n_threads++;
    struct thread *thread = &explorer->threads[number];
    void *buffer = thread; /* the stack is used again: what ran there is over */
    memset(buffer, 0, sizeof *thread);
    thread->name = name;
    thread->history = mix(0, (uint64_t)number);
    coroutine_make(&thread->coroutine, stacks + (size_t)number * STACK_BYTES, STACK_BYTES,
                   thread_main);
    return thread;
}

void model_thread(const char *name, void (*run)(void *), void *arg) {
    schedule_point(true);
    struct thread *thread = add_thread(name);
    thread->run_with = run;
    thread->arg = arg;
    learn((uintptr_t)thread);
    learn_from(thread, explorer->current->history);
    if (explorer->is_tracing)
        trace(__func__, "%s", name);
}

bool model_await_end(const char *name) {
    schedule_point(true);
    struct thread *awaited = NULL;
    for (int i = 0; i < explorer->n_threads; i++)
        if (strcmp(explorer->threads[i].name, name) == 0)
            awaited = &explorer->threads[i];
    if (awaited == NULL)
        model_fail("model_await_end: there is no thread %s", name);
    if (awaited->status != ENDED && awaited->status != KILLED)
        schedule_block(ON_END, awaited);
    store_drain(explorer->current);
    learn(awaited->history + awaited->status);
    return awaited->status == KILLED;
}

void model_await_rest(void) {
    schedule_point(true);
    store_drain(explorer->current);
    schedule_block(ON_REST, NULL);
}

int schedule_count(void) {
    int n = 0;
    while (n < MODEL_THREADS && explorer->scenario->threads[n].name != NULL)
        n++;
    return n;
}

void schedule_start(int first) {
    explorer->n_threads = 0;
    explorer->n_buffered = 0;
    explorer->n_dead = 0;
    explorer->kills_left = 1;
    explorer->n_steps = 0;
    explorer->n_subs = 0;
    for (int i = 0, n = schedule_count(); i < n; i++) {
        struct thread *thread = add_thread(explorer->scenario->threads[i].name);
        thread->run = explorer->scenario->threads[i].run;
        thread->may_be_killed = explorer->scenario->threads[i].may_be_killed;
    }
    explorer->current = &explorer->threads[first];
    memcpy(__start_model_thread_local, explorer->current->locals, local_bytes());
}

void schedule_resume(void) {
    coroutine_switch(outside, &explorer->current->coroutine);
}

void schedule_pause(void) {
    coroutine_switch(&explorer->current->coroutine, outside);
}

char *schedule_stack(int number, size_t *bytes) {
    char *stack = stacks + (size_t)number * STACK_BYTES;
    char *top = coroutine_top(&explorer->threads[number].coroutine, stack);
    *bytes = (size_t)(stack + STACK_BYTES - top);
    return top;
}
