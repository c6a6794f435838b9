/* scheduler/fork_stack.c: publishing, taking back, stealing, joining. */
#include "scheduler/fork_stack.h"

#include "base/random.h"
#include "platform/clock.h"
#include "platform/futex.h"
#include "platform/stack.h"
#include "platform/thread.h"
#include "scheduler/fork_memory.h"
#include "scheduler/substitute.h"
#include "scheduler/worker.h"
#include <limits.h>

/* How long who cannot leave its seat sleeps before it tries again. */
static const uint64_t TRY_AGAIN_NS = 1000000;

/* ---- the word ---- */

/* 22 bits each for tail and split, 20 for the epoch. */
#define MARK UINT64_C(0x3fffff)
enum { MOST_SHARED = (1 << 22) - 64 };
_Static_assert(MOST_SHARED + PRIVATE_MOST <= MARK, "a mark names any place that others see");

static uint32_t tail_of(uint64_t word) {
    return (uint32_t)(word & MARK);
}

static uint32_t split_of(uint64_t word) {
    return (uint32_t)(word >> 22 & MARK);
}

static uint64_t next_word(uint64_t word, uint32_t tail, uint32_t split) {
    return ((word >> 44) + 1) << 44 | (uint64_t)split << 22 | tail;
}

/* ---- flags, and requests ---- */

/* Whoever comes to this place, which is private or free, asks. By the owner. */
static void ask_at(struct fork_stack *stack, uint32_t index) {
    filch_store_relaxed(&place_at(stack, index)->state, (uint64_t)CHILD_ASKS);
}

static void clear_at(struct fork_stack *stack, uint32_t index) {
    filch_store_relaxed(&place_at(stack, index)->state, UINT64_C(0));
}

static bool is_wanted(const struct fork_stack *stack) {
    return filch_load_relaxed(&stack->n_requests) != filch_load_relaxed(&stack->n_served);
}

/* By a thief. A request that is not served yet is made good, should who made it not have flagged the places, or
 * others: the split may have moved before it was counted. */
static void request(struct fork_stack *stack) {
    if (filch_load_relaxed(&stack->is_active) == 0)
        return;
    uint32_t n = filch_load_relaxed(&stack->n_requests);
    if (n == filch_load_relaxed(&stack->n_served))
        n = filch_fetch_add_seq_cst(&stack->n_requests, 1u) + 1; /* REQUESTED */
    filch_fence_seq_cst();                                       /* REQUESTED */
    uint32_t split = split_of(filch_load_relaxed(&stack->word));
    uint64_t flagged = (uint64_t)n << 32 | split;
    if (filch_load_acquire(&stack->flagged) == flagged) /* REQUESTED */
        return;
    for (uint32_t i = 0; i < PRIVATE_MOST; i++)
        (void)filch_fetch_or_acq_rel(&place_at(stack, split + i)->state,
                                     (uint64_t)CHILD_ASKS); /* REQUESTED */
    filch_store_release(&stack->flagged, flagged);          /* REQUESTED */
}

/* ---- the owner's marks ---- */

/* The children below `split` are everybody's. Wakes one who sleeps (ASLEEP). */
static void publish(struct fork_stack *stack, uint32_t split) {
    struct scheduler *scheduler = stack->worker->producer.scheduler;
    filch_store_relaxed(&stack->n_served, filch_load_relaxed(&stack->n_requests));
    for (uint32_t i = stack->split; i < split; i++)
        ask_at(stack, i);
    uint64_t word = filch_load_relaxed(&stack->word);
    while (!filch_cas_acq_rel(&stack->word, &word, next_word(word, tail_of(word), split)))
        ; /* SPAWNED */
    stack->split = split;
    ask_at(stack, split + PRIVATE_MOST);
    if (!scheduler->is_shared && park_must_wake(&scheduler->park))
        (void)filchi_scheduler_wake_one(scheduler);
}

/* The child at `index` is the owner's again, unless it was stolen; half of the older ones stay public, or more.
 * Returns: false if it was stolen. */
static bool take_back(struct fork_stack *stack, uint32_t index) {
    uint64_t word = filch_load_acquire(&stack->word); /* TAKEN */
    uint32_t split;
    do {
        uint32_t tail = tail_of(word);
        if (tail > index)
            return false;
        uint32_t n = index - tail;
        split = index - (n / 2 < PRIVATE_LEFT ? n - n / 2 : PRIVATE_LEFT);
    } while (
        !filch_cas_acq_rel(&stack->word, &word, next_word(word, tail_of(word), split))); /* TAKEN */
    stack->split = split;
    for (uint32_t i = split; i < index; i++)
        clear_at(stack, i);
    ask_at(stack, split + PRIVATE_MOST);
    return true;
}

/* Nothing is public: all below `index` was stolen, all from there on is gone. */
static void set_marks(struct fork_stack *stack, uint32_t index) {
    uint64_t word = filch_load_relaxed(&stack->word);
    /* Nobody else changes it now. */
    filch_store_release(&stack->word, next_word(word, index, index)); /* LEAPT */
    stack->split = index;
    ask_at(stack, index + PRIVATE_MOST);
}

/* The stack ends at `top`, a free place, and what is private below it is not too much; the owner looks whether
 * more is wanted. It comes to `top` next, or to the place below, which asks when it is public. */
static void serve(struct fork_stack *stack, uint32_t top) {
    filch_fence_seq_cst(); /* REQUESTED */
    while (is_wanted(stack)) {
        if (stack->split == top) {
            ask_at(stack, top);
            return;
        }
        publish(stack, top);
        filch_fence_seq_cst(); /* REQUESTED */
    }
}

/* ---- the stacks of a worker ---- */

/* The stack that is to be there; made if it is not. Returns: NULL if there is no memory. */
static struct fork_stack *need_stack(filch_atomic_pointer *where, struct worker *worker) {
    struct fork_stack *stack = filch_load_relaxed(where);
    if (stack != NULL)
        return stack;
    stack = filchi_fork_memory_make();
    if (stack == NULL)
        return NULL;
    stack->worker = worker;
    set_marks(stack, FIRST_PLACE);
    filch_store_release(where, (void *)stack); /* STACK-MADE */
    return stack;
}

void filchi_fork_stack_release(struct worker *worker) {
    struct fork_stack *stack = filch_load_relaxed(&worker->fork_stacks);
    filch_store_relaxed(&worker->fork_stacks, NULL);
    while (stack != NULL) {
        struct fork_stack *next = filch_load_relaxed(&stack->next);
        filchi_fork_memory_release(stack);
        stack = next;
    }
}

/* ---- running what was stolen ---- */

static filch_atomic_u32 *sleep_word(filch_stack *child) {
    return (filch_atomic_u32 *)(uintptr_t)&child->state.value; /* the low half */
}

/* From `top` on the calling worker's stack. The child is not touched after it has returned. */
static void run_child(struct worker *worker, filch_stack *child, filch_stack *top) {
    const struct scheduler_operations *operations = worker->producer.scheduler->operations;
    (void)filch_fetch_or_acq_rel(&child->state, (uint64_t)(uintptr_t)top | CHILD_RUNS); /* THIEF */
    void *spoils = operations->run_child(worker, child, top, stack_of(top)->task);
    uint64_t state = (uint64_t)(uintptr_t)spoils | CHILD_RETURNED;
    if (filch_exchange_acq_rel(&child->state, state) & CHILD_AWAITED) /* RETURNED */
        filchi_futex_wake(&sleep_word(child)->value, INT_MAX, false);
}

/* Takes the oldest child from a stack, if it lies at `base` or above, and (`below` not NULL) that child has
 * not returned. */
static filch_stack *steal_from(struct fork_stack *stack, uint32_t base, const filch_stack *below) {
    uint64_t word = filch_load_acquire(&stack->word); /* LEAPT */
    for (;;) {
        uint32_t tail = tail_of(word);
        if (tail >= split_of(word) || tail < base)
            return NULL;
        if (below != NULL && (filch_load_acquire(&below->state) & CHILD_RETURNED)) /* LEAPT */
            return NULL;
        if (filch_cas_acq_rel(&stack->word, &word, word + 1)) /* SPAWNED, TAKEN */
            return place_at(stack, tail);
    }
}

/* ---- by a worker that runs nothing ---- */

/* What is stolen runs on a stack of the thief's own. */
static filch_stack *steal_from_worker(struct worker *worker, struct worker *victim) {
    struct fork_stack *stack = filch_load_acquire(&victim->fork_stacks); /* STACK-MADE */
    if (stack != NULL && need_stack(&worker->fork_stacks, worker) == NULL)
        return NULL;
    for (; stack != NULL; stack = filch_load_acquire(&stack->next)) { /* STACK-MADE */
        filch_stack *child = steal_from(stack, 0, NULL);
        if (child != NULL)
            return child;
    }
    return NULL;
}

void filchi_fork_stack_request_all(struct scheduler *scheduler, const struct worker *worker) {
    if (scheduler->is_shared) /* in the memory of another process */
        return;
    for (uint32_t i = 0, n = scheduler_n_made(scheduler); i < n; i++) {
        struct worker *victim = scheduler_worker(scheduler, i);
        if (victim == NULL || victim == worker)
            continue;
        struct fork_stack *stack = filch_load_acquire(&victim->fork_stacks); /* STACK-MADE */
        for (; stack != NULL; stack = filch_load_acquire(&stack->next))      /* STACK-MADE */
            request(stack);
    }
}

bool filchi_fork_stack_steal(struct worker *worker) {
    struct scheduler *scheduler = worker->producer.scheduler;
    if (scheduler->is_shared)
        return false;
    uint32_t n = scheduler_n_made(scheduler), start = random_below(&worker->random, n);
    for (uint32_t i = 0; i < n; i++) {
        struct worker *victim =
            scheduler_worker(scheduler, start + i < n ? start + i : start + i - n);
        if (victim == NULL || victim == worker)
            continue;
        worker->stolen = steal_from_worker(worker, victim);
        if (worker->stolen != NULL)
            return true;
    }
    filchi_fork_stack_request_all(scheduler, worker);
    return false;
}

void filchi_fork_stack_run_stolen(struct worker *worker) {
    filch_stack *child = worker->stolen;
    struct scheduler *scheduler = worker->producer.scheduler;
    worker->stolen = NULL;
    /* On behalf of those who sleep: whoever has found something looks for more. */
    if (park_has_sleepers(&scheduler->park))
        request(stack_of(child));
    filch_stack *top = filchi_fork_stack_begin(worker, stack_of(child)->task);
    run_child(worker, child, top);
    filchi_fork_stack_end(worker);
}

bool filchi_fork_stack_has_public(const struct worker *worker) {
    const struct fork_stack *stack = filch_load_acquire(&worker->fork_stacks); /* STACK-MADE */
    for (; stack != NULL; stack = filch_load_acquire(&stack->next)) {          /* STACK-MADE */
        uint64_t word = filch_load_seq_cst(&stack->word);                      /* ASLEEP */
        if (tail_of(word) < split_of(word))
            return true;
    }
    return false;
}

bool filchi_fork_stack_is_active(const struct worker *worker) {
    const struct fork_stack *stack = filch_load_acquire(&worker->fork_stacks); /* STACK-MADE */
    return stack != NULL && filch_load_seq_cst(&stack->is_active) != 0;        /* FORKING */
}

/* ---- waiting for a thief ---- */

static bool has_returned(const filch_stack *child) {
    return (filch_load_acquire(&child->state) & CHILD_RETURNED) != 0; /* RETURNED */
}

struct leap {
    struct worker *worker;
    filch_stack *child, *top;
};

static void run_leapt(void *arg) {
    const struct leap *leap = arg;
    run_child(leap->worker, leap->child, leap->top);
}

/* Takes something that the awaited child has spawned. */
static bool leapfrog(struct worker *worker, filch_stack *awaited) {
    uint64_t state = filch_load_acquire(&awaited->state); /* THIEF */
    filch_stack *base = (filch_stack *)(uintptr_t)(state & ~(uint64_t)(PLACE_BYTES - 1));
    if ((state & CHILD_RUNS) == 0 || worker->seat == SEAT_NONE)
        return false;
    struct leap leap = {worker, steal_from(stack_of(base), index_of(base), awaited), awaited + 1};
    if (leap.child == NULL) {
        request(stack_of(base));
        return false;
    }
    count_up(&worker->counters.n_steals_won);
    if (!filchi_stack_is_short() || !filchi_stack_call(run_leapt, &leap))
        run_leapt(&leap);
    return true;
}

/* Meanwhile its seat is another worker's. A sync cannot fail: where nobody may take its place now, that is
 * tried again and again. */
static void sleep_until_returned(struct worker *worker, filch_stack *child) {
    uint64_t state = CHILD_AWAITED;
    state |= filch_fetch_or_acq_rel(&child->state, state); /* RETURNED */
    bool has_left = false;
    while ((state & CHILD_RETURNED) == 0) {
        has_left = has_left || filchi_substitute_leave(worker) == 0;
        uint64_t deadline_ns = has_left ? FILCHI_NEVER : filchi_clock_ns() + TRY_AGAIN_NS;
        (void)filchi_futex_wait(&sleep_word(child)->value, (uint32_t)state, deadline_ns, false);
        state = filch_load_acquire(&child->state); /* RETURNED */
    }
    if (has_left)
        filchi_substitute_return(worker);
}

/* Looks for some time before it sleeps. */
static void await(struct worker *worker, filch_stack *child) {
    uint64_t spin_ns = worker->producer.scheduler->spin_ns, deadline_ns = 0;
    for (uint32_t turns = 16; !has_returned(child);) {
        if (leapfrog(worker, child)) {
            deadline_ns = 0;
            turns = 16;
            continue;
        }
        uint64_t now_ns = filchi_clock_ns();
        if (deadline_ns == 0)
            deadline_ns = now_ns + spin_ns;
        if (now_ns >= deadline_ns) {
            sleep_until_returned(worker, child);
            return;
        }
        for (uint32_t i = 0; i < turns; i++)
            cpu_relax();
        if (turns > 64)
            filchi_thread_yield();
        turns = turns < 512 ? turns * 2 : turns;
    }
}

/* ---- by the owner ---- */

filch_stack *filchi_fork_stack_begin(struct worker *worker, void *task) {
    struct fork_stack *below = worker->forking;
    struct fork_stack *stack =
        need_stack(below == NULL ? &worker->fork_stacks : &below->next, worker);
    if (stack == NULL)
        return NULL;
    stack->task = task;
    stack->below = below;
    stack->n_called = stack->n_unreserved = 0;
    worker->forking = stack;
    /* Its first child is wanted: somebody may sleep. */
    (void)filch_fetch_add_relaxed(&stack->n_requests, 1u);
    ask_at(stack, FIRST_PLACE);
    filch_store_seq_cst(&stack->is_active, 1u); /* FORKING */
    return place_at(stack, FIRST_PLACE);
}

uint32_t filchi_fork_stack_settle(filch_stack *top) {
    struct fork_stack *stack = stack_of(top);
    uint32_t base = index_of(top), n_left = 0;
    uint64_t word = filch_load_acquire(&stack->word); /* TAKEN */
    while (split_of(word) > base && tail_of(word) < split_of(word) &&
           !filch_cas_acq_rel(&stack->word, &word,
                              next_word(word, tail_of(word), tail_of(word)))) /* TAKEN */
        ;
    if (split_of(word) > base)
        n_left = split_of(word) - base;
    for (uint32_t i = base; i < tail_of(word); i++)
        await(stack->worker, place_at(stack, i));
    if (n_left > 0)
        set_marks(stack, base);
    return n_left;
}

void filchi_fork_stack_end(struct worker *worker) {
    struct fork_stack *stack = worker->forking;
    struct scheduler *scheduler = worker->producer.scheduler;
    worker->forking = stack->below;
    filch_store_seq_cst(&stack->is_active, 0u); /* FORKING */
    filchi_fork_memory_trim(stack);
    filch_fence_seq_cst(); /* FORKING: who sleeps because of this task, or has set the flag, is seen */
    if (unlikely(scheduler_flags(scheduler) & SCHEDULER_STOPPING))
        filchi_scheduler_wake_seated(scheduler);
}

/* Nobody else is to have the newest child: it is called with what lies behind it as its stack, and its result
 * goes into its place. What it spawns asks at its first place, so that it is called at once, too. */
static void call(struct fork_stack *stack, filch_stack *child, uint32_t index) {
    stack->n_called++;
    ask_at(stack, index + 1);
    child->type->run(child + 1, child);
    filch_store_relaxed(&child->state, (uint64_t)CHILD_RETURNED);
}

void filch_stack_push(filch_stack *child) {
    struct fork_stack *stack = stack_of(child);
    uint32_t index = index_of(child);
    if (!filchi_fork_memory_has_room(stack, index) || index >= MOST_SHARED || stack->n_called > 0) {
        call(stack, child, index);
        return;
    }
    clear_at(stack, index);
    if (index - stack->split >= PRIVATE_MOST)
        publish(stack, index + 1 - PRIVATE_LEFT);
    serve(stack, index + 1);
}

/* The newest child was stolen. */
static void await_stolen(struct fork_stack *stack, filch_stack *child, uint32_t index) {
    struct worker *worker = stack->worker;
    await(worker, child);
    void *spoils = (void *)(uintptr_t)(filch_load_relaxed(&child->state) & ~CHILD_FLAGS);
    set_marks(stack, index);
    serve(stack, index);
    filch_store_relaxed(&child->state, (uint64_t)CHILD_RETURNED);
    if (spoils != NULL)
        worker->producer.scheduler->operations->take_spoils(worker, spoils);
}

bool filch_stack_pop(filch_stack *child) {
    struct fork_stack *stack = stack_of(child);
    uint32_t index = index_of(child);
    if (stack->n_called > 0) {
        stack->n_called--;
        return true;
    }
    if (index >= stack->split || take_back(stack, index)) {
        clear_at(stack, index);
        serve(stack, index);
        return false;
    }
    await_stolen(stack, child, index);
    return true;
}

void *filch_stack_reserve(filch_stack *top, size_t bytes) {
    struct fork_stack *stack = stack_of(top);
    void *values = stack->n_unreserved > 0 ? NULL : filchi_fork_memory_push(stack, bytes);
    if (values == NULL) {
        stack->n_unreserved++;
        stack->worker->producer.scheduler->operations->lose_child(stack->worker, top);
    }
    return values;
}

void filch_stack_release(filch_stack *top, size_t bytes) {
    struct fork_stack *stack = stack_of(top);
    if (stack->n_unreserved > 0)
        stack->n_unreserved--;
    else
        filchi_fork_memory_pop(stack, bytes);
}

/* ---- for programs that clang has compiled: their registers are left alone, but for the result ---- */

#if defined(__x86_64__) && !defined(__clang__)
#define KEEPS __attribute__((no_caller_saved_registers, target("general-regs-only")))
#else
#define KEEPS FILCH_KEEPS_REGISTERS
#endif

static KEEPS void push_kept(filch_stack *child) {
    filch_stack_push(child);
}

static KEEPS void pop_kept(filch_stack *child) {
    (void)filch_stack_pop(child); /* the state says the same */
}

const filch_stack_calls filch_stack_kept = {push_kept, pop_kept};
