/* A task that crashes costs itself: the others finish, and its future says what happened. */
#include <filch/filch.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static int divide(int dividend, int divisor) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* this one is on purpose */
    if (divisor == 0)
        return raise(SIGFPE); /* as a division does on some machines */
    return dividend / divisor;
}
FILCH_TASK(int, divide, int, int);

int main(void) {
    enum { TASKS = 6 };
    filch_with (ex, filch_process_pool(.max_workers = 2)) {
        filch_future *futures[TASKS];
        for (int i = 0; i < TASKS; i++)
            futures[i] = filch_submit(ex, divide, 60, i);
        for (int i = 0; i < TASKS; i++) {
            int quotient;
            if (filch_result(futures[i], &quotient) == FILCH_OK) {
                printf("60 / %d = %d\n", i, quotient);
            } else {
                const filch_error *error = filch_exception(futures[i]);
                printf("60 / %d: a worker ended by signal %d (%s) in task '%s'\n", i, error->signal,
                       strsignal(error->signal), error->task);
            }
            filch_release(futures[i]);
        }
    }
    return 0;
}
