/* Tasks may submit tasks to their own pool and wait for them, with a single worker too: what a task
 * waits for runs on its stack. */
#include <filch/filch.h>
#include <stdio.h>

static long sum(long begin, long end);
FILCH_TASK(long, sum, long, long);

/* The numbers from begin up to but not end, half by half. */
static long sum(long begin, long end) {
    if (end - begin == 1)
        return begin;
    long middle = begin + (end - begin) / 2, left = 0;
    filch_future *half = filch_submit(filch_this_executor(), sum, begin, middle);
    long right = sum(middle, end);
    if (filch_result(half, &left) != FILCH_OK)
        filch_raise(filch_error_status(), "the left half: %s", filch_error_message());
    filch_release(half);
    return left + right;
}

int main(void) {
    for (int workers = 1; workers <= 4; workers *= 2) {
        filch_with (ex, filch_thread_pool(.max_workers = workers)) {
            long value = 0;
            filch_future *future = filch_submit(ex, sum, 0, 10000);
            if (filch_result(future, &value) == FILCH_OK)
                printf("with %d workers: %ld\n", workers, value);
            filch_release(future);
        }
    }
    return 0;
}
