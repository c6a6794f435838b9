/* collect.c: futures that the program completes in any order, beside wait, as_completed and callbacks: at each step
 * all of them give what a model of a few lines expects. */
#include "fuzz.h"

#include <filch/filch.h>

enum { N = 8, MOST_STEPS = 300, MOST_CALLBACKS = 4 };

enum state { PENDING, RUNNING, FINISHED, FAILED, CANCELLED };

static struct entry {
    filch_future *future;
    enum state state;
    int value;
    bool is_in;      /* the iteration, and it has not been given */
    int n_callbacks; /* that were added, */
    int n_called;    /* and that have run */
} entries[N];

static filch_completed *completed;

static bool is_done(const struct entry *entry) {
    return entry->state >= FINISHED;
}

static void open_entry(struct entry *entry) {
    *entry = (struct entry){.future = filch_future_new(sizeof entry->value)};
    CHECK_NOT_NULL(entry->future);
}

static void close_entry(struct entry *entry) {
    CHECK_EQ(entry->n_called, is_done(entry) ? entry->n_callbacks : 0);
    filch_release(entry->future);
}

/* ---- completing --------------------------------------------------------------------------------------- */

static void note_call(filch_future *future, void *arg) {
    struct entry *entry = arg;
    CHECK_PTR_EQ(future, entry->future);
    CHECK(filch_done(future));
    entry->n_called++;
}

static void set_running(struct entry *entry) {
    filch_status expected = entry->state == PENDING     ? FILCH_OK
                            : entry->state == CANCELLED ? FILCH_CANCELLED
                                                        : FILCH_INVALID_STATE;
    CHECK_EQ(filch_set_running_or_notify_cancel(entry->future), expected);
    if (expected == FILCH_OK)
        entry->state = RUNNING;
}

static void set_result(struct entry *entry, int value) {
    bool was_done = is_done(entry);
    if (value % 8 == 0)
        CHECK_EQ(filch_set_result(entry->future, &value, sizeof value - 1), FILCH_INVALID);
    CHECK_EQ(filch_set_result(entry->future, &value, sizeof value),
             was_done ? FILCH_INVALID_STATE : FILCH_OK);
    if (was_done)
        return;
    entry->state = FINISHED;
    entry->value = value;
}

static void set_exception(struct entry *entry, int code) {
    bool was_done = is_done(entry);
    CHECK_EQ(filch_set_exception(entry->future, code, "on purpose"),
             was_done ? FILCH_INVALID_STATE : FILCH_OK);
    if (was_done)
        return;
    entry->state = FAILED;
    entry->value = code;
}

static void cancel(struct entry *entry) {
    bool expected = entry->state == PENDING || entry->state == CANCELLED;
    CHECK_EQ(filch_cancel(entry->future), expected);
    if (expected)
        entry->state = CANCELLED;
}

static void add_callback(struct entry *entry) {
    if (entry->n_callbacks == MOST_CALLBACKS)
        return;
    CHECK_EQ(filch_add_done_callback(entry->future, note_call, entry), FILCH_OK);
    entry->n_callbacks++;
}

static void look(const struct entry *entry) {
    CHECK_EQ(filch_done(entry->future), is_done(entry));
    CHECK_EQ(filch_running(entry->future), entry->state == RUNNING);
    CHECK_EQ(filch_cancelled(entry->future), entry->state == CANCELLED);
    CHECK_EQ(entry->n_called, is_done(entry) ? entry->n_callbacks : 0);
    int value = 0;
    filch_status status = filch_result_timeout(entry->future, &value, 0);
    static const filch_status expected[] = {FILCH_TIMEOUT, FILCH_TIMEOUT, FILCH_OK, FILCH_FAILED,
                                            FILCH_CANCELLED};
    CHECK_EQ(status, expected[entry->state]);
    CHECK_EQ(value, entry->state == FINISHED ? entry->value : 0);
    if (entry->state == FAILED)
        CHECK_EQ(filch_exception(entry->future)->code, entry->value);
}

/* ---- collecting --------------------------------------------------------------------------------------- */

static struct entry *find(const filch_future *future) {
    for (int i = 0; i < N; i++)
        if (entries[i].future == future)
            return &entries[i];
    FAIL("a future that nobody gave");
}

static void begin_iteration(uint8_t which) {
    filch_future *futures[2 * N];
    size_t n = 0;
    filch_completed_close(completed);
    for (int i = 0; i < N; i++) {
        entries[i].is_in = which >> i & 1;
        if (entries[i].is_in)
            futures[n++] = entries[i].future;
    }
    for (size_t i = 0, once = n; i < once; i += 2) /* some of them twice */
        futures[n++] = futures[i];
    completed = filch_as_completed(futures, n);
    CHECK_NOT_NULL(completed);
}

static void add(struct entry *entry) {
    if (completed == NULL)
        return;
    CHECK_EQ(filch_completed_add(completed, entry->future), FILCH_OK);
    entry->is_in = true;
}

static void next(void) {
    if (completed == NULL)
        return;
    int n_in = 0, n_done = 0;
    for (int i = 0; i < N; i++) {
        n_in += entries[i].is_in;
        n_done += entries[i].is_in && is_done(&entries[i]);
    }
    filch_future *future = NULL;
    CHECK_EQ(filch_completed_next(completed, &future, 0), n_done > 0  ? FILCH_OK
                                                          : n_in == 0 ? FILCH_END
                                                                      : FILCH_TIMEOUT);
    if (n_done == 0)
        return;
    struct entry *entry = find(future);
    CHECK(entry->is_in && is_done(entry));
    entry->is_in = false;
}

static void wait_for(struct fuzz *fuzz) {
    filch_future *futures[2 * N], *before[2 * N];
    size_t n = fuzz_byte(fuzz) % (2 * N), n_done = 0, n_expected = 0;
    filch_return_when when = (filch_return_when)(fuzz_byte(fuzz) % 3);
    bool has_failed = false;
    for (size_t i = 0; i < n; i++) {
        const struct entry *entry = &entries[fuzz_byte(fuzz) % N];
        futures[i] = before[i] = entry->future;
        n_expected += is_done(entry);
        has_failed |= entry->state == FAILED;
    }
    bool is_over = n_expected == n || (when == FILCH_FIRST_COMPLETED && n_expected > 0) ||
                   (when == FILCH_FIRST_EXCEPTION && has_failed);
    CHECK_EQ(filch_wait(futures, n, when, 0, &n_done), is_over ? FILCH_OK : FILCH_TIMEOUT);
    CHECK_EQ(n_done, n_expected);
    size_t done_at = 0, pending_at = n_done; /* the order in both parts is as it was */
    for (size_t i = 0; i < n; i++) {
        bool was_done = is_done(find(before[i]));
        CHECK_PTR_EQ(futures[was_done ? done_at++ : pending_at++], before[i]);
    }
}

/* The iteration retains what it has not given; the model would have to know it. */
static void replace(struct entry *entry) {
    if (entry->is_in)
        return;
    close_entry(entry);
    open_entry(entry);
}

static void ignore(const char *line, void *arg) {
    (void)line;
    (void)arg;
}

static void step(struct fuzz *fuzz) {
    uint8_t choice = fuzz_byte(fuzz);
    struct entry *entry = &entries[choice % N];
    switch (choice / N % 12) {
    case 0:
        set_running(entry);
        break;
    case 1:
        set_result(entry, fuzz_byte(fuzz));
        break;
    case 2:
        set_exception(entry, fuzz_byte(fuzz));
        break;
    case 3:
        cancel(entry);
        break;
    case 4:
        add_callback(entry);
        break;
    case 5:
        begin_iteration(fuzz_byte(fuzz));
        break;
    case 6:
        add(entry);
        break;
    case 7:
    case 8:
        next();
        break;
    case 9:
        wait_for(fuzz);
        break;
    case 10:
        replace(entry);
        break;
    default:
        look(entry);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz fuzz = {data, size};
    filch_on_report(ignore, NULL);
    for (int i = 0; i < N; i++)
        open_entry(&entries[i]);
    for (int i = 0; i < MOST_STEPS && fuzz.left > 0; i++)
        step(&fuzz);
    filch_completed_close(completed);
    completed = NULL;
    for (int i = 0; i < N; i++) {
        look(&entries[i]);
        close_entry(&entries[i]);
    }
    return 0;
}
