/* scheduler/substitute.c: leaving a seat, taking one, standing by. */
#include "scheduler/substitute.h"

#include "platform/clock.h"
#include "scheduler/worker.h"
#include <errno.h>

/* A spare that nobody has needed for so long ends. */
static const uint64_t SPARE_NS = 1000000000;

/* Claims the lowest of a set of slots. Returns: its number, or -1 if there is none. */
static int claim_slot(filch_atomic_u64 *words) {
    for (uint32_t i = 0; i < SLOT_WORDS; i++) {
        uint64_t slots = filch_load_seq_cst(&words[i]); /* SPARE */
        while (slots != 0) {
            int at = __builtin_ctzll(slots);
            uint64_t bit = (uint64_t)1 << at;
            slots = filch_fetch_and_seq_cst(&words[i], ~bit); /* SPARE, SLOT-FREE */
            if (slots & bit)
                return (int)(i * 64) + at;
        }
    }
    return -1;
}

static void add_slot(filch_atomic_u64 *words, uint32_t slot) {
    filch_fetch_or_seq_cst(&words[slot / 64], (uint64_t)1 << (slot % 64)); /* SPARE, SLOT-FREE */
}

/* Returns: false if somebody else was faster. */
static bool take_slot(filch_atomic_u64 *words, uint32_t slot) {
    uint64_t bit = (uint64_t)1 << (slot % 64);
    return (filch_fetch_and_seq_cst(&words[slot / 64], ~bit) & bit) != 0; /* SPARE */
}

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
            scheduler->operations->move(worker);
            return true;
        }
        /* Somebody who sat down and fell asleep was woken by this claim. */
        filchi_park_begin_search(park, (uint32_t)number);
        struct worker *other = scheduler_seated(scheduler, (uint32_t)number);
        filchi_park_give_token(park, &other->sleep_word);
    }
}

static void begin_absence(struct worker *worker) {
    filch_fetch_add_seq_cst(&worker->producer.hidden, 1u); /* HIDDEN */
}

static void end_absence(struct worker *worker) {
    filch_fetch_add_seq_cst(&worker->producer.hidden, 1u);              /* HIDDEN */
    filch_fetch_sub_acq_rel(&worker->producer.scheduler->n_absent, 1u); /* ABSENT */
}

int filchi_substitute_leave(struct worker *worker) {
    struct scheduler *scheduler = worker->producer.scheduler;
    struct park *park = &scheduler->park;
    if (worker->seat == SEAT_NONE || worker->keeps_seat)
        return 0;
    filchi_worker_is_busy(worker);
    if (filch_fetch_add_acq_rel(&scheduler->n_absent, 1u) >= SUBSTITUTES) { /* ABSENT */
        filch_fetch_sub_acq_rel(&scheduler->n_absent, 1u);                  /* ABSENT */
        return EBUSY;
    }
    begin_absence(worker);
    uint32_t number = worker->last_seat = worker->seat;
    worker->seat = SEAT_NONE;
    filchi_park_set_taken(park, number, false);
    filchi_park_enter(park, number); /* ASLEEP */
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
    if (sit(worker))
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
    bool is_one_too_many = filch_fetch_add_acq_rel(&scheduler->n_absent, 1u) >= SUBSTITUTES;
    worker->is_retiring = (!is_one_too_many || is_stopping(scheduler)) &&
                          take_slot(scheduler->spares, worker->number);
    if (!worker->is_retiring)
        filch_fetch_sub_acq_rel(&scheduler->n_absent, 1u); /* ABSENT */
    return worker->is_retiring;
}

bool filchi_substitute_stand_by(struct worker *worker) {
    struct scheduler *scheduler = worker->producer.scheduler;
    if (sit_and_search(worker)) {
        end_absence(worker);
        return true;
    }
    for (bool is_first = true;; is_first = false) {
        worker->is_searching = false;
        add_slot(scheduler->spares, worker->number); /* SPARE */
        if (is_first)
            end_absence(worker); /* not before: a spare, or a free slot, is there for each seat */
        bool has_token = !is_stopping(scheduler) &&
                         filchi_park_await_token(&scheduler->park, &worker->sleep_word,
                                                 filchi_clock_ns() + SPARE_NS);
        if (!has_token) {
            if (begin_retirement(worker))
                break;
            (void)filchi_park_await_token(&scheduler->park, &worker->sleep_word, FILCHI_NEVER);
        }
        if (worker->seat != SEAT_NONE) {
            worker->is_searching = true; /* the waker set the bit */
            scheduler->operations->move(worker);
            return true;
        }
    }
    filch_store_relaxed(&worker->sleep_word, (uint32_t)SLEEP_WORD_EMPTY);
    /* Who wanted to leave may have gone to sleep because of this one's absence. */
    if (is_stopping(scheduler))
        filchi_scheduler_wake_seated(scheduler);
    return false;
}

static struct worker *claim_spare(struct scheduler *scheduler) {
    int slot = claim_slot(scheduler->spares); /* SPARE */
    return slot < 0 ? NULL : scheduler_worker(scheduler, (uint32_t)slot);
}

/* Starts a worker in a free slot, for the seat. */
static int start(struct scheduler *scheduler, uint32_t number) {
    int slot = claim_slot(scheduler->free_slots); /* SLOT-FREE */
    if (slot < 0)
        return EAGAIN;
    struct worker *worker = filchi_worker_make(scheduler, (uint32_t)slot, number);
    int error = ENOMEM;
    if (worker != NULL) {
        seat(worker, number);
        error = scheduler->operations->start(worker);
    }
    if (error != 0)
        add_slot(scheduler->free_slots, (uint32_t)slot);
    return error;
}

int filchi_substitute_fill(struct scheduler *scheduler, uint32_t number) {
    struct worker *spare = claim_spare(scheduler);
    int error = spare == NULL ? start(scheduler, number) : 0;
    if (error != 0)
        spare = claim_spare(scheduler); /* one may have come meanwhile */
    if (spare == NULL)
        return error;
    seat(spare, number);
    filchi_park_set_taken(&scheduler->park, number, true); /* SAT */
    filchi_park_give_token(&scheduler->park, &spare->sleep_word);
    return 0;
}

void filchi_substitute_wake_spares(struct scheduler *scheduler) {
    for (struct worker *spare; (spare = claim_spare(scheduler)) != NULL;)
        filchi_park_give_token(&scheduler->park, &spare->sleep_word);
}

void filchi_substitute_free_slot(struct worker *worker) {
    struct scheduler *scheduler = worker->producer.scheduler;
    bool is_retiring = worker->is_retiring; /* not its own any more once its slot is free */
    worker->is_retiring = false;
    add_slot(scheduler->free_slots, worker->number); /* SLOT-FREE */
    if (is_retiring)
        filch_fetch_sub_acq_rel(&scheduler->n_absent, 1u); /* ABSENT */
}
