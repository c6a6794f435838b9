/* platform/shared_memory.h: memory that a process shares with those it forks, at one address.
 *
 * One mapping of a sealed memfd, which nobody can shorten under it; the descriptor is closed at once,
 * so no worker inherits one. Address space and size cost nothing. A page exists once it was backed;
 * only backed pages are touched, so a lack of memory is an error of shared_memory_back, never SIGBUS.
 * But a control group that is full kills instead of refusing: see headroom.h.
 *
 * Where memfd_create is forbidden, or files may not be that large, an anonymous shared mapping does the
 * same. Linux before 5.14 cannot back pages without a descriptor; there it is kept. */
#ifndef FILCHI_SHARED_MEMORY_H
#define FILCHI_SHARED_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shared_memory {
    void *start;
    size_t bytes;
    int descriptor;         /* -1: none is needed, or there is none */
    uint64_t device, inode; /* of the descriptor, whose number the program may have closed */
};

/* Maps `bytes`, aligned to `alignment` (both multiples of the page size); left out of core dumps.
 * Returns: false with errno set. */
bool filchi_shared_memory_open(struct shared_memory *memory, size_t bytes, size_t alignment);

/* Makes all pages of a part exist; zero, if they did not. Idempotent. Returns: false with errno set. */
bool filchi_shared_memory_back(const struct shared_memory *memory, void *start, size_t bytes);

/* Gives a part's pages back to the system, for all processes. */
void filchi_shared_memory_discard(void *start, size_t bytes);

/* Unmaps it here. */
void filchi_shared_memory_close(const struct shared_memory *memory);

#endif
