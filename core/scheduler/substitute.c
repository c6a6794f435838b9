/* scheduler/substitute.c: leaving a seat, taking one, standing by. */
#include "scheduler/substitute.h"

#include "platform/clock.h"
#include "scheduler/slots.h"
#include "scheduler/worker.h"
#include <errno.h>

/* A spare that nobody has needed for so long ends. */
static const uint64_t SPARE_NS = 1000000000;

static void seat(struct worker *worker, uint32_t number) {
    worker->seat = number;
    filch_store_release(&worker->producer.scheduler->seated[number], (void *)worker); /* SAT */
}

/* Sits down on a vacant seat, if there is one. */
static bool sit(struct worker *worker) {
    struct scheduler *scheduler = worker->producer.scheduler;
    struct park *park = &scheduler->park;
    for (;;) {
        bool is_taken;
        int number = filchi_park_claim_vacant(park, worker->last_seat, &is_taken);
        if (number < 0)
            return false;
        if (!is_taken) {
            seat(worker, (uint32_t)number);
            filchi_park_set_taken(park, (uint32_t)number, true); /* SAT */
            (void)park_release(park, (uint32_t)number);          /* whose worker is awake */
            scheduler->operations->move(worker);
            return true;
        }
        /* Somebody sat down and fell asleep, and his sleep bit is cleared: he wakes, and looks. Not counted
         * as searching, for his own token may be stray and come first: he may be busy again. */
        (void)park_release(park, (uint32_t)number); /* the token comes after it */
        struct worker *other = scheduler_seated(scheduler, (uint32_t)number);
        filchi_park_give_token(park, &other->sleep_word);
    }
}

static void drop_absent(struct worker *worker) {
    filchi_slots_drop_absent(worker, filch_load_relaxed(&worker->absence));
}

static void begin_absence(struct worker *worker) {
    filch_fetch_add_seq_cst(&worker->producer.hidden, 1u); /* HIDDEN */
}

static void end_absence(struct worker *worker) {
    filch_fetch_add_seq_cst(&worker->producer.hidden, 1u); /* HIDDEN */
    drop_absent(worker);
}

int filchi_substitute_leave(struct worker *worker) {
    struct scheduler *scheduler = worker->producer.scheduler;
    struct park *park = &scheduler->park;
    if (worker->seat == SEAT_NONE || worker->keeps_seat)
        return 0;
    filchi_worker_is_busy(worker);
    if (!filchi_slots_add_absent(worker)) { /* ABSENT */
        drop_absent(worker);
        return EBUSY;
    }
    begin_absence(worker);
    uint32_t number = worker->last_seat = worker->seat;
    worker->seat = SEAT_NONE;
    filch_store_release(&worker->intent.leaving, number + 1); /* ANNOUNCED */
    filchi_park_set_taken(park, number, false);
    filchi_park_enter(park, number);                  /* ASLEEP */
    filch_store_release(&worker->intent.leaving, 0u); /* ANNOUNCED */
    int error = filchi_scheduler_has_work(scheduler) ? filchi_scheduler_wake_one(scheduler) : 0;
    /* Somebody who sits will come to it. */
    if (error == 0 || park_is_attended(park) || !sit(worker))
        return 0;
    end_absence(worker);
    return error;
}

void filchi_substitute_return(struct worker *worker) {
    if (worker->seat != SEAT_NONE || worker->keeps_seat)
        return;
    if (!worker->is_leaving && sit(worker))
        end_absence(worker);
    else
        worker->producer.scheduler->operations->move(worker);
}

static bool is_stopping(struct scheduler *scheduler) {
    return (filch_load_seq_cst(&scheduler->flags) & SCHEDULER_STOPPING) != 0; /* SPARE */
}

/* A seat for a worker between two tasks; it counts as searching, like one that was woken. */
static bool sit_and_search(struct worker *worker) {
    if (!sit(worker))
        return false;
    worker->is_searching = true;
    filchi_park_begin_search(&worker->producer.scheduler->park, worker->seat);
    return true;
}

/* A spare is to end. Until its slot is free it counts as absent: a spare, or a free slot, is there for
 * each seat. Returns: false if somebody has claimed it, or if too many are absent; in any case its token
 * is to be awaited then. */
static bool begin_retirement(struct worker *worker) {
    struct scheduler *scheduler = worker->producer.scheduler;
    bool is_one_too_many = !filchi_slots_add_absent(worker);
    worker->is_retiring = (!is_one_too_many || is_stopping(scheduler)) &&
                          slots_take(scheduler->spares, worker->number);
    if (!worker->is_retiring)
        drop_absent(worker);
    return worker->is_retiring;
}

/* Outside of a task, with the program's code in it: the worker counts as absent, even if that is one too
 * many, since its callbacks are nobody else's. */
static void serve_mail(struct worker *worker) {
    struct scheduler *scheduler = worker->producer.scheduler;
    if (filch_load_relaxed(&worker->mail) == NULL)
        return;
    bool was_absent = worker->is_retiring;
    if (!was_absent)
        (void)filchi_slots_add_absent(worker);
    begin_absence(worker);
    bool was_spare = slots_take(scheduler->spares, worker->number);
    if (was_spare || worker->is_retiring)
        scheduler->operations->serve_mail(worker);
    if (was_spare)
        slots_add(scheduler->spares, worker->number);      /* SPARE */
    filch_fetch_add_seq_cst(&worker->producer.hidden, 1u); /* HIDDEN */
    if (!was_absent)
        drop_absent(worker);
}

/* A token has come to a spare. Returns: what it was given; SEAT_NONE if it is a spare as before, and the
 * token was stray. */
static uint32_t await_given(struct worker *worker) {
    struct scheduler *scheduler = worker->producer.scheduler;
    for (;;) {
        uint32_t given = filch_load_acquire(&worker->given); /* GIVEN */
        if (given != SEAT_NONE || slots_has(scheduler->spares, worker->number))
            return given;
        /* Somebody has claimed it, and is about to say for what. Or he has died. */
        if (claims_is_free(&scheduler->slot_claims, worker->number) &&
            filch_load_acquire(&worker->given) == SEAT_NONE) { /* GIVEN */
            slots_add(scheduler->spares, worker->number);      /* SPARE */
            return SEAT_NONE;
        }
        (void)filchi_park_await_token(&scheduler->park, &worker->sleep_word, FILCHI_NEVER);
    }
}

static void become_spare(struct worker *worker) {
    worker->is_searching = false;
    filch_store_relaxed(&worker->given, SEAT_NONE);
    filch_store_release(&worker->is_spare, 1u);
    slots_add(worker->producer.scheduler->spares, worker->number); /* SPARE */
}

/* Returns: false if the spare is to end. */
static bool await_seat(struct worker *worker) {
    struct scheduler *scheduler = worker->producer.scheduler;
    for (;;) {
        bool has_token = !is_stopping(scheduler) &&
                         filchi_park_await_token(&scheduler->park, &worker->sleep_word,
                                                 filchi_clock_ns() + SPARE_NS);
        if (!has_token) {
            if (begin_retirement(worker))
                return false;
            (void)filchi_park_await_token(&scheduler->park, &worker->sleep_word, FILCHI_NEVER);
        }
        uint32_t given = await_given(worker);
        if (given == SEAT_NONE) {
            serve_mail(worker);
        } else if (given == SEAT_END) {
            become_spare(worker);
        } else {
            worker->seat = given;
            worker->is_searching = true; /* the waker set the bit */
            scheduler->operations->move(worker);
            return true;
        }
    }
}

bool filchi_substitute_stand_by(struct worker *worker) {
    struct scheduler *scheduler = worker->producer.scheduler;
    if (worker->is_leaving) {
        worker->is_retiring = true;                            /* and goes on counting as absent */
        filch_fetch_add_seq_cst(&worker->producer.hidden, 1u); /* HIDDEN */
    } else {
        if (sit_and_search(worker)) {
            end_absence(worker);
            return true;
        }
        become_spare(worker);
        end_absence(worker); /* not before: a spare, or a free slot, is there for each seat */
        bool has_seat = await_seat(worker);
        filch_store_release(&worker->is_spare, 0u);
        if (has_seat)
            return true;
    }
    serve_mail(worker);
    while (worker_expects_mail(worker)) {
        (void)filchi_park_await_token(&scheduler->park, &worker->sleep_word,
                                      FILCHI_NEVER); /* MAIL */
        serve_mail(worker);
    }
    filch_store_relaxed(&worker->sleep_word, (uint32_t)SLEEP_WORD_EMPTY);
    /* Who wanted to leave may have gone to sleep because of this one's absence. */
    if (is_stopping(scheduler))
        filchi_scheduler_wake_seated(scheduler);
    return false;
}

static struct worker *claim_spare(struct scheduler *scheduler) {
    int slot = filchi_slots_claim(scheduler, scheduler->spares); /* SPARE */
    return slot < 0 ? NULL : scheduler_worker(scheduler, (uint32_t)slot);
}

/* To a spare that was claimed. */
static void give(struct worker *spare, uint32_t what) {
    struct scheduler *scheduler = spare->producer.scheduler;
    filch_store_release(&spare->given, what); /* GIVEN: last */
    filchi_park_give_token(&scheduler->park, &spare->sleep_word);
    slots_let_go(scheduler, spare->number);
}

/* Starts a worker in a free slot, for the seat. */
static int start(struct scheduler *scheduler, uint32_t number) {
    int slot = filchi_slots_claim(scheduler, scheduler->free_slots); /* SLOT-FREE */
    if (slot < 0)
        return EAGAIN;
    struct worker *worker = filchi_worker_make(scheduler, (uint32_t)slot, number);
    int error = ENOMEM;
    if (worker != NULL) {
        worker->is_leaving = false;
        seat(worker, number);
        error = scheduler->operations->start(worker);
    }
    if (error != 0)
        slots_add(scheduler->free_slots, (uint32_t)slot);
    slots_let_go(scheduler, (uint32_t)slot);
    return error;
}

int filchi_substitute_fill(struct scheduler *scheduler, uint32_t number) {
    struct worker *spare = claim_spare(scheduler);
    int error = spare == NULL ? start(scheduler, number) : 0;
    if (error != 0)
        spare = claim_spare(scheduler); /* one may have come meanwhile */
    if (spare == NULL)
        return error;
    filch_store_release(&scheduler->seated[number], (void *)spare); /* SAT */
    filchi_park_set_taken(&scheduler->park, number, true);          /* SAT */
    give(spare, number);
    return 0;
}

void filchi_substitute_wake_spares(struct scheduler *scheduler) {
    for (struct worker *spare; (spare = claim_spare(scheduler)) != NULL;) {
        give(spare, SEAT_END);
    }
}

void filchi_substitute_free_slot(struct worker *worker) {
    struct scheduler *scheduler = worker->producer.scheduler;
    bool is_retiring = worker->is_retiring; /* not its own any more once its slot is free */
    uint32_t absence = filch_load_relaxed(&worker->absence);
    bool is_held = filchi_claims_has(&scheduler->slot_claims, worker->number); /* see recover.h */
    worker->is_retiring = false;
    slots_add(scheduler->free_slots, worker->number); /* SLOT-FREE */
    if (is_held)
        slots_let_go(scheduler, worker->number);
    if (is_retiring)
        filchi_slots_drop_absent(worker, absence);
}
