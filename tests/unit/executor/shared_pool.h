/* shared_pool.h: a pool over shared memory for tests of what it is made of: its workers are forked by a
 * thread of the test each, or (in_threads) are threads that act as processes. Nobody replaces one. */
#ifndef FILCH_TEST_SHARED_POOL_H
#define FILCH_TEST_SHARED_POOL_H

#include "contract/gate.h"
#include "executor/execute.h"
#include "executor/plan.h"
#include "executor/process_pool/notifier.h"
#include "future/consumer.h"
#include "platform/process.h"
#include "platform/stack.h"
#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { POOL_WORKERS = 2, POOL_SLOTS = POOL_WORKERS + SUBSTITUTES };

struct test_worker {
    filch_executor *executor;
    struct worker *worker;
    pthread_t keeper;
    bool is_started;
};

static struct {
    bool in_threads;
    void *scratch; /* of a page, zero when the pool opens; the workers share it */
    struct notifier notifier;
    struct test_worker workers[POOL_SLOTS];
} shared_pool;

TEST_HELPER void serve_pool(struct worker *worker) {
    filchi_stack_enter_thread(0);
    filchi_worker_become(worker);
    worker->is_searching = true;
    filchi_worker_loop(worker);
    filchi_worker_become(NULL);
}

TEST_HELPER void *serve_as_thread(void *arg) {
    struct worker *worker = arg;
    filchi_process_serve_on_thread(pool_of_worker(worker), worker->number + 1);
    serve_pool(worker);
    filchi_stack_leave_thread();
    return NULL;
}

TEST_HELPER void *keep_worker(void *arg) {
    struct test_worker *self = arg;
    struct worker *worker = self->worker;
    if (shared_pool.in_threads) {
        thread_join(thread_start(serve_as_thread, worker));
    } else {
        pid_t child = fork();
        CHECK_GE(child, 0);
        if (child == 0) {
            filchi_process_serve(pool_of_worker(worker), worker->number + 1);
            filchi_consumer_serve(&worker->consumers, pool_of_worker(worker)->arena);
            serve_pool(worker);
            _exit(0);
        }
        int status;
        CHECK_EQ(waitpid(child, &status, 0), child);
        CHECK_EQ(status, 0);
    }
    filchi_notifier_disown(&shared_pool.notifier, worker);
    filchi_pool_worker_left(self->executor, worker);
    return NULL;
}

TEST_HELPER int start_test_worker(filch_executor *executor, struct worker *worker) {
    if (!shared_pool.in_threads && filchi_process_serves(executor->pool))
        return EAGAIN; /* who knows this process's threads? */
    struct test_worker *self = &shared_pool.workers[worker->number];
    if (self->is_started)
        thread_join(self->keeper);
    *self = (struct test_worker){.executor = executor, .worker = worker, .is_started = true};
    self->keeper = thread_start(keep_worker, self);
    return 0;
}

TEST_HELPER void join_test_workers(filch_executor *executor) {
    (void)executor;
    for (int i = 0; i < POOL_SLOTS; i++)
        if (shared_pool.workers[i].is_started)
            thread_join(shared_pool.workers[i].keeper);
    memset(shared_pool.workers, 0, sizeof shared_pool.workers);
}

TEST_HELPER void ignore_worker(filch_executor *executor, struct worker *worker) {
    (void)executor;
    (void)worker;
}

TEST_HELPER void close_test_pool(filch_executor *executor) {
    (void)executor;
    filchi_notifier_stop(&shared_pool.notifier);
}

static const struct pool_operations shared_pool_operations = {
    .kind = "test pool",
    .is_shared = true,
    .takes_pointers = true, /* the tests know what they do */
    .start_worker = start_test_worker,
    .move_worker = ignore_worker,
    .join_workers = join_test_workers,
    .close = close_test_pool,
};

static int meet(struct gate *gate) {
    gate_open(gate);
    gate_wait(gate, POOL_WORKERS);
    return 0;
}
FILCH_TASK(int, meet, struct gate *);

/* All its workers run. */
TEST_HELPER filch_executor *pool_open_shared(bool in_threads) {
    shared_pool.in_threads = in_threads;
    void *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED);
    struct gate *gate = pages;
    shared_pool.scratch = (char *)pages + 4096;
    filch_executor *ex = filchi_executor_open(
        &shared_pool_operations, (struct pool_opening){.n_workers = POOL_WORKERS}, "shared_pool");
    CHECK_NOT_NULL(ex);
    ex->plan = filchi_plan_make(POOL_WORKERS, FILCH_BIND_NONE);
    struct pool *pool = ex->pool;
    pool->undelivered = filchi_arena_take(pool->arena, 1, CHUNK_RUN);
    memset(pool->undelivered, 0, sizeof *pool->undelivered);
    CHECK_EQ(filchi_notifier_start(&shared_pool.notifier, pool, NULL), 0);
    /* A worker process can start no other one, and may be trying to. */
    while (filchi_roster_count(&pool->roster) < POOL_WORKERS)
        CHECK_EQ(filchi_scheduler_wake_one(pool->scheduler), 0);
    filch_future *futures[POOL_WORKERS];
    for (int i = 0; i < POOL_WORKERS; i++)
        futures[i] = filch_submit(ex, meet, gate);
    for (int i = 0; i < POOL_WORKERS; i++) {
        CHECK_EQ(filch_join(futures[i]), FILCH_OK);
        filch_release(futures[i]);
    }
    return ex;
}

/* Which process is this, or which thread that acts as one? */
TEST_HELPER intptr_t where_am_i(void) {
    return shared_pool.in_threads ? (intptr_t)syscall(SYS_gettid) : (intptr_t)getpid();
}

#endif
