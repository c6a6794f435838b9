/* test_memory.c: reservations where address space is limited; wishes about memory leave it usable, granted or
 * not. */
#include "platform/memory.h"

#include "test.h"
#include <errno.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BYTES = 64 * 1024 };

/* Where the page at `start` lies; -1 if the system does not say. */
static int node_of(void *start) {
    int node = -1;
    if (syscall(SYS_get_mempolicy, &node, NULL, 0, start, MPOL_F_NODE | MPOL_F_ADDR) != 0)
        return -1;
    return node;
}

TEST(memory, a_preferred_node) {
    static const int wishes[] = {0, -1, 1, 1023, 1024, 1 << 30};
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
        char *start = filchi_memory_reserve(BYTES, BYTES);
        CHECK_NOT_NULL(start);
        CHECK(filchi_memory_commit(start, BYTES));
        errno = 77;
        filchi_memory_prefer_node(start, BYTES, wishes[i]);
        CHECK_EQ(errno, 77);
        memset(start, 1, BYTES);
        CHECK_EQ(start[BYTES - 1], 1);
        if (wishes[i] == 0)
            CHECK_LE(node_of(start), 0);
        filchi_memory_release(start, BYTES);
    }
}

/* Touched before and after; with what the system has not, too. */
TEST(memory, interleaved_pages_keep_what_they_hold) {
    static const uint64_t sets[][MEMORY_NODE_WORDS] = {{1}, {3}, {UINT64_MAX}, {[15] = 1}};
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        char *start = filchi_memory_reserve(BYTES, BYTES);
        CHECK_NOT_NULL(start);
        CHECK(filchi_memory_commit(start, BYTES));
        memset(start, 1, BYTES / 2);
        errno = 77;
        filchi_memory_interleave(start, BYTES, sets[i]);
        CHECK_EQ(errno, 77);
        memset(start + BYTES / 2, 1, BYTES / 2);
        for (size_t at = 0; at < BYTES; at++)
            CHECK_EQ(start[at], 1);
        filchi_memory_release(start, BYTES);
    }
}

/* Bytes of address space that this process has. */
static size_t address_space(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    size_t pages = 0;
    CHECK_NOT_NULL(file);
    CHECK_EQ(fscanf(file, "%zu", &pages), 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Aligned to its size, and yet no more is asked of the system: half as much again is all there is. */
TEST(memory, a_reservation_takes_what_it_says) {
    static const size_t LARGE = (size_t)1 << 30;
    if (UNDER_ASAN || UNDER_TSAN) /* their own memory is beyond any limit */
        return;
    struct rlimit limit = {address_space() + LARGE + LARGE / 2, RLIM_INFINITY};
    CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
    char *start = filchi_memory_reserve(LARGE, LARGE);
    CHECK_NOT_NULL(start);
    CHECK_EQ((uintptr_t)start % LARGE, 0);
    errno = 0;
    CHECK(filchi_memory_reserve(LARGE, LARGE) == NULL);
    CHECK_EQ(errno, ENOMEM);
    filchi_memory_release(start, LARGE);
}
