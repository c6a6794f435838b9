/* An error in a task: raised at any depth, inspected in its future, met again in an iteration. */
#include <errno.h>
#include <filch/filch.h>
#include <stdio.h>
#include <string.h>

static int checked(int x) {
    if (x < 0)
        return filch_raise(EDOM, "no square root of %d", x); /* fails the running task */
    return x;
}

static int square_root(int x) {
    int root = 0;
    for (int wanted = checked(x); (root + 1) * (root + 1) <= wanted;)
        root++;
    return root;
}
FILCH_TASK(int, square_root, int);

int main(void) {
    filch_with (ex, filch_thread_pool(.max_workers = 2)) {
        filch_future *future = filch_submit(ex, square_root, -16);

        int root = -1;
        filch_status status = filch_result(future, &root);
        printf("result: %s (%s), and root is still %d\n", filch_status_name(status),
               filch_status_text(status), root);

        const filch_error *error = filch_exception(future);
        const char *file = strrchr(error->where, '/');
        printf("exception: %s\n", error->message);
        printf("  code %d (%s)\n", error->code, error->code == EDOM ? "EDOM" : "another");
        printf("  in the task %s, raised at %s\n", error->task,
               file == NULL ? error->where : file + 1);
        filch_release(future);

        /* In a map it costs its item; the others are there. */
        static const int numbers[] = {16, -25, 36, -49, 64};
        filch_results *results = filch_map(ex, square_root, numbers, 5, .chunksize = 2);
        while ((status = filch_results_next(results, &root)) == FILCH_OK ||
               status == FILCH_FAILED) {
            int number = numbers[filch_results_index(results)];
            if (status == FILCH_OK)
                printf("%d: %d\n", number, root);
            else
                printf("%d: failed, %s\n", number, filch_results_exception(results)->message);
        }
        printf("then %s\n", filch_status_name(status));
        filch_results_close(results);
    }
    return 0;
}
