/* stranger.c: a C program against the installed library. */
#include <filch/filch.h>
#include <stdio.h>

static long twice(long x) {
    return x * 2;
}
FILCH_TASK(long, twice, long);

int main(void) {
    long answer = 0;
    filch_with (ex, filch_thread_pool(.max_workers = 2)) {
        filch_future *f = filch_submit(ex, twice, 21);
        if (filch_result(f, &answer) != FILCH_OK)
            printf("%s\n", filch_error_message());
        filch_release(f);
    } else {
        printf("%s\n", filch_error_message());
    }
    printf("%ld\n", answer);
    return answer == 42 ? 0 : 1;
}
