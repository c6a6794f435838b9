/* Submit calls of an ordinary function, and take their results. */
#include <filch/filch.h>
#include <stdio.h>

static long power(long base, int exponent) {
    long result = 1;
    while (exponent-- > 0)
        result *= base;
    return result;
}
FILCH_TASK(long, power, long, int); /* makes it submittable */

int main(void) {
    filch_with (ex, filch_thread_pool(.max_workers = 4)) {
        filch_future *futures[10];
        for (int i = 0; i < 10; i++)
            futures[i] = filch_submit(ex, power, 2, 10 * i / 3);

        for (int i = 0; i < 10; i++) {
            long value;
            if (filch_result(futures[i], &value) == FILCH_OK)
                printf("2^%d = %ld\n", 10 * i / 3, value);
            filch_release(futures[i]);
        }
    } else {
        printf("no pool: %s\n", filch_error_message());
        return 1;
    }
    return 0;
}
