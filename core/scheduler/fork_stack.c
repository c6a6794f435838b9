/* scheduler/fork_stack.c: publishing, taking back, stealing, joining. */
#include "scheduler/fork_stack.h"

#include "base/random.h"
#include "base/status.h"
#include "platform/clock.h"
#include "platform/futex.h"
#include "platform/memory.h"
#include "platform/stack.h"
#include "platform/thread.h"
#include "scheduler/substitute.h"
#include "scheduler/worker.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
    PLACE_BYTES = sizeof(filch_stack),
    N_PLACES = FILCH_STACK_BYTES / PLACE_BYTES,
    MOST_SHARED = (1 << 22) - 64,
    FIRST_PLACE = (sizeof(struct fork_stack) + PLACE_BYTES - 1) / PLACE_BYTES,
    FIRST_USABLE = 16384, /* places: 1 MiB; so many are kept between tasks */
};

/* How long who cannot leave its seat sleeps before it tries again. */
static const uint64_t TRY_AGAIN_NS = 1000000;

/* ---- places, and the word ---- */

static struct fork_stack *stack_of(const filch_stack *place) {
    return (struct fork_stack *)((uintptr_t)place & ~(FILCH_STACK_BYTES - 1));
}

static filch_stack *place_at(const struct fork_stack *stack, uint32_t index) {
    return (filch_stack *)(uintptr_t)stack + index;
}

static uint32_t index_of(const filch_stack *place) {
    return (uint32_t)(((uintptr_t)place & (FILCH_STACK_BYTES - 1)) / PLACE_BYTES);
}

/* 22 bits each for tail and split, 20 for the epoch. */
#define MARK UINT64_C(0x3fffff)
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

/* ---- requests ---- */

static void arm(struct fork_stack *stack) {
    filch_store_relaxed(&stack->bounds.limit, NULL);
    filch_store_relaxed(&stack->bounds.floor, (void *)UINTPTR_MAX);
}

/* Spawns and syncs go on by themselves up to where the next ones have to ask. */
static void disarm(struct fork_stack *stack) {
    uint32_t limit = stack->split + PRIVATE_MOST, room = stack->n_usable / 2;
    if (limit > room)
        limit = stack->n_called > 0 ? 0 : room;
    filch_store_relaxed(&stack->bounds.limit, (void *)place_at(stack, limit));
    filch_store_relaxed(&stack->bounds.floor, stack->n_called > 0
                                                  ? (void *)UINTPTR_MAX
                                                  : (void *)place_at(stack, stack->split));
    filch_fence_seq_cst(); /* REQUESTED */
    if (filch_load_relaxed(&stack->n_requests) != filch_load_relaxed(&stack->n_served))
        arm(stack);
}

static bool is_wanted(const struct fork_stack *stack) {
    return filch_load_relaxed(&stack->n_requests) != filch_load_relaxed(&stack->n_served);
}

static void request(struct fork_stack *stack) {
    if (filch_load_relaxed(&stack->is_active) == 0 ||
        filch_load_relaxed(&stack->n_requests) != filch_load_relaxed(&stack->n_served))
        return;
    (void)filch_fetch_add_seq_cst(&stack->n_requests, 1u); /* REQUESTED */
    filch_fence_seq_cst();                                 /* REQUESTED */
    arm(stack);
}

/* ---- the owner's marks ---- */

/* The children below `split` are everybody's: that is what was asked for. Wakes one who sleeps (ASLEEP). */
static void publish(struct fork_stack *stack, uint32_t split) {
    struct scheduler *scheduler = stack->worker->producer.scheduler;
    filch_store_relaxed(&stack->n_served, filch_load_relaxed(&stack->n_requests));
    for (uint32_t i = stack->split; i < split; i++)
        filch_store_relaxed(&place_at(stack, i)->state, UINT64_C(0));
    uint64_t word = filch_load_relaxed(&stack->word);
    while (!filch_cas_acq_rel(&stack->word, &word, next_word(word, tail_of(word), split)))
        ; /* SPAWNED */
    stack->split = split;
    if (!scheduler->is_shared && park_must_wake(&scheduler->park))
        (void)filchi_scheduler_wake_one(scheduler);
}

/* The child at `index` is the owner's again, unless it was stolen; of the older ones half stay public, all of
 * them if somebody has asked. Returns: false if it was stolen. */
static bool take_back(struct fork_stack *stack, uint32_t index) {
    uint64_t word = filch_load_acquire(&stack->word); /* TAKEN */
    uint32_t split;
    do {
        uint32_t tail = tail_of(word);
        if (tail > index)
            return false;
        split = is_wanted(stack) ? index : tail + (index - tail) / 2;
    } while (
        !filch_cas_acq_rel(&stack->word, &word, next_word(word, tail_of(word), split))); /* TAKEN */
    stack->split = split;
    return true;
}

/* Nothing is public: all below `index` was stolen, all from there on is gone. */
static void set_marks(struct fork_stack *stack, uint32_t index) {
    uint64_t word = filch_load_relaxed(&stack->word);
    /* Nobody else changes it now. */
    filch_store_release(&stack->word, next_word(word, index, index)); /* LEAPT */
    stack->split = index;
}

/* ---- memory ---- */

struct side {
    struct side *below;
    size_t used, capacity;
    _Alignas(CACHE_LINE) unsigned char bytes[];
};

enum { SIDE_BYTES = 64 * 1024 };

static size_t side_size(size_t bytes) {
    return (bytes + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
}

static void *push_side(struct fork_stack *stack, size_t bytes) {
    struct side *side = stack->side;
    size_t size = side_size(bytes);
    if (side == NULL || side->capacity - side->used < size) {
        size_t capacity = size > SIDE_BYTES ? size : SIDE_BYTES;
        struct side *larger = aligned_alloc(CACHE_LINE, sizeof *larger + capacity);
        if (larger == NULL)
            return NULL;
        *larger = (struct side){.below = side, .capacity = capacity};
        stack->side = side = larger;
    }
    void *place = side->bytes + side->used;
    side->used += size;
    return place;
}

static void pop_side(struct fork_stack *stack, size_t bytes) {
    while (stack->side->used == 0) {
        struct side *empty = stack->side;
        stack->side = empty->below;
        free(empty);
    }
    stack->side->used -= side_size(bytes);
}

static void free_side(struct fork_stack *stack) {
    while (stack->side != NULL) {
        struct side *side = stack->side;
        stack->side = side->below;
        free(side);
    }
}

/* Makes `n` places usable. Returns: false if there is no memory. */
static bool make_usable(struct fork_stack *stack, uint32_t n) {
    if (!filchi_memory_commit((char *)stack + (size_t)stack->n_usable * PLACE_BYTES,
                              (size_t)(n - stack->n_usable) * PLACE_BYTES))
        return false;
    stack->n_usable = n;
    return true;
}

static struct fork_stack *make(struct worker *worker) {
    struct fork_stack *stack = filchi_memory_reserve(FILCH_STACK_BYTES, FILCH_STACK_BYTES);
    if (stack == NULL)
        return NULL;
    if (!filchi_memory_commit(stack, (size_t)FIRST_USABLE * PLACE_BYTES)) {
        filchi_memory_release(stack, FILCH_STACK_BYTES);
        return NULL;
    }
    stack->worker = worker;
    stack->n_usable = FIRST_USABLE;
    set_marks(stack, FIRST_PLACE);
    return stack;
}

void filchi_fork_stack_release(struct worker *worker) {
    struct fork_stack *stack = filch_load_relaxed(&worker->fork_stacks);
    filch_store_relaxed(&worker->fork_stacks, NULL);
    while (stack != NULL) {
        struct fork_stack *next = filch_load_relaxed(&stack->next);
        free_side(stack);
        filchi_memory_release(stack, FILCH_STACK_BYTES);
        stack = next;
    }
}

/* The stack that is to be there; made if it is not. Returns: NULL if there is no memory. */
static struct fork_stack *need_stack(filch_atomic_pointer *where, struct worker *worker) {
    struct fork_stack *stack = filch_load_relaxed(where);
    if (stack != NULL)
        return stack;
    stack = make(worker);
    filch_store_release(where, (void *)stack); /* STACK-MADE */
    return stack;
}

/* ---- running what was stolen ---- */

static filch_atomic_u32 *sleep_word(filch_stack *child) {
    return (filch_atomic_u32 *)(uintptr_t)&child->state.value; /* the low half */
}

/* From `top` on the calling worker's stack. The child is not touched after it has returned. */
static void run_child(struct worker *worker, filch_stack *child, filch_stack *top) {
    const struct scheduler_operations *operations = worker->producer.scheduler->operations;
    arm(stack_of(top));
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
    filch_store_relaxed(&stack->n_served, filch_load_relaxed(&stack->n_requests) - 1);
    arm(stack);
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
    if (stack->n_usable > FIRST_USABLE) {
        filchi_memory_discard(place_at(stack, FIRST_USABLE),
                              (size_t)(stack->n_usable - FIRST_USABLE) * PLACE_BYTES);
        free_side(stack);
    }
    filch_fence_seq_cst(); /* FORKING: who sleeps because of this task, or has set the flag, is seen */
    if (unlikely(scheduler_flags(scheduler) & SCHEDULER_STOPPING))
        filchi_scheduler_wake_seated(scheduler);
}

/* The child is called with its place, or what lies behind it, as its stack; its result goes into its
 * place. */
static void call(struct fork_stack *stack, filch_stack *child, filch_stack *top) {
    disarm(stack);
    child->type->run(top, child);
}

/* As of a stack overflow, nobody could go on. */
static _Noreturn COLD void die_of_places(uint32_t n) {
    filchi_report("no memory for more than %u spawns that are not synced yet", n);
    abort();
}

/* More places, ahead of need. Returns: false if there are so many, or so little memory, that this child is
 * not for others any more, but called at once. */
static bool has_room(struct fork_stack *stack, uint32_t index) {
    bool is_near_end = index >= stack->n_usable / 2;
    if (is_near_end && (stack->n_usable == N_PLACES || !make_usable(stack, 2 * stack->n_usable))) {
        if (index == stack->n_usable - 2)
            die_of_places(stack->n_usable);
        return false;
    }
    return index < MOST_SHARED;
}

void filch_stack_push(filch_stack *child) {
    struct fork_stack *stack = stack_of(child);
    uint32_t index = index_of(child);
    bool may_be_shared = has_room(stack, index);
    if (stack->n_called > 0 || !may_be_shared) {
        stack->n_called++;
        call(stack, child, child + 1);
        return;
    }
    if (is_wanted(stack))
        publish(stack, index + 1);
    else if (index - stack->split >= PRIVATE_MOST)
        publish(stack, index + 1 - PRIVATE_LEFT);
    disarm(stack);
}

void filch_stack_pop(filch_stack *child) {
    struct fork_stack *stack = stack_of(child);
    struct worker *worker = stack->worker;
    uint32_t index = index_of(child);
    if (stack->n_called > 0) {
        stack->n_called--;
        disarm(stack);
    } else if (index >= stack->split) { /* somebody has asked: all but this one */
        if (is_wanted(stack) && index > stack->split)
            publish(stack, index);
        call(stack, child, child);
    } else if (take_back(stack, index)) {
        call(stack, child, child);
    } else {
        await(worker, child);
        set_marks(stack, index);
        disarm(stack);
        void *spoils = (void *)(uintptr_t)(filch_load_relaxed(&child->state) & ~CHILD_FLAGS);
        if (spoils != NULL)
            worker->producer.scheduler->operations->take_spoils(worker, spoils);
    }
}

void *filch_stack_reserve(filch_stack *top, size_t bytes) {
    struct fork_stack *stack = stack_of(top);
    void *values = stack->n_unreserved > 0 ? NULL : push_side(stack, bytes);
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
        pop_side(stack, bytes);
}
