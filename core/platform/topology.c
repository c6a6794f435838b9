/* platform/topology.c: hwloc for the structure of the machine, sched_setaffinity for binding.
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

#include <errno.h>
#include <hwloc.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static enum { NOT_TRIED, LOADED, UNAVAILABLE } state;
static hwloc_topology_t topology;

/* The mask that a bound thread had to begin with, as a thread-specific value: freed at its end. */
static pthread_key_t mask_key;
static bool has_mask_key;

/* An affinity mask for any number of CPUs. */
struct mask {
    size_t bytes;
    cpu_set_t *set;
};

static void free_mask(void *mask) {
    if (mask != NULL)
        CPU_FREE(((struct mask *)mask)->set);
    free(mask);
}

static struct mask *new_mask(int n_cpus) {
    struct mask *mask = calloc(1, sizeof *mask);
    if (mask == NULL)
        return NULL;
    mask->bytes = CPU_ALLOC_SIZE(n_cpus);
    mask->set = CPU_ALLOC(n_cpus);
    if (mask->set != NULL)
        return mask;
    free(mask);
    return NULL;
}

/* The kernel says EINVAL as long as the set is smaller than its own. */
static struct mask *read_mask(pid_t thread) {
    const int most_cpus = 1 << 20;
    for (int n_cpus = CPU_SETSIZE; n_cpus <= most_cpus; n_cpus *= 2) {
        struct mask *mask = new_mask(n_cpus);
        if (mask == NULL)
            return NULL;
        if (sched_getaffinity(thread, mask->bytes, mask->set) == 0)
            return mask;
        bool is_too_small = errno == EINVAL;
        free_mask(mask);
        if (!is_too_small)
            return NULL;
    }
    return NULL;
}

/* The main thread's mask; the calling thread may be bound, or have inherited a binding. */
static struct mask *read_process_mask(void) {
    struct mask *mask = read_mask(getpid());
    return mask != NULL ? mask : read_mask(0);
}

static bool set_mask(const struct mask *mask) {
    return sched_setaffinity(0, mask->bytes, mask->set) == 0;
}

int filchi_topology_usable_cpus(void) {
    struct mask *mask = read_process_mask();
    long n = mask != NULL ? CPU_COUNT_S(mask->bytes, mask->set) : sysconf(_SC_NPROCESSORS_ONLN);
    free_mask(mask);
    return n > 0 ? (int)n : 1;
}

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
        state = UNAVAILABLE;
        if (hwloc_topology_init(&topology) != 0)
            return false;
        if (load(topology))
            state = LOADED;
        else
            hwloc_topology_destroy(topology);
    }
    return state == LOADED;
}

/* Returns: the PUs to plan with, or NULL. */
static hwloc_bitmap_t find_usable(void) {
    hwloc_bitmap_t usable = hwloc_bitmap_dup(hwloc_topology_get_topology_cpuset(topology));
    if (usable == NULL || !hwloc_topology_is_thissystem(topology))
        return usable;
    struct mask *mask = read_process_mask();
    size_t n_cpus = mask == NULL ? 0 : mask->bytes * CHAR_BIT;
    bool ok = mask != NULL && hwloc_bitmap_clr_range(usable, (unsigned)n_cpus, -1) == 0;
    for (size_t cpu = 0; ok && cpu < n_cpus; cpu++)
        if (!CPU_ISSET_S(cpu, mask->bytes, mask->set))
            ok = hwloc_bitmap_clr(usable, (unsigned)cpu) == 0;
    free_mask(mask);
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

static bool plan(int n, enum filchi_bind_kind kind, struct filchi_placement *out) {
    hwloc_bitmap_t usable = find_usable();
    if (usable == NULL)
        return false;
    int n_candidates = 0;
    int most = hwloc_bitmap_weight(usable);
    struct candidate *list = most > 0 ? calloc((size_t)most, sizeof *list) : NULL;
    if (list != NULL)
        n_candidates = list_candidates(usable, kind, list);
    if (n_candidates > 0)
        place(list, n_candidates, n, out);
    free(list);
    hwloc_bitmap_free(usable);
    return n_candidates > 0;
}

bool filchi_topology_plan(int n, enum filchi_bind_kind kind, struct filchi_placement *out) {
    pthread_mutex_lock(&mutex);
    bool ok = is_loaded() && plan(n, kind, out);
    pthread_mutex_unlock(&mutex);
    return ok;
}

/* Leaves in the mask what belongs to the placement.
 * Returns: is there anything? */
static bool narrow(struct mask *mask, const struct filchi_placement *placement) {
    bool to_node = placement->kind == FILCHI_BIND_NUMA;
    hwloc_obj_t node = to_node ? find_node(placement->node) : NULL;
    if (to_node && node == NULL)
        return false;
    for (size_t cpu = 0; cpu < mask->bytes * CHAR_BIT; cpu++) {
        bool belongs = to_node ? hwloc_bitmap_isset(node->cpuset, (unsigned)cpu)
                               : cpu == (size_t)placement->cpu;
        if (!belongs)
            CPU_CLR_S(cpu, mask->bytes, mask->set);
    }
    return CPU_COUNT_S(mask->bytes, mask->set) > 0;
}

static struct mask *find_saved_mask(void) {
    return has_mask_key ? pthread_getspecific(mask_key) : NULL;
}

static bool save_mask(struct mask *mask) {
    if (!has_mask_key)
        has_mask_key = pthread_key_create(&mask_key, free_mask) == 0;
    return has_mask_key && pthread_setspecific(mask_key, mask) == 0;
}

static void forget_saved_mask(void) {
    free_mask(find_saved_mask());
    if (has_mask_key)
        pthread_setspecific(mask_key, NULL);
}

static bool bind_self(const struct filchi_placement *placement) {
    struct mask *saved = find_saved_mask();
    struct mask *wide = saved != NULL ? saved : read_process_mask();
    struct mask *narrowed = wide != NULL ? new_mask((int)(wide->bytes * CHAR_BIT)) : NULL;
    bool ok = false;
    if (narrowed != NULL) {
        memcpy(narrowed->set, wide->set, wide->bytes);
        /* Saved first: a binding that could not be undone in a forked child is not made. */
        ok = narrow(narrowed, placement) && (saved != NULL || save_mask(wide));
        if (ok && !set_mask(narrowed)) {
            ok = false;
            if (saved == NULL)
                pthread_setspecific(mask_key, NULL);
        }
    }
    if (!ok && saved == NULL)
        free_mask(wide);
    free_mask(narrowed);
    return ok;
}

bool filchi_topology_bind_self(const struct filchi_placement *placement) {
    pthread_mutex_lock(&mutex);
    bool ok = is_loaded() && hwloc_topology_is_thissystem(topology) && bind_self(placement);
    pthread_mutex_unlock(&mutex);
    return ok;
}

bool filchi_topology_unbind_self(void) {
    pthread_mutex_lock(&mutex);
    struct mask *saved = find_saved_mask();
    struct mask *wide = saved != NULL ? saved : read_process_mask();
    bool ok = wide != NULL && set_mask(wide);
    if (saved == NULL)
        free_mask(wide);
    else if (ok)
        forget_saved_mask();
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

/* "4", and Slurm's "4(x2)" and "4(x2),3", where the first host's number is taken.
 * Returns: 0 for anything else. */
static int parse_ranks(const char *text) {
    if (text == NULL || text[0] < '0' || text[0] > '9')
        return 0;
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    bool ends_well = *end == '\0' || *end == ',' || strncmp(end, "(x", 2) == 0;
    return ends_well && errno == 0 && n <= INT_MAX ? (int)n : 0;
}

int filchi_topology_local_ranks(void) {
    static const char *const names[] = {"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS",
                                        "SLURM_NTASKS_PER_NODE"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int n = parse_ranks(getenv(names[i]));
        if (n > 0)
            return n;
    }
    return 1;
}

static void before_fork(void) {
    pthread_mutex_lock(&mutex);
}

static void after_fork(void) {
    pthread_mutex_unlock(&mutex);
}

/* The child of a bound thread is the program's, and not to be kept on one CPU. */
static void after_fork_in_child(void) {
    struct mask *saved = find_saved_mask();
    if (saved != NULL) {
        set_mask(saved);
        forget_saved_mask();
    }
    pthread_mutex_unlock(&mutex);
}

__attribute__((constructor)) static void watch_forks(void) {
    pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

/* Threads that still run find nothing loaded. Their masks are theirs until the process ends. */
__attribute__((destructor)) static void unload(void) {
    pthread_mutex_lock(&mutex);
    if (state == LOADED)
        hwloc_topology_destroy(topology);
    state = UNAVAILABLE;
    forget_saved_mask();
    if (has_mask_key)
        pthread_key_delete(mask_key);
    has_mask_key = false;
    pthread_mutex_unlock(&mutex);
}
