/* report.c: what is said of an execution: why it failed, what each thread did, of what memory. */
#include "explorer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NAMES = 64, DEAD = 16 };

struct range {
    const char *start;
    size_t bytes;
    const char *name;
};

static struct report {
    char failure[512];
    struct range names[NAMES], dead[DEAD];
    int n_names;
} * report;

void report_init(void) {
    report = model_private(sizeof *report);
}

void report_forget(void) {
    report->n_names = 0;
}

const char *report_failure(void) {
    return report->failure;
}

_Noreturn void model_fail(const char *format, ...) {
    va_list list;
    va_start(list, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): va_start is two lines above. */
    vsnprintf(report->failure, sizeof report->failure, format, list);
    va_end(list);
    search_end(FAILED);
}

/* `where` NULL: goes on with the line before. */
void trace(const char *where, const char *format, ...) {
    if (!explorer->is_tracing)
        return;
    va_list list;
    va_start(list, format);
    if (where != NULL)
        printf("\n%4u  %-*s%-12s %-28s ", explorer->n_steps,
               (int)(explorer->current - explorer->threads) * 2, "", explorer->current->name,
               where);
    else
        putchar(' ');
    vprintf(format, list); /* NOLINT(clang-analyzer-valist.Uninitialized): va_start is above */
    va_end(list);
}

const char *describe(const void *address) {
    static char text[80];
    for (int i = report->n_names - 1; i >= 0; i--) { /* the last name is the most precise */
        size_t at = (size_t)((const char *)address - report->names[i].start);
        if (at < report->names[i].bytes) {
            snprintf(text, sizeof text, at == 0 ? "%s" : "%s+%zu", report->names[i].name, at);
            return text;
        }
    }
    snprintf(text, sizeof text, "%p", address);
    return text;
}

void model_name(const void *start, size_t bytes, const char *name) {
    if (report->n_names < NAMES)
        report->names[report->n_names++] = (struct range){start, bytes, name};
}

void model_dead(void *start, size_t bytes) {
    if (explorer->n_dead == DEAD)
        model_fail("more than %d ranges are dead", DEAD);
    report->dead[explorer->n_dead++] = (struct range){start, bytes, NULL};
}

void check_alive(const void *address) {
    for (int i = 0; i < explorer->n_dead; i++)
        if ((size_t)((const char *)address - report->dead[i].start) < report->dead[i].bytes)
            model_fail("%s uses %s, which is free", explorer->current->name, describe(address));
}
