/* F5 of the conformance list, one clause of it: with .buffersize the next input is submitted before the
 * iteration blocks on the oldest result. */
#include "pools.h"

struct ahead {
    struct hold held;
    struct gate produced;
    struct gate runs;
};

static long hold_first(struct ahead *it, int i) {
    if (i == 0)
        hold(&it->held);
    gate_open(&it->runs);
    return i;
}
FILCH_TASK(long, hold_first, struct ahead *, int);

static bool produce(void *item, void *arg) {
    struct ahead *it = arg;
    *(filch_args(hold_first) *)item = (filch_args(hold_first)){it, gate_value(&it->produced)};
    gate_open(&it->produced);
    return true;
}

static void *take_first(void *results) {
    long value = -1;
    CHECK_EQ(filch_results_next((filch_results *)results, &value), FILCH_OK);
    CHECK_EQ(value, 0);
    return NULL;
}

/* F5 */
CONTRACT(lookahead, next_input_before_the_wait) {
    for (int buffersize = 1; buffersize < 4; buffersize++) {
        filch_executor *ex = pool->open(2);
        struct ahead *it = pool->alloc(ex, sizeof *it);
        filch_results *results = filch_map(ex, hold_first, NULL, 0, .next = produce, .next_arg = it,
                                           .buffersize = buffersize, .chunksize = 1);
        CHECK_NOT_NULL(results);
        gate_wait(&it->held.started, 1);
        CHECK_EQ(gate_value(&it->produced), buffersize);
        pthread_t thread = thread_start(take_first, results);
        gate_wait(&it->produced, buffersize + 1); /* while the oldest one runs */
        gate_wait(&it->runs, buffersize);         /* in the other worker */
        CHECK_EQ(gate_value(&it->produced), buffersize + 1);
        gate_open(&it->held.go);
        thread_join(thread);
        filch_results_close(results);
        pool_close(pool, ex, it);
    }
}
