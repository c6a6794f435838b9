/* Take results in the order in which the tasks end, not in which they were submitted. */
#include <filch/filch.h>
#include <semaphore.h>
#include <stdio.h>

/* The runners cross the line one after the other, whichever starts first. */
static const char *run(const char *name, sem_t *turn) {
    sem_wait(turn);
    return name;
}
FILCH_TASK(const char *, run, const char *, sem_t *);

int main(void) {
    filch_with (ex, filch_thread_pool(.max_workers = 4)) {
        sem_t *turns = filch_shared_alloc(ex, 4 * sizeof *turns); /* threads and processes see it */
        for (int i = 0; i < 4; i++)
            sem_init(&turns[i], 1, i == 0);
        filch_future *futures[] = {
            filch_submit(ex, run, "tortoise", &turns[3]),
            filch_submit(ex, run, "hare", &turns[1]),
            filch_submit(ex, run, "fox", &turns[2]),
            filch_submit(ex, run, "hedgehog", &turns[0]),
        };
        filch_completed *completed = filch_as_completed(futures, 4);
        int place = 0;
        for (filch_future *f; filch_completed_next(completed, &f, FILCH_FOREVER) == FILCH_OK;) {
            const char *name;
            if (filch_result(f, &name) == FILCH_OK)
                printf("%d. %s\n", ++place, name);
            filch_release(f);
            if (place < 4)
                sem_post(&turns[place]);
        }
        filch_completed_close(completed);
        filch_shared_free(ex, turns);
    }
    return 0;
}
