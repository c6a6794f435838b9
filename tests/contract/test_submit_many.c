/* filch_submit_many: n tasks in one call, all or none. */
#include "pools.h"

enum { ITEMS = 1000 };

static void fill(long *items, int n) {
    for (int i = 0; i < n; i++)
        items[i] = i;
}

static void check_all(filch_future **futures, int n) {
    for (int i = 0; i < n; i++)
        check_long(futures[i], 2 * i);
}

CONTRACT(submit_many, all) {
    filch_executor *ex = pool->open(2);
    long items[ITEMS];
    filch_future *futures[ITEMS];
    for (int n = 0; n <= ITEMS; n = 3 * n + 1) {
        fill(items, n);
        CHECK_EQ(filch_submit_many(ex, twice, items, (size_t)n, futures), FILCH_OK);
        memset(items, 0xff, sizeof items); /* given up */
        check_all(futures, n);
    }
    CHECK_EQ(filch_submit_many(ex, twice, NULL, 0, NULL), FILCH_OK);
    short shorts[] = {0, 1, 2};
    CHECK_EQ(filch_submit_many(ex, twice, shorts, 3, futures), FILCH_OK); /* converted */
    check_all(futures, 3);
    filch_close(ex);
}

static char *join_texts(const char *a, const char *b) {
    size_t size = strlen(a) + strlen(b) + 1;
    char *text = malloc(size);
    snprintf(text, size, "%s%s", a, b);
    return filch_own(text);
}
FILCH_TASK(char *, join_texts, const char *, const char *);

CONTRACT(submit_many, several_parameters_and_strings) {
    filch_executor *ex = pool->open(2);
    filch_args(join_texts) items[] = {{"a", "b"}, {"", "c"}, {"d", ""}};
    filch_future *futures[3];
    CHECK_EQ(filch_submit_many(ex, join_texts, items, 3, futures), FILCH_OK);
    static const char *const expected[] = {"ab", "c", "d"};
    for (int i = 0; i < 3; i++) {
        const char *text;
        CHECK_EQ(filch_result(futures[i], &text), FILCH_OK);
        CHECK_STR_EQ(text, expected[i]);
        filch_release(futures[i]);
    }
    filch_close(ex);
}

/* E4: in order, behind what the thread has submitted before. */
struct order {
    struct hold held;
    struct gate turn;
    struct gate wrong;
};

static void take_turn(struct order *order, int i) {
    if (gate_value(&order->turn) != i)
        gate_open(&order->wrong);
    gate_open(&order->turn);
}
FILCH_TASK_VOID(take_turn, struct order *, int);

CONTRACT(submit_many, in_order_with_one_worker) {
    filch_executor *ex = pool->open(1);
    struct order *order = pool->alloc(ex, sizeof *order);
    filch_future *first = pool_hold(ex, &order->held);
    filch_future *futures[101];
    filch_args(take_turn) items[100];
    for (int i = 0; i < 100; i++)
        items[i] = (filch_args(take_turn)){order, i + 1};
    futures[100] = filch_submit(ex, take_turn, order, 0);
    CHECK_EQ(filch_submit_many(ex, take_turn, items, 100, futures), FILCH_OK);
    gate_open(&order->held.go);
    check_held(first);
    for (int i = 0; i <= 100; i++) {
        CHECK_EQ(filch_join(futures[i]), FILCH_OK);
        filch_release(futures[i]);
    }
    CHECK_EQ(gate_value(&order->turn), 101);
    CHECK_EQ(gate_value(&order->wrong), 0);
    pool_close(pool, ex, order);
}

/* More than a ring holds, at once and again and again. */
CONTRACT(submit_many, more_than_the_queue_holds) {
    enum { MANY = 50000 };
    int n = ROUNDS(MANY);
    filch_executor *ex = pool->open(2);
    long *items = calloc((size_t)n, sizeof *items);
    filch_future **futures = calloc((size_t)n, sizeof *futures);
    fill(items, n);
    for (int round = 0; round < 3; round++) {
        filch_future *one = filch_submit(ex, twice, 4);
        CHECK_EQ(filch_submit_many(ex, twice, items, (size_t)n, futures), FILCH_OK);
        check_all(futures, n);
        check_long(one, 8);
    }
    free(items);
    free(futures);
    filch_close(ex);
}

/* Inside a task. */
static long sum_many(long n) {
    long items[ITEMS], sum = 0;
    filch_future *futures[ITEMS];
    fill(items, (int)n);
    filch_status status =
        filch_submit_many(filch_this_executor(), twice, items, (size_t)n, futures);
    if (status != FILCH_OK)
        return filch_raise(status, "%s", filch_error_message());
    for (long i = 0; i < n; i++) {
        long value = 0;
        filch_result(futures[i], &value);
        filch_release(futures[i]);
        sum += value;
    }
    return sum;
}
FILCH_TASK(long, sum_many, long);

CONTRACT(submit_many, inside_a_task) {
    filch_executor *ex = pool->open(1);
    check_long(filch_submit(ex, sum_many, ITEMS), (long)ITEMS * (ITEMS - 1));
    filch_close(ex);
}

/* None: what is refused leaves nothing, and says why. */
CONTRACT(submit_many, bad_input) {
    filch_executor *ex = pool->open(1);
    long items[3] = {0, 1, 2};
    filch_future *mark = (filch_future *)items, *futures[3] = {mark, mark, mark};
    CHECK_EQ(filch_submit_many(NULL, twice, items, 3, futures), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "executor");
    CHECK_EQ(filch_submit_many(ex, twice, NULL, 3, futures), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "items");
    CHECK_EQ(filch_submit_many(ex, twice, items, 3, NULL), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "futures");
    CHECK_EQ(filch_submit_many(ex, twice, items, SIZE_MAX / 4, futures), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "n is");
    for (int i = 0; i < 3; i++)
        CHECK_PTR_EQ(futures[i], mark);
    filch_close(ex);
}

static size_t size_of(filch_bytes bytes) {
    return bytes.size;
}
FILCH_TASK(size_t, size_of, filch_bytes);

CONTRACT(submit_many, one_item_unfit_to_travel) {
    filch_executor *ex = pool->open(1);
    filch_bytes items[3] = {{"abc", 3}, {"d", 1}, {NULL, 7}};
    filch_future *futures[3];
    CHECK_EQ(filch_submit_many(ex, size_of, items, 3, futures), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "7 bytes");
    for (int i = 0; i < 3; i++)
        CHECK_NULL(futures[i]);
    filch_close(ex);
}

CONTRACT(submit_many, after_shutdown) {
    filch_executor *ex = pool->open(1);
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    long items[3] = {0, 1, 2};
    filch_future *futures[3];
    CHECK_EQ(filch_submit_many(ex, twice, items, 3, futures), FILCH_SHUTDOWN);
    for (int i = 0; i < 3; i++)
        CHECK_NULL(futures[i]);
    filch_close(ex);
}

/* All or none while another thread shuts down, at every point in between. */
struct race {
    filch_executor *ex;
    struct gate runs, ready;
    unsigned delay;
    bool cancel;
};

static void *shut_down(void *arg) {
    struct race *race = arg;
    gate_open(&race->ready);
    for (volatile unsigned i = 0; i < race->delay; i++)
        ;
    CHECK_EQ(filch_shutdown(race->ex, .cancel_futures = race->cancel), FILCH_OK);
    return NULL;
}

CONTRACT(submit_many, races_with_shutdown) {
    enum { MANY = 70 };
    int n_refused = 0;
    for (int round = 0; round < ROUNDS(pool->in_process ? 1000 : 100); round++) {
        filch_executor *ex = pool->open(1 + round % 3);
        struct race *race = pool->alloc(ex, sizeof *race);
        race->ex = ex;
        race->delay = (unsigned)(round * 37 % 4000);
        race->cancel = round % 5 == 0;
        struct gate *items[MANY];
        filch_future *futures[MANY], *before = filch_submit(ex, count_run, &race->runs);
        for (int i = 0; i < MANY; i++)
            items[i] = &race->runs;
        pthread_t thread = thread_start(shut_down, race);
        gate_wait(&race->ready, 1);
        filch_status status = filch_submit_many(ex, count_run, items, MANY, futures);
        thread_join(thread);
        int n_finished = 0, n_cancelled = 0;
        for (int i = 0; i < MANY; i++) {
            CHECK_EQ(futures[i] != NULL, status == FILCH_OK);
            if (futures[i] == NULL)
                continue;
            CHECK(filch_done(futures[i]));
            n_cancelled += filch_cancelled(futures[i]);
            n_finished += !filch_cancelled(futures[i]);
            filch_release(futures[i]);
        }
        CHECK(status == FILCH_OK || status == FILCH_SHUTDOWN);
        CHECK_EQ(n_finished + n_cancelled, status == FILCH_OK ? MANY : 0);
        CHECK(race->cancel || n_cancelled == 0);
        n_finished += !filch_cancelled(before);
        CHECK(race->cancel || !filch_cancelled(before));
        CHECK_EQ(gate_value(&race->runs), n_finished);
        filch_release(before);
        n_refused += status != FILCH_OK;
        pool->free(ex, race);
        filch_close(ex);
    }
    printf("refused %d\n", n_refused);
}
