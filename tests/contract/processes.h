/* processes.h: what tests of process pools look at from outside: which processes there are. */
#ifndef FILCH_TEST_PROCESSES_H
#define FILCH_TEST_PROCESSES_H

#include "pools.h"
#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* Zeroed memory that this process shares with those it forks later, whatever pools there are. */
TEST_HELPER void *map_shared(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    return memory;
}

/* Reads /proc/<pid>/stat. Returns: false if there is no such process. A zombie counts as none: it is its
 * parent's, and pid 1 may take its time. */
TEST_HELPER bool read_process(int pid, char *name, size_t size) {
    char path[64], line[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    size_t length = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[length] = '\0';
    char *begin = strchr(line, '('), *end = strrchr(line, ')');
    if (begin == NULL || end == NULL || end[2] == 'Z' || end[2] == 'X')
        return false;
    snprintf(name, size, "%.*s", (int)(end - begin - 1), begin + 1);
    return true;
}

/* How many processes have a name that begins so. */
TEST_HELPER int count_processes(const char *prefix) {
    DIR *directory = opendir("/proc");
    CHECK_NOT_NULL(directory);
    int n = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char name[32];
        if (isdigit((unsigned char)entry->d_name[0]) &&
            read_process(atoi(entry->d_name), name, sizeof name))
            n += strncmp(name, prefix, strlen(prefix)) == 0;
    }
    closedir(directory);
    return n;
}

TEST_HELPER void await_no_process(const char *prefix) {
    while (count_processes(prefix) > 0)
        sched_yield();
}

/* A name that no other test has, and that none begins with: at most 8 characters. */
TEST_HELPER const char *unique_prefix(void) {
    static char prefix[16];
    snprintf(prefix, sizeof prefix, "t%ux", (unsigned)getpid() % 1000000);
    return prefix;
}

TEST_HELPER int count_descriptors(void) {
    DIR *directory = opendir("/proc/self/fd");
    CHECK_NOT_NULL(directory);
    int n = 0;
    while (readdir(directory) != NULL)
        n++;
    closedir(directory);
    return n;
}

/* Runs a function in a child. Returns: its exit status; the test fails if a signal ended it. */
TEST_HELPER int run_in_child(int (*fn)(void *arg), void *arg) {
    fflush(NULL);
    pid_t child = fork();
    CHECK_GE(child, 0);
    if (child == 0)
        _exit(fn(arg));
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_MSG(WIFEXITED(status), "signal %d ended the child", WTERMSIG(status));
    return WEXITSTATUS(status);
}

static int own_pid(void) {
    return (int)getpid();
}
FILCH_TASK(int, own_pid);

/* The process in which the executor runs a task now. */
TEST_HELPER int pid_of_task(filch_executor *executor) {
    int pid = 0;
    filch_future *future = filch_submit(executor, own_pid);
    CHECK_NOT_NULL(future);
    CHECK_EQ(filch_result(future, &pid), FILCH_OK);
    filch_release(future);
    return pid;
}

/* Waits in the task's process for a gate that everybody sees. */
static int wait_at(struct gate *gate) {
    gate_open(&gate[0]);
    gate_wait(&gate[1], 1);
    return (int)getpid();
}
FILCH_TASK(int, wait_at, struct gate *);

/* As many tasks as workers run at the same time. */
TEST_HELPER void check_whole(filch_executor *ex, int n_workers) {
    struct gate *gates = filch_shared_alloc(ex, 2 * sizeof *gates);
    memset(gates, 0, 2 * sizeof *gates);
    filch_future *futures[8];
    for (int i = 0; i < n_workers; i++)
        futures[i] = filch_submit(ex, wait_at, gates);
    gate_wait(&gates[0], n_workers);
    gate_open(&gates[1]);
    for (int i = 0; i < n_workers; i++) {
        CHECK_EQ(filch_join(futures[i]), FILCH_OK);
        filch_release(futures[i]);
    }
    filch_shared_free(ex, gates);
}

#endif
