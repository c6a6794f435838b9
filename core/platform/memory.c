/* platform/memory.c: mmap, mprotect, madvise, mbind, move_pages. */
#include "platform/memory.h"

#include "base/cc.h"
#include <errno.h>
#include <linux/mempolicy.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static char *reserve_near(uintptr_t hint, size_t bytes) {
    char *start = mmap((void *)hint, bytes, PROT_NONE, // NOLINT(performance-no-int-to-ptr)
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return start == MAP_FAILED ? NULL : start;
}

/* The system puts a mapping below those that are there, so there is often room at a boundary farther below.
 * This needs no more address space than is asked for, which may be limited. Returns: NULL if none was found. */
static char *reserve_at_boundary(size_t bytes, size_t alignment) {
    enum { MOST_TRIES = 8 };
    uintptr_t hint = 0;
    for (uintptr_t i = 0; i < MOST_TRIES; i++) {
        char *start = reserve_near(hint, bytes);
        if (start == NULL || (uintptr_t)start % alignment == 0)
            return start;
        munmap(start, bytes);
        if ((uintptr_t)start / alignment <= i)
            return NULL;
        hint = ((uintptr_t)start / alignment - i) * alignment;
    }
    return NULL;
}

void *filchi_memory_reserve(size_t bytes, size_t alignment) {
    size_t with_slack = bytes + alignment;
    if (with_slack < bytes)
        return NULL;
    char *start = reserve_at_boundary(bytes, alignment);
    if (start != NULL)
        return start;
    start = reserve_near(0, with_slack);
    if (start == NULL)
        return NULL;
    char *aligned = (char *)round_up((uintptr_t)start, alignment);
    size_t before = (size_t)(aligned - start);
    if (before > 0)
        munmap(start, before);
    if (with_slack - before > bytes)
        munmap(aligned + bytes, with_slack - before - bytes);
    return aligned;
}

bool filchi_memory_commit(void *start, size_t bytes) {
    return mprotect(start, bytes, PROT_READ | PROT_WRITE) == 0;
}

/* Advice that is not taken is no error of the caller's. */
static void advise(void *start, size_t bytes, int advice) {
    int saved = errno;
    madvise(start, bytes, advice);
    errno = saved;
}

void filchi_memory_use_large_pages(void *start, size_t bytes) {
    advise(start, bytes, MADV_HUGEPAGE);
}

void filchi_memory_populate(void *start, size_t bytes) {
#ifdef MADV_POPULATE_WRITE
    advise(start, bytes, MADV_POPULATE_WRITE); /* before Linux 5.14: EINVAL */
#else
    (void)start;
    (void)bytes;
#endif
}

enum { MOST_NODES = MEMORY_NODE_WORDS * 64 };

/* The kernel's words are longs; a node's bit is where a long of 64 bits has it, and on other machines
 * nothing is wished. */
static void set_policy(void *start, size_t bytes, int policy,
                       const uint64_t nodes[MEMORY_NODE_WORDS]) {
    int saved = errno;
    if (sizeof(unsigned long) == sizeof(uint64_t))
        syscall(SYS_mbind, start, bytes, policy, nodes, (unsigned long)MOST_NODES + 1,
                MPOL_MF_MOVE);
    errno = saved;
}

void filchi_memory_prefer_node(void *start, size_t bytes, int node) {
    if (node < 0 || node >= MOST_NODES)
        return;
    uint64_t nodes[MEMORY_NODE_WORDS] = {0};
    nodes[node / 64] = (uint64_t)1 << (node % 64);
    set_policy(start, bytes, MPOL_PREFERRED, nodes);
}

/* The next node of the set, and behind the last one the first. */
static int next_node(const uint64_t nodes[MEMORY_NODE_WORDS], int node) {
    do
        node = (node + 1) % MOST_NODES;
    while ((nodes[node / 64] >> (node % 64) & 1) == 0);
    return node;
}

/* Pages that are there stay where a policy of several nodes allows them, all on one of them if need be: mbind moves
 * only what lies outside of the set. */
static void move_apart(char *start, size_t bytes, const uint64_t nodes[MEMORY_NODE_WORDS]) {
    enum { AT_ONCE = 256 };
    void *pages[AT_ONCE];
    int wanted[AT_ONCE], status[AT_ONCE], node = -1, saved = errno;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 0;
    for (size_t at = 0; at < bytes; at += page) {
        pages[n] = start + at;
        wanted[n++] = node = next_node(nodes, node);
        if (n == AT_ONCE || at + page >= bytes) {
            syscall(SYS_move_pages, 0, n, pages, wanted, status, MPOL_MF_MOVE);
            n = 0;
        }
    }
    errno = saved;
}

void filchi_memory_interleave(void *start, size_t bytes, const uint64_t nodes[MEMORY_NODE_WORDS]) {
    set_policy(start, bytes, MPOL_INTERLEAVE, nodes);
    move_apart(start, bytes, nodes);
}

void filchi_memory_discard(void *start, size_t bytes) {
    advise(start, bytes, MADV_DONTNEED);
}

void filchi_memory_release(void *start, size_t bytes) {
    munmap(start, bytes);
}

size_t filchi_memory_physical(void) {
    return (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
}

size_t filchi_memory_address_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return SIZE_MAX;
    return (size_t)limit.rlim_cur;
}
