/* Memory of filch_shared_alloc: every worker sees it, and it stays until it is freed. */
#include "pools.h"
#include <stdint.h>
#include <sys/wait.h>

static size_t fill(unsigned char *memory, size_t size, unsigned char with) {
    memset(memory, with, size);
    return size;
}
FILCH_TASK(size_t, fill, unsigned char *, size_t, unsigned char);

static size_t count_of(const unsigned char *memory, size_t size, unsigned char what) {
    size_t n = 0;
    for (size_t i = 0; i < size; i++)
        n += memory[i] == what;
    return n;
}
FILCH_TASK(size_t, count_of, const unsigned char *, size_t, unsigned char);

static void check_size(filch_future *future, size_t expected) {
    size_t value = 0;
    CHECK_NOT_NULL(future);
    CHECK_EQ(filch_result(future, &value), FILCH_OK);
    CHECK_EQ(value, expected);
    filch_release(future);
}

CONTRACT(shared, workers_see_it) {
    filch_executor *ex = pool->open(2);
    static const size_t sizes[] = {1, 63, 64, 65, 4096, 16384, 16385, 65536, 1 << 20, 5000000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned char *memory = filch_shared_alloc(ex, sizes[i]);
        CHECK_NOT_NULL(memory);
        CHECK_EQ((uintptr_t)memory % 64, 0);
        check_size(filch_submit(ex, fill, memory, sizes[i], (unsigned char)(i + 1)), sizes[i]);
        CHECK_EQ(count_of(memory, sizes[i], (unsigned char)(i + 1)), sizes[i]);
        check_size(filch_submit(ex, count_of, memory, sizes[i], (unsigned char)(i + 1)), sizes[i]);
        filch_shared_free(ex, memory);
    }
    filch_close(ex);
}

CONTRACT(shared, contains) {
    filch_executor *ex = pool->open(1);
    static const size_t sizes[] = {0, 1, 64, 100, 16384, 16385, 1 << 20};
    int on_stack = 0;
    CHECK(!filch_shared_contains(ex, NULL));
    CHECK(!filch_shared_contains(ex, &on_stack));
    CHECK(!filch_shared_contains(ex, ex));
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *memory = filch_shared_alloc(ex, sizes[i]);
        size_t size = sizes[i] > 0 ? sizes[i] : 1;
        CHECK(filch_shared_contains(ex, memory));
        CHECK(filch_shared_contains(ex, memory + size / 2));
        CHECK(filch_shared_contains(ex, memory + size - 1));
        CHECK(!filch_shared_contains(NULL, memory));
        filch_shared_free(ex, memory);
    }
    filch_future *future = filch_submit(ex, twice, 4);
    CHECK(!filch_shared_contains(ex, future));
    check_long(future, 8);
    filch_executor *other = pool->open(1);
    void *memory = filch_shared_alloc(ex, 10);
    CHECK(!filch_shared_contains(other, memory));
    filch_shared_free(ex, memory);
    filch_close(other);
    filch_close(ex);
}

/* A task asks for memory that stays when it has ended, and another one frees it. */
static unsigned char *make(size_t size) {
    unsigned char *memory = filch_shared_alloc(filch_this_executor(), size);
    if (memory == NULL)
        filch_raise(1, "%s", filch_error_message());
    else
        memset(memory, 0x5a, size);
    return memory;
}
FILCH_TASK(unsigned char *, make, size_t);

static void give_back(unsigned char *memory) {
    filch_shared_free(filch_this_executor(), memory);
}
FILCH_TASK_VOID(give_back, unsigned char *);

CONTRACT(shared, of_tasks) {
    enum { TASKS = 40 };
    filch_executor *ex = pool->open(2);
    filch_future *futures[TASKS];
    for (size_t i = 0; i < TASKS; i++)
        futures[i] = filch_submit(ex, make, i * 1000);
    for (size_t i = 0; i < TASKS; i++) {
        unsigned char *memory = NULL;
        CHECK_EQ(filch_result(futures[i], &memory), FILCH_OK);
        filch_release(futures[i]);
        CHECK_EQ(count_of(memory, i * 1000, 0x5a), i * 1000);
        filch_future *gone = filch_submit(ex, give_back, memory);
        CHECK_EQ(filch_join(gone), FILCH_OK);
        filch_release(gone);
    }
    filch_close(ex);
}

CONTRACT(shared, past_close) {
    static const size_t sizes[] = {8, 10000, 1 << 20};
    for (size_t n = 1; n <= 3; n++) {
        filch_executor *ex = pool->open(1);
        unsigned char *memory[3];
        for (size_t i = 0; i < n; i++) {
            memory[i] = filch_shared_alloc(ex, sizes[i]);
            CHECK_NOT_NULL(memory[i]);
            check_size(filch_submit(ex, fill, memory[i], sizes[i], 7), sizes[i]);
        }
        filch_future *kept = filch_submit(ex, twice, 21);
        filch_close(ex);
        for (size_t i = 0; i < n; i++) {
            CHECK_EQ(count_of(memory[i], sizes[i], 7), sizes[i]);
            CHECK(filch_shared_contains(NULL, memory[i] + sizes[i] - 1));
        }
        if (n == 2) {
            check_long(kept, 42);
            kept = NULL;
        }
        for (size_t i = 0; i < n; i++)
            filch_shared_free(NULL, memory[i]);
        if (kept != NULL)
            check_long(kept, 42);
    }
}

CONTRACT(shared, bad_input) {
    filch_executor *ex = pool->open(1);
    CHECK_NULL(filch_shared_alloc(NULL, 1));
    CHECK_FAILURE(FILCH_INVALID, "executor");
    CHECK_NULL(filch_shared_alloc(ex, SIZE_MAX));
    CHECK_FAILURE(FILCH_NO_MEMORY, "filch_shared_alloc");
    CHECK_NULL(filch_shared_alloc(ex, SIZE_MAX / 4));
    filch_shared_free(ex, NULL);
    filch_shared_free(NULL, NULL);
    char *memory = filch_shared_alloc(ex, 100000), *small = filch_shared_alloc(ex, 100);
    char on_stack;
    char *const wrong[] = {&on_stack, memory + 1, memory + 65536, small + 1, small - 1, (char *)ex};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK_EQ(filch_shared_contains(NULL, wrong[i]), false);
        filch_shared_free(ex, wrong[i]);
        CHECK_FAILURE(FILCH_INVALID, "filch_shared_free: memory");
    }
    filch_shared_free(NULL, memory); /* the executor is open: it has to be named */
    CHECK_FAILURE(FILCH_INVALID, "filch_shared_free: memory");
    filch_shared_free(ex, memory);
    filch_shared_free(ex, memory);
    CHECK_FAILURE(FILCH_INVALID, "filch_shared_free: memory");
    filch_shared_free(ex, small);
    filch_close(ex);
}

/* Threads and tasks that ask, write, look and free, each what others asked for. */
enum { SWAPS = 3000, PLACES = 64 };
struct places {
    _Atomic(unsigned char *) at[PLACES];
};

static void swap_some(filch_executor *ex, struct places *places, unsigned seed) {
    for (int i = 0; i < ROUNDS(SWAPS); i++) {
        seed = seed * 1664525 + 1013904223;
        size_t size = 1 + (seed >> 8) % (seed % 16 == 0 ? 100000 : 3000);
        unsigned char *memory = filch_shared_alloc(ex, size);
        CHECK_NOT_NULL(memory);
        memset(memory, (int)(size & 0xff), size);
        memcpy(memory, &size, size < sizeof size ? 1 : sizeof size);
        memory = atomic_exchange(&places->at[(seed >> 20) % PLACES], memory);
        if (memory == NULL)
            continue;
        CHECK(filch_shared_contains(ex, memory));
        filch_shared_free(ex, memory);
    }
}

struct swapper {
    filch_executor *ex;
    struct places *places;
    unsigned seed;
};

static void *swap_on_a_thread(void *arg) {
    const struct swapper *it = arg;
    swap_some(it->ex, it->places, it->seed);
    return NULL;
}

static void swap_in_a_task(struct places *places, unsigned seed) {
    swap_some(filch_this_executor(), places, seed);
}
FILCH_TASK_VOID(swap_in_a_task, struct places *, unsigned);

CONTRACT(shared, mpmc) {
    filch_executor *ex = pool->open(2);
    struct places *places = pool->alloc(ex, sizeof *places);
    struct swapper swappers[2] = {{ex, places, 1}, {ex, places, 2}};
    pthread_t threads[2];
    filch_future *futures[2];
    for (unsigned i = 0; i < 2; i++) {
        threads[i] = thread_start(swap_on_a_thread, &swappers[i]);
        futures[i] = filch_submit(ex, swap_in_a_task, places, i + 11);
    }
    for (unsigned i = 0; i < 2; i++) {
        thread_join(threads[i]);
        CHECK_EQ(filch_join(futures[i]), FILCH_OK);
        filch_release(futures[i]);
    }
    for (unsigned i = 0; i < PLACES; i++)
        filch_shared_free(ex, atomic_exchange(&places->at[i], NULL));
    pool_close(pool, ex, places);
}

/* In a forked child the executor does not exist. */
CONTRACT(shared, in_a_forked_child) {
    filch_executor *ex = pool->open(1);
    filch_executor *closed = pool->open(1);
    char *memory = filch_shared_alloc(ex, 100), *left = filch_shared_alloc(closed, 100000);
    memcpy(memory, "the parent's", sizeof "the parent's");
    memcpy(left, "the parent's", sizeof "the parent's");
    filch_close(closed);
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        bool is_fine = filch_shared_alloc(ex, 1) == NULL &&
                       filch_error_status() == FILCH_INVALID_STATE &&
                       !filch_shared_contains(ex, memory) && !filch_shared_contains(NULL, left);
        filch_shared_free(ex, memory);
        filch_shared_free(NULL, left);
        _exit(is_fine ? 0 : 1);
    }
    int status = 1;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK_STR_EQ(memory, "the parent's");
    CHECK_STR_EQ(left, "the parent's");
    filch_shared_free(NULL, left);
    filch_shared_free(ex, memory);
    filch_close(ex);
}
