/* platform/barrier.c: membarrier(2), private and expedited. */
#include "platform/barrier.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static filch_atomic_u32 is_registered;

static void register_process(void) {
    int saved = errno;
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0)
        filch_store_relaxed(&is_registered, 1u);
    errno = saved;
}

void filchi_barrier_init(void) {
    /* A forked child inherits the registration. */
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_process);
}

void filchi_barrier_make(struct barrier *barrier, bool is_shared) {
    filchi_barrier_init();
    uint32_t is_asymmetric = is_shared ? 0 : filch_load_relaxed(&is_registered);
    filch_store_relaxed(&barrier->is_asymmetric, is_asymmetric);
}

void filchi_barrier_heavy(struct barrier *barrier) {
    filch_fence_seq_cst();
    if (!filch_load_relaxed(&barrier->is_asymmetric))
        return;
    int saved = errno;
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0)
        /* Forbidden since it was registered (a seccomp filter): from here on both sides fence. What
         * was in flight may be seen late; sleepers look again after they set the flag. */
        filch_store_seq_cst(&barrier->is_asymmetric, 0u);
    errno = saved;
}
