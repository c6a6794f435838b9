/* store.c: the accesses of the threads that are explored.
 *
 * x86 has store buffers: a store may become visible to others after later loads of its thread. Here a
 * store is made at once, or (a choice, which costs one of the delays) goes to the thread's buffer, and
 * every later one behind it. What the thread reads itself comes from the buffer first. Read-modify-
 * writes, seq_cst stores, fences and system calls empty it; a heavy barrier empties those of all.
 * Otherwise a buffered store reaches memory when nothing forces it to, and that matters only if
 * another thread is about to look at its address: so right there it is decided how many of them have.
 *
 * Acquire, release and relaxed are the same here, as they are on x86: a weakened order is for a
 * checker of weak memory to find. */
#include "explorer.h"

#include <string.h>

enum { LOCATIONS = 4096, LOGGED = 1 << 17 };

/* What this scenario has accessed in any execution so far. A read of what no other thread writes, and a
 * write of what no other thread accesses, commute with all that others do, so there is no choice before
 * them; when one turns out not to, the search begins again. */
struct location {
    const void *address;       /* NULL: unused */
    uint64_t version;          /* 0: not written in this execution */
    uint32_t readers, writers; /* bits of threads */
};

static struct locations {
    struct location of[LOCATIONS];
    size_t n;
    struct {
        struct location *location;
        uint64_t version; /* that it had before */
    } log[LOGGED];
    size_t n_logged;
} * locations;

void store_init(void) {
    locations = model_private(sizeof *locations);
}

void store_forget(void) {
    memset(locations->of, 0, sizeof locations->of);
    locations->n = 0;
    store_reset();
}

void store_reset(void) {
    for (size_t i = 0; i < LOCATIONS; i++)
        locations->of[i].version = 0;
    locations->n_logged = 0;
    explorer->memory_hash = 0;
}

size_t store_mark(void) {
    return locations->n_logged;
}

void store_undo(size_t mark) {
    while (locations->n_logged > mark) {
        locations->n_logged--;
        locations->log[locations->n_logged].location->version =
            locations->log[locations->n_logged].version;
    }
}

static struct location *find(const void *address) {
    size_t at = mix(0, (uintptr_t)address) % LOCATIONS;
    while (locations->of[at].address != NULL && locations->of[at].address != address)
        at = (at + 1) % LOCATIONS;
    struct location *location = &locations->of[at];
    if (location->address == NULL) {
        if (++locations->n > LOCATIONS / 2)
            model_fail("more than %d locations", LOCATIONS / 2);
        location->address = address;
    }
    return location;
}

uint64_t store_version(const void *address) {
    return find(address)->version;
}

void store_set_version(const void *address, uint64_t version) {
    struct location *location = find(address);
    if (locations->n_logged == LOGGED)
        model_fail("more than %d writes", LOGGED);
    locations->log[locations->n_logged].location = location;
    locations->log[locations->n_logged++].version = location->version;
    if (location->version != 0)
        explorer->memory_hash -= mix((uintptr_t)address, location->version);
    location->version = version;
    explorer->memory_hash += mix((uintptr_t)address, version);
}

/* Can others tell when the thread of this bit makes the access? */
static bool is_visible(const struct location *location, uint32_t bit, bool is_write) {
    uint32_t others = is_write ? location->readers | location->writers : location->writers;
    return (others & ~bit) != 0;
}

/* Of the accesses so far, those that others can tell: bits of threads that read, and that write. */
static uint64_t visible_accesses(const struct location *location) {
    uint64_t visible = 0;
    for (int i = 0; i < MODEL_THREADS; i++) {
        uint32_t bit = (uint32_t)1 << i;
        if ((location->readers & bit) != 0 && is_visible(location, bit, false))
            visible |= bit;
        if ((location->writers & bit) != 0 && is_visible(location, bit, true))
            visible |= (uint64_t)bit << 32;
    }
    return visible;
}

static uint32_t current_bit(void) {
    return (uint32_t)1 << (explorer->current - explorer->threads);
}

/* Returns: can others tell? */
static bool note_access(struct location *location, bool is_write) {
    uint32_t bit = current_bit();
    uint32_t *accessors = is_write ? &location->writers : &location->readers;
    if ((*accessors & bit) == 0) {
        uint64_t mine = is_write ? (uint64_t)bit << 32 : bit;
        uint64_t before = visible_accesses(location);
        *accessors |= bit;
        if ((visible_accesses(location) & ~mine) != before)
            search_anew();
    }
    return is_visible(location, bit, is_write) ||
           explorer->is_tracing; /* a replay has every choice */
}

static uint64_t read_memory(const void *address, unsigned bytes) {
    if (bytes == 4)
        return *(const uint32_t *)address;
    return *(const uint64_t *)address;
}

static void write_memory(void *address, unsigned bytes, uint64_t value) {
    platform_note_write(address);
    if (bytes == 4)
        *(uint32_t *)address = (uint32_t)value;
    else
        *(uint64_t *)address = value;
}

static void drain_one(struct thread *thread) {
    struct store store = thread->buffer[0];
    thread->n_buffered--;
    explorer->n_buffered--;
    thread->n_drained++;
    memmove(&thread->buffer[0], &thread->buffer[1], thread->n_buffered * sizeof store);
    write_memory(store.address, store.bytes, store.value);
    store_set_version(store.address, store.version);
    if (explorer->is_tracing)
        trace("", "%s's store to %s reaches memory", thread->name, describe(store.address));
}

void store_drain(struct thread *thread) {
    while (thread->n_buffered > 0)
        drain_one(thread);
}

void store_drain_all(void) {
    for (int i = 0; i < explorer->n_threads; i++)
        store_drain(&explorer->threads[i]);
}

void store_let_drain(const void *address) {
    if (explorer->n_buffered == 0)
        return;
    for (int i = 0; i < explorer->n_threads; i++) {
        struct thread *thread = &explorer->threads[i];
        unsigned n_here = 0, until[BUFFER_STORES];
        if (thread == explorer->current)
            continue;
        for (unsigned k = 0; k < thread->n_buffered; k++)
            if (thread->buffer[k].address == address)
                until[n_here++] = k + 1;
        unsigned chosen = n_here == 0 ? 0 : (unsigned)choose((int)n_here + 1);
        for (unsigned n = chosen == 0 ? 0 : until[chosen - 1]; n > 0; n--)
            drain_one(thread);
    }
}

/* Before an access: others may run first, and some of their delayed stores arrive. What empties the
 * buffer is seen by others, whatever its location. */
static void begin(const void *address, bool is_write, bool drains, const char *where,
                  const char *what) {
    struct thread *self = explorer->current;
    self->has_relaxed = false;
    bool is_noticed = note_access(find(address), is_write);
    schedule_point(is_noticed || (drains && self->n_buffered > 0));
    if (explorer->n_dead > 0)
        check_alive(address);
    store_let_drain(address);
    learn((uintptr_t)address + (uintptr_t)what);
    if (explorer->is_tracing)
        trace(where, "%s %s", what, describe(address));
}

/* Is this store to be a delayed one? */
static bool choose_delay(const void *address) {
    if (explorer->delays_left == 0)
        return false;
    if (!is_visible(find(address), current_bit(), true) && !explorer->is_tracing)
        return false;
    if (choose(2) == 0)
        return false;
    explorer->delays_left--;
    return true;
}

static void show(const char *format, uint64_t value) {
    if (explorer->is_tracing)
        trace(NULL, format, (unsigned long long)value);
}

uint64_t model_load(const void *address, unsigned bytes, int order, const char *where) {
    (void)order;
    if (explorer->current == NULL)
        return read_memory(address, bytes);
    begin(address, false, false, where, "load");
    struct thread *self = explorer->current;
    for (unsigned k = self->n_buffered; k-- > 0;)
        if (self->buffer[k].address == address) { /* the same as it will be in memory */
            learn(self->buffer[k].version);
            show("own %llx", self->buffer[k].value);
            return self->buffer[k].value;
        }
    learn(store_version(address));
    uint64_t value = read_memory(address, bytes);
    show("%llx", value);
    return value;
}

void model_store(void *address, unsigned bytes, uint64_t value, int order, const char *where) {
    if (explorer->current == NULL) {
        write_memory(address, bytes, value);
        return;
    }
    begin(address, true, order == __ATOMIC_SEQ_CST, where, "store");
    struct thread *self = explorer->current;
    show("%llx", value);
    if (order == __ATOMIC_SEQ_CST)
        store_drain(self);
    bool is_delayed = self->n_buffered > 0;
    if (!is_delayed && order != __ATOMIC_SEQ_CST && choose_delay(address)) {
        is_delayed = true;
        show("(delayed)", 0);
    }
    if (!is_delayed) {
        write_memory(address, bytes, value);
        store_set_version(address, self->history);
        return;
    }
    if (self->n_buffered == BUFFER_STORES) /* not a choice: no scenario comes near */
        drain_one(self);
    explorer->n_buffered++;
    self->buffer[self->n_buffered++] = (struct store){address, bytes, value, self->history};
}

uint64_t model_modify(void *address, unsigned bytes, enum model_change change, uint64_t value,
                      int order, const char *where) {
    static const char *const names[] = {"fetch_add", "fetch_sub", "fetch_or", "fetch_and",
                                        "exchange"};
    (void)order;
    struct thread *self = explorer->current;
    if (self != NULL) {
        begin(address, true, true, where, names[change]);
        store_drain(self);
        learn(store_version(address));
    }
    uint64_t before = read_memory(address, bytes), after = value;
    switch (change) {
    case MODEL_add:
        after = before + value;
        break;
    case MODEL_sub:
        after = before - value;
        break;
    case MODEL_or:
        after = before | value;
        break;
    case MODEL_and:
        after = before & value;
        break;
    case MODEL_exchange:
        break;
    }
    write_memory(address, bytes, after);
    if (self != NULL) {
        store_set_version(address, self->history);
        show("%llx", before);
        show("-> %llx", after);
    }
    return before;
}

bool model_cas(void *address, unsigned bytes, void *expected, uint64_t value, int success,
               int failure, const char *where) {
    (void)success;
    (void)failure;
    struct thread *self = explorer->current;
    if (self != NULL) {
        begin(address, true, true, where, "cas");
        store_drain(self);
        learn(store_version(address));
    }
    uint64_t before = read_memory(address, bytes);
    if (before != read_memory(expected, bytes)) {
        memcpy(expected, &before, bytes);
        if (self != NULL)
            show("failed, found %llx", before);
        return false;
    }
    write_memory(address, bytes, value);
    if (self != NULL) {
        store_set_version(address, self->history);
        show("%llx", before);
        show("-> %llx", value);
    }
    return true;
}

void model_fence(int order, const char *where) {
    if (explorer->current == NULL || order != __ATOMIC_SEQ_CST)
        return;
    schedule_point(explorer->current->n_buffered > 0);
    if (explorer->is_tracing)
        trace(where, "fence");
    store_drain(explorer->current);
}
