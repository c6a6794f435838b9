/* of_many.c: operations on many futures at once. */
#include "play.h"

#include <poll.h>

enum { MOST = 100, RANGE = 1000 };

static long mix(long x) {
    return soak_mix(x);
}
FILCH_TASK(long, mix, long);

static int submit_some(struct play *play, filch_future **futures) {
    int n = 1 + (int)play_below(play, MOST), n_accepted = 0;
    for (int i = 0; i < n; i++) {
        futures[n_accepted] = filch_submit(play->executor, mix, n_accepted);
        n_accepted += play_accepts(play, futures[n_accepted]);
    }
    return n_accepted;
}

/* In any order. */
static void check_some(struct play *play, filch_future **futures, int n) {
    long sum = 0, value;
    bool is_whole = true;
    for (int i = 0; i < n; i++) {
        if (play_succeeds(play, futures[i])) {
            STRESS_CHECK(filch_result(futures[i], &value) == FILCH_OK);
            sum = (long)((uint64_t)sum + (uint64_t)value - (uint64_t)soak_mix(i));
        } else {
            is_whole = false;
        }
        play_release(play, futures[i]);
    }
    STRESS_CHECK(!is_whole || sum == 0);
}

/* ---- wait, as_completed, callbacks -------------------------------------------------------------------- */

static void wait_for_some(struct play *play) {
    filch_future *futures[MOST];
    int n = submit_some(play, futures);
    size_t n_done = 0;
    filch_return_when when = (filch_return_when)play_below(play, 3);
    double limit_s = play_below(play, 2) == 0 ? FILCH_FOREVER : play_below(play, 100) * 1e-6;
    filch_status status = filch_wait(futures, (size_t)n, when, limit_s, &n_done);
    STRESS_CHECK(status == FILCH_OK || (status == FILCH_TIMEOUT && limit_s < 1));
    for (size_t i = 0; i < n_done; i++)
        STRESS_CHECK(filch_done(futures[i]));
    check_some(play, futures, n);
}

/* By turns with a time limit, by the descriptor, and without end; and perhaps not to the end. */
static void take_as_completed(struct play *play) {
    filch_future *futures[MOST], *future;
    int n = submit_some(play, futures), n_given = 0,
        n_at_first = (int)play_below(play, (uint32_t)n + 1);
    int n_wanted = play_below(play, 4) == 0 ? (int)play_below(play, (uint32_t)n + 1) : n;
    filch_completed *completed = filch_as_completed(futures, (size_t)n_at_first);
    STRESS_CHECK(completed != NULL);
    for (int i = n_at_first; i < n; i++)
        STRESS_CHECK(filch_completed_add(completed, futures[i]) == FILCH_OK);
    bool has_descriptor = play_below(play, 4) == 0;
    while (n_given < n_wanted) {
        if (has_descriptor) {
            struct pollfd poll_it = {.fd = filch_completed_fd(completed), .events = POLLIN};
            STRESS_CHECK(poll_it.fd >= 0 && poll(&poll_it, 1, -1) == 1);
        }
        double limit_s = has_descriptor || play_below(play, 8) == 0 ? 0 : FILCH_FOREVER;
        filch_status status = filch_completed_next(completed, &future, limit_s);
        STRESS_CHECK(status == FILCH_OK || (status == FILCH_TIMEOUT && limit_s == 0));
        STRESS_CHECK(status != FILCH_OK || filch_done(future));
        n_given += status == FILCH_OK;
    }
    if (n_wanted == n)
        STRESS_CHECK(filch_completed_next(completed, &future, FILCH_FOREVER) == FILCH_END);
    filch_completed_close(completed);
    check_some(play, futures, n);
}

struct called {
    atomic_int n, n_wrong;
};

static void note_call(filch_future *future, void *arg) {
    struct called *called = arg;
    if (!filch_done(future))
        atomic_fetch_add(&called->n_wrong, 1);
    atomic_fetch_add(&called->n, 1); /* the last look at it */
}

static void be_called_back(struct play *play) {
    struct called called = {0, 0};
    filch_future *futures[MOST];
    int n = submit_some(play, futures), n_calls = 0;
    for (int i = 0; i < n; i++)
        for (uint32_t k = play_below(play, 3); k > 0; k--, n_calls++)
            STRESS_CHECK(filch_add_done_callback(futures[i], note_call, &called) == FILCH_OK);
    check_some(play, futures, n);
    while (atomic_load(&called.n) <
           n_calls) /* a result may be there before its callbacks have run */
        sched_yield();
    STRESS_CHECK(atomic_load(&called.n) == n_calls && atomic_load(&called.n_wrong) == 0);
}

/* ---- map, submit_many, for ---------------------------------------------------------------------------- */

struct input {
    long next, n;
};

static bool give_next(void *item, void *arg) {
    struct input *input = arg;
    *(long *)item = input->next;
    return input->next++ < input->n;
}

static filch_results *start_map(struct play *play, long n, struct input *input) {
    int chunksize = (int)play_below(play, 20);
    if (play_below(play, 3) == 0) {
        *input = (struct input){.n = n};
        return filch_map(play->executor, mix, (long *)NULL, 0, .chunksize = chunksize,
                         .buffersize = 1 + (int)play_below(play, 8), .next = give_next,
                         .next_arg = input);
    }
    long items[RANGE];
    for (long i = 0; i < n; i++)
        items[i] = i;
    return filch_map(play->executor, mix, items, (size_t)n, .chunksize = chunksize,
                     .buffersize = (int)play_below(play, 8), .unordered = play_below(play, 2) == 0);
}

static void map_some(struct play *play) {
    struct input input;
    long n = play_below(play, RANGE), value;
    long n_wanted = play_below(play, 4) == 0 ? play_below(play, RANGE) : n + 1;
    filch_results *results = start_map(play, n, &input);
    if (results == NULL) {
        play_excuse(play, filch_error_status(), NULL);
        return;
    }
    for (long i = 0; i < n_wanted; i++) {
        filch_status status = filch_results_next(results, &value);
        if (status == FILCH_END) {
            STRESS_CHECK(i == n);
            break;
        }
        if (status == FILCH_OK) {
            STRESS_CHECK(value == soak_mix((long)filch_results_index(results)));
            continue;
        }
        play_excuse(play, status, filch_results_exception(results));
        if (filch_results_exception(results) == NULL)
            break; /* the rest of the input was not accepted */
    }
    filch_results_close(results);
}

static void submit_all_at_once(struct play *play) {
    filch_future *futures[MOST];
    long items[MOST];
    int n = 1 + (int)play_below(play, MOST);
    for (int i = 0; i < n; i++)
        items[i] = i;
    filch_status status = filch_submit_many(play->executor, mix, items, (size_t)n, futures);
    if (status == FILCH_OK)
        check_some(play, futures, n);
    else
        play_excuse(play, status, NULL);
}

static void count_visits(size_t begin, size_t end, void *arg) {
    atomic_int *visits = arg;
    for (size_t i = begin; i < end; i++)
        atomic_fetch_add(&visits[i], 1);
}

/* Of a pool with deaths or an end some may be missing, but none was visited twice. */
static void loop(struct play *play) {
    atomic_int *visits = filch_shared_alloc(play->executor, RANGE * sizeof *visits);
    STRESS_CHECK(visits != NULL);
    for (int i = 0; i < RANGE; i++)
        atomic_init(&visits[i], 0);
    filch_status status = filch_for(play->executor, 0, RANGE, count_visits, visits);
    for (int i = 0; i < RANGE; i++) {
        int n = atomic_load(&visits[i]);
        STRESS_CHECK_MSG(status == FILCH_OK ? n == 1 : n <= 1, "filch_for visited %d %d times", i,
                         n);
    }
    if (status == FILCH_FAILED)
        STRESS_CHECK(play->is_deadly || atomic_load(play->is_ending));
    else if (status != FILCH_OK)
        play_excuse(play, status, NULL);
    filch_shared_free(play->executor, visits);
}

const struct operation operations_of_many[] = {
    {"wait for some", wait_for_some},
    {"take as completed", take_as_completed},
    {"be called back", be_called_back},
    {"map some", map_some},
    {"submit all at once", submit_all_at_once},
    {"loop", loop},
    {NULL, NULL},
};
