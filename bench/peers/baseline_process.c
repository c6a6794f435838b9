/* baseline_process.c: what processes themselves take, as baseline.c for threads.
 *
 * roundtrip: two processes that hand a number over in shared memory, through two futexes, or by
 * watching two words when asked to spin. storm: a futex for each process, a countdown for the caller.
 * argument: one copy into shared memory, and a round trip. heal: kill, wait and fork anew. idle:
 * processes asleep in a futex.
 */
#include "bench.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum job { JOB_SMALL, JOB_BUSY, JOB_PAGES, JOB_END };

/* One word each way, on lines of their own; the payload lies beside the word. */
struct channel {
    _Alignas(128) uint32_t turn;
    enum job job;
    long value;
};

struct worker {
    struct channel in, out;
    pid_t pid;
};

/* Shared; `left` and `is_done` as in struct countdown. */
struct common {
    _Alignas(128) long left;
    _Alignas(128) uint32_t is_done;
    struct worker workers[];
};

static struct setup setup;
static struct common *common;
static unsigned char *buffer; /* shared: the argument */
static bool is_spinning;

static void channel_send(struct channel *channel, enum job job, long value) {
    channel->job = job;
    channel->value = value;
    __atomic_store_n(&channel->turn, channel->turn + 1, __ATOMIC_RELEASE);
    if (!is_spinning)
        bench_shared_wake(&channel->turn);
}

static long channel_receive(struct channel *channel, uint32_t turn) {
    if (!is_spinning)
        bench_shared_wait(&channel->turn, turn);
    while (__atomic_load_n(&channel->turn, __ATOMIC_ACQUIRE) == turn)
        ;
    return channel->value;
}

static void work(struct worker *me) {
    for (uint32_t turn = 0;; turn++) {
        long value = channel_receive(&me->in, turn);
        switch (me->in.job) {
        case JOB_SMALL:
            channel_send(&me->out, JOB_SMALL, bench_small(value));
            break;
        case JOB_PAGES:
            channel_send(&me->out, JOB_PAGES, bench_pages(buffer, (size_t)value));
            break;
        case JOB_BUSY:
            me->out.value = bench_busy(value);
            if (__atomic_sub_fetch(&common->left, 1, __ATOMIC_ACQ_REL) == 0) {
                __atomic_store_n(&common->is_done, 1, __ATOMIC_RELEASE);
                bench_shared_wake(&common->is_done);
            }
            break;
        case JOB_END:
            return;
        }
    }
}

static void start(struct worker *worker) {
    pid_t parent = getpid();
    memset(worker, 0, sizeof *worker);
    pid_t pid = fork();
    if (pid < 0)
        bench_fail("fork failed");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent)
            work(worker);
        _exit(EXIT_SUCCESS);
    }
    worker->pid = pid;
}

static void open_processes(const struct setup *given) {
    setup = *given;
    is_spinning = setup.spin_s > 0;
    common = bench_shared_alloc(sizeof *common + setup.workers * sizeof common->workers[0]);
    buffer = bench_shared_alloc(setup.bytes);
    for (unsigned i = 0; i < setup.workers; i++)
        start(&common->workers[i]);
}

static void close_processes(void) {
    for (unsigned i = 0; i < setup.workers; i++) {
        channel_send(&common->workers[i].in, JOB_END, 0);
        waitpid(common->workers[i].pid, NULL, 0);
    }
}

static long ask(enum job job, long value) {
    struct worker *worker = &common->workers[0];
    uint32_t turn = worker->out.turn;
    channel_send(&worker->in, job, value);
    return channel_receive(&worker->out, turn);
}

static long roundtrip(long i) {
    return ask(JOB_SMALL, i);
}

static long burst(size_t n) {
    long sum = 0;
    common->is_done = 0;
    __atomic_store_n(&common->left, (long)n, __ATOMIC_RELEASE);
    for (size_t i = 0; i < n; i++)
        channel_send(&common->workers[i].in, JOB_BUSY, (long)i);
    bench_shared_wait(&common->is_done, 0);
    for (size_t i = 0; i < n; i++)
        sum += common->workers[i].out.value;
    return sum;
}

static long argument(const void *data, size_t size) {
    memcpy(buffer, data, size);
    return ask(JOB_PAGES, (long)size);
}

static long argument_shared(const void *data, size_t size) {
    if (data != buffer)
        bench_fail("argument: not the shared one");
    return ask(JOB_PAGES, (long)size);
}

static pid_t worker_pid(void) {
    return common->workers[0].pid;
}

static bool heal(long i, long *result) {
    waitpid(common->workers[0].pid, NULL, 0);
    start(&common->workers[0]);
    *result = roundtrip(i);
    return true;
}

/* There is one large argument. */
static void *take_buffer(size_t size) {
    return size <= setup.bytes ? buffer : NULL;
}

static void leave_buffer(void *memory) {
    (void)memory;
}

const struct contender bench_contender = {
    .name = "baseline_process",
    .note = "bare shared futexes or spinning; a copy into shared memory; fork",
    .can_spin = true,
    .open = open_processes,
    .close = close_processes,
    .roundtrip = roundtrip,
    .burst = burst,
    .argument = argument,
    .argument_shared = argument_shared,
    .worker = worker_pid,
    .heal = heal,
    .alloc = take_buffer,
    .dealloc = leave_buffer,
};
