/* platform/binding.h: binding threads to where they belong.
 *
 * For threads (and worker processes) that the library created, never for the program's own.
 *
 * Invariant: no thread is bound outside the process's mask, which is the affinity mask of its main
 * thread at the moment (so a bound worker process has one CPU); and a child that a bound thread
 * forked starts unbound. */
#ifndef FILCHI_BINDING_H
#define FILCHI_BINDING_H

#include "platform/topology.h"

/* Binds the calling thread, and at its end forgets it. May be called again, to bind it elsewhere.
 * Returns: false if that is impossible or no longer inside the process's mask; nothing has changed
 * then. */
bool filchi_binding_set(const struct filchi_placement *placement);

/* Gives the calling thread the process's mask (as it was when the thread was bound, if it is): for
 * threads that a bound thread started, since they inherit its binding.
 * Returns: false if that is impossible. */
bool filchi_binding_undo(void);

#endif
