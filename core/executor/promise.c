/* executor/promise.c: futures that the program completes itself.
 *
 * They need what every future needs (blocks, memory for results and errors, a host), but no worker: so
 * they belong to an executor of the library's own that has no seats. It is opened when the first of
 * them is made and never closed; a forked child opens one of its own.
 *
 *     PENDING -> RUNNING(PROGRAM)                     filch_set_running_or_notify_cancel
 *     PENDING, RUNNING(PROGRAM) -> RUNNING(SETTING)   the call that sets the outcome; the others lose
 *     RUNNING(SETTING) -> FINISHED, FAILED            that call */
#include "base/status.h"
#include "executor/submit.h"
#include "executor/transport.h"
#include "future/error.h"
#include "platform/process.h"
#include <stdarg.h>
#include <string.h>

static const filch_task_type promise_type = {
    .name = "a future of filch_future_new",
    .result_align = 16,
    .result_kind = FILCH_KIND_UNTYPED,
};

static const filch_task_type void_promise_type = {
    .name = "a future of filch_future_new",
    .result_align = 16,
    .result_kind = FILCH_KIND_VOID,
};

static void close_nothing(filch_executor *executor) {
    (void)executor;
}

static const struct pool_operations promise_operations = {
    .kind = "home of the program's own futures",
    .takes_pointers = true,
    .join_workers = close_nothing,
    .close = close_nothing,
};

static filch_atomic_pointer home; /* filch_executor; of the parent process after a fork */

/* Edge HOME: exchange of the pointer (acq_rel) -> load (acquire). */
static filch_executor *find_home(const char *function) {
    void *found = filch_load_acquire(&home); /* HOME */
    filch_executor *executor = found;
    if (likely(executor != NULL && executor->fork_generation == filchi_process_generation()))
        return executor;
    /* The parent's stays reachable. */
    executor = filchi_executor_open(&promise_operations, (struct pool_opening){.kind_data = found},
                                    function);
    if (executor == NULL || filch_cas_acq_rel(&home, &found, (void *)executor)) /* HOME */
        return executor;
    filch_close(executor); /* another thread was faster */
    return found;
}

filch_future *filch_future_new(size_t result_size) {
    const char *function = "filch_future_new";
    filch_executor *executor = find_home(function);
    if (executor == NULL)
        return NULL;
    const filch_task_type *type = result_size == 0 ? &void_promise_type : &promise_type;
    struct producer *producer;
    filch_future *future = filchi_submit_take_block(function, executor->pool, type, &producer);
    if (future == NULL)
        return NULL;
    if (filchi_transport_pack(function, producer, block_of(future), type, NULL, 0, result_size) !=
        FILCH_OK) {
        filchi_submit_give_back(future);
        return NULL;
    }
    (void)future_publish(future);
    filch_fetch_or_acq_rel(&future->state, FUTURE_PROMISE); /* PUBLISHED */
    return future;
}

static filch_status check_promise(const char *function, const filch_future *future) {
    if (future == NULL)
        return filchi_fail(FILCH_INVALID, "%s: future is NULL; pass what filch_future_new returned",
                           function);
    if ((filch_load_relaxed(&future->state) & FUTURE_PROMISE) == 0)
        return filchi_fail(FILCH_INVALID,
                           "%s: future belongs to task '%s', whose worker completes it; pass what "
                           "filch_future_new returned",
                           function, filchi_future_name(future));
    if (future_host(future)->fork_generation != filchi_process_generation())
        return filchi_fail(FILCH_INVALID_STATE,
                           "%s: future belongs to the parent process and cannot be completed in "
                           "this forked child",
                           function);
    return FILCH_OK;
}

static const char *state_name(uint64_t state) {
    switch (state_phase(state)) {
    case FUTURE_RUNNING:
        return state_owner(state) == FUTURE_OWNER_SETTING ? "being completed" : "running";
    case FUTURE_FINISHED:
        return "finished";
    case FUTURE_FAILED:
        return "failed";
    default:
        return "cancelled";
    }
}

/* PENDING, or also RUNNING(PROGRAM), -> RUNNING(owner).
 * Returns: FILCH_OK, FILCH_CANCELLED or FILCH_INVALID_STATE, with the thread's failure set. */
static filch_status claim(const char *function, filch_future *future, uint64_t owner) {
    uint64_t state = future_state(future);
    for (;;) {
        bool is_pending = state_phase(state) == FUTURE_PENDING;
        bool is_running =
            state_phase(state) == FUTURE_RUNNING && state_owner(state) == FUTURE_OWNER_PROGRAM;
        if (!is_pending && !(is_running && owner == FUTURE_OWNER_SETTING))
            break;
        uint64_t claimed =
            (state & ~(FUTURE_PHASE | FUTURE_OWNER)) | FUTURE_RUNNING | owner << FUTURE_OWNER_SHIFT;
        if (filch_cas_acq_rel(&future->state, &state, claimed)) /* PUBLISHED */
            return FILCH_OK;
    }
    bool is_cancelled = state_phase(state) == FUTURE_CANCELLED;
    return filchi_fail(is_cancelled && owner == FUTURE_OWNER_PROGRAM ? FILCH_CANCELLED
                                                                     : FILCH_INVALID_STATE,
                       "%s: the future is %s already", function, state_name(state));
}

static void complete(filch_future *future, enum future_phase phase) {
    struct future_host *host = future_host(future);
    host->enter_delivery(host);
    filchi_future_finish(future, phase);
    host->leave_delivery(host); /* the home never goes away */
}

filch_status filch_set_running_or_notify_cancel(filch_future *future) {
    const char *function = "filch_set_running_or_notify_cancel";
    filch_status status = check_promise(function, future);
    return status != FILCH_OK ? status : claim(function, future, FUTURE_OWNER_PROGRAM);
}

filch_status filch_set_result(filch_future *future, const void *value, size_t size) {
    const char *function = "filch_set_result";
    filch_status status = check_promise(function, future);
    if (status != FILCH_OK)
        return status;
    if (size != future->value_size)
        return filchi_fail(FILCH_INVALID,
                           "%s: size is %zu, but the future was made for a result of %zu bytes",
                           function, size, future->value_size);
    if (value == NULL && size > 0)
        return filchi_fail(FILCH_INVALID, "%s: value is NULL", function);
    status = claim(function, future, FUTURE_OWNER_SETTING);
    if (status != FILCH_OK)
        return status;
    if (size > 0)
        memcpy(future->value, value, size);
    complete(future, FUTURE_FINISHED);
    return FILCH_OK;
}

static filch_error *make_error(struct extents *extents, int code, const char *format, ...) {
    va_list list;
    va_start(list, format);
    filch_error *error =
        filchi_error_new(extents, promise_type.name, code, -1, "", 0, format, list);
    va_end(list);
    return error;
}

filch_status filch_set_exception(filch_future *future, int code, const char *message) {
    const char *function = "filch_set_exception";
    filch_status status = check_promise(function, future);
    if (status != FILCH_OK)
        return status;
    if (message == NULL)
        return filchi_fail(FILCH_INVALID, "%s: message is NULL; say what went wrong", function);
    status = claim(function, future, FUTURE_OWNER_SETTING);
    if (status != FILCH_OK)
        return status;
    struct producer *producer = filchi_pool_producer(pool_of_host(future_host(future)));
    filch_error *error =
        make_error(producer == NULL ? NULL : &producer->extents, code, "%s", message);
    filch_store_release(&future->error, (void *)error); /* OUTCOME */
    complete(future, FUTURE_FAILED);
    return FILCH_OK;
}
