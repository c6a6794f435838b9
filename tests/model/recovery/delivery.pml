/* delivery.pml: deaths of worker processes between a task's outcome and the end of its future.
 *
 * Worker 0 has run a task, whose future somebody else watches: by a consumer, by a callback, or not at all.
 * It makes the outcome known, tells consumers, and delivers, or leaves that to the notifier N, which may
 * send it on by mail to the worker that has the handles. At most KILLS times a worker dies between any two
 * steps; the reaper R recovers it. The pieces:
 *
 *   settle_elsewhere, deliver_but_callbacks,    future/future.c
 *   destroy_elsewhere, deliver, destroy
 *   fire_consumer, close_chain                  future/subscribers.c
 *   push, mail, deliver_block, deliver_rest     executor/process_pool/notifier.c
 *   see_to_run                                  executor/process_pool/recover.c
 *   disown, find_rest                           future/recover.c
 *
 * OWNER says who has the handles: the opener (2), worker 1, or worker 0 itself, in another thread. Whether
 * the task fails, what its block holds, and who subscribes are left open. Claimed is, when nothing can move any
 * more: the block was freed, once, and is in no list; nobody touched it after that; a callback was called
 * once, where its process lives; and who waited has been told.
 *
 * Coarser than the code: memory is sequentially consistent; N and R sleep until there is something;
 * memory records and heaps are not here; a block is not used again, which is what generations are for.
 *
 * Variants, by -D, of which each must fail (`run` demands it):
 *   STACK_FIRST         N takes the stack first, and its orphans next
 *   NO_ORPHANS          R does not give N what the dead one may have been about to deliver
 *   NO_RESCAN           consumers are not sent to look
 *   TRUSTS_BELL         nor woken, where the bell says that nobody sleeps
 *   NO_WAKE             who sleeps on the future is not woken again
 *   NO_LOCK             mail may go out to one who is being disowned
 *   MAIL_STAYS          what is in the mail of the dead one stays there
 *   MAILED_TO_THE_DEAD  his callbacks are mailed to him
 *   RETURNS_UNMARKED    what R pushes for him may be taken for an orphan in nobody's hands
 *   FORGETS_CALLBACKS   R goes through his callbacks, whose nodes N may be freeing */

#ifndef KILLS
#define KILLS 1
#endif
#ifndef OWNER
#define OWNER 2
#endif
#define OPENER 2
#define NOTIFIER 3
#define REAPER 4
#define WORKERS 2

/* The state word: any step on it is atomic. */
#define FREE 0
#define RUNNING 1
#define DONE 2
byte phase = RUNNING;
bit is_failure, waiter, subscribed, delivered, released, deferred, mailed, disowned;

/* The chain of subscribers: at most a callback and a node of a consumer. */
#define NONE 0
#define ARMED 1
#define FIRED 2
#define TAKEN 3
bit is_closed, has_extents;
byte callback, node, fired_by, fired_life;
byte n_called;

/* The consumer. */
bit is_pushed, rescan, sleeper, is_asleep;
byte n_deaths[WORKERS];
bit in_futex;

/* Where the block is. */
bit in_stack, in_mail;
byte n_orphans;
bit lock;

/* The record of worker 0's run. */
bit is_on_stack = 1, outcome;

#define KILLED 1
byte death[WORKERS];
byte n_threads[WORKERS]; /* that have not ended with their process */
byte n_kills;
bit is_called_for, is_holder_done;

/* Steps that touch the block need it. */
#define NEED assert(phase != FREE)
#define CHAIN (callback != NONE || node != NONE)

inline fire_consumer(who) {
    if
    :: atomic { node == ARMED -> NEED; node = FIRED; fired_by = who;
            fired_life = (who < WORKERS -> n_deaths[who] : 0) };
        is_pushed = 1;
        if
        :: atomic { sleeper -> sleeper = 0 };
            is_asleep = 0
        :: atomic { !sleeper -> skip }
        fi
    :: atomic { node != ARMED -> skip }
    fi
}

inline call(who) {
    assert(who == OWNER || (who == NOTIFIER && OWNER == OPENER));
    n_called++;
    assert(n_called == 1)
}

inline fire(who) {
    atomic { NEED; is_closed = 1 };
    fire_consumer(who);
    if
    :: atomic { callback == ARMED && !disowned -> NEED; callback = FIRED };
        call(who)
    :: atomic { callback != ARMED || disowned -> skip }
    fi
}

inline free_block() {
    atomic { NEED; assert(!in_stack && !in_mail); phase = FREE }
}

/* What it holds goes in steps that can be done twice. */
inline destroy() {
    atomic { NEED; callback = NONE; node = (node == TAKEN -> TAKEN : NONE); has_extents = 0 };
    free_block()
}

inline push() {
    atomic { NEED; assert(!in_stack && !in_mail); in_stack = 1 }
}

inline destroy_elsewhere() {
    if
    :: atomic { !CHAIN && !has_extents && !is_failure -> skip };
        free_block()
    :: atomic { else -> skip };
        push()
    fi
}

/* is_over is a local of who delivers. */
inline set_delivered() {
    atomic { NEED; delivered = 1; is_over = released }
}

inline deliver(who) {
    fire(who);
    set_delivered();
    if
    :: atomic { is_over -> is_over = 0 };
        destroy()
    :: atomic { !is_over -> skip }
    fi
}

inline deliver_but_callbacks(who) {
    atomic { NEED; is_closed = 1 };
    fire_consumer(who);
    if
    :: atomic { callback == ARMED -> skip };
        atomic { NEED; deferred = 1 };
        push()
    :: atomic { callback != ARMED -> skip };
        set_delivered();
        if
        :: atomic { is_over -> is_over = 0 };
            destroy_elsewhere()
        :: atomic { !is_over -> skip }
        fi
    fi
}

inline wake() {
    in_futex = 0
}

/* was_watched, was_waited for and is_over are locals. */
inline settle(watched_is_delivered) {
    atomic {
        NEED;
        assert(phase == RUNNING);
        phase = DONE;
        was_watched = subscribed;
        was_waited = waiter;
        is_over = released;
        if
        :: is_failure && !(watched_is_delivered) -> deferred = 1
        :: else -> delivered = !was_watched
        fi
    };
    if
    :: atomic { was_waited -> was_waited = 0 };
        wake()
    :: atomic { !was_waited -> skip }
    fi
}

inline settle_elsewhere(who) {
    settle(false);
    if
    :: atomic { is_failure -> is_over = 0 };
        if
        :: atomic { was_watched -> was_watched = 0 };
            fire_consumer(who)
        :: atomic { !was_watched -> skip }
        fi;
        push()
    :: atomic { !is_failure && was_watched -> is_over = 0; was_watched = 0 };
        deliver_but_callbacks(who)
    :: atomic { !is_failure && !was_watched && is_over -> is_over = 0 };
        destroy_elsewhere()
    :: atomic { !is_failure && !was_watched && !is_over -> skip }
    fi
}

inline settle_and_deliver(who) {
    settle(true);
    if
    :: atomic { was_watched -> was_watched = 0; is_over = 0 };
        deliver(who)
    :: atomic { !was_watched && is_over -> is_over = 0 };
        destroy()
    :: atomic { !was_watched && !is_over -> skip }
    fi
}

inline before_outcome(who) {
    if
    :: atomic { subscribed -> skip };
        fire_consumer(who)
    :: atomic { !subscribed -> skip }
    fi
}

/* ---- who has run it ---- */

proctype finisher() {
    bit was_watched, was_waited, is_over;
    {
        outcome = 1;
        before_outcome(0);
        if
        :: OWNER == 0 -> settle_and_deliver(0)
        :: true -> settle_elsewhere(0) /* inline in a wait, where no callback may be called, if its own */
        fi;
        is_on_stack = 0;
        false
    } unless { atomic { death[0] == KILLED -> n_threads[0]-- } }
}

/* ---- who has the handle ---- */

inline add_callback() {
    is_called_for = 1;
    if
    :: atomic { phase == DONE -> skip };
        call(OWNER)
    :: atomic { phase != DONE -> skip };
        if
        :: atomic { is_closed -> skip };
            call(OWNER)
        :: atomic { !is_closed -> callback = ARMED };
            if
            :: atomic { phase != DONE -> subscribed = 1 }
            :: atomic { phase == DONE && subscribed -> skip }
            :: atomic { phase == DONE && !subscribed -> skip };
                fire(OWNER)
            fi
        fi
    fi
}

inline subscribe() {
    if
    :: atomic { phase == DONE || is_closed -> skip }
    :: atomic { phase != DONE && !is_closed -> node = ARMED };
        if
        :: atomic { phase != DONE -> subscribed = 1; is_armed = is_closed }
        :: atomic { phase == DONE -> is_armed = 1 }
        fi;
        if
        :: atomic { is_armed -> is_armed = 0 };
            fire_consumer(OWNER)
        :: atomic { !is_armed -> skip }
        fi;
        /* Told, or sent to look. */
        do
        :: atomic { is_pushed -> is_pushed = 0; node = TAKEN };
            break
        :: atomic { rescan && !is_pushed -> rescan = 0 };
            if
            :: atomic { node == FIRED && fired_by < WORKERS && fired_life != n_deaths[fired_by] ->
                    node = TAKEN };
                break
            :: atomic { !(node == FIRED && fired_by < WORKERS &&
                          fired_life != n_deaths[fired_by]) -> skip }
            fi
        :: atomic { !is_pushed && !rescan -> sleeper = 1 };
            if
            :: atomic { sleeper && !is_pushed && !rescan -> is_asleep = 1 };
                (!is_asleep)
            :: atomic { else -> skip }
            fi;
            sleeper = 0
        od
    fi
}

inline await_outcome() {
    do
    :: atomic { phase == DONE -> break }
    :: atomic { phase == RUNNING -> waiter = 1; in_futex = 1 };
        (!in_futex)
    od
}

inline give_handle_back() {
    if
    :: atomic { !delivered -> NEED; released = 1 }
    :: atomic { delivered -> skip };
        destroy()
    fi
}

inline serve_mail() {
    atomic { in_mail -> in_mail = 0 };
    fire(OWNER);
    atomic { NEED; delivered = 1; is_over = released; mailed = (released -> mailed : 0) };
    if
    :: atomic { is_over -> is_over = 0 };
        destroy()
    :: atomic { !is_over -> skip }
    fi
}

inline hold() {
    if
    :: add_callback()
    :: true
    fi;
    if
    :: subscribe(); await_outcome()
    :: await_outcome()
    :: true
    fi;
    give_handle_back();
    is_holder_done = 1
}

/* Its handle is given back in one thread, and its mail is served in the other. */
proctype holder() {
    bit is_armed;
    {
        hold();
        false
    } unless { atomic { OWNER < WORKERS && death[OWNER % WORKERS] == KILLED -> n_threads[OWNER % WORKERS]-- } }
}

proctype reader() {
    bit is_over;
    {
end:    do
        :: serve_mail()
        od
    } unless { atomic { OWNER < WORKERS && death[OWNER % WORKERS] == KILLED -> n_threads[OWNER % WORKERS]-- } }
}

/* ---- the notifier ---- */

#ifdef NO_LOCK
#define LOCK skip
#define UNLOCK skip
#else
#define LOCK atomic { !lock -> lock = 1 }
#define UNLOCK lock = 0
#endif

inline deliver_deferred() {
    if
    :: atomic { deferred -> NEED; deferred = 0 };
        deliver(NOTIFIER)
    :: atomic { !deferred -> skip }
    fi
}

#ifdef MAILED_TO_THE_DEAD
#define MAY_MAIL true
#else
#define MAY_MAIL (!disowned)
#endif

inline deliver_block() {
    if
    :: atomic { !deferred -> skip };
        destroy()
    :: atomic { deferred && OWNER == OPENER -> skip };
        deliver_deferred()
    :: atomic { deferred && OWNER != OPENER -> skip };
        LOCK;
        atomic { NEED; is_closed = 1 };
        fire_consumer(NOTIFIER);
        if
        :: atomic { callback == ARMED && MAY_MAIL -> NEED; deferred = 0; mailed = 1 };
            atomic { NEED; assert(!in_stack && !in_mail); in_mail = 1 };
            UNLOCK
        :: atomic { callback != ARMED || !MAY_MAIL -> skip };
            UNLOCK;
            deliver_deferred()
        fi
    fi
}

inline deliver_rest() {
    if
    :: atomic { phase == DONE && !mailed && !delivered -> deferred = 1 };
        deliver_block()
    :: atomic { phase == DONE && !mailed && delivered && released -> skip };
        destroy()
    :: atomic { else -> skip }
    fi
}

inline take_orphans() {
    atomic { !lock -> orphans = n_orphans; n_orphans = 0 }
}

inline take_stack() {
    atomic { is_taken = in_stack; in_stack = 0 }
}

proctype notifier() {
    bit is_over, is_taken, is_roused = 1; /* once for another future */
    byte orphans;
end:
    do
    :: atomic { in_stack || n_orphans || is_roused -> is_roused = 0 };
#ifdef STACK_FIRST
        take_stack();
        take_orphans();
#else
        take_orphans();
        take_stack();
#endif
        if
        :: atomic { is_taken -> is_taken = 0 };
            deliver_block()
        :: atomic { !is_taken -> skip }
        fi;
        do
        :: atomic { orphans -> orphans-- };
            deliver_rest()
        :: atomic { !orphans -> break }
        od
    od
}

/* ---- recovery ---- */

inline adopt() {
#ifndef NO_ORPHANS
    n_orphans++
#else
    skip
#endif
}

inline see_to_run() {
    if
    :: atomic { phase == RUNNING -> is_failure = (outcome -> is_failure : 1) };
        before_outcome(REAPER);
        settle_elsewhere(REAPER)
    :: atomic { phase == DONE -> skip };
#ifndef NO_WAKE
        wake();
#endif
        LOCK;
        adopt();
        UNLOCK
    :: atomic { phase == FREE -> skip }
    fi
}

/* Of the future whose handles were the dead worker's. */
inline disown(worker) {
    LOCK;
#ifndef MAIL_STAYS
    in_mail = 0;
#endif
#ifdef FORGETS_CALLBACKS
    is_to_push = (phase != FREE && !(delivered && released));
    if
    :: atomic { is_to_push -> is_to_push = 0; NEED; callback = (callback == ARMED -> FIRED : callback) }
    :: atomic { !is_to_push -> skip }
    fi;
#endif
    if
    :: atomic { phase == FREE -> skip }
    :: atomic { phase != FREE && delivered && released && !mailed -> skip }
    :: atomic { phase != FREE && !(delivered && released && !mailed) ->
            released = 1; disowned = 1;
            is_to_push = (mailed || delivered);
            deferred = (mailed && !delivered -> 1 : deferred);
#ifdef RETURNS_UNMARKED
            mailed = 0;
#else
            mailed = is_to_push;
#endif
        };
        if
        :: atomic { is_to_push -> is_to_push = 0 };
            push()
        :: atomic { !is_to_push -> skip }
        fi
    fi;
    UNLOCK
}

inline recover(worker) {
    if
    :: atomic { worker == 0 && is_on_stack -> skip };
        see_to_run()
    :: atomic { worker != 0 || !is_on_stack -> skip }
    fi;
    if
    :: atomic { worker == OWNER -> skip };
        disown(worker)
    :: atomic { worker != OWNER -> skip }
    fi;
    n_deaths[worker]++;
#ifndef NO_RESCAN
    rescan = 1;
#endif
#ifdef TRUSTS_BELL
    is_asleep = (sleeper -> 0 : is_asleep)
#else
    is_asleep = 0
#endif
}

proctype reaper() {
    bit was_watched, was_waited, is_over, is_to_push;
end:
    do
    :: atomic { death[0] == KILLED && n_threads[0] == 0 -> death[0] = KILLED + 1 };
        recover(0)
    :: atomic { death[1] == KILLED && n_threads[1] == 0 -> death[1] = KILLED + 1 };
        recover(1)
    od
}

proctype killer() {
    do
    :: n_kills < KILLS ->
        if
        :: atomic { !death[0] -> death[0] = KILLED; n_kills++ }
        :: atomic { OWNER == 1 && !death[1] -> death[1] = KILLED; n_kills++ }
        fi
    :: true -> break
    od
}

/* Nothing moves any more. */
proctype judge() {
    timeout;
    atomic {
        assert(phase == FREE && !in_stack && !in_mail && !n_orphans);
        if
        :: OWNER < WORKERS && death[OWNER % WORKERS] -> skip
        :: else -> assert(is_holder_done && n_called == is_called_for)
        fi
    }
}

init {
    atomic {
        if
        :: is_failure = 1; has_extents = 1
        :: is_failure = 0; has_extents = 1
        :: is_failure = 0; has_extents = 0
        fi;
        n_threads[0]++;
        if
        :: OWNER < WORKERS -> n_threads[OWNER % WORKERS] = n_threads[OWNER % WORKERS] + 2; run reader()
        :: else -> skip
        fi;
        run finisher(); run holder(); run notifier(); run reaper(); run killer(); run judge()
    }
}
