/* platform/binding.c: a bound thread keeps the mask that it had to begin with.
 *
 * That mask is a thread-specific value, freed at the thread's end, so there is nothing that threads
 * share and a fork could copy half done. A child that a bound thread forked is the program's, and
 * not to be kept on one CPU: the fork handler gives it the saved mask. */
#include "platform/binding.h"

#include "platform/affinity.h"
#include <pthread.h>

/* Made when the library is loaded, and never changed until it is unloaded. */
static pthread_key_t key;
static bool has_key;

static void free_saved(void *affinity) {
    filchi_affinity_free(affinity);
}

static struct affinity *find_saved(void) {
    return has_key ? pthread_getspecific(key) : NULL;
}

static bool save(struct affinity *affinity) {
    return has_key && pthread_setspecific(key, affinity) == 0;
}

static void forget_saved(void) {
    filchi_affinity_free(find_saved());
    if (has_key)
        pthread_setspecific(key, NULL);
}

bool filchi_binding_set(const struct filchi_placement *placement) {
    struct affinity *saved = find_saved();
    struct affinity *wide = saved != NULL ? saved : filchi_affinity_of_process();
    struct affinity *narrow = wide != NULL ? filchi_affinity_copy(wide) : NULL;
    /* Saved first: a binding that could not be undone in a forked child is not made. */
    bool ok = narrow != NULL && filchi_topology_narrow(placement, narrow) &&
              (saved != NULL || save(wide));
    if (ok && !filchi_affinity_apply(narrow)) {
        ok = false;
        if (saved == NULL)
            pthread_setspecific(key, NULL);
    }
    if (!ok && saved == NULL)
        filchi_affinity_free(wide);
    filchi_affinity_free(narrow);
    return ok;
}

bool filchi_binding_undo(void) {
    struct affinity *saved = find_saved();
    struct affinity *wide = saved != NULL ? saved : filchi_affinity_of_process();
    bool ok = wide != NULL && filchi_affinity_apply(wide);
    if (saved == NULL)
        filchi_affinity_free(wide);
    else if (ok)
        forget_saved();
    return ok;
}

static void after_fork_in_child(void) {
    struct affinity *saved = find_saved();
    if (saved != NULL) {
        filchi_affinity_apply(saved);
        forget_saved();
    }
}

__attribute__((constructor)) static void load(void) {
    has_key = pthread_key_create(&key, free_saved) == 0;
    pthread_atfork(NULL, NULL, after_fork_in_child);
}

/* Where the library is unloaded, the masks of threads that still run are theirs until the end. */
__attribute__((destructor)) static void unload(void) {
    forget_saved();
    if (has_key)
        pthread_key_delete(key);
    has_key = false;
}
