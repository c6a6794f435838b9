/* inject.c: the wrapped calls. __real_x is the call itself, __wrap_x what the library gets. */
/* NOLINTBEGIN(bugprone-reserved-identifier): the linker makes these names. */
#include "inject.h"
#include "structures/arena.h"

#include <errno.h>
#include <hwloc.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

const char *const inject_names[N_CALLS] = {
    [CALL_MALLOC] = "malloc",
    [CALL_MMAP] = "mmap",
    [CALL_MPROTECT] = "mprotect",
    [CALL_MUNMAP] = "munmap",
    [CALL_CHUNK] = "chunk",
    [CALL_CELLS] = "cells",
    [CALL_EXTENT] = "extent",
    [CALL_THREAD] = "pthread_create",
    [CALL_THREAD_DATA] = "thread_data",
    [CALL_ATFORK] = "pthread_atfork",
    [CALL_EVENTFD] = "eventfd",
    [CALL_FUTEX_WAIT] = "futex_wait",
    [CALL_FUTEX_WAKE] = "futex_wake",
    [CALL_MACHINE] = "machine",
    [CALL_FORK] = "fork",
    [CALL_SOCKETPAIR] = "socketpair",
    [CALL_SIGNALFD] = "signalfd",
    [CALL_PIDFD] = "pidfd_open",
    [CALL_MEMFD] = "memfd",
    [CALL_POPULATE] = "populate",
    [CALL_FALLOCATE] = "fallocate",
    [CALL_RING] = "ring",
    [CALL_INTERRUPT] = "interrupt",
};

struct fault {
    enum call call;
    bool all_later;
    atomic_long
        left; /* calls up to the one that fails; 0 or less: it was that one, or a later one */
    atomic_bool is_counting, was_reached;
};

static struct fault none = {.call = N_CALLS};
static struct fault *fault = &none; /* in shared memory, once armed */
static atomic_long mapped_bytes, heap_blocks;

void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);

void inject_arm(enum call call, long n, bool for_ever) {
    struct fault *shared = __real_mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        abort();
    shared->call = call;
    shared->all_later = for_ever;
    shared->left = n;
    fault = shared;
}

void inject_begin(void) {
    atomic_store(&fault->is_counting, fault != &none);
}

void inject_lift(void) {
    atomic_store(&fault->is_counting, false);
}

bool inject_was_reached(void) {
    return atomic_load(&fault->was_reached);
}

bool inject_is(enum call call) {
    return fault->call == call;
}

bool inject_is_wish(void) {
    static const enum call wishes[] = {CALL_MUNMAP,  CALL_FUTEX_WAIT, CALL_FUTEX_WAKE,
                                       CALL_MACHINE, CALL_PIDFD,      CALL_MEMFD,
                                       CALL_RING,    CALL_INTERRUPT};
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++)
        if (fault->call == wishes[i])
            return true;
    return false;
}

long inject_mapped_bytes(void) {
    return atomic_load(&mapped_bytes);
}

long inject_heap_blocks(void) {
    return atomic_load(&heap_blocks);
}

static bool fails(enum call call) {
    if (call != fault->call || !atomic_load(&fault->is_counting))
        return false;
    long before = atomic_fetch_sub(&fault->left, 1);
    if (before != 1 && !(fault->all_later && before < 1))
        return false;
    atomic_store(&fault->was_reached, true);
    return true;
}

bool inject_fails(enum call call, int error) {
    bool it_does = fails(call);
    if (it_does)
        errno = error;
    return it_does;
}

/* Memory. */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *block);

static void *count_block(void *block) {
    if (block != NULL)
        atomic_fetch_add(&heap_blocks, 1);
    return block;
}

void *__wrap_malloc(size_t size) {
    return inject_fails(CALL_MALLOC, ENOMEM) ? NULL : count_block(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size) {
    return inject_fails(CALL_MALLOC, ENOMEM) ? NULL : count_block(__real_calloc(n, size));
}

void *__wrap_realloc(void *block, size_t size) {
    if (inject_fails(CALL_MALLOC, ENOMEM))
        return NULL;
    void *larger = __real_realloc(block, size);
    return block == NULL ? count_block(larger) : larger;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size) {
    return inject_fails(CALL_MALLOC, ENOMEM) ? NULL
                                             : count_block(__real_aligned_alloc(alignment, size));
}

void __wrap_free(void *block) {
    if (block != NULL)
        atomic_fetch_sub(&heap_blocks, 1);
    __real_free(block);
}

char *__real_strdup(const char *text);
ssize_t __real_getline(char **line, size_t *size, FILE *file);
int __wrap_asprintf(char **text, const char *format, ...);
char *__wrap_strdup(const char *text);
ssize_t __wrap_getline(char **line, size_t *size, FILE *file);

char *__wrap_strdup(const char *text) {
    return inject_fails(CALL_MALLOC, ENOMEM) ? NULL : count_block(__real_strdup(text));
}

int __wrap_asprintf(char **text, const char *format, ...) {
    if (inject_fails(CALL_MALLOC, ENOMEM))
        return -1;
    va_list list;
    va_start(list, format);
    int length = vasprintf(text, format, list);
    va_end(list);
    if (length >= 0)
        (void)count_block(*text);
    return length;
}

ssize_t __wrap_getline(char **line, size_t *size, FILE *file) {
    if (inject_fails(CALL_MALLOC, ENOMEM))
        return -1;
    bool is_first = *line == NULL;
    ssize_t length = __real_getline(line, size, file);
    if (is_first)
        (void)count_block(*line);
    return length;
}

int __real_mprotect(void *at, size_t bytes, int protection);
int __real_munmap(void *at, size_t bytes);
int __real_madvise(void *at, size_t bytes, int advice);
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __wrap_mprotect(void *at, size_t bytes, int protection);
int __wrap_munmap(void *at, size_t bytes);
int __wrap_madvise(void *at, size_t bytes, int advice);

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset) {
    if (inject_fails(CALL_MMAP, ENOMEM))
        return MAP_FAILED;
    void *start = __real_mmap(at, bytes, protection, flags, fd, offset);
    if (start != MAP_FAILED && (flags & MAP_FIXED) == 0) /* else in place of what is counted */
        atomic_fetch_add(&mapped_bytes, (long)bytes);
    return start;
}

int __wrap_mprotect(void *at, size_t bytes, int protection) {
    return inject_fails(CALL_MPROTECT, ENOMEM) ? -1 : __real_mprotect(at, bytes, protection);
}

/* What the system does not take back stays mapped, and is counted as taken back. */
int __wrap_munmap(void *at, size_t bytes) {
    atomic_fetch_sub(&mapped_bytes, (long)bytes);
    return inject_fails(CALL_MUNMAP, ENOMEM) ? -1 : __real_munmap(at, bytes);
}

/* Where there is no memory, populating ends as a page fault does. */
int __wrap_madvise(void *at, size_t bytes, int advice) {
    if (inject_fails(CALL_MACHINE, EINVAL))
        return -1;
    if (advice == MADV_POPULATE_WRITE && inject_fails(CALL_POPULATE, EFAULT))
        return -1;
    if (advice == MADV_POPULATE_WRITE && inject_is(CALL_FALLOCATE)) {
        errno = EINVAL;
        return -1;
    }
    return __real_madvise(at, bytes, advice);
}

struct arena;
struct heap;
struct extents;
void *__real_filchi_arena_take(struct arena *arena, size_t n_chunks, enum chunk_kind kind);
bool __real_filchi_heap_refill(struct heap *heap);
void *__real_filchi_extent_take(struct extents *extents, size_t bytes);
void *__wrap_filchi_arena_take(struct arena *arena, size_t n_chunks, enum chunk_kind kind);
bool __wrap_filchi_heap_refill(struct heap *heap);
void *__wrap_filchi_extent_take(struct extents *extents, size_t bytes);

void *__wrap_filchi_arena_take(struct arena *arena, size_t n_chunks, enum chunk_kind kind) {
    return inject_fails(CALL_CHUNK, ENOMEM) ? NULL
                                            : __real_filchi_arena_take(arena, n_chunks, kind);
}

bool __wrap_filchi_heap_refill(struct heap *heap) {
    return inject_fails(CALL_CELLS, ENOMEM) ? false : __real_filchi_heap_refill(heap);
}

void *__wrap_filchi_extent_take(struct extents *extents, size_t bytes) {
    return inject_fails(CALL_EXTENT, ENOMEM) ? NULL : __real_filchi_extent_take(extents, bytes);
}

/* Threads. */

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *),
                          void *arg);
int __real_pthread_key_create(pthread_key_t *key, void (*destructor)(void *));
int __real_pthread_setspecific(pthread_key_t key, const void *value);
int __real_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *),
                          void *arg);
int __wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *));
int __wrap_pthread_setspecific(pthread_key_t key, const void *value);
int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *),
                          void *arg) {
    return fails(CALL_THREAD) ? EAGAIN : __real_pthread_create(thread, attributes, fn, arg);
}

int inject_real_thread(pthread_t *thread, void *(*fn)(void *), void *arg) {
    return __real_pthread_create(thread, NULL, fn, arg);
}

int __wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *)) {
    return fails(CALL_THREAD_DATA) ? EAGAIN : __real_pthread_key_create(key, destructor);
}

/* To forget a value always works. */
int __wrap_pthread_setspecific(pthread_key_t key, const void *value) {
    return value != NULL && fails(CALL_THREAD_DATA) ? ENOMEM
                                                    : __real_pthread_setspecific(key, value);
}

int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void)) {
    return fails(CALL_ATFORK) ? ENOMEM : __real_pthread_atfork(prepare, parent, child);
}

/* Futexes, and what the machine may refuse. */

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

static long futex(long a[6]) {
    int operation = (int)a[1] & FUTEX_CMD_MASK;
    if (operation == FUTEX_WAKE) {
        long result = __real_syscall(SYS_futex, a[0], a[1], a[2], a[3], a[4], a[5]);
        return inject_fails(CALL_FUTEX_WAKE, EFAULT) ? -1 : result;
    }
    if (inject_fails(CALL_FUTEX_WAIT, atomic_load(&fault->left) % 2 == 0 ? EINTR : EAGAIN)) {
        int error = errno;
        sched_yield(); /* where all fail, somebody else must have the processor */
        errno = error;
        return -1;
    }
    return __real_syscall(SYS_futex, a[0], a[1], a[2], a[3], a[4], a[5]);
}

long __wrap_syscall(long number, ...) {
    va_list list;
    long a[6];
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_futex)
        return futex(a);
    if (number == SYS_membarrier && inject_fails(CALL_MACHINE, EPERM))
        return -1;
    if (number == SYS_close_range && inject_fails(CALL_MACHINE, ENOSYS))
        return -1;
    if (number == SYS_pidfd_open && inject_fails(CALL_PIDFD, a[0] % 2 == 0 ? ENOSYS : EMFILE))
        return -1;
    return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int __real_sched_getaffinity(pid_t thread, size_t size, cpu_set_t *set);
int __real_sched_setaffinity(pid_t thread, size_t size, const cpu_set_t *set);
int __real_pthread_getattr_np(pthread_t thread, pthread_attr_t *attributes);
int __real_hwloc_topology_load(hwloc_topology_t topology);
FILE *__real_fopen(const char *path, const char *mode);
int __real_open(const char *path, int flags);
int __real_access(const char *path, int mode);
int __real_eventfd(unsigned count, int flags);
int __wrap_sched_getaffinity(pid_t thread, size_t size, cpu_set_t *set);
int __wrap_sched_setaffinity(pid_t thread, size_t size, const cpu_set_t *set);
int __wrap_pthread_getattr_np(pthread_t thread, pthread_attr_t *attributes);
int __wrap_hwloc_topology_load(hwloc_topology_t topology);
FILE *__wrap_fopen(const char *path, const char *mode);
int __wrap_open(const char *path, int flags);
int __wrap_access(const char *path, int mode);
int __wrap_eventfd(unsigned count, int flags);

int __wrap_sched_getaffinity(pid_t thread, size_t size, cpu_set_t *set) {
    return inject_fails(CALL_MACHINE, EPERM) ? -1 : __real_sched_getaffinity(thread, size, set);
}

int __wrap_sched_setaffinity(pid_t thread, size_t size, const cpu_set_t *set) {
    return inject_fails(CALL_MACHINE, EPERM) ? -1 : __real_sched_setaffinity(thread, size, set);
}

int __wrap_pthread_getattr_np(pthread_t thread, pthread_attr_t *attributes) {
    return fails(CALL_MACHINE) ? ENOMEM : __real_pthread_getattr_np(thread, attributes);
}

int __wrap_hwloc_topology_load(hwloc_topology_t topology) {
    return inject_fails(CALL_MACHINE, ENOSYS) ? -1 : __real_hwloc_topology_load(topology);
}
FILE *__wrap_fopen(const char *path, const char *mode) {
    return inject_fails(CALL_MACHINE, EMFILE) ? NULL : __real_fopen(path, mode);
}

/* The library opens files of /proc and /sys only, and makes none. */
int __wrap_open(const char *path, int flags) {
    return inject_fails(CALL_MACHINE, EMFILE) ? -1 : __real_open(path, flags);
}

int __wrap_access(const char *path, int mode) {
    return inject_fails(CALL_MACHINE, EACCES) ? -1 : __real_access(path, mode);
}

int __wrap_eventfd(unsigned count, int flags) {
    return inject_fails(CALL_EVENTFD, EMFILE) ? -1 : __real_eventfd(count, flags);
}
/* NOLINTEND(bugprone-reserved-identifier) */
