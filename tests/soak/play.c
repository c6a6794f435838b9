/* play.c: which operation is next, and what excuses an outcome. */
#include "play.h"

#include <signal.h>

void play_excuse(struct play *play, filch_status status, const filch_error *error) {
    bool is_ending = atomic_load(play->is_ending);
    bool is_right = false;
    switch (status) {
    case FILCH_CANCELLED:
    case FILCH_BROKEN:
    case FILCH_SHUTDOWN:
        is_right = is_ending;
        break;
    case FILCH_FAILED:
        is_right = error != NULL && error->signal == SIGKILL && (play->is_deadly || is_ending);
        break;
    default:
        break;
    }
    STRESS_CHECK_MSG(is_right, "%s in a pool that %s and %s: %s", filch_status_name(status),
                     play->is_deadly ? "loses workers" : "loses no worker",
                     is_ending ? "is ended" : "is not ended",
                     error != NULL ? error->message : filch_error_message());
    play->n_lost++;
}

bool play_accepts(struct play *play, const filch_future *future) {
    if (future == NULL)
        play_excuse(play, filch_error_status(), NULL);
    return future != NULL;
}

bool play_succeeds(struct play *play, filch_future *future) {
    if (!play_accepts(play, future))
        return false;
    const filch_error *error = NULL;
    filch_status status = filch_exception_timeout(future, FILCH_FOREVER, &error);
    if (status != FILCH_OK)
        play_excuse(play, status, error);
    return status == FILCH_OK;
}

void play_release(struct play *play, filch_future *future) {
    if (future == NULL || play_below(play, 8) != 0) {
        filch_release(future);
        return;
    }
    uint32_t at = play_below(play, KEPT);
    filch_release(play->kept[at]);
    play->kept[at] = future;
}

void play_forget(struct play *play) {
    for (int i = 0; i < KEPT; i++) {
        filch_release(play->kept[i]);
        play->kept[i] = NULL;
    }
}

static size_t count(const struct operation *operations) {
    size_t n = 0;
    while (operations[n].name != NULL)
        n++;
    return n;
}

static const struct operation *draw(struct play *play) {
    const struct operation *lists[] = {operations_of_one, operations_of_many, operations_of_tasks};
    const struct operation *list = lists[play_below(play, 3)];
    return &list[play_below(play, (uint32_t)count(list))];
}

void play_some(struct play *play, int n) {
    for (int i = 0; i < n; i++) {
        draw(play)->run(play);
        play->n_operations++;
    }
}
