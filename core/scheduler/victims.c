/* scheduler/victims.c: sorting the seats, and finding the runs. */
#include "scheduler/victims.h"

#include "platform/topology.h"
#include <stdlib.h>

size_t filchi_victims_bytes(uint32_t n_seats) {
    return n_seats * (sizeof(struct victim_place) + sizeof(uint16_t));
}

/* Compares outer levels before inner ones. A worker bound to a node is anywhere on it. */
static int compare_places(const struct filchi_placement *a, const struct filchi_placement *b,
                          enum victim_ring ring) {
    int order = (a->node > b->node) - (a->node < b->node);
    if (order != 0 || ring == VICTIM_NODE)
        return order;
    if (a->kind == FILCHI_BIND_NUMA)
        return -1;
    order = (a->l3 > b->l3) - (a->l3 < b->l3);
    if (order != 0 || ring == VICTIM_L3)
        return order;
    order = (a->l2 > b->l2) - (a->l2 < b->l2);
    if (order != 0 || ring == VICTIM_L2)
        return order;
    return (a->core > b->core) - (a->core < b->core);
}

static int compare_seats(const void *a, const void *b, void *placements) {
    const struct filchi_placement *places = placements;
    uint16_t left = *(const uint16_t *)a, right = *(const uint16_t *)b;
    bool is_on_core = places[left].kind == FILCHI_BIND_CORE;
    int order =
        compare_places(&places[left], &places[right], is_on_core ? VICTIM_SMT : VICTIM_NODE);
    return order != 0 ? order : (left > right) - (left < right);
}

/* Finds the runs of one level. */
static void mark_runs(struct victims *victims, const struct filchi_placement *placements,
                      enum victim_ring ring) {
    uint32_t n = victims->n_seats;
    for (uint32_t begin = 0, end; begin < n; begin = end) {
        const struct filchi_placement *first = &placements[victims->order[begin]];
        for (end = begin + 1; end < n; end++)
            if (compare_places(first, &placements[victims->order[end]], ring) != 0)
                break;
        struct victim_run run = {(uint16_t)begin, (uint16_t)end};
        for (uint32_t at = begin; at < end; at++)
            victims->places[victims->order[at]].runs[ring] = run;
        victims->n_nodes += ring == VICTIM_NODE;
    }
}

void filchi_victims_build(struct victims *victims, void *memory, uint32_t n_seats,
                          const struct filchi_placement *placements) {
    victims->n_seats = n_seats;
    victims->n_nodes = 0;
    victims->places = memory;
    victims->order = (uint16_t *)(victims->places + n_seats);
    for (uint32_t i = 0; i < n_seats; i++)
        victims->order[i] = (uint16_t)i;
    qsort_r(victims->order, n_seats, sizeof victims->order[0], compare_seats, (void *)placements);
    for (uint32_t at = 0; at < n_seats; at++) {
        uint32_t seat = victims->order[at];
        victims->places[seat].at = (uint16_t)at;
        victims->places[seat].node = placements[seat].node;
    }
    for (int ring = 0; ring < VICTIM_RINGS; ring++)
        mark_runs(victims, placements, (enum victim_ring)ring);
}

struct victim_run filchi_victims_on_node(const struct victims *victims, int node) {
    uint32_t low = 0, high = victims->order != NULL ? victims->n_seats : 0;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        const struct victim_place *place = &victims->places[victims->order[middle]];
        if (place->node == node)
            return place->runs[VICTIM_NODE];
        if (place->node < node)
            low = middle + 1;
        else
            high = middle;
    }
    return (struct victim_run){0, 0};
}
