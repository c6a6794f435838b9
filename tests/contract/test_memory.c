/* D3 and F7 of the conformance list: what a pool was given, and what its tasks gave, goes as soon as
 * nobody needs it. */
#include "pools.h"

static long resident_kib(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK_NOT_NULL(file);
    CHECK_EQ(fscanf(file, "%*d %ld", &pages), 1);
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Sanitizers have memory of their own. */
static void check_grown(long grown_kib, long most_kib) {
    if (!UNDER_ASAN && !UNDER_TSAN)
        CHECK_LT(grown_kib, most_kib);
}

/* D3: what a task was given goes when it ends, although the future stays. */
static size_t length_of(filch_bytes bytes) {
    return bytes.size;
}
FILCH_TASK(size_t, length_of, filch_bytes);

CONTRACT(memory, of_arguments) {
    enum { TASKS = 200, SIZE = 1 << 20 };
    filch_executor *ex = pool->open(1);
    char *data = malloc(SIZE);
    memset(data, 'x', SIZE);
    filch_future *futures[TASKS];
    long before = resident_kib();
    for (int i = 0; i < TASKS; i++) {
        size_t size = 0;
        futures[i] = filch_submit(ex, length_of, ((filch_bytes){data, SIZE}));
        CHECK_NOT_NULL(futures[i]);
        CHECK_EQ(filch_result(futures[i], &size), FILCH_OK);
        CHECK_EQ(size, SIZE);
    }
    long grown = resident_kib() - before;
    check_grown(grown, TASKS * (SIZE / 1024) / 2);
    for (int i = 0; i < TASKS; i++)
        filch_release(futures[i]);
    free(data);
    filch_close(ex);
}

/* D3: and what it gave goes with the future. */
static filch_bytes make_bytes(size_t size) {
    void *data = filch_result_alloc(size);
    memset(data, 'y', size);
    return (filch_bytes){data, size};
}
FILCH_TASK(filch_bytes, make_bytes, size_t);

CONTRACT(memory, of_results) {
    enum { TASKS = 400, SIZE = 1 << 20 };
    filch_executor *ex = pool->open(1);
    long before = resident_kib();
    for (int i = 0; i < TASKS; i++) {
        filch_bytes bytes = {NULL, 0};
        filch_future *future = filch_submit(ex, make_bytes, SIZE);
        CHECK_EQ(filch_result(future, &bytes), FILCH_OK);
        CHECK_EQ(bytes.size, SIZE);
        CHECK_EQ(((const char *)bytes.data)[SIZE - 1], 'y');
        filch_release(future);
    }
    long grown = resident_kib() - before;
    check_grown(grown, TASKS * (SIZE / 1024) / 4);
    filch_close(ex);
}

/* F7: an iteration keeps no result that it has given; with a buffer, or all submitted at once. */
static void iterate_over_bytes(filch_executor *ex, int buffersize) {
    enum { ITEMS = 300, SIZE = 1 << 20, AHEAD = 4 };
    size_t sizes[ITEMS];
    for (int i = 0; i < ITEMS; i++)
        sizes[i] = SIZE;
    filch_results *results =
        filch_map(ex, make_bytes, sizes, ITEMS, .chunksize = 1, .buffersize = buffersize);
    CHECK_NOT_NULL(results);
    long before = resident_kib(), most = 0;
    for (int i = 0; i < ITEMS; i++) {
        filch_bytes bytes = {NULL, 0};
        CHECK_EQ(filch_results_next(results, &bytes), FILCH_OK);
        CHECK_EQ(((const char *)bytes.data)[SIZE - 1], 'y');
        long grown = resident_kib() - before;
        most = grown > most ? grown : most;
    }
    if (buffersize > 0)
        check_grown(most, (buffersize + AHEAD) * (SIZE / 1024L) * 2);
    else /* all are there at some time, and at the end one is */
        check_grown(resident_kib() - before, ITEMS * (SIZE / 1024) / 4);
    filch_results_close(results);
}

CONTRACT(memory, of_map) {
    filch_executor *ex = pool->open(2);
    iterate_over_bytes(ex, 4);
    iterate_over_bytes(ex, 0);
    filch_close(ex);
}

/* D3: one task that submits and waits for ever takes no more and no more: those that it runs inside its
 * waits leave nothing behind in its queue. */
static long keep_four_ahead(int n) {
    enum { AHEAD = 4 };
    filch_executor *ex = filch_this_executor();
    filch_future *ahead[AHEAD] = {NULL};
    long sum = 0;
    for (int i = 0; i < n + AHEAD; i++) {
        long value = 0;
        filch_future *oldest = ahead[i % AHEAD];
        if (oldest != NULL && filch_result(oldest, &value) != FILCH_OK)
            return -1;
        filch_release(oldest);
        sum += value;
        ahead[i % AHEAD] = i < n ? filch_submit(ex, twice, 1) : NULL;
    }
    return sum;
}
FILCH_TASK(long, keep_four_ahead, int);

CONTRACT(memory, of_one_long_task) {
    for (int workers = 1; workers <= 2; workers++) {
        filch_executor *ex = pool->open(workers);
        check_long(filch_submit(ex, keep_four_ahead, 1000), 2000);
        long before = resident_kib();
        check_long(filch_submit(ex, keep_four_ahead, ROUNDS(300000)), 2 * ROUNDS(300000));
        check_grown(resident_kib() - before, 4096);
        filch_close(ex);
    }
}
