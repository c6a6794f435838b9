/* explorer.c: runs a scenario under every schedule within bounds.
 *
 * Each thread is a coroutine. Before each step that others can notice, a choice: go on, or let another
 * one run. To leave a thread that could go on costs one of the preemptions (Musuvathi and Qadeer,
 * "Iterative Context Bounding", PLDI 2007); to go on after one that sleeps, waits in a loop, or has
 * ended is free. A thread's death, a time-out and a delayed store (store.c) are choices too. The search is
 * depth first: an execution is its list of choices, run again from the start with the last one that has
 * an alternative changed.
 *
 * Complete means: every execution with at most so many preemptions and delays either was run to its
 * end, or came to a state that had been explored before with no fewer of both left (explorer.h says
 * what a state is; 64 bits stand for it). Nothing else is left out. Loops must be bounded.
 *
 * A failure is an assertion, or that nobody can run and somebody has not ended: a lost wake-up is one.
 * It is looked for again with lower bounds, so that what is printed has few preemptions. */
#include "explorer.h"

#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { STACK_BYTES = 128 << 10, MOST_CHOICES = 1 << 16, MOST_STEPS = 20000, NAMES = 64, DEAD = 16 };
enum { NEXT = -1, KILL = -1 };
enum outcome { COMPLETE, PRUNED, FAILED, ANEW };

struct visited {
    uint64_t state; /* 0: free */
    uint32_t preemptions, delays;
};

struct range {
    const char *start;
    size_t bytes;
    const char *name;
};

struct explorer *explorer;

/* Everything here lies outside the program's static memory, which is restored. */
static struct search {
    struct explorer explorer;
    struct coroutine main;
    char *stacks;
    char *pristine, *saved; /* static memory before and after setup */
    jmp_buf failed_outside;
    enum outcome outcome;
    char failure[512];
    struct choice {
        unsigned char chosen, n;
        signed char sub;    /* the how manieth of its step; NEXT: who goes on */
        signed char thread; /* NEXT: who; or KILL */
        uint32_t step;
    } choices[MOST_CHOICES];
    size_t n_choices; /* given; the rest is new */
    size_t depth;
    uint32_t n_steps;
    signed char n_subs; /* of this step */
    bool is_replay;
    struct visited *visited;
    size_t n_visited, visited_size;
    struct range names[NAMES], dead[DEAD];
    int n_names;
    bool keeps_all; /* nothing is pruned: shows that pruning loses nothing */
    uint64_t n_executions, n_states, n_ends;
    int preemptions, delays; /* the bounds */
} * it;

/* The program's static memory, and in it what core/ has thread-local. */
/* NOLINTBEGIN(bugprone-reserved-identifier): the linker makes these names. */
extern char __data_start[], _end[];
extern char __start_model_thread_local[] __attribute__((weak));
extern char __stop_model_thread_local[] __attribute__((weak));
/* NOLINTEND(bugprone-reserved-identifier) */

static size_t local_bytes(void) {
    return (size_t)(__stop_model_thread_local - __start_model_thread_local);
}

void *model_private(size_t bytes) {
    void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED) {
        perror("mmap");
        exit(EXIT_FAILURE);
    }
    return start;
}

/* ---- failures and traces ---- */

static _Noreturn void end_execution(enum outcome outcome) {
    it->outcome = outcome;
    struct thread *self = explorer->current;
    if (self == NULL)
        longjmp(it->failed_outside, 1);
    coroutine_switch(&self->coroutine, &it->main);
    __builtin_unreachable();
}

_Noreturn void model_fail(const char *format, ...) {
    va_list list;
    va_start(list, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): va_start is two lines above. */
    vsnprintf(it->failure, sizeof it->failure, format, list);
    va_end(list);
    end_execution(FAILED);
}

/* `where` NULL: goes on with the line before. */
void trace(const char *where, const char *format, ...) {
    if (!explorer->is_tracing)
        return;
    va_list list;
    va_start(list, format);
    if (where != NULL)
        printf("\n%4u  %-*s%-12s %-28s ", it->n_steps,
               (int)(explorer->current - explorer->threads) * 2, "", explorer->current->name,
               where);
    else
        putchar(' ');
    vprintf(format, list); /* NOLINT(clang-analyzer-valist.Uninitialized): va_start is above */
    va_end(list);
}

const char *describe(const void *address) {
    static char text[80];
    for (int i = it->n_names - 1; i >= 0; i--) { /* the last name is the most precise */
        size_t at = (size_t)((const char *)address - it->names[i].start);
        if (at < it->names[i].bytes) {
            snprintf(text, sizeof text, at == 0 ? "%s" : "%s+%zu", it->names[i].name, at);
            return text;
        }
    }
    snprintf(text, sizeof text, "%p", address);
    return text;
}

void model_name(const void *start, size_t bytes, const char *name) {
    if (it->n_names < NAMES)
        it->names[it->n_names++] = (struct range){start, bytes, name};
}

void model_dead(void *start, size_t bytes) {
    if (explorer->n_dead == DEAD)
        model_fail("more than %d ranges are dead", DEAD);
    it->dead[explorer->n_dead++] = (struct range){start, bytes, NULL};
}

void check_alive(const void *address) {
    for (int i = 0; i < explorer->n_dead; i++)
        if ((size_t)((const char *)address - it->dead[i].start) < it->dead[i].bytes)
            model_fail("%s uses %s, which is free", explorer->current->name, describe(address));
}

/* ---- choices ---- */

/* The next choice of the list, a new one if the list is through. */
static struct choice *take_choice(int n, signed char sub) {
    if (it->depth == MOST_CHOICES)
        model_fail("more than %d choices", MOST_CHOICES);
    struct choice *choice = &it->choices[it->depth];
    if (it->depth++ >= it->n_choices) {
        it->n_choices = it->depth;
        *choice = (struct choice){.chosen = 0, .sub = sub, .step = it->n_steps};
    } else if (choice->n != n || choice->sub != sub || choice->step != it->n_steps) {
        model_fail("not deterministic: choice %zu is one of %d now, and was of %d", it->depth - 1,
                   n, choice->n);
    }
    choice->n = (unsigned char)n;
    return choice;
}

/* In a replay only what is not 0 is given. */
static struct choice *find_given(signed char sub) {
    struct choice *next = &it->choices[it->depth];
    if (it->depth >= it->n_choices || next->step != it->n_steps || next->sub != sub)
        return NULL;
    it->depth++;
    return next;
}

int choose(int n) {
    signed char sub = it->n_subs++;
    if (!it->is_replay)
        return take_choice(n, sub)->chosen;
    struct choice *given = find_given(sub);
    return given == NULL || given->chosen >= n ? 0 : given->chosen;
}

int model_choose(int n) {
    schedule_point(true);
    int chosen = choose(n);
    learn((uint64_t)chosen);
    if (explorer->is_tracing)
        trace(__func__, "%d of %d", chosen, n);
    return chosen;
}

/* Goes on to the next list of choices. Returns: false if there is none. */
static bool backtrack(void) {
    it->n_choices = it->depth;
    while (it->n_choices > 0) {
        size_t last = it->n_choices - 1;
        if (++it->choices[last].chosen < it->choices[last].n)
            return true;
        it->n_choices--;
    }
    return false;
}

/* ---- states ---- */

static void clear_visited(void) {
    if (it->visited != NULL)
        munmap(it->visited, it->visited_size * sizeof *it->visited);
    it->visited_size = (size_t)1 << 16;
    it->visited = model_private(it->visited_size * sizeof *it->visited);
    it->n_visited = 0;
}

static struct visited *find_visited(uint64_t state) {
    size_t at = state & (it->visited_size - 1);
    while (it->visited[at].state != 0 && it->visited[at].state != state)
        at = (at + 1) & (it->visited_size - 1);
    return &it->visited[at];
}

static void enlarge_visited(void) {
    struct visited *old = it->visited;
    size_t old_size = it->visited_size;
    it->visited_size *= 4;
    it->visited = model_private(it->visited_size * sizeof *it->visited);
    for (size_t i = 0; i < old_size; i++)
        if (old[i].state != 0)
            *find_visited(old[i].state) = old[i];
    munmap(old, old_size * sizeof *old);
}

static uint64_t hash_state(bool is_running) {
    uint64_t hash = explorer->memory_hash + (uint64_t)explorer->kills_left;
    for (int i = 0; i < explorer->n_threads; i++) {
        const struct thread *thread = &explorer->threads[i];
        hash = mix(hash, thread->history);
        hash = mix(hash, thread->status | thread->n_drained << 8 | thread->awaited << 16 |
                             (uint64_t)thread->n_buffered << 48);
    }
    hash = mix(hash, is_running ? (uint64_t)(explorer->current - explorer->threads) + 1 : 0);
    return hash == 0 ? 1 : hash;
}

/* A new one is counted. */
static struct visited *visit(uint64_t state, uint64_t *n_new) {
    if (it->n_visited * 2 > it->visited_size)
        enlarge_visited();
    struct visited *visited = find_visited(state);
    if (visited->state == 0) {
        visited->state = state;
        it->n_visited++;
        ++*n_new;
    }
    return visited;
}

/* Ends the execution if all that can follow has been explored. */
static void prune(bool is_running) {
    uint64_t n_before = it->n_states;
    struct visited *visited = visit(hash_state(is_running), &it->n_states);
    uint32_t preemptions = (uint32_t)explorer->preemptions_left;
    uint32_t delays = (uint32_t)explorer->delays_left;
    if (it->n_states == n_before && visited->preemptions >= preemptions &&
        visited->delays >= delays) {
        end_execution(PRUNED);
    }
    visited->preemptions = preemptions;
    visited->delays = delays;
}

/* ---- threads ---- */

void make_ready(struct thread *thread) {
    thread->status = READY;
    thread->history = mix(thread->history, explorer->current->history);
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
                                        [ON_END] = "waits for the end of a thread"};
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
    end_execution(COMPLETE);
}

static void begin_step(void) {
    it->n_subs = 0;
    learn(0); /* no two steps of a thread are the same state */
    if (++it->n_steps > MOST_STEPS)
        model_fail("more than %d steps: a loop without a bound?", MOST_STEPS);
}

void schedule_anew(void) {
    if (!it->is_replay) /* where there is a choice before each access */
        end_execution(ANEW);
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
    if (is_running && self->may_be_killed && explorer->kills_left > 0)
        options[n++] = KILL;
    return n;
}

static int choose_next(const signed char *options, int n, bool is_running) {
    if (it->is_replay) {
        struct choice *given = find_given(NEXT);
        return given == NULL ? options[0] : given->thread;
    }
    if (n == 1)
        return options[0];
    if (it->depth >= it->n_choices && !it->keeps_all)
        prune(is_running);
    struct choice *choice = take_choice(n, NEXT);
    choice->thread = options[choice->chosen];
    return choice->thread;
}

/* Chooses who runs, and goes there. */
static void schedule(bool is_free) {
    struct thread *self = explorer->current;
    bool is_running = self->status == READY;
    signed char options[MODEL_THREADS + 1] = {0};
    int n = list_options(options, is_running, is_free);
    if (n == 0)
        end_of_all();
    int chosen = choose_next(options, n, is_running);
    if (chosen == KILL) {
        explorer->kills_left--;
        if (explorer->is_tracing)
            trace("", "is killed");
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
    }
    switch_to(next);
}

void schedule_point(bool is_visible) {
    begin_step();
    if (!is_visible && !it->is_replay)
        return;
    if (it->depth < it->n_choices && it->choices[it->depth].chosen == 0 && !it->is_replay &&
        it->choices[it->depth].sub == NEXT && it->choices[it->depth].step == it->n_steps)
        it->depth++; /* run again from the start: it went on */
    else
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
    coroutine_make(&thread->coroutine, it->stacks + (size_t)number * STACK_BYTES, STACK_BYTES,
                   thread_main);
    return thread;
}

void model_thread(const char *name, void (*run)(void *), void *arg) {
    schedule_point(true);
    struct thread *thread = add_thread(name);
    thread->run_with = run;
    thread->arg = arg;
    learn((uintptr_t)thread);
    thread->history = mix(thread->history, explorer->current->history);
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

/* ---- executions ---- */

static size_t static_bytes(void) {
    return (size_t)(_end - __data_start);
}

static void run_execution(void) {
    const struct model_scenario *scenario = explorer->scenario;
    memcpy(__data_start, it->saved, static_bytes());
    platform_restore();
    store_reset();
    explorer->n_threads = 0;
    explorer->preemptions_left = it->preemptions;
    explorer->delays_left = it->delays;
    explorer->n_buffered = 0;
    explorer->kills_left = 1;
    explorer->n_dead = 0;
    it->depth = 0;
    it->n_steps = 0;
    it->n_subs = 0;
    for (int i = 0; i < MODEL_THREADS && scenario->threads[i].name != NULL; i++) {
        struct thread *thread = add_thread(scenario->threads[i].name);
        thread->run = scenario->threads[i].run;
        thread->may_be_killed = scenario->threads[i].may_be_killed;
    }
    struct thread *first = &explorer->threads[choose(explorer->n_threads)];
    explorer->current = first;
    memcpy(__start_model_thread_local, first->locals, local_bytes());
    coroutine_switch(&it->main, &first->coroutine);
    explorer->current = NULL;
    if (it->outcome == COMPLETE && setjmp(it->failed_outside) == 0 && scenario->check != NULL)
        scenario->check();
    it->n_executions++;
    if (it->outcome == COMPLETE) /* another number than that of any state on the way */
        (void)visit(mix(hash_state(false), 1) | 1, &it->n_ends);
}

/* Returns: false at the first failure. */
static bool explore(int preemptions, int delays) {
    it->preemptions = preemptions;
    it->delays = delays;
    do {
        it->n_choices = 0;
        it->n_states = it->n_ends = 0;
        clear_visited();
        do {
            run_execution();
            if (it->outcome == FAILED)
                return false;
        } while (it->outcome != ANEW && backtrack());
    } while (it->outcome == ANEW);
    return true;
}

/* SCENARIO/PREEMPTIONS/DELAYS/STEP=THREAD,STEP.CHOICE=VALUE,... */
static void print_schedule(void) {
    printf("%s/%d/%d/", explorer->scenario->name, it->preemptions, it->delays);
    const char *separator = "";
    for (size_t i = 0; i < it->depth; i++)
        if (it->choices[i].chosen != 0) {
            const struct choice *choice = &it->choices[i];
            if (choice->sub == NEXT)
                printf("%s%u=%d", separator, choice->step, choice->thread);
            else
                printf("%s%u.%d=%d", separator, choice->step, choice->sub, choice->chosen);
            separator = ",";
        }
    printf("\n");
}

static void keep_pristine(void) {
    if (local_bytes() > LOCAL_BYTES) {
        fprintf(stderr, "LOCAL_BYTES has to be %zu at least\n", local_bytes());
        exit(EXIT_FAILURE);
    }
    it->pristine = model_private(static_bytes());
    it->saved = model_private(static_bytes());
    memcpy(it->pristine, __data_start, static_bytes());
}

static bool set_up(const struct model_scenario *scenario) {
    explorer->scenario = scenario;
    it->n_names = 0;
    store_forget();
    memcpy(__data_start, it->pristine, static_bytes());
    if (setjmp(it->failed_outside) != 0) {
        printf("%s: setup failed: %s\n", scenario->name, it->failure);
        return false;
    }
    scenario->setup();
    memcpy(it->saved, __data_start, static_bytes());
    platform_save();
    return true;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void look_for_shorter(int preemptions, int delays) {
    for (int sum = 0; sum <= preemptions + delays; sum++)
        for (int d = 0; d <= delays && d <= sum; d++)
            if (sum - d <= preemptions && !explore(sum - d, d))
                return;
}

static bool run_scenario(const struct model_scenario *scenario, int preemptions, int delays,
                         const char *program) {
    if (!set_up(scenario))
        return false;
    double start = seconds();
    it->n_executions = 0;
    /* With low bounds first, which finds almost all that is shared, and most failures. */
    if (explore(preemptions > 0, 0) && explore(preemptions > 0, delays > 0) &&
        explore(preemptions, delays)) {
        printf("%-24s %d preemptions, %d delays: %8llu executions, %8llu states, %6llu ends, "
               "%6.2f s\n",
               scenario->name, preemptions, delays, (unsigned long long)it->n_executions,
               (unsigned long long)it->n_states, (unsigned long long)it->n_ends, seconds() - start);
        return true;
    }
    printf("%-24s FAILED after %llu executions, %.2f s: %s\n", scenario->name,
           (unsigned long long)it->n_executions, seconds() - start, it->failure);
    look_for_shorter(preemptions, delays);
    printf("  %s\n  %s --replay ", it->failure, program);
    print_schedule();
    return false;
}

/* Does pruning lose nothing? The same ends are reached without it, which takes low bounds. */
static bool compare(const struct model_scenario *scenario, int preemptions, int delays) {
    uint64_t n_ends[2];
    for (int i = 0; i < 2; i++) {
        it->keeps_all = i == 1;
        if (!set_up(scenario) || !explore(preemptions, delays))
            return false;
        n_ends[i] = it->n_ends;
    }
    printf("%-24s %d preemptions, %d delays: %llu ends, %llu if nothing is pruned\n",
           scenario->name, preemptions, delays, (unsigned long long)n_ends[0],
           (unsigned long long)n_ends[1]);
    return n_ends[0] == n_ends[1];
}

static bool replay(const char *schedule) {
    char name[64];
    int n;
    if (sscanf(schedule, "%63[^/]/%d/%d/%n", name, &it->preemptions, &it->delays, &n) != 3) {
        fprintf(stderr, "--replay: %s is not SCENARIO/PREEMPTIONS/DELAYS/CHOICES\n", schedule);
        return false;
    }
    const struct model_scenario *scenario = model_scenarios;
    while (scenario->name != NULL && strcmp(scenario->name, name) != 0)
        scenario++;
    if (scenario->name == NULL) {
        fprintf(stderr, "--replay: there is no scenario %s here\n", name);
        return false;
    }
    it->is_replay = true;
    const char *p = schedule + n;
    for (struct choice *choice = it->choices; *p != '\0'; p += *p == ',') {
        unsigned step;
        int sub = NEXT, value;
        if (sscanf(p, "%u=%d%n", &step, &value, &n) != 2 &&
            sscanf(p, "%u.%d=%d%n", &step, &sub, &value, &n) != 3)
            break;
        p += n;
        *choice++ = (struct choice){.chosen = (unsigned char)value,
                                    .sub = (signed char)sub,
                                    .thread = (signed char)value,
                                    .step = step};
        it->n_choices++;
    }
    if (!set_up(scenario))
        return false;
    explorer->is_tracing = true;
    run_execution();
    printf("\n%s\n", it->outcome == FAILED ? it->failure : "no failure");
    return it->outcome != FAILED;
}

static bool is_wanted(const char *name, char **wanted) {
    if (*wanted == NULL)
        return true;
    for (; *wanted != NULL; wanted++)
        if (strcmp(*wanted, name) == 0)
            return true;
    return false;
}

int main(int argc, char **argv) {
    it = model_private(sizeof *it);
    explorer = &it->explorer;
    it->stacks = model_private((size_t)MODEL_THREADS * STACK_BYTES);
    store_init();
    setvbuf(stdout, NULL, _IOLBF, 0);
    static const struct option options[] = {{"preemptions", required_argument, NULL, 'p'},
                                            {"delays", required_argument, NULL, 'd'},
                                            {"replay", required_argument, NULL, 'r'},
                                            {"compare", no_argument, NULL, 'c'},
                                            {NULL, 0, NULL, 0}};
    int preemptions = -1, delays = -1;
    bool compares = false;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'r') {
            keep_pristine();
            return replay(optarg) ? EXIT_SUCCESS : EXIT_FAILURE;
        }
        if (option == 'p')
            preemptions = atoi(optarg);
        else if (option == 'd')
            delays = atoi(optarg);
        else if (option == 'c')
            compares = true;
        else {
            fprintf(stderr,
                    "%s [--preemptions N] [--delays N] [--compare] [--replay SCHEDULE] "
                    "[SCENARIO...]\n",
                    argv[0]);
            return EXIT_FAILURE;
        }
    }
    char **wanted = argv + optind;
    keep_pristine();
    bool passed = true;
    const struct model_scenario *s = model_scenarios;
    for (; s->name != NULL; s++)
        if (is_wanted(s->name, wanted)) {
            bool has_bounds = preemptions >= 0 || delays >= 0;
            if (compares && s->is_huge)
                continue;
            if (compares)
                passed = compare(s, preemptions < 0 ? 1 : preemptions, delays < 0 ? 1 : delays) &&
                         passed;
            else if (has_bounds)
                passed = run_scenario(s, preemptions < 0 ? 3 : preemptions, delays < 0 ? 0 : delays,
                                      argv[0]) &&
                         passed;
            else { /* a delay for one of the preemptions; then all of these */
                passed = run_scenario(s, s->is_large || s->is_huge ? 1 : 2, 1, argv[0]) && passed;
                if (!s->is_huge)
                    passed = run_scenario(s, 3, 0, argv[0]) && passed;
            }
        }
    return passed ? EXIT_SUCCESS : EXIT_FAILURE;
}
