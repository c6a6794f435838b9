/* options.c: whatever stands in an options struct of any size, it is refused with a message that names the function
 * or it is used. The input: what is opened or called, the size, the struct. */
#include "fuzz.h"

#include <filch/filch.h>
#include <math.h>

/* As long as the longest one that is read. */
static union {
    unsigned char bytes[4096];
    size_t size;
    filch_thread_pool_options thread_pool;
    filch_process_pool_options process_pool;
    filch_submit_options submit;
    filch_map_options map;
    filch_shutdown_options shutdown;
} given;

static long twice(long x) {
    return 2 * x;
}
FILCH_TASK(long, twice, long);

static int begin(void *arg) {
    return arg == NULL ? 0 : 1;
}

static void end(void *arg) {
    (void)arg;
}

/* The size is taken from the input: often that of this version, else any. */
static void read_options(struct fuzz *fuzz, size_t known) {
    memset(&given, 0, sizeof given);
    uint8_t kind = fuzz_byte(fuzz);
    size_t size = kind < 0xc0 ? known : fuzz_size(fuzz);
    fuzz_copy(fuzz, given.bytes, known + 16);
    given.size = size;
}

static void check_refusal(const char *function) {
    filch_status status = filch_error_status();
    CHECK(status == FILCH_INVALID || status == FILCH_NO_MEMORY || status == FILCH_SYSTEM ||
          status == FILCH_UNSUPPORTED);
    CHECK_STR_HAS(filch_error_message(), function);
}

/* A task runs, or there is no thread or memory for it. */
static void use(filch_executor *executor) {
    long value = 0;
    filch_future *future = filch_submit(executor, twice, 21);
    if (future == NULL) {
        check_refusal("filch_submit");
    } else {
        filch_status status = filch_result(future, &value);
        CHECK((status == FILCH_OK && value == 42) || status == FILCH_BROKEN);
    }
    filch_release(future);
    filch_close(executor);
}

static void open_thread_pool(struct fuzz *fuzz) {
    filch_thread_pool_options *options = &given.thread_pool;
    read_options(fuzz, sizeof *options);
    options->thread_name_prefix = options->thread_name_prefix == NULL ? NULL : "fuzz";
    options->initializer = options->initializer == NULL ? NULL : begin;
    options->finalizer = options->finalizer == NULL ? NULL : end;
    filch_executor *executor = filch_thread_pool_open(options);
    if (executor == NULL)
        check_refusal("filch_thread_pool");
    else
        use(executor);
}

/* Of threads that stand in for processes: a sanitizer follows them. */
static void open_process_pool(struct fuzz *fuzz) {
    filch_process_pool_options *options = &given.process_pool;
    read_options(fuzz, sizeof *options);
    options->thread_name_prefix = options->thread_name_prefix == NULL ? NULL : "fuzz";
    options->initializer = options->initializer == NULL ? NULL : begin;
    options->finalizer = options->finalizer == NULL ? NULL : end;
    if (options->start_method == FILCH_FORKSERVER || options->start_method == FILCH_FORK ||
        given.size < offsetof(filch_process_pool_options, max_tasks_per_child))
        options->start_method = FILCH_THREADS;
    if (given.size < offsetof(filch_process_pool_options, max_tasks_per_child))
        given.size = offsetof(filch_process_pool_options, max_tasks_per_child);
    filch_executor *executor = filch_process_pool_open(options);
    if (executor == NULL)
        check_refusal("filch_process_pool");
    else
        use(executor);
}

static filch_executor *lasting;

static void close_lasting(void) {
    filch_close(lasting);
}

static filch_executor *lasting_pool(void) {
    if (lasting == NULL) {
        lasting = filch_thread_pool(.max_workers = 2);
        CHECK(lasting != NULL && atexit(close_lasting) == 0);
    }
    return lasting;
}

static void submit(struct fuzz *fuzz) {
    filch_submit_options *options = &given.submit;
    read_options(fuzz, sizeof *options);
    options->name = options->name == NULL ? NULL : "fuzz";
    long value = 0;
    filch_future *future = filch_submit_with(lasting_pool(), options, twice, 21);
    if (future == NULL)
        check_refusal("filch_submit");
    else
        CHECK(filch_result(future, &value) == FILCH_OK && value == 42);
    filch_release(future);
}

static bool give_next(void *item, void *arg) {
    (void)arg;
    static long n;
    *(long *)item = 5;
    return ++n % 16 != 0;
}

static void map(struct fuzz *fuzz) {
    enum { N = 40 };
    filch_map_options *options = &given.map;
    read_options(fuzz, sizeof *options);
    unsigned char is_unordered; /* any byte is no bool */
    memcpy(&is_unordered, &options->unordered, 1);
    options->unordered = is_unordered & 1;
    options->next = options->next == NULL ? NULL : give_next;
    options->next_arg = NULL;
    long items[N], value;
    for (int i = 0; i < N; i++)
        items[i] = 5;
    filch_results *results = FILCH_MAP_WITH(lasting_pool(), twice, items, N, options);
    if (results == NULL) {
        check_refusal("filch_map");
        return;
    }
    filch_status status;
    while ((status = filch_results_next(results, &value)) == FILCH_OK)
        CHECK_EQ(value, 10);
    CHECK(status == FILCH_END || status == FILCH_TIMEOUT);
    filch_results_close(results);
}

static void shut_down(struct fuzz *fuzz) {
    filch_shutdown_options *options = &given.shutdown;
    read_options(fuzz, sizeof *options);
    unsigned char flags[2]; /* any byte is no bool */
    memcpy(&flags[0], &options->no_wait, 1);
    memcpy(&flags[1], &options->cancel_futures, 1);
    options->no_wait = flags[0] & 1;
    options->cancel_futures = flags[1] & 1;
    filch_executor *executor = filch_thread_pool(.max_workers = 1);
    CHECK_NOT_NULL(executor);
    filch_release(filch_submit(executor, twice, 1));
    filch_status status = filch_shutdown_with(executor, options);
    if (status != FILCH_OK && status != FILCH_TIMEOUT)
        check_refusal("filch_shutdown");
    filch_close(executor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz fuzz = {data, size};
    switch (fuzz_byte(&fuzz) % 8) {
    case 0:
        open_thread_pool(&fuzz);
        break;
    case 1:
        open_process_pool(&fuzz);
        break;
    case 2:
        shut_down(&fuzz);
        break;
    case 3:
    case 4:
    case 5:
        map(&fuzz);
        break;
    default:
        submit(&fuzz);
    }
    return 0;
}
