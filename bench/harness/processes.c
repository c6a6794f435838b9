/* processes.c: finds the processes that a contender has started, and says what they use.
 *
 * Workers may be forked by a server that was forked twice, and so be nobody's descendants. But they
 * all have the shared anonymous mappings that the harness made before: such a mapping has an inode of
 * its own, by which /proc/PID/maps tells them from everybody else. */
#include "processes.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PATH = 64, MAX_LINE = 512 };

/* Calls `visit` for each entry of a directory of /proc that is a number. */
static void for_numbers(const char *path, process_visit *visit, void *arg) {
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 0)
            visit(pid, arg);
    }
    if (dir != NULL)
        closedir(dir);
}

/* The inode that is mapped at `address`, or, with NULL, whether `inode` is mapped at all; 0: no. */
static uintmax_t find_mapping(pid_t pid, const void *address, uintmax_t inode) {
    char path[MAX_PATH], line[MAX_LINE];
    uintmax_t found = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && found == 0 && fgets(line, sizeof line, file) != NULL) {
        uintptr_t begin, end;
        uintmax_t of_line;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %*s %*s %ju", &begin, &end, &of_line) !=
                3 ||
            strstr(line, "/dev/zero") == NULL)
            continue;
        if (address == NULL ? of_line == inode
                            : begin <= (uintptr_t)address && (uintptr_t)address < end)
            found = of_line;
    }
    if (file != NULL)
        fclose(file);
    return found;
}

struct search {
    uintmax_t inode;
    process_visit *visit;
    void *arg;
};

static void visit_sharer(pid_t pid, void *arg) {
    const struct search *search = arg;
    if (pid != getpid() && find_mapping(pid, NULL, search->inode) != 0)
        search->visit(pid, search->arg);
}

void processes_for_others(const void *mark, process_visit *visit, void *arg) {
    struct search search = {find_mapping(getpid(), mark, 0), visit, arg};
    if (search.inode == 0)
        bench_fail("/proc/self/maps does not show the harness's own mapping");
    for_numbers("/proc", visit_sharer, &search);
}

void processes_for_threads(pid_t pid, process_visit *visit, void *arg) {
    char path[MAX_PATH];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    for_numbers(path, visit, arg);
}

static void add_switches(pid_t thread, void *arg) {
    struct usage *usage = arg;
    char path[MAX_PATH], line[MAX_LINE];
    long n;
    snprintf(path, sizeof path, "/proc/%d/status", (int)thread);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1)
            usage->voluntary += n;
        else if (sscanf(line, "nonvoluntary_ctxt_switches: %ld", &n) == 1)
            usage->involuntary += n;
    }
    if (file != NULL)
        fclose(file);
}

void processes_add_usage(pid_t pid, struct usage *usage) {
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        return;
    usage->cpu_s += (double)used.tv_sec + (double)used.tv_nsec * 1e-9;
    processes_for_threads(pid, add_switches, usage);
}
