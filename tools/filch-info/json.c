/* json.c: for scripts. Names never change their meaning; new ones may come. Rings of victims are lists as
 * the kernel writes lists of CPUs ("1-3,8"), in the order of the machine. */
#include "survey.h"

#include "executor/describe.h"
#include <cjson/cJSON.h>
#include <stdlib.h>

static const char *name_count(enum plan_count count) {
    static const char *const names[] = {
        [PLAN_COUNT_REQUEST] = "request", [PLAN_COUNT_MASK] = "mask",
        [PLAN_COUNT_RANKS] = "ranks",     [PLAN_COUNT_QUOTA] = "quota",
        [PLAN_COUNT_LIMIT] = "limit",
    };
    return names[count];
}

static const char *name_binding(enum plan_binding binding) {
    static const char *const names[] = {
        [PLAN_BINDS] = "safe",
        [PLAN_BINDS_AS_ASKED] = "asked",
        [PLAN_BINDS_NOTHING] = "not-asked",
        [PLAN_UNBOUND_ONE_CPU] = "one-cpu",
        [PLAN_UNBOUND_QUOTA] = "quota",
        [PLAN_UNBOUND_MANY] = "more-workers-than-cpus",
        [PLAN_UNBOUND_FEW] = "fewer-workers-than-cpus",
        [PLAN_UNBOUND_RANKS] = "more-ranks-than-cpus",
        [PLAN_UNBOUND_RANK] = "rank-not-known",
        [PLAN_UNBOUND_LAUNCHER] = "mask-of-launcher",
        [PLAN_UNBOUND_STRUCTURE] = "no-structure",
    };
    return names[binding];
}

static void add_cpus(cJSON *whole, const struct plan *plan) {
    cJSON *cpus = cJSON_AddObjectToObject(whole, "cpus");
    const struct cgroup_quota *quota = &plan->facts.quota;
    cJSON_AddNumberToObject(cpus, "online", plan->facts.n_online);
    cJSON_AddNumberToObject(cpus, "mask", plan->facts.n_mask);
    cJSON_AddNumberToObject(cpus, "part", plan->n_part);
    cJSON_AddNumberToObject(cpus, "usable", plan->n_usable);
    if (quota->quota_us == 0) {
        cJSON_AddNullToObject(cpus, "quota");
        return;
    }
    cJSON *limit = cJSON_AddObjectToObject(cpus, "quota");
    cJSON_AddNumberToObject(limit, "cpus", (double)quota->quota_us / (double)quota->period_us);
    cJSON_AddStringToObject(limit, "file", quota->file);
}

static void add_launcher(cJSON *whole, const struct plan *plan) {
    const struct launcher *launcher = &plan->facts.launcher;
    if (launcher->name == NULL) {
        cJSON_AddNullToObject(whole, "launcher");
        return;
    }
    cJSON *to = cJSON_AddObjectToObject(whole, "launcher");
    cJSON_AddStringToObject(to, "variable", launcher->name);
    cJSON_AddNumberToObject(to, "ranks", launcher->n_ranks);
    if (launcher->rank >= 0)
        cJSON_AddNumberToObject(to, "rank", launcher->rank);
    else
        cJSON_AddNullToObject(to, "rank");
    cJSON_AddBoolToObject(to, "shares_mask", plan->is_mask_shared);
}

static void add_decision(cJSON *whole, const struct plan *plan) {
    cJSON *workers = cJSON_AddObjectToObject(whole, "workers");
    cJSON_AddNumberToObject(workers, "count", plan->n_workers);
    cJSON_AddNumberToObject(workers, "requested", plan->n_requested);
    cJSON_AddStringToObject(workers, "decided_by", name_count(plan->count));
    cJSON_AddStringToObject(workers, "explanation", filchi_plan_explain_count(plan));
    cJSON *binding = cJSON_AddObjectToObject(whole, "binding");
    cJSON_AddBoolToObject(binding, "bound", plan_is_bound(plan));
    cJSON_AddStringToObject(binding, "reason", name_binding(plan->binding));
    cJSON_AddStringToObject(binding, "explanation", filchi_plan_explain_binding(plan));
}

static void add_machine(cJSON *whole, const struct survey *survey) {
    cJSON *machine = cJSON_AddObjectToObject(whole, "machine");
    cJSON_AddBoolToObject(machine, "structure_known", survey->topology.is_loaded);
    cJSON_AddBoolToObject(machine, "this_system", survey->topology.is_this_system);
    cJSON_AddNumberToObject(machine, "numa_nodes", survey->n_nodes);
    cJSON_AddNumberToObject(machine, "load_seconds", (double)survey->topology.load_ns / 1e9);
    cJSON_AddBoolToObject(machine, "membarrier", survey->has_membarrier);
}

/* Returns: false without memory. */
static bool add_victims(cJSON *to, const struct victims *victims, uint32_t seat) {
    static const char *const names[] = {"smt", "l2", "l3", "node", "remote"};
    cJSON *rings = cJSON_AddObjectToObject(to, "victims");
    for (uint32_t ring = 0; ring <= VICTIM_REMOTE; ring++) {
        char *text = NULL;
        size_t size = 0;
        FILE *memory = open_memstream(&text, &size);
        if (memory == NULL)
            return false;
        filchi_describe_ring(memory, victims, victims_ring(victims, seat, ring), ',');
        bool ok = fclose(memory) == 0 && cJSON_AddStringToObject(rings, names[ring], text) != NULL;
        free(text);
        if (!ok)
            return false;
    }
    return true;
}

static bool add_plan(cJSON *whole, const struct survey *survey) {
    const struct plan *plan = survey->plan;
    cJSON *list = cJSON_AddArrayToObject(whole, "plan");
    for (uint32_t i = 0; plan->placements != NULL && i < (uint32_t)plan->n_workers; i++) {
        const struct filchi_placement *place = &plan->placements[i];
        cJSON *worker = cJSON_CreateObject();
        cJSON_AddItemToArray(list, worker);
        cJSON_AddNumberToObject(worker, "worker", i);
        if (place->kind == FILCHI_BIND_CORE) {
            cJSON_AddNumberToObject(worker, "cpu", place->cpu);
            cJSON_AddNumberToObject(worker, "core", place->core);
            cJSON_AddNumberToObject(worker, "l2", place->l2);
            cJSON_AddNumberToObject(worker, "l3", place->l3);
        }
        cJSON_AddNumberToObject(worker, "node", place->node);
        if (!add_victims(worker, &survey->victims, i))
            return false;
    }
    return true;
}

static void add_warnings(cJSON *whole, const struct survey *survey) {
    cJSON *list = cJSON_AddArrayToObject(whole, "warnings");
    for (int i = 0; i < survey->n_warnings; i++) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddItemToArray(list, one);
        cJSON_AddStringToObject(one, "id", survey->warnings[i].id);
        cJSON_AddStringToObject(one, "text", survey->warnings[i].text);
        cJSON_AddStringToObject(one, "remedy", survey->warnings[i].remedy);
    }
}

bool survey_print_json(const struct survey *survey, FILE *file) {
    cJSON *whole = cJSON_CreateObject();
    cJSON_AddStringToObject(whole, "version", FILCH_VERSION);
    add_cpus(whole, survey->plan);
    add_launcher(whole, survey->plan);
    add_decision(whole, survey->plan);
    add_machine(whole, survey);
    bool ok = add_plan(whole, survey);
    add_warnings(whole, survey);
    char *text = ok ? cJSON_Print(whole) : NULL;
    cJSON_Delete(whole);
    if (text == NULL)
        return false;
    fprintf(file, "%s\n", text);
    cJSON_free(text);
    return true;
}
