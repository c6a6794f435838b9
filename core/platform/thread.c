/* platform/thread.c: pthread_create with signals blocked. */
#include "platform/thread.h"

#include "base/cc.h"
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

size_t filchi_thread_least_stack(void) {
    return (size_t)sysconf(_SC_THREAD_STACK_MIN);
}

int filchi_thread_start(pthread_t *thread, void *(*main)(void *), void *arg, size_t stack_bytes) {
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error != 0)
        return error;
    if (stack_bytes > 0)
        error = pthread_attr_setstacksize(&attributes, round_up(stack_bytes, 4096));
    if (error == 0) {
        sigset_t blocked, before;
        sigfillset(&blocked);
        static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
        for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
            sigdelset(&blocked, faults[i]);
        pthread_sigmask(SIG_SETMASK, &blocked, &before);
        error = pthread_create(thread, &attributes, main, arg);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_attr_destroy(&attributes);
    return error;
}

void filchi_thread_set_name(const char *prefix, int number) {
    char suffix[8], name[16];
    int suffix_length = snprintf(suffix, sizeof suffix, "_%u", (unsigned)number % 100000);
    int room = (int)sizeof name - 1 - suffix_length;
    int prefix_length = (int)strnlen(prefix, (size_t)room);
    memcpy(name, prefix, (size_t)prefix_length);
    memcpy(name + prefix_length, suffix, (size_t)suffix_length + 1);
    pthread_setname_np(pthread_self(), name);
}

void filchi_thread_yield(void) {
    sched_yield();
}
