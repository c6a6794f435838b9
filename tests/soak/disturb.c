/* disturb.c: a thread that draws a worker, and what happens to it. */
#include "disturb.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST_WORKERS = 512, MOST_STOPPED_US = 5000, MOST_PAUSE_US = 3000 };

static cpu_set_t allowed;

void disturb_init(void) {
    STRESS_CHECK(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
}

static void sleep_us(long us) {
    nanosleep(&(struct timespec){us / 1000000, us % 1000000 * 1000}, NULL);
}

static bool has_prefix(const char *comm_path, const char *prefix) {
    char name[32] = "";
    FILE *file = fopen(comm_path, "r");
    if (file == NULL)
        return false;
    bool is_there = fgets(name, sizeof name, file) != NULL;
    fclose(file);
    return is_there && strncmp(name, prefix, strlen(prefix)) == 0;
}

/* One of the processes. Returns: its pidfd, or -1. Its number may be another's by now, its name is not. */
static int draw_process(struct disturber *it, int *pid) {
    filch_worker_stats each[MOST_WORKERS];
    filch_stats_snapshot stats = FILCH_STATS(.workers = each, .capacity = MOST_WORKERS);
    STRESS_CHECK(filch_stats(it->executor, &stats) == FILCH_OK);
    if (stats.n_workers == 0)
        return -1;
    char path[64];
    *pid = each[random_below(&it->random, (uint32_t)stats.n_workers)].pid;
    int descriptor = *pid <= 1 ? -1 : (int)syscall(SYS_pidfd_open, *pid, 0);
    snprintf(path, sizeof path, "/proc/%d/comm", *pid);
    if (descriptor >= 0 && !has_prefix(path, it->prefix)) {
        close(descriptor);
        descriptor = -1;
    }
    return descriptor;
}

static void send_signal(int descriptor, int number) {
    (void)syscall(SYS_pidfd_send_signal, descriptor, number, NULL, 0); /* it may be gone */
}

static void stop_one(struct disturber *it) {
    int pid, descriptor = draw_process(it, &pid);
    if (descriptor < 0)
        return;
    send_signal(descriptor, SIGSTOP);
    sleep_us(random_below(&it->random, MOST_STOPPED_US));
    send_signal(descriptor, SIGCONT);
    close(descriptor);
    it->n_stops++;
}

static void kill_one(struct disturber *it) {
    int pid, descriptor = draw_process(it, &pid);
    if (descriptor < 0)
        return;
    send_signal(descriptor, SIGKILL);
    close(descriptor);
    it->n_kills++;
}

/* Some of the CPUs that the program has; all of them, if none was drawn. */
static void move(struct disturber *it, int number) {
    cpu_set_t some;
    CPU_ZERO(&some);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && random_below(&it->random, 2) == 0)
            CPU_SET(cpu, &some);
    bool is_empty = CPU_COUNT(&some) == 0;
    (void)sched_setaffinity(number, sizeof some, is_empty ? &allowed : &some);
    it->n_moves++;
}

static void move_threads(struct disturber *it) {
    DIR *tasks = opendir("/proc/self/task");
    STRESS_CHECK(tasks != NULL);
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        char path[300];
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        if (random_below(&it->random, 2) == 0 && has_prefix(path, it->prefix))
            move(it, atoi(entry->d_name));
    }
    closedir(tasks);
}

static void move_one(struct disturber *it) {
    if (!it->has_processes) {
        move_threads(it);
        return;
    }
    int pid, descriptor = draw_process(it, &pid);
    if (descriptor < 0)
        return;
    move(it, pid);
    close(descriptor);
}

static void *disturb(void *arg) {
    struct disturber *it = arg;
    while (!atomic_load(&it->is_to_stop)) {
        sleep_us(random_below(&it->random, MOST_PAUSE_US));
        uint32_t kind = random_below(&it->random, 8);
        if (it->is_deadly && kind == 0)
            kill_one(it);
        else if (it->has_processes && kind < 5)
            stop_one(it);
        else
            move_one(it);
    }
    return NULL;
}

void disturb_start(struct disturber *disturber) {
    atomic_store(&disturber->is_to_stop, false);
    disturber->thread = stress_start(disturb, disturber);
}

void disturb_stop(struct disturber *disturber) {
    atomic_store(&disturber->is_to_stop, true);
    stress_join(disturber->thread);
}
