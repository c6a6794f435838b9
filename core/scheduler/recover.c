/* scheduler/recover.c: queues, then claims, then seats, then who may have missed a token. */
#include "scheduler/recover.h"

#include "scheduler/slots.h"
#include "scheduler/substitute.h"
#include "scheduler/worker.h"

static uint32_t tag_of(const struct worker *dead) {
    return dead->number + 1;
}

/* ---- what was queued, or in its hands ---- */

/* Returns: false without memory. */
static bool queue_again(struct producer *own, uint64_t entry) {
    struct scheduler *scheduler = own->scheduler;
    if (entry == 0 || !scheduler->operations->is_live(scheduler, entry))
        return true;
    return producer_push(own, entry) ||
           (filchi_producer_make_room(own) && producer_push(own, entry));
}

/* What was out of sight is somewhere in the ring: who takes his entries out, and puts them back, writes
 * over none that he has not put back yet. */
static bool queue_ring_again(struct producer *own, const struct deque *deque) {
    const struct ring *ring = filch_load_acquire(&deque->ring);
    bool is_well = true;
    for (uint64_t i = 0; i <= ring->mask; i++)
        is_well &= queue_again(own, filch_load_relaxed(&ring->slots[i]));
    return is_well;
}

static bool is_hidden(const struct producer *producer) {
    return filch_load_relaxed(&producer->hidden) % 2 != 0;
}

/* After what was hidden is queued. */
static void show(struct producer *producer) {
    if (is_hidden(producer))
        filch_fetch_add_seq_cst(&producer->hidden, 1u); /* HIDDEN */
}

/* A pop lowers the bottom before it knows that it has taken something: the entry in that slot may be the
 * dead one's, and a bottom below the top is none. */
static bool recover_popped(struct producer *own, struct deque *deque) {
    uint64_t bottom = filch_load_relaxed(&deque->bottom);
    uint64_t top = filch_load_seq_cst(&deque->top);
    const struct ring *ring = filch_load_acquire(&deque->ring);
    bool is_well = queue_again(own, filch_load_relaxed(&ring->slots[bottom & ring->mask]));
    if ((int64_t)(bottom - top) < 0)
        filch_store_release(&deque->bottom, top); /* PUSHED */
    deque->top_seen = top;
    return is_well;
}

static bool recover_queues(struct worker *dead, struct producer *own) {
    struct producer *producer = &dead->producer;
    bool is_well = recover_popped(own, &producer->deque);
    for (size_t i = 0; i < INTENT_ENTRIES; i++)
        is_well &= queue_again(own, dead->intent.entries[i]);
    if (is_hidden(producer))
        is_well &= queue_ring_again(own, &producer->deque);
    return is_well;
}

/* Those of its process's other threads. */
static bool recover_producers(struct worker *dead, struct producer *own) {
    bool is_well = true;
    struct producer *p = filch_load_acquire(&own->scheduler->outside); /* PRODUCER-MADE */
    for (; p != NULL; p = p->next) {
        if (p->process != tag_of(dead) || filch_load_acquire(&p->in_use) == 0)
            continue;
        if (is_hidden(p) && !queue_ring_again(own, &p->deque)) {
            is_well = false;
            continue;
        }
        show(p);
        filchi_scheduler_part(p);
    }
    return is_well;
}

/* ---- seats ---- */

static void make_vacant(struct scheduler *scheduler, uint32_t seat) {
    filchi_park_set_taken(&scheduler->park, seat, false);
    filchi_park_enter(&scheduler->park, seat); /* ASLEEP */
}

void filchi_scheduler_vacate(struct worker *worker) {
    struct scheduler *scheduler = worker->producer.scheduler;
    uint32_t seat = worker->seat;
    worker->seat = SEAT_NONE;
    make_vacant(scheduler, seat);
    filchi_scheduler_wake_seated(scheduler);
}

/* Is somebody alive just leaving this seat? */
static bool is_being_left(const struct worker *dead, uint32_t seat) {
    const struct scheduler *scheduler = dead->producer.scheduler;
    for (uint32_t i = 0, n = scheduler_n_made(scheduler); i < n; i++) {
        const struct worker *worker = scheduler_worker(scheduler, i);
        if (worker != NULL && worker != dead &&
            filch_load_acquire(&worker->intent.leaving) == seat + 1) /* ANNOUNCED */
            return true;
    }
    return false;
}

/* A seat that the caller has the claim of: nobody sits down there meanwhile. If it is vacant, and nobody
 * will say so, it is said here. Returns: false if somebody is about to leave it. */
static bool mend_seat(const struct worker *dead, uint32_t seat) {
    struct scheduler *scheduler = dead->producer.scheduler;
    if (park_is_taken(&scheduler->park, seat) || park_is_asleep(&scheduler->park, seat))
        return true;
    if (is_being_left(dead, seat))
        return false;
    filchi_park_enter(&scheduler->park, seat); /* ASLEEP */
    return true;
}

/* Of a slot that was claimed for it. */
static void undo_start(struct worker *worker) {
    struct scheduler *scheduler = worker->producer.scheduler;
    if (scheduler->operations->undo_start != NULL)
        scheduler->operations->undo_start(worker);
    slots_add(scheduler->free_slots, worker->number); /* SLOT-FREE */
}

/* Somebody was found for a seat, and perhaps does not know yet. */
static void mend_filling(const struct worker *dead, uint32_t seat) {
    struct scheduler *scheduler = dead->producer.scheduler;
    struct worker *worker = scheduler_seated(scheduler, seat);
    if (!filchi_claims_inherit(&scheduler->slot_claims, worker->number, tag_of(dead)))
        return;
    if (filch_load_acquire(&worker->is_spare) != 0) {
        if (filch_load_relaxed(&worker->given) == SEAT_NONE)
            filch_store_release(&worker->given, seat); /* GIVEN */
    } else if (!scheduler->operations->has_started(worker)) {
        make_vacant(scheduler, seat);
        undo_start(worker);
    }
    slots_let_go(scheduler, worker->number);
}

/* Those that are left for the next call stay the reaper's. */
static bool recover_claimed_seats(const struct worker *dead) {
    struct scheduler *scheduler = dead->producer.scheduler;
    struct claims *claims = &scheduler->park.claims;
    bool is_well = true;
    for (uint32_t seat = 0; seat < scheduler->n_seats; seat++) {
        if (!filchi_claims_inherit(claims, seat, tag_of(dead)) && !filchi_claims_has(claims, seat))
            continue;
        if (park_is_taken(&scheduler->park, seat) && scheduler_seated(scheduler, seat) != dead)
            mend_filling(dead, seat);
        if (mend_seat(dead, seat))
            (void)park_release(&scheduler->park, seat);
        else
            is_well = false;
    }
    return is_well;
}

/* A slot that it has claimed, and whose worker it has brought to no seat, or who has left that again. */
static void recover_claimed_slots(const struct worker *dead) {
    struct scheduler *scheduler = dead->producer.scheduler;
    for (uint32_t slot = 0; slot < scheduler->n_slots; slot++) {
        if (!filchi_claims_inherit(&scheduler->slot_claims, slot, tag_of(dead)))
            continue;
        struct worker *worker = scheduler_worker(scheduler, slot);
        if (worker == NULL)
            slots_add(scheduler->free_slots, slot); /* SLOT-FREE */
        else if (!scheduler->operations->has_started(worker))
            undo_start(worker);
        slots_let_go(scheduler, slot); /* a spare finds that nobody has it, when it is roused */
    }
}

/* Where it sat, or was leaving. */
static bool recover_seat(struct worker *dead) {
    struct scheduler *scheduler = dead->producer.scheduler;
    for (uint32_t seat = 0; seat < scheduler->n_seats; seat++)
        if (park_is_taken(&scheduler->park, seat) && scheduler_seated(scheduler, seat) == dead)
            make_vacant(scheduler, seat);
    dead->seat = SEAT_NONE;
    uint32_t leaving = filch_load_relaxed(&dead->intent.leaving);
    if (leaving == 0)
        return true;
    if (!claims_take(&scheduler->park.claims, leaving - 1))
        return false; /* the reaper may have it itself: then it is left for the next call anyhow */
    bool is_well = mend_seat(dead, leaving - 1);
    (void)park_release(&scheduler->park, leaving - 1);
    if (is_well)
        filch_store_relaxed(&dead->intent.leaving, 0u);
    return is_well;
}

/* Nobody claims it any more as a spare. Returns: false if somebody has, who will find a seat for it. */
static bool withdraw_spare(struct worker *dead) {
    struct scheduler *scheduler = dead->producer.scheduler;
    if (!filchi_claims_has(&scheduler->slot_claims, dead->number) &&
        !claims_take(&scheduler->slot_claims, dead->number))
        return false;
    (void)slots_take(scheduler->spares, dead->number);
    filch_store_relaxed(&dead->is_spare, 0u);
    return true;
}

/* ---- who may wait for it ---- */

static void rouse_all(struct scheduler *scheduler) {
    filchi_park_forget_searchers(&scheduler->park);
    for (uint32_t i = 0, n = scheduler_n_made(scheduler); i < n; i++) {
        struct worker *worker = scheduler_worker(scheduler, i);
        if (worker != NULL)
            filchi_park_rouse(&scheduler->park, &worker->sleep_word);
    }
    uint32_t flags = scheduler_flags(scheduler);
    if (flags != 0)
        filchi_scheduler_set_flag(scheduler, flags);
    filchi_scheduler_look(scheduler);
}

static void forget(struct worker *dead) {
    filch_store_seq_cst(&dead->is_initialising, 0u);
    filch_store_relaxed(&dead->given, SEAT_NONE);
    filch_store_relaxed(&dead->sleep_word, (uint32_t)SLEEP_WORD_EMPTY);
    for (size_t i = 0; i < INTENT_ENTRIES; i++)
        dead->intent.entries[i] = 0;
    dead->is_searching = dead->keeps_seat = dead->is_leaving = false;
    dead->lucky = NULL;
    dead->next_outside = NULL;
    dead->is_retiring = true; /* it counts as absent until its slot is free */
    if (filch_load_relaxed(&dead->absence) == 0)
        (void)filchi_slots_add_absent(dead);
    show(&dead->producer);
}

bool filchi_scheduler_recover(struct worker *dead, struct producer *own) {
    struct scheduler *scheduler = dead->producer.scheduler;
    bool is_well = recover_queues(dead, own);
    is_well &= recover_producers(dead, own);
    is_well &= recover_claimed_seats(dead);
    recover_claimed_slots(dead);
    is_well &= withdraw_spare(dead);
    is_well &= recover_seat(dead);
    if (is_well)
        forget(dead);
    rouse_all(scheduler);
    return is_well;
}
