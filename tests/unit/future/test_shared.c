/* test_shared.c: futures in shared memory: who tells, delivers and frees what another process ended; and what
 * a process may do with handles that are not its own. */
#include "future/error.h"
#include "future/recover.h"
#include "future/ringer.h"
#include "structures/recover.h"
#include "unit/alone.h"
#include "unit/future/host.h"
#include <filch/collect.h>
#include <poll.h>

enum { ERROR_CELL_LOG2 = 8 };

static void do_nothing(void) {}

/* Once per process that tests: what an executor does when it is opened. */
static void open_shared(void) {
    static bool is_watched;
    if (!is_watched) {
        CHECK_EQ(filchi_consumer_init(), 0);
        CHECK_EQ(filchi_process_watch_forks(do_nothing, do_nothing, do_nothing), 0);
    }
    is_watched = true;
    CHECK_EQ(filchi_consumer_share(), 0);
    host_open_over(filchi_arena_open_shared(HOST_ARENA_BYTES), ERROR_CELL_LOG2);
    it.deferred = filchi_arena_take(it.arena, 1, CHUNK_RUN);
    CHECK_NOT_NULL(it.deferred);
    memset(it.deferred, 0, sizeof *it.deferred);
}

static pid_t fork_worker(uint32_t tag) {
    pid_t child = fork();
    CHECK_GE(child, 0);
    if (child == 0 && tag != PROCESS_OPENER)
        filchi_process_serve(&it.host, tag);
    return child;
}

static void await_child(pid_t child) {
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

static void run_here(filch_future *future, enum future_phase phase, bool may_deliver) {
    CHECK(future_try_start(future, generation_of(future), 1));
    if (phase == FUTURE_FAILED)
        filch_store_release(&future->error, (void *)filchi_error_without_memory());
    CHECK(filchi_future_finish_shared(future, phase, may_deliver));
}

static void disown(void *cell, void *arg) {
    (void)arg;
    filchi_future_disown(cell);
}

static void nap(void) {
    nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
}

static void run_in_worker(filch_future *future, enum future_phase phase) {
    pid_t child = fork_worker(1);
    if (child == 0) {
        run_here(future, phase, true);
        _exit(0);
    }
    await_child(child);
}

static void deliver_deferred(void) {
    for (int i = 0; i < atomic_load(&it.deferred->n); i++) {
        filch_future *future = it.deferred->futures[i];
        if (future_state(future) & FUTURE_DEFERRED)
            filchi_future_deliver_deferred(future, generation_of(future));
        else
            filchi_future_destroy(future); /* what it holds was not for a mortal to free */
    }
    atomic_store(&it.deferred->n, 0);
}

static int n_called;

static void count(filch_future *future, void *arg) {
    CHECK(state_is_done(future_state(future)));
    CHECK_EQ((intptr_t)arg, (intptr_t)getpid());
    n_called++;
}

static void add_counted(filch_future *future) {
    CHECK_EQ(filch_add_done_callback(future, count, (void *)(intptr_t)getpid()), FILCH_OK);
}

static void expect_state(filch_future *future, uint64_t bits, uint64_t value) {
    CHECK_EQ(future_state(future) & bits, value);
}

TEST(shared, a_worker_wakes_who_waits) {
    open_shared();
    filch_future *future = host_submit(NULL);
    pid_t child = fork_worker(1);
    if (child == 0) {
        nap();
        run_here(future, FUTURE_FINISHED, true);
        _exit(0);
    }
    CHECK_EQ(filch_join(future), FILCH_OK);
    CHECK_EQ(filchi_future_await(future, FILCHI_NEVER), FILCH_OK);
    filch_release(future);
    await_child(child);
    CHECK_EQ(atomic_load(&it.deferred->n), 0);
    host_close();
}

TEST(shared, a_worker_tells_consumers) {
    open_shared();
    filch_future *futures[] = {host_submit(NULL), host_submit(NULL), host_submit(NULL)};
    filch_future *const in_order[] = {futures[0], futures[1], futures[2]};
    pid_t child = fork_worker(1);
    if (child == 0) {
        for (int i = 3; i-- > 0; nap())
            run_here(futures[i], FUTURE_FINISHED, true);
        _exit(0);
    }
    size_t n_done;
    CHECK_EQ(filch_wait(futures, 3, FILCH_FIRST_COMPLETED, FILCH_FOREVER, &n_done), FILCH_OK);
    CHECK_GE(n_done, 1);
    filch_completed *completed = filch_as_completed(futures, 3);
    for (int i = 3; i-- > 0;) {
        filch_future *next;
        CHECK_EQ(filch_completed_next(completed, &next, FILCH_FOREVER), FILCH_OK);
        CHECK_PTR_EQ(next, in_order[i]);
    }
    filch_completed_close(completed);
    await_child(child);
    for (int i = 0; i < 3; i++)
        filch_release(futures[i]);
    host_close();
}

static bool is_readable(int fd, int timeout_ms) {
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, timeout_ms) == 1;
}

/* `early`: the descriptor is asked for before there is a future. */
static void check_descriptor(bool early) {
    open_shared();
    filch_future *futures[] = {host_submit(NULL), host_submit(NULL)};
    filch_completed *completed = filch_as_completed(NULL, 0);
    if (early)
        CHECK_GE(filch_completed_fd(completed), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(filch_completed_add(completed, futures[i]), FILCH_OK);
    int fd = filch_completed_fd(completed);
    CHECK(!is_readable(fd, 0));
    pid_t child = fork_worker(1);
    if (child == 0) {
        for (int i = 0; i < 2; i++) {
            nap();
            run_here(futures[i], FUTURE_FINISHED, true);
        }
        _exit(0);
    }
    for (int i = 0; i < 2; i++) {
        CHECK(is_readable(fd, 10000));
        filch_future *next;
        CHECK_EQ(filch_completed_next(completed, &next, 0), FILCH_OK);
        CHECK_PTR_EQ(next, futures[i]);
    }
    CHECK(is_readable(fd, 0)); /* all have been given */
    await_child(child);
    filch_completed_close(completed);
    for (int i = 0; i < 2; i++)
        filch_release(futures[i]);
    host_close();
}

TEST(shared, a_worker_rings_a_descriptor) {
    for (int round = 0; round < 4; round++)
        check_descriptor(round % 2 == 0);
}

/* A worker process waits in its turn, for what the opener's process ends. */
TEST(shared, a_worker_has_consumers_too) {
    open_shared();
    struct heap *heaps = filchi_arena_take(it.arena, 1, CHUNK_RUN);
    memset(heaps, 0, 2 * sizeof *heaps);
    struct gate *gates = (struct gate *)(heaps + 2);
    memset(gates, 0, 2 * sizeof *gates);
    filch_future **made = (filch_future **)(gates + 2);
    pid_t child = fork_worker(2);
    if (child == 0) {
        filchi_consumer_serve(&heaps[0], it.arena);
        filchi_heap_init(&heaps[1], it.arena, FUTURE_CELL_LOG2, true);
        filchi_heap_init(&it.nodes, it.arena, ERROR_CELL_LOG2, true);
        filch_future *own = heap_take(&heaps[1]);
        CHECK(filchi_future_init(own, &test_type));
        (void)future_publish(own);
        *made = own;
        filch_completed *completed = filch_as_completed(&own, 1);
        int fd = filch_completed_fd(completed);
        gate_open(&gates[0]);
        CHECK(is_readable(fd, 10000));
        filch_future *next;
        CHECK_EQ(filch_completed_next(completed, &next, 0), FILCH_OK);
        CHECK_PTR_EQ(next, own);
        filch_completed_close(completed);
        filch_release(own);
        _exit(0);
    }
    gate_wait(&gates[0], 1);
    run_here(*made, FUTURE_FINISHED, true);
    await_child(child);
    deliver_deferred(); /* if it was given back before it had been delivered */
    expect_state(*made, FUTURE_PHASE, FUTURE_FREE);
    host_close();
}

TEST(shared, callbacks_are_deferred) {
    open_shared();
    n_called = 0;
    filch_future *future = host_submit(NULL);
    add_counted(future);
    run_in_worker(future, FUTURE_FINISHED);
    expect_state(future, FUTURE_DEFERRED | FUTURE_DELIVERED, FUTURE_DEFERRED);
    CHECK_EQ(filch_join(future), FILCH_OK); /* the outcome is known */
    CHECK_EQ(n_called, 0);
    add_counted(future); /* runs at once, as it does after the end */
    CHECK_EQ(n_called, 1);
    CHECK_EQ(atomic_load(&it.deferred->n), 1);
    filch_release(future);
    deliver_deferred();
    CHECK_EQ(n_called, 2);
    CHECK_EQ(phase_of(future), FUTURE_FREE);
    host_close();
}

static int n_reports;

static void note_report(const char *line, void *arg) {
    (void)arg;
    CHECK_NOT_NULL(strstr(line, "nobody looked"));
    n_reports++;
}

TEST(shared, failures_are_reported_here) {
    open_shared();
    filch_on_report(note_report, NULL);
    n_reports = 0;
    for (int looks = 0; looks < 2; looks++) {
        filch_future *future = host_submit(NULL);
        if (looks == 0)
            filch_release(future);
        run_in_worker(future, FUTURE_FAILED);
        CHECK_EQ(atomic_load(&it.deferred->n), 1);
        if (looks == 1) {
            CHECK_EQ(filch_join(future), FILCH_FAILED);
            filch_release(future);
        }
        deliver_deferred();
        CHECK_EQ(n_reports, 1);
        CHECK_EQ(phase_of(future), FUTURE_FREE);
    }
    filch_on_report(NULL, NULL);
    host_close();
}

/* Nobody has to deliver what nobody watches: it is freed where it ends, or where its handle is. */
TEST(shared, the_rest_is_delivered_there) {
    open_shared();
    filch_future *kept = host_submit(NULL), *released = host_submit(NULL);
    filch_release(released);
    run_in_worker(kept, FUTURE_FINISHED);
    run_in_worker(released, FUTURE_FINISHED);
    CHECK_EQ(atomic_load(&it.deferred->n), 0);
    CHECK_EQ(phase_of(released), FUTURE_FREE);
    expect_state(kept, FUTURE_DELIVERED, FUTURE_DELIVERED);
    filch_release(kept);
    CHECK_EQ(phase_of(kept), FUTURE_FREE);
    host_close();
}

TEST(shared, inline_runs_deliver_nothing) {
    open_shared();
    n_called = 0;
    filch_future *future = host_submit(NULL);
    add_counted(future);
    run_here(future, FUTURE_FINISHED, false);
    CHECK_EQ(n_called, 0);
    deliver_deferred();
    CHECK_EQ(n_called, 1);
    filch_release(future);
    host_close();
}

/* A task of one process, ended by another one; both are gone in the end. */
TEST(shared, mail_and_its_end) {
    open_shared();
    struct heap *heap = filchi_arena_take(it.arena, 1, CHUNK_RUN);
    memset(heap, 0, sizeof *heap);
    struct gate *gates = (struct gate *)(heap + 1);
    memset(gates, 0, 2 * sizeof *gates);
    filch_future **made = (filch_future **)(gates + 2);
    pid_t child = fork_worker(2);
    if (child == 0) {
        filchi_heap_init(heap, it.arena, FUTURE_CELL_LOG2, true);
        filchi_heap_init(&it.nodes, it.arena, ERROR_CELL_LOG2, true);
        n_called = 0;
        for (int i = 0; i < 3; i++) {
            made[i] = heap_take(heap);
            CHECK(filchi_future_init(made[i], &test_type));
            (void)future_publish(made[i]);
            add_counted(made[i]);
        }
        gate_open(&gates[0]);
        gate_wait(&gates[1], 1);
        expect_state(made[0], FUTURE_MAILED | FUTURE_DEFERRED, FUTURE_MAILED);
        filchi_future_deliver_mailed(made[0]);
        CHECK_EQ(n_called, 1);
        filch_release(made[0]);
        _exit(0);
    }
    gate_wait(&gates[0], 1);
    for (int i = 0; i < 2; i++) {
        run_here(made[i], FUTURE_FINISHED, true);
        CHECK_EQ(atomic_load(&it.deferred->n), i + 1);
        CHECK(filchi_future_mail(made[i]));
    }
    atomic_store(&it.deferred->n, 0);
    gate_open(&gates[1]);
    await_child(child);
    CHECK_EQ(phase_of(made[0]), FUTURE_FREE);
    expect_state(made[1], FUTURE_MAILED | FUTURE_DELIVERED, FUTURE_MAILED);
    filchi_heap_walk(heap, disown, NULL); /* one in the mail, one pending */
    CHECK_EQ(atomic_load(&it.deferred->n), 1);
    CHECK(!filchi_future_mail(made[1])); /* its callback is gone */
    deliver_deferred();
    CHECK_EQ(phase_of(made[1]), FUTURE_FREE);
    run_here(made[2], FUTURE_FINISHED, true);
    CHECK_EQ(atomic_load(&it.deferred->n), 1);
    deliver_deferred();
    CHECK_EQ(phase_of(made[2]), FUTURE_FREE);
    CHECK_EQ(atomic_load(&it.n_calls), 0);
    host_close();
}

/* Who died had pushed, and had cleared the mark of who sleeps, and had not woken it. */
TEST(shared, looks_again_though_nobody_seems_to_sleep) {
    open_shared();
    struct heap *heap = filchi_arena_take(it.arena, 1, CHUNK_RUN);
    memset(heap, 0, sizeof *heap);
    filch_atomic_pointer *opened = (filch_atomic_pointer *)(heap + 1);
    filch_store_relaxed(opened, NULL);
    pid_t child = fork_worker(2);
    if (child == 0) {
        filchi_consumer_serve(heap, it.arena);
        struct consumer *consumer = filchi_consumer_open();
        consumer_expect_remote(consumer);
        filch_store_release(opened, (void *)consumer);
        _exit(filchi_consumer_await(consumer, &it.host, FILCHI_NEVER) == FILCH_OK ? 0 : 1);
    }
    struct consumer *consumer;
    while ((consumer = filch_load_acquire(opened)) == NULL)
        sched_yield();
    while ((filch_load_seq_cst(&consumer->bell) & BELL_SLEEPER) == 0)
        sched_yield();
    nap(); /* else it would find the word changed, and not go to sleep */
    (void)filch_fetch_and_acq_rel(&consumer->bell, ~(uint32_t)BELL_SLEEPER);
    filchi_consumer_rescan(heap);
    await_child(child);
    host_close();
}

/* What a worker that has ended had in its hands, or had only to give back: it goes to who delivers, once, and on
 * the way there nobody takes it for left behind. Another process in its place calls none of its callbacks. */
TEST(shared, disowned) {
    open_shared();
    struct heap *heap = filchi_arena_take(it.arena, 1, CHUNK_RUN);
    memset(heap, 0, sizeof *heap);
    filch_future **made = (filch_future **)(heap + 1);
    pid_t child = fork_worker(2);
    if (child == 0) {
        filchi_heap_init(heap, it.arena, FUTURE_CELL_LOG2, true);
        filchi_heap_init(&it.nodes, it.arena, ERROR_CELL_LOG2, true);
        for (int i = 0; i < 2; i++) {
            made[i] = heap_take(heap);
            CHECK(filchi_future_init(made[i], &test_type));
            (void)future_publish(made[i]);
        }
        add_counted(made[1]);
        _exit(0);
    }
    await_child(child);
    run_here(made[0], FUTURE_FINISHED, true);
    expect_state(made[0], FUTURE_DELIVERED | FUTURE_RELEASED, FUTURE_DELIVERED);
    for (int i = 0; i < 2; i++) { /* of the process, and of its successor */
        filchi_heap_walk(heap, disown, NULL);
        CHECK_EQ(atomic_load(&it.deferred->n), 1);
        CHECK_EQ(filchi_future_find_rest(made[0], generation_of(made[0])), REST_NOTHING);
    }
    filchi_future_destroy(made[0]);
    atomic_store(&it.deferred->n, 0);
    child = fork_worker(2);
    if (child == 0) {
        n_called = 0;
        run_here(made[1], FUTURE_FINISHED, true);
        CHECK_EQ(n_called, 0);
        _exit(0);
    }
    await_child(child);
    CHECK_EQ(atomic_load(&it.deferred->n), 1);
    deliver_deferred();
    CHECK_EQ(phase_of(made[1]), FUTURE_FREE);
    CHECK_EQ(atomic_load(&it.n_calls), 0);
    host_close();
}

/* K10: a child that the program forks has nothing to do with its parent's futures. */
TEST(shared, forked_children_do_no_harm) {
    open_shared();
    filch_future *pending = host_submit(NULL), *done = host_submit(NULL);
    host_run(done, FUTURE_FINISHED);
    filch_future *futures[] = {pending, done};
    filch_completed *completed = filch_as_completed(futures, 2);
    int fd = filch_completed_fd(completed);
    CHECK(is_readable(fd, 0));
    pid_t child = fork_worker(PROCESS_OPENER);
    if (child == 0) {
        filch_future *next;
        CHECK(!filch_cancel(pending));
        CHECK_EQ(filch_error_status(), FILCH_INVALID_STATE);
        CHECK_EQ(filch_add_done_callback(pending, count, NULL), FILCH_INVALID_STATE);
        CHECK_EQ(filch_join(pending), FILCH_INVALID_STATE);
        CHECK_EQ(filch_wait(futures, 2, FILCH_FIRST_COMPLETED, 0, NULL), FILCH_INVALID_STATE);
        CHECK_NULL(filch_as_completed(futures, 2));
        CHECK_EQ(filch_completed_add(completed, done), FILCH_INVALID_STATE);
        CHECK_EQ(filch_completed_next(completed, &next, 0), FILCH_OK); /* was at hand already */
        CHECK(!is_readable(filch_completed_fd(completed), 0));
        filch_completed_close(completed);
        filch_release(filch_retain(pending));
        filch_release(pending);
        filch_release(done);
        _exit(0);
    }
    await_child(child);
    CHECK_EQ(phase_of(pending), FUTURE_PENDING);
    CHECK_EQ(phase_of(done), FUTURE_FINISHED);
    CHECK_EQ(filch_load_relaxed(&done->handles), 2); /* with the iteration's */
    CHECK(is_readable(fd, 0));
    run_in_worker(pending, FUTURE_FINISHED);
    for (int i = 0; i < 2; i++) {
        filch_future *next;
        CHECK_EQ(filch_completed_next(completed, &next, FILCH_FOREVER), FILCH_OK);
    }
    filch_completed_close(completed);
    filch_release(pending);
    filch_release(done);
    host_close();
}

/* Its worker is being killed: nobody may end it any more. */
TEST(shared, time_is_over) {
    open_shared();
    filch_future *future = host_submit(NULL);
    CHECK(future_try_start(future, generation_of(future), 1));
    (void)filch_fetch_or_acq_rel(&future->state, FUTURE_TIMED_OUT);
    CHECK(!filchi_future_finish_shared(future, FUTURE_FINISHED, true));
    CHECK_EQ(phase_of(future), FUTURE_RUNNING);
    (void)filch_fetch_and_acq_rel((filch_atomic_u64 *)&future->state, ~FUTURE_TIMED_OUT);
    CHECK(filchi_future_finish_shared(future, FUTURE_FINISHED, true));
    filch_release(future);
    host_close();
}
