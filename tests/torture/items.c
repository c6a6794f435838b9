/* items.c: cancelling, waiting, looking. */
#include "items.h"

#include <signal.h>
#include <string.h>

bool items_has_crashed(const filch_error *error) {
    return error != NULL && error->signal == SIGKILL && error->pid > 1;
}

void items_count_call(filch_future *future, void *arg) {
    (void)future;
    atomic_int *n_called = arg;
    atomic_fetch_add(n_called, 1);
}

void items_cancel(uint64_t *random, struct item *items, int n) {
    for (int i = 0; i < n; i++) {
        const struct entry *entry = &items[i].entry;
        if (draw(random) % 16 != 0)
            continue;
        items[i].is_cancelled = filch_cancel(entry->future);
        int n_runs = atomic_load(&table->n_runs[entry->id]);
        if (items[i].is_cancelled && n_runs > entry->retries)
            torture_fail("task %d was cancelled and ran %d times", entry->id, n_runs);
    }
}

void items_await(uint64_t *random, struct item *items, int n) {
    filch_future *futures[AT_ONCE];
    for (int i = 0; i < n; i++)
        futures[i] = items[i].entry.future;
    size_t n_done = 0;
    switch (draw(random) % 5) {
    case 0:
        if (filch_wait(futures, (size_t)n, FILCH_ALL_COMPLETED, TORTURE_LIMIT_S, &n_done) !=
            FILCH_OK)
            torture_fail("wait: %zu of %d done; %s", n_done, n, filch_error_message());
        break;
    case 1: {
        filch_completed *completed = filch_as_completed(futures, (size_t)n);
        for (int i = 0; i < n; i++) {
            filch_future *done;
            if (filch_completed_next(completed, &done, TORTURE_LIMIT_S) != FILCH_OK)
                torture_fail("as_completed: %d of %d given; %s", i, n, filch_error_message());
        }
        filch_completed_close(completed);
        break;
    }
    case 2:
        for (int i = 0; i < n; i++) {
            items[i].n_callbacks = 1 + (int)(draw(random) % 2);
            for (int k = 0; k < items[i].n_callbacks; k++)
                if (filch_add_done_callback(futures[i], items_count_call, &items[i].n_called) !=
                    FILCH_OK)
                    torture_fail("callback: %s", filch_error_message());
        }
        break;
    case 3:
        if (filch_wait(futures, (size_t)n, FILCH_FIRST_EXCEPTION, TORTURE_LIMIT_S, &n_done) !=
            FILCH_OK)
            torture_fail("wait: %zu of %d done; %s", n_done, n, filch_error_message());
    }
}

static void check_memory(const struct item *item, const char *memory, size_t size) {
    if (size != item->size)
        torture_fail("task %d gave %zu bytes instead of %zu", item->entry.id, size, item->size);
    for (size_t i = 0; i < size; i++)
        if (memory[i] != (item->entry.id & 0x7f))
            torture_fail("task %d: byte %zu of %zu is %d", item->entry.id, i, size, memory[i]);
}

static void check_value(const struct item *item, filch_future *future) {
    filch_bytes bytes = {NULL, 0};
    const char *text = NULL;
    if (item->result == BYTES) {
        if (filch_result(future, &bytes) != FILCH_OK)
            torture_fail("task %d: %s", item->entry.id, filch_error_message());
        check_memory(item, bytes.data, bytes.size);
    } else if (item->result == TEXT) {
        if (filch_result(future, &text) != FILCH_OK || strspn(text, "x") != item->size - 1 ||
            strlen(text) != item->size - 1)
            torture_fail("task %d gave another text; %s", item->entry.id, filch_error_message());
    } else if (item->result == SHARED) {
        check_memory(item, item->memory, item->size);
    }
}

/* Returns: how it ended, after torture_fail if that cannot be. */
static filch_status check_end(struct item *item) {
    struct entry *entry = &item->entry;
    const filch_error *error = NULL;
    filch_status status = filch_exception_timeout(entry->future, TORTURE_LIMIT_S, &error);
    int n_runs = atomic_load(&table->n_runs[entry->id]);
    if (status == FILCH_TIMEOUT)
        torture_fail("task %d has not ended; it ran %d times, and is %s", entry->id, n_runs,
                     filch_running(entry->future) ? "running" : "pending");
    if ((status == FILCH_CANCELLED) != item->is_cancelled)
        torture_fail("task %d was %scancelled, and gave %s", entry->id,
                     item->is_cancelled ? "" : "not ", filch_status_name(status));
    if (status == FILCH_FAILED && items_has_crashed(error)) {
        torture_check_crash(entry, error);
        kills_explain(entry->id, error, item->waits);
        item->is_late = strstr(error->message, "time limit") != NULL;
        return status;
    }
    bool has_raised = status == FILCH_FAILED && error->code == 7;
    if (item->result == LATE && status == FILCH_OK)
        torture_fail("task %d ran past its time limit, and finished", entry->id);
    if (status != FILCH_CANCELLED && (item->result == RAISED ? !has_raised : status != FILCH_OK))
        torture_fail("task %d gave %s: %s", entry->id, filch_status_name(status),
                     error == NULL ? filch_error_message() : error->message);
    if (status != FILCH_CANCELLED && (n_runs < 1 || n_runs > 1 + entry->retries))
        torture_fail("task %d gave %s and ran %d times, with %d retries", entry->id,
                     filch_status_name(status), n_runs, entry->retries);
    return status;
}

void items_check(filch_executor *executor, struct item *items, int n, struct outcomes *outcomes) {
    for (int i = 0; i < n; i++) {
        struct item *item = &items[i];
        filch_status status = check_end(item);
        outcomes->n_finished += status == FILCH_OK;
        outcomes->n_failed += status == FILCH_FAILED;
        outcomes->n_late += status == FILCH_FAILED && item->is_late;
        outcomes->n_cancelled += status == FILCH_CANCELLED;
        torture_await_count(&item->n_called, item->n_callbacks, "callbacks");
        if (status == FILCH_OK && item->result == LONG)
            torture_check(&item->entry);
        else if (status == FILCH_OK)
            check_value(item, item->entry.future);
        filch_release(item->entry.future);
        filch_shared_free(executor, item->memory);
    }
}
