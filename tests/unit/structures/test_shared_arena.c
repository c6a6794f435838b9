/* test_shared_arena.c: arenas that processes share: what one writes others see, memory runs out as an
 * error, pages of freed runs stay within limits, and the table is whole after all of it. */
#include "contract/cgroup.h"
#include "contract/gate.h"
#include "platform/headroom.h"
#include "platform/process.h"
#include "structures/arena.h"
#include "unit/alone.h"
#include <dirent.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { SMALL = 64 /* chunks */, CHILDREN = 3, ROUNDS = 2000, RUNS = 8, MIB = 1 << 20 };

static struct arena *arena;

static void open_arena(size_t bytes) {
    arena = filchi_arena_open_shared(bytes);
    CHECK_NOT_NULL(arena);
    CHECK(arena->is_shared);
    CHECK_EQ((uintptr_t)arena % (2 << 20), 0);
}

static void check_valid(void) {
    char why[128] = "";
    CHECK_MSG(filchi_arena_is_valid(arena, why, sizeof why), "%s", why);
}

static int count_descriptors(void) {
    DIR *directory = opendir("/proc/self/fd");
    int n = 0;
    while (readdir(directory) != NULL)
        n++;
    closedir(directory);
    return n;
}

static size_t resident_chunks(const void *run, size_t n) {
    static unsigned char pages[64 * MIB / 4096];
    CHECK_LE(n * CHUNK_BYTES, 64 * MIB);
    CHECK_EQ(mincore((void *)(uintptr_t)run, n * CHUNK_BYTES, pages), 0);
    size_t resident = 0;
    for (size_t i = 0; i < n * CHUNK_BYTES / 4096; i++)
        resident += pages[i] & 1;
    return resident * 4096 / CHUNK_BYTES;
}

static char *run_of_both;

static void write_as_a_child(void) {
    memcpy(run_of_both, "a child", sizeof "a child");
    char *own = filchi_arena_take(arena, 2, CHUNK_RUN);
    CHECK_NOT_NULL(own);
    memcpy(own, "the child's own", sizeof "the child's own");
    *(char **)(void *)(run_of_both + 64) = own;
}

TEST(shared_arena, smoke) {
    int n_descriptors = count_descriptors();
    open_arena((size_t)SMALL * CHUNK_BYTES);
    CHECK_EQ(count_descriptors(), n_descriptors);
    run_of_both = filchi_arena_take(arena, 1, CHUNK_RUN);
    CHECK_NOT_NULL(run_of_both);
    run_in_child(write_as_a_child);
    CHECK_STR_EQ(run_of_both, "a child");
    char *own = *(char **)(void *)(run_of_both + 64);
    CHECK_STR_EQ(own, "the child's own");
    check_valid();
    filchi_arena_give(arena, own);
    filchi_arena_give(arena, run_of_both);
    check_valid();
    filchi_arena_close(arena);
}

TEST(shared_arena, full) {
    open_arena((size_t)SMALL * CHUNK_BYTES);
    enum { USABLE = SMALL - 1 };
    void *runs[USABLE];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < USABLE; i++) {
            runs[i] = filchi_arena_take(arena, 1, CHUNK_RUN);
            CHECK_NOT_NULL(runs[i]);
            memset(runs[i], i, CHUNK_BYTES);
        }
        errno = 0;
        CHECK_NULL(filchi_arena_take(arena, 1, CHUNK_RUN));
        CHECK_EQ(errno, ENOMEM);
        check_valid();
        for (int i = 0; i < USABLE; i += 2)
            filchi_arena_give(arena, runs[i]);
        CHECK_NULL(filchi_arena_take(arena, 2, CHUNK_RUN));
        check_valid();
        for (int i = 1; i < USABLE; i += 2)
            filchi_arena_give(arena, runs[i]);
        void *all = filchi_arena_take(arena, USABLE, CHUNK_RUN);
        CHECK_NOT_NULL(all);
        filchi_arena_give(arena, all);
        check_valid();
    }
    filchi_arena_close(arena);
}

TEST(shared_arena, too_small_and_too_large) {
    CHECK_NULL(filchi_arena_open_shared(CHUNK_BYTES));
    CHECK_EQ(errno, ENOMEM);
    arena = filchi_arena_open_shared(SIZE_MAX / 2); /* cut at what references reach, or refused */
    if (arena == NULL)
        return;
    CHECK_EQ(arena->bytes, ARENA_MAX_BYTES);
    for (uint32_t at = arena->first_chunk; at < arena->n_chunks; at += arena->n_chunks / 16) {
        filch_store_relaxed(&arena->low_hint, at); /* far behind what the table reaches */
        char *run = filchi_arena_take(arena, 3, CHUNK_RUN);
        CHECK_NOT_NULL(run);
        run[3 * CHUNK_BYTES - 1] = 1;
    }
    check_valid();
    filchi_arena_close(arena);
}

TEST(shared_arena, pages_of_freed_runs_stay_within_limits) {
    open_arena((size_t)256 * MIB);
    enum { N = 600 }; /* chunks: 37.5 MiB */
    char *first = filchi_arena_take(arena, N, CHUNK_RUN),
         *second = filchi_arena_take(arena, N, CHUNK_RUN);
    CHECK_NOT_NULL(first);
    CHECK_NOT_NULL(second);
    memset(first, 1, (size_t)N * CHUNK_BYTES);
    memset(second, 2, (size_t)N * CHUNK_BYTES);
    filchi_arena_give(arena, first);
    CHECK_EQ(resident_chunks(first, N), N);
    filchi_arena_give(arena, second); /* more than 64 MiB would be spare */
    CHECK_EQ(resident_chunks(second, N), 0);
    check_valid();
    CHECK_PTR_EQ(filchi_arena_take(arena, N + 8, CHUNK_RUN), first); /* its pages, and some more */
    CHECK_EQ(resident_chunks(first, N + 8), N + 8);
    check_valid();
    filchi_arena_give(arena, first);
    filchi_arena_close(arena);
}

TEST(shared_arena, find) {
    open_arena((size_t)SMALL * CHUNK_BYTES);
    char *run = filchi_arena_take(arena, 3, CHUNK_SHARED);
    void *start = NULL;
    for (size_t at = 0; at < 3 * CHUNK_BYTES; at += 9999) {
        uint64_t word = filchi_arena_find(arena, run + at, &start);
        CHECK_EQ(chunk_kind(word), CHUNK_SHARED);
        CHECK_EQ(chunk_n(word), 3);
        CHECK_PTR_EQ(start, run);
    }
    CHECK_EQ(filchi_arena_find(arena, run + 3 * CHUNK_BYTES, &start), 0);
    CHECK_EQ(filchi_arena_find(arena, arena, &start), 0);
    CHECK_EQ(filchi_arena_find(arena, (char *)arena - 1, &start), 0);
    CHECK_EQ(filchi_arena_find(arena, (char *)arena + arena->bytes, &start), 0);
    CHECK_EQ(filchi_arena_find(arena, &start, &start), 0);
    filchi_arena_give(arena, run);
    CHECK_EQ(filchi_arena_find(arena, run, &start), 0);
    filchi_arena_close(arena);
}

TEST(shared_arena, the_walk_finds_what_is_wrong) {
    open_arena((size_t)SMALL * CHUNK_BYTES);
    char why[128];
    char *run = filchi_arena_take(arena, 3, CHUNK_RUN);
    size_t at = (size_t)(run - (char *)arena) / CHUNK_BYTES;
    for (size_t i = 0; i < 3; i++) {
        uint64_t word = filch_load_relaxed(&arena->words[at + i]);
        const uint64_t wrong[] = {0, word ^ CHUNK_KIND, word & ~CHUNK_BACKED, word + 1,
                                  word & CHUNK_GENERATION};
        for (size_t j = 0; j < sizeof wrong / sizeof wrong[0]; j++) {
            filch_store_relaxed(&arena->words[at + i], wrong[j]);
            CHECK(!filchi_arena_is_valid(arena, why, sizeof why));
        }
        filch_store_relaxed(&arena->words[at + i], word);
    }
    check_valid();
    filchi_arena_close(arena);
}

/* Without a memfd of that size it is an anonymous mapping. */
static void open_under_a_file_limit(void) {
    struct rlimit limit = {.rlim_cur = MIB, .rlim_max = MIB};
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    open_arena((size_t)8 * MIB);
    run_of_both = filchi_arena_take(arena, 1, CHUNK_RUN);
    run_in_child(write_as_a_child);
    CHECK_STR_EQ(run_of_both, "a child");
    filchi_arena_give(arena, run_of_both);
    check_valid();
}

TEST(shared_arena, where_files_are_limited) {
    run_in_child(open_under_a_file_limit);
}

/* Takes and gives runs of 1 to 4 chunks; nobody else writes into them meanwhile. */
static void take_and_give(unsigned char own) {
    uint32_t random = own;
    unsigned char *runs[RUNS] = {NULL};
    size_t sizes[RUNS] = {0};
    for (int i = 0; i < ROUNDS; i++) {
        random = random * 1664525 + 1013904223;
        size_t at = random >> 8 & (RUNS - 1);
        if (runs[at] != NULL) {
            for (size_t j = 0; j < sizes[at]; j += 8192)
                CHECK_EQ(runs[at][j], own);
            filchi_arena_give(arena, runs[at]);
            runs[at] = NULL;
            continue;
        }
        size_t n = 1 + (random >> 16) % 4;
        runs[at] = filchi_arena_take(arena, n, CHUNK_RUN);
        sizes[at] = n * CHUNK_BYTES;
        for (size_t j = 0; runs[at] != NULL && j < sizes[at]; j += 8192)
            runs[at][j] = own;
    }
    for (int i = 0; i < RUNS; i++)
        if (runs[i] != NULL)
            filchi_arena_give(arena, runs[i]);
}

static void check_all_free(void) {
    check_valid();
    void *all = filchi_arena_take(arena, arena->n_chunks - arena->first_chunk, CHUNK_RUN);
    CHECK_NOT_NULL(all);
    filchi_arena_give(arena, all);
    filchi_arena_close(arena);
}

TEST(shared_arena, processes) {
    for (size_t n_chunks = 12; n_chunks <= 256; n_chunks *= 8) {
        open_arena(n_chunks * CHUNK_BYTES);
        arena->owner = arena;
        pid_t children[CHILDREN];
        for (int i = 0; i < CHILDREN; i++) {
            fflush(NULL);
            children[i] = fork();
            CHECK(children[i] >= 0);
            if (children[i] == 0) {
                filchi_process_serve(arena, (uint32_t)i + 1);
                take_and_give((unsigned char)(i + 1));
                _exit(EXIT_SUCCESS);
            }
        }
        take_and_give(CHILDREN + 1);
        for (int i = 0; i < CHILDREN; i++) {
            int status;
            CHECK_EQ(waitpid(children[i], &status, 0), children[i]);
            CHECK_EQ(status, 0);
        }
        check_all_free();
    }
}

static void *take_and_give_on_a_thread(void *arg) {
    filchi_process_serve_on_thread(arena, (uint32_t)(uintptr_t)arg);
    take_and_give((unsigned char)(uintptr_t)arg);
    return NULL;
}

TEST(shared_arena, mpmc) {
    open_arena((size_t)12 * CHUNK_BYTES);
    arena->owner = arena;
    pthread_t threads[CHILDREN];
    for (uintptr_t i = 0; i < CHILDREN; i++)
        threads[i] = thread_start(take_and_give_on_a_thread, (void *)(i + 1));
    for (int i = 0; i < CHILDREN; i++)
        thread_join(threads[i]);
    check_all_free();
}

/* ---- control groups ---- */

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    CHECK_NOT_NULL(file);
    fputs(text, file);
    CHECK_EQ(fclose(file), 0);
}

static void put(const char *root, const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s%s", root, name);
    write_file(path, text);
}

TEST(shared_arena, a_full_group_is_an_error) {
    char root[] = "/tmp/filch_headroom_XXXXXX", path[256];
    CHECK_NOT_NULL(mkdtemp(root));
    static const char *const directories[] = {"/proc", "/proc/self", "/cg"};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", root, directories[i]);
        CHECK_EQ(mkdir(path, 0777), 0);
    }
    put(root, "/proc/self/mountinfo", "30 24 0:26 / /cg rw - cgroup2 cgroup2 rw\n");
    put(root, "/proc/self/cgroup", "0::/\n");
    put(root, "/cg/memory.max", "104857600\n"); /* 100 MiB, of which 16 are the reserve */
    put(root, "/cg/memory.current", "83886080\n");
    put(root, "/cg/memory.stat", "anon 5\ninactive_file 0\n");
    open_arena((size_t)64 * MIB);
    filchi_headroom_close(arena->headroom);
    arena->headroom = filchi_headroom_open(root);
    CHECK_NOT_NULL(arena->headroom);
    filch_store_relaxed(&arena->left_at_ns, 0);
    void *run = filchi_arena_take(arena, 32, CHUNK_RUN);
    CHECK_NOT_NULL(run);
    put(root, "/cg/memory.current", "87500000\n"); /* its 2 MiB, and some */
    errno = 0;
    CHECK_NULL(filchi_arena_take(arena, 48, CHUNK_RUN));
    CHECK_EQ(errno, ENOMEM);
    check_valid();
    filchi_arena_give(arena, run);
    CHECK_PTR_EQ(filchi_arena_take(arena, 32, CHUNK_RUN),
                 run); /* what it has is not asked for again */
    put(root, "/cg/memory.stat", "anon 5\ninactive_file 8388608\n");
    CHECK_NOT_NULL(filchi_arena_take(arena, 48, CHUNK_RUN));
    check_valid();
    filchi_arena_close(arena);
    snprintf(path, sizeof path, "rm -r %s", root);
    CHECK_EQ(system(path), 0);
}

static struct cgroup group;

static void fill_the_group(void) {
    CHECK(cgroup_join(&group));
    open_arena((size_t)1 << 30);
    size_t n = 0;
    for (char *run; (run = filchi_arena_take(arena, 16, CHUNK_RUN)) != NULL; n++)
        memset(run, 1, 16 * CHUNK_BYTES);
    CHECK_EQ(errno, ENOMEM);
    CHECK_GE(n, UNDER_TSAN ? 12 : 48); /* its shadow is in the group, too */
    CHECK_LE(n, 112);
}

TEST(shared_arena, a_full_group_of_this_system_kills_nobody) {
    if (!cgroup_open(&group, (size_t)128 * MIB))
        return;
    run_in_child(fill_the_group);
    cgroup_close(&group);
}
