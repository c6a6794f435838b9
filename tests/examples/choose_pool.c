/* The kind of pool is one line of a program; nothing else changes.
 *
 *     choose_pool [KIND [WORKERS]] */
#include <filch/filch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static filch_executor *open_pool(const char *kind, int workers) {
    if (strcmp(kind, "thread") == 0)
        return filch_thread_pool(.max_workers = workers);
    if (strcmp(kind, "process") == 0)
        return filch_process_pool(.max_workers = workers);
    return NULL;
}

/* How many of the numbers below n are prime, the slow way. */
static int count_primes(int n) {
    int count = 0;
    for (int candidate = 2; candidate < n; candidate++) {
        int divisor = 2;
        while (divisor < candidate && candidate % divisor != 0)
            divisor++;
        count += divisor == candidate;
    }
    return count;
}
FILCH_TASK(int, count_primes, int);

int main(int argc, char **argv) {
    const char *kind = argc > 1 ? argv[1] : "thread";
    int workers = argc > 2 ? atoi(argv[2]) : 0; /* 0: one per core */
    static const int limits[] = {10, 100, 1000, 2000, 3000};

    filch_with (ex, open_pool(kind, workers)) {
        filch_results *results = filch_map(ex, count_primes, limits, 5);
        for (int count; filch_results_next(results, &count) == FILCH_OK;)
            printf("%d primes below %d\n", count, limits[filch_results_index(results)]);
        filch_results_close(results);
    } else {
        printf("no pool of the kind %s: %s\n", kind, filch_error_message());
        return 1;
    }
    return 0;
}
