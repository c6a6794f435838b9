/* executor/transport.h: how arguments get into a block and results out of a task. */
#ifndef FILCHI_TRANSPORT_H
#define FILCHI_TRANSPORT_H

#include "executor/block.h"
#include "executor/frame.h"

/* Must arguments of this type be looked at before they may travel? */
bool filchi_transport_must_check(const struct pool *pool, const filch_task_type *type);

/* Are they fit to travel? Else the thread's failure names the one that is not, and the remedy. */
filch_status filchi_transport_check(const char *function, const struct pool *pool,
                                    const filch_task_type *type, const void *args);

/* The same of one pointer, which `what` names: is it NULL, or memory that every worker sees? */
filch_status filchi_transport_check_pointer(const char *function, const struct pool *pool,
                                            const char *what, const void *pointer);

/* The size of one argument tuple with everything it refers to, copied strings and bytes included.
 * Returns: SIZE_MAX if that is more than there is. */
size_t filchi_transport_size(const filch_task_type *type, const void *args);

/* Copies a tuple to `to`, which has room for filchi_transport_size bytes, and makes its strings and
 * bytes point to their copies. */
void filchi_transport_copy(const filch_task_type *type, const void *args, void *to);

/* Gives a block in INIT its arguments and the room for its result.
 * Returns: FILCH_OK, or FILCH_NO_MEMORY with the thread's failure set; nothing is kept then. */
filch_status filchi_transport_pack(const char *function, struct producer *producer,
                                   struct block *block, const filch_task_type *type,
                                   const void *args, size_t args_size, size_t value_size);

/* The end of a task that may not simply have returned a plain value: makes frame->raised if the task
 * failed, gives a string or bytes value its own extent (`*text`, else NULL), and frees what the task
 * was lent. */
void filchi_transport_conclude(struct frame *frame, const filch_task_type *type, void *value,
                               int code, void **text);

/* Frees the arguments of a block, once its task has ended. */
void filchi_transport_drop_args(struct block *block);

/* Frees everything a block holds outside itself. */
void filchi_transport_dispose(struct block *block);

#endif
