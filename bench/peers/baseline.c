/* baseline.c: what the machine itself takes.
 *
 * futures: a loop of calls in one thread. memory: the 48 bytes of a task alone. roundtrip: two
 * threads that hand a number over, through two futexes, or by watching two words when asked to
 * spin. idle: a thread asleep in a futex.
 */
#include "bench.h"

#include <pthread.h>
#include <stdlib.h>

struct wide {
    long args[5];
    long result;
};

static long *results;
static struct wide *wides;
static size_t capacity;

/* One word each way, on lines of their own; the payload lies beside the word. */
static struct lane {
    _Alignas(128) uint32_t turn;
    long value;
} to_worker, to_caller;
static bool is_spinning;
static pthread_t worker;

static void lane_send(struct lane *lane, long value) {
    lane->value = value;
    __atomic_store_n(&lane->turn, lane->turn + 1, __ATOMIC_RELEASE);
    if (!is_spinning)
        bench_futex_wake(&lane->turn);
}

static long lane_receive(struct lane *lane, uint32_t turn) {
    if (!is_spinning)
        bench_futex_wait(&lane->turn, turn);
    while (__atomic_load_n(&lane->turn, __ATOMIC_ACQUIRE) == turn)
        ;
    return lane->value;
}

static void *work(void *arg) {
    long value;
    for (uint32_t turn = 0; (value = lane_receive(&to_worker, turn)) >= 0; turn++)
        lane_send(&to_caller, bench_small(value));
    return arg;
}

static void open_threads(unsigned workers, double spin_s, size_t size) {
    (void)workers;
    is_spinning = spin_s > 0;
    capacity = size;
    if (pthread_create(&worker, NULL, work, NULL) != 0)
        bench_fail("pthread_create failed");
}

static void close_threads(void) {
    lane_send(&to_worker, -1);
    pthread_join(worker, NULL);
    free(results);
    free(wides);
}

static long roundtrip(long i) {
    uint32_t turn = to_caller.turn;
    lane_send(&to_worker, i);
    return lane_receive(&to_caller, turn);
}

static void submit(size_t n) {
    long (*volatile call)(long) = bench_small;
    if (results == NULL && (results = malloc(capacity * sizeof *results)) == NULL)
        bench_fail("no memory");
    for (size_t i = 0; i < n; i++)
        results[i] = call((long)i);
}

static void submit_wide(size_t n) {
    if ((wides = malloc(capacity * sizeof *wides)) == NULL)
        bench_fail("no memory");
    for (size_t i = 0; i < n; i++)
        wides[i] = (struct wide){{(long)i, (long)i, 1, 0, 0}, 0};
}

static long collect(size_t n) {
    long sum = 0;
    for (size_t i = 0; i < n && wides != NULL; i++)
        sum += bench_wide(wides[i].args[0], wides[i].args[1], wides[i].args[2], wides[i].args[3],
                          wides[i].args[4]);
    for (size_t i = 0; i < n && results != NULL; i++)
        sum += results[i];
    return sum;
}

int main(int argc, char **argv) {
    static const struct contender baseline = {
        .name = "baseline",
        .version = "",
        .note = "serial loop; bare futex or spinning ping-pong",
        .can_spin = true,
        .open = open_threads,
        .close = close_threads,
        .submit = submit,
        .submit_wide = submit_wide,
        .collect = collect,
        .roundtrip = roundtrip,
    };
    return bench_main(argc, argv, &baseline);
}
