/* hooks.h: what the sources of core/ are compiled with, unchanged, for the explorer: included before
 * everything else (-include). Accesses, waiting loops, thread-local variables and mutexes go to it. */
#ifndef FILCH_MODEL_HOOKS_H
#define FILCH_MODEL_HOOKS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum model_change { MODEL_add, MODEL_sub, MODEL_or, MODEL_and, MODEL_exchange };

/* `where` is the name of the function that makes the access. */
uint64_t model_load(const void *address, unsigned bytes, int order, const char *where);
void model_store(void *address, unsigned bytes, uint64_t value, int order, const char *where);
uint64_t model_modify(void *address, unsigned bytes, enum model_change change, uint64_t value,
                      int order, const char *where);
bool model_cas(void *address, unsigned bytes, void *expected, uint64_t value, int success,
               int failure, const char *where);
void model_fence(int order, const char *where);
void model_relax(void);
int model_mutex_lock(pthread_mutex_t *mutex);
int model_mutex_unlock(pthread_mutex_t *mutex);

/* The type of an atomic's value, without qualifiers. */
#define MODEL_TYPE(object) __typeof__(((void)0, (object)->value))
#define MODEL_AT(object) &(object)->value, sizeof((object)->value)

#define FILCH_ATOMIC_LOAD_AS(object, order)                                                        \
    ((MODEL_TYPE(object))model_load(MODEL_AT(object), order, __func__))
#define FILCH_ATOMIC_STORE_AS(object, v, order)                                                    \
    model_store(MODEL_AT(object), (uint64_t)(v), order, __func__)
/* A statement expression, since a value that nobody uses is no reason for a warning. */
#define MODEL_MODIFY(object, change, v, order)                                                     \
    __extension__({                                                                                \
        MODEL_TYPE(object)                                                                         \
        model_before = (MODEL_TYPE(object))model_modify(MODEL_AT(object), MODEL_##change,          \
                                                        (uint64_t)(v), order, __func__);           \
        model_before;                                                                              \
    })
#define FILCH_ATOMIC_EXCHANGE_AS(object, v, order) MODEL_MODIFY(object, exchange, v, order)
#define FILCH_ATOMIC_FETCH_AS(name, object, v, order) MODEL_MODIFY(object, name, v, order)
#define FILCH_ATOMIC_CAS_AS(object, expected, v, success, failure)                                 \
    model_cas(MODEL_AT(object), (1 ? (expected) : &(object)->value), (uint64_t)(v), success,       \
              failure, __func__)
#define FILCH_ATOMIC_FENCE_AS(order) model_fence(order, __func__)

#define THREAD_LOCAL __attribute__((section("model_thread_local")))
#define CPU_RELAX model_relax
#define pthread_mutex_lock model_mutex_lock
#define pthread_mutex_unlock model_mutex_unlock

#endif
