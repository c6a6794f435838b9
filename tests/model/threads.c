/* threads.c: runs scenarios on plain threads and the real platform, many rounds of each:
 *
 *     model.NAME [rounds [SCENARIO]]
 *
 * With MODEL_ONCE it runs scenario number MODEL_ONCE once, and is what a model checker for C11 and
 * pthreads reads. */
#include "model.h"

#include "base/random.h"
#include "platform/barrier.h"
#include "structures/reclaim.h"
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct model_scenario *scenario;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static uint64_t random_state = 1; /* the lock's */

/* Guarded by the lock, but for `id`, which the main thread alone joins. */
static struct {
    const char *name;
    void (*run)(void);
    void (*run_with)(void *arg);
    void *arg;
    pthread_t id;
    bool has_ended;
} threads[MODEL_THREADS];
static int n_threads;

_Noreturn void model_fail(const char *format, ...) {
    va_list list;
    va_start(list, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): va_start is two lines above. */
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    abort();
}

static void *thread_main(void *arg) {
    int number = (int)(intptr_t)arg;
    pthread_mutex_lock(&lock);
    void (*run)(void) = threads[number].run;
    void (*run_with)(void *) = threads[number].run_with;
    void *with = threads[number].arg;
    pthread_mutex_unlock(&lock);
    if (run != NULL)
        run();
    else
        run_with(with);
    pthread_mutex_lock(&lock);
    threads[number].has_ended = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void start(const char *name, void (*run)(void), void (*run_with)(void *), void *arg) {
    pthread_mutex_lock(&lock);
    if (n_threads == MODEL_THREADS)
        model_fail("more than %d threads", MODEL_THREADS);
    int number = n_threads++;
    threads[number].name = name;
    threads[number].run = run;
    threads[number].run_with = run_with;
    threads[number].arg = arg;
    threads[number].has_ended = false;
    if (pthread_create(&threads[number].id, NULL, thread_main, (void *)(intptr_t)number) != 0)
        model_fail("no thread %s", name);
    pthread_mutex_unlock(&lock);
}

void model_thread(const char *name, void (*run)(void *), void *arg) {
    start(name, NULL, run, arg);
}

bool model_await_end(const char *name) {
    pthread_mutex_lock(&lock);
    int number = 0;
    while (number < n_threads && strcmp(threads[number].name, name) != 0)
        number++;
    while (!threads[number].has_ended)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return false;
}

int model_choose(int n) {
    pthread_mutex_lock(&lock);
    int chosen = (int)random_below(&random_state, (uint32_t)n);
    pthread_mutex_unlock(&lock);
    return chosen;
}

void model_name(const void *start_, size_t bytes, const char *name) {
    (void)start_;
    (void)bytes;
    (void)name;
}

void model_dead(void *start_, size_t bytes) {
    (void)start_;
    (void)bytes;
}

void model_await_rest(void) {
    sched_yield();
}

static void run_once(void) {
    scenario->setup();
    n_threads = 0;
    for (int i = 0; i < MODEL_THREADS && scenario->threads[i].name != NULL; i++)
        start(scenario->threads[i].name, scenario->threads[i].run, NULL, NULL);
    /* A yield would keep the core that the scenario needs, where others use the rest. */
    while (scenario->is_over != NULL && !scenario->is_over())
        usleep(20);
    if (scenario->stop != NULL)
        scenario->stop();
    for (int i = 0;; i++) { /* threads start threads */
        pthread_mutex_lock(&lock);
        bool is_last = i == n_threads;
        pthread_mutex_unlock(&lock);
        if (is_last)
            break;
        pthread_join(threads[i].id, NULL);
    }
    if (scenario->check != NULL)
        scenario->check();
    if (scenario->teardown != NULL)
        scenario->teardown();
}

#ifdef MODEL_ONCE
int main(void) {
    scenario = &model_scenarios[MODEL_ONCE];
    run_once();
    return 0;
}
#else
int main(int argc, char **argv) {
    long rounds = argc > 1 ? atol(argv[1]) : 2000;
    filchi_barrier_init();
    filchi_reclaim_init();
    for (scenario = model_scenarios; scenario->name != NULL; scenario++) {
        if (argc > 2 && strcmp(argv[2], scenario->name) != 0)
            continue;
        for (long round = 0; round < rounds; round++)
            run_once();
        printf("%s: %ld rounds\n", scenario->name, rounds);
    }
    return EXIT_SUCCESS;
}
#endif
