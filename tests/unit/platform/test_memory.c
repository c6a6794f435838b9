/* test_memory.c: wishes about memory leave it usable, granted or not. */
#include "platform/memory.h"

#include "test.h"
#include <errno.h>
#include <linux/mempolicy.h>
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
