/* test_victims.c: whom each worker steals from first, on made-up machines. The orders are written out:
 * one string for each seat, rings from the inside out: SMT | L2 | L3 | NUMA node | remote. */
#include "scheduler/victims.h"

#include "platform/topology.h"
#include "unit/alone.h"

enum { MOST = 4096 };
static struct filchi_placement placements[MOST];
static struct victims victims;

static void build(uint32_t n, enum filchi_bind_kind kind) {
    CHECK(filchi_topology_plan((int)n, kind, placements));
    victims = (struct victims){0};
    filchi_victims_build(&victims, calloc(1, filchi_victims_bytes(n)), n, placements);
}

static void describe(uint32_t seat, char *text, size_t size) {
    size_t at = 0;
    for (uint32_t ring = 0; ring <= VICTIM_REMOTE; ring++) {
        struct victim_ring_span span = victims_ring(&victims, seat, ring);
        at += (size_t)snprintf(text + at, size - at, ring == 0 ? "" : " |");
        for (uint32_t i = 0; i < ring_count(span); i++)
            at += (size_t)snprintf(text + at, size - at, &" %u"[ring == 0 && i == 0],
                                   ring_seat(&victims, span, i));
    }
}

static void check_orders(uint32_t n, enum filchi_bind_kind kind, const char *const *expected) {
    build(n, kind);
    for (uint32_t seat = 0; seat < n; seat++) {
        char text[512];
        describe(seat, text, sizeof text);
        CHECK_MSG(strcmp(text, expected[seat]) == 0, "seat %u: \"%s\", expected \"%s\"", seat, text,
                  expected[seat]);
    }
    free(victims.places);
}

TEST_ALONE(victims, smt) {
    use_machine("pack:1 core:4 pu:2");
    static const char *const expected[] = {
        "4 | | 1 5 2 6 3 7 | |", "5 | | 0 4 2 6 3 7 | |", "6 | | 0 4 1 5 3 7 | |",
        "7 | | 0 4 1 5 2 6 | |", "0 | | 1 5 2 6 3 7 | |", "1 | | 0 4 2 6 3 7 | |",
        "2 | | 0 4 1 5 3 7 | |", "3 | | 0 4 1 5 2 6 | |",
    };
    check_orders(8, FILCHI_BIND_CORE, expected);
}

TEST_ALONE(victims, several_l3) {
    use_machine("pack:1 l3:4 core:2 pu:1");
    static const char *const expected[] = {
        " | | 1 | 2 3 4 5 6 7 |", " | | 0 | 2 3 4 5 6 7 |", " | | 3 | 0 1 4 5 6 7 |",
        " | | 2 | 0 1 4 5 6 7 |", " | | 5 | 0 1 2 3 6 7 |", " | | 4 | 0 1 2 3 6 7 |",
        " | | 7 | 0 1 2 3 4 5 |", " | | 6 | 0 1 2 3 4 5 |",
    };
    check_orders(8, FILCHI_BIND_CORE, expected);
}

TEST_ALONE(victims, shared_l2) {
    use_machine("pack:1 l3:2 l2:2 core:2 pu:1");
    static const char *const expected[] = {
        " | 1 | 2 3 | 4 5 6 7 |", " | 0 | 2 3 | 4 5 6 7 |", " | 3 | 0 1 | 4 5 6 7 |",
        " | 2 | 0 1 | 4 5 6 7 |", " | 5 | 6 7 | 0 1 2 3 |", " | 4 | 6 7 | 0 1 2 3 |",
        " | 7 | 4 5 | 0 1 2 3 |", " | 6 | 4 5 | 0 1 2 3 |",
    };
    check_orders(8, FILCHI_BIND_CORE, expected);
}

TEST_ALONE(victims, four_nodes) {
    use_machine("pack:2 group:2 [numa] l3:1 core:2 pu:1");
    static const char *const expected[] = {
        " | | 1 | | 2 3 4 5 6 7", " | | 0 | | 2 3 4 5 6 7", " | | 3 | | 0 1 4 5 6 7",
        " | | 2 | | 0 1 4 5 6 7", " | | 5 | | 0 1 2 3 6 7", " | | 4 | | 0 1 2 3 6 7",
        " | | 7 | | 0 1 2 3 4 5", " | | 6 | | 0 1 2 3 4 5",
    };
    check_orders(8, FILCHI_BIND_CORE, expected);
    build(8, FILCHI_BIND_CORE);
    CHECK_EQ(victims.n_nodes, 4);
    for (int node = 0; node < 4; node++) {
        struct victim_run run = filchi_victims_on_node(&victims, node);
        CHECK_EQ(run.end - run.begin, 2);
        for (uint32_t at = run.begin; at < run.end; at++)
            CHECK_EQ(victims_node(&victims, victims.order[at]), node);
    }
    CHECK_EQ(filchi_victims_on_node(&victims, 4).end, 0);
    CHECK_EQ(filchi_victims_on_node(&victims, -1).end, 0);
    CHECK_EQ(victims_node(&victims, UINT32_MAX), -1);
    free(victims.places);
}

TEST_ALONE(victims, eight_nodes_with_everything) {
    use_machine("pack:2 group:4 [numa] l3:2 l2:1 core:2 pu:2");
    build(64, FILCHI_BIND_CORE);
    CHECK_EQ(victims.n_nodes, 8);
    /* 32 cores: seat 5 is on the second core of the second L3 of node 1; its sibling is seat 37. */
    static const struct {
        uint32_t seat;
        const char *begin;
    } expected[] = {
        {0, "32 | 1 33 | | 2 34 3 35 | 4 36 5 37 6 38 7 39 8 40"},
        {5, "37 | 4 36 | | 6 38 7 39 | 0 32 1 33 2 34 3 35 8 40 9 41"},
        {31, "63 | 30 62 | | 28 60 29 61 | 0 32 1 33"},
        {63, "31 | 30 62 | | 28 60 29 61 | 0 32 1 33"},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        char text[512];
        describe(expected[i].seat, text, sizeof text);
        CHECK_MSG(strncmp(text, expected[i].begin, strlen(expected[i].begin)) == 0,
                  "seat %u: \"%s\"", expected[i].seat, text);
    }
    free(victims.places);
}

TEST_ALONE(victims, nodes_whose_numbers_are_not_in_order) {
    use_machine("pack:3 [numa(indexes=5,0,3)] core:2 pu:1");
    static const char *const expected[] = {
        " | | 1 | | 2 3 4 5", " | | 0 | | 2 3 4 5", " | | 3 | | 4 5 0 1",
        " | | 2 | | 4 5 0 1", " | | 5 | | 2 3 0 1", " | | 4 | | 2 3 0 1",
    };
    check_orders(6, FILCHI_BIND_CORE, expected);
}

TEST_ALONE(victims, workers_bound_to_nodes) {
    use_machine("pack:2 [numa] core:2 pu:1");
    static const char *const expected[] = {" | | | 1 | 2 3", " | | | 0 | 2 3", " | | | 3 | 0 1",
                                           " | | | 2 | 0 1"};
    check_orders(4, FILCHI_BIND_NUMA, expected);
}

TEST_ALONE(victims, more_workers_than_cpus) {
    use_machine("core:2 pu:1");
    static const char *const expected[] = {"2 | | 1 3 | |", "3 | | 0 2 | |", "0 | | 1 3 | |",
                                           "1 | | 0 2 | |"};
    check_orders(4, FILCHI_BIND_CORE, expected);
}

/* Every other seat is in exactly one ring. */
TEST_ALONE(victims, rings_are_a_partition) {
    use_machine("pack:4 group:2 [numa] l3:4 l2:4 core:2 pu:2");
    static unsigned char seen[MOST];
    for (uint32_t n = 1; n <= 512; n = n * 3 + 1) {
        build(n, FILCHI_BIND_CORE);
        for (uint32_t seat = 0; seat < n; seat += 1 + n / 16) {
            memset(seen, 0, sizeof seen);
            for (uint32_t ring = 0; ring <= VICTIM_REMOTE; ring++) {
                struct victim_ring_span span = victims_ring(&victims, seat, ring);
                for (uint32_t i = 0; i < ring_count(span); i++)
                    seen[ring_seat(&victims, span, i)]++;
            }
            for (uint32_t i = 0; i < n; i++)
                CHECK_EQ(seen[i], i != seat);
        }
        free(victims.places);
    }
}

TEST_ALONE(victims, the_largest_pool) {
    use_machine("pack:8 [numa] l3:8 core:64 pu:1");
    build(MOST, FILCHI_BIND_CORE);
    CHECK_LE(filchi_victims_bytes(MOST), 128 * 1024);
    struct victim_ring_span remote = victims_ring(&victims, MOST - 1, VICTIM_REMOTE);
    CHECK_EQ(ring_count(remote), MOST - MOST / 8);
    CHECK_EQ(ring_seat(&victims, remote, 0), 0);
    CHECK_EQ(ring_seat(&victims, remote, MOST - MOST / 8 - 1), MOST - MOST / 8 - 1);
    free(victims.places);
}

TEST(victims, without_places_nobody_is_anywhere) {
    struct victims none = {.n_seats = 4};
    CHECK_EQ(victims_node(&none, 0), -1);
    CHECK_EQ(filchi_victims_on_node(&none, 0).end, 0);
    CHECK_EQ(filchi_victims_bytes(0), 0);
}
