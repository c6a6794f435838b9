/* scheduler/victims.h: who steals from whom first: the seats of a pool, by distance.
 *
 * A worker that is bound has its place with its seat. Around each seat lie rings: the seats on the
 * same core, then those that share an L2, an L3 and a NUMA node with it; all others are remote. Each
 * ring is what its level adds to the one inside.
 *
 * The levels are nested, so one order of the seats (by node, L3, L2, core) makes every level of every
 * seat a run of neighbours. All orders of victims together are that one permutation and four runs for
 * each seat: 26 bytes a seat, 104 KiB for the largest pool, where a list for each seat would take 32
 * MiB. They are laid out when the pool is opened and never change.
 *
 * A worker that is not bound is nowhere: a pool of such workers has no rings (`order` is NULL), and
 * does not load the machine's structure for them. */
#ifndef FILCHI_VICTIMS_H
#define FILCHI_VICTIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct filchi_placement;

enum victim_ring { VICTIM_SMT, VICTIM_L2, VICTIM_L3, VICTIM_NODE, VICTIM_RINGS, VICTIM_REMOTE = 4 };

/* Positions in the order: what level `ring` contains lies in [begin, end). */
struct victim_run {
    uint16_t begin;
    uint16_t end;
};

struct victim_place {
    struct victim_run runs[VICTIM_RINGS];
    int32_t node; /* -1: not known */
    uint16_t at;  /* its own position */
};

struct victims {
    uint32_t n_seats;
    uint32_t n_nodes;
    uint16_t *order; /* the seats; NULL: nobody has a place */
    struct victim_place *places;
};

/* The memory that filchi_victims_build lays them out in, aligned to 8. */
size_t filchi_victims_bytes(uint32_t n_seats);

void filchi_victims_build(struct victims *victims, void *memory, uint32_t n_seats,
                          const struct filchi_placement *placements);

/* A ring is two runs, on both sides of what is inside: position i of it, 0 <= i < ring_count. */
struct victim_ring_span {
    struct victim_run outer, inner;
};

static inline struct victim_ring_span victims_ring(const struct victims *victims, uint32_t seat,
                                                   uint32_t ring) {
    const struct victim_place *place = &victims->places[seat];
    struct victim_run all = {0, (uint16_t)victims->n_seats};
    struct victim_run self = {place->at, (uint16_t)(place->at + 1)};
    return (struct victim_ring_span){ring == VICTIM_REMOTE ? all : place->runs[ring],
                                     ring == 0 ? self : place->runs[ring - 1]};
}

static inline uint32_t ring_count(struct victim_ring_span span) {
    return (uint32_t)(span.outer.end - span.outer.begin) -
           (uint32_t)(span.inner.end - span.inner.begin);
}

/* The seat at index i of the ring. */
static inline uint32_t ring_seat(const struct victims *victims, struct victim_ring_span span,
                                 uint32_t i) {
    uint32_t at = span.outer.begin + i;
    if (at >= span.inner.begin)
        at += (uint32_t)(span.inner.end - span.inner.begin);
    return victims->order[at];
}

/* The node of whoever sits there; -1: not known, or no seat. */
static inline int victims_node(const struct victims *victims, uint32_t seat) {
    return victims->order != NULL && seat < victims->n_seats ? victims->places[seat].node : -1;
}

/* The run of seats on a node; empty if there are none. */
struct victim_run filchi_victims_on_node(const struct victims *victims, int node);

#endif
