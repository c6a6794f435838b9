/* future/error.c: making, finding and freeing error records. */
#include "future/error.h"

#include "base/status.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const filch_error no_memory = {
    .status = FILCH_FAILED,
    .message = "the task failed, and there was no memory to keep what it raised",
    .task = "?",
    .where = "",
    .worker = -1,
    .host = "",
    .exit_status = -1,
};

enum { MESSAGE_BYTES = 1024, WHERE_BYTES = 160 };

filch_error *filchi_error_new(struct extents *extents, const char *task, int code, int worker,
                              const char *file, int line, const char *format, va_list list) {
    return filchi_error_new_into(NULL, extents, task, code, worker, file, line, format, list);
}

static void *take(filch_atomic_pointer *made, struct extents *extents, size_t bytes) {
    if (extents == NULL)
        return NULL;
    return made == NULL ? filchi_extent_take(extents, bytes)
                        : filchi_extent_take_into(extents, bytes, made);
}

filch_error *filchi_error_new_into(filch_atomic_pointer *made, struct extents *extents,
                                   const char *task, int code, int worker, const char *file,
                                   int line, const char *format, va_list list) {
    char message[MESSAGE_BYTES], where[WHERE_BYTES];
    int length = vsnprintf(message, sizeof message, format, list);
    if (length < 0)
        message[0] = '\0';
    where[0] = '\0';
    if (file[0] != '\0')
        snprintf(where, sizeof where, "%s:%d", file, line);
    size_t message_bytes = strlen(message) + 1;
    size_t where_bytes = strlen(where) + 1;
    size_t task_bytes = strlen(task) + 1;
    size_t bytes = sizeof(filch_error) + message_bytes + where_bytes + task_bytes;
    filch_error *error = take(made, extents, bytes);
    if (error == NULL) {
        if (made != NULL)
            filch_store_release(made, (void *)(uintptr_t)&no_memory); /* RECORDED */
        return (filch_error *)&no_memory;
    }
    char *text = (char *)(error + 1);
    *error = (filch_error){
        .status = FILCH_FAILED,
        .code = code,
        .message = memcpy(text, message, message_bytes),
        .where = memcpy(text + message_bytes, where, where_bytes),
        .task = memcpy(text + message_bytes + where_bytes, task, task_bytes),
        .worker = worker,
        .pid = getpid(),
        .host = "",
        .exit_status = -1,
    };
    return error;
}

filch_error *filchi_error_without_memory(void) {
    return (filch_error *)&no_memory;
}

void filchi_error_give(struct arena *arena, filch_error *error) {
    if (error != NULL && error != &no_memory)
        filchi_extent_give(arena, error);
}

const char *filchi_future_name(const filch_future *future) {
    const struct future_options *options = future_options(future);
    return options != NULL && options->has_name ? options->name : future->type->name;
}

static bool is_made_on_demand(uint64_t state) {
    return state_phase(state) == FUTURE_CANCELLED || (state & FUTURE_BROKEN) != 0;
}

/* Another process may be the one that frees it: malloc is only for those that have one process. */
static void give_made(const filch_future *future, filch_error *error) {
    if (future_host(future)->is_shared)
        filchi_error_give(future_arena(future), error);
    else
        free(error);
}

void filchi_error_give_from(struct arena *arena, filch_atomic_pointer *where) {
    if (filch_load_relaxed(where) != (void *)&no_memory)
        filchi_extent_give_from(arena, where);
}

static const filch_error *make_on_demand(filch_future *future, uint64_t state) {
    static const filch_error cancelled_without_memory = {.status = FILCH_CANCELLED,
                                                         .message = "cancelled",
                                                         .task = "?",
                                                         .where = "",
                                                         .worker = -1,
                                                         .host = "",
                                                         .exit_status = -1};
    static const filch_error broken_without_memory = {.status = FILCH_BROKEN,
                                                      .message = "the pool broke",
                                                      .task = "?",
                                                      .where = "",
                                                      .worker = -1,
                                                      .host = "",
                                                      .exit_status = -1};
    bool is_broken = (state & FUTURE_BROKEN) != 0;
    struct future_host *host = future_host(future);
    filch_error *error = host->is_shared ? host->take(host, sizeof *error) : malloc(sizeof *error);
    if (error == NULL)
        return is_broken ? &broken_without_memory : &cancelled_without_memory;
    *error = (filch_error){
        .status = is_broken ? FILCH_BROKEN : FILCH_CANCELLED,
        .message = is_broken ? future_host(future)->broken_because
                             : "the task was cancelled before a worker started it",
        .task = filchi_future_name(future),
        .where = "",
        .worker = -1,
        .host = "",
        .exit_status = -1,
    };
    void *none = NULL;
    if (filch_cas_acq_rel(&future->error, &none, (void *)error)) /* ERROR-MADE */
        return error;
    give_made(future, error);
    return none;
}

const filch_error *filchi_error_of(filch_future *future, uint64_t state) {
    const filch_error *error = filch_load_acquire(&future->error); /* ERROR-MADE, OUTCOME */
    return error != NULL ? error : make_on_demand(future, state);
}

void filchi_error_report_unseen(filch_future *future, uint64_t state) {
    if (filch_load_relaxed(&future->looked_at))
        return;
    struct future_host *host = future_host(future);
    if (!host_is_here(host))
        return; /* the parent's to report */
    host->before_report(host);
    if (state & FUTURE_BROKEN) {
        filchi_report("task '%s' was lost and nobody looked at its future: %s",
                      filchi_future_name(future), future_host(future)->broken_because);
        return;
    }
    const filch_error *error = filch_load_relaxed(&future->error);
    filchi_report("task '%s' failed and nobody looked at the error: %s (code %d%s%s)",
                  filchi_future_name(future), error->message, error->code,
                  error->where[0] != '\0' ? ", at " : "", error->where);
}

void filchi_error_free(filch_future *future, uint64_t state) {
    if (is_made_on_demand(state) && !future_host(future)->is_shared)
        free(filch_load_relaxed(&future->error));
    else
        filchi_error_give_from(future_arena(future), &future->error);
}
