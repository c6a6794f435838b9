/* test_headroom.c: what control groups and the machine leave, from trees in a temporary directory. */
#include "platform/headroom.h"

#include "test.h"
#include <ftw.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

static void begin(void) {
    strcpy(root, "/tmp/filch_headroom_XXXXXX");
    CHECK_NOT_NULL(mkdtemp(root));
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *at) {
    (void)status, (void)kind, (void)at;
    return remove(path);
}

static void end(void) {
    CHECK_EQ(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

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

#define MIB ((size_t)1 << 20)

/* In MiB; SIZE_MAX stays. */
static size_t left(void) {
    struct headroom *headroom = filchi_headroom_open(root);
    CHECK_NOT_NULL(headroom);
    size_t bytes = filchi_headroom_read(headroom);
    filchi_headroom_close(headroom);
    return bytes == SIZE_MAX ? SIZE_MAX : bytes / MIB;
}

static void put_mib(const char *path, size_t mib) {
    char text[32];
    snprintf(text, sizeof text, "%zu\n", mib * MIB);
    put(path, text);
}

TEST(headroom, empty) {
    begin();
    CHECK_EQ(left(), SIZE_MAX);
    put("/proc/self/mountinfo", "30 24 0:26 / /cg rw - cgroup2 cgroup2 rw\n");
    put("/proc/self/cgroup", "0::/job\n");
    CHECK_EQ(left(), SIZE_MAX);
    put("/proc/meminfo", "nothing\n");
    CHECK_EQ(left(), SIZE_MAX);
    end();
}

TEST(headroom, of_the_machine) {
    begin();
    put("/proc/meminfo", "MemTotal:    1048576 kB\nMemFree:  1 kB\nMemAvailable:   524288 kB\n");
    CHECK_EQ(left(), 512 - 52); /* less a twentieth of all, rounded */
    put("/proc/meminfo", "MemTotal:  1073741824 kB\nMemAvailable: 1073741824 kB\n");
    CHECK_EQ(left(), 1048576 - 512);
    put("/proc/meminfo", "MemTotal:  1048576 kB\nMemAvailable: 10 kB\n");
    CHECK_EQ(left(), 0);
    end();
}

TEST(headroom, v2_the_least_of_the_nested_ones) {
    begin();
    put("/proc/self/mountinfo", "30 24 0:26 / /cg rw - cgroup2 cgroup2 rw\n");
    put("/proc/self/cgroup", "0::/user/job/step\n");
    put("/proc/meminfo", "MemTotal:  1073741824 kB\nMemAvailable: 1073741824 kB\n");
    put("/cg/user/job/step/memory.max", "max\n");
    put_mib("/cg/user/job/step/memory.current", 100);
    CHECK_EQ(left(), 1048576 - 512);
    put_mib("/cg/user/job/memory.max", 320);
    put_mib("/cg/user/job/memory.current", 110);
    CHECK_EQ(left(), 320 - 110 - 16);
    put_mib("/cg/user/memory.max", 300);
    put_mib("/cg/user/memory.current", 200);
    CHECK_EQ(left(), 100 - 16);
    put_mib("/cg/user/memory.current", 270);
    put("/cg/user/memory.stat", "anon 1\nfile 2\ninactive_anon 5\ninactive_file 41943040\n");
    CHECK_EQ(left(), 30 + 40 - 16);
    put_mib("/cg/user/memory.current", 290);
    put("/cg/user/memory.stat", "inactive_file 0\n");
    CHECK_EQ(left(), 0);
    end();
}

TEST(headroom, v1_and_its_ancestors) {
    begin();
    put("/proc/self/mountinfo", "31 24 0:27 / /cg/cpu rw - cgroup cgroup rw,cpu\n"
                                "32 24 0:28 / /cg/memory rw - cgroup cgroup rw,memory\n");
    put("/proc/self/cgroup", "4:memory:/a/b\n3:cpu:/c\n");
    put("/cg/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
    put_mib("/cg/memory/a/b/memory.usage_in_bytes", 100);
    CHECK_EQ(left(), SIZE_MAX);
    put_mib("/cg/memory/a/memory.limit_in_bytes", 1000);
    put_mib("/cg/memory/a/memory.usage_in_bytes", 600);
    CHECK_EQ(left(), 400 - 50);
    put_mib("/cg/memory/a/memory.usage_in_bytes", 900);
    put("/cg/memory/a/memory.stat", "inactive_file 5\ntotal_inactive_file 104857600\n");
    CHECK_EQ(left(), 200 - 50);
    put_mib("/cg/cpu/c/memory.limit_in_bytes", 1);
    CHECK_EQ(left(), 200 - 50);
    end();
}

TEST(headroom, this_system) {
    struct headroom *headroom = filchi_headroom_open("");
    CHECK_NOT_NULL(headroom);
    CHECK_GT(filchi_headroom_read(headroom), 0);
    filchi_headroom_close(headroom);
}
