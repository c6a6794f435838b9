/* How process pools end, and that nothing is left of them: I7, K5 and K8 of the conformance list. */
#include "processes.h"

#if !UNDER_TSAN /* which does not follow forks */

enum { N_METHODS = 2 };
static const filch_start_method methods[N_METHODS] = {FILCH_FORKSERVER, FILCH_FORK};

/* How many mappings of this process are memory that it may share. */
static int count_memory_files(void) {
    char line[512];
    int n = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK_NOT_NULL(maps);
    while (fgets(line, sizeof line, maps) != NULL)
        n += strstr(line, "/memfd:filch") != NULL;
    fclose(maps);
    return n;
}

/* K5: nothing is left: no process, no descriptor, no thread, no memory. */
CONTRACT_ALONE(process_end, opened_and_closed_again_and_again) {
    const char *prefix = unique_prefix();
    filch_close(filch_process_pool(.max_workers = 1)); /* what is made once */
    int descriptors = count_descriptors(), files = count_memory_files();
    for (int i = 0; i < 100; i++) {
        filch_executor *ex = filch_process_pool(.max_workers = 2, .thread_name_prefix = prefix);
        CHECK_NOT_NULL(ex);
        if (i % 3 != 0)
            check_long(filch_submit(ex, twice, i), 2 * i);
        filch_close(ex);
        CHECK_EQ(count_memory_files(), files);
    }
    CHECK_EQ(count_descriptors(), descriptors);
    await_no_process(prefix);
}

struct victim {
    const char *prefix;
    struct gate *gate;
    filch_start_method method;
};

/* A program that works until it is killed. */
static _Noreturn void work_for_ever(void *arg) {
    struct victim *victim = arg;
    filch_executor *ex = filch_process_pool(.max_workers = 3, .thread_name_prefix = victim->prefix,
                                            .start_method = victim->method);
    gate_open(victim->gate);
    for (long i = 0;; i++) {
        filch_future *futures[20];
        for (int k = 0; k < 20; k++)
            futures[k] = filch_submit(ex, twice, i);
        for (int k = 0; k < 20; k++)
            check_long(futures[k], 2 * i);
    }
}

/* K5: the fork server and the workers die with the program, whatever it was doing. */
CONTRACT_ALONE(process_end, parent_killed) {
    struct victim victim = {unique_prefix(), map_shared(sizeof(struct gate)), FILCH_FORKSERVER};
    for (int i = 0; i < 100; i++) {
        victim.method = i % 2 == 0 ? FILCH_FORKSERVER : FILCH_FORK;
        int n_before = gate_value(victim.gate);
        pid_t child = fork();
        CHECK_GE(child, 0);
        if (child == 0)
            work_for_ever(&victim);
        if (i % 4 != 0) /* else while it opens the pool */
            gate_wait(victim.gate, n_before + 1);
        usleep((useconds_t)(i * 7919 % 3000));
        kill(child, SIGKILL);
        CHECK_EQ(waitpid(child, NULL, 0), child);
        await_no_process(victim.prefix);
    }
}

/* The process of that name. */
static int find_process(const char *expected) {
    DIR *directory = opendir("/proc");
    CHECK_NOT_NULL(directory);
    int pid = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char name[32];
        if (isdigit((unsigned char)entry->d_name[0]) &&
            read_process(atoi(entry->d_name), name, sizeof name) && strcmp(name, expected) == 0)
            pid = atoi(entry->d_name);
    }
    closedir(directory);
    CHECK_MSG(pid > 0, "no process is named %s", expected);
    return pid;
}

static int find_server(const char *prefix) {
    char name[32];
    snprintf(name, sizeof name, "%s_fork", prefix);
    return find_process(name);
}

static void check_lost(filch_future *future) {
    CHECK_EQ(filch_join(future), FILCH_BROKEN);
    CHECK_STR_HAS(filch_exception(future)->message, "fork server");
    filch_release(future);
}

/* K5, E3: the fork server is killed: the pool breaks, says why, and nothing hangs or stays. */
CONTRACT_ALONE(process_end, server_killed) {
    enum { QUEUED = 20 };
    const char *prefix = unique_prefix();
    filch_close(filch_process_pool(.max_workers = 1)); /* what is made once */
    int descriptors = count_descriptors(), files = count_memory_files();
    for (int round = 0; round < 10; round++) {
        filch_executor *ex = filch_process_pool(.max_workers = 2, .thread_name_prefix = prefix,
                                                .start_method = methods[round % N_METHODS]);
        struct hold *held = filch_shared_alloc(ex, sizeof *held);
        memset(held, 0, sizeof *held);
        filch_future *running[2] = {pool_hold(ex, held), pool_hold(ex, held)}, *queued[QUEUED];
        for (int i = 0; i < QUEUED; i++)
            queued[i] = filch_submit(ex, twice, i);
        kill(find_server(prefix), SIGKILL);
        for (int i = 0; i < 2; i++)
            check_lost(running[i]);
        for (int i = 0; i < QUEUED; i++)
            check_lost(queued[i]);
        CHECK_NULL(filch_submit(ex, twice, 1));
        CHECK_EQ(filch_error_status(), FILCH_BROKEN);
        CHECK_STR_HAS(filch_error_message(), "fork server");
        if (round % 3 == 0) /* harmless now */
            CHECK_EQ(filch_kill_workers(ex), FILCH_OK);
        filch_shared_free(ex, held);
        filch_close(ex);
        await_no_process(prefix);
    }
    CHECK_EQ(count_descriptors(), descriptors);
    CHECK_EQ(count_memory_files(), files);
}

/* K5: and with nothing to do: what comes next is refused, or fails. */
CONTRACT_ALONE(process_end, server_of_an_idle_pool_killed) {
    const char *prefix = unique_prefix();
    for (int round = 0; round < 12; round++) {
        filch_executor *ex = filch_process_pool(.max_workers = 2, .thread_name_prefix = prefix,
                                                .start_method = methods[round % N_METHODS]);
        if (round % 3 != 0)
            (void)pid_of_task(ex);
        kill(find_server(prefix), SIGKILL);
        for (filch_future *future; (future = filch_submit(ex, twice, 1)) != NULL;) {
            filch_status status = filch_join(future); /* a worker may have been faster */
            CHECK_MSG(status == FILCH_BROKEN || status == FILCH_OK, "%s", filch_error_message());
            filch_release(future);
        }
        CHECK_EQ(filch_error_status(), FILCH_BROKEN);
        if (round % 4 != 0)
            CHECK_EQ(filch_shutdown(ex), FILCH_OK);
        filch_close(ex);
        await_no_process(prefix);
    }
}

/* I7: a worker dies when shutdown has been called: its future fails, the rest is completed, and shutdown
 * returns. */
static int die_at_gate(struct gate *gate) {
    gate_open(&gate[0]);
    gate_wait(&gate[1], 1);
    raise(SIGKILL);
    return 0;
}
FILCH_TASK(int, die_at_gate, struct gate *);

static void *shut_down(void *ex) {
    CHECK_EQ(filch_shutdown((filch_executor *)ex), FILCH_OK);
    return NULL;
}

CONTRACT_ALONE(process_end, death_after_shutdown) {
    enum { QUEUED = 10 };
    for (int round = 0; round < 8; round++) {
        filch_executor *ex = filch_process_pool(.max_workers = 1 + round % 2,
                                                .start_method = methods[round / 2 % N_METHODS]);
        struct gate *gates = filch_shared_alloc(ex, 2 * sizeof *gates);
        memset(gates, 0, 2 * sizeof *gates);
        filch_future *dying = filch_submit(ex, die_at_gate, gates), *queued[QUEUED];
        gate_wait(&gates[0], 1);
        for (int i = 0; i < QUEUED; i++)
            queued[i] = filch_submit(ex, twice, i);
        CHECK_EQ(filch_shutdown(ex, .no_wait = true), FILCH_OK);
        pthread_t thread = thread_start(shut_down, ex);
        if (round >= 4)
            let_others_block();
        gate_open(&gates[1]);
        thread_join(thread);
        CHECK_EQ(filch_join(dying), FILCH_FAILED);
        CHECK_EQ(filch_exception(dying)->signal, SIGKILL);
        filch_release(dying);
        for (int i = 0; i < QUEUED; i++)
            check_long(queued[i], 2 * i);
        filch_shared_free(ex, gates);
        filch_close(ex);
    }
}

/* --- terminate, kill -------------------------------------------------------------------------------- */

static void end_busy_pool(filch_status (*end)(filch_executor *)) {
    const char *prefix = unique_prefix();
    filch_executor *ex = filch_process_pool(.max_workers = 2, .thread_name_prefix = prefix);
    struct hold *held = filch_shared_alloc(ex, sizeof *held);
    memset(held, 0, sizeof *held);
    filch_future *running[2] = {pool_hold(ex, held), pool_hold(ex, held)}, *queued[10];
    for (int i = 0; i < 10; i++)
        queued[i] = filch_submit(ex, twice, i);
    CHECK_EQ(end(ex), FILCH_OK);
    CHECK_EQ(count_processes(prefix), 1); /* the server */
    for (int i = 0; i < 12; i++) {
        filch_future *future = i < 2 ? running[i] : queued[i - 2];
        CHECK_EQ(filch_join(future), FILCH_BROKEN);
        CHECK_STR_HAS(filch_exception(future)->message, "were ended");
        filch_release(future);
    }
    CHECK_NULL(filch_submit(ex, twice, 1));
    CHECK_EQ(filch_error_status(), FILCH_BROKEN);
    CHECK_EQ(end(ex), FILCH_OK);
    filch_shared_free(ex, held);
    filch_close(ex);
    await_no_process(prefix);
}

/* K8 */
CONTRACT_ALONE(process_end, terminate_workers) {
    end_busy_pool(filch_terminate_workers);
}

/* K8 */
CONTRACT_ALONE(process_end, kill_workers) {
    end_busy_pool(filch_kill_workers);
}

/* K8 */
CONTRACT_ALONE(process_end, end_workers_of_an_idle_pool) {
    filch_executor *ex = filch_process_pool(.max_workers = 2);
    CHECK_EQ(filch_terminate_workers(ex), FILCH_OK);
    CHECK_EQ(filch_kill_workers(ex), FILCH_OK);
    filch_close(ex);
    ex = filch_process_pool(.max_workers = 2);
    (void)pid_of_task(ex);
    CHECK_EQ(filch_shutdown(ex), FILCH_OK);
    CHECK_EQ(filch_kill_workers(ex), FILCH_OK);
    filch_close(ex);
    ex = filch_thread_pool(.max_workers = 1);
    CHECK_EQ(filch_terminate_workers(ex), FILCH_UNSUPPORTED);
    filch_close(ex);
}

/* K8: before anything was started, and with a pool that is broken: no harm, as often as one likes. */
CONTRACT_ALONE(process_end, end_workers_of_a_broken_pool) {
    filch_status (*const ends[])(filch_executor *) = {filch_terminate_workers, filch_kill_workers};
    for (int round = 0; round < 4; round++) {
        filch_executor *ex =
            filch_process_pool(.max_workers = 2, .on_crash = FILCH_CRASH_BREAKS_POOL);
        struct gate *gates = filch_shared_alloc(ex, 2 * sizeof *gates);
        memset(gates, 0, 2 * sizeof *gates);
        filch_future *dying = filch_submit(ex, die_at_gate, gates);
        gate_wait(&gates[0], 1);
        gate_open(&gates[1]);
        if (round % 2 == 0)
            CHECK_EQ(filch_join(dying), FILCH_BROKEN);
        CHECK_EQ(ends[round / 2](ex), FILCH_OK);
        CHECK_EQ(ends[1 - round / 2](ex), FILCH_OK);
        CHECK_EQ(filch_join(dying), FILCH_BROKEN);
        filch_release(dying);
        filch_shared_free(ex, gates);
        CHECK_NULL(filch_submit(ex, twice, 1));
        CHECK_EQ(filch_error_status(), FILCH_BROKEN);
        filch_close(ex);
        ex = filch_process_pool(.max_workers = 2);
        CHECK_EQ(ends[round / 2](ex), FILCH_OK);
        CHECK_NULL(filch_submit(ex, twice, 1));
        CHECK_EQ(filch_error_status(), FILCH_BROKEN);
        CHECK_STR_HAS(filch_error_message(), "were ended");
        filch_close(ex);
    }
}

/* K8: a task that does not mind SIGTERM is ended by the other call, while the first one waits. */
static int defy(struct gate *gate) {
    signal(SIGTERM, SIG_IGN);
    gate_open(&gate[0]);
    gate_wait(&gate[1], 1);
    return 0;
}
FILCH_TASK(int, defy, struct gate *);

static void *terminate(void *ex) {
    CHECK_EQ(filch_terminate_workers(ex), FILCH_OK);
    return NULL;
}

CONTRACT_ALONE(process_end, terminate_then_kill) {
    const char *prefix = unique_prefix();
    filch_executor *ex = filch_process_pool(.max_workers = 2, .thread_name_prefix = prefix);
    struct gate *gates = filch_shared_alloc(ex, 2 * sizeof *gates);
    memset(gates, 0, 2 * sizeof *gates);
    filch_future *futures[2] = {filch_submit(ex, defy, gates), filch_submit(ex, defy, gates)};
    gate_wait(&gates[0], 2);
    pthread_t thread = thread_start(terminate, ex);
    let_others_block();
    CHECK_EQ(filch_kill_workers(ex), FILCH_OK);
    CHECK_EQ(count_processes(prefix), 1); /* the server */
    thread_join(thread);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(filch_join(futures[i]), FILCH_BROKEN);
        filch_release(futures[i]);
    }
    filch_shared_free(ex, gates);
    filch_close(ex);
    await_no_process(prefix);
}

/* K8: by a task of the same pool, which does not survive it. */
static long end_all_here(bool with_kill) {
    filch_executor *own = filch_this_executor();
    long status = with_kill ? filch_kill_workers(own) : filch_terminate_workers(own);
    if (status == FILCH_OK)
        for (;;)
            pause();
    return status;
}
FILCH_TASK(long, end_all_here, bool);

CONTRACT_ALONE(process_end, end_workers_inside_a_task) {
    const char *prefix = unique_prefix();
    for (int round = 0; round < 8; round++) {
        filch_executor *ex =
            filch_process_pool(.max_workers = 1 + round % 2, .thread_name_prefix = prefix,
                               .start_method = methods[round / 2 % N_METHODS]);
        filch_future *ending = filch_submit(ex, end_all_here, round / 4 == 0);
        CHECK_EQ(filch_join(ending), FILCH_BROKEN);
        CHECK_STR_HAS(filch_exception(ending)->message, "were ended");
        filch_release(ending);
        CHECK_NULL(filch_submit(ex, twice, 1));
        CHECK_EQ(filch_error_status(), FILCH_BROKEN);
        filch_close(ex);
        await_no_process(prefix);
    }
}

#else

TEST(process_end, not_under_thread_sanitizer) {}

#endif
