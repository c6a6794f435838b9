/* storm.c: futures under a storm of submit, cancel and as_completed from four threads. Each either
 * ran or was cancelled, never both, never neither.
 *
 *     stress.storm [rounds [futures [seed]]]
 *
 * prints its seed, and does the same choices again when it is given that one. */
#include <filch/filch.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { STORMERS = 4, BATCH_MOST = 200 };

/* How often each future's body ran, and how it ended. */
static atomic_uchar *runs;
static atomic_uchar *ends; /* how many times it was collected */

struct stormer {
    filch_executor *executor;
    uint64_t random;
    int first, end; /* its share of the futures */
    long finished, cancelled;
};

static void fail(const char *what, int i) {
    fprintf(stderr, "storm: future %d: %s\n", i, what);
    abort();
}

static uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static int run(int i) {
    atomic_fetch_add(&runs[i], 1);
    return i;
}
FILCH_TASK(int, run, int);

/* Takes what ended as it comes; others cancel behind it. */
static void collect(struct stormer *it, filch_future **futures, int n, int first) {
    filch_completed *completed = filch_as_completed(futures, (size_t)n);
    if (completed == NULL)
        fail(filch_error_message(), first);
    int left = n;
    filch_status status;
    for (filch_future *f;;) {
        int chance = (int)(next_random(&it->random) % 8);
        status = filch_completed_next(completed, &f, chance == 0 ? 0 : FILCH_FOREVER);
        if (status == FILCH_TIMEOUT) { /* impatient: cancel one of them, and go on */
            filch_cancel(futures[next_random(&it->random) % (uint64_t)n]);
            continue;
        }
        if (status != FILCH_OK)
            break;
        if (!filch_done(f))
            fail("given but not done", first);
        left--;
    }
    if (status != FILCH_END || left != 0)
        fail("as_completed lost some", first);
    filch_completed_close(completed);
}

static void check(struct stormer *it, filch_future *future, int i, bool cancel_won) {
    int value = -1;
    filch_status status = filch_result_timeout(future, &value, 0);
    int ran = atomic_load(&runs[i]);
    if (status == FILCH_OK) {
        if (ran != 1 || value != i || cancel_won || filch_cancelled(future))
            fail("finished, but not as it should", i);
        it->finished++;
    } else if (status == FILCH_CANCELLED) {
        if (ran != 0 || !filch_cancelled(future))
            fail("cancelled, but it ran", i);
        it->cancelled++;
    } else {
        fail(filch_status_name(status), i);
    }
    if (atomic_fetch_add(&ends[i], 1) != 0)
        fail("ended twice", i);
}

static void *storm(void *arg) {
    struct stormer *it = arg;
    filch_future *futures[BATCH_MOST];
    bool cancel_won[BATCH_MOST];
    for (int first = it->first, n; first < it->end; first += n) {
        n = 1 + (int)(next_random(&it->random) % BATCH_MOST);
        n = n > it->end - first ? it->end - first : n;
        int habit = (int)(next_random(&it->random) % 4);
        for (int i = 0; i < n; i++) {
            futures[i] = filch_submit(it->executor, run, first + i);
            if (futures[i] == NULL)
                fail(filch_error_message(), first + i);
            cancel_won[i] = false;
            if (habit == 1 && next_random(&it->random) % 2)
                cancel_won[i] = filch_cancel(futures[i]);
            else if (habit == 2 && i > 0) { /* an older one, which a worker is near */
                int other = (int)(next_random(&it->random) % (uint64_t)i);
                cancel_won[other] |= filch_cancel(futures[other]);
            }
        }
        if (habit == 3)
            for (int i = n - 1; i >= 0; i--)
                cancel_won[i] = filch_cancel(futures[i]);
        collect(it, futures, n, first);
        for (int i = 0; i < n; i++) {
            check(it, futures[i], first + i, cancel_won[i]);
            filch_release(futures[i]);
        }
    }
    return NULL;
}

static void run_round(int n, uint64_t seed, long *finished, long *cancelled) {
    runs = calloc((size_t)n, sizeof *runs);
    ends = calloc((size_t)n, sizeof *ends);
    filch_executor *ex = filch_thread_pool(.max_workers = 1 + (int)(seed % 4));
    if (runs == NULL || ends == NULL || ex == NULL)
        fail(filch_error_message(), -1);
    struct stormer stormers[STORMERS];
    pthread_t threads[STORMERS];
    for (int i = 0; i < STORMERS; i++) {
        stormers[i] = (struct stormer){
            .executor = ex,
            .random = seed * 0x9e3779b97f4a7c15u + (uint64_t)i + 1,
            .first = (int)((long)n * i / STORMERS),
            .end = (int)((long)n * (i + 1) / STORMERS),
        };
        if (pthread_create(&threads[i], NULL, storm, &stormers[i]) != 0)
            fail("cannot start a thread", -1);
    }
    for (int i = 0; i < STORMERS; i++) {
        pthread_join(threads[i], NULL);
        *finished += stormers[i].finished;
        *cancelled += stormers[i].cancelled;
    }
    filch_close(ex);
    for (int i = 0; i < n; i++)
        if (atomic_load(&ends[i]) != 1)
            fail("never ended", i);
    free(runs);
    free(ends);
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 1;
    int futures = argc > 2 ? atoi(argv[2]) : 200000;
    uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 0) : (uint64_t)time(NULL);
    printf("storm: %d rounds of %d futures, seed %llu\n", rounds, futures,
           (unsigned long long)seed);
    fflush(stdout);
    for (int round = 0; round < rounds; round++) {
        long finished = 0, cancelled = 0;
        run_round(futures, seed + (uint64_t)round, &finished, &cancelled);
        if (finished + cancelled != futures)
            fail("the sum is wrong", -1);
        printf("round %d: %ld ran, %ld were cancelled\n", round, finished, cancelled);
        fflush(stdout);
    }
    return EXIT_SUCCESS;
}
