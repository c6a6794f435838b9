/* future/result.c: waiting for one future: result, join, exception. */
#include "base/status.h"
#include "future/error.h"
#include "future/future.h"
#include "platform/clock.h"
#include "platform/futex.h"
#include "platform/thread.h"
#include <math.h>
#include <string.h>

/* A short look before sleeping: most waits in a busy pool end within it. */
static bool spin(filch_future *future, uint64_t spin_ns) {
    if (spin_ns == 0)
        return state_is_done(future_state(future));
    uint64_t until = filchi_clock_ns() + spin_ns;
    do {
        for (int i = 0; i < 64; i++) {
            if (state_is_done(future_state(future)))
                return true;
            cpu_relax();
        }
        filchi_thread_yield(); /* whoever runs it may be waiting for this very core */
    } while (filchi_clock_ns() < until);
    return false;
}

/* Sleeps until it is done. Returns: false if the deadline passed first. */
static bool sleep_until_done(filch_future *future, uint64_t deadline_ns, bool is_shared) {
    uint64_t state = future_state(future);
    for (bool in_time = true; !state_is_done(state);) {
        if (!in_time)
            return false;
        if ((state & FUTURE_WAITER) == 0 &&
            !filch_cas_acq_rel(&future->state, &state, state | FUTURE_WAITER)) /* OUTCOME */
            continue;
        uint32_t low = (uint32_t)(state | FUTURE_WAITER);
        in_time =
            filchi_futex_wait((const uint32_t *)&future->state.value, low, deadline_ns, is_shared);
        state = future_state(future);
    }
    return true;
}

void filchi_future_await_outcome(filch_future *future) {
    struct future_host *host = future_host(future);
    if (!spin(future, host->spin_ns))
        (void)sleep_until_done(future, FILCHI_NEVER, host->is_shared);
}

filch_status filchi_future_await(filch_future *future, uint64_t deadline_ns) {
    if (state_is_done(future_state(future)))
        return FILCH_OK;
    if (filchi_clock_passed(deadline_ns))
        return FILCH_TIMEOUT;
    struct future_host *host = future_host(future);
    bool is_timed = deadline_ns != FILCHI_NEVER;
    filch_status status = host->before_wait(host, future, is_timed);
    if (status != FILCH_OK)
        return status;
    if (spin(future, host->spin_ns))
        return FILCH_OK;
    status = host->begin_block(host);
    if (status != FILCH_OK)
        return status;
    bool is_done = sleep_until_done(future, deadline_ns, host->is_shared);
    host->end_block(host);
    return is_done ? FILCH_OK : FILCH_TIMEOUT;
}

static filch_status fail_timeout(const filch_future *future) {
    return filchi_fail(FILCH_TIMEOUT, "task '%s' has not ended within the time limit",
                       filchi_future_name(future));
}

/* Waits as a public function does. */
static filch_status await(const char *function, filch_future *future, double seconds) {
    if (future == NULL)
        return filchi_fail(FILCH_INVALID, "%s: future is NULL; pass what filch_submit returned",
                           function);
    if (isnan(seconds))
        return filchi_fail(FILCH_INVALID,
                           "%s: seconds is not a number; pass FILCH_FOREVER for no limit",
                           function);
    if (state_is_done(future_state(future)))
        return FILCH_OK;
    if (!filchi_future_check_held(function, future))
        return FILCH_INVALID_STATE;
    filch_status status = filchi_future_await(future, filchi_clock_deadline(seconds));
    return status == FILCH_TIMEOUT ? fail_timeout(future) : status;
}

static COLD filch_status fail_outcome(filch_future *future, uint64_t state) {
    if (future_is_held(future))
        filch_store_relaxed(&future->looked_at, 1u);
    if (state_phase(state) == FUTURE_CANCELLED)
        return filchi_fail(FILCH_CANCELLED, "task '%s' was cancelled", filchi_future_name(future));
    if (state & FUTURE_BROKEN)
        return filchi_fail(FILCH_BROKEN, "task '%s' was lost: %s", filchi_future_name(future),
                           future_host(future)->broken_because);
    const filch_error *error = filchi_error_of(future, state);
    return filchi_fail(FILCH_FAILED, "task '%s' failed: %s (code %d)", error->task, error->message,
                       error->code);
}

/* The status of a done future; a failure sets the thread's message. */
static filch_status outcome(filch_future *future) {
    uint64_t state = future_state(future);
    return likely(state_phase(state) == FUTURE_FINISHED) ? FILCH_OK : fail_outcome(future, state);
}

static const char *kind_name(filch_kind kind) {
    switch (kind) {
    case FILCH_KIND_VOID:
        return "nothing";
    case FILCH_KIND_INTEGER:
        return "an integer";
    case FILCH_KIND_REAL:
        return "a real number";
    case FILCH_KIND_POINTER:
        return "a pointer";
    case FILCH_KIND_STRING:
        return "a string";
    case FILCH_KIND_BYTES:
        return "filch_bytes";
    default:
        return "a struct";
    }
}

/* Strings are pointers and filch_bytes are structs to those who want to take them as such. */
static filch_kind class_of(filch_kind kind) {
    return kind == FILCH_KIND_STRING  ? FILCH_KIND_POINTER
           : kind == FILCH_KIND_BYTES ? FILCH_KIND_RECORD
                                      : kind;
}

filch_status filchi_future_check_fit(const char *function, const filch_task_type *type,
                                     size_t value_size, size_t size, filch_kind kind) {
    if (type->result_kind == FILCH_KIND_VOID)
        return filchi_fail(
            FILCH_INVALID,
            "%s: out: task '%s' returns nothing; use filch_join or filch_results_skip", function,
            type->name);
    if (size != value_size ||
        (type->result_kind != FILCH_KIND_UNTYPED && class_of(kind) != class_of(type->result_kind)))
        return filchi_fail(FILCH_INVALID,
                           "%s: out points to %s of %zu bytes, but task '%s' returns %s of %zu "
                           "bytes; pass the address of such a variable",
                           function, kind_name(kind), size, type->name,
                           type->result_kind == FILCH_KIND_UNTYPED ? "a value"
                                                                   : kind_name(type->result_kind),
                           value_size);
    return FILCH_OK;
}

static inline void copy_value(void *out, const void *value, size_t size) {
    if (size == 8)
        memcpy(out, value, 8);
    else if (size == 4)
        memcpy(out, value, 4);
    else
        memcpy(out, value, size);
}

filch_status filch_result_into(filch_future *future, void *out, size_t size, filch_kind kind,
                               double seconds) {
    const char *function = "filch_result";
    if (unlikely(out == NULL))
        return filchi_fail(FILCH_INVALID, "%s: out is NULL; use filch_join for the status alone",
                           function);
    filch_status status = await(function, future, seconds);
    if (status != FILCH_OK)
        return status;
    const filch_task_type *type = future->type;
    if (unlikely(size != future->value_size || type->result_kind != kind)) {
        status = filchi_future_check_fit(function, type, future->value_size, size, kind);
        if (status != FILCH_OK)
            return status;
    }
    status = outcome(future);
    if (status == FILCH_OK)
        copy_value(out, future->value, size);
    return status;
}

filch_status filch_join_timeout(filch_future *future, double seconds) {
    filch_status status = await("filch_join", future, seconds);
    return status == FILCH_OK ? outcome(future) : status;
}

filch_status filch_join(filch_future *future) {
    return filch_join_timeout(future, FILCH_FOREVER);
}

filch_status filch_exception_timeout(filch_future *future, double seconds,
                                     const filch_error **error) {
    if (error == NULL)
        return filchi_fail(FILCH_INVALID, "filch_exception_timeout: error is NULL");
    *error = NULL;
    filch_status status = await("filch_exception", future, seconds);
    if (status != FILCH_OK)
        return status;
    status = outcome(future);
    if (status != FILCH_OK)
        *error = filchi_error_of(future, future_state(future));
    return status;
}

const filch_error *filch_exception(filch_future *future) {
    const filch_error *error;
    (void)filch_exception_timeout(future, FILCH_FOREVER, &error);
    return error;
}
