/* A large array, filled once and summed by all workers without a copy: memory that they share. */
#include <filch/filch.h>
#include <stdio.h>

static double sum_part(const double *numbers, size_t begin, size_t end) {
    double sum = 0;
    for (size_t i = begin; i < end; i++)
        sum += numbers[i];
    return sum;
}
FILCH_TASK(double, sum_part, const double *, size_t, size_t);

int main(void) {
    enum { NUMBERS = 4 * 1000 * 1000, PARTS = 16, PART = NUMBERS / PARTS };
    filch_with (ex, filch_process_pool()) {
        double *numbers = filch_shared_alloc(ex, NUMBERS * sizeof *numbers);
        if (numbers == NULL) {
            printf("%s\n", filch_error_message());
            return 1;
        }
        for (size_t i = 0; i < NUMBERS; i++)
            numbers[i] = (double)(i % 1000);

        filch_future *parts[PARTS];
        for (size_t i = 0; i < PARTS; i++)
            parts[i] = filch_submit(ex, sum_part, numbers, i * PART, (i + 1) * PART);
        double sum = 0, part;
        for (size_t i = 0; i < PARTS; i++) {
            if (filch_result(parts[i], &part) == FILCH_OK)
                sum += part;
            filch_release(parts[i]);
        }
        printf("the sum of %d numbers is %.0f\n", NUMBERS, sum);

        double own[2] = {1, 2}; /* not shared: no worker could read it */
        if (filch_submit(ex, sum_part, own, (size_t)0, (size_t)2) == NULL)
            printf("%s\n", filch_error_message());
        filch_shared_free(ex, numbers);
    }
    return 0;
}
