/* Group B of the conformance list: done callbacks. B8 is in test_shutdown_inside.c. */
#include "pools.h"

/* What a callback saw. */
struct seen {
    struct gate calls;
    filch_future *future;
    filch_status status;
    long value;
    pthread_t thread;
};

static void look(filch_future *future, void *arg) {
    struct seen *seen = arg;
    seen->future = future;
    seen->status = filch_result_timeout(future, &seen->value, 0);
    seen->thread = pthread_self();
    gate_open(&seen->calls);
}

/* B1 */
CONTRACT(callbacks, called_with_the_future) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    struct seen success = {.value = 0}, failure = {.value = 0}, cancel = {.value = 0};
    filch_future *first = pool_hold(ex, held);
    filch_future *good = filch_submit(ex, twice, 21);
    filch_future *bad = filch_submit(ex, fail_with, 3);
    filch_future *lost = filch_submit(ex, twice, 1);
    CHECK_EQ(filch_add_done_callback(good, look, &success), FILCH_OK);
    CHECK_EQ(filch_add_done_callback(bad, look, &failure), FILCH_OK);
    CHECK_EQ(filch_add_done_callback(lost, look, &cancel), FILCH_OK);
    CHECK(filch_cancel(lost));
    gate_open(&held->go);
    pool_close(pool, ex, held);

    CHECK_EQ(gate_value(&success.calls), 1);
    CHECK_PTR_EQ(success.future, good);
    CHECK_EQ(success.status, FILCH_OK);
    CHECK_EQ(success.value, 42);
    CHECK_EQ(gate_value(&failure.calls), 1);
    CHECK_PTR_EQ(failure.future, bad);
    CHECK_EQ(failure.status, FILCH_FAILED);
    CHECK_EQ(gate_value(&cancel.calls), 1);
    CHECK_PTR_EQ(cancel.future, lost);
    CHECK_EQ(cancel.status, FILCH_CANCELLED);
    check_held(first);
    filch_release(good);
    filch_release(bad);
    filch_release(lost);
}

/* B2 */
CONTRACT(callbacks, added_late_runs_at_once) {
    filch_executor *ex = pool->open(1);
    filch_future *future = filch_submit(ex, twice, 5);
    CHECK_EQ(filch_join(future), FILCH_OK);
    struct seen seen = {.value = 0};
    CHECK_EQ(filch_add_done_callback(future, look, &seen), FILCH_OK);
    CHECK_EQ(gate_value(&seen.calls), 1);
    CHECK(pthread_equal(seen.thread, pthread_self()));
    CHECK_EQ(seen.value, 10);
    filch_close(ex);
    CHECK_EQ(filch_add_done_callback(future, look, &seen), FILCH_OK);
    CHECK_EQ(gate_value(&seen.calls), 2);
    filch_release(future);
}

/* B2: however it ended. */
CONTRACT(callbacks, added_late_to_failed_and_cancelled) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    struct seen failure = {.value = 0}, cancel = {.value = 0};
    filch_future *bad = filch_submit(ex, fail_with, 3);
    CHECK_EQ(filch_join(bad), FILCH_FAILED);
    filch_future *first = pool_hold(ex, held), *lost = filch_submit(ex, twice, 1);
    CHECK(filch_cancel(lost));
    CHECK_EQ(filch_add_done_callback(bad, look, &failure), FILCH_OK);
    CHECK_EQ(filch_add_done_callback(lost, look, &cancel), FILCH_OK);
    CHECK_EQ(gate_value(&failure.calls), 1);
    CHECK_EQ(failure.status, FILCH_FAILED);
    CHECK(pthread_equal(failure.thread, pthread_self()));
    CHECK_EQ(gate_value(&cancel.calls), 1);
    CHECK_EQ(cancel.status, FILCH_CANCELLED);
    CHECK(pthread_equal(cancel.thread, pthread_self()));
    gate_open(&held->go);
    check_held(first);
    filch_release(bad);
    filch_release(lost);
    pool_close(pool, ex, held);
}

/* B3 */
enum { LOG_ENTRIES = 16 };
struct log {
    int count;
    int entries[LOG_ENTRIES];
};
struct entry {
    struct log *log;
    int number;
};

static void write_entry(filch_future *future, void *arg) {
    (void)future;
    struct entry *entry = arg;
    entry->log->entries[entry->log->count++] = entry->number;
}

static void write_nested(filch_future *future, void *arg) {
    struct entry *entry = arg;
    struct entry inner = {entry->log, entry->number + 100};
    write_entry(future, arg);
    CHECK_EQ(filch_add_done_callback(future, write_entry, &inner), FILCH_OK);
    CHECK_EQ(entry->log->entries[entry->log->count - 1], entry->number + 100);
}

CONTRACT(callbacks, in_order_of_adding) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *future = pool_hold(ex, held);
    struct log log = {.count = 0};
    struct entry one = {&log, 1}, two = {&log, 2}, three = {&log, 3};
    CHECK_EQ(filch_add_done_callback(future, write_entry, &one), FILCH_OK);
    CHECK_EQ(filch_add_done_callback(future, write_nested, &two), FILCH_OK);
    CHECK_EQ(filch_add_done_callback(future, write_entry, &one), FILCH_OK);
    CHECK_EQ(filch_add_done_callback(future, write_entry, &three), FILCH_OK);
    gate_open(&held->go);
    pool_close(pool, ex, held);
    static const int expected[] = {1, 2, 102, 1, 3};
    CHECK_EQ(log.count, 5);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(log.entries[i], expected[i]);
    filch_release(future);
}

/* B4: in the worker that finished it; for a pool of processes in one thread of the process that added it.
 * Thread ids are the system's: they tell threads of different processes apart, too. */
struct where {
    struct gate go;
    pid_t thread;
};

static void note_thread(struct where *where) {
    gate_wait(&where->go, 1);
    where->thread = gettid();
}
FILCH_TASK_VOID(note_thread, struct where *);

struct called {
    struct gate calls;
    pid_t process, thread;
};

static void join_quietly(filch_future *future, void *arg) {
    struct called *called = arg;
    CHECK_EQ(filch_join(future), FILCH_OK);
    called->process = getpid();
    called->thread = gettid();
    gate_open(&called->calls);
}

CONTRACT(callbacks, in_the_finishing_worker) {
    filch_executor *ex = pool->open(2);
    struct where *where = pool->alloc(ex, sizeof *where);
    pid_t before = 0;
    for (int i = 0; i < 5; i++) {
        struct called called = {.thread = 0};
        atomic_store(&where->go.value, 0);
        filch_future *future = filch_submit(ex, note_thread, where);
        CHECK_EQ(filch_add_done_callback(future, join_quietly, &called), FILCH_OK);
        gate_open(&where->go);
        gate_wait(&called.calls, 1);
        CHECK_EQ(called.process, getpid());
        CHECK_NE(called.thread, gettid());
        CHECK_EQ(called.thread == where->thread, pool->takes_pointers);
        if (!pool->takes_pointers && i > 0)
            CHECK_EQ(called.thread, before);
        before = called.thread;
        filch_release(future);
    }
    pool_close(pool, ex, where);
}

/* B4 */
CONTRACT(callbacks, in_the_cancelling_thread) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *first = pool_hold(ex, held);
    filch_future *queued = filch_submit(ex, twice, 1);
    struct seen seen = {.value = 0};
    CHECK_EQ(filch_add_done_callback(queued, look, &seen), FILCH_OK);
    CHECK(filch_cancel(queued));
    CHECK_EQ(gate_value(&seen.calls), 1);
    CHECK(pthread_equal(seen.thread, pthread_self()));
    filch_release(queued);
    gate_open(&held->go);
    check_held(first);
    pool_close(pool, ex, held);
}

/* B4: a waiter that runs a task inline does not run its callbacks on its own stack. */
static _Thread_local int frames_waiting;
struct inlined {
    struct gate calls;
    int frames;
    bool done;
    pid_t adder, process;
};

static void note_frames(filch_future *future, void *arg) {
    struct inlined *it = arg;
    it->frames = frames_waiting;
    it->done = filch_done(future);
    it->process = getpid();
    gate_open(&it->calls);
}

static long wait_for_child(struct inlined *it, long x) {
    filch_future *child = filch_submit(filch_this_executor(), twice, x);
    CHECK_NOT_NULL(child);
    CHECK_EQ(filch_add_done_callback(child, note_frames, it), FILCH_OK);
    it->adder = getpid();
    long value = 0;
    frames_waiting++;
    CHECK_EQ(filch_result(child, &value), FILCH_OK);
    frames_waiting--;
    filch_release(child);
    return value;
}
FILCH_TASK(long, wait_for_child, struct inlined *, long);

CONTRACT(callbacks, of_an_inline_task_are_queued) {
    for (int round = 0; round < 10; round++) {
        filch_executor *ex = pool->open(1);
        struct inlined *it = pool->alloc(ex, sizeof *it);
        check_long(filch_submit(ex, wait_for_child, it, 8), 16);
        CHECK_EQ(filch_shutdown(ex), FILCH_OK); /* which waits for it */
        CHECK_EQ(gate_value(&it->calls), 1);
        CHECK_EQ(it->frames, 0);
        CHECK(it->done);
        CHECK_EQ(it->process, it->adder); /* the worker's, which is another one in some pools */
        pool->free(ex, it);
        filch_close(ex);
    }
}

/* B5 */
struct release_first {
    struct gate released;
    struct gate calls;
    long value;
};

static void use_after_release(filch_future *future, void *arg) {
    struct release_first *it = arg;
    gate_wait(&it->released, 1);
    CHECK(filch_done(future));
    CHECK_EQ(filch_result_timeout(future, &it->value, 0), FILCH_OK);
    gate_open(&it->calls);
}

CONTRACT(callbacks, result_does_not_wait_for_them) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *first = pool_hold(ex, held);
    struct release_first it = {.value = 0};
    filch_future *future = filch_submit(ex, twice, 6);
    CHECK_EQ(filch_add_done_callback(future, use_after_release, &it), FILCH_OK);
    gate_open(&held->go);
    check_held(first);
    check_long(future, 12); /* returns, and gives the only handle back, while the callback waits */
    gate_open(&it.released);
    pool_close(pool, ex, held);
    CHECK_EQ(gate_value(&it.calls), 1);
    CHECK_EQ(it.value, 12);
}

/* B6 */
struct anything {
    filch_executor *executor;
    filch_future *submitted;
    struct gate calls;
};

static void do_anything(filch_future *future, void *arg) {
    struct anything *it = arg;
    CHECK(!filch_cancel(future));
    filch_release(filch_retain(future));
    it->submitted = filch_submit(it->executor, twice, 50);
    filch_release(future); /* the test's own handle */
    gate_open(&it->calls);
}

CONTRACT(callbacks, may_call_anything) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    struct anything it = {.executor = ex};
    filch_future *future = pool_hold(ex, held);
    CHECK_EQ(filch_add_done_callback(future, do_anything, &it), FILCH_OK);
    gate_open(&held->go);
    gate_wait(&it.calls, 1);
    check_long(it.submitted, 100);
    pool_close(pool, ex, held);
}

/* B6 */
struct chain {
    filch_executor *executor;
    int left;
    struct gate end;
};

static void submit_next(filch_future *future, void *arg) {
    struct chain *chain = arg;
    CHECK_EQ(filch_join(future), FILCH_OK);
    filch_release(future);
    if (chain->left-- == 0) {
        gate_open(&chain->end);
        return;
    }
    filch_future *next = filch_submit(chain->executor, twice, chain->left);
    CHECK_NOT_NULL(next);
    CHECK_EQ(filch_add_done_callback(next, submit_next, chain), FILCH_OK);
}

CONTRACT(callbacks, long_chain_of_submits) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    struct chain chain = {.executor = ex, .left = ROUNDS(20000)};
    filch_future *first = pool_hold(ex, held);
    CHECK_EQ(filch_add_done_callback(first, submit_next, &chain), FILCH_OK);
    gate_open(&held->go);
    gate_wait(&chain.end, 1);
    pool_close(pool, ex, held);
}

/* B7 */
static void raise_in_callback(filch_future *future, void *arg) {
    (void)future;
    filch_raise(5, "trouble in callback %s", (const char *)arg);
}

CONTRACT(callbacks, that_raise_are_reported) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    struct seen seen = {.value = 0};
    filch_future *first = pool_hold(ex, held);
    filch_future *future = filch_submit(ex, twice, 3);
    CHECK_EQ(filch_add_done_callback(future, raise_in_callback, "one"), FILCH_OK);
    CHECK_EQ(filch_add_done_callback(future, look, &seen), FILCH_OK);
    gate_open(&held->go);
    check_held(first);
    gate_wait(&seen.calls, 1);
    CHECK_EQ(seen.value, 6); /* the future is none the worse */
    CHECK_EQ(reports_take(), 1);
    CHECK_STR_HAS(reports.lines[0], "trouble in callback one");
    CHECK_EQ(filch_add_done_callback(future, raise_in_callback, "two"), FILCH_OK);
    CHECK_EQ(reports_take(), 1);
    CHECK_STR_HAS(reports.lines[0], "trouble in callback two");
    check_long(future, 6);
    pool_close(pool, ex, held);
}

/* B7: a callback may wait for another task of its pool. */
struct wait_in_callback {
    filch_future *other;
    long value;
    filch_status status;
    struct gate calls;
};

static void wait_for_other(filch_future *future, void *arg) {
    (void)future;
    struct wait_in_callback *it = arg;
    it->status = filch_result(it->other, &it->value);
    gate_open(&it->calls);
}

CONTRACT(callbacks, that_wait_count_as_waiting_tasks) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    filch_future *first = pool_hold(ex, held);
    struct wait_in_callback it = {.other = filch_submit(ex, twice, 9)};
    CHECK_EQ(filch_add_done_callback(first, wait_for_other, &it), FILCH_OK);
    gate_open(&held->go);
    gate_wait(&it.calls, 1);
    CHECK_EQ(it.status, FILCH_OK);
    CHECK_EQ(it.value, 18);
    filch_release(first);
    filch_release(it.other);
    pool_close(pool, ex, held);
}

/* close returns after the last callback. */
CONTRACT(callbacks, close_waits_for_them) {
    filch_executor *ex = pool->open(1);
    struct hold *held = pool->alloc(ex, sizeof *held);
    struct called called = {.thread = 0};
    filch_future *future = pool_hold(ex, held);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(filch_add_done_callback(future, join_quietly, &called), FILCH_OK);
    gate_open(&held->go);
    filch_release(future);
    pool_close(pool, ex, held);
    CHECK_EQ(gate_value(&called.calls), 100);
}
