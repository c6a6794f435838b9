/* platform/stack.c: segments by mmap, switched by ucontext, which knows every architecture's rules;
 * its two system calls do not matter at one switch in thousands of calls. */
#include "platform/stack.h"

#include "base/cc.h"
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define FILCH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FILCH_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define FILCH_TSAN_FIBERS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FILCH_TSAN_FIBERS 1
#endif
#endif
#ifdef FILCH_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef FILCH_TSAN_FIBERS
#include <sanitizer/tsan_interface.h>
#endif

/* The switch itself needs room, and a segment must not be short from its start. */
enum { LEAST_ROOM = 10 * 1024, LEAST_SEGMENT = 64 * 1024 };

/* One switch to a fresh segment, on the stack that it leaves. */
struct segment {
    void *low;
    void (*fn)(void *arg);
    void *arg;
    ucontext_t caller;
    ucontext_t callee;
#ifdef FILCH_ASAN
    void *fake_stack;
    const void *caller_low;
    size_t caller_bytes;
#endif
#ifdef FILCH_TSAN_FIBERS
    void *caller_fiber;
    void *fiber;
#endif
};

static THREAD_LOCAL struct {
    char *low;
    char *high;   /* where it was entered; above lies what the thread itself needs */
    size_t bytes; /* 0: not one of our threads */
    size_t segment_bytes;
    void *kept; /* one segment that is not in use */
} stack;

static size_t guard_bytes(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t default_bytes(void) {
    enum { MOST = 8 << 20 };
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur > MOST)
        return MOST;
    return (size_t)limit.rlim_cur < LEAST_SEGMENT ? LEAST_SEGMENT : (size_t)limit.rlim_cur;
}

void filchi_stack_enter_thread(size_t asked_bytes) {
    pthread_attr_t attributes;
    void *low;
    size_t bytes;
    /* Bounds that are not known (glibc needs memory to find them) count as short of room. */
    stack.low = NULL;
    stack.high = __builtin_frame_address(0);
    stack.bytes = SIZE_MAX;
    stack.segment_bytes = round_up(asked_bytes != 0 ? asked_bytes : default_bytes(), guard_bytes());
    if (stack.segment_bytes < LEAST_SEGMENT)
        stack.segment_bytes = LEAST_SEGMENT;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        return;
    if (pthread_attr_getstack(&attributes, &low, &bytes) == 0) {
        stack.low = low;
        stack.bytes = bytes;
        stack.segment_bytes = bytes > LEAST_SEGMENT ? bytes : LEAST_SEGMENT;
    }
    pthread_attr_destroy(&attributes);
}

/* ThreadSanitizer keeps the return addresses of a fiber, 65,536 at most, on a stack of its own: there
 * a segment is left long before it is full. */
#ifdef FILCH_TSAN_FIBERS
enum { MOST_USED = 512 * 1024 };
#else
static const size_t MOST_USED = SIZE_MAX;
#endif

bool filchi_stack_is_short(void) {
    /* Not the address of a variable: AddressSanitizer may keep those elsewhere. */
    size_t short_bytes = stack.bytes / 4;
    if (stack.bytes > 0 && short_bytes < LEAST_ROOM)
        short_bytes = LEAST_ROOM;
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    bool is_used_up = here < (uintptr_t)stack.high && (uintptr_t)stack.high - here > MOST_USED;
    return here - (uintptr_t)stack.low < short_bytes || is_used_up;
}

static void *map_segment(size_t bytes) {
    void *start = mmap(NULL, bytes + guard_bytes(), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (start == MAP_FAILED)
        return NULL;
    if (mprotect(start, guard_bytes(), PROT_NONE) != 0) {
        munmap(start, bytes + guard_bytes());
        return NULL;
    }
    return (char *)start + guard_bytes();
}

static void unmap_segment(void *low, size_t bytes) {
    munmap((char *)low - guard_bytes(), bytes + guard_bytes());
}

void filchi_stack_leave_thread(void) {
    if (stack.kept != NULL)
        unmap_segment(stack.kept, stack.segment_bytes);
    stack.kept = NULL;
    stack.bytes = 0;
}

static THREAD_LOCAL struct segment *entering;

static void segment_main(void) {
    struct segment *segment = entering;
    entering = NULL;
#ifdef FILCH_ASAN
    __sanitizer_finish_switch_fiber(NULL, &segment->caller_low, &segment->caller_bytes);
#endif
    segment->fn(segment->arg);
#ifdef FILCH_ASAN
    __sanitizer_start_switch_fiber(NULL, segment->caller_low, segment->caller_bytes);
#endif
#ifdef FILCH_TSAN_FIBERS
    __tsan_switch_to_fiber(segment->caller_fiber, 0);
    /* Not by returning: that would pop a frame of the caller's fiber, in which it was never pushed. */
    setcontext(&segment->caller);
#endif
}

/* getcontext may return twice as far as the compiler knows, so what is needed afterwards lives in
 * `segment` alone. */
static void switch_to(struct segment *segment, size_t bytes) {
    getcontext(&segment->callee);
    segment->callee.uc_stack.ss_sp = segment->low;
    segment->callee.uc_stack.ss_size = bytes;
    segment->callee.uc_link = &segment->caller;
    makecontext(&segment->callee, segment_main, 0);
    entering = segment;
#ifdef FILCH_ASAN
    __sanitizer_start_switch_fiber(&segment->fake_stack, segment->low, bytes);
#endif
#ifdef FILCH_TSAN_FIBERS
    segment->caller_fiber = __tsan_get_current_fiber();
    segment->fiber = __tsan_create_fiber(0);
    __tsan_switch_to_fiber(segment->fiber, 0);
#endif
    swapcontext(&segment->caller, &segment->callee);
    entering = NULL; /* it is already; but nobody sees through swapcontext */
#ifdef FILCH_ASAN
    __sanitizer_finish_switch_fiber(segment->fake_stack, NULL, NULL);
#endif
#ifdef FILCH_TSAN_FIBERS
    __tsan_destroy_fiber(segment->fiber);
#endif
}

bool filchi_stack_begin(size_t bytes, void (*fn)(void *arg), void *arg) {
    filchi_stack_enter_thread(bytes);
    stack.segment_bytes = round_up(bytes != 0 ? bytes : default_bytes(), guard_bytes());
    return filchi_stack_call(fn, arg);
}

bool filchi_stack_call(void (*fn)(void *arg), void *arg) {
    size_t bytes = stack.segment_bytes;
    struct segment segment = {.low = stack.kept, .fn = fn, .arg = arg};
    stack.kept = NULL;
    if (segment.low == NULL)
        segment.low = map_segment(bytes);
    if (segment.low == NULL)
        return false;
    char *low_before = stack.low, *high_before = stack.high;
    size_t bytes_before = stack.bytes;
    stack.low = segment.low;
    stack.high = stack.low + bytes;
    stack.bytes = bytes;
    switch_to(&segment, bytes);
    stack.low = low_before;
    stack.high = high_before;
    stack.bytes = bytes_before;
    if (stack.kept == NULL)
        stack.kept = segment.low;
    else
        unmap_segment(segment.low, bytes);
    return true;
}
