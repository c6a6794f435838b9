/* platform.c: what core/platform and structures/reclaim.c do, for the threads that are explored: the
 * same headers, other means. */
#include "base/assert.h"
#include "base/status.h"
#include "explorer.h"
#include "platform/barrier.h"
#include "platform/clock.h"
#include "platform/event.h"
#include "platform/futex.h"
#include "platform/headroom.h"
#include "platform/memory.h"
#include "platform/process.h"
#include "platform/shared_memory.h"
#include "platform/stack.h"
#include "platform/thread.h"
#include "structures/arena.h"
#include "structures/reclaim.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* ---- stack: there is always room ---- */

bool filchi_stack_is_short(void) {
    return false;
}

bool filchi_stack_call(void (*fn)(void *arg), void *arg) {
    fn(arg);
    return true;
}

/* ---- futex ---- */

bool filchi_futex_wait(const uint32_t *word, uint32_t expected, uint64_t deadline_ns, bool shared) {
    (void)shared;
    struct thread *self = explorer->current;
    schedule_point(true);
    store_drain(self); /* the kernel's lock is a barrier */
    store_let_drain(word);
    learn((uintptr_t)word);
    learn(store_version(word));
    if (explorer->is_tracing)
        trace(__func__, *word == expected ? "sleep on %s" : "not slept on %s", describe(word));
    if (*word != expected)
        return true;
    self->deadline_ns = deadline_ns;
    self->timed_out = false;
    schedule_block(ON_FUTEX, word);
    learn(self->timed_out);
    if (self->timed_out && self->clock_ns < deadline_ns)
        self->clock_ns = deadline_ns;
    return !self->timed_out;
}

void filchi_futex_wake(const uint32_t *word, int count, bool shared) {
    (void)shared;
    schedule_point(true);
    store_drain(explorer->current);
    learn((uintptr_t)word);
    if (explorer->is_tracing)
        trace(__func__, "wake %s", describe(word));
    for (; count > 0; count--) {
        struct thread *sleepers[MODEL_THREADS];
        int n = 0;
        for (int i = 0; i < explorer->n_threads; i++)
            if (explorer->threads[i].status == ON_FUTEX && explorer->threads[i].waits_for == word)
                sleepers[n++] = &explorer->threads[i];
        if (n == 0)
            return;
        make_ready(sleepers[n <= count ? 0 : choose(n)]);
    }
}

/* ---- barrier ---- */

void filchi_barrier_init(void) {}

void filchi_barrier_make(struct barrier *barrier, bool is_shared) {
    filch_store_relaxed(&barrier->is_asymmetric, is_shared ? 0u : 1u);
}

void filchi_barrier_heavy(struct barrier *barrier) {
    if (explorer->current == NULL)
        return;
    if (barrier->is_asymmetric.value == 0) { /* nobody changes it */
        filch_fence_seq_cst();
        return;
    }
    schedule_point(true);
    if (explorer->is_tracing)
        trace(__func__, "heavy barrier");
    store_drain_all();
}

/* ---- clock: each thread has its own, which moves when it looks and when it was late ---- */

uint64_t filchi_clock_ns(void) {
    return explorer->current == NULL ? 0 : ++explorer->current->clock_ns;
}

uint64_t filchi_clock_deadline(double timeout_s) {
    return timeout_s > 1e9 ? FILCHI_NEVER : filchi_clock_ns() + (uint64_t)(timeout_s * 1e9);
}

/* ---- grace periods ---- */

static char readers; /* an address */

int filchi_reclaim_init(void) {
    return 0;
}

/* Only a wait notices who reads. */
static void notice(const char *where) {
    if (explorer->scenario->reclaims) {
        schedule_point(true);
        learn((uintptr_t)&readers);
        if (explorer->is_tracing)
            trace(where, "read section");
    }
}

void filchi_reclaim_enter(void) {
    notice(__func__);
    explorer->current->n_reading++;
}

void filchi_reclaim_leave(void) {
    notice(__func__);
    struct thread *self = explorer->current;
    if (--self->n_reading > 0)
        return;
    uint32_t bit = (uint32_t)1 << (self - explorer->threads);
    for (int i = 0; i < explorer->n_threads; i++) {
        struct thread *waiter = &explorer->threads[i];
        if (waiter->status != ON_READERS || (waiter->awaited & bit) == 0)
            continue;
        waiter->awaited &= ~bit;
        learn_from(waiter, bit);
        if (waiter->awaited == 0)
            make_ready(waiter);
    }
}

void filchi_reclaim_wait(void) {
    if (!explorer->scenario->reclaims)
        model_fail("the scenario calls filchi_reclaim_wait, but does not say .reclaims");
    struct thread *self = explorer->current;
    schedule_point(true);
    store_drain_all();
    model_assert(self->n_reading == 0);
    self->awaited = 0;
    for (int i = 0; i < explorer->n_threads; i++)
        if (explorer->threads[i].n_reading > 0 && explorer->threads[i].status != KILLED)
            self->awaited |= (uint32_t)1 << i;
    learn(self->awaited);
    if (explorer->is_tracing)
        trace(__func__, "grace period, %x", self->awaited);
    if (self->awaited != 0)
        schedule_block(ON_READERS, &readers);
}

/* ---- mutexes ---- */

int model_mutex_lock(pthread_mutex_t *mutex) {
    struct thread *self = explorer->current;
    if (self == NULL)
        return 0;
    schedule_point(true);
    store_drain(self);
    for (bool *is_held = (bool *)mutex; *is_held;)
        schedule_block(ON_MUTEX, mutex);
    *(bool *)mutex = true;
    learn(store_version(mutex));
    store_set_version(mutex, self->history);
    return 0;
}

int model_mutex_unlock(pthread_mutex_t *mutex) {
    struct thread *self = explorer->current;
    if (self == NULL)
        return 0;
    schedule_point(true);
    store_drain(self);
    learn((uintptr_t)mutex);
    *(bool *)mutex = false;
    store_set_version(mutex, self->history);
    for (int i = 0; i < explorer->n_threads; i++)
        if (explorer->threads[i].status == ON_MUTEX && explorer->threads[i].waits_for == mutex)
            make_ready(&explorer->threads[i]);
    return 0;
}

void model_relax(void) {
    struct thread *self = explorer->current;
    if (self == NULL || self->has_relaxed)
        return;
    self->has_relaxed = true;
    learn((uintptr_t)&model_relax);
    schedule_yield();
}

void filchi_thread_yield(void) {
    model_relax();
}

/* ---- memory ----
 *
 * One region. Of each chunk that is written, its beginning is saved after setup, and restored before
 * each execution up to a little behind the last atomic that was written: a slab's header and first
 * cells, a worker and the first slots of its ring. */

#define REGION_BYTES ((size_t)1 << 32)
enum { REGION_CHUNKS = REGION_BYTES / CHUNK_BYTES, KEPT_BYTES = 8192 + 1024, BEHIND = 256 };

static struct region {
    size_t n_reserved;
    size_t n_kept; /* bytes to restore */
    size_t n_used; /* chunks that were ever written; their numbers: */
    uint16_t used[REGION_CHUNKS];
    uint16_t kept[REGION_CHUNKS]; /* bytes to restore; 0: never written */
    char (*saved)[KEPT_BYTES];
    char *bytes;
} * region;

static void make_region(void) {
    enum { ALIGNED = 2 << 20 };
    region = model_private(sizeof *region);
    region->bytes = model_private(REGION_BYTES + ALIGNED);
    region->bytes = (char *)round_up((size_t)region->bytes, ALIGNED);
    region->saved = model_private(sizeof *region->saved * REGION_CHUNKS);
}

void platform_note_write(const void *address) {
    if (region == NULL)
        return;
    size_t at = (uintptr_t)address - (uintptr_t)region->bytes;
    if (at >= REGION_BYTES)
        return;
    size_t chunk = at / CHUNK_BYTES, end = at % CHUNK_BYTES + BEHIND;
    if (end <= region->kept[chunk])
        return;
    if (end > KEPT_BYTES)
        model_fail("a write at %zu of a chunk, behind what is restored", at % CHUNK_BYTES);
    if (region->kept[chunk] == 0)
        region->used[region->n_used++] = (uint16_t)chunk;
    region->n_kept += end - region->kept[chunk];
    region->kept[chunk] = (uint16_t)end;
}

void platform_save(void) {
    if (region == NULL)
        return;
    for (size_t i = 0; i < region->n_used; i++)
        memcpy(region->saved[region->used[i]], region->bytes + region->used[i] * CHUNK_BYTES,
               KEPT_BYTES);
}

void platform_restore(void) {
    if (region == NULL)
        return;
    for (size_t i = 0; i < region->n_used; i++)
        memcpy(region->bytes + region->used[i] * CHUNK_BYTES, region->saved[region->used[i]],
               region->kept[region->used[i]]);
}

size_t platform_bytes(void) {
    return region == NULL ? 0 : region->n_kept;
}

void platform_copy_to(char *to) {
    for (size_t i = 0; region != NULL && i < region->n_used; i++) {
        size_t chunk = region->used[i];
        memcpy(to, region->bytes + chunk * CHUNK_BYTES, region->kept[chunk]);
        to += region->kept[chunk];
    }
}

void platform_copy_from(const char *from) {
    for (size_t i = 0; region != NULL && i < region->n_used; i++) {
        size_t chunk = region->used[i];
        memcpy(region->bytes + chunk * CHUNK_BYTES, from, region->kept[chunk]);
        from += region->kept[chunk];
    }
}

void *filchi_memory_reserve(size_t bytes, size_t alignment) {
    if (region == NULL)
        make_region();
    region->n_reserved = round_up(region->n_reserved, alignment);
    if (explorer->current != NULL || bytes > REGION_BYTES - region->n_reserved)
        model_fail("an arena of %zu bytes: open small ones, and in setup", bytes);
    void *start = region->bytes + region->n_reserved;
    region->n_reserved += bytes;
    return start;
}

bool filchi_memory_commit(void *start, size_t bytes) {
    (void)bytes;
    platform_note_write(start);
    return true;
}

void filchi_memory_discard(void *start, size_t bytes) {
    model_dead(start, bytes);
    memset(start, 0, bytes < KEPT_BYTES ? bytes : KEPT_BYTES);
}

void filchi_memory_use_large_pages(void *start, size_t bytes) {
    (void)start;
    (void)bytes;
}

void filchi_memory_populate(void *start, size_t bytes) {
    (void)start;
    (void)bytes;
}

size_t filchi_memory_address_limit(void) {
    return SIZE_MAX;
}

void filchi_memory_release(void *start, size_t bytes) {
    model_dead(start, bytes);
}

void filchi_memory_prefer_node(void *start, size_t bytes, int node) {
    (void)start;
    (void)bytes;
    (void)node;
}

/* ---- memory of several processes: those of a scenario are threads, and there is always enough ---- */

bool filchi_shared_memory_open(struct shared_memory *memory, size_t bytes, size_t alignment) {
    *memory = (struct shared_memory){.bytes = bytes, .descriptor = -1};
    memory->start = filchi_memory_reserve(bytes, alignment);
    return true;
}

bool filchi_shared_memory_back(const struct shared_memory *memory, void *start, size_t bytes) {
    (void)memory;
    return filchi_memory_commit(start, bytes);
}

void filchi_shared_memory_discard(void *start, size_t bytes) {
    filchi_memory_discard(start, bytes);
}

void filchi_shared_memory_close(const struct shared_memory *memory) {
    filchi_memory_release(memory->start, memory->bytes);
}

struct headroom *filchi_headroom_open(const char *root) {
    return (struct headroom *)(uintptr_t)root;
}

size_t filchi_headroom_read(const struct headroom *headroom) {
    (void)headroom;
    return SIZE_MAX;
}

void filchi_headroom_close(struct headroom *headroom) {
    (void)headroom;
}

/* ---- descriptors that polls wait for: no scenario has one ---- */

int filchi_event_open(void) {
    return -1;
}

void filchi_event_set(int event) {
    (void)event;
}

void filchi_event_clear(int event) {
    (void)event;
}

void filchi_event_close(int event) {
    (void)event;
}

/* ---- base ---- */

void filchi_check_failed(const char *condition, const char *file, int line) {
    model_fail("%s:%d: check(%s) is false", file, line, condition);
}

filch_status filchi_fail(filch_status status, const char *format, ...) {
    (void)format;
    return status;
}

void filchi_report(const char *format, ...) {
    (void)format;
}

bool filchi_failure_was_read(void) {
    return true;
}

bool filchi_process_serves(const void *arena_owner) {
    return filchi_process_tag(arena_owner) != PROCESS_OPENER;
}

/* Each thread may be a process of its own. */
static THREAD_LOCAL uint32_t tag;

void filchi_process_serve_on_thread(const void *arena_owner, uint32_t its_tag) {
    (void)arena_owner;
    tag = its_tag;
}

uint32_t filchi_process_tag(const void *arena_owner) {
    (void)arena_owner;
    return tag;
}

int filchi_thread_start(pthread_t *thread, void *(*run)(void *), void *arg, size_t stack_bytes) {
    (void)thread, (void)run, (void)arg, (void)stack_bytes;
    return EAGAIN;
}

void filchi_thread_set_name(const char *prefix, int number) {
    (void)prefix, (void)number;
}

uint32_t filchi_process_forks;
