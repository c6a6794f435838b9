/* queues.pml: deaths of worker processes between a queue and a task's end, and in parking.
 *
 * P submits, two workers take, run and park, and at most KILLS times a worker dies between any two of
 * its steps; R recovers it and starts another one in its slot. The pieces:
 *
 *   push, pop, take, grow            structures/deque.h; refill: scheduler/worker.c, take_from
 *   search, sleeps, token            scheduler/park.c; wake, end_search, park: scheduler/worker.c
 *   entries, runs, claims,           struct intent of each worker: what it had taken, what it runs,
 *   is_submitting                    whom it is about to wake, that it submits
 *   begin, finish                    future/future.h: phase and owner are one word
 *   reaper                           recovery of the scheduler, by a thread of the opener
 *
 * A task ends in one step here: outcome and delivery are another subject. Task 0 needs the last task to
 * have begun, so a worker that sleeps and should not brings everything to a stop. Claimed is, when
 * nothing can move any more: each task ended, once; task 0 ran at most twice (it may be retried), the
 * others once; everybody is asleep and no bit is left behind. No path is infinite, so a lost wake-up
 * shows as a stop.
 *
 * Coarser than the code, to keep the states in bounds (the explorer reads the code itself, ../): memory is
 * sequentially consistent; a look at all queues is one step, and so are a push, a thief's reads before
 * its CAS (but with RING_REUSE), and each half of what R queues again; workers begin alike, so
 * the first to die is worker 0.
 *
 * Variants, by -D, of which each must fail (`run` demands it):
 *   OWNER_APART      phase and owner are two words
 *   NO_REHINT        what the dead had taken is not queued again
 *   POP_UNRECORDED   a pop leaves no record
 *   NO_HIDDEN_SLOT   a pop that only lowered the bottom is not looked for
 *   NO_SUBMITTING    nor a submit between PENDING and push
 *   REPLACE_FIRST    the slot works again before it is recovered
 *   RING_REUSE       a ring that was replaced becomes another deque's
 *   NO_STRAY         the living get no token after a death
 *   NO_FUTEX_WAKE    nor a futex wake, where the dead had left a token
 *   NOT_IDEMPOTENT   who finds a token relies on the giver for its bits
 *   SLEEP_FIRST      a claim clears the sleep bit before it sets the search bit
 *   CLAIMANT         a seat names who claims it, and others pass it by meanwhile
 *   KEEP_SEARCH_BIT  recovery leaves the search bit of a seat that the dead was claiming */

#ifndef KILLS
#define KILLS 1
#endif
#ifndef TASKS
#define TASKS 2
#endif
/* With BY_WORKER task 0 submits task 1, else P does. */
#ifdef BY_WORKER
#define IS_BY_WORKER(x) ((x) == 1)
#else
#define IS_BY_WORKER(x) false
#endif
#define LAST (TASKS - 1)
#define WORKERS 2
#define P WORKERS           /* deque of who submits */
#define R (WORKERS + 1)     /* deque of who recovers */
#define DEQUES (WORKERS + 2)

/* Ring 0 has room for one and is P's first; deque d's other one is ring d + 1. */
#define ROOM 8
#define AT(ring, i) ((ring) * ROOM + ((ring) == 0 -> 0 : (i) % ROOM))

#define INIT 0
#define PENDING 1
#define RUNNING 2
#define DONE 3
#define NOBODY 7

byte slots[(DEQUES + 1) * ROOM];
byte ring_of[DEQUES], top[DEQUES], bottom[DEQUES];

byte phase[TASKS], owner[TASKS]; /* one word */
byte retries[TASKS], n_run[TASKS], n_ended[TASKS];

/* Records. 0: nothing; else task + 1. */
byte entries[WORKERS * 2], runs[WORKERS * 2];
bit is_submitting[WORKERS];

#define KILLED 1
#define GONE 2
byte is_dead[WORKERS]; /* KILLED until the kernel has ended it */
bit search[WORKERS], sleeps[WORKERS];
byte claims[DEQUES], claimant[WORKERS]; /* whom one is about to wake, + 1; by whom, + 1 (variant) */
#define EMPTY 0
#define WAITING 1
#define TOKEN 2
byte token[WORKERS];
bit in_futex[WORKERS];
byte n_kills;

#define is_empty(d) (bottom[d] <= top[d])
#define has_work (!is_empty(0) || !is_empty(1) || !is_empty(P) || !is_empty(R))
#define has_begun(x) (n_run[x] > 0 || phase[x] == DONE)

#ifdef CLAIMANT
#define MAY_CLAIM(v) (sleeps[v] && !claimant[v])
#define END_CLAIM claimant[v] = 0
#else
#define MAY_CLAIM(v) (sleeps[v])
#define END_CLAIM claims[me] = 0
#endif

/* ---- deques ---- */

inline push(d, x) {
    atomic {
#ifdef RING_REUSE
        if
        :: d == R && ring_of[R] == R + 1 && ring_of[P] != 0 && bottom[R] == 0 -> ring_of[R] = 0
        :: d == R && ring_of[R] == 0 && bottom[R] != top[R] ->
            slots[AT(R + 1, top[R])] = slots[0];
            ring_of[R] = R + 1
        :: else -> skip
        fi;
#endif
        assert(bottom[d] < top[d] + ROOM);
        slots[AT(ring_of[d], bottom[d])] = x + 1;
        bottom[d] = bottom[d] + 1
    }
}

/* P's ring doubles. The old one stays what it is. */
inline grow() {
    if
    :: atomic { ring_of[P] == 0 && bottom[P] > top[P] -> slots[AT(P + 1, top[P])] = slots[0] };
        ring_of[P] = P + 1
    :: atomic { else -> skip }
    fi
}

#ifdef POP_UNRECORDED
#define RECORD_POP skip
#else
#define RECORD_POP entries[me * 2] = found
#endif

/* The owner takes back what it pushed last: found = task + 1. */
inline pop(d) {
    atomic { bottom[d] = bottom[d] - 1; b = bottom[d] };
    t = top[d];
    if
    :: atomic { t < b -> found = slots[AT(ring_of[d], b)]; RECORD_POP; t = 0; b = 0 }
    :: atomic { t == b ->
            found = slots[AT(ring_of[d], b)];
            RECORD_POP;
            if
            :: top[d] == t -> top[d] = t + 1
            :: else -> found = 0
            fi
        };
        atomic { bottom[d] = t + 1; t = 0; b = 0 }
    :: atomic { t > b -> bottom[d] = t; t = 0; b = 0 }
    fi
}

/* A thief, or who takes a batch: the entries are written before the CAS that takes them. */
inline take(d, most) {
    atomic { t = top[d]; r = ring_of[d]; n = (bottom[d] >= t + most -> most : (bottom[d] > t -> 1 : 0))
#ifdef RING_REUSE
    };
    atomic {
#else
        ;
#endif
        entries[me * 2] = (n -> slots[AT(r, t)] : 0);
        entries[me * 2 + 1] = (n == 2 -> slots[AT(r, t + 1)] : 0);
        r = 0
    };
    atomic {
        if
        :: n && top[d] == t -> top[d] = t + n; found = entries[me * 2]
        :: else -> n = 0; entries[me * 2] = 0; entries[me * 2 + 1] = 0
        fi;
        t = 0
    };
    if
    :: atomic { n == 2 -> n = 0 };
        push(me, entries[me * 2 + 1] - 1);
        if
        :: atomic { !is_searching && !search[0] && !search[1] -> skip };
            wake(me)
        :: atomic { else -> skip }
        fi
    :: atomic { n < 2 -> n = 0 }
    fi
}

/* ---- parking ---- */

inline give_token(v) {
    atomic {
        was_waiting = (token[v] == WAITING);
        token[v] = TOKEN
    };
    if
    :: atomic { was_waiting -> in_futex[v] = 0; was_waiting = 0 }
    :: atomic { !was_waiting -> skip }
    fi
}

/* Wakes a sleeper, unless somebody searches. What a worker is about to wake stands in its record; the
 * search bit is set before the sleep bit is cleared, so that a sleeper always finds both its bits
 * as they should be, whoever wakes it. */
inline wake(by) {
    do
    :: atomic { search[0] || search[1] || !(MAY_CLAIM(0) || MAY_CLAIM(1)) -> v = 0 };
        break
    :: atomic { !search[0] && !search[1] && (MAY_CLAIM(0) || MAY_CLAIM(1)) ->
            v = (MAY_CLAIM(0) -> 0 : 1)
        };
#ifdef CLAIMANT
        atomic {
            if
            :: claimant[v] == 0 -> claimant[v] = by + 1; is_mine = 1
            :: else -> is_mine = 0
            fi
        };
#else
        atomic { claims[by] = v + 1; is_mine = 1 };
#endif
        if
        :: atomic { !is_mine -> skip }
        :: atomic { is_mine -> is_mine = 0 };
#ifdef SLEEP_FIRST
            atomic { is_mine = sleeps[v]; sleeps[v] = 0 };
            if
            :: atomic { is_mine -> search[v] = 1 }
            :: atomic { !is_mine -> skip }
            fi;
#else
            atomic { had_search = search[v]; search[v] = 1 };
            atomic { is_mine = sleeps[v]; sleeps[v] = 0 };
            if
            :: atomic { !is_mine && !had_search -> search[v] = 0 }
            :: atomic { is_mine || had_search -> had_search = 0 }
            fi;
#endif
            if
            :: atomic { is_mine -> is_mine = 0 };
                give_token(v);
                atomic { END_CLAIM; v = 0 };
                break
            :: atomic { !is_mine -> END_CLAIM; v = 0 }
            fi
        fi
    od
}

inline end_search() {
    if
    :: atomic { is_searching -> search[me] = 0; is_searching = 0 };
        if
        :: atomic { has_work -> skip };
            wake(me)
        :: atomic { !has_work -> skip }
        fi
    :: atomic { !is_searching -> skip }
    fi
}

inline park() {
    sleeps[me] = 1;
    atomic { search[me] = 0; is_searching = 0 };
    if
    :: atomic { has_work -> skip };
        atomic { is_mine = sleeps[me]; sleeps[me] = 0 }
    :: atomic { !has_work -> skip }
    fi;
    if
    :: atomic { is_mine -> search[me] = 1; is_searching = 1; is_mine = 0 }
    :: atomic { !is_mine -> skip };
        do
        :: atomic { token[me] == TOKEN -> token[me] = EMPTY };
            break
        :: atomic { token[me] == EMPTY -> token[me] = WAITING }
        :: atomic { token[me] == WAITING -> in_futex[me] = 1 };
            (in_futex[me] == 0)
        od;
#ifdef NOT_IDEMPOTENT
        is_searching = 1
#else
        sleeps[me] = 0;
        atomic { search[me] = 1; is_searching = 1 }
#endif
    fi
}

/* ---- tasks ---- */

#ifdef OWNER_APART
#define OWN(x) skip
#else
#define OWN(x) owner[x] = me
#endif

/* By a worker. Not yet begun, or ended: the entry was stale. */
inline begin(x, level) {
    runs[me * 2 + level] = x + 1;
    atomic {
        if
        :: phase[x] == PENDING -> phase[x] = RUNNING; OWN(x); is_mine = 1
        :: else -> is_mine = 0
        fi;
        entries[me * 2] = 0; entries[me * 2 + 1] = 0
    };
#ifdef OWNER_APART
    if
    :: atomic { is_mine -> owner[x] = me }
    :: atomic { !is_mine -> skip }
    fi
#endif
}
inline count_run(x) {
    atomic { n_run[x]++; assert(n_run[x] <= (x == 0 -> 2 : 1)) }
}

inline finish(x, level) {
    atomic {
        assert(phase[x] == RUNNING && owner[x] == me);
        phase[x] = DONE; owner[x] = NOBODY;
        n_ended[x]++
    };
    runs[me * 2 + level] = 0
}

/* Task 0 submits task 1, and then needs the last one: takes it over, or waits until somebody has it. */
inline run_task_0() {
    if
    :: atomic { IS_BY_WORKER(1) && phase[1] == INIT -> is_submitting[me] = 1 };
        phase[1] = PENDING;
        push(me, 1);
        wake(me);
        is_submitting[me] = 0
    :: atomic { !IS_BY_WORKER(1) || phase[1] != INIT -> skip }
    fi;
    if
    :: atomic { phase[LAST] == PENDING -> skip };
        begin(LAST, 1);
        if
        :: atomic { is_mine -> is_mine = 0 };
            count_run(LAST);
            finish(LAST, 1)
        :: atomic { !is_mine -> runs[me * 2 + 1] = 0 }
        fi
    :: true
    fi;
    has_begun(LAST)
}

proctype worker(byte me) {
    byte found, t, b, r, n, v;
    bit is_searching = 1, is_mine, had_search, was_waiting;
alive:
    {
        do
        :: if
            :: atomic { !is_empty(me) -> skip };
                pop(me)
            :: atomic { is_empty(me) && !is_empty(P) -> skip };
                take(P, 2)
            :: atomic { is_empty(me) && !is_empty(R) -> skip };
                take(R, 1)
            :: atomic { is_empty(me) && !is_empty(1 - me) -> skip };
                take(1 - me, 1)
            :: atomic { !has_work -> skip };
                park()
            fi;
            if
            :: atomic { found -> found-- };
                end_search();
                begin(found, 0);
                if
                :: atomic { is_mine -> is_mine = 0; n_run[found]++; assert(n_run[found] <= (found == 0 -> 2 : 1)) };
                    if
                    :: atomic { found == 0 -> skip };
                        run_task_0()
                    :: atomic { found != 0 -> skip }
                    fi;
                    finish(found, 0)
                :: atomic { !is_mine -> runs[me * 2] = 0 }
                fi;
                found = 0
            :: atomic { !found -> skip }
            fi
        od
    } unless { atomic { is_dead[me] == KILLED -> is_dead[me] = GONE;
        found = 0; t = 0; b = 0; r = 0; n = 0; v = 0;
        is_mine = 0; had_search = 0; was_waiting = 0; is_searching = 1 } };
    is_dead[me] != GONE;
    goto alive
}

proctype submitter() {
    byte me = P;
    byte v;
    bit is_mine, had_search, was_waiting;
    byte x;
    do
    :: x == TASKS -> break
    :: x < TASKS && IS_BY_WORKER(x) -> x++
    :: x < TASKS && !IS_BY_WORKER(x) ->
        phase[x] = PENDING;
        grow();
        push(P, x);
        wake(P);
        x++
    od
}

proctype killer() {
    do
    :: n_kills < KILLS ->
        if
        :: atomic { !is_dead[0] -> is_dead[0] = KILLED; n_kills++ }
        :: atomic { n_kills && !is_dead[1] -> is_dead[1] = KILLED; n_kills++ }
        fi
    :: true -> break
    od
}

/* ---- recovery ---- */

inline requeue(entry) {
    if
    :: (entry) && phase[(entry) - 1] == PENDING ->
        assert(bottom[R] < top[R] + ROOM);
        push(R, (entry) - 1)
    :: else -> skip
    fi
}

/* The innermost first. */
inline recover_run(w, level) {
    if
    :: runs[w * 2 + level] ->
        x = runs[w * 2 + level] - 1;
        if
        :: phase[x] == RUNNING && owner[x] == w ->
            owner[x] = NOBODY;
            if
            :: retries[x] -> retries[x]--; phase[x] = PENDING; push(R, x)
            :: else -> phase[x] = DONE; n_ended[x]++
            fi
        :: else -> skip
        fi;
        runs[w * 2 + level] = 0; x = 0
    :: else -> skip
    fi
}

/* What it had taken, a pop that lowered the bottom and went no further, a submit. */
inline recover_queues(w) {
#ifndef NO_REHINT
    requeue(entries[w * 2]);
    requeue(entries[w * 2 + 1]);
#endif
    entries[w * 2] = 0; entries[w * 2 + 1] = 0;
#ifndef NO_HIDDEN_SLOT
    requeue(slots[AT(ring_of[w], bottom[w])]);
#endif
    if
    :: bottom[w] < top[w] -> bottom[w] = top[w]
    :: else -> skip
    fi;
#ifndef NO_SUBMITTING
    if
    :: is_submitting[w] -> requeue(2)
    :: else -> skip
    fi;
#endif
    is_submitting[w] = 0
}

/* What it was about to wake, and its own seat. */
inline recover_seat(w) {
#ifdef CLAIMANT
    v = (claimant[1 - w] == w + 1 -> 2 - w : 0);
#else
    v = claims[w];
#endif
    if
    :: atomic { v -> v-- };
#ifndef KEEP_SEARCH_BIT
        search[v] = 0;
#endif
#ifndef NO_STRAY
        give_token(v);
#endif
        skip
    :: atomic { else -> skip }
    fi;
    atomic { claimant[1 - w] = (claimant[1 - w] == w + 1 -> 0 : claimant[1 - w]); claims[w] = 0; v = 0 };
    search[w] = 0;
    sleeps[w] = 0
}

/* The other one may have been waiting for what the dead one was about to do. */
inline wake_other(w) {
#ifndef NO_STRAY
    give_token(1 - w);
#endif
#ifndef NO_FUTEX_WAKE
    in_futex[1 - w] = 0
#endif
}

/* Another one in the slot: it begins as a searcher. */
inline replace(w) {
    atomic { token[w] = EMPTY; in_futex[w] = 0; search[w] = 1 };
    is_dead[w] = 0
}

inline recover(w) {
#ifdef REPLACE_FIRST
    replace(w);
#endif
    atomic { recover_run(w, 1); recover_run(w, 0) };
    atomic { recover_queues(w) };
    recover_seat(w);
#ifndef REPLACE_FIRST
    wake_other(w);
    replace(w)
#else
    wake_other(w)
#endif
}

proctype reaper() {
    byte x, v;
    bit is_retried, was_waiting;
end:
    do
    :: is_dead[0] == GONE -> recover(0)
    :: is_dead[1] == GONE -> recover(1)
    od
}

/* Nothing moves any more. */
proctype judge() {
    byte x;
    timeout;
    atomic {
        for (x : 0 .. TASKS - 1) {
            assert(phase[x] == DONE && n_ended[x] == 1)
        }
        for (x : 0 .. WORKERS - 1) {
            assert(sleeps[x] && !search[x] && !claimant[x])
        }
    }
}

init {
    atomic {
        byte x;
        for (x : 0 .. TASKS - 1) { owner[x] = NOBODY }
        x = 0;
        retries[0] = 1;
        search[0] = 1; search[1] = 1;
        ring_of[0] = 1; ring_of[1] = 2; ring_of[R] = R + 1;
        run worker(0); run worker(1); run submitter(); run killer(); run reaper(); run judge()
    }
}
