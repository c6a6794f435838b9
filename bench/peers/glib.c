/* glib.c: GLib's GThreadPool. It has no futures and no loops: a task is a pointer to a record of 64
 * bytes in one array, and a countdown says when all of a lane are done. */
#include "bench.h"

#include <glib.h>
#include <stdlib.h>

struct task {
    long (*run)(const struct task *task);
    struct countdown *countdown;
    long args[5];
    long result;
};

static GThreadPool *pool;
static size_t capacity;
static struct task *tasks; /* `capacity` of each lane */
static struct countdown *countdowns;
static struct task gate;

static long run_small(const struct task *task) {
    return bench_small(task->args[0]);
}

static long run_busy(const struct task *task) {
    return bench_busy(task->args[0]);
}

static long run_wide(const struct task *task) {
    return bench_wide(task->args[0], task->args[1], task->args[2], task->args[3], task->args[4]);
}

static void run(gpointer data, gpointer arg) {
    struct task *task = data;
    (void)arg;
    if (task == &gate) {
        bench_gate_pass();
        return;
    }
    task->result = task->run(task);
    countdown_finish(task->countdown);
}

static void push(struct task *task) {
    if (!g_thread_pool_push(pool, task, NULL))
        bench_fail("g_thread_pool_push failed");
}

static void open_pool(const struct setup *setup) {
    pool = g_thread_pool_new(run, NULL, (gint)setup->workers, TRUE, NULL);
    if (pool == NULL)
        bench_fail("g_thread_pool_new failed");
    capacity = setup->size;
    tasks = malloc(setup->submitters * capacity * sizeof *tasks);
    if (tasks == NULL)
        bench_fail("no memory");
    countdowns = bench_alloc(setup->submitters * sizeof *countdowns);
}

static void close_pool(void) {
    g_thread_pool_free(pool, FALSE, TRUE);
    free(tasks);
    free(countdowns);
}

static void push_all(unsigned lane, size_t n, long (*call)(const struct task *)) {
    struct task *mine = tasks + lane * capacity;
    countdown_start(&countdowns[lane], n);
    for (size_t i = 0; i < n; i++) {
        mine[i].run = call;
        mine[i].countdown = &countdowns[lane];
        mine[i].args[0] = (long)i;
        push(&mine[i]);
    }
}

static void submit(unsigned lane, size_t n) {
    push_all(lane, n, run_small);
}

static void submit_wide(size_t n) {
    countdown_start(&countdowns[0], n);
    for (size_t i = 0; i < n; i++) {
        tasks[i] = (struct task){run_wide, &countdowns[0], {(long)i, (long)i, 1, 0, 0}, 0};
        push(&tasks[i]);
    }
}

static long collect(unsigned lane, size_t n) {
    long sum = 0;
    countdown_wait(&countdowns[lane]);
    for (size_t i = 0; i < n; i++)
        sum += tasks[lane * capacity + i].result;
    return sum;
}

static long roundtrip(long i) {
    countdown_start(&countdowns[0], 1);
    tasks[0] = (struct task){run_small, &countdowns[0], {i}, 0};
    push(&tasks[0]);
    return collect(0, 1);
}

static long burst(size_t n) {
    push_all(0, n, run_busy);
    return collect(0, n);
}

static void hold(void) {
    push(&gate);
}

static const char *version(void) {
    static char text[32];
    g_snprintf(text, sizeof text, "%u.%u.%u", glib_major_version, glib_minor_version,
               glib_micro_version);
    return text;
}

const struct contender bench_contender = {
    .name = "glib",
    .note = "no futures: records in an array and a countdown",
    .version = version,
    .open = open_pool,
    .close = close_pool,
    .submit = submit,
    .collect = collect,
    .submit_shared = submit,
    .collect_shared = collect,
    .submit_wide = submit_wide,
    .hold = hold,
    .roundtrip = roundtrip,
    .burst = burst,
};
