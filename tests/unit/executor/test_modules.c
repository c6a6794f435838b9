/* test_modules.c: code that was loaded after the pool was opened is refused, and by whose name. The pool
 * here has no workers: it only refuses. */
#include "executor/modules.h"

#include "contract/pools.h"
#include <dlfcn.h>

static void nothing(filch_executor *executor) {
    (void)executor;
}

static const struct pool_operations operations = {
    .kind = "pool that only refuses", .join_workers = nothing, .close = nothing};

static filch_executor *open_pool(void) {
    filch_executor *ex = filchi_executor_open(&operations, (struct pool_opening){0}, "test");
    CHECK_NOT_NULL(ex);
    CHECK_NOT_NULL(ex->pool->modules);
    return ex;
}

static filch_status check_type(filch_executor *ex, const filch_task_type *type) {
    return filchi_modules_check_type("test", ex->pool, type);
}

static const filch_task_type *load(void **module) {
    *module = dlopen(FILCH_LATE_MODULE, RTLD_NOW | RTLD_LOCAL);
    CHECK_MSG(*module != NULL, "%s", dlerror());
    const filch_task_type *const *type = dlsym(*module, "late_type");
    CHECK_NOT_NULL(type);
    return *type;
}

TEST(modules, of_the_program) {
    filch_executor *ex = open_pool();
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(check_type(ex, &filch_fn_type_twice), FILCH_OK);
        CHECK_EQ(check_type(ex, &filch_fn_type_hold), FILCH_OK);
    }
    CHECK_EQ(filchi_modules_check_code("test", ex->pool, "body", (void (*)(void))open_pool),
             FILCH_OK);
    CHECK_EQ(filchi_modules_check_code("test", ex->pool, "body", (void (*)(void))malloc), FILCH_OK);
    filch_close(ex);
}

TEST(modules, loaded_before_and_after) {
    filch_executor *early = open_pool();
    void *module;
    const filch_task_type *type = load(&module);
    filch_executor *late = open_pool();
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(check_type(late, type), FILCH_OK);
        CHECK_EQ(check_type(early, type), FILCH_INVALID);
        CHECK_STR_HAS(filch_error_message(), "task 'thrice'");
        CHECK_STR_HAS(filch_error_message(), "late_module");
        CHECK_STR_HAS(filch_error_message(), "was loaded after the pool was opened");
        CHECK_EQ(check_type(early, &filch_fn_type_twice), FILCH_OK);
    }
    void (*body)(void) = NULL;
    *(void **)&body = dlsym(module, "late_body");
    CHECK_EQ(filchi_modules_check_code("filch_for", early->pool, "body", body), FILCH_INVALID);
    CHECK_EQ(filchi_modules_check_code("filch_for", late->pool, "body", body), FILCH_OK);
    CHECK_EQ(filch_for(early, 0, 10, (void (*)(size_t, size_t, void *))body, NULL), FILCH_INVALID);
    CHECK_STR_HAS(filch_error_message(), "late_module");
    CHECK_NULL(filch_submit_task(early, type, &(long){1}, NULL));
    CHECK_STR_HAS(filch_error_message(), "late_module");
    CHECK_NULL(filch_submit_raw(early, (filch_raw_fn *)body, NULL, 0, 0, NULL));
    CHECK_STR_HAS(filch_error_message(), "late_module");
    CHECK_NULL(filch_map_open(early, type, true, 3, NULL));
    CHECK_STR_HAS(filch_error_message(), "late_module");
    CHECK_EQ(dlclose(module), 0);
    filch_close(early);
    filch_close(late);
}

/* A module that went and came again is the same one; the workers have it. */
TEST(modules, loaded_again) {
    void *module;
    const filch_task_type *type = load(&module);
    filch_executor *ex = open_pool();
    CHECK_EQ(dlclose(module), 0);
    const filch_task_type *again = load(&module);
    if (again == type) /* at the same place, which is the system's choice */
        CHECK_EQ(check_type(ex, again), FILCH_OK);
    CHECK_EQ(check_type(ex, &filch_fn_type_twice), FILCH_OK);
    CHECK_EQ(dlclose(module), 0);
    filch_close(ex);
}

TEST(modules, not_of_a_module) {
    filch_executor *ex = open_pool();
    filch_task_type on_stack = filch_fn_type_twice;
    CHECK_EQ(check_type(ex, &on_stack), FILCH_INVALID);
    CHECK_STR_HAS(filch_error_message(), "task 'twice'");
    CHECK_STR_HAS(filch_error_message(), "static storage");
    static filch_task_type strange;
    strange = filch_fn_type_twice;
    strange.run = (int (*)(const void *, void *))(uintptr_t)&on_stack;
    CHECK_EQ(check_type(ex, &strange), FILCH_INVALID);
    CHECK_STR_HAS(filch_error_message(), "its function");
    filch_close(ex);
}
