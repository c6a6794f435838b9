/* ends.h: how a pool ends while its workers die. */
#ifndef FILCH_TORTURE_ENDS_H
#define FILCH_TORTURE_ENDS_H

#include "kills.h"

/* Shuts a pool down that rests, in one of several ways, with tasks queued and the killer at work. All that
 * was submitted has ended after it, and no worker lives, but perhaps those of a shutdown that is through. */
void ends_run(filch_executor *executor, uint64_t random);

#endif
