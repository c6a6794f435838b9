/* executor/describe.c: what people read. */
#include "executor/describe.h"

#include "base/status.h"
#include "executor/pool.h"
#include <filch/stats.h>
#include <stdlib.h>

static void describe_quota(FILE *file, const struct plan *plan) {
    const struct cgroup_quota *quota = &plan->facts.quota;
    if (quota->quota_us == 0) {
        fprintf(file, "no CPU quota");
        return;
    }
    fprintf(file, "a CPU quota of %.2f (%s)", (double)quota->quota_us / (double)quota->period_us,
            quota->file);
}

static void describe_ranks(FILE *file, const struct plan *plan) {
    const struct launcher *launcher = &plan->facts.launcher;
    if (launcher->name == NULL)
        return;
    fprintf(file, "  ranks: %d on this host (%s)", launcher->n_ranks, launcher->name);
    if (launcher->rank >= 0)
        fprintf(file, ", this is rank %d", launcher->rank);
    if (plan->is_mask_shared)
        fprintf(file, "; they share the mask, and %d of its CPUs %s for this one\n", plan->n_part,
                plan->n_part == 1 ? "is" : "are");
    else
        fprintf(file, "\n");
}

void filchi_describe_plan(FILE *file, const struct plan *plan) {
    fprintf(file, "  CPUs: %d online -> %d in the affinity mask -> ", plan->facts.n_online,
            plan->facts.n_mask);
    describe_quota(file, plan);
    fprintf(file, "\n");
    describe_ranks(file, plan);
    fprintf(file, "  workers: %d, %s; %s\n", plan->n_workers, filchi_plan_explain_count(plan),
            filchi_plan_explain_binding(plan));
    struct topology_facts facts;
    filchi_topology_read_facts(false, &facts);
    if (facts.is_loaded && !facts.is_this_system && plan->placements != NULL)
        fprintf(file, "  the machine is made up (HWLOC_SYNTHETIC or HWLOC_XMLFILE): its places "
                      "count, but nothing is bound\n");
}

void filchi_describe_place(FILE *file, const struct filchi_placement *place) {
    if (place->kind == FILCHI_BIND_CORE)
        fprintf(file, "CPU %d, core %d, L2 %d, L3 %d, ", place->cpu, place->core, place->l2,
                place->l3);
    if (place->node >= 0)
        fprintf(file, "NUMA node %d", place->node);
    else
        fprintf(file, "NUMA node not known");
}

void filchi_describe_ring(FILE *file, const struct victims *victims, struct victim_ring_span span,
                          char between) {
    uint32_t n = ring_count(span);
    for (uint32_t i = 0, end; i < n; i = end) {
        uint32_t first = ring_seat(victims, span, i);
        for (end = i + 1; end < n && ring_seat(victims, span, end) == first + (end - i); end++)
            ;
        if (i > 0)
            fputc(between, file);
        fprintf(file, "%u", first);
        if (end - i > 1)
            fprintf(file, "-%u", first + (end - i - 1));
    }
}

void filchi_describe_victims(FILE *file, const struct victims *victims, uint32_t seat) {
    static const char *const names[] = {"SMT", "L2", "L3", "node", "remote"};
    const char *before = "";
    for (uint32_t ring = 0; ring <= VICTIM_REMOTE; ring++) {
        struct victim_ring_span span = victims_ring(victims, seat, ring);
        if (ring_count(span) == 0)
            continue;
        fprintf(file, "%s%s ", before, names[ring]);
        filchi_describe_ring(file, victims, span, ' ');
        before = "; ";
    }
    if (before[0] == '\0')
        fprintf(file, "nobody");
}

static const char *name_state(uint32_t flags) {
    return flags & SCHEDULER_BROKEN ? "broken" : flags & SCHEDULER_STOPPING ? "shut down" : "open";
}

static void describe_numbers(FILE *file, const filch_stats_snapshot *stats) {
    fprintf(file,
            "  tasks: %llu submitted: %llu pending, %llu running, %llu finished, %llu failed, %llu "
            "cancelled\n",
            (unsigned long long)stats->submitted, (unsigned long long)stats->pending,
            (unsigned long long)stats->running, (unsigned long long)stats->finished,
            (unsigned long long)stats->failed, (unsigned long long)stats->cancelled);
    fprintf(file,
            "  now: %d workers live, %d idle, %d blocked; %llu of %llu steals won, %llu parks, "
            "%llu wakes\n",
            stats->started, stats->idle, stats->blocked, (unsigned long long)stats->steals_won,
            (unsigned long long)stats->steals_tried, (unsigned long long)stats->parks,
            (unsigned long long)stats->wakes);
}

static void describe_worker(FILE *file, const filch_executor *executor, uint32_t number,
                            const char *state) {
    const struct pool_operations *operations = executor->operations;
    int pid = operations->find_pid == NULL ? 0 : operations->find_pid(executor, number);
    if (pid > 0)
        fprintf(file, "worker %u (pid %d), %s\n", number, pid, state);
    else
        fprintf(file, "worker %u, %s\n", number, state);
}

static void describe_seat(FILE *file, const filch_executor *executor, uint32_t seat) {
    const struct scheduler *scheduler = executor->pool->scheduler;
    const struct park_domain *domain = &scheduler->park.domains[seat / 64];
    uint64_t bit = (uint64_t)1 << (seat % 64);
    const struct filchi_placement *place = plan_placement(executor->plan, seat);
    fprintf(file, "  seat %u: ", seat);
    if (place != NULL) {
        filchi_describe_place(file, place);
        fprintf(file, "; ");
    }
    if ((filch_load_acquire(&domain->taken) & bit) == 0) /* SAT */
        fprintf(file, "vacant\n");
    else
        describe_worker(file, executor, scheduler_seated(scheduler, seat)->number,
                        filch_load_relaxed(&domain->sleep) & bit    ? "asleep"
                        : filch_load_relaxed(&domain->search) & bit ? "searching"
                                                                    : "busy");
    if (place == NULL)
        return;
    fprintf(file, "    victims: ");
    filchi_describe_victims(file, &scheduler->victims, seat);
    fprintf(file, "\n");
}

static void describe(FILE *file, filch_executor *executor) {
    const struct pool *pool = executor->pool;
    uint32_t flags = scheduler_flags(pool->scheduler);
    filch_stats_snapshot stats = FILCH_STATS();
    fprintf(file, "%s, %s%s%s\n", executor->operations->kind, name_state(flags),
            flags & SCHEDULER_BROKEN ? ": " : "",
            flags & SCHEDULER_BROKEN ? pool->host.broken_because : "");
    if (executor->plan == NULL)
        return; /* the home of filch_future_new has no workers */
    filchi_describe_plan(file, executor->plan);
    fprintf(file, "  idle workers search for %.0f us before they sleep\n",
            (double)pool->scheduler->spin_ns / 1000);
    if (filch_stats(executor, &stats) == FILCH_OK)
        describe_numbers(file, &stats);
    if (executor->plan->placements == NULL)
        fprintf(file, "  victims: everybody, from a random start\n");
    for (uint32_t seat = 0; seat < pool->scheduler->n_seats; seat++)
        describe_seat(file, executor, seat);
}

filch_status filch_describe(filch_executor *executor, FILE *file) {
    const char *function = "filch_describe";
    if (!filchi_executor_check(function, executor))
        return filch_error_status();
    if (file == NULL)
        return filchi_fail(FILCH_INVALID, "%s: file is NULL; pass an open one, such as stderr",
                           function);
    /* In one piece, so that what other threads write does not come in between. */
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    if (memory != NULL)
        describe(memory, executor);
    bool has_text = memory != NULL && !ferror(memory);
    has_text = (memory == NULL || fclose(memory) == 0) && has_text;
    filch_status status = FILCH_OK;
    if (!has_text)
        status = filchi_fail(FILCH_NO_MEMORY, "%s: no memory for the text", function);
    else if (fwrite(text, 1, size, file) != size)
        status = filchi_fail(FILCH_SYSTEM, "%s: file: it could not be written to", function);
    free(text);
    return status;
}
