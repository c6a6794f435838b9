/* machine.c: what a pool makes of the machine, as the kernel tells it: where workers may run and do, where their memory
 * lies, whom they steal from first. tools/numa-vm runs it on machines that have several NUMA nodes.
 *
 *     machine.machine places          all of that, for pools of threads and of processes
 *     machine.machine workers N       by default a pool has N workers, and they work
 *     machine.machine offline CPU     work goes on while a CPU is taken away and given back */
#include "executor/pool.h"
#include "scheduler/worker.h"
#include "stress/stress.h"

#include <filch/filch.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST_CPUS = 256, MOST_NODES = 64, PAGE = 4096 };

static cpu_set_t allowed;
static int n_allowed, n_nodes;
static cpu_set_t node_cpus[MOST_NODES];

/* ---- what the kernel says ----------------------------------------------------------------------------- */

/* "0-3,8" */
static void parse_list(const char *text, cpu_set_t *set) {
    CPU_ZERO(set);
    for (char *at = (char *)(uintptr_t)text; *at >= '0' && *at <= '9'; at += *at == ',') {
        long first = strtol(at, &at, 10), last = first;
        if (*at == '-')
            last = strtol(at + 1, &at, 10);
        for (long cpu = first; cpu <= last; cpu++)
            CPU_SET((size_t)cpu, set);
    }
}

static void read_machine(void) {
    STRESS_CHECK(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
    n_allowed = CPU_COUNT(&allowed);
    for (n_nodes = 0; n_nodes < MOST_NODES; n_nodes++) {
        char path[100], text[1000];
        snprintf(path, sizeof path, "/sys/devices/system/node/node%d/cpulist", n_nodes);
        FILE *file = fopen(path, "r");
        if (file == NULL)
            break;
        if (fgets(text, sizeof text, file) != NULL)
            parse_list(text, &node_cpus[n_nodes]);
        fclose(file);
    }
    if (n_nodes == 0)
        node_cpus[n_nodes++] = allowed;
}

static int node_of_cpu(int cpu) {
    for (int node = 0; node < n_nodes; node++)
        if (CPU_ISSET((size_t)cpu, &node_cpus[node]))
            return node;
    return -1;
}

/* -1: the kernel does not say. */
static int node_of_page(const void *address) {
    int node = -1;
    if (syscall(SYS_get_mempolicy, &node, NULL, 0, address, MPOL_F_NODE | MPOL_F_ADDR) != 0)
        return -1;
    return node;
}

/* ---- in workers ---------------------------------------------------------------------------------------- */

struct meeting {
    atomic_int n;
};

struct place {
    int worker, cpu, memory_node;
    uint32_t seat;
    cpu_set_t mask;
};

/* Tells where it runs, once all have come. */
static struct place tell_place(struct meeting *meeting, int n) {
    struct place place = {.worker = filch_this_worker(), .cpu = -1};
    atomic_fetch_add(&meeting->n, 1);
    while (atomic_load(&meeting->n) < n)
        sched_yield();
    const struct worker *self = filchi_worker_self();
    place.cpu = sched_getcpu();
    place.seat = self->seat;
    place.memory_node = node_of_page(self);
    if (sched_getaffinity(0, sizeof place.mask, &place.mask) != 0)
        filch_raise(1, "sched_getaffinity");
    return place;
}
FILCH_TASK(struct place, tell_place, struct meeting *, int);

static int tell_cpu(void) {
    return sched_getcpu();
}
FILCH_TASK(int, tell_cpu);

/* ---- pools ------------------------------------------------------------------------------------------------ */

static filch_executor *open_pool(bool has_processes, int n_workers, filch_bind bind) {
    filch_executor *ex = has_processes ? filch_process_pool(.max_workers = n_workers, .bind = bind,
                                                            .memory = (size_t)64 << 20)
                                       : filch_thread_pool(.max_workers = n_workers, .bind = bind);
    STRESS_CHECK_MSG(ex != NULL, "open: %s", filch_error_message());
    return ex;
}

/* As many workers as there are CPUs, all at once. */
static void ask_for_places(filch_executor *ex, struct place *places) {
    filch_future *futures[MOST_CPUS];
    struct meeting *meeting = filch_shared_alloc(ex, sizeof *meeting);
    STRESS_CHECK(meeting != NULL);
    atomic_init(&meeting->n, 0);
    for (int i = 0; i < n_allowed; i++)
        futures[i] = filch_submit(ex, tell_place, meeting, n_allowed);
    for (int i = 0; i < n_allowed; i++) {
        STRESS_CHECK_MSG(filch_result(futures[i], &places[i]) == FILCH_OK, "%s",
                         filch_error_message());
        filch_release(futures[i]);
    }
    filch_shared_free(ex, meeting);
}

/* Where a worker's mask says that it belongs to. */
static int node_of_mask(const cpu_set_t *mask) {
    for (int cpu = 0; cpu < MOST_CPUS; cpu++)
        if (CPU_ISSET((size_t)cpu, mask))
            return node_of_cpu(cpu);
    return -1;
}

static void check_masks(const struct place *places, filch_bind bind) {
    cpu_set_t taken;
    int per_node[MOST_NODES] = {0};
    CPU_ZERO(&taken);
    for (int i = 0; i < n_allowed; i++) {
        const cpu_set_t *mask = &places[i].mask;
        int node = node_of_mask(mask);
        STRESS_CHECK(CPU_ISSET((size_t)places[i].cpu, mask));
        per_node[node]++;
        if (bind == FILCH_BIND_NONE || n_allowed == 1) {
            STRESS_CHECK(CPU_EQUAL(mask, &allowed));
        } else if (bind == FILCH_BIND_NUMA) {
            cpu_set_t all;
            CPU_AND(&all, &node_cpus[node], &allowed);
            STRESS_CHECK(CPU_EQUAL(mask, &all));
        } else {
            cpu_set_t both;
            CPU_AND(&both, &taken, mask);
            STRESS_CHECK_MSG(CPU_COUNT(mask) == 1 && CPU_COUNT(&both) == 0,
                             "worker %d is bound to %d CPUs", places[i].worker, CPU_COUNT(mask));
            CPU_OR(&taken, &taken, mask);
        }
    }
    for (int node = 0; node < n_nodes && bind != FILCH_BIND_NONE && n_allowed > 1; node++) {
        cpu_set_t usable;
        CPU_AND(&usable, &node_cpus[node], &allowed);
        STRESS_CHECK_MSG(per_node[node] == CPU_COUNT(&usable), "%d workers on node %d of %d CPUs",
                         per_node[node], node, CPU_COUNT(&usable));
    }
}

/* What a worker uses lies on its node. */
static void check_memory(const struct place *places) {
    for (int i = 0; i < n_allowed; i++) {
        int node = node_of_mask(&places[i].mask);
        STRESS_CHECK_MSG(places[i].memory_node == node || places[i].memory_node == -1,
                         "worker %d is on node %d, its memory on node %d", places[i].worker, node,
                         places[i].memory_node);
    }
}

/* The seats of its node come before all others. */
static void check_victims(filch_executor *ex, const struct place *places) {
    const struct victims *victims = &ex->pool->scheduler->victims;
    for (int i = 0; i < n_allowed; i++) {
        uint32_t seat = places[i].seat, n_near = 0;
        int node = node_of_mask(&places[i].mask);
        STRESS_CHECK(victims->order != NULL && victims_node(victims, seat) == node);
        for (uint32_t ring = 0; ring <= VICTIM_REMOTE; ring++) {
            struct victim_ring_span span = victims_ring(victims, seat, ring);
            for (uint32_t k = 0; k < ring_count(span); k++) {
                bool is_near = victims_node(victims, ring_seat(victims, span, k)) == node;
                STRESS_CHECK(is_near == (ring != VICTIM_REMOTE));
                n_near += is_near;
            }
        }
        cpu_set_t usable;
        CPU_AND(&usable, &node_cpus[node], &allowed);
        STRESS_CHECK((int)n_near == CPU_COUNT(&usable) - 1);
    }
}

static int count_used_nodes(void) {
    int n = 0;
    for (int node = 0; node < n_nodes; node++) {
        cpu_set_t usable;
        CPU_AND(&usable, &node_cpus[node], &allowed);
        n += CPU_COUNT(&usable) > 0;
    }
    return n;
}

/* Of a large piece of a pool of processes each node that has workers has its share, each time that it is taken. */
static void check_shared_memory(filch_executor *ex) {
    enum { N_PAGES = 1024, N_TIMES = 3 };
    for (int time = 0; time < N_TIMES; time++) {
        int per_node[MOST_NODES] = {0};
        char *memory = filch_shared_alloc(ex, (size_t)N_PAGES * PAGE);
        STRESS_CHECK(memory != NULL);
        memset(memory, 1, (size_t)N_PAGES * PAGE);
        for (int page = 0; page < N_PAGES; page++) {
            int node = node_of_page(memory + (size_t)page * PAGE);
            if (node >= 0)
                per_node[node]++;
        }
        for (int node = 0; node < n_nodes; node++) {
            cpu_set_t usable;
            CPU_AND(&usable, &node_cpus[node], &allowed);
            STRESS_CHECK_MSG(CPU_COUNT(&usable) == 0 ||
                                 per_node[node] >= N_PAGES / count_used_nodes() / 2,
                             "%d of %d pages are on node %d", per_node[node], N_PAGES, node);
        }
        filch_shared_free(ex, memory);
    }
}

static void check_pool(bool has_processes, filch_bind bind) {
    static const char *const names[] = {"auto", "core", "numa", "none"};
    static struct place places[MOST_CPUS];
    filch_executor *ex = open_pool(has_processes, n_allowed, bind);
    ask_for_places(ex, places);
    if (bind == FILCH_BIND_AUTO && CPU_EQUAL(&places[0].mask, &allowed))
        bind = FILCH_BIND_NONE; /* it would harm here, by a quota */
    check_masks(places, bind);
    if (bind != FILCH_BIND_NONE && n_allowed > 1) {
        check_victims(ex, places);
        if (n_nodes > 1)
            check_memory(places);
        if (count_used_nodes() > 1 && has_processes)
            check_shared_memory(ex);
    }
    filch_close(ex);
    printf("%s, bound by %s: right\n", has_processes ? "processes" : "threads", names[bind]);
    fflush(stdout);
}

/* A task that would like a node is run there, where all workers are idle. */
static void check_preference(bool has_processes) {
    enum { TIMES = 8 };
    static struct place places[MOST_CPUS];
    filch_executor *ex = open_pool(has_processes, n_allowed, FILCH_BIND_CORE);
    ask_for_places(ex, places); /* all have started */
    for (int node = 0; node < n_nodes; node++) {
        cpu_set_t usable;
        CPU_AND(&usable, &node_cpus[node], &allowed);
        int n_there = 0;
        if (CPU_COUNT(&usable) == 0) /* nobody is there */
            continue;
        for (int i = 0; i < TIMES; i++) {
            int cpu = -1;
            nanosleep(&(struct timespec){0, 20000000}, NULL);
            filch_future *future =
                filch_submit_with(ex, FILCH_OPTIONS(.numa_node = FILCH_NODE(node)), tell_cpu);
            STRESS_CHECK(filch_result(future, &cpu) == FILCH_OK);
            filch_release(future);
            n_there += node_of_cpu(cpu) == node;
        }
        printf("%s: %d of %d tasks for node %d ran there\n",
               has_processes ? "processes" : "threads", n_there, TIMES, node);
        STRESS_CHECK(n_there >= TIMES / 2);
    }
    filch_close(ex);
}

static void check_places(void) {
    printf("%d CPUs, %d NUMA nodes\n", n_allowed, n_nodes);
    for (int has_processes = 0; has_processes < 2; has_processes++) {
        for (int bind = FILCH_BIND_AUTO; bind <= FILCH_BIND_NONE; bind++)
            check_pool(has_processes != 0, (filch_bind)bind);
        if (count_used_nodes() > 1)
            check_preference(has_processes != 0);
    }
}

/* ---- conditions ----------------------------------------------------------------------------------------- */

static void run_tasks(filch_executor *ex, int n) {
    for (int i = 0; i < n; i++) {
        int cpu = -1;
        filch_future *future = filch_submit(ex, tell_cpu);
        STRESS_CHECK_MSG(filch_result(future, &cpu) == FILCH_OK && cpu >= 0, "%s",
                         filch_error_message());
        filch_release(future);
    }
}

static void check_workers(int n) {
    for (int has_processes = 0; has_processes < 2; has_processes++) {
        filch_executor *ex = open_pool(has_processes != 0, 0, FILCH_BIND_AUTO);
        filch_stats_snapshot stats = FILCH_STATS();
        STRESS_CHECK(filch_stats(ex, &stats) == FILCH_OK);
        STRESS_CHECK_MSG(stats.max_workers == n, "%d workers, not %d", stats.max_workers, n);
        run_tasks(ex, 50);
        filch_close(ex);
    }
    printf("%d workers\n", n);
}

static void set_online(int cpu, bool is_online) {
    char path[100];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/online", cpu);
    FILE *file = fopen(path, "w");
    STRESS_CHECK_MSG(file != NULL, "%s: not to be written", path);
    fputs(is_online ? "1" : "0", file);
    STRESS_CHECK(fclose(file) == 0);
}

/* Its worker goes where the kernel puts it. */
static void check_offline(int cpu) {
    static struct place places[MOST_CPUS];
    for (int has_processes = 0; has_processes < 2; has_processes++) {
        filch_executor *ex = open_pool(has_processes != 0, n_allowed, FILCH_BIND_CORE);
        ask_for_places(ex, places);
        set_online(cpu, false);
        ask_for_places(ex, places);
        run_tasks(ex, 50);
        set_online(cpu, true);
        ask_for_places(ex, places);
        filch_close(ex);
    }
    printf("CPU %d was away: all tasks ran\n", cpu);
}

int main(int argc, char **argv) {
    read_machine();
    if (argc == 2 && strcmp(argv[1], "places") == 0)
        check_places();
    else if (argc == 3 && strcmp(argv[1], "workers") == 0)
        check_workers(atoi(argv[2]));
    else if (argc == 3 && strcmp(argv[1], "offline") == 0)
        check_offline(atoi(argv[2]));
    else
        stress_fail(__FILE__, __LINE__, "places, workers N, or offline CPU");
    return EXIT_SUCCESS;
}
