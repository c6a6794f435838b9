/* test_transport.c: pointers that a pool of other processes refuses. The pool here starts no worker: what
 * is fit to travel is looked at, and given back. */
#include "executor/submit.h"
#include "executor/transport.h"

#include "contract/pools.h"
#include <math.h>

static void nothing(filch_executor *executor) {
    (void)executor;
}

static const struct pool_operations operations = {
    .kind = "pool that only refuses", .join_workers = nothing, .close = nothing};

static filch_executor *open_pool(void) {
    filch_executor *ex =
        filchi_executor_open(&operations, (struct pool_opening){.n_workers = 1}, "test");
    CHECK_NOT_NULL(ex);
    return ex;
}

static double mixed(int a, const double *b, const char *c, filch_bytes d, void *e) {
    (void)c, (void)d, (void)e;
    return a + *b;
}
FILCH_TASK(double, mixed, int, const double *, const char *, filch_bytes, void *);

typedef long (*operation)(long);
static long apply(operation fn, long x) {
    return fn(x);
}
FILCH_TASK(long, apply, operation, long);

static filch_status check_mixed(filch_executor *ex, const double *b, const char *c, filch_bytes d,
                                void *e) {
    filch_args(mixed) args = {1, b, c, d, e};
    return filchi_transport_check("filch_submit", ex->pool, &filch_fn_type_mixed, &args);
}

TEST(transport, pointers) {
    filch_executor *ex = open_pool();
    double own = 1, *shared = filch_shared_alloc(ex, sizeof *shared);
    CHECK_NOT_NULL(shared);
    filch_bytes bytes = {"abc", 3}, none = {NULL, 0};
    CHECK_EQ(check_mixed(ex, NULL, NULL, none, NULL), FILCH_OK);
    CHECK_EQ(check_mixed(ex, shared, "text", bytes, (char *)shared + 7), FILCH_OK);
    CHECK_EQ(check_mixed(ex, &own, "text", bytes, NULL), FILCH_INVALID);
    CHECK_STR_HAS(filch_error_message(),
                  "filch_submit: argument 2 of task 'mixed' points to private "
                  "memory of this process");
    CHECK_STR_HAS(filch_error_message(), "use filch_shared_alloc, filch_bytes or a value");
    CHECK_EQ(check_mixed(ex, shared, "text", bytes, ex), FILCH_INVALID);
    CHECK_STR_HAS(filch_error_message(), "argument 5 of task 'mixed'");
    CHECK_EQ(check_mixed(ex, shared, "text", (filch_bytes){NULL, 1}, NULL), FILCH_INVALID);
    CHECK_STR_HAS(filch_error_message(), "argument 4 of task 'mixed' has a size");
    filch_args(apply) args = {NULL, 1};
    CHECK_EQ(filchi_transport_check("f", ex->pool, &filch_fn_type_apply, &args), FILCH_OK);
    args.a1 = (operation)twice;
    CHECK_EQ(filchi_transport_check("f", ex->pool, &filch_fn_type_apply, &args), FILCH_INVALID);
    filch_shared_free(ex, shared);
    filch_close(ex);
}

TEST(transport, what_must_be_looked_at) {
    filch_executor *ex = open_pool(), *threads = filch_thread_pool(.max_workers = 1);
    CHECK(filchi_transport_must_check(ex->pool, &filch_fn_type_mixed));
    CHECK(filchi_transport_must_check(threads->pool, &filch_fn_type_mixed));
    CHECK(filchi_transport_must_check(ex->pool, &filch_fn_type_apply));
    CHECK(!filchi_transport_must_check(threads->pool, &filch_fn_type_apply));
    CHECK(!filchi_transport_must_check(ex->pool, &filch_fn_type_twice));
    filch_close(threads);
    filch_close(ex);
}

static double read_one(const double *at) {
    return *at;
}
FILCH_TASK(double, read_one, const double *);

static void body(size_t begin, size_t end, void *arg) {
    (void)begin, (void)end, (void)arg;
}

TEST(transport, every_way_in) {
    filch_executor *ex = open_pool();
    double own[3] = {1, 2, 3};
    const double *items[3] = {own, own + 1, own + 2};
    filch_future *futures[3];
    CHECK_NULL(filch_submit(ex, read_one, own));
    CHECK_FAILURE(FILCH_INVALID, "filch_submit: argument 1 of task 'read_one'");
    CHECK_EQ(filch_submit_many(ex, read_one, items, 3, futures), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "filch_submit_many: argument 1 of task 'read_one'");
    CHECK_NULL(futures[0]);
    CHECK_NULL(filch_map(ex, read_one, items, 3));
    CHECK_FAILURE(FILCH_INVALID, "filch_map: argument 1 of task 'read_one'");
    CHECK_EQ(filch_for(ex, 0, 3, body, own), FILCH_INVALID);
    CHECK_FAILURE(FILCH_INVALID, "filch_for: arg points to private memory");
    filch_close(ex);
}

/* What a task of a pool whose workers can die alone keeps of its options. */
TEST(transport, options) {
    static const struct {
        filch_submit_options given;
        bool is_kept;
        uint64_t timeout_ns;
    } cases[] = {{{.retries = 0}, false, 0},
                 {{.retries = 3}, true, 0},
                 {{.timeout = 2.5}, true, UINT64_C(2500000000)},
                 {{.timeout = 1e-12}, true, 1},
                 {{.timeout = INFINITY}, true, 0},
                 {{.name = "a name"}, true, 0},
                 {{.name = "", .retries = 1000, .timeout = 1}, true, UINT64_C(1000000000)}};
    static const struct pool_operations mortal = {.kind = "pool of mortals",
                                                  .is_shared = true,
                                                  .stops_tasks = true,
                                                  .join_workers = nothing,
                                                  .close = nothing};
    filch_executor *ex = filchi_executor_open(&mortal, (struct pool_opening){0}, "test");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        filch_submit_options options = cases[i].given;
        options.size = sizeof options;
        filch_future *future =
            filchi_submit_pack("test", ex, &filch_fn_type_twice, &(long){1}, &options);
        CHECK_NOT_NULL(future);
        const struct future_options *kept = future_options(future);
        CHECK_EQ(kept != NULL, cases[i].is_kept);
        if (kept != NULL) {
            CHECK_EQ(kept->timeout_ns, cases[i].timeout_ns);
            CHECK_EQ(filch_load_relaxed(&kept->retries_left), options.retries);
            CHECK_STR_EQ(filchi_future_name(future), options.name != NULL ? options.name : "twice");
        }
        filchi_submit_give_back(future);
    }
    filch_close(ex);
}
