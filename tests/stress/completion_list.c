/* completion_list.c: what is pushed to the current generation is taken exactly once and in each
 * pusher's order; what is pushed to an earlier one is refused.
 *
 *     stress.completion_list [rounds [seed]] */
#include "structures/completion_list.h"
#include "stress.h"
#include <stdalign.h>

enum { PUSHERS = 3, NODES = 20000 };

struct node {
    alignas(64) struct completion_node link;
    int pusher, number;
    uint64_t generation; /* that its push named */
};

static struct {
    struct completion_list list;
    atomic_ullong generation; /* that pushers name; may be over by the time they push */
    atomic_int n_pushing;
    atomic_int refused[PUSHERS];
    struct node nodes[PUSHERS][NODES];
} game;

static void *pusher(void *arg) {
    int me = (int)(intptr_t)arg;
    for (int i = 0; i < NODES; i++) {
        uint64_t generation = atomic_load(&game.generation);
        game.nodes[me][i].generation = generation;
        if (!completion_list_push(&game.list, generation, &game.nodes[me][i].link))
            atomic_fetch_add(&game.refused[me], 1);
    }
    atomic_fetch_sub(&game.n_pushing, 1);
    return NULL;
}

static void take_all(int taken[PUSHERS], int last[PUSHERS]) {
    struct completion_node *link = completion_list_take_all(&game.list);
    for (; link != NULL; link = (struct completion_node *)filch_load_relaxed(&link->next)) {
        struct node *node = (struct node *)link;
        STRESS_CHECK(node->generation == atomic_load(&game.generation));
        STRESS_CHECK(node->number > last[node->pusher]);
        last[node->pusher] = node->number;
        taken[node->pusher]++;
    }
}

static void play(struct stress *stress, bool reopens) {
    int taken[PUSHERS] = {0}, last[PUSHERS];
    pthread_t pushers[PUSHERS];
    atomic_store(&game.generation, completion_list_reopen(&game.list));
    atomic_store(&game.n_pushing, PUSHERS);
    for (int i = 0; i < PUSHERS; i++) {
        last[i] = -1;
        atomic_store(&game.refused[i], 0);
        for (int j = 0; j < NODES; j++) {
            game.nodes[i][j].pusher = i;
            game.nodes[i][j].number = j;
        }
        pushers[i] = stress_start(pusher, (void *)(intptr_t)i);
    }
    while (atomic_load(&game.n_pushing) > 0) {
        take_all(taken, last);
        /* Closed and opened again: what is in it then is dropped with it, so it is emptied before;
         * pushes that come between name a generation that is over, and the next take finds none. */
        if (reopens && random_below(&stress->random, 8) == 0) {
            uint64_t over = atomic_load(&game.generation);
            uint64_t now = completion_list_reopen(&game.list);
            STRESS_CHECK(now != over);
            STRESS_CHECK(completion_list_is_empty(&game.list));
            atomic_store(&game.generation, now);
        }
    }
    for (int i = 0; i < PUSHERS; i++)
        pthread_join(pushers[i], NULL);
    take_all(taken, last);
    for (int i = 0; i < PUSHERS; i++) {
        int refused = atomic_load(&game.refused[i]);
        STRESS_CHECK(reopens ? taken[i] + refused <= NODES : taken[i] == NODES && refused == 0);
    }
}

int main(int argc, char **argv) {
    struct stress stress = stress_begin(argc, argv, "completion_list", 40);
    for (long round = 0; round < stress.rounds; round++)
        play(&stress, round % 2 == 1);
    return 0;
}
