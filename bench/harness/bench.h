/* bench.h: what a contender fills in, and what it may call.
 *
 * A contender is one file of peers/ that defines `bench_contender`, a table of functions, and is
 * linked with the harness, which has main. The workloads are in the harness, the same lines for
 * everybody. What a library cannot do stays NULL: that workload is then refused with
 * EXIT_UNSUPPORTED, and bench/run leaves the row out. The adapter's functions loop themselves:
 * nothing is called indirectly per task except what the library itself calls.
 *
 * A new workload is a function in the harness, and a member here for what it needs of a library.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { EXIT_UNSUPPORTED = 77 };

/* The two small tasks. Both give 2i + 1 for task i, so the sum over n tasks must be n * n. The wide
 * one has 40 bytes of arguments and 8 of result. */
static __attribute__((noinline, unused)) long bench_small(long i) {
    return 2 * i + 1;
}
static __attribute__((noinline, unused)) long bench_wide(long a, long b, long c, long d, long e) {
    return a + b + c + d + e;
}

/* The task with a large argument: one byte of each page, so that whoever runs it sees all of it. */
static __attribute__((noinline, unused)) long bench_pages(const void *data, size_t size) {
    const unsigned char *bytes = (const unsigned char *)data;
    long sum = 0;
    for (size_t i = 0; i < size; i += 4096)
        sum += bytes[i];
    return sum;
}

/* The task of a burst: 2i + 1 after as much work as the command line says. */
long bench_busy(long i);

struct setup {
    unsigned workers;
    unsigned submitters; /* threads that call submit_shared, as lanes 0, 1, ... */
    double spin_s;       /* idle workers search so long before they sleep: 0: as the library thinks
                            best; < 0: not at all, where that can be asked for */
    size_t size;         /* most tasks of one lane, most items of a map or loop */
    size_t bytes;        /* of a large argument */
};

struct contender {
    const char *name;
    const char *note;             /* what a reader of the table has to know, or "" */
    const char *flags;            /* how the adapter was compiled; NULL: as the harness */
    const char *(*version)(void); /* of the library; NULL: not asked */
    bool can_spin;                /* obeys spin_s > 0 */

    /* Starts the workers, and makes room for the adapter's own bookkeeping. */
    void (*open)(const struct setup *setup);
    void (*close)(void);
    /* Calls `workload` where submit and the others may be called; NULL: anywhere. Between two calls
     * the pool has nothing to do. */
    void (*enter)(void (*workload)(void));

    /* submit: bench_small(0 .. n-1) from the calling thread. collect waits for all of them and
     * gives the sum of their results. The shared pair is called by several threads at a time, each
     * with its own lane; the other only with lane 0. */
    void (*submit)(unsigned lane, size_t n);
    long (*collect)(unsigned lane, size_t n);
    void (*submit_shared)(unsigned lane, size_t n);
    long (*collect_shared)(unsigned lane, size_t n);

    /* bench_wide(i, i, 1, 0, 0), collected as lane 0. `hold` submits a task that calls
     * bench_gate_pass; NULL: nothing runs before collect anyway. */
    void (*submit_wide)(size_t n);
    void (*hold)(void);

    long (*roundtrip)(long i); /* one bench_small(i): submit, wait, its result */
    long (*burst)(size_t n);   /* bench_busy(0 .. n-1): submit, wait for all; the sum */

    /* bench_small of every item. map gives the sum, having had each result in input order; loop
     * stores them, by the library's parallel loop over ranges. */
    long (*map)(const long *items, size_t n);
    void (*loop)(const long *items, long *results, size_t n);

    /* bench_pages(data, size), run by a worker: of a copy that is made on the way, or in memory of
     * `alloc` where it lies. */
    long (*argument)(const void *data, size_t size);
    long (*argument_shared)(const void *data, size_t size);

    /* For workers that are processes; NULL: they are threads. worker: that of a pool of one. heal: one
     * bench_small(i), as roundtrip, after the worker was killed; false: the pool is broken. */
    pid_t (*worker)(void);
    bool (*heal)(long i, long *result);

    /* Memory for the arrays of loop and argument_shared; NULL: any will do. */
    void *(*alloc)(size_t size);
    void (*dealloc)(void *memory);
};

extern const struct contender bench_contender;

/* Called by the task that `hold` submits: blocks until the harness opens the gate. */
void bench_gate_pass(void);

/* A futex wait and wake on one word, without any spinning. wait returns when `*word` is not
 * `value`. The shared pair is for words that several processes see. */
void bench_futex_wait(uint32_t *word, uint32_t value);
void bench_futex_wake(uint32_t *word);
void bench_shared_wait(uint32_t *word, uint32_t value);
void bench_shared_wake(uint32_t *word);

/* For libraries without futures: how many tasks of a lane are still to be done. The waiter sleeps
 * until the last one is. Both words on lines of their own. */
struct countdown {
    long left __attribute__((aligned(128)));
    uint32_t is_done __attribute__((aligned(128)));
};
void countdown_start(struct countdown *countdown, size_t n);
void countdown_wait(struct countdown *countdown);
static inline void countdown_finish(struct countdown *countdown) {
    if (__atomic_sub_fetch(&countdown->left, 1, __ATOMIC_ACQ_REL) == 0) {
        __atomic_store_n(&countdown->is_done, 1, __ATOMIC_RELEASE);
        bench_futex_wake(&countdown->is_done);
    }
}

/* Memory for good, touched and so resident; or the end of the program. Aligned to 128 bytes. */
void *bench_alloc(size_t size);

/* Memory that processes forked from now on share, cleared and not yet touched; until the end. */
void *bench_shared_alloc(size_t size);

/* Ends the program: a result was wrong, or a call failed. */
void bench_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#ifdef __cplusplus
}
#endif

#endif
