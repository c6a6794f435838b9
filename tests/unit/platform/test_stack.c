/* test_stack.c: how much is left, and fresh segments, nested. */
#include "platform/stack.h"

#include "contract/gate.h"
#include "platform/thread.h"

enum { STACK_BYTES = 4 << 20, SEGMENTS = 50 };

static void run_in_thread(void *(*fn)(void *)) {
    pthread_t thread;
    CHECK_EQ(filchi_thread_start(&thread, fn, NULL, STACK_BYTES), 0);
    thread_join(thread);
}

static int depth, n_left;

/* Uses up stack until it is short; then goes on on a fresh one. */
__attribute__((noinline)) static void descend(void *arg) {
    volatile char frame[1024];
    frame[0] = (char)depth;
    frame[1023] = (char)depth;
    if (!filchi_stack_is_short()) {
        descend(arg);
    } else if (depth < SEGMENTS) {
        int mine = ++depth;
        CHECK(filchi_stack_call(descend, arg));
        CHECK(filchi_stack_is_short()); /* as before the call */
        n_left++;
        CHECK_EQ(n_left, SEGMENTS - mine + 1);
    }
    CHECK_EQ(frame[0], frame[1023]);
}

static void *run_nested(void *unused) {
    (void)unused;
    filchi_stack_enter_thread(0);
    CHECK(!filchi_stack_is_short());
    for (int round = 0; round < 3; round++) {
        depth = n_left = 0;
        descend(NULL);
        CHECK_EQ(depth, SEGMENTS);
        CHECK_EQ(n_left, SEGMENTS);
        CHECK(!filchi_stack_is_short());
    }
    filchi_stack_leave_thread();
    return NULL;
}

TEST(stack, segments_nest) {
    run_in_thread(run_nested);
}

static void add_one(void *arg) {
    ++*(int *)arg;
    CHECK(!filchi_stack_is_short());
}

static void *call_often(void *unused) {
    (void)unused;
    filchi_stack_enter_thread(0);
    int n = 0;
    for (int i = 0; i < 500; i++)
        CHECK(filchi_stack_call(add_one, &n));
    CHECK_EQ(n, 500);
    filchi_stack_leave_thread();
    return NULL;
}

TEST(stack, calls_one_after_the_other) {
    run_in_thread(call_often);
}

TEST(stack, other_threads_have_room) {
    CHECK(!filchi_stack_is_short());
}
