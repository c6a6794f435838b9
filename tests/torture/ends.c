/* ends.c: some hundred tasks, the end, and what has become of them. */
#include "ends.h"

#include <signal.h>
#include <string.h>
#include <time.h>

enum { MOST_QUEUED = 300, CHILDREN = 3, MOST_BUSY_US = 100, MOST_DELAY_US = 4000 };

enum way { SHUTDOWN, CANCEL, NO_WAIT, TERMINATE, KILL, N_WAYS };

static long work_a_little(int id, int us) {
    struct timespec pause = {0, (long)us * 1000};
    long value = torture_run(id);
    if (us == 13)
        kills_die();
    nanosleep(&pause, NULL);
    return value;
}
FILCH_TASK(long, work_a_little, int, int);

/* Once the pool is shut down nothing can be submitted any more, in tasks either. */
static long submit_until_the_end(int id, int children) {
    filch_future *futures[CHILDREN];
    long value = torture_run(id);
    for (int i = 0; i < CHILDREN; i++) {
        futures[i] = filch_submit(filch_this_executor(), work_a_little, children + i, i);
        if (futures[i] == NULL && filch_error_status() != FILCH_SHUTDOWN &&
            filch_error_status() != FILCH_BROKEN)
            kills_say_wrong("submit in task %d: %s", id, filch_error_message());
    }
    for (int i = 0; i < CHILDREN; i++) {
        if (futures[i] != NULL && filch_join_timeout(futures[i], TORTURE_LIMIT_S) == FILCH_TIMEOUT)
            kills_say_wrong("child %d has not ended", children + i);
        filch_release(futures[i]);
    }
    return value;
}
FILCH_TASK(long, submit_until_the_end, int, int);

static void end_so(filch_executor *executor, enum way way) {
    filch_status status = FILCH_OK;
    switch (way) {
    case SHUTDOWN:
        status = filch_shutdown(executor, .timeout = TORTURE_LIMIT_S);
        break;
    case CANCEL:
        status = filch_shutdown(executor, .cancel_futures = true, .timeout = TORTURE_LIMIT_S);
        break;
    case NO_WAIT:
        status = filch_shutdown(executor, .no_wait = true);
        break;
    case TERMINATE:
        status = filch_terminate_workers(executor);
        break;
    default:
        status = filch_kill_workers(executor);
    }
    if (status != FILCH_OK)
        torture_fail("the pool does not end: %s", filch_error_message());
}

static void check_end(struct entry *entry, enum way way) {
    const filch_error *error = NULL;
    filch_status status = filch_exception_timeout(entry->future, TORTURE_LIMIT_S, &error);
    int n_runs = atomic_load(&table->n_runs[entry->id]);
    long value = 0;
    if (status == FILCH_TIMEOUT)
        torture_fail("task %d has not ended; it ran %d times, and is %s", entry->id, n_runs,
                     filch_running(entry->future) ? "running" : "pending");
    bool is_right = status == FILCH_OK || (status == FILCH_CANCELLED && way == CANCEL) ||
                    (status == FILCH_BROKEN && way >= TERMINATE) ||
                    (status == FILCH_FAILED && error->pid > 1 &&
                     (way >= TERMINATE || (error->signal == SIGKILL && kills_have(error->pid))));
    if (!is_right || n_runs > 1 + entry->retries || (status == FILCH_OK && n_runs == 0) ||
        (status == FILCH_CANCELLED && n_runs > entry->retries))
        torture_fail("task %d gave %s and ran %d times: %s", entry->id, filch_status_name(status),
                     n_runs, error == NULL ? "" : error->message);
    if (status == FILCH_OK &&
        (filch_result(entry->future, &value) != FILCH_OK || value != torture_expect(entry->id)))
        torture_fail("task %d gave %ld", entry->id, value);
    filch_release(entry->future);
}

void ends_run(filch_executor *executor, uint64_t random) {
    struct entry entries[MOST_QUEUED];
    struct killer killer = {.executor = executor, .seed = draw(&random) | 1, .n = 10};
    enum way way = (enum way)(draw(&random) % N_WAYS);
    int n = 1 + (int)(draw(&random) % MOST_QUEUED);
    torture_reset();
    killer_start(&killer);
    for (int i = 0; i < n; i++) {
        struct entry *entry = &entries[i];
        *entry = (struct entry){.id = torture_new_ids(1 + CHILDREN)};
        entry->retries = draw(&random) % 8 == 0;
        filch_submit_options with = {.size = sizeof with, .retries = entry->retries};
        entry->future =
            draw(&random) % 4 == 0
                ? filch_submit_with(executor, &with, submit_until_the_end, entry->id, entry->id + 1)
                : filch_submit_with(executor, &with, work_a_little, entry->id,
                                    (int)(draw(&random) % MOST_BUSY_US));
        if (entry->future == NULL)
            torture_fail("submit: %s", filch_error_message());
    }
    struct timespec delay = {0, (long)(draw(&random) % MOST_DELAY_US) * 1000};
    nanosleep(&delay, NULL);
    end_so(executor, way);
    for (int i = 0; i < n; i++)
        check_end(&entries[i], way);
    if (filch_submit(executor, work_a_little, 0, 0) != NULL)
        torture_fail("a pool that has ended takes tasks");
    killer_stop(&killer);
}
