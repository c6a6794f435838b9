/* glib.c: GLib's GThreadPool. It has no futures: a task is a pointer to a record of 48 bytes in one
 * array, and a counter says when all are done. */
#include "bench.h"

#include <glib.h>
#include <stdlib.h>

struct task {
    long args[5];
    long result;
};

enum what { SMALL, WIDE, GATE };

static GThreadPool *pool;
static enum what what;
static struct task *tasks;
static struct task gate;

/* Tasks to go, on a line of its own; the waiter sleeps on `is_done`. */
static _Alignas(128) long left;
static _Alignas(128) uint32_t is_done;

static void run(gpointer data, gpointer arg) {
    struct task *task = data;
    (void)arg;
    if (task == &gate) {
        bench_gate_pass();
        return;
    }
    task->result = what == SMALL ? bench_small(task->args[0])
                                 : bench_wide(task->args[0], task->args[1], task->args[2],
                                              task->args[3], task->args[4]);
    if (__atomic_sub_fetch(&left, 1, __ATOMIC_ACQ_REL) == 0) {
        __atomic_store_n(&is_done, 1, __ATOMIC_RELEASE);
        bench_futex_wake(&is_done);
    }
}

static void push(struct task *task) {
    if (!g_thread_pool_push(pool, task, NULL))
        bench_fail("g_thread_pool_push failed");
}

static void open_pool(unsigned workers, double spin_s, size_t size) {
    (void)spin_s;
    pool = g_thread_pool_new(run, NULL, (gint)workers, TRUE, NULL);
    if (pool == NULL)
        bench_fail("g_thread_pool_new failed");
    if ((tasks = malloc(size * sizeof *tasks)) == NULL)
        bench_fail("no memory");
}

static void close_pool(void) {
    g_thread_pool_free(pool, FALSE, TRUE);
    free(tasks);
}

static void expect(size_t n) {
    __atomic_store_n(&is_done, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&left, (long)n, __ATOMIC_RELEASE);
}

static void submit(size_t n) {
    what = SMALL;
    expect(n);
    for (size_t i = 0; i < n; i++) {
        tasks[i].args[0] = (long)i;
        push(&tasks[i]);
    }
}

static void submit_wide(size_t n) {
    what = WIDE;
    expect(n);
    for (size_t i = 0; i < n; i++) {
        tasks[i] = (struct task){{(long)i, (long)i, 1, 0, 0}, 0};
        push(&tasks[i]);
    }
}

static long collect(size_t n) {
    long sum = 0;
    bench_futex_wait(&is_done, 0);
    for (size_t i = 0; i < n; i++)
        sum += tasks[i].result;
    return sum;
}

static long roundtrip(long i) {
    what = SMALL;
    expect(1);
    tasks[0].args[0] = i;
    push(&tasks[0]);
    return collect(1);
}

static void hold(void) {
    push(&gate);
}

int main(int argc, char **argv) {
    static char version[32];
    g_snprintf(version, sizeof version, "%u.%u.%u", glib_major_version, glib_minor_version,
               glib_micro_version);
    static const struct contender glib = {
        .name = "glib",
        .version = version,
        .note = "no futures: records in an array and a counter",
        .open = open_pool,
        .close = close_pool,
        .submit = submit,
        .submit_wide = submit_wide,
        .collect = collect,
        .roundtrip = roundtrip,
        .hold = hold,
    };
    return bench_main(argc, argv, &glib);
}
