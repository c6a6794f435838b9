/* cycles.c: pools that are opened, used and closed again and again, with futures, collections and
 * submitting threads that outlive them, leave no thread, no descriptor and no memory behind.
 *
 *     stress.cycles [rounds [seed]] */
#include "stress.h"
#include <filch/filch.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>

enum { TASKS = 50, KEPT = 40, WARM_UP = 100 };

static atomic_int n_run, n_called;

static long twice(long x) {
    atomic_fetch_add(&n_run, 1);
    return 2 * x;
}
FILCH_TASK(long, twice, long);

static filch_bytes fill(int n) {
    filch_bytes bytes = {filch_result_alloc((size_t)n), (size_t)n};
    if (bytes.data != NULL)
        memset((void *)bytes.data, n % 251, (size_t)n);
    return bytes;
}
FILCH_TASK(filch_bytes, fill, int);

static int fail(int code) {
    return filch_raise(code, "on purpose %d", code);
}
FILCH_TASK(int, fail, int);

static void count_call(filch_future *future, void *arg) {
    (void)future;
    (void)arg;
    atomic_fetch_add(&n_called, 1);
}

/* Futures of closed pools. */
static filch_future *kept[KEPT];

static void keep(uint64_t *random, filch_future *future) {
    uint32_t at = random_below(random, KEPT);
    filch_release(kept[at]); /* its pool is closed, perhaps for long */
    kept[at] = future;
}

static void submit_some(filch_executor *executor, uint64_t *random) {
    for (int i = 0; i < TASKS; i++) {
        filch_future *future = filch_submit(executor, twice, i);
        STRESS_CHECK(future != NULL);
        if (i % 10 == 0)
            STRESS_CHECK(filch_add_done_callback(future, count_call, NULL) == FILCH_OK);
        if (i % 10 == 5)
            keep(random, future);
        else
            filch_release(future);
    }
}

static void *submit_in_thread(void *arg) {
    uint64_t random;
    random_seed(&random, 1);
    for (int i = 0; i < TASKS; i++) {
        filch_future *future = filch_submit(arg, twice, i);
        long result;
        if (i % 16 == 0)
            STRESS_CHECK(filch_result(future, &result) == FILCH_OK && result == 2 * i);
        filch_release(future);
    }
    return NULL;
}

static void submit_large(filch_executor *executor, uint64_t *random) {
    static const int sizes[] = {1, 100, 20000, 200000};
    filch_future *futures[5];
    for (int i = 0; i < 4; i++)
        futures[i] = filch_submit(executor, fill, sizes[i]);
    futures[4] = filch_submit(executor, fail, 3);
    filch_completed *completed = filch_as_completed(futures, 5);
    filch_future *future;
    STRESS_CHECK(filch_completed_next(completed, &future, FILCH_FOREVER) == FILCH_OK);
    filch_completed_close(completed);
    for (int i = 0; i < 4; i++) {
        filch_bytes bytes;
        STRESS_CHECK(filch_result(futures[i], &bytes) == FILCH_OK);
        STRESS_CHECK(bytes.size == (size_t)sizes[i]);
        STRESS_CHECK(((const unsigned char *)bytes.data)[bytes.size - 1] == sizes[i] % 251);
        keep(random, futures[i]);
    }
    STRESS_CHECK(filch_exception(futures[4])->code == 3);
    keep(random, futures[4]);
}

static void play(struct stress *stress) {
    uint32_t kind = random_below(&stress->random, 8);
    filch_executor *executor =
        filch_thread_pool(.max_workers = 1 + (int)random_below(&stress->random, 6));
    STRESS_CHECK(executor != NULL);
    atomic_store(&n_run, 0);
    atomic_store(&n_called, 0);
    int expected = 0;
    bool is_used = kind != 0; /* else opened and closed */
    if (is_used) {
        submit_some(executor, &stress->random);
        expected = TASKS;
    }
    if (kind >= 4) {
        stress_join(stress_start(submit_in_thread, executor));
        expected += TASKS;
    }
    if (kind >= 6)
        submit_large(executor, &stress->random);
    if (kind == 3)
        STRESS_CHECK(filch_shutdown(executor, .no_wait = true) == FILCH_OK);
    filch_close(executor);
    STRESS_CHECK(atomic_load(&n_run) == expected);
    STRESS_CHECK(atomic_load(&n_called) == (is_used ? TASKS / 10 : 0));
}

static void give_kept_back(void) {
    for (int i = 0; i < KEPT; i++) {
        STRESS_CHECK(kept[i] == NULL || filch_done(kept[i]));
        filch_release(kept[i]);
        kept[i] = NULL;
    }
}

struct use {
    int descriptors;
    long address_space; /* bytes */
    long heap;
};

static struct use measure(void) {
    struct use use = {.descriptors = stress_count_entries("/proc/self/fd")};
    FILE *file = fopen("/proc/self/statm", "r");
    STRESS_CHECK(file != NULL && fscanf(file, "%ld", &use.address_space) == 1);
    fclose(file);
    use.address_space *= 4096;
    use.heap = (long)mallinfo2().uordblks;
    return use;
}

/* Sanitizers have memory of their own; there the leak checker counts. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_IS_OURS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MEMORY_IS_OURS 0
#endif
#endif
#ifndef MEMORY_IS_OURS
#define MEMORY_IS_OURS 1
#endif

int main(int argc, char **argv) {
    struct stress stress = stress_begin(argc, argv, "cycles", 500);
    int threads = stress_count_entries("/proc/self/task");
    mallopt(M_ARENA_MAX, 1); /* malloc's own growth with threads is not looked for */
    for (int i = 0; i < WARM_UP; i++)
        play(&stress);
    give_kept_back();
    struct use before = measure();
    for (long round = 0; round < stress.rounds; round++)
        play(&stress);
    give_kept_back();
    struct use after = measure();
    printf("cycles: %+ld bytes of heap, %+ld of address space\n", after.heap - before.heap,
           after.address_space - before.address_space);
    stress_await_threads(threads);
    STRESS_CHECK(after.descriptors == before.descriptors);
    /* Each pool reserves as much address space as the machine has memory; some stacks may stay. */
    STRESS_CHECK(!MEMORY_IS_OURS || after.heap - before.heap <= 64 << 10);
    STRESS_CHECK(!MEMORY_IS_OURS || after.address_space - before.address_space <= 64L << 20);
    return EXIT_SUCCESS;
}
