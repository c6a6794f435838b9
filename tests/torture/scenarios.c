/* scenarios.c: what tasks do when their worker is to die, and who collects what became of them. */
#include "chosen.h"

#include <sched.h>
#include <string.h>

enum { AROUND = 12 };

/* --- tasks ---------------------------------------------------------------------------------------- */

static long plain(int id) {
    return torture_run(id);
}
FILCH_TASK(long, plain, int);

static long arm(int id, uint64_t n) {
    torture_arm(n);
    return torture_run(id);
}
FILCH_TASK(long, arm, int, uint64_t);

/* With retries the second run goes well. */
static long arm_once(int id, uint64_t n) {
    if (atomic_exchange(&table->is_armed_once, 1) == 0)
        torture_arm(n);
    return torture_run(id);
}
FILCH_TASK(long, arm_once, int, uint64_t);

static long arm_and_raise(int id, uint64_t n) {
    torture_arm(n);
    torture_run(id);
    filch_raise(7, "task %d raises with some text", id);
    return 0;
}
FILCH_TASK(long, arm_and_raise, int, uint64_t);

static long below(int x) {
    return x;
}
FILCH_TASK(long, below, int);

/* Submits to its own pool, and waits: the tasks run on top of it, or elsewhere. */
static long arm_and_submit(int id, uint64_t n) {
    filch_executor *executor = filch_this_executor();
    filch_future *futures[6];
    torture_arm(n);
    for (int i = 0; i < 6; i++)
        futures[i] = filch_submit(executor, below, i);
    for (int i = 0; i < 6; i++) {
        filch_join(futures[i]);
        filch_release(futures[i]);
    }
    return torture_run(id);
}
FILCH_TASK(long, arm_and_submit, int, uint64_t);

static long arm_and_leave(int id, uint64_t n) {
    filch_executor *executor = filch_this_executor();
    torture_arm(n);
    for (int i = 0; i < 20; i++)
        filch_release(filch_submit(executor, below, i));
    return torture_run(id);
}
FILCH_TASK(long, arm_and_leave, int, uint64_t);

/* A wait with a time limit blocks its worker, and a substitute comes. */
static long arm_and_block(int id, uint64_t n) {
    filch_executor *executor = filch_this_executor();
    torture_arm(n);
    filch_future *future = filch_submit(executor, below, 5);
    filch_join_timeout(future, TORTURE_LIMIT_S);
    filch_release(future);
    return torture_run(id);
}
FILCH_TASK(long, arm_and_block, int, uint64_t);

static long arm_and_cancel(int id, uint64_t n) {
    filch_executor *executor = filch_this_executor();
    filch_future *futures[4];
    torture_arm(n);
    for (int i = 0; i < 4; i++)
        futures[i] = filch_submit(executor, below, i);
    for (int i = 0; i < 4; i++) {
        filch_cancel(futures[i]);
        filch_release(futures[i]);
    }
    return torture_run(id);
}
FILCH_TASK(long, arm_and_cancel, int, uint64_t);

static long arm_and_map(int id, uint64_t n) {
    int items[60];
    for (int i = 0; i < 60; i++)
        items[i] = i;
    torture_arm(n);
    filch_results *results = filch_map(filch_this_executor(), below, items, 60, .chunksize = 4);
    long value;
    while (results != NULL && filch_results_next(results, &value) != FILCH_END)
        ;
    filch_results_close(results);
    return torture_run(id);
}
FILCH_TASK(long, arm_and_map, int, uint64_t);

static long arm_and_collect(int id, uint64_t n) {
    filch_executor *executor = filch_this_executor();
    filch_future *futures[4], *done;
    torture_arm(n);
    for (int i = 0; i < 4; i++)
        futures[i] = filch_submit(executor, below, i);
    filch_completed *completed = filch_as_completed(futures, 4);
    while (completed != NULL && filch_completed_next(completed, &done, FILCH_FOREVER) == FILCH_OK)
        ;
    filch_completed_close(completed);
    for (int i = 0; i < 4; i++)
        filch_release(futures[i]);
    return torture_run(id);
}
FILCH_TASK(long, arm_and_collect, int, uint64_t);

static void count_call(filch_future *future, void *arg) {
    (void)future;
    (void)arg;
}

/* Callbacks that this process has added come back to it by mail. */
static long arm_and_call(int id, uint64_t n) {
    filch_executor *executor = filch_this_executor();
    filch_future *futures[4];
    torture_arm(n);
    for (int i = 0; i < 4; i++) {
        futures[i] = filch_submit(executor, below, i);
        filch_add_done_callback(futures[i], count_call, NULL);
    }
    for (int i = 0; i < 4; i++) {
        filch_join(futures[i]);
        filch_release(futures[i]);
    }
    return torture_run(id);
}
FILCH_TASK(long, arm_and_call, int, uint64_t);

static filch_bytes arm_and_allocate(int id, uint64_t n, size_t size) {
    torture_arm(n);
    void *memory = filch_result_alloc(size);
    if (memory != NULL)
        memset(memory, id, size);
    torture_run(id);
    return (filch_bytes){memory, memory == NULL ? 0 : size};
}
FILCH_TASK(filch_bytes, arm_and_allocate, int, uint64_t, size_t);

static long arm_and_send(int id, uint64_t n) {
    filch_executor *executor = filch_this_executor();
    static char text[40000];
    memset(text, 'x', sizeof text - 1);
    torture_arm(n);
    filch_future *future =
        filch_submit_with(executor, FILCH_OPTIONS(.name = "with a name"), below, 3);
    void *shared = filch_shared_alloc(executor, 100000);
    filch_shared_free(executor, shared);
    shared = filch_shared_alloc(executor, 100);
    filch_shared_free(executor, shared);
    filch_join(future);
    filch_release(future);
    return torture_run(id);
}
FILCH_TASK(long, arm_and_send, int, uint64_t);

/* Many tasks that others steal. */
static long fill(int id, int n) {
    filch_executor *executor = filch_this_executor();
    filch_future *futures[64];
    for (int i = 0; i < n; i++)
        futures[i] = filch_submit(executor, below, i);
    while (atomic_load(&table->is_armed_once) == 0)
        sched_yield();
    for (int i = n; i-- > 0;) {
        filch_join(futures[i]); /* those that a dead thief ran have failed */
        filch_release(futures[i]);
    }
    return torture_run(id);
}
FILCH_TASK(long, fill, int, int);

static long arm_at_item(int item, uint64_t n) {
    if (item == 17)
        torture_arm(n);
    return item * 2;
}
FILCH_TASK(long, arm_at_item, int, uint64_t);

/* The worker's free memory for what is as large as the errors of ten items is full of something. */
static void litter(void) {
    enum { BYTES = 100, CELLS = 600 };
    for (int i = 0; i < CELLS; i++) {
        void *memory = filch_result_alloc(BYTES);
        if (memory != NULL)
            memset(memory, 0x5a, BYTES);
    }
}

/* The last two of ten raise. */
static long arm_and_raise_at_item(int item, uint64_t n) {
    if (item == 17) {
        litter();
        torture_arm(n);
    }
    if (item % 10 >= 8)
        filch_raise(3, "item %d", item);
    return item * 2;
}
FILCH_TASK(long, arm_and_raise_at_item, int, uint64_t);

/* --- submitting and collecting --------------------------------------------------------------------- */

static struct entry *add(struct trial *trial, int id, filch_future *future, bool may_fail) {
    if (future == NULL)
        torture_fail("submit: %s", filch_error_message());
    struct entry *entry = &trial->entries[trial->n_entries++];
    *entry = (struct entry){.future = future, .id = id, .may_fail = may_fail};
    return entry;
}

/* Tasks that the victim may be running when it dies: the one that armed it, or one that it ran later. */
static void add_some(struct trial *trial, int n) {
    for (int i = 0; i < n; i++) {
        int id = torture_new_id();
        add(trial, id, filch_submit(trial->executor, plain, id), true);
    }
}

static void count_in_trial(filch_future *future, void *arg) {
    (void)future;
    struct trial *trial = arg;
    atomic_fetch_add(&trial->n_called, 1);
}

static void collect(struct trial *trial) {
    int n = trial->n_entries;
    filch_future *futures[MOST_ENTRIES] = {NULL};
    for (int i = 0; i < n; i++)
        futures[i] = trial->entries[i].future;
    size_t n_done = 0;
    switch (trial->n % 4) {
    case 1:
        if (filch_wait(futures, (size_t)n, FILCH_ALL_COMPLETED, TORTURE_LIMIT_S, &n_done) !=
            FILCH_OK)
            torture_fail("wait: %zu of %d done; %s", n_done, n, filch_error_message());
        break;
    case 2: {
        filch_completed *completed = filch_as_completed(futures, (size_t)n);
        for (int i = 0; i < n; i++) {
            filch_future *done;
            if (filch_completed_next(completed, &done, TORTURE_LIMIT_S) != FILCH_OK)
                torture_fail("as_completed: %d of %d given; %s", i, n, filch_error_message());
        }
        filch_completed_close(completed);
        break;
    }
    case 3:
        for (int i = 0; i < n; i++)
            filch_add_done_callback(futures[i], count_in_trial, trial);
    }
    int n_failed = 0;
    for (int i = 0; i < n; i++)
        n_failed += torture_check(&trial->entries[i]);
    if (n_failed > 1)
        torture_fail("%d tasks failed by one death", n_failed);
}

/* --- scenarios --------------------------------------------------------------------------------------- */

#define ARMED(name, task)                                                                          \
    static void run_##name(struct trial *trial) {                                                  \
        add_some(trial, AROUND);                                                                   \
        int id = torture_new_id();                                                                 \
        add(trial, id, filch_submit(trial->executor, task, id, trial->n), true);                   \
        add_some(trial, AROUND);                                                                   \
        collect(trial);                                                                            \
    }
ARMED(plain, arm)
ARMED(submit, arm_and_submit)
ARMED(leave, arm_and_leave)
ARMED(block, arm_and_block)
ARMED(cancel, arm_and_cancel)
ARMED(map_inside, arm_and_map)
ARMED(collect_inside, arm_and_collect)
ARMED(call, arm_and_call)
ARMED(send, arm_and_send)

static void run_retry(struct trial *trial) {
    add_some(trial, AROUND);
    int id = torture_new_id();
    struct entry *entry =
        add(trial, id,
            filch_submit_with(trial->executor, FILCH_OPTIONS(.retries = 1), arm_once, id, trial->n),
            true);
    entry->retries = 1;
    add_some(trial, AROUND);
    collect(trial);
}

static void run_raise(struct trial *trial) {
    add_some(trial, AROUND);
    int id = torture_new_id();
    filch_future *future = filch_submit(trial->executor, arm_and_raise, id, trial->n);
    add_some(trial, AROUND);
    collect(trial);
    filch_status status = filch_join_timeout(future, TORTURE_LIMIT_S);
    const filch_error *error = status == FILCH_FAILED ? filch_exception(future) : NULL;
    if (error == NULL || (error->code != 7 && error->signal == 0))
        torture_fail("raise: %s", error == NULL ? filch_error_message() : error->message);
    filch_release(future);
}

static void run_bytes(struct trial *trial) {
    static const size_t sizes[] = {10, 3000, 100000};
    size_t size = sizes[trial->n % 3];
    add_some(trial, AROUND);
    int id = torture_new_id();
    filch_future *future = filch_submit(trial->executor, arm_and_allocate, id, trial->n, size);
    add_some(trial, AROUND);
    collect(trial);
    filch_bytes bytes;
    filch_status status = filch_result_timeout(future, &bytes, TORTURE_LIMIT_S);
    if (status == FILCH_TIMEOUT || (status == FILCH_OK && bytes.size != size))
        torture_fail("bytes: %zu; %s", bytes.size, filch_error_message());
    filch_release(future);
}

/* One is full of tasks, the other steals them until it dies. */
static void run_steal(struct trial *trial) {
    int id = torture_new_id();
    add(trial, id, filch_submit(trial->executor, fill, id, 64), true);
    id = torture_new_id();
    add(trial, id, filch_submit(trial->executor, arm, id, trial->n), true);
    collect(trial);
}

static void run_map(struct trial *trial) {
    enum { ITEMS = 100 };
    filch_args(arm_at_item) items[ITEMS];
    for (int i = 0; i < ITEMS; i++)
        items[i] = (filch_args(arm_at_item)){i, trial->n};
    filch_results *results = filch_map(trial->executor, arm_at_item, items, ITEMS, .chunksize = 10,
                                       .timeout = TORTURE_LIMIT_S);
    int n_failed = 0;
    for (int i = 0; i < ITEMS; i++) {
        long value = 0;
        filch_status status = filch_results_next(results, &value);
        if (status == FILCH_FAILED)
            n_failed++;
        else if (status != FILCH_OK || value != 2 * i)
            torture_fail("map: item %d gave %ld; %s", i, value, filch_error_message());
    }
    if (n_failed > 1)
        torture_fail("map: %d items failed by one death", n_failed);
    filch_results_close(results);
}

static void run_map_raise(struct trial *trial) {
    enum { ITEMS = 100 };
    filch_args(arm_and_raise_at_item) items[ITEMS];
    for (int i = 0; i < ITEMS; i++)
        items[i] = (filch_args(arm_and_raise_at_item)){i, trial->n};
    filch_results *results = filch_map(trial->executor, arm_and_raise_at_item, items, ITEMS,
                                       .chunksize = 10, .timeout = TORTURE_LIMIT_S);
    int n_lost = 0;
    for (int i = 0; i < ITEMS; i++) {
        long value = 0;
        char message[32];
        snprintf(message, sizeof message, "item %d", i);
        filch_status status = filch_results_next(results, &value);
        const filch_error *error = filch_results_exception(results);
        if (status == FILCH_FAILED && error != NULL && error->signal != 0)
            n_lost++;
        else if (status == FILCH_FAILED && error != NULL &&
                 (i % 10 < 8 || error->code != 3 || strcmp(error->message, message) != 0))
            torture_fail("map: item %d raised '%s'", i, error->message);
        else if (status != (i % 10 < 8 ? FILCH_OK : FILCH_FAILED) ||
                 (status == FILCH_OK && value != 2 * i))
            torture_fail("map: item %d gave %ld; %s", i, value, filch_error_message());
    }
    if (n_lost > 1)
        torture_fail("map: %d items failed by one death", n_lost);
    filch_results_close(results);
}

/* The one that dies is a new worker, on its way to its first task. */
static void run_start(struct trial *trial) {
    atomic_store(&table->kill_at_start, (int)trial->n);
    add_some(trial, 2 * AROUND);
    collect(trial);
    atomic_store(&table->kill_at_start, 0);
}

const struct scenario scenarios[] = {
    {"plain", 1, 0, run_plain},
    {"plain_two", 2, 0, run_plain},
    {"plain_four", 4, 0, run_plain},
    {"submit", 1, 0, run_submit},
    {"submit_two", 2, 0, run_submit},
    {"leave", 2, 0, run_leave},
    {"block", 1, 0, run_block},
    {"block_two", 2, 0, run_block},
    {"cancel", 2, 0, run_cancel},
    {"map_inside", 2, 0, run_map_inside},
    {"collect_inside", 2, 0, run_collect_inside},
    {"call", 2, 0, run_call},
    {"send", 2, 0, run_send},
    {"retry", 2, 1, run_retry},
    {"raise", 2, 0, run_raise},
    {"bytes", 2, 0, run_bytes},
    {"steal", 2, 0, run_steal},
    {"map", 2, 0, run_map},
    {"map_raise", 2, 0, run_map_raise},
    {"start", 1, 0, run_start},
    {0},
};
