/* E6, I1 and J3 of the conformance list: workers that are absent, or would be, at awkward times: in
 * initializers and finalizers, while they close another pool, at the limit. */
#include "pools.h"

static filch_future *gate_future;

/* An initializer that waits keeps its place: no more workers start than the pool has. */
static atomic_int n_initialised;

static int wait_at_start(void *unused) {
    (void)unused;
    atomic_fetch_add(&n_initialised, 1);
    return filch_join_timeout(gate_future, 1000) == FILCH_OK ? 0 : 1;
}

THREAD_POOL_TEST(absence, initializer_that_waits) {
    enum { WORKERS = 2, TASKS = 8 };
    gate_future = filch_future_new(0);
    atomic_store(&n_initialised, 0);
    filch_executor *ex = filch_thread_pool(.max_workers = WORKERS, .initializer = wait_at_start);
    filch_future *futures[TASKS];
    for (int i = 0; i < TASKS; i++)
        futures[i] = filch_submit(ex, twice, i);
    let_others_block();
    CHECK(atomic_load(&n_initialised) <= WORKERS);
    CHECK_EQ(filch_set_result(gate_future, NULL, 0), FILCH_OK);
    for (int i = 0; i < TASKS; i++)
        check_long(futures[i], 2 * i);
    filch_close(ex);
    filch_release(gate_future);
}

/* Finalizers that wait, while others are still busy, end all the same. */
static void wait_at_end(void *unused) {
    (void)unused;
    (void)filch_join_timeout(gate_future, 0.02);
}

static long linger(struct gate *begun, double seconds) {
    gate_open(begun);
    (void)filch_join_timeout(gate_future, seconds);
    return 1;
}
FILCH_TASK(long, linger, struct gate *, double);

THREAD_POOL_TEST(absence, finalizer_that_waits) {
    gate_future = filch_future_new(0);
    for (int round = 0; round < 10; round++) {
        filch_executor *ex = filch_thread_pool(.max_workers = 2, .finalizer = wait_at_end);
        struct gate begun = {0};
        filch_future *first = filch_submit(ex, linger, &begun, 0.0);
        filch_future *second = filch_submit(ex, linger, &begun, 0.05);
        gate_wait(&begun, 2);
        CHECK_EQ(filch_shutdown(ex), FILCH_OK);
        check_long(first, 1);
        check_long(second, 1);
        filch_close(ex);
    }
    filch_release(gate_future);
}

/* A spare that nobody has needed ends, and its finalizer waits while the seat is vacant; the pool goes
 * on. */
static void wait_long_at_end(void *unused) {
    (void)unused;
    (void)filch_join_timeout(gate_future, 0.3);
}

THREAD_POOL_TEST(absence, spares_end) {
    gate_future = filch_future_new(0);
    filch_executor *ex = filch_thread_pool(.max_workers = 1, .finalizer = wait_long_at_end);
    struct gate begun = {0};
    filch_future *absent = filch_submit(ex, linger, &begun, 0.02);
    struct hold held = {0};
    filch_future *holding = pool_hold(ex, &held); /* by a substitute, so the first one stands by */
    check_long(absent, 1);
    nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 100 * 1000 * 1000}, NULL);
    filch_future *next = filch_submit(ex, linger, &begun, 0.5);
    gate_open(&held.go);
    check_held(holding);
    check_long(next, 1);
    check_long(filch_submit(ex, linger, &begun, 0.01), 1);
    check_long(filch_submit(ex, twice, 4), 8);
    filch_close(ex);
    filch_release(gate_future);
}

/* A task that closes another pool, whose task waits for what is queued here. */
static void wait_back(filch_future *future) {
    long value = 0;
    CHECK_EQ(filch_result(future, &value), FILCH_OK);
    CHECK_EQ(value, 6);
}
FILCH_TASK_VOID(wait_back, filch_future *);

static long close_another(void) {
    filch_executor *other = filch_thread_pool(.max_workers = 1);
    filch_future *here = filch_submit(filch_this_executor(), twice, 3);
    filch_release(filch_submit(other, wait_back, here));
    filch_close(other);
    filch_release(here);
    return 1;
}
FILCH_TASK(long, close_another);

THREAD_POOL_TEST(absence, closing_another_pool) {
    filch_executor *ex = filch_thread_pool(.max_workers = 1);
    for (int round = 0; round < ROUNDS(50); round++)
        check_long(filch_submit(ex, close_another), 1);
    filch_close(ex);
}

/* At the limit, a worker that holds the only seat does not sleep in it: what it waits for may wait, without
 * a seat, for what is queued. */
static long wait_then_need_a_seat(struct gate *all_blocked) {
    (void)filch_join_timeout(gate_future, 1000);
    gate_wait(all_blocked, 1);
    long value = 0;
    filch_future *queued = filch_submit(filch_this_executor(), twice, 21);
    (void)filch_result(queued, &value);
    filch_release(queued);
    return value;
}
FILCH_TASK(long, wait_then_need_a_seat, struct gate *);

struct last {
    struct gate n_absent;
    struct gate all_blocked;
    filch_future *first;
    filch_future *keeper; /* of the absent ones */
};

static void stay_absent(struct last *it) {
    gate_open(&it->n_absent);
    (void)filch_join(it->keeper);
}
FILCH_TASK_VOID(stay_absent, struct last *);

static long be_the_last(struct last *it) {
    long value = 0;
    filch_set_result(gate_future, NULL, 0);
    gate_open(&it->all_blocked);
    let_others_block();
    filch_status status = filch_result(it->first, &value);
    return status == FILCH_NO_MEMORY ? 42 : value;
}
FILCH_TASK(long, be_the_last, struct last *);

THREAD_POOL_TEST(absence, the_last_seat) {
    enum { ABSENT = FILCH_MAX_SUBSTITUTES - 1 };
    gate_future = filch_future_new(0);
    struct last it = {.keeper = filch_future_new(0)};
    filch_executor *ex = filch_thread_pool(.max_workers = 1);
    it.first = filch_submit(ex, wait_then_need_a_seat, &it.all_blocked);
    filch_future *absent[ABSENT];
    for (int i = 0; i < ABSENT; i++)
        absent[i] = filch_submit(ex, stay_absent, &it);
    gate_wait(&it.n_absent, ABSENT);
    check_long(filch_submit(ex, be_the_last, &it), 42);
    check_long(it.first, 42);
    CHECK_EQ(filch_set_result(it.keeper, NULL, 0), FILCH_OK);
    for (int i = 0; i < ABSENT; i++) {
        CHECK_EQ(filch_join(absent[i]), FILCH_OK);
        filch_release(absent[i]);
    }
    filch_close(ex);
    filch_release(it.keeper);
    filch_release(gate_future);
}

/* A worker is started in the slot of one whose thread is still in the program's destructors. */
static pthread_key_t key;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct gate destroying;

static void need_lock(void *unused) {
    (void)unused;
    gate_open(&destroying);
    pthread_mutex_lock(&lock);
    pthread_mutex_unlock(&lock);
}

static long linger_with_key(struct gate *begun, double seconds) {
    pthread_setspecific(key, &key);
    return linger(begun, seconds);
}
FILCH_TASK(long, linger_with_key, struct gate *, double);

THREAD_POOL_TEST(absence, slot_of_a_thread_that_is_still_ending) {
    CHECK_EQ(pthread_key_create(&key, need_lock), 0);
    gate_future = filch_future_new(0);
    filch_executor *ex = filch_thread_pool(.max_workers = 1);
    struct gate begun = {0};
    pthread_mutex_lock(&lock);
    filch_future *absent = filch_submit(ex, linger_with_key, &begun, 0.02);
    struct hold held = {0};
    filch_future *holding = pool_hold(ex, &held);
    check_long(absent, 1);
    gate_wait(&destroying, 1); /* the spare has ended, and its thread hangs */
    filch_future *next = filch_submit(ex, linger, &begun, 1000.0);
    gate_open(&held.go);
    check_held(holding);
    gate_wait(&begun, 2);
    check_long(filch_submit(ex, twice, 4), 8); /* a substitute, in that slot */
    CHECK_EQ(filch_set_result(gate_future, NULL, 0), FILCH_OK);
    check_long(next, 1);
    pthread_mutex_unlock(&lock);
    filch_close(ex);
    filch_release(gate_future);
    pthread_key_delete(key);
}
