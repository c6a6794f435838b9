/* platform/topology.c: hwloc for the structure of the machine.
 *
 * One mutex guards all state and every call of hwloc, whose own locks a fork could otherwise copy
 * while they are held: the fork handlers below hold the mutex across a fork. They are registered
 * when the library is loaded, so that they take it after any lock whose handlers were registered
 * later, in the order in which a caller with such a lock takes it.
 *
 * hwloc's usual discovery on x86 binds the calling thread to each CPU in turn; that is switched
 * off, since the thread may be the program's. CPUs outside the present cpuset are kept, because the
 * cpuset can grow while the program runs; each plan intersects with the mask of the moment. */
#include "platform/topology.h"

#include "platform/affinity.h"
#include "platform/clock.h"
#include <hwloc.h>
#include <pthread.h>
#include <stdlib.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static enum { NOT_TRIED, LOADED, UNAVAILABLE } state;
static hwloc_topology_t topology;
static uint64_t load_ns;

/* Keeps what placements speak of; machine, NUMA nodes and PUs cannot be filtered. The groups that
 * structure the machine are needed too: without any, all NUMA nodes belong to all CPUs. */
static bool load(hwloc_topology_t loading) {
    static const struct {
        hwloc_obj_type_t type;
        enum hwloc_type_filter_e filter;
    } kept[] = {
        {HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL},
        {HWLOC_OBJ_L2CACHE, HWLOC_TYPE_FILTER_KEEP_ALL},
        {HWLOC_OBJ_L3CACHE, HWLOC_TYPE_FILTER_KEEP_ALL},
        {HWLOC_OBJ_GROUP, HWLOC_TYPE_FILTER_KEEP_STRUCTURE},
    };
    hwloc_topology_set_all_types_filter(loading, HWLOC_TYPE_FILTER_KEEP_NONE);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        hwloc_topology_set_type_filter(loading, kept[i].type, kept[i].filter);
    return hwloc_topology_set_flags(loading, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED |
                                                 HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING) == 0 &&
           hwloc_topology_load(loading) == 0;
}

/* With the mutex, like every use of the topology. A failure is final: trying again is expensive. */
static bool is_loaded(void) {
    if (state == NOT_TRIED) {
        uint64_t start_ns = filchi_clock_ns();
        state = UNAVAILABLE;
        if (hwloc_topology_init(&topology) != 0)
            return false;
        if (load(topology))
            state = LOADED;
        else
            hwloc_topology_destroy(topology);
        load_ns = filchi_clock_ns() - start_ns;
    }
    return state == LOADED;
}

/* Returns: the PUs to plan with, or NULL. */
static hwloc_bitmap_t find_usable(void) {
    hwloc_bitmap_t usable = hwloc_bitmap_dup(hwloc_topology_get_topology_cpuset(topology));
    if (usable == NULL || !hwloc_topology_is_thissystem(topology))
        return usable;
    struct affinity *mask = filchi_affinity_of_process();
    size_t n_cpus = mask == NULL ? 0 : affinity_limit(mask);
    bool ok = mask != NULL && hwloc_bitmap_clr_range(usable, (unsigned)n_cpus, -1) == 0;
    for (size_t cpu = 0; ok && cpu < n_cpus; cpu++)
        if (!affinity_has(mask, cpu))
            ok = hwloc_bitmap_clr(usable, (unsigned)cpu) == 0;
    filchi_affinity_free(mask);
    if (ok)
        return usable;
    hwloc_bitmap_free(usable);
    return NULL;
}

/* What a PU is part of; equal pointers mean: shared. */
struct domains {
    hwloc_obj_t core, l2, l3;
};

static hwloc_obj_t find_ancestor(hwloc_obj_t pu, hwloc_obj_type_t type, hwloc_obj_t otherwise) {
    hwloc_obj_t found = hwloc_get_ancestor_obj_by_type(topology, type, pu);
    return found != NULL ? found : otherwise;
}

/* A PU can have several nodes; the kernel numbers ordinary memory before memory without CPUs.
 * Returns: the system's number, or -1. */
static int local_node(hwloc_obj_t pu) {
    return hwloc_bitmap_first(pu->nodeset);
}

static hwloc_obj_t find_node(int node) {
    return node < 0 ? NULL : hwloc_get_numanode_obj_by_os_index(topology, (unsigned)node);
}

static hwloc_obj_t next_pu(hwloc_obj_t pu) {
    return hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_PU, pu);
}

static struct domains find_domains(hwloc_obj_t pu) {
    struct domains in;
    in.core = find_ancestor(pu, HWLOC_OBJ_CORE, pu);
    in.l2 = find_ancestor(pu, HWLOC_OBJ_L2CACHE, in.core);
    in.l3 = find_ancestor(pu, HWLOC_OBJ_L3CACHE, find_node(local_node(pu)));
    return in;
}

struct candidate {
    struct filchi_placement placement;
    int sibling; /* among the usable PUs of its core */
};

/* Lists the usable PUs in the order of the machine. What they share is contiguous in this order, so
 * a new object means a new number. */
static int list_candidates(hwloc_bitmap_t usable, enum filchi_bind_kind kind,
                           struct candidate *list) {
    struct candidate now = {.placement = {.kind = kind}};
    struct domains before = {NULL, NULL, NULL};
    int n = 0;
    for (hwloc_obj_t pu = next_pu(NULL); pu != NULL; pu = next_pu(pu)) {
        if (!hwloc_bitmap_isset(usable, pu->os_index))
            continue;
        struct domains in = find_domains(pu);
        if (n > 0) {
            now.sibling = in.core == before.core ? now.sibling + 1 : 0;
            now.placement.core += in.core != before.core;
            now.placement.l2 += in.l2 != before.l2;
            now.placement.l3 += in.l3 != before.l3;
        }
        now.placement.cpu = (int)pu->os_index;
        now.placement.node = local_node(pu);
        before = in;
        list[n++] = now;
    }
    return n;
}

static void place(const struct candidate *list, int n_candidates, int n,
                  struct filchi_placement *out) {
    int placed = 0;
    for (int sibling = 0; placed < n && placed < n_candidates; sibling++)
        for (int i = 0; placed < n && i < n_candidates; i++)
            if (list[i].sibling == sibling)
                out[placed++] = list[i].placement;
    for (; placed < n; placed++)
        out[placed] = out[placed - n_candidates];
}

/* The first CPU of a rank's part. With more ranks than CPUs neighbours share one. */
static int part_begin(int n_cpus, int rank, int n_ranks) {
    return (int)((int64_t)n_cpus * rank / n_ranks);
}

int filchi_topology_part(int n_cpus, int rank, int n_ranks) {
    int n = part_begin(n_cpus, rank + 1, n_ranks) - part_begin(n_cpus, rank, n_ranks);
    return n > 0 ? n : 1;
}

static bool plan(int n, enum filchi_bind_kind kind, int rank, int n_ranks,
                 struct filchi_placement *out) {
    hwloc_bitmap_t usable = find_usable();
    if (usable == NULL)
        return false;
    int n_candidates = 0;
    int most = hwloc_bitmap_weight(usable);
    struct candidate *list = most > 0 ? calloc((size_t)most, sizeof *list) : NULL;
    if (list != NULL)
        n_candidates = list_candidates(usable, kind, list);
    if (n_candidates > 0)
        place(list + part_begin(n_candidates, rank, n_ranks),
              filchi_topology_part(n_candidates, rank, n_ranks), n, out);
    free(list);
    hwloc_bitmap_free(usable);
    return n_candidates > 0;
}

bool filchi_topology_plan_part(int n, enum filchi_bind_kind kind, int rank, int n_ranks,
                               struct filchi_placement *out) {
    pthread_mutex_lock(&mutex);
    bool ok = is_loaded() && plan(n, kind, rank, n_ranks, out);
    pthread_mutex_unlock(&mutex);
    return ok;
}

bool filchi_topology_plan(int n, enum filchi_bind_kind kind, struct filchi_placement *out) {
    return filchi_topology_plan_part(n, kind, 0, 1, out);
}

static bool narrow(const struct filchi_placement *placement, struct affinity *affinity) {
    bool to_node = placement->kind == FILCHI_BIND_NUMA;
    hwloc_obj_t node = to_node ? find_node(placement->node) : NULL;
    if (to_node && node == NULL)
        return false;
    for (size_t cpu = 0; cpu < affinity_limit(affinity); cpu++) {
        bool belongs = to_node ? hwloc_bitmap_isset(node->cpuset, (unsigned)cpu)
                               : cpu == (size_t)placement->cpu;
        if (!belongs)
            affinity_remove(affinity, cpu);
    }
    return affinity_count(affinity) > 0;
}

bool filchi_topology_narrow(const struct filchi_placement *placement, struct affinity *affinity) {
    pthread_mutex_lock(&mutex);
    bool ok = is_loaded() && hwloc_topology_is_thissystem(topology) && narrow(placement, affinity);
    pthread_mutex_unlock(&mutex);
    return ok;
}

int filchi_topology_numa_nodes(void) {
    int n = 0;
    pthread_mutex_lock(&mutex);
    hwloc_bitmap_t nodes = is_loaded() ? hwloc_bitmap_alloc() : NULL;
    if (nodes != NULL) {
        for (hwloc_obj_t pu = next_pu(NULL); pu != NULL; pu = next_pu(pu))
            if (local_node(pu) >= 0)
                hwloc_bitmap_set(nodes, (unsigned)local_node(pu));
        n = hwloc_bitmap_weight(nodes);
        hwloc_bitmap_free(nodes);
    }
    pthread_mutex_unlock(&mutex);
    return n > 0 ? n : 1;
}

bool filchi_topology_has_node(int node) {
    pthread_mutex_lock(&mutex);
    bool found = false;
    if (is_loaded() && node >= 0)
        for (hwloc_obj_t pu = next_pu(NULL); pu != NULL && !found; pu = next_pu(pu))
            found = local_node(pu) == node;
    else
        found = node == 0;
    pthread_mutex_unlock(&mutex);
    return found;
}

void filchi_topology_read_facts(bool may_load, struct topology_facts *facts) {
    pthread_mutex_lock(&mutex);
    facts->is_loaded = (may_load || state != NOT_TRIED) && is_loaded();
    facts->is_this_system = facts->is_loaded && hwloc_topology_is_thissystem(topology);
    facts->load_ns = load_ns;
    pthread_mutex_unlock(&mutex);
}

static void before_fork(void) {
    pthread_mutex_lock(&mutex);
}

static void after_fork(void) {
    pthread_mutex_unlock(&mutex);
}

__attribute__((constructor)) static void watch_forks(void) {
    pthread_atfork(before_fork, after_fork, after_fork);
}

/* Threads that still run find nothing loaded. */
__attribute__((destructor)) static void unload(void) {
    pthread_mutex_lock(&mutex);
    if (state == LOADED)
        hwloc_topology_destroy(topology);
    state = UNAVAILABLE;
    pthread_mutex_unlock(&mutex);
}
