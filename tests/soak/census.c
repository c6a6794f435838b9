/* census.c: /proc, malloc's own numbers, children. */
#include "census.h"
#include "stress/stress.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A page that is touched once stays. */
enum { HEAP_BYTES = 4 << 10, RESIDENT_BYTES = 4 << 20, ADDRESS_BYTES = 128 << 20 };

static int n_threads;

void census_open(void) {
    STRESS_CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    n_threads = stress_count_entries("/proc/self/task");
}

/* Those that a pool has left behind end soon; who does not is a hang. */
static void await_children(void) {
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        continue;
    STRESS_CHECK(errno == ECHILD);
}

static long read_status(const char *name) {
    FILE *file = fopen("/proc/self/status", "r");
    STRESS_CHECK(file != NULL);
    char line[200];
    long kib = 0;
    size_t length = strlen(name);
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, length) == 0 && line[length] == ':')
            kib = atol(line + length + 1);
    fclose(file);
    return kib * 1024;
}

struct census census_take(void) {
    await_children();
    stress_await_threads(n_threads);
    malloc_trim(0);
    return (struct census){
        .descriptors = stress_count_entries("/proc/self/fd"),
        .threads = stress_count_entries("/proc/self/task"),
        .heap = (long)mallinfo2().uordblks,
        .resident = read_status("RssAnon") + read_status("RssShmem"),
        .address_space = read_status("VmSize"),
    };
}

void census_compare(const struct census *before, const struct census *after) {
    STRESS_CHECK_MSG(after->descriptors <= before->descriptors, "%d descriptors, %d before",
                     after->descriptors, before->descriptors);
    STRESS_CHECK_MSG(after->threads <= before->threads, "%d threads, %d before", after->threads,
                     before->threads);
#ifndef __SANITIZE_ADDRESS__ /* it keeps what is freed; its leak checker looks at the end */
    STRESS_CHECK_MSG(after->heap - before->heap <= HEAP_BYTES, "%+ld bytes of heap",
                     after->heap - before->heap);
    STRESS_CHECK_MSG(after->resident - before->resident <= RESIDENT_BYTES, "%+ld bytes resident",
                     after->resident - before->resident);
    STRESS_CHECK_MSG(after->address_space - before->address_space <= ADDRESS_BYTES,
                     "%+ld bytes of address space", after->address_space - before->address_space);
#endif
}
