/* alone.h: a machine's structure is loaded once per process, so each test that makes one up needs a
 * process of its own, which the plain mode of test.h does not give. */
#ifndef FILCH_TEST_ALONE_H
#define FILCH_TEST_ALONE_H

#include "test.h"
#include <sys/wait.h>
#include <unistd.h>

/* Forks, runs the function in the child and waits until it ends well. */
__attribute__((unused)) static void run_in_child(void (*run)(void)) {
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        run();
        _exit(EXIT_SUCCESS);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

#ifdef FILCH_PLAIN_TESTS
#define RUN_ALONE(run) run_in_child(run)
#else
#define RUN_ALONE(run) run()
#endif

#define TEST_ALONE(suite, name)                                                                    \
    static void alone_##name(void);                                                                \
    TEST(suite, name) {                                                                            \
        RUN_ALONE(alone_##name);                                                                   \
    }                                                                                              \
    static void alone_##name(void)

__attribute__((unused)) static void use_machine(const char *description) {
    CHECK_EQ(setenv("HWLOC_SYNTHETIC", description, 1), 0);
}

#endif
