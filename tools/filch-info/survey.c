/* survey.c: asks the library's own functions, so that what is shown is what a pool would do. */
#include "survey.h"

#include "platform/barrier.h"
#include "platform/memory.h"
#include <stdlib.h>

/* Reading the machine's structure longer than this is worth a word. */
static const uint64_t SLOW_LOAD_NS = 1000000000;

static void warn(struct survey *survey, bool condition, const char *id, const char *text,
                 const char *remedy) {
    if (condition && survey->n_warnings < MOST_WARNINGS)
        survey->warnings[survey->n_warnings++] = (struct warning){id, text, remedy};
}

static void find_warnings(struct survey *survey) {
    const struct plan *plan = survey->plan;
    const struct launcher *launcher = &plan->facts.launcher;
    const struct topology_facts *topology = &survey->topology;
    warn(survey, plan->is_throttled, "quota-below-mask",
         "the CPU quota is smaller than the affinity mask: threads that use it up are stopped "
         "until the next period, and the workers are not bound",
         "give the container whole CPUs (a cpuset), or a quota of at least as many");
    warn(survey, plan->facts.n_mask == 1 && plan->facts.n_online > 1, "one-cpu",
         "the affinity mask has one CPU: nothing runs in parallel",
         "start without taskset or with more CPUs; under a launcher, ask for more CPUs to a rank "
         "(mpirun --bind-to none or --map-by slot:PE=n, srun --cpus-per-task=n)");
    warn(survey, launcher->n_ranks > plan->facts.n_mask && plan->is_mask_shared,
         "more-ranks-than-cpus", "the launcher started more ranks than there are CPUs",
         "start fewer ranks on this host");
    warn(survey, plan->is_mask_shared && launcher->rank < 0, "rank-not-known",
         "the launcher says how many ranks share this host, but not which one this is: workers are "
         "not bound",
         "set OMPI_COMM_WORLD_LOCAL_RANK, MPI_LOCALRANKID or SLURM_LOCALID, or let the launcher "
         "bind the ranks");
    warn(survey, plan->n_requested > plan->n_usable, "more-workers-than-cpus",
         "there would be more workers than usable CPUs: idle ones do not search, and none is bound "
         "by default",
         "leave .max_workers out, unless the tasks mostly wait");
    warn(survey, !topology->is_loaded, "no-structure",
         "hwloc could not read the machine's structure: nothing is bound, and thieves do not know "
         "their neighbours",
         "run lstopo to see why; look for HWLOC_ variables in the environment, and for /sys");
    warn(survey, topology->is_loaded && !topology->is_this_system, "made-up-machine",
         "the machine is described by HWLOC_SYNTHETIC or HWLOC_XMLFILE: nothing is bound",
         "unset it; for a description of this very machine, set HWLOC_THISSYSTEM=1 too");
    warn(survey, topology->load_ns > SLOW_LOAD_NS, "slow-structure",
         "reading the machine's structure takes long, at the first pool of every program",
         "save it once (lstopo machine.xml) and set HWLOC_XMLFILE=machine.xml HWLOC_THISSYSTEM=1");
    warn(survey, !survey->has_membarrier, "no-membarrier",
         "membarrier(2) is missing or forbidden: each submit costs a memory fence more",
         "allow it in the container's seccomp profile");
    warn(survey, filchi_memory_address_limit() != SIZE_MAX, "address-space-limit",
         "the address space is limited (ulimit -v): a pool reserves an eighth of the limit at most",
         "ulimit -v unlimited");
}

static bool find_victims(struct survey *survey) {
    const struct plan *plan = survey->plan;
    if (plan->placements == NULL)
        return true;
    uint32_t n = (uint32_t)plan->n_workers;
    void *memory = malloc(filchi_victims_bytes(n));
    if (memory != NULL)
        filchi_victims_build(&survey->victims, memory, n, plan->placements);
    return memory != NULL;
}

bool survey_make(struct survey *survey, int max_workers, filch_bind bind) {
    *survey = (struct survey){.plan = filchi_plan_make(max_workers, bind)};
    if (survey->plan == NULL || !find_victims(survey))
        return false;
    filchi_topology_read_facts(true, &survey->topology);
    survey->n_nodes = filchi_topology_numa_nodes();
    struct barrier barrier;
    filchi_barrier_make(&barrier, false);
    survey->has_membarrier = filch_load_relaxed(&barrier.is_asymmetric) != 0;
    find_warnings(survey);
    return true;
}

void survey_free(struct survey *survey) {
    filchi_plan_free(survey->plan);
    free(survey->victims.places);
}
