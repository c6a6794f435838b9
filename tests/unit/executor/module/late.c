/* late.c: a module that test_modules.c loads: one task, and a function. */
#include <filch/task.h>

static long thrice(long x) {
    return 3 * x;
}
FILCH_TASK(long, thrice, long);

/* What the test finds by name. */
__attribute__((visibility("default"))) extern const filch_task_type *const late_type;
const filch_task_type *const late_type = &filch_fn_type_thrice;

__attribute__((visibility("default"))) void late_body(size_t begin, size_t end, void *arg);
void late_body(size_t begin, size_t end, void *arg) {
    (void)begin;
    (void)end;
    (void)arg;
}
