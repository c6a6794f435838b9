/* kills.h: who was killed at random, in memory that everybody sees: by the killer, a thread of the program
 * that takes its victims from filch_stats, and by tasks that kill their own process.
 *
 * A kill is noted before it is done, so that each death that the pool tells of is in the list. */
#ifndef FILCH_TORTURE_KILLS_H
#define FILCH_TORTURE_KILLS_H

#include "torture.h"

#include <pthread.h>

void kills_open(void);

/* For a new pool. */
void kills_forget(void);

/* Ends the calling process. */
_Noreturn void kills_die(void);

bool kills_have(int pid);

/* How many workers were killed since kills_forget; `n_sure`: without those that may have been about to end
 * by themselves. */
unsigned kills_count(unsigned *n_sure);

/* Of a task that failed by a death. `waits`: it may have waited for another one. Each death fails one task
 * that was running, and those that waited below it. Who dies of a time limit is killed by the library: then
 * those that tell of it come in any order, and at the end of a round all have to be known. */
void kills_explain(int id, const filch_error *error, bool waits);

void kills_check_explained(void);

/* Something is wrong in a worker; the first one counts. */
void kills_say_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
void kills_check_nothing_wrong(void);

/* Kills a worker. Returns: false if it was gone. */
bool kills_one(filch_executor *executor, unsigned number, int pid);

struct killer {
    filch_executor *executor;
    uint64_t seed;
    unsigned n; /* so many, and then no more */
    atomic_bool is_to_stop;
    pthread_t thread;
};
void killer_start(struct killer *killer);
void killer_stop(struct killer *killer);

/* xorshift64*: any state but 0. */
static inline uint64_t draw(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (*state * UINT64_C(2685821657736338717)) >> 24;
}
static inline uint64_t draw_seed(uint64_t a, uint64_t b) {
    uint64_t state =
        (a + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ (b + 1) * UINT64_C(0xbf58476d1ce4e5b9);
    state = state == 0 ? 1 : state;
    (void)draw(&state);
    return state;
}

#endif
