/* work.c: tasks of all sorts, and what they come to. */
#include "work.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_CHILDREN = 8, MOST_ITEMS = 40, RANGE = 300, MOST_BUSY_US = 60, MOST_RETRIES = 3 };

/* When a task kills its own process. */
enum fate { LIVES, DIES_FIRST, DIES_WITHIN, DIES_LAST };

/* What all tasks are told. */
struct job {
    int id;
    int children; /* ids of its own tasks: from here on */
    int n;
    enum fate fate;
    uint64_t random;
};

/* ---- in tasks ----------------------------------------------------------------------------------- */

/* Only in the first run, so that retries come to something. */
static void meet(const struct job *job, enum fate fate) {
    if (job->fate == fate && atomic_load(&table->n_runs[job->id]) <= 1)
        kills_die();
}

static void be_busy(uint64_t random) {
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    long us = (long)(random % MOST_BUSY_US);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - begin.tv_sec) * 1000000 + (now.tv_nsec - begin.tv_nsec) / 1000 < us);
}

static long begin(const struct job *job) {
    long value = torture_run(job->id);
    meet(job, DIES_FIRST);
    return value;
}

static long end(const struct job *job, long value) {
    meet(job, DIES_LAST);
    return value;
}

static long leaf(struct job job) {
    long value = begin(&job);
    be_busy(job.random);
    return end(&job, value);
}
FILCH_TASK(long, leaf, struct job);

static struct job child_of(const struct job *job, int i) {
    return (struct job){.id = job->children + i, .random = draw_seed(job->random, (uint64_t)i)};
}

/* What has become of a child, in a parent that lives. */
static void check_child(filch_future *future, int id, bool may_be_cancelled) {
    long value = 0;
    filch_status status = filch_result_timeout(future, &value, TORTURE_LIMIT_S);
    int n_runs = atomic_load(&table->n_runs[id]);
    const filch_error *error = status == FILCH_FAILED ? filch_exception(future) : NULL;
    if (status == FILCH_OK && (value != torture_expect(id) || n_runs != 1))
        kills_say_wrong("child %d gave %ld and ran %d times", id, value, n_runs);
    else if (status == FILCH_CANCELLED && (!may_be_cancelled || n_runs != 0))
        kills_say_wrong("child %d was cancelled and ran %d times", id, n_runs);
    else if (status == FILCH_FAILED &&
             (error == NULL || error->signal != SIGKILL || error->pid <= 1 || n_runs > 1))
        kills_say_wrong("child %d failed and ran %d times: %s", id, n_runs,
                        error == NULL ? filch_error_message() : error->message);
    else if (status != FILCH_OK && status != FILCH_CANCELLED && status != FILCH_FAILED)
        kills_say_wrong("child %d: %s", id, filch_error_message());
    filch_release(future);
}

static void submit_children(const struct job *job, filch_future **futures) {
    for (int i = 0; i < job->n; i++) {
        futures[i] = filch_submit(filch_this_executor(), leaf, child_of(job, i));
        if (futures[i] == NULL)
            kills_say_wrong("submit in task %d: %s", job->id, filch_error_message());
    }
}

static void check_children(const struct job *job, filch_future **futures, bool may_be_cancelled) {
    for (int i = 0; i < job->n; i++)
        check_child(futures[i], job->children + i, may_be_cancelled);
}

static long submit_and_wait(struct job job) {
    filch_future *futures[MOST_CHILDREN];
    long value = begin(&job);
    submit_children(&job, futures);
    meet(&job, DIES_WITHIN);
    check_children(&job, futures, false);
    return end(&job, value);
}
FILCH_TASK(long, submit_and_wait, struct job);

/* A binary tree: child k has the children 2k + 1 and 2k + 2. */
static long nest(struct job job);
FILCH_TASK(long, nest, struct job);

static long nest(struct job job) {
    filch_future *futures[2];
    long value = begin(&job);
    int at = job.id - job.children;
    for (int i = 0; i < 2 && job.n > 0; i++) {
        struct job child = job;
        child.id = job.children + 2 * at + 1 + i;
        child.n--;
        child.fate = LIVES;
        child.random = draw_seed(job.random, (uint64_t)i);
        futures[i] = filch_submit(filch_this_executor(), nest, child);
        if (futures[i] == NULL)
            kills_say_wrong("submit in task %d: %s", job.id, filch_error_message());
    }
    meet(&job, DIES_WITHIN);
    be_busy(job.random);
    for (int i = 0; i < 2 && job.n > 0; i++)
        check_child(futures[i], job.children + 2 * at + 1 + i, false);
    return end(&job, value);
}

static long submit_and_leave(struct job job) {
    filch_future *futures[MOST_CHILDREN];
    long value = begin(&job);
    submit_children(&job, futures);
    for (int i = 0; i < job.n; i++)
        filch_release(futures[i]);
    return end(&job, value);
}
FILCH_TASK(long, submit_and_leave, struct job);

/* Waits with a time limit block the worker, and a substitute comes. */
static long block(struct job job) {
    filch_future *futures[MOST_CHILDREN];
    long value = begin(&job);
    submit_children(&job, futures);
    meet(&job, DIES_WITHIN);
    for (int i = 0; i < job.n; i++) {
        double limit_s = (double)(draw(&job.random) % 1000) * 1e-6;
        (void)filch_join_timeout(futures[i], draw(&job.random) % 4 == 0 ? 0 : limit_s);
        (void)filch_join_timeout(futures[i], TORTURE_LIMIT_S);
    }
    check_children(&job, futures, false);
    return end(&job, value);
}
FILCH_TASK(long, block, struct job);

static long cancel(struct job job) {
    filch_future *futures[MOST_CHILDREN];
    long value = begin(&job);
    submit_children(&job, futures);
    meet(&job, DIES_WITHIN);
    for (int i = 0; i < job.n; i++)
        (void)filch_cancel(futures[i]);
    check_children(&job, futures, true);
    return end(&job, value);
}
FILCH_TASK(long, cancel, struct job);

/* They come back to this process by mail, once, unless it has died. */
static long add_callbacks(struct job job) {
    filch_future *futures[MOST_CHILDREN];
    long value = begin(&job);
    submit_children(&job, futures);
    for (int i = 0; i < job.n; i++)
        if (filch_add_done_callback(futures[i], items_count_call,
                                    &table->n_calls[job.children + i]) != FILCH_OK)
            kills_say_wrong("callback in task %d: %s", job.id, filch_error_message());
    meet(&job, DIES_WITHIN);
    check_children(&job, futures, false);
    return end(&job, value);
}
FILCH_TASK(long, add_callbacks, struct job);

static long collect_inside(struct job job) {
    filch_future *futures[MOST_CHILDREN], *done;
    long value = begin(&job);
    submit_children(&job, futures);
    filch_completed *completed = filch_as_completed(futures, (size_t)job.n);
    if (completed == NULL)
        kills_say_wrong("as_completed in task %d: %s", job.id, filch_error_message());
    meet(&job, DIES_WITHIN);
    int n_given = 0;
    filch_status status;
    while ((status = filch_completed_next(completed, &done, TORTURE_LIMIT_S)) == FILCH_OK)
        n_given++;
    if (status != FILCH_END || n_given != job.n)
        kills_say_wrong("as_completed in task %d: %d of %d given, %s", job.id, n_given, job.n,
                        filch_error_message());
    filch_completed_close(completed);
    check_children(&job, futures, false);
    return end(&job, value);
}
FILCH_TASK(long, collect_inside, struct job);

static long wait_inside(struct job job) {
    filch_future *futures[MOST_CHILDREN], *sorted[MOST_CHILDREN];
    long value = begin(&job);
    size_t n_done = 0;
    submit_children(&job, futures);
    memcpy(sorted, futures, sizeof sorted);
    meet(&job, DIES_WITHIN);
    filch_return_when when = (filch_return_when)(job.random % 3);
    filch_status status = filch_wait(sorted, (size_t)job.n, when, TORTURE_LIMIT_S, &n_done);
    if (status != FILCH_OK || n_done == 0)
        kills_say_wrong("wait in task %d: %zu done, %s", job.id, n_done, filch_error_message());
    check_children(&job, futures, false);
    return end(&job, value);
}
FILCH_TASK(long, wait_inside, struct job);

static long map_inside(struct job job) {
    struct job items[MOST_CHILDREN];
    long value = begin(&job);
    for (int i = 0; i < job.n; i++)
        items[i] = child_of(&job, i);
    filch_results *results = filch_map(filch_this_executor(), leaf, items, (size_t)job.n,
                                       .chunksize = (int)(job.random % 4));
    meet(&job, DIES_WITHIN);
    for (int i = 0; i < job.n; i++) {
        long item = 0;
        filch_status status = filch_results_next(results, &item);
        if (status == FILCH_FAILED ? !items_has_crashed(filch_results_exception(results))
                                   : status != FILCH_OK || item != torture_expect(items[i].id))
            kills_say_wrong("map in task %d: item %d gave %ld, %s", job.id, i, item,
                            filch_error_message());
    }
    filch_results_close(results);
    return end(&job, value);
}
FILCH_TASK(long, map_inside, struct job);

static void count_range(size_t begin_at, size_t end_at, void *arg) {
    atomic_int *n_runs = arg;
    for (size_t i = begin_at; i < end_at; i++) {
        atomic_fetch_add(&n_runs[i], 1);
        be_busy(i % 3);
    }
}

/* Each index once; or, where a helper died or somebody asked to stop, not twice. */
static void check_range(filch_executor *executor, int id, filch_status status, atomic_int *n_runs) {
    bool is_right = status == FILCH_OK || (status == FILCH_CANCELLED && filch_cancel_requested()) ||
                    (status == FILCH_FAILED && strstr(filch_error_message(), "SIGKILL") != NULL);
    if (!is_right)
        kills_say_wrong("filch_for by %d: %s", id, filch_error_message());
    for (int i = 0; i < RANGE; i++) {
        int n = atomic_load(&n_runs[i]);
        if (n > 1 || (status == FILCH_OK && n != 1))
            kills_say_wrong("filch_for by %d ran index %d %d times, and gave %s", id, i, n,
                            filch_status_name(status));
    }
    filch_shared_free(executor, n_runs);
}

static void run_range(filch_executor *executor, const struct job *job) {
    atomic_int *n_runs = filch_shared_alloc(executor, RANGE * sizeof *n_runs);
    if (n_runs == NULL) {
        kills_say_wrong("filch_for by %d: %s", job->id, filch_error_message());
        return;
    }
    memset(n_runs, 0, RANGE * sizeof *n_runs);
    filch_status status = filch_for(executor, 0, RANGE, count_range, n_runs);
    check_range(executor, job->id, status, n_runs);
}

static long loop(struct job job) {
    long value = begin(&job);
    run_range(filch_this_executor(), &job);
    return end(&job, value);
}
FILCH_TASK(long, loop, struct job);

/* Its time limit ends it, and its process. */
static long run_late(struct job job) {
    long value = begin(&job);
    while (atomic_load(&table->n_runs[job.id]) > 0)
        be_busy(job.random);
    return value;
}
FILCH_TASK(long, run_late, struct job);

static long raise_error(struct job job) {
    begin(&job);
    filch_raise(7, "task %d raises", job.id);
    return end(&job, 0);
}
FILCH_TASK(long, raise_error, struct job);

static filch_bytes give_bytes(struct job job, size_t size) {
    begin(&job);
    char *memory = filch_result_alloc(size);
    if (memory == NULL) {
        kills_say_wrong("task %d: %s", job.id, filch_error_message());
        return (filch_bytes){NULL, 0};
    }
    memset(memory, job.id & 0x7f, size / 2);
    meet(&job, DIES_WITHIN);
    memset(memory + size / 2, job.id & 0x7f, size - size / 2);
    meet(&job, DIES_LAST);
    return (filch_bytes){memory, size};
}
FILCH_TASK(filch_bytes, give_bytes, struct job, size_t);

/* Arguments and results that are copied. */
static char *give_text(struct job job, const char *text) {
    begin(&job);
    char *copy = filch_own(strdup(text));
    meet(&job, DIES_WITHIN);
    be_busy(job.random);
    meet(&job, DIES_LAST);
    return copy;
}
FILCH_TASK(char *, give_text, struct job, const char *);

/* In memory that the submitter has, and in some of its own. */
static long fill_shared(struct job job, void *memory, size_t size) {
    long value = begin(&job);
    char *own = filch_shared_alloc(filch_this_executor(), size);
    if (own == NULL)
        kills_say_wrong("task %d: %s", job.id, filch_error_message());
    else
        memset(own, 1, size);
    meet(&job, DIES_WITHIN);
    memset(memory, job.id & 0x7f, size);
    filch_shared_free(filch_this_executor(), own);
    return end(&job, value);
}
FILCH_TASK(long, fill_shared, struct job, void *, size_t);

/* ---- submitting ---------------------------------------------------------------------------------- */

static const size_t sizes[] = {1, 50, 500, 3000, 40000, 300000};

static struct job draw_job(struct work *work, int n_children) {
    struct job job = {.random = draw(&work->random) | 1, .n = n_children};
    job.id = torture_new_ids(1 + n_children);
    job.children = job.id + 1;
    if (draw(&work->random) % 1000 < work->suicides_per_mille)
        job.fate = (enum fate)(1 + draw(&work->random) % 3);
    return job;
}

static filch_future *submit_plain(struct work *work, struct item *item, bool has_retries) {
    struct job job = draw_job(work, 0);
    item->entry.id = job.id;
    if (!has_retries)
        return filch_submit(work->executor, leaf, job);
    item->entry.retries = 1 + (int)(draw(&work->random) % MOST_RETRIES);
    atomic_store(&table->may_rerun[job.id], item->entry.retries);
    job.fate = draw(&work->random) % 4 == 0 ? DIES_LAST : job.fate;
    return filch_submit_with(work->executor, FILCH_OPTIONS(.retries = item->entry.retries), leaf,
                             job);
}

/* Those with children. */
static filch_future *submit_parent(struct work *work, struct item *item, unsigned kind) {
    filch_executor *executor = work->executor;
    enum { DEPTH = 3, IN_TREE = (1 << (DEPTH + 1)) - 1 };
    bool is_tree = kind % 9 == 8;
    struct job job =
        draw_job(work, is_tree ? IN_TREE - 1 : 1 + (int)(draw(&work->random) % MOST_CHILDREN));
    item->entry.id = job.id;
    item->waits = true;
    switch (kind % 9) {
    case 0:
        return filch_submit(executor, submit_and_wait, job);
    case 1:
        return filch_submit(executor, submit_and_leave, job);
    case 2:
        return filch_submit(executor, block, job);
    case 3:
        return filch_submit(executor, cancel, job);
    case 4:
        return filch_submit(executor, add_callbacks, job);
    case 5:
        return filch_submit(executor, collect_inside, job);
    case 6:
        return filch_submit(executor, wait_inside, job);
    case 7:
        return filch_submit(executor, map_inside, job);
    default:
        job.children = job.id;
        job.n = DEPTH;
        return filch_submit(executor, nest, job);
    }
}

static filch_future *submit_value(struct work *work, struct item *item, unsigned kind) {
    filch_executor *executor = work->executor;
    struct job job = draw_job(work, 0);
    item->entry.id = job.id;
    item->size = sizes[draw(&work->random) % (sizeof sizes / sizeof sizes[0])];
    switch (kind % 6) {
    case 0:
        item->result = RAISED;
        return filch_submit(executor, raise_error, job);
    case 1:
        item->result = BYTES;
        return filch_submit(executor, give_bytes, job, item->size);
    case 2: {
        item->result = TEXT;
        char *text = malloc(item->size);
        memset(text, 'x', item->size - 1);
        text[item->size - 1] = '\0';
        filch_future *future = filch_submit(executor, give_text, job, text);
        free(text);
        return future;
    }
    case 3:
        item->result = SHARED;
        item->memory = filch_shared_alloc(executor, item->size);
        if (item->memory == NULL)
            torture_fail("shared memory: %s", filch_error_message());
        return filch_submit(executor, fill_shared, job, item->memory, item->size);
    case 4:
        if (draw(&work->random) % 4 != 0)
            return filch_submit(executor, leaf, job);
        item->result = LATE;
        item->entry.retries = 1; /* for a death before the time is over */
        atomic_store(&table->may_rerun[job.id], 1);
        return filch_submit_with(executor, FILCH_OPTIONS(.timeout = 0.002, .retries = 1), run_late,
                                 job);
    default:
        item->waits = true;
        return filch_submit(executor, loop, job);
    }
}

static void submit_some(struct work *work, struct item *items, int n) {
    for (int i = 0; i < n; i++) {
        struct item *item = &items[i];
        *item = (struct item){.entry.may_fail = true};
        unsigned kind = (unsigned)(draw(&work->random) % 100);
        if (kind < 40)
            item->entry.future = submit_plain(work, item, false);
        else if (kind < 50)
            item->entry.future = submit_plain(work, item, true);
        else if (kind < 76)
            item->entry.future = submit_parent(work, item, kind);
        else
            item->entry.future = submit_value(work, item, kind);
        if (item->entry.future == NULL)
            torture_fail("submit: %s", filch_error_message());
    }
}

/* ---- what the submitter does meanwhile ---------------------------------------------------------- */

static void check_item(int id, filch_status status, long value, filch_results *results) {
    int n_runs = atomic_load(&table->n_runs[id]);
    const filch_error *error = filch_results_exception(results);
    if (status == FILCH_FAILED && items_has_crashed(error))
        kills_explain(id, error, false);
    else if (status != FILCH_OK || value != torture_expect(id))
        torture_fail("map: task %d gave %ld, %s: %s", id, value, filch_status_name(status),
                     error == NULL ? filch_error_message() : error->message);
    if (n_runs > 1 || (status == FILCH_OK && n_runs != 1))
        torture_fail("map: task %d ran %d times, and gave %s", id, n_runs,
                     filch_status_name(status));
}

static void map(struct work *work) {
    static const int chunks[] = {0, 1, 4, 16};
    struct job items[MOST_ITEMS];
    int n = 1 + (int)(draw(&work->random) % MOST_ITEMS);
    for (int i = 0; i < n; i++)
        items[i] = draw_job(work, 0);
    bool is_unordered = draw(&work->random) % 2 == 0;
    filch_results *results = filch_map(work->executor, leaf, items, (size_t)n,
                                       .chunksize = chunks[draw(&work->random) % 4],
                                       .buffersize = (int)(draw(&work->random) % 4),
                                       .unordered = is_unordered, .timeout = TORTURE_LIMIT_S);
    if (results == NULL)
        torture_fail("map: %s", filch_error_message());
    int n_wanted = draw(&work->random) % 4 == 0 ? n / 2 : n;
    for (int i = 0; i < n_wanted; i++) {
        long value = 0;
        filch_status status = filch_results_next(results, &value);
        if (status == FILCH_END || status == FILCH_TIMEOUT)
            torture_fail("map: %d of %d given: %s", i, n, filch_error_message());
        size_t at = is_unordered ? filch_results_index(results) : (size_t)i;
        check_item(items[at].id, status, value, results);
    }
    filch_results_close(results);
}

static void *do_work(void *arg) {
    struct work *work = arg;
    struct item items[AT_ONCE];
    for (int n_left = work->n_tasks; n_left > 0;) {
        int n = 1 + (int)(draw(&work->random) % AT_ONCE);
        n = n < n_left ? n : n_left;
        n_left -= n;
        submit_some(work, items, n);
        items_cancel(&work->random, items, n);
        if (draw(&work->random) % 2 == 0)
            map(work);
        if (draw(&work->random) % 2 == 0) {
            struct job job = {0};
            run_range(work->executor, &job);
        }
        items_await(&work->random, items, n);
        items_check(work->executor, items, n, &work->outcomes);
    }
    return NULL;
}

void work_start(struct work *work) {
    int error = pthread_create(&work->thread, NULL, do_work, work);
    if (error != 0)
        torture_fail("a submitter does not start: %s", strerror(error));
}

void work_join(struct work *work) {
    pthread_join(work->thread, NULL);
}
