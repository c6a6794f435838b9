/* base/assert.h: assertions are for what is proven; what can happen is a status.
 *
 * check() is compiled in always (cheap, on slow paths); debug_check() in builds with FILCH_DEBUG
 * alone (walks, hot paths): the build type Debug, and those with a sanitizer. Both end the program,
 * since a broken invariant has no remedy. */
#ifndef FILCHI_ASSERT_H
#define FILCHI_ASSERT_H

#include "base/cc.h"

_Noreturn void filchi_check_failed(const char *condition, const char *file, int line);

#define check(condition)                                                                           \
    (likely(condition) ? (void)0 : filchi_check_failed(#condition, __FILE__, __LINE__))

#ifdef FILCH_DEBUG
#define debug_check(condition) check(condition)
#else
#define debug_check(condition) ((void)0)
#endif

#endif
