/* platform/memory.h: address space, reserved first and made usable piece by piece.
 *
 * A reservation costs neither memory nor commit charge; a lack of memory shows as an error of
 * filchi_memory_commit, never as a signal at first touch of what was refused. */
#ifndef FILCHI_MEMORY_H
#define FILCHI_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reserves `bytes` of address space, aligned to `alignment` (both multiples of the page size).
 * Returns: NULL if there is none, errno set. */
void *filchi_memory_reserve(size_t bytes, size_t alignment);

/* Makes part of a reservation readable and writable, zeroed at first use. Idempotent.
 * Returns: false if the system refuses, errno set. */
bool filchi_memory_commit(void *start, size_t bytes);

/* A wish: what is touched first here comes in large pages, with a fault for each 2 MiB, not for each
 * 4 KiB. */
void filchi_memory_use_large_pages(void *start, size_t bytes);

/* A wish: maps all pages now, writable, in one call. */
void filchi_memory_populate(void *start, size_t bytes);

/* A wish: what is touched first here lies on this NUMA node (the system's number; -1: no wish), whoever
 * touches it, and what this process alone has touched moves there. Of memory that processes share it
 * holds for all of them. */
void filchi_memory_prefer_node(void *start, size_t bytes, int node);

/* A wish: pages that are made here later lie on these NUMA nodes in turn, a bit for each, and what this
 * process alone has touched moves there. At least one bit is set. */
enum { MEMORY_NODE_WORDS = 16 };
void filchi_memory_interleave(void *start, size_t bytes, const uint64_t nodes[MEMORY_NODE_WORDS]);

/* Gives the pages back; what is read there later is zero. */
void filchi_memory_discard(void *start, size_t bytes);

/* Ends a reservation. */
void filchi_memory_release(void *start, size_t bytes);

/* The machine's memory in bytes. */
size_t filchi_memory_physical(void);

/* The soft limit of this process's address space (RLIMIT_AS); SIZE_MAX if there is none. */
size_t filchi_memory_address_limit(void);

#endif
