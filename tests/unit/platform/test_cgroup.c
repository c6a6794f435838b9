/* test_cgroup.c: quotas from trees that are made in a temporary directory. */
#include "platform/cgroup.h"

#include "test.h"
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

static void begin(void) {
    strcpy(root, "/tmp/filch_cgroup_XXXXXX");
    CHECK_NOT_NULL(mkdtemp(root));
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *at) {
    (void)status, (void)kind, (void)at;
    return remove(path);
}

static void end(void) {
    CHECK_EQ(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* Writes a file of the tree, and makes the directories that it lies in. */
static void put(const char *path, const char *text) {
    char whole[512];
    snprintf(whole, sizeof whole, "%s%s", root, path);
    for (char *at = whole + strlen(root) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        mkdir(whole, 0777);
        *at = '/';
    }
    FILE *file = fopen(whole, "w");
    CHECK_NOT_NULL(file);
    CHECK(fputs(text, file) >= 0);
    CHECK_EQ(fclose(file), 0);
}

static void check_quota(int cpus, const char *file) {
    static struct cgroup_quota quota;
    filchi_cgroup_read(root, &quota);
    CHECK_EQ(filchi_cgroup_cpus(&quota), cpus);
    char whole[512] = "";
    if (file != NULL)
        snprintf(whole, sizeof whole, "%s%s", root, file);
    CHECK_STR_EQ(quota.file, whole);
}

#define V2_MOUNT                                                                                   \
    "22 20 0:20 / /proc rw - proc proc rw\n"                                                       \
    "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1_MOUNT "31 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
#define V1_MEMORY "32 24 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
#define V1_CPUSET "33 24 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"

TEST(cgroup, empty) {
    begin();
    check_quota(INT_MAX, NULL);
    put("/proc/self/mountinfo", "");
    put("/proc/self/cgroup", "");
    check_quota(INT_MAX, NULL);
    put("/proc/self/mountinfo", V2_MOUNT);
    check_quota(INT_MAX, NULL);
    put("/proc/self/cgroup", "0::/\n");
    check_quota(INT_MAX, NULL);
    end();
}

TEST(cgroup, v2_rounds_up) {
    begin();
    put("/proc/self/mountinfo", V2_MOUNT);
    put("/proc/self/cgroup", "0::/job\n");
    static const struct {
        const char *text;
        int cpus;
    } cases[] = {{"200000 100000\n", 2},
                 {"150000 100000\n", 2},
                 {"100001 100000\n", 2},
                 {"100000 100000\n", 1},
                 {"1000 100000\n", 1},
                 {"400000 50000\n", 8},
                 {"999999999999 100000\n", 10000000}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put("/sys/fs/cgroup/job/cpu.max", cases[i].text);
        check_quota(cases[i].cpus, "/sys/fs/cgroup/job/cpu.max");
    }
    static const char *const none[] = {"max 100000\n", "",  "max\n",      "100000\n",
                                       "0 100000\n",   "x", "100000 0\n", "-1 100000\n"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        put("/sys/fs/cgroup/job/cpu.max", none[i]);
        check_quota(INT_MAX, NULL);
    }
    end();
}

TEST(cgroup, v2_the_smallest_of_the_nested_ones) {
    begin();
    put("/proc/self/mountinfo", V2_MOUNT);
    put("/proc/self/cgroup", "0::/user.slice/job.scope/step\n");
    put("/sys/fs/cgroup/user.slice/job.scope/step/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/user.slice/job.scope/cpu.max", "600000 100000\n");
    check_quota(6, "/sys/fs/cgroup/user.slice/job.scope/cpu.max");
    put("/sys/fs/cgroup/user.slice/cpu.max", "150000 50000\n");
    check_quota(3, "/sys/fs/cgroup/user.slice/cpu.max");
    put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    check_quota(2, "/sys/fs/cgroup/cpu.max");
    put("/sys/fs/cgroup/user.slice/job.scope/step/cpu.max", "50000 100000\n");
    check_quota(1, "/sys/fs/cgroup/user.slice/job.scope/step/cpu.max");
    put("/sys/fs/cgroup/user.slice/job.scope/other/cpu.max", "1000 100000\n");
    put("/sys/fs/cpu.max", "1000 100000\n"); /* above the mount point: not a group */
    check_quota(1, "/sys/fs/cgroup/user.slice/job.scope/step/cpu.max");
    end();
}

TEST(cgroup, v1_and_its_ancestors) {
    begin();
    put("/proc/self/mountinfo", V1_CPUSET V1_MOUNT V1_MEMORY);
    put("/proc/self/cgroup", "5:cpuset:/set\n4:memory:/m\n3:cpu,cpuacct:/a/b\n2:cpuacct:/c\n");
    put("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
    check_quota(INT_MAX, NULL);
    put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "250000\n");
    check_quota(INT_MAX, NULL); /* without a period it says nothing */
    put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
    check_quota(3, "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us");
    put("/sys/fs/cgroup/memory/m/cpu.cfs_quota_us", "1000\n"); /* another controller's */
    put("/sys/fs/cgroup/memory/m/cpu.cfs_period_us", "100000\n");
    check_quota(3, "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us");
    end();
}

TEST(cgroup, hybrid_takes_the_smaller) {
    begin();
    put("/proc/self/mountinfo",
        V1_MOUNT "40 24 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    put("/proc/self/cgroup", "3:cpu,cpuacct:/a\n0::/u\n");
    put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "400000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
    check_quota(4, "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us");
    put("/sys/fs/cgroup/unified/u/cpu.max", "200000 100000\n");
    check_quota(2, "/sys/fs/cgroup/unified/u/cpu.max");
    put("/sys/fs/cgroup/unified/u/cpu.max", "500000 100000\n");
    check_quota(4, "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us");
    end();
}

TEST(cgroup, paths_of_containers) {
    begin();
    /* The group itself is mounted, and the path is the host's. */
    put("/proc/self/mountinfo", "30 24 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
    put("/proc/self/cgroup", "0::/docker/abc\n");
    put("/sys/fs/cgroup/cpu.max", "300000 100000\n");
    check_quota(3, "/sys/fs/cgroup/cpu.max");
    put("/proc/self/cgroup", "0::/docker/abc/inner\n");
    put("/sys/fs/cgroup/inner/cpu.max", "100000 100000\n");
    check_quota(1, "/sys/fs/cgroup/inner/cpu.max");
    /* A path outside of what is mounted; one whose beginning only looks alike. */
    static const char *const elsewhere[] = {"0::/other\n", "0::/docker/abcd\n", "0::/\n",
                                            "0::/../sibling\n"};
    for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++) {
        put("/proc/self/cgroup", elsewhere[i]);
        check_quota(3, "/sys/fs/cgroup/cpu.max");
    }
    /* The whole is mounted, but the group does not exist there. */
    put("/proc/self/mountinfo", V2_MOUNT);
    put("/proc/self/cgroup", "0::/docker/gone/inner\n");
    check_quota(3, "/sys/fs/cgroup/cpu.max");
    /* A name that begins with two dots leads nowhere else. */
    put("/proc/self/cgroup", "0::/..batch\n");
    put("/sys/fs/cgroup/..batch/cpu.max", "200000 100000\n");
    check_quota(2, "/sys/fs/cgroup/..batch/cpu.max");
    /* A mount point with a blank in its name. */
    put("/proc/self/mountinfo", "30 24 0:26 / /my\\040groups rw - cgroup2 cgroup2 rw\n");
    put("/proc/self/cgroup", "0::/a\n");
    put("/my groups/a/cpu.max", "700000 100000\n");
    check_quota(7, "/my groups/a/cpu.max");
    end();
}

TEST(cgroup, odd_lines_are_passed_over) {
    begin();
    put("/proc/self/mountinfo", "\n30\n30 24 0:26 / /x\n30 24 0:26 / /x rw - cgroup2\n"
                                "31 1 0:1 / /y rw - cgroup cgroup rw,cpuset,cpuacct\n" V2_MOUNT);
    put("/proc/self/cgroup", "\n:\n0:\n1:cpu\nname=systemd\n0::/job\n");
    put("/sys/fs/cgroup/job/cpu.max", "200000 100000\n");
    check_quota(2, "/sys/fs/cgroup/job/cpu.max");
    end();
}

TEST(cgroup, this_system) {
    static struct cgroup_quota quota;
    filchi_cgroup_read("", &quota);
    CHECK_GE(filchi_cgroup_cpus(&quota), 1);
    CHECK_EQ(quota.file[0] == '\0', quota.quota_us == 0);
}
