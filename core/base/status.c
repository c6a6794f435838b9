/* base/status.c: status names, the thread's last failure, the report hook, failed assertions. */
#include "base/status.h"

#include "base/assert.h"
#include <errno.h>
#include <filch/detail/atomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { MESSAGE_BYTES = 256, REPORT_BYTES = 768 };

static _Thread_local struct {
    filch_status status;
    bool was_read;
    char message[MESSAGE_BYTES];
} last_failure;

static const struct {
    const char *name;
    const char *text;
    int code;
} statuses[] = {
#define STATUS_ROW(name, code, text) {#name, text, code},
    FILCH_STATUS_LIST(STATUS_ROW)
#undef STATUS_ROW
};

static bool is_status(filch_status status) {
    return (size_t)status < sizeof statuses / sizeof statuses[0];
}

const char *filch_status_name(filch_status status) {
    return is_status(status) ? statuses[status].name : "FILCH_?";
}

const char *filch_status_text(filch_status status) {
    return is_status(status) ? statuses[status].text : "not a status of filch";
}

filch_status filch_error_status(void) {
    last_failure.was_read = true;
    return last_failure.status;
}

const char *filch_error_message(void) {
    last_failure.was_read = true;
    return last_failure.message;
}

bool filchi_failure_was_read(void) {
    return last_failure.was_read;
}

filch_status filchi_fail(filch_status status, const char *format, ...) {
    int saved = errno;
    va_list list;
    va_start(list, format);
    vsnprintf(last_failure.message, sizeof last_failure.message, format, list);
    va_end(list);
    last_failure.status = status;
    last_failure.was_read = false;
    errno = status == FILCH_SYSTEM ? saved : statuses[status].code;
    return status;
}

/* The hook and its argument change together: a writer makes `version` odd while it writes them, and
 * a reader that saw it odd or changed reads again. */
static struct {
    filch_atomic_u32 version;
    filch_atomic_pointer fn;
    filch_atomic_pointer arg;
} hook;

typedef void report_fn(const char *line, void *arg);

static report_fn *read_hook(void **arg) {
    for (;;) {
        uint32_t before = filch_load_acquire(&hook.version); /* HOOK-WRITTEN */
        void *fn = filch_load_acquire(&hook.fn);
        *arg = filch_load_acquire(&hook.arg);
        if (before % 2 == 0 && filch_load_relaxed(&hook.version) == before) {
            report_fn *typed;
            *(void **)&typed = fn;
            return typed;
        }
        cpu_relax();
    }
}

void filch_on_report(void (*fn)(const char *line, void *arg), void *arg) {
    uint32_t even;
    do {
        even = filch_load_relaxed(&hook.version) & ~1u;
    } while (!filch_cas_acq_rel(&hook.version, &even, even + 1));
    filch_store_release(&hook.fn, *(void **)&fn);
    filch_store_release(&hook.arg, arg);
    filch_store_release(&hook.version, even + 2); /* HOOK-WRITTEN */
}

void filchi_report(const char *format, ...) {
    int saved = errno;
    char line[REPORT_BYTES];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    void *arg;
    report_fn *fn = read_hook(&arg);
    if (fn != NULL)
        fn(line, arg);
    else
        fprintf(stderr, "filch: %s\n", line);
    errno = saved;
}

void filchi_check_failed(const char *condition, const char *file, int line) {
    fprintf(stderr, "filch: broken invariant at %s:%d: %s\n", file, line, condition);
    abort();
}
