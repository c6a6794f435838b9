/* K4 of the conformance list: workers that die while values larger than any buffer are on their way. */
#include "processes.h"

#include <sys/resource.h>

#if !UNDER_TSAN /* which does not follow forks */

enum { VALUE_BYTES = 64 << 20, POOL_BYTES = 4 * VALUE_BYTES };

/* Bytes that end whoever copies them, half way. */
static filch_bytes make_deadly(void) {
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGSEGV, SIG_DFL); /* a sanitizer's */
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    char *memory = mmap(NULL, VALUE_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory + VALUE_BYTES / 2, 65536, PROT_NONE) != 0)
        _exit(1);
    return (filch_bytes){memory, VALUE_BYTES};
}

static size_t size_of(filch_bytes bytes) {
    return bytes.size;
}
FILCH_TASK(size_t, size_of, filch_bytes);

static long submit_deadly(void) {
    return filch_submit(filch_this_executor(), size_of, make_deadly()) != NULL;
}
FILCH_TASK(long, submit_deadly);

static filch_bytes return_deadly(void) {
    return make_deadly();
}
FILCH_TASK(filch_bytes, return_deadly);

static filch_bytes allocate_and_die(void) {
    char *memory = filch_result_alloc(VALUE_BYTES);
    memset(memory, 1, VALUE_BYTES / 2);
    raise(SIGKILL);
    return (filch_bytes){memory, VALUE_BYTES};
}
FILCH_TASK(filch_bytes, allocate_and_die);

/* Dies with an argument that it was given. */
static long die_reading(filch_bytes bytes) {
    if (bytes.size == VALUE_BYTES && ((const char *)bytes.data)[VALUE_BYTES - 1] == 7)
        raise(SIGKILL);
    return 0;
}
FILCH_TASK(long, die_reading, filch_bytes);

static void check_died(filch_future *future, int number, const char *task) {
    CHECK_NOT_NULL(future);
    CHECK_EQ(filch_join(future), FILCH_FAILED);
    const filch_error *error = filch_exception(future);
    CHECK_MSG(error->signal == number, "%s", error->message);
    CHECK_STR_EQ(error->task, task);
    CHECK_GT(error->pid, 1);
    filch_release(future);
}

/* Nothing of what the dead had is missing, beside what worker processes keep for their small blocks. */
static void check_memory(filch_executor *ex) {
    enum { PIECES = 60 };
    void *pieces[PIECES];
    for (int i = 0; i < PIECES; i++) {
        pieces[i] = filch_shared_alloc(ex, POOL_BYTES / 64);
        CHECK_MSG(pieces[i] != NULL, "piece %d: %s", i, filch_error_message());
    }
    for (int i = 0; i < PIECES; i++)
        filch_shared_free(ex, pieces[i]);
}

/* K4: an argument half copied. */
CONTRACT_ALONE(process_values, while_submitting) {
    filch_executor *ex = filch_process_pool(.max_workers = 2, .memory = POOL_BYTES + (8 << 20));
    for (int i = 0; i < 8; i++)
        check_died(filch_submit(ex, submit_deadly), SIGSEGV, "submit_deadly");
    check_memory(ex);
    check_whole(ex, 2);
    filch_close(ex);
}

/* K4: a result half written, in either way. */
CONTRACT_ALONE(process_values, while_returning) {
    filch_executor *ex = filch_process_pool(.max_workers = 2, .memory = POOL_BYTES + (8 << 20));
    for (int i = 0; i < 8; i++) {
        check_died(filch_submit(ex, return_deadly), SIGSEGV, "return_deadly");
        check_died(filch_submit(ex, allocate_and_die), SIGKILL, "allocate_and_die");
    }
    check_memory(ex);
    check_whole(ex, 2);
    filch_close(ex);
}

/* K4, D3: an argument that has arrived goes with the task. */
CONTRACT_ALONE(process_values, while_reading) {
    filch_executor *ex = filch_process_pool(.max_workers = 2, .memory = POOL_BYTES + (8 << 20));
    char *data = malloc(VALUE_BYTES);
    memset(data, 7, VALUE_BYTES);
    for (int i = 0; i < 8; i++)
        check_died(filch_submit(ex, die_reading, ((filch_bytes){data, VALUE_BYTES})), SIGKILL,
                   "die_reading");
    check_memory(ex);
    free(data);
    filch_close(ex);
}

/* K4: all at once, with others about. */
CONTRACT_ALONE(process_values, several_at_once) {
    enum { WORKERS = 3, OTHERS = 20 };
    filch_executor *ex = /* with small blocks between the large ones */
        filch_process_pool(.max_workers = WORKERS, .memory = (size_t)2 * POOL_BYTES);
    for (int round = 0; round < 4; round++) {
        filch_future *dying[] = {filch_submit(ex, submit_deadly), filch_submit(ex, return_deadly),
                                 filch_submit(ex, allocate_and_die)};
        filch_future *others[OTHERS];
        for (int i = 0; i < OTHERS; i++)
            others[i] = filch_submit(ex, twice, i);
        for (int i = 0; i < OTHERS; i++)
            check_long(others[i], 2 * i);
        check_died(dying[0], SIGSEGV, "submit_deadly");
        check_died(dying[1], SIGSEGV, "return_deadly");
        check_died(dying[2], SIGKILL, "allocate_and_die");
    }
    check_memory(ex);
    check_whole(ex, WORKERS);
    filch_close(ex);
}

/* K4: killed from outside, wherever it is between the first byte and the last. */
enum { TEXT_BYTES = 4 << 20 };

static void submit_for_ever(struct gate *gate) {
    char *text = malloc(TEXT_BYTES);
    memset(text, 'x', TEXT_BYTES);
    for (;;) {
        gate_open(gate);
        filch_future *future =
            filch_submit(filch_this_executor(), size_of, ((filch_bytes){text, TEXT_BYTES}));
        filch_cancel(future);
        filch_release(future);
    }
}
FILCH_TASK_VOID(submit_for_ever, struct gate *);

static int find_worker(filch_executor *ex) {
    filch_worker_stats each[300];
    filch_stats_snapshot stats = FILCH_STATS(.workers = each, .capacity = 300);
    CHECK_EQ(filch_stats(ex, &stats), FILCH_OK);
    for (size_t i = 0; i < stats.n_workers; i++)
        if (each[i].pid > 0)
            return each[i].pid;
    FAIL("no worker has a process");
}

CONTRACT_ALONE(process_values, killed_while_submitting) {
    filch_executor *ex = filch_process_pool(.max_workers = 1, .memory = POOL_BYTES + (8 << 20));
    struct gate *gate = filch_shared_alloc(ex, sizeof *gate);
    for (int round = 0; round < 30; round++) {
        memset(gate, 0, sizeof *gate);
        filch_future *future = filch_submit(ex, submit_for_ever, gate);
        gate_wait(gate, 1 + round % 3);
        for (volatile int i = 0; i < round * 20000; i++)
            ;
        kill(find_worker(ex), SIGKILL);
        check_died(future, SIGKILL, "submit_for_ever");
    }
    filch_shared_free(ex, gate);
    check_memory(ex);
    check_whole(ex, 1);
    filch_close(ex);
}

#else

TEST(process_values, not_under_thread_sanitizer) {}

#endif
