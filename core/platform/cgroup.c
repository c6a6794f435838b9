/* platform/cgroup.c: /proc/self/mountinfo says where hierarchies are mounted, /proc/self/cgroup which
 * group of each is ours, cpu.max (v2) or cpu.cfs_quota_us (v1) how much CPU time it may use. */
#include "platform/cgroup.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A mounted hierarchy that may limit what we look for. */
struct hierarchy {
    const char *controller;
    bool is_v2;
    const char *at;   /* the mount point */
    const char *root; /* the group that is mounted there */
};

/* Copies with \ooo decoded, as the kernel writes blanks in paths; in place. */
static void unescape(char *text) {
    char *to = text;
    for (const char *from = text; *from != '\0'; to++) {
        if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
            from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
            *to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

/* Is `word` one of the words between commas? */
static bool has_word(const char *list, const char *word) {
    size_t length = strlen(word);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        size_t here = strcspn(at, ",\n");
        if (here == length && memcmp(at, word, length) == 0)
            return true;
    }
    return false;
}

/* The next field of a line, which is cut up; NULL behind the last. */
static char *next_field(char **rest) {
    char *field;
    do
        field = strsep(rest, " \n");
    while (field != NULL && *field == '\0');
    return field;
}

/* "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG...] - TYPE SOURCE OPTIONS" */
static bool parse_mount(char *line, struct hierarchy *hierarchy) {
    char *rest = line, *fields[5];
    for (int i = 0; i < 5; i++)
        if ((fields[i] = next_field(&rest)) == NULL)
            return false;
    char *field = next_field(&rest);
    while (field != NULL && strcmp(field, "-") != 0)
        field = next_field(&rest);
    const char *type = next_field(&rest);
    (void)next_field(&rest); /* the source */
    const char *options = next_field(&rest);
    if (type == NULL || options == NULL)
        return false;
    hierarchy->is_v2 = strcmp(type, "cgroup2") == 0;
    if (!hierarchy->is_v2 &&
        (strcmp(type, "cgroup") != 0 || !has_word(options, hierarchy->controller)))
        return false;
    unescape(fields[3]);
    unescape(fields[4]);
    hierarchy->root = fields[3];
    hierarchy->at = fields[4];
    return true;
}

/* "ID:CONTROLLERS:PATH"; v2 is "0::PATH". Returns: the path if this line is the hierarchy's. */
static char *parse_group(char *line, const struct hierarchy *hierarchy) {
    char *rest = line;
    const char *id = strsep(&rest, ":"), *controllers = strsep(&rest, ":");
    if (id == NULL || controllers == NULL || rest == NULL)
        return NULL;
    bool is_ours = hierarchy->is_v2 ? strcmp(id, "0") == 0 && controllers[0] == '\0'
                                    : has_word(controllers, hierarchy->controller);
    rest[strcspn(rest, "\n")] = '\0';
    return is_ours ? rest : NULL;
}

/* Our group in this hierarchy. Owns: the caller, free. Returns: NULL if there is none. */
static char *find_group(const char *root, const struct hierarchy *hierarchy) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    char *line = NULL, *group = NULL;
    size_t size = 0;
    while (file != NULL && group == NULL && getline(&line, &size, file) > 0) {
        const char *found = parse_group(line, hierarchy);
        if (found != NULL)
            group = strdup(found);
    }
    free(line);
    if (file != NULL)
        fclose(file);
    return group;
}

/* Does the path leave what is mounted? A name may begin with two dots. */
static bool goes_up(const char *path) {
    for (const char *at = path; (at = strstr(at, "/..")) != NULL; at++)
        if (at[3] == '/' || at[3] == '\0')
            return true;
    return false;
}

/* Where the group lies below the mount point: "" if it lies elsewhere, or is the mounted one. */
static const char *relative_group(const struct hierarchy *hierarchy, const char *group) {
    size_t length = strlen(hierarchy->root);
    if (length == 1) /* "/" */
        length = 0;
    if (strncmp(group, hierarchy->root, length) != 0 ||
        (group[length] != '/' && group[length] != '\0') || goes_up(group))
        return "";
    return group + length;
}

/* The group and those above it, up to the mount point. */
static void walk_hierarchy(const char *root, const struct hierarchy *hierarchy,
                           void (*visit)(const char *directory, bool is_v2, void *arg), void *arg) {
    char *group = find_group(root, hierarchy);
    if (group == NULL)
        return;
    char directory[PATH_MAX];
    int length = snprintf(directory, sizeof directory, "%s%s%s", root, hierarchy->at,
                          relative_group(hierarchy, group));
    size_t base = strlen(root) + strlen(hierarchy->at);
    free(group);
    if (length < 0 || (size_t)length >= sizeof directory)
        return;
    for (;;) {
        visit(directory, hierarchy->is_v2, arg);
        char *slash = strrchr(directory, '/');
        if (slash == NULL || (size_t)(slash - directory) < base)
            return;
        *slash = '\0';
    }
}

void filchi_cgroup_walk(const char *root, const char *controller,
                        void (*visit)(const char *directory, bool is_v2, void *arg), void *arg) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/proc/self/mountinfo", root);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    char *line = NULL;
    size_t size = 0;
    struct hierarchy hierarchy = {.controller = controller};
    while (getline(&line, &size, file) > 0)
        if (parse_mount(line, &hierarchy))
            walk_hierarchy(root, &hierarchy, visit, arg);
    free(line);
    fclose(file);
}

int filchi_cgroup_numbers(const char *path, long long numbers[2]) {
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    char text[64] = "";
    int n = fgets(text, sizeof text, file) == NULL
                ? 0
                : sscanf(text, "%lld %lld", numbers, numbers + 1);
    fclose(file);
    return n < 0 ? 0 : n;
}

/* Keeps the smaller of two quotas. */
static void consider(struct cgroup_quota *least, long long quota_us, long long period_us,
                     const char *file) {
    if (quota_us <= 0 || period_us <= 0)
        return;
    if (least->quota_us != 0 &&
        (double)quota_us / (double)period_us >= (double)least->quota_us / (double)least->period_us)
        return;
    least->quota_us = (uint64_t)quota_us;
    least->period_us = (uint64_t)period_us;
    snprintf(least->file, sizeof least->file, "%s", file);
}

static void read_quota(const char *directory, bool is_v2, void *arg) {
    struct cgroup_quota *least = arg;
    char path[CGROUP_PATH_BYTES];
    long long numbers[2] = {0, 0}, period[2];
    snprintf(path, sizeof path, "%s/%s", directory, is_v2 ? "cpu.max" : "cpu.cfs_quota_us");
    int n = filchi_cgroup_numbers(path, numbers);
    if (is_v2) {
        if (n == 2)
            consider(least, numbers[0], numbers[1], path);
        return;
    }
    char period_path[CGROUP_PATH_BYTES];
    snprintf(period_path, sizeof period_path, "%s/cpu.cfs_period_us", directory);
    if (n >= 1 && filchi_cgroup_numbers(period_path, period) >= 1)
        consider(least, numbers[0], period[0], path);
}

void filchi_cgroup_read(const char *root, struct cgroup_quota *quota) {
    quota->quota_us = 0;
    quota->period_us = 0;
    quota->file[0] = '\0';
    filchi_cgroup_walk(root, "cpu", read_quota, quota);
}

int filchi_cgroup_cpus(const struct cgroup_quota *quota) {
    if (quota->quota_us == 0)
        return INT_MAX;
    uint64_t n = (quota->quota_us - 1) / quota->period_us + 1;
    return n < INT_MAX ? (int)n : INT_MAX;
}
