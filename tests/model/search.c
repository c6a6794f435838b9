/* search.c: every execution within bounds, depth first.
 *
 * An execution is its list of choices. The next one is the list with the last choice that has an
 * alternative changed: it goes on from there, since at each new choice everything is saved.
 *
 * Complete means: every execution with at most so many preemptions and delays either was run to its
 * end, or came to a state that had been explored before with no fewer of both left (explorer.h says
 * what a state is; 64 bits stand for it). Nothing else is left out. */
#include "explorer.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MOST_CHOICES = 1 << 14 };

struct choice {
    unsigned char chosen, n;
    signed char sub;    /* the how manieth of its step; NEXT: who goes on */
    signed char thread; /* NEXT: who; or KILL */
    uint32_t step;
    size_t checkpoint, end; /* where it is saved; not the first, which is the start */
};

struct visited {
    uint64_t state; /* 0: free */
    uint32_t preemptions, delays;
};

static struct search {
    enum outcome outcome;
    jmp_buf failed_outside;
    struct choice choices[MOST_CHOICES];
    size_t n_choices; /* given; the rest is new */
    size_t depth;
    bool is_replay;
    bool keeps_all;
    bool is_incomplete; /* choices were left out, before anybody knew */
    struct visited *visited;
    size_t n_visited, visited_size;
    struct search_counts counts;
    int preemptions, delays; /* the bounds */
} * it;

void search_init(void) {
    it = model_private(sizeof *it);
}

void search_keep_all(bool keeps_all) {
    it->keeps_all = keeps_all;
}

struct search_counts *search_counts(void) {
    return &it->counts;
}

_Noreturn void search_end(enum outcome outcome) {
    it->outcome = outcome;
    if (explorer->current == NULL)
        longjmp(it->failed_outside, 1);
    schedule_pause();
    __builtin_unreachable();
}

void search_anew(void) {
    it->is_incomplete = true;
}

/* ---- choices ---- */

static struct choice *add_choice(int n, signed char sub) {
    if (it->depth == MOST_CHOICES)
        model_fail("more than %d choices", MOST_CHOICES);
    struct choice *choice = &it->choices[it->depth];
    *choice = (struct choice){.sub = sub, .n = (unsigned char)n, .step = explorer->n_steps};
    choice->checkpoint = choice->end = it->depth == 0 ? 0 : choice[-1].end;
    it->n_choices = ++it->depth;
    return choice;
}

/* A choice for a running thread, which comes back from here once for each alternative. */
static struct choice *take_choice(int n, signed char sub) {
    struct choice *choice = add_choice(n, sub);
    it->outcome = AT_CHOICE;
    schedule_pause();
    return choice;
}

/* In a replay only what is not 0 is given. */
static struct choice *find_given(signed char sub) {
    struct choice *next = &it->choices[it->depth];
    if (it->depth >= it->n_choices || next->step != explorer->n_steps || next->sub != sub)
        return NULL;
    it->depth++;
    return next;
}

int choose(int n) {
    signed char sub = explorer->n_subs++;
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

/* To the next list of choices. Returns: false if there is none. */
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
    uint64_t n_before = it->counts.n_states;
    struct visited *visited = visit(hash_state(is_running), &it->counts.n_states);
    uint32_t preemptions = (uint32_t)explorer->preemptions_left;
    uint32_t delays = (uint32_t)explorer->delays_left;
    if (it->counts.n_states == n_before && visited->preemptions >= preemptions &&
        visited->delays >= delays) {
        search_end(PRUNED);
    }
    visited->preemptions = preemptions;
    visited->delays = delays;
}

int search_choose_next(const signed char *options, int n, bool is_running) {
    if (it->is_replay) {
        struct choice *given = find_given(NEXT);
        return given == NULL ? options[0] : given->thread;
    }
    if (n == 1)
        return options[0];
    if (!it->keeps_all)
        prune(is_running);
    struct choice *choice = take_choice(n, NEXT);
    choice->thread = options[choice->chosen];
    return choice->thread;
}

/* ---- executions ---- */

bool search_try(void (*function)(void)) {
    if (setjmp(it->failed_outside) != 0)
        return false;
    function();
    return true;
}

static void start(int first) {
    model_restore();
    store_reset();
    explorer->preemptions_left = it->preemptions;
    explorer->delays_left = it->delays;
    schedule_start(first);
}

/* Begins, or goes on from the last choice. */
static void go_on(void) {
    it->depth = it->n_choices;
    if (it->depth > 1) {
        checkpoint_restore(it->choices[it->depth - 1].checkpoint);
        return;
    }
    explorer->n_steps = 0;
    if (it->depth == 0)
        (void)add_choice(schedule_count(), 0);
    start(it->choices[0].chosen);
}

static void run_execution(void) {
    do {
        schedule_resume();
        if (it->outcome == AT_CHOICE)
            it->choices[it->depth - 1].end = checkpoint_save(it->choices[it->depth - 1].checkpoint);
    } while (it->outcome == AT_CHOICE);
    explorer->current = NULL;
    if (it->outcome == COMPLETE && explorer->scenario->check != NULL)
        (void)search_try(explorer->scenario->check);
    it->counts.n_executions++;
    if (it->outcome == COMPLETE) /* another number than that of any state on the way */
        (void)visit(mix(hash_state(false), 1) | 1, &it->counts.n_ends);
}

bool search_once(int preemptions, int delays) {
    it->preemptions = preemptions;
    it->delays = delays;
    it->is_incomplete = false;
    it->n_choices = 0;
    it->counts.n_states = it->counts.n_ends = 0;
    clear_visited();
    size_t bytes = platform_bytes();
    do {
        go_on();
        run_execution();
        if (it->outcome == FAILED)
            return false;
        if (platform_bytes() != bytes) { /* checkpoints lack something */
            it->is_incomplete = true;
            return true;
        }
    } while (backtrack());
    return true;
}

bool search_all(int preemptions, int delays) {
    do {
        if (!search_once(preemptions, delays))
            return false;
    } while (it->is_incomplete);
    return true;
}

/* PREEMPTIONS/DELAYS/STEP=THREAD,STEP.CHOICE=VALUE,... */
void search_print_choices(void) {
    printf("%d/%d/", it->preemptions, it->delays);
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

bool search_replay(const char *choices) {
    int n = 0;
    if (sscanf(choices, "%d/%d/%n", &it->preemptions, &it->delays, &n) != 2) {
        fprintf(stderr, "--replay: %s is not PREEMPTIONS/DELAYS/CHOICES\n", choices);
        return false;
    }
    it->is_replay = true;
    it->n_choices = 0;
    const char *p = choices + n;
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
    explorer->is_tracing = true;
    it->depth = 0;
    explorer->n_steps = explorer->n_subs = 0;
    start(choose(schedule_count()));
    run_execution();
    printf("\n%s\n", it->outcome == FAILED ? report_failure() : "no failure");
    return it->outcome != FAILED;
}
