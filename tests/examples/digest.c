/* digest: SHA-256, lines and bytes of every file below a directory, computed by tasks of a pool.
 *
 *     digest [--pool=KIND] [--workers=N] [--ordered] [--quiet] [DIRECTORY]
 *
 * Prints a line per file as its task ends, or in input order with --ordered; then a total, which is
 * the same for every pool and every number of workers. A progress bar appears on stderr when that
 * is a terminal. Files that cannot be read cost a line on stderr each, and the exit status is 1. */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <filch/filch.h>
#include <fts.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SHA256_BYTES = 32, PIECE_BYTES = 64 * 1024, EXIT_UNREADABLE = 1, EXIT_USAGE = 2 };

/* ---- The work: ordinary functions, made submittable by one line each. ---- */

/* A result travels by value, between processes and machines too: no pointers in it. */
struct digest {
    unsigned char sha256[SHA256_BYTES];
    uint64_t bytes;
    uint64_t lines;
};

/* Feeds the file to the hash, piece by piece; an errno on failure. */
static int read_pieces(int fd, EVP_MD_CTX *hash, struct digest *digest) {
    char piece[PIECE_BYTES];
    for (;;) {
        ssize_t size = read(fd, piece, sizeof piece);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return errno;
        if (size == 0)
            return 0;
        digest->bytes += (uint64_t)size;
        for (const char *at = piece, *end = piece + size;
             (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
            digest->lines++;
        if (!EVP_DigestUpdate(hash, piece, (size_t)size))
            return EIO;
    }
}

static struct digest digest_file(const char *path) {
    struct digest digest = {.bytes = 0};
    int error = 0;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    if (fd < 0)
        error = errno;
    else if (hash == NULL || !EVP_DigestInit_ex(hash, EVP_sha256(), NULL))
        error = ENOMEM;
    else
        error = read_pieces(fd, hash, &digest);
    if (error == 0 && !EVP_DigestFinal_ex(hash, digest.sha256, NULL))
        error = EIO;
    EVP_MD_CTX_free(hash);
    if (fd >= 0)
        close(fd);
    if (error != 0)
        filch_raise(error, "%s: %s", path, strerror(error)); /* the future gets it */
    return digest;
}
FILCH_TASK(struct digest, digest_file, const char *);

/* Results that come in any order say themselves which file they are of. */
struct numbered_digest {
    size_t number;
    struct digest digest;
};

static struct numbered_digest digest_numbered(size_t number, const char *path) {
    return (struct numbered_digest){number, digest_file(path)};
}
FILCH_TASK(struct numbered_digest, digest_numbered, size_t, const char *);

/* ---- The pools: a kind of pool is a row. ---- */

static filch_executor *open_thread_pool(int workers) {
    return filch_thread_pool(.max_workers = workers, .thread_name_prefix = "digest");
}

static filch_executor *open_process_pool(int workers) {
    return filch_process_pool(.max_workers = workers, .thread_name_prefix = "digest");
}

static const struct pool {
    const char *name;
    filch_executor *(*open)(int workers);
} pools[] = {
    {"thread", open_thread_pool},
    {"process", open_process_pool},
};

static const struct pool *find_pool(const char *name) {
    for (size_t i = 0; i < sizeof pools / sizeof pools[0]; i++)
        if (strcmp(name, pools[i].name) == 0)
            return &pools[i];
    return NULL;
}

/* ---- The command line. ---- */

struct options {
    const char *directory;
    const struct pool *pool;
    int workers;
    bool ordered;
    bool quiet;
};

static error_t parse_option(int key, char *text, struct argp_state *state) {
    struct options *options = state->input;
    switch (key) {
    case 'p':
        options->pool = find_pool(text);
        if (options->pool == NULL)
            argp_error(state, "unknown kind of pool '%s'", text);
        return 0;
    case 'w': {
        char *end;
        long workers = strtol(text, &end, 10);
        if (*text == '\0' || *end != '\0' || workers < 0 || workers > 4096)
            argp_error(state, "--workers is a number from 0 to 4096, not '%s'", text);
        options->workers = (int)workers;
        return 0;
    }
    case 'o':
        options->ordered = true;
        return 0;
    case 'q':
        options->quiet = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            argp_error(state, "one directory at a time");
        options->directory = text;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options =
        (const struct argp_option[]){
            {"pool", 'p', "KIND", 0, "The kind of pool: thread (default), process", 0},
            {"workers", 'w', "N", 0, "How many workers; 0 (default): one per usable core", 0},
            {"ordered", 'o', NULL, 0, "Print in input order, not as files are done", 0},
            {"quiet", 'q', NULL, 0, "Print the total alone", 0},
            {NULL, 0, NULL, 0, NULL, 0},
        },
    .parser = parse_option,
    .args_doc = "[DIRECTORY]",
    .doc = "SHA-256, lines and bytes of every file below DIRECTORY (default /usr/share).",
};

/* ---- The input: the paths of all regular files, in the order of their names. ---- */

struct paths {
    char **items;
    size_t count;
    size_t room;
    size_t unreadable; /* directories that could not be listed */
};

static void add_path(struct paths *paths, const char *path) {
    if (paths->count == paths->room) {
        paths->room = paths->room == 0 ? 1024 : 2 * paths->room;
        paths->items = realloc(paths->items, paths->room * sizeof *paths->items);
    }
    if (paths->items == NULL || (paths->items[paths->count] = strdup(path)) == NULL) {
        fprintf(stderr, "digest: out of memory\n");
        exit(EXIT_USAGE);
    }
    paths->count++;
}

static int by_name(const FTSENT **a, const FTSENT **b) {
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* Links are not followed; what is neither file nor directory is left out. */
static struct paths list_files(const char *directory) {
    struct paths paths = {.items = NULL};
    char *roots[] = {(char *)directory, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    for (FTSENT *entry; tree != NULL && (entry = fts_read(tree)) != NULL;) {
        switch (entry->fts_info) {
        case FTS_F:
            add_path(&paths, entry->fts_path);
            break;
        case FTS_DNR:
        case FTS_ERR:
        case FTS_NS:
            fprintf(stderr, "digest: %s: %s\n", entry->fts_path, strerror(entry->fts_errno));
            paths.unreadable++;
            break;
        default:
            break;
        }
    }
    if (tree != NULL)
        fts_close(tree);
    return paths;
}

static void free_paths(struct paths *paths) {
    for (size_t i = 0; i < paths->count; i++)
        free(paths->items[i]);
    free(paths->items);
}

/* ---- The output. ---- */

/* The digests are added up as 256-bit numbers: the sum does not depend on their order. */
struct total {
    struct digest sum;
    size_t files;
    size_t failed;
};

static void add_to_total(struct total *total, const struct digest *digest) {
    unsigned carry = 0;
    for (int i = SHA256_BYTES - 1; i >= 0; i--) {
        carry += (unsigned)total->sum.sha256[i] + digest->sha256[i];
        total->sum.sha256[i] = (unsigned char)carry;
        carry >>= 8;
    }
    total->sum.bytes += digest->bytes;
    total->sum.lines += digest->lines;
    total->files++;
}

static void print_digest(const struct digest *digest) {
    for (int i = 0; i < SHA256_BYTES; i++)
        printf("%02x", digest->sha256[i]);
    printf(" %8" PRIu64 " lines %10" PRIu64 " bytes  ", digest->lines, digest->bytes);
}

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The progress bar: rate and time left, at most ten times a second. */
struct progress {
    bool shown;
    bool shares_terminal; /* with the lines on stdout */
    size_t count;
    double start;
    double drawn;
};

static void draw_progress(struct progress *progress, const struct total *total) {
    enum { WIDTH = 30 };
    double now = seconds_now();
    size_t done = total->files + total->failed;
    if (!progress->shown || (now - progress->drawn < 0.1 && done < progress->count))
        return;
    progress->drawn = now;
    double elapsed = now - progress->start + 1e-9;
    double left = elapsed * (double)(progress->count - done) / (double)(done == 0 ? 1 : done);
    int filled = (int)(done * WIDTH / (progress->count == 0 ? 1 : progress->count));
    fprintf(stderr, "\r[%.*s%*s] %zu/%zu files  %.0f/s  %.1f MB/s  %.0f s left \033[K", filled,
            "##############################", WIDTH - filled, "", done, progress->count,
            (double)done / elapsed, (double)total->sum.bytes / elapsed / 1e6, left);
}

static void clear_progress(const struct progress *progress) {
    if (progress->shown)
        fprintf(stderr, "\r\033[K");
}

/* ---- The main job, in its two forms. ---- */

struct job {
    const struct options *options;
    struct paths paths;
    struct total total;
    struct progress progress;
};

/* One result: of `digest`, or without one the error that took its place. */
static void take_result(struct job *job, size_t number, const struct digest *digest,
                        const filch_error *error) {
    if (digest == NULL) {
        clear_progress(&job->progress);
        fprintf(stderr, "digest: %s\n", error->message);
        job->total.failed++;
    } else {
        add_to_total(&job->total, digest);
        if (!job->options->quiet) {
            if (job->progress.shares_terminal)
                clear_progress(&job->progress);
            print_digest(digest);
            printf("%s\n", job->paths.items[number]);
        }
    }
    draw_progress(&job->progress, &job->total);
}

/* In input order: map. */
static filch_status run_ordered(struct job *job, filch_executor *ex) {
    filch_results *results =
        filch_map(ex, digest_file, job->paths.items, job->paths.count, .chunksize = 1);
    if (results == NULL)
        return filch_error_status();
    struct digest digest;
    filch_status status;
    while ((status = filch_results_next(results, &digest)) == FILCH_OK || status == FILCH_FAILED)
        take_result(job, filch_results_index(results), status == FILCH_OK ? &digest : NULL,
                    filch_results_exception(results));
    filch_results_close(results);
    return status == FILCH_END ? FILCH_OK : status;
}

/* As they complete: one future per file. */
static filch_status run_as_completed(struct job *job, filch_executor *ex) {
    size_t n = job->paths.count, submitted = 0;
    filch_future **futures = calloc(n + 1, sizeof *futures);
    while (futures != NULL && submitted < n &&
           (futures[submitted] =
                filch_submit(ex, digest_numbered, submitted, job->paths.items[submitted])) != NULL)
        submitted++;
    filch_completed *completed = submitted < n ? NULL : filch_as_completed(futures, n);
    filch_status status = futures == NULL ? FILCH_NO_MEMORY : FILCH_OK;
    if (status == FILCH_OK && completed == NULL)
        status = filch_error_status();

    filch_future *future;
    while (status == FILCH_OK &&
           (status = filch_completed_next(completed, &future, FILCH_FOREVER)) == FILCH_OK) {
        struct numbered_digest result;
        bool good = filch_result(future, &result) == FILCH_OK;
        take_result(job, good ? result.number : 0, good ? &result.digest : NULL,
                    filch_exception(future));
    }
    filch_completed_close(completed);
    for (size_t i = 0; i < submitted; i++)
        filch_release(futures[i]);
    free(futures);
    return status == FILCH_END ? FILCH_OK : status;
}

static int run_job(struct job *job) {
    filch_status status = FILCH_INVALID;
    job->progress = (struct progress){
        .shown = isatty(STDERR_FILENO),
        .shares_terminal = isatty(STDERR_FILENO) && isatty(STDOUT_FILENO),
        .count = job->paths.count,
        .start = seconds_now(),
    };
    filch_with (ex, job->options->pool->open(job->options->workers)) {
        status = job->options->ordered ? run_ordered(job, ex) : run_as_completed(job, ex);
    } else {
        fprintf(stderr, "digest: cannot open a %s pool: %s\n", job->options->pool->name,
                filch_error_message());
        return EXIT_USAGE;
    }
    clear_progress(&job->progress);
    if (status != FILCH_OK) {
        fprintf(stderr, "digest: %s: %s\n", filch_status_name(status), filch_error_message());
        return EXIT_USAGE;
    }
    print_digest(&job->total.sum);
    printf("total of %zu files\n", job->total.files);
    return job->total.failed + job->paths.unreadable > 0 ? EXIT_UNREADABLE : EXIT_SUCCESS;
}

static bool is_readable_directory(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0)
        return false;
    if (!S_ISDIR(status.st_mode)) {
        errno = ENOTDIR;
        return false;
    }
    return access(path, R_OK | X_OK) == 0;
}

int main(int argc, char **argv) {
    struct options options = {.directory = "/usr/share", .pool = &pools[0]};
    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &options);

    if (!is_readable_directory(options.directory)) {
        fprintf(stderr, "digest: %s: %s\n", options.directory, strerror(errno));
        return EXIT_USAGE;
    }
    struct job job = {.options = &options, .paths = list_files(options.directory)};
    int result = run_job(&job);
    free_paths(&job.paths);
    return result;
}
