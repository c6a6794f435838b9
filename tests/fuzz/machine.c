/* machine.c: whatever /proc, the files of control groups and a launcher's environment say, reading them ends well.
 * The input is text: the contents of `files`, then the values of `variables`, with lines "%%" between. */
#include "fuzz.h"
#include "platform/cgroup.h"
#include "platform/headroom.h"
#include "platform/launcher.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const files[] = {
    "/proc/self/mountinfo",  "/proc/self/cgroup",      "/g/a/cpu.max",  "/g/cpu.max",
    "/g/a/cpu.cfs_quota_us", "/g/a/cpu.cfs_period_us", "/proc/meminfo", "/g/a/memory.max",
    "/g/a/memory.current",   "/g/a/memory.stat",       "/g/memory.max", "/g/memory.current",
};

static const char *const variables[] = {
    "OMPI_COMM_WORLD_LOCAL_SIZE",
    "OMPI_COMM_WORLD_LOCAL_RANK",
    "SLURM_NTASKS_PER_NODE",
    "SLURM_LOCALID",
};

enum {
    N_FILES = sizeof files / sizeof files[0],
    N_VARIABLES = sizeof variables / sizeof variables[0]
};

static char root[64];

static void make_root(void) {
    static const char *const directories[] = {"/proc", "/proc/self", "/g", "/g/a"};
    char path[200];
    snprintf(root, sizeof root, "%s/filch_fuzz_XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    CHECK_NOT_NULL(mkdtemp(root));
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s%s", root, directories[i]);
        CHECK_EQ(mkdir(path, 0777), 0);
    }
}

static void remove_root(void) {
    char command[200];
    snprintf(command, sizeof command, "rm -r %s", root);
    CHECK_EQ(system(command), 0);
}

/* The text up to the next separator. */
static const char *next_part(const char **at, const char *end, size_t *length) {
    const char *part = *at, *line = part;
    while (line < end && !(end - line >= 3 && memcmp(line, "%%\n", 3) == 0)) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        line = newline == NULL ? end : newline + 1;
    }
    *length = (size_t)(line - part);
    *at = line < end ? line + 3 : end;
    return part;
}

static void put_file(const char *name, const char *text, size_t length) {
    char path[200];
    snprintf(path, sizeof path, "%s%s", root, name);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    CHECK(file >= 0 && write(file, text, length) == (ssize_t)length);
    close(file);
}

static void put_variable(const char *name, const char *text, size_t length) {
    char value[100];
    snprintf(value, sizeof value, "%.*s", (int)length, text);
    value[strcspn(value, "\n")] = '\0';
    CHECK_EQ(value[0] == '\0' ? unsetenv(name) : setenv(name, value, 1), 0);
}

static void check_quota(void) {
    static struct cgroup_quota quota, again;
    filchi_cgroup_read(root, &quota);
    filchi_cgroup_read(root, &again);
    CHECK_GE(filchi_cgroup_cpus(&quota), 1);
    CHECK_EQ(quota.quota_us == 0, quota.file[0] == '\0');
    CHECK(quota.quota_us == 0 || quota.period_us > 0);
    CHECK(quota.quota_us == again.quota_us && quota.period_us == again.period_us);
}

static void check_headroom(void) {
    struct headroom *headroom = filchi_headroom_open(root);
    CHECK_NOT_NULL(headroom);
    CHECK_EQ(filchi_headroom_read(headroom), filchi_headroom_read(headroom));
    filchi_headroom_close(headroom);
}

static void check_launcher(void) {
    struct launcher launcher;
    filchi_launcher_read(&launcher);
    CHECK_GE(launcher.n_ranks, 1);
    CHECK(launcher.rank >= -1 && launcher.rank < launcher.n_ranks);
    CHECK_GE(launcher.n_cpus, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (root[0] == '\0') {
        make_root();
        CHECK_EQ(atexit(remove_root), 0);
    }
    const char *at = (const char *)data, *end = at + size;
    for (int i = 0; i < N_FILES + N_VARIABLES; i++) {
        size_t length;
        const char *part = next_part(&at, end, &length);
        if (i < N_FILES)
            put_file(files[i], part, length);
        else
            put_variable(variables[i - N_FILES], part, length);
    }
    check_quota();
    check_headroom();
    check_launcher();
    return 0;
}
