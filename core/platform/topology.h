/* platform/topology.h: which CPUs this process may use, how they share caches and memory, and
 * binding threads to them. The only owner of hwloc.
 *
 * Any thread may call everything but the two functions that bind: those are for threads (and worker
 * processes) that the library created, never for the program's own. Only the first function that
 * needs the machine's structure loads it, once per process; forked children inherit it. Where it
 * cannot be loaded, and where it describes another machine (HWLOC_SYNTHETIC, HWLOC_XMLFILE),
 * nothing is bound, and that is not an error.
 *
 * Invariant: no thread is bound outside the process's mask, which is the affinity mask of its main
 * thread at the moment (so a bound worker process has one CPU); and a child that a bound thread
 * forked starts unbound. */
#ifndef FILCHI_TOPOLOGY_H
#define FILCHI_TOPOLOGY_H

#include <stdbool.h>

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

/* The CPUs in the process's mask, read anew at each call; the machine's structure is not loaded.
 * Returns: at least 1. */
int filchi_topology_usable_cpus(void);

/* Places workers 0 to n - 1: the first CPU of each core in the order of the machine, which keeps
 * neighbours near each other, then the cores' second CPUs and so on; then from the start again.
 * Of another machine all CPUs are used.
 * Blocks: the first time, while the machine's structure is loaded.
 * Returns: false if it is not known or without memory; `out` is unchanged then. */
bool filchi_topology_plan(int n, enum filchi_bind_kind kind, struct filchi_placement *out);

/* Binds the calling thread, and at its end forgets it. May be called again, to bind it elsewhere.
 * Returns: false if that is impossible or no longer inside the process's mask; nothing has changed
 * then. */
bool filchi_topology_bind_self(const struct filchi_placement *placement);

/* Gives the calling thread the process's mask (as it was when the thread was bound, if it is): for
 * threads that a bound thread started, since they inherit its binding.
 * Returns: false if that is impossible. */
bool filchi_topology_unbind_self(void);

/* The NUMA nodes that a placement on this machine can name; memory without CPUs is none.
 * Blocks: as filchi_topology_plan.
 * Returns: 1 if it is not known. */
int filchi_topology_numa_nodes(void);

/* Is there such a node among those? The number is the system's. Where nothing is known node 0 is.
 * Blocks: as filchi_topology_plan. */
bool filchi_topology_has_node(int node);

/* The processes that a launcher (Open MPI, MPICH and Intel MPI, Slurm) started on this host, which
 * may share one mask.
 * Returns: 1 without a launcher. */
int filchi_topology_local_ranks(void);

#endif
