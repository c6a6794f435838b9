/* platform/headroom.c: memory.max and memory.current (v2), memory.limit_in_bytes and
 * memory.usage_in_bytes (v1), /proc/meminfo. */
#include "platform/headroom.h"

#include "platform/cgroup.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LEAST_RESERVE = 16 << 20, LARGEST_RESERVE = 512 << 20, RESERVE_SHARE = 20 };

/* A group that has, or may be given, a limit. */
struct group {
    struct group *next;
    bool is_v2;
    char *limit, *usage, *stat; /* paths */
};

struct headroom {
    struct group *groups;
    char *meminfo;
    bool is_whole;
};

/* The whole of a small file, or its beginning. Neither stdio nor much stack: a task may be calling.
 * Returns: false if it cannot be read. */
static bool read_text(const char *path, char *text, size_t size) {
    int saved = errno;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = file < 0 ? -1 : read(file, text, size - 1);
    if (file >= 0)
        close(file);
    errno = saved;
    if (n < 0)
        return false;
    text[n] = '\0';
    return true;
}

/* Returns: false if there is no number, which "max" is not either. */
static bool read_number(const char *path, uint64_t *number) {
    char text[32], *end;
    if (!read_text(path, text, sizeof text))
        return false;
    *number = strtoull(text, &end, 10);
    return end != text;
}

/* The number behind a name that begins a line; 0 if it is not there. */
static uint64_t find_number(const char *text, const char *name) {
    size_t length = strlen(name);
    for (const char *at = text; at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, name, length) == 0)
            return strtoull(at + length, NULL, 10);
    }
    return 0;
}

static uint64_t subtract(uint64_t from, uint64_t n) {
    return from > n ? from - n : 0;
}

static uint64_t reserve_of(uint64_t whole) {
    uint64_t reserve = whole / RESERVE_SHARE;
    return reserve < LEAST_RESERVE ? LEAST_RESERVE
                                   : (reserve > LARGEST_RESERVE ? LARGEST_RESERVE : reserve);
}

/* What the group has left, without its idle file pages unless there is little: they cost a look into a
 * long file. */
static uint64_t read_group(const struct group *group) {
    uint64_t limit, usage;
    if (!read_number(group->limit, &limit) || !read_number(group->usage, &usage))
        return UINT64_MAX;
    if (limit >= INT64_MAX / 2) /* v1's way to say that there is none */
        return UINT64_MAX;
    uint64_t left = subtract(limit, usage);
    char text[4096];
    if (left < limit / 4 && read_text(group->stat, text, sizeof text))
        left += find_number(text, group->is_v2 ? "inactive_file " : "total_inactive_file ");
    return subtract(left, reserve_of(limit));
}

static uint64_t read_machine(const char *meminfo) {
    char text[512];
    if (!read_text(meminfo, text, sizeof text))
        return UINT64_MAX;
    uint64_t whole = find_number(text, "MemTotal:") << 10;
    uint64_t left = find_number(text, "MemAvailable:") << 10;
    if (whole == 0 || left == 0)
        return UINT64_MAX;
    return subtract(left, reserve_of(whole));
}

size_t filchi_headroom_read(const struct headroom *headroom) {
    uint64_t least = read_machine(headroom->meminfo);
    for (const struct group *group = headroom->groups; group != NULL; group = group->next) {
        uint64_t left = read_group(group);
        if (left < least)
            least = left;
    }
    return least < SIZE_MAX ? (size_t)least : SIZE_MAX;
}

static char *join(const char *directory, const char *name) {
    char *path;
    return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

static void free_group(struct group *group) {
    free(group->limit);
    free(group->usage);
    free(group->stat);
    free(group);
}

static void add_group(const char *directory, bool is_v2, void *arg) {
    struct headroom *headroom = arg;
    struct group *group = calloc(1, sizeof *group);
    if (group == NULL) {
        headroom->is_whole = false;
        return;
    }
    group->is_v2 = is_v2;
    group->limit = join(directory, is_v2 ? "memory.max" : "memory.limit_in_bytes");
    group->usage = join(directory, is_v2 ? "memory.current" : "memory.usage_in_bytes");
    group->stat = join(directory, "memory.stat");
    if (group->limit == NULL || group->usage == NULL || group->stat == NULL)
        headroom->is_whole = false;
    if (group->usage == NULL || access(group->usage, R_OK) != 0) {
        free_group(group); /* the root, or a hierarchy without the controller */
        return;
    }
    group->next = headroom->groups;
    headroom->groups = group;
}

struct headroom *filchi_headroom_open(const char *root) {
    struct headroom *headroom = calloc(1, sizeof *headroom);
    if (headroom == NULL)
        return NULL;
    headroom->is_whole = true;
    headroom->meminfo = join(root, "proc/meminfo");
    if (headroom->meminfo != NULL)
        filchi_cgroup_walk(root, "memory", add_group, headroom);
    if (headroom->meminfo != NULL && headroom->is_whole)
        return headroom;
    filchi_headroom_close(headroom);
    errno = ENOMEM;
    return NULL;
}

void filchi_headroom_close(struct headroom *headroom) {
    while (headroom->groups != NULL) {
        struct group *group = headroom->groups;
        headroom->groups = group->next;
        free_group(group);
    }
    free(headroom->meminfo);
    free(headroom);
}
