/* structures/record.c: each thread's own record. */
#include "structures/record.h"

static THREAD_LOCAL struct memory_record *mine;

void filchi_record_use(struct memory_record *record) {
    mine = record;
}

struct memory_record *filchi_record_of(const struct arena *arena) {
    return mine != NULL && mine->arena == arena ? mine : NULL;
}
