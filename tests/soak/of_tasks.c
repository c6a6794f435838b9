/* of_tasks.c: tasks that use the pool themselves. What they find wrong they raise as WRONG; what an end or a
 * death of the pool does to their children they pass on as they got it. */
#include "play.h"

#include <signal.h>
#include <string.h>

enum { MOST_CHILDREN = 10, GAVE_UP = -1 };

/* A child that was lost or cancelled, by a death or an end: the parent's result says so. */
static bool is_lost(filch_status status, const filch_error *error) {
    return status == FILCH_CANCELLED || status == FILCH_BROKEN || status == FILCH_SHUTDOWN ||
           (status == FILCH_FAILED && error != NULL && error->signal == SIGKILL);
}

static long leaf(long x) {
    return soak_mix(x);
}
FILCH_TASK(long, leaf, long);

/* Submits children. Returns: how many; fewer if the pool ends. */
static int submit_children(filch_future **children, int n) {
    for (int i = 0; i < n; i++) {
        children[i] = filch_submit(filch_this_executor(), leaf, i);
        if (children[i] == NULL) {
            if (!is_lost(filch_error_status(), NULL))
                filch_raise(WRONG, "a child was refused: %s", filch_error_message());
            return i;
        }
    }
    return n;
}

/* Gives them back. Returns: how many had a result. */
static long check_children(filch_future **children, int n) {
    long n_right = 0;
    for (int i = 0; i < n; i++) {
        const filch_error *error = NULL;
        long value = 0;
        filch_status status = filch_exception_timeout(children[i], FILCH_FOREVER, &error);
        if (status == FILCH_OK && filch_result(children[i], &value) == FILCH_OK &&
            value == soak_mix(i))
            n_right++;
        else if (!is_lost(status, error))
            filch_raise(WRONG, "child %d of %d: %s, %ld: %s", i, n, filch_status_name(status),
                        value, error != NULL ? error->message : filch_error_message());
        filch_release(children[i]);
    }
    return n_right;
}

enum how { PLAINLY, BY_FIRST, BY_TIME, AS_COMPLETED, N_HOW };

static long have_children(int n, int how) {
    filch_future *children[MOST_CHILDREN], *done;
    int n_submitted = submit_children(children, n);
    size_t n_done = 0;
    if (how == BY_FIRST && n_submitted > 0) {
        filch_status status =
            filch_wait(children, (size_t)n_submitted, FILCH_FIRST_COMPLETED, FILCH_FOREVER, NULL);
        if (status != FILCH_OK)
            filch_raise(WRONG, "wait in a task: %s", filch_error_message());
    } else if (how == BY_TIME) {
        for (int i = 0; i < n_submitted; i++)
            (void)filch_join_timeout(children[i], 20e-6);
    } else if (how == AS_COMPLETED) {
        filch_completed *completed = filch_as_completed(children, (size_t)n_submitted);
        while (completed != NULL &&
               filch_completed_next(completed, &done, FILCH_FOREVER) == FILCH_OK)
            n_done++;
        if (n_done != (size_t)n_submitted)
            filch_raise(WRONG, "%zu of %d as completed: %s", n_done, n_submitted,
                        filch_error_message());
        filch_completed_close(completed);
    }
    long n_right = check_children(children, n_submitted);
    return n_right == n ? n : GAVE_UP;
}
FILCH_TASK(long, have_children, int, int);

/* What a task with children gave: so many, or that some were lost. */
static void check_count(struct play *play, filch_future *future, long expected) {
    long n = 0;
    if (play_succeeds(play, future)) {
        STRESS_CHECK(filch_result(future, &n) == FILCH_OK);
        bool may_lose = play->is_deadly || atomic_load(play->is_ending);
        STRESS_CHECK_MSG(n == expected || (n == GAVE_UP && may_lose), "%ld instead of %ld", n,
                         expected);
        play->n_lost += n != expected;
    }
    play_release(play, future);
}

static void run_parents(struct play *play) {
    enum { MOST = 20 };
    filch_future *futures[MOST];
    int n = 1 + (int)play_below(play, MOST), counts[MOST];
    for (int i = 0; i < n; i++) {
        counts[i] = (int)play_below(play, MOST_CHILDREN + 1);
        futures[i] =
            filch_submit(play->executor, have_children, counts[i], (int)play_below(play, N_HOW));
    }
    for (int i = 0; i < n; i++)
        check_count(play, futures[i], counts[i]);
}

/* A chain: each waits for the next one. */
static long descend(long depth);
FILCH_TASK(long, descend, long);

static long descend(long depth) {
    if (depth == 0)
        return 0;
    const filch_error *error = NULL;
    long below = GAVE_UP;
    filch_future *child = filch_submit(filch_this_executor(), descend, depth - 1);
    filch_status status = child == NULL ? filch_error_status()
                                        : filch_exception_timeout(child, FILCH_FOREVER, &error);
    if (status == FILCH_OK)
        status = filch_result(child, &below);
    if (status != FILCH_OK && !is_lost(status, error))
        filch_raise(WRONG, "at depth %ld: %s", depth, filch_error_message());
    filch_release(child);
    return below == GAVE_UP ? GAVE_UP : below + 1;
}

static void run_chain(struct play *play) {
    enum { MOST = 80 }; /* of three players, below FILCH_MAX_SUBSTITUTES */
    long depth = play_below(play, MOST);
    check_count(play, filch_submit(play->executor, descend, depth), depth);
}

/* ---- fork-join, shared memory --------------------------------------------------------------------------- */

static long fib(filch_stack *top, long n);
FILCH_FORK_TASK(long, fib, long);

static long fib(filch_stack *top, long n) {
    if (n < 2)
        return n;
    filch_spawn(top, fib, n - 1);
    long b = fib(top, n - 2);
    return filch_sync(top, fib) + b;
}

static void fork_and_join(struct play *play) {
    long n = play_below(play, 21), a = 0, b = 1;
    for (long i = 0; i < n; i++) {
        long next = a + b;
        a = b;
        b = next;
    }
    check_count(play, filch_submit(play->executor, fib, n), a);
}

/* Fills the half that it was given, frees memory that somebody else had, and gives new memory. */
static void *pass_on(long *memory, long n) {
    long *own = filch_shared_alloc(filch_this_executor(), (size_t)n * sizeof *own);
    if (own == NULL) {
        filch_raise(WRONG, "no shared memory: %s", filch_error_message());
        return NULL;
    }
    for (long i = 0; i < n; i++)
        own[i] = memory[i] + 1;
    filch_shared_free(filch_this_executor(), memory);
    return own;
}
FILCH_TASK(void *, pass_on, long *, long);

/* Where a task may be lost, the memory that it was given may be lost with it. */
static void pass_memory(struct play *play) {
    long n = 1 + (long)play_below(play, 10000);
    if (play->is_deadly || play->can_end)
        return;
    long *memory = filch_shared_alloc(play->executor, (size_t)n * sizeof *memory);
    STRESS_CHECK(memory != NULL);
    memset(memory, 0, (size_t)n * sizeof *memory);
    int n_hops = (int)play_below(play, 5);
    for (int i = 0; i < n_hops; i++) {
        void *passed = NULL;
        filch_future *future = filch_submit(play->executor, pass_on, memory, n);
        STRESS_CHECK(play_succeeds(play, future) && filch_result(future, &passed) == FILCH_OK);
        memory = passed;
        filch_release(future);
    }
    STRESS_CHECK(memory[0] == n_hops && memory[n - 1] == n_hops);
    filch_shared_free(play->executor, memory);
}

const struct operation operations_of_tasks[] = {
    {"run parents", run_parents},
    {"run chain", run_chain},
    {"fork and join", fork_and_join},
    {"pass memory", pass_memory},
    {NULL, NULL},
};
