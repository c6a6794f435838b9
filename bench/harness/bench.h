/* bench.h: what every contender shares: options, clock, checks, one line of JSON per measurement.
 *
 * A contender is one program made of bench.c and one file of peers/, which fills in a
 * `struct contender` and calls bench_main. The workloads are in bench.c, so that all contenders are
 * measured by the same lines. The adapter's functions loop themselves: nothing is called indirectly
 * per task except what the contender itself calls.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The two tasks. Both give 2i + 1 for task i, so the sum over n tasks must be n * n. The wide one
 * has 40 bytes of arguments and 8 of result. */
static __attribute__((noinline, unused)) long bench_small(long i) {
    return 2 * i + 1;
}
static __attribute__((noinline, unused)) long bench_wide(long a, long b, long c, long d, long e) {
    return a + b + c + d + e;
}

/* What an adapter does. An unused function may be NULL: the workload is then refused by name. */
struct contender {
    const char *name;
    const char *version;
    const char *note; /* what a reader of the table has to know, or "" */
    bool can_spin;    /* obeys spin_s > 0 */

    /* Starts `workers` workers, which search for `spin_s` seconds before they sleep (0: not at
     * all), and makes room for `size` tasks of the adapter's own bookkeeping. */
    void (*open)(unsigned workers, double spin_s, size_t size);
    void (*close)(void);

    void (*submit)(size_t n);      /* bench_small(0 .. n-1) from the calling thread */
    void (*submit_wide)(size_t n); /* bench_wide(i, i, 1, 0, 0) */
    long (*collect)(size_t n);     /* waits for all of them; the sum of their results */
    long (*roundtrip)(long i);     /* one bench_small(i): submit, wait, its result */
    void (*hold)(void);            /* submits a task that calls bench_gate_pass; NULL: nothing
                                      runs before collect anyway */
};

/* Runs the workload that the command line names. Returns the exit status. */
int bench_main(int argc, char **argv, const struct contender *contender);

/* Called by the task that `hold` submits: blocks until bench.c opens the gate. */
void bench_gate_pass(void);

/* A futex wait and wake on one word, without any spinning. wait returns when `*word` is not
 * `value`. */
void bench_futex_wait(uint32_t *word, uint32_t value);
void bench_futex_wake(uint32_t *word);

uint64_t bench_now_ns(void);

/* malloc, touched; or the end of the program. */
void *bench_alloc(size_t size);

/* Ends the program: a result was wrong, or a call failed. */
void bench_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#ifdef __cplusplus
}
#endif

#endif
