/* platform/shared_memory.c: memfd, seals, MADV_POPULATE_WRITE and MADV_REMOVE. */
#include "platform/shared_memory.h"

#include "platform/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <filch/detail/atomic.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static int make_file(size_t bytes) {
    struct rlimit limit; /* a file beyond it would raise SIGXFSZ */
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < bytes)
        return -1;
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int file = memfd_create("filch", flags | MFD_NOEXEC_SEAL);
    if (file < 0 && errno == EINVAL)
        file = memfd_create("filch", flags);
    if (file < 0)
        return -1;
    if (ftruncate(file, (off_t)bytes) == 0 &&
        fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return file;
    close(file);
    return -1;
}

static bool populate(void *start, size_t bytes) {
    int result;
    do
        result = madvise(start, bytes, MADV_POPULATE_WRITE);
    while (result != 0 && (errno == EINTR || errno == EAGAIN));
    return result == 0;
}

/* Keeps the descriptor if pages cannot be backed without it. */
static void keep_if_needed(struct shared_memory *memory, int file) {
    struct stat status;
    bool is_needed = !populate(memory->start, (size_t)sysconf(_SC_PAGESIZE)) && errno == EINVAL;
    if (file < 0)
        return;
    if (is_needed && fstat(file, &status) == 0) {
        memory->descriptor = file;
        memory->device = status.st_dev;
        memory->inode = status.st_ino;
    } else {
        close(file);
    }
}

bool filchi_shared_memory_open(struct shared_memory *memory, size_t bytes, size_t alignment) {
    void *start = filchi_memory_reserve(bytes, alignment);
    if (start == NULL)
        return false;
    int file = make_file(bytes);
    int flags = MAP_SHARED | MAP_FIXED | MAP_NORESERVE | (file < 0 ? MAP_ANONYMOUS : 0);
    if (mmap(start, bytes, PROT_READ | PROT_WRITE, flags, file, 0) == MAP_FAILED) {
        int error = errno;
        if (file >= 0)
            close(file);
        filchi_memory_release(start, bytes);
        errno = error;
        return false;
    }
    madvise(start, bytes, MADV_DONTDUMP);
    *memory = (struct shared_memory){.start = start, .bytes = bytes, .descriptor = -1};
    keep_if_needed(memory, file);
    return true;
}

/* Is the number still ours? The program may have closed it, and got it again for something else. */
static bool has_descriptor(const struct shared_memory *memory) {
    struct stat status;
    return memory->descriptor >= 0 && fstat(memory->descriptor, &status) == 0 &&
           (uint64_t)status.st_dev == memory->device && (uint64_t)status.st_ino == memory->inode;
}

/* Faults each page in by a write that changes nothing. What the system lacks is not reported then, but
 * kills: there is no other way without populate and descriptor. */
static void touch(char *start, size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (char *at = start; at < start + bytes; at += page)
        (void)filch_fetch_or_acq_rel((filch_atomic_u32 *)(void *)at, 0u);
}

bool filchi_shared_memory_back(const struct shared_memory *memory, void *start, size_t bytes) {
    if (populate(start, bytes))
        return true;
    if (errno == EFAULT) /* how a page fault that got no memory is told */
        errno = ENOMEM;
    if (errno != EINVAL)
        return false;
    if (has_descriptor(memory)) {
        off_t at = (off_t)((char *)start - (char *)memory->start);
        int result;
        do
            result = fallocate(memory->descriptor, FALLOC_FL_KEEP_SIZE, at, (off_t)bytes);
        while (result != 0 && errno == EINTR);
        if (result == 0)
            return true;
        if (errno == ENOSPC)
            errno = ENOMEM;
        return false;
    }
    touch(start, bytes);
    return true;
}

void filchi_shared_memory_discard(void *start, size_t bytes) {
    int saved = errno;
    madvise(start, bytes, MADV_REMOVE);
    errno = saved;
}

void filchi_shared_memory_close(const struct shared_memory *memory) {
    struct shared_memory copy = *memory; /* it may lie in itself */
    if (has_descriptor(&copy))
        close(copy.descriptor);
    filchi_memory_release(copy.start, copy.bytes);
}
