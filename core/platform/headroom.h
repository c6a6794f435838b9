/* platform/headroom.h: how much memory may be taken before the kernel kills somebody for it.
 *
 * A memory control group that is full does not refuse a page, it kills a process of the group; a full
 * machine does the same. So whoever makes shared pages exist asks here first, and says no by itself.
 * What counts is the least of what every group from our own up to the root has left, and the machine;
 * pages of files that were not used lately count as free. A reserve stays untouched, for what others
 * take between the look and the deed. Swap is not counted, a soft limit (memory.high) neither. */
#ifndef FILCHI_HEADROOM_H
#define FILCHI_HEADROOM_H

#include <stddef.h>

struct headroom;

/* Finds the files to read; at most some hundred microseconds.
 * `root` is "" for this system; tests give a directory as for cgroup.h.
 * Returns: NULL without memory. Owns: the caller, filchi_headroom_close. */
struct headroom *filchi_headroom_open(const char *root);

/* Bytes that are left; SIZE_MAX where nothing can be read. Threads: any; a descendant by fork, too.
 * About 3 us for each group and the machine. */
size_t filchi_headroom_read(const struct headroom *headroom);

void filchi_headroom_close(struct headroom *headroom);

#endif
