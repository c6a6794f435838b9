/* Parallel recursion inside a task: results, shapes, sizes, errors. */
#include "pools.h"

static long fib(filch_stack *top, long n);
FILCH_FORK_TASK(long, fib, long);

static long fib(filch_stack *top, long n) {
    if (n < 2)
        return n;
    filch_spawn(top, fib, n - 1);
    long b = fib(top, n - 2);
    return filch_sync(top, fib) + b;
}

CONTRACT(fork_join, fib_with_1_to_8_workers) {
    for (int n_workers = 1; n_workers <= 8; n_workers++) {
        filch_executor *ex = pool->open(n_workers);
        for (int round = 0; round < ROUNDS(20); round++) {
            long value = 0;
            CHECK_EQ(filch_run(ex, fib, &value, 22), FILCH_OK);
            CHECK_EQ(value, 17711);
        }
        filch_close(ex);
    }
}

CONTRACT(fork_join, many_at_a_time) {
    enum { N = 40 };
    filch_executor *ex = pool->open(3);
    filch_future *futures[N];
    for (int i = 0; i < N; i++)
        futures[i] = filch_submit(ex, fib, i % 20);
    for (int i = 0; i < N; i++) {
        static const long expected[] = {0,  1,  1,   2,   3,   5,   8,   13,   21,   34,
                                        55, 89, 144, 233, 377, 610, 987, 1597, 2584, 4181};
        long value = 0;
        CHECK_EQ(filch_result(futures[i], &value), FILCH_OK);
        CHECK_EQ(value, expected[i % 20]);
        filch_release(futures[i]);
    }
    filch_close(ex);
}

/* ---- loops of spawns ---- */

static long leaf(filch_stack *top, long i) {
    (void)top;
    return 3 * i;
}
FILCH_FORK_TASK(long, leaf, long);

/* Synced newest first. */
static long wide(filch_stack *top, long n) {
    long sum = 0;
    for (long i = 0; i < n; i++)
        filch_spawn(top, leaf, i);
    for (long i = n; i-- > 0;)
        sum += filch_sync(top, leaf) == 3 * i ? 1 : -n;
    return sum;
}
FILCH_FORK_TASK(long, wide, long);

CONTRACT(fork_join, loops_of_spawns) {
    filch_executor *ex = pool->open(3);
    for (long n = 0; n < 200; n += 7) {
        long value = -1;
        CHECK_EQ(filch_run(ex, wide, &value, n), FILCH_OK);
        CHECK_EQ(value, n);
    }
    long value = -1, n = ROUNDS(1000000);
    CHECK_EQ(filch_run(ex, wide, &value, n), FILCH_OK);
    CHECK_EQ(value, n);
    filch_close(ex);
}

/* ---- values of all sizes ---- */

struct large {
    double values[40];
};

static struct large scale(filch_stack *top, struct large in, int depth);
FILCH_FORK_TASK(struct large, scale, struct large, int);

static struct large scale(filch_stack *top, struct large in, int depth) {
    if (depth == 0)
        return in;
    filch_spawn(top, scale, in, depth - 1);
    struct large other = scale(top, in, depth - 1), mine = filch_sync(top, scale);
    for (int i = 0; i < 40; i++)
        in.values[i] = mine.values[i] + other.values[i];
    return in;
}

struct aligned {
    _Alignas(64) long value;
};

static struct aligned raise_to(filch_stack *top, struct aligned in, char depth);
FILCH_FORK_TASK(struct aligned, raise_to, struct aligned, char);

static struct aligned raise_to(filch_stack *top, struct aligned in, char depth) {
    if (((uintptr_t)&in & 63) != 0)
        filch_raise(1, "not aligned");
    if (depth > 0) {
        filch_spawn(top, raise_to, in, (char)(depth - 1));
        in.value = raise_to(top, in, (char)(depth - 1)).value + filch_sync(top, raise_to).value;
    }
    return in;
}

static void add(filch_stack *top, atomic_long *sum, long depth);
FILCH_FORK_TASK_VOID(add, atomic_long *, long);

static void add(filch_stack *top, atomic_long *sum, long depth) {
    if (depth == 0) {
        atomic_fetch_add(sum, 1);
        return;
    }
    filch_spawn(top, add, sum, depth - 1);
    filch_spawn(top, add, sum, depth - 1);
    filch_sync(top, add);
    filch_sync(top, add);
}

static char nothing(filch_stack *top);
FILCH_FORK_TASK(char, nothing);

static char nothing(filch_stack *top) {
    (void)top;
    return 'x';
}

static long eight(filch_stack *top, char a, short b, int c, long d, float e, double f, long g,
                  bool h);
FILCH_FORK_TASK(long, eight, char, short, int, long, float, double, long, bool);

static long eight(filch_stack *top, char a, short b, int c, long d, float e, double f, long g,
                  bool h) {
    if (!h)
        return (long)(a + b + c + d + (long)e + (long)f + g);
    filch_spawn(top, nothing);
    filch_spawn(top, eight, a, b, c, d, e, f, g, false);
    long sum = filch_sync(top, eight);
    return sum + filch_sync(top, nothing);
}

CONTRACT(fork_join, values_of_all_sizes) {
    filch_executor *ex = pool->open(3);
    atomic_long *sum = pool->alloc(ex, sizeof *sum);
    for (int round = 0; round < ROUNDS(100); round++) {
        struct large in = {{0}}, out = {{0}};
        for (int i = 0; i < 40; i++)
            in.values[i] = i;
        CHECK_EQ(filch_run(ex, scale, &out, in, 8), FILCH_OK);
        for (int i = 0; i < 40; i++)
            CHECK(out.values[i] == 256.0 * i);
        struct aligned to = {0};
        CHECK_EQ(filch_run(ex, raise_to, &to, (struct aligned){7}, 8), FILCH_OK);
        CHECK_EQ(to.value, 7 * 256);
        CHECK_EQ(filch_run(ex, add, NULL, sum, 8), FILCH_OK);
        CHECK_EQ(atomic_load(sum), 256 * (round + 1));
        long value = 0;
        CHECK_EQ(filch_run(ex, eight, &value, 1, 2, 3, 4, 5.0f, 6.0, 7, true), FILCH_OK);
        CHECK_EQ(value, 28 + 'x');
    }
    pool->free(ex, sum);
    filch_close(ex);
}

/* ---- errors ---- */

static long raise_at(filch_stack *top, long n, long at);
FILCH_FORK_TASK(long, raise_at, long, long);

/* Numbers its leaves. */
static long raise_at(filch_stack *top, long n, long at) {
    if (n == 1) {
        if (at == 0)
            filch_raise(42, "in leaf");
        return 1;
    }
    filch_spawn(top, raise_at, n / 2, at);
    long b = raise_at(top, n - n / 2, at - n / 2);
    return filch_sync(top, raise_at) + b;
}

CONTRACT(fork_join, errors_of_children_reach_the_task) {
    filch_executor *ex = pool->open(3);
    for (long at = -1; at < 64; at++) {
        long value = 0;
        filch_future *future = filch_submit(ex, raise_at, 64, at);
        filch_status status = filch_result(future, &value);
        CHECK_EQ(status, at < 0 ? FILCH_OK : FILCH_FAILED);
        if (at >= 0) {
            CHECK_EQ(filch_exception(future)->code, 42);
            CHECK_STR_EQ(filch_exception(future)->message, "in leaf");
            CHECK_STR_EQ(filch_exception(future)->task, "raise_at");
        }
        filch_release(future);
    }
    filch_close(ex);
}

/* ---- children that are tasks themselves, and that wait ---- */

static long wait_inside(filch_stack *top, long depth);
FILCH_FORK_TASK(long, wait_inside, long);

static long wait_inside(filch_stack *top, long depth) {
    if (depth == 0)
        return 1;
    filch_spawn(top, wait_inside, depth - 1);
    long b = 0;
    if (filch_run(filch_this_executor(), wait_inside, &b, depth - 1) != FILCH_OK)
        filch_raise(1, "%s", filch_error_message());
    return filch_sync(top, wait_inside) + b;
}

CONTRACT(fork_join, tasks_in_children) {
    for (int n_workers = 1; n_workers <= 4; n_workers++) {
        filch_executor *ex = pool->open(n_workers);
        long value = 0;
        CHECK_EQ(filch_run(ex, wait_inside, &value, 8), FILCH_OK);
        CHECK_EQ(value, 256);
        filch_close(ex);
    }
}

/* ---- closing ---- */

CONTRACT(fork_join, closing_waits) {
    for (int round = 0; round < ROUNDS(50); round++) {
        filch_executor *ex = pool->open(4);
        filch_future *future = filch_submit(ex, fib, 18);
        filch_close(ex);
        long value = 0;
        CHECK_EQ(filch_result(future, &value), FILCH_OK);
        CHECK_EQ(value, 2584);
        filch_release(future);
    }
}

/* ---- parallelism ---- */

static long meet(filch_stack *top, atomic_int *arrived, int n);
FILCH_FORK_TASK(long, meet, atomic_int *, int);

/* All of n wait for each other. */
static long meet(filch_stack *top, atomic_int *arrived, int n) {
    (void)top;
    atomic_fetch_add(arrived, 1);
    while (atomic_load(arrived) < n)
        sched_yield();
    return 1;
}

static long gather(filch_stack *top, atomic_int *arrived, int n);
FILCH_FORK_TASK(long, gather, atomic_int *, int);

static long gather(filch_stack *top, atomic_int *arrived, int n) {
    for (int i = 1; i < n; i++)
        filch_spawn(top, meet, arrived, n - 1);
    while (atomic_load(arrived) < n - 1) {
        filch_spawn(top, leaf, 1);
        if (filch_sync(top, leaf) != 3)
            filch_raise(1, "a leaf's result is wrong");
    }
    long sum = 0;
    for (int i = 1; i < n; i++)
        sum += filch_sync(top, meet);
    return sum;
}

/* Thieves come to all that is hidden: so many children run at the same time, while their owner does
 * nothing but spawn and sync. */
CONTRACT(fork_join, all_workers_take_part) {
    if (!pool->takes_pointers)
        return; /* their children run in their own process */
    for (int round = 0; round < ROUNDS(200); round++) {
        int n = 1 + round % 6;
        filch_executor *ex = pool->open(n);
        atomic_int arrived = 0;
        long value = -1;
        CHECK_EQ(filch_run(ex, gather, &value, &arrived, n), FILCH_OK);
        CHECK_EQ(value, n - 1);
        filch_close(ex);
    }
}

/* ---- what is hidden ---- */

struct hiding {
    struct hold other; /* the other worker's task, until all are spawned */
    atomic_int n_stolen;
    int n;
    filch_executor *ex;
    pthread_t owner;
};

/* Called by its owner, it waits until all the others were stolen. */
static void show(filch_stack *top, struct hiding *hiding) {
    (void)top;
    if (!pthread_equal(hiding->owner, pthread_self())) {
        atomic_fetch_add(&hiding->n_stolen, 1);
        return;
    }
    while (atomic_load(&hiding->n_stolen) < hiding->n - 1)
        sched_yield();
}
FILCH_FORK_TASK_VOID(show, struct hiding *);

static uint64_t count_parks(filch_executor *ex) {
    filch_stats_snapshot stats = FILCH_STATS();
    CHECK_EQ(filch_stats(ex, &stats), FILCH_OK);
    return stats.parks;
}

static void hide(filch_stack *top, struct hiding *hiding) {
    hiding->owner = pthread_self();
    for (int i = 0; i < hiding->n; i++)
        filch_spawn(top, show, hiding);
    uint64_t n_parks = count_parks(hiding->ex);
    gate_open(&hiding->other.go);
    /* A leaf: the other worker takes what is there, */
    while (atomic_load(&hiding->n_stolen) < hiding->n - 32)
        sched_yield();
    /* looks for more, and sleeps. */
    while (count_parks(hiding->ex) == n_parks)
        sched_yield();
    for (int i = 0; i < hiding->n; i++)
        filch_sync(top, show);
}
FILCH_FORK_TASK_VOID(hide, struct hiding *);

/* While nobody looks, the newest 32 children may be hidden; one leaf after somebody does, none is. */
CONTRACT(fork_join, at_most_32_hidden_for_a_leaf) {
    if (!pool->takes_pointers)
        return; /* as above */
    for (int n = 2; n < 300; n += UNDER_TSAN ? 70 : 7) {
        filch_executor *ex = pool->open(2);
        struct hiding hiding = {.n = n, .ex = ex};
        filch_future *held = pool_hold(ex, &hiding.other);
        CHECK_EQ(filch_run(ex, hide, NULL, &hiding), FILCH_OK);
        CHECK_EQ(atomic_load(&hiding.n_stolen), n - 1);
        check_held(held);
        filch_close(ex);
    }
}
