/* A progress bar over as_completed: one line that is redrawn on a terminal, lines elsewhere. */
#include <filch/filch.h>
#include <stdio.h>
#include <unistd.h>

/* The number of steps after which 3n + 1 reaches 1, the most below a limit. */
static int longest_below(int limit) {
    int longest = 0;
    for (int start = 1; start < limit; start++) {
        int steps = 0;
        for (long n = start; n != 1; steps++)
            n = n % 2 == 0 ? n / 2 : 3 * n + 1;
        longest = steps > longest ? steps : longest;
    }
    return longest;
}
FILCH_TASK(int, longest_below, int);

static void draw(int done, int all) {
    enum { WIDTH = 24 };
    int filled = done * WIDTH / all;
    printf("%s[%.*s%*s] %d/%d%s", isatty(STDOUT_FILENO) ? "\r" : "", filled,
           "########################", WIDTH - filled, "", done, all,
           isatty(STDOUT_FILENO) && done < all ? "" : "\n");
    fflush(stdout);
}

int main(void) {
    enum { TASKS = 8 };
    int longest = 0;
    filch_with (ex, filch_thread_pool()) {
        filch_future *futures[TASKS];
        for (int i = 0; i < TASKS; i++)
            futures[i] = filch_submit(ex, longest_below, 1000 * (TASKS - i));

        filch_completed *completed = filch_as_completed(futures, TASKS);
        int done = 0, steps;
        draw(done, TASKS);
        for (filch_future *f; filch_completed_next(completed, &f, FILCH_FOREVER) == FILCH_OK;) {
            if (filch_result(f, &steps) == FILCH_OK && steps > longest)
                longest = steps;
            filch_release(f);
            draw(++done, TASKS);
        }
        filch_completed_close(completed);
    }
    printf("the longest has %d steps\n", longest);
    return 0;
}
