/* platform/topology.h: how the CPUs that this process may use share caches and memory. The only owner
 * of hwloc.
 *
 * Any thread may call everything. Only the first function that needs the machine's structure loads
 * it, once per process; forked children inherit it. Where it cannot be loaded, and where it
 * describes another machine (HWLOC_SYNTHETIC, HWLOC_XMLFILE), nothing can be bound, and that is not
 * an error. */
#ifndef FILCHI_TOPOLOGY_H
#define FILCHI_TOPOLOGY_H

#include <stdbool.h>
#include <stdint.h>

struct affinity;

enum filchi_bind_kind {
    FILCHI_BIND_CORE, /* to one CPU */
    FILCHI_BIND_NUMA, /* to the CPUs of its NUMA node */
};

/* Where a worker belongs. CPU and node have the system's numbers. The others are numbered from 0
 * within the process's mask, and two workers share what has equal numbers. Where no L2 is known it
 * is the core's own; where no L3 is known, those of one NUMA node that lack it count as sharing. */
struct filchi_placement {
    enum filchi_bind_kind kind;
    int cpu;
    int core;
    int l2;
    int l3;
    int node; /* -1: none */
};

/* Places workers 0 to n - 1: the first CPU of each core in the order of the machine, which keeps
 * neighbours near each other, then the cores' second CPUs and so on; then from the start again.
 * Of another machine all CPUs are used.
 * Blocks: the first time, while the machine's structure is loaded.
 * Returns: false if it is not known or without memory; `out` is unchanged then. */
bool filchi_topology_plan(int n, enum filchi_bind_kind kind, struct filchi_placement *out);

/* The same on the part of the CPUs that is left to rank `rank` of `n_ranks` that share them: a
 * contiguous part in the order of the machine, and at least one. */
bool filchi_topology_plan_part(int n, enum filchi_bind_kind kind, int rank, int n_ranks,
                               struct filchi_placement *out);

/* The CPUs in that part of `n_cpus`. Returns: at least 1. */
int filchi_topology_part(int n_cpus, int rank, int n_ranks);

/* Leaves in an affinity mask what belongs to the placement.
 * Returns: false if nothing does, or if this is not the machine that is described. */
bool filchi_topology_narrow(const struct filchi_placement *placement, struct affinity *affinity);

/* The NUMA nodes that a placement on this machine can name; memory without CPUs is none.
 * Blocks: as filchi_topology_plan.
 * Returns: 1 if it is not known. */
int filchi_topology_numa_nodes(void);

/* Is there such a node among those? The number is the system's. Where nothing is known node 0 is.
 * Blocks: as filchi_topology_plan. */
bool filchi_topology_has_node(int node);

/* What is known about the machine's description. */
struct topology_facts {
    bool is_loaded;
    bool is_this_system; /* if loaded */
    uint64_t load_ns;    /* what the first use cost */
};

/* Blocks: as filchi_topology_plan, unless `may_load` is false: then what is known so far. */
void filchi_topology_read_facts(bool may_load, struct topology_facts *facts);

#endif
