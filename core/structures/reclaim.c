/* structures/reclaim.c: liburcu, flavour bp; the only file that includes it. */
#include "structures/reclaim.h"

#include <filch/detail/atomic.h>
#include <pthread.h>
#include <urcu/urcu-bp.h>

#ifdef FILCH_TSAN
/* ThreadSanitizer does not see what synchronises inside liburcu. */
void __tsan_acquire(void *address);
void __tsan_release(void *address);
static char grace_period;
#define TSAN_ACQUIRE() __tsan_acquire(&grace_period)
#define TSAN_RELEASE() __tsan_release(&grace_period)
#else
#define TSAN_ACQUIRE() ((void)0)
#define TSAN_RELEASE() ((void)0)
#endif

int filchi_reclaim_init(void) {
    return pthread_atfork(urcu_bp_before_fork, urcu_bp_after_fork_parent, urcu_bp_after_fork_child);
}

void filchi_reclaim_enter(void) {
    urcu_bp_read_lock();
}

void filchi_reclaim_leave(void) {
    TSAN_RELEASE();
    urcu_bp_read_unlock();
}

void filchi_reclaim_wait(void) {
    urcu_bp_synchronize_rcu();
    TSAN_ACQUIRE();
}
