/* baseline.c: what the machine itself takes.
 *
 * futures, submitters, map, loop: a loop of calls in the thread that asks. argument: one copy, into new
 * memory, and a call. memory: the 48 bytes of a task alone. roundtrip: two threads that hand a number over, through two futexes, or by watching
 * two words when asked to spin. storm: a futex for each worker, and a countdown. idle: threads
 * asleep in a futex.
 */
#include "bench.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct wide {
    long args[5];
    long result;
};

/* One word each way, on lines of their own; the payload lies beside the word. */
struct channel {
    _Alignas(128) uint32_t turn;
    long value;
};

struct worker {
    struct channel in, out;
    long result; /* of a burst */
    pthread_t thread;
};

static struct setup setup;
static struct worker *workers;
static long **results; /* of each submitter */
static struct wide *wides;
static bool is_spinning, is_burst;
static struct countdown countdown;

static void channel_send(struct channel *channel, long value) {
    channel->value = value;
    __atomic_store_n(&channel->turn, channel->turn + 1, __ATOMIC_RELEASE);
    if (!is_spinning)
        bench_futex_wake(&channel->turn);
}

static long channel_receive(struct channel *channel, uint32_t turn) {
    if (!is_spinning)
        bench_futex_wait(&channel->turn, turn);
    while (__atomic_load_n(&channel->turn, __ATOMIC_ACQUIRE) == turn)
        ;
    return channel->value;
}

static void *work(void *arg) {
    struct worker *me = arg;
    long value;
    for (uint32_t turn = 0; (value = channel_receive(&me->in, turn)) >= 0; turn++) {
        if (is_burst) {
            me->result = bench_busy(value);
            countdown_finish(&countdown);
        } else {
            channel_send(&me->out, bench_small(value));
        }
    }
    return NULL;
}

static void open_threads(const struct setup *given) {
    setup = *given;
    is_spinning = setup.spin_s > 0;
    workers = bench_alloc(setup.workers * sizeof *workers);
    results = calloc(setup.submitters, sizeof *results);
    if (results == NULL)
        bench_fail("no memory");
    for (unsigned i = 0; i < setup.workers; i++) {
        workers[i].in.turn = workers[i].out.turn = 0;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            bench_fail("pthread_create failed");
    }
}

static void close_threads(void) {
    for (unsigned i = 0; i < setup.workers; i++) {
        channel_send(&workers[i].in, -1);
        pthread_join(workers[i].thread, NULL);
    }
    for (unsigned i = 0; i < setup.submitters; i++)
        free(results[i]);
    free(results);
    free(workers);
    free(wides);
}

static long roundtrip(long i) {
    uint32_t turn = workers[0].out.turn;
    channel_send(&workers[0].in, i);
    return channel_receive(&workers[0].out, turn);
}

static long burst(size_t n) {
    long sum = 0;
    is_burst = true;
    countdown_start(&countdown, n);
    for (size_t i = 0; i < n; i++)
        channel_send(&workers[i].in, (long)i);
    countdown_wait(&countdown);
    for (size_t i = 0; i < n; i++)
        sum += workers[i].result;
    return sum;
}

static void submit(unsigned lane, size_t n) {
    long (*volatile call)(long) = bench_small;
    if (results[lane] == NULL && (results[lane] = malloc(n * sizeof(long))) == NULL)
        bench_fail("no memory");
    for (size_t i = 0; i < n; i++)
        results[lane][i] = call((long)i);
}

static void submit_wide(size_t n) {
    if ((wides = malloc(n * sizeof *wides)) == NULL)
        bench_fail("no memory");
    for (size_t i = 0; i < n; i++)
        wides[i] = (struct wide){{(long)i, (long)i, 1, 0, 0}, 0};
}

static long collect(unsigned lane, size_t n) {
    long sum = 0;
    for (size_t i = 0; i < n && wides != NULL; i++)
        sum += bench_wide(wides[i].args[0], wides[i].args[1], wides[i].args[2], wides[i].args[3],
                          wides[i].args[4]);
    for (size_t i = 0; i < n && results[lane] != NULL; i++)
        sum += results[lane][i];
    return sum;
}

static long map(const long *items, size_t n) {
    long sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += bench_small(items[i]);
    return sum;
}

static void loop(const long *items, long *out, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = bench_small(items[i]);
}

static long argument(const void *data, size_t size) {
    void *copy = malloc(size);
    if (copy == NULL)
        bench_fail("no memory");
    memcpy(copy, data, size);
    long sum = bench_pages(copy, size);
    free(copy);
    return sum;
}

const struct contender bench_contender = {
    .name = "baseline",
    .note = "a serial loop; bare futexes or spinning",
    .can_spin = true,
    .open = open_threads,
    .close = close_threads,
    .submit = submit,
    .collect = collect,
    .submit_shared = submit,
    .collect_shared = collect,
    .submit_wide = submit_wide,
    .roundtrip = roundtrip,
    .burst = burst,
    .map = map,
    .loop = loop,
    .argument = argument,
    .argument_shared = bench_pages,
};
