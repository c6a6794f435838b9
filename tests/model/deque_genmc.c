/* deque_genmc.c: the deque's scenarios as one file for GenMC, which reads one translation unit; what
 * the scenarios that it is given do not need is left empty. */
#include "deque.c"
#include "structures/deque.c"
#include "threads.c"

void filchi_reclaim_enter(void) {}
void filchi_reclaim_leave(void) {}
void filchi_reclaim_wait(void) {}
