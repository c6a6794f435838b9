/* base/status.h: how the library records a failure, and the one hook for reports.
 *
 * Each thread has one record of its last failure (status and sentence). Every public function that
 * fails goes through filchi_fail, so that errno, filch_error_status and filch_error_message always
 * agree. Nothing here allocates: a sentence is cut at the size of its buffer. */
#ifndef FILCHI_STATUS_H
#define FILCHI_STATUS_H

#include "base/cc.h"
#include <filch/status.h>

/* Records a failure of the calling thread and sets errno (for FILCH_SYSTEM errno is kept).
 * Returns: `status`. */
filch_status filchi_fail(filch_status status, const char *format, ...) PRINTF_LIKE(2, 3);

/* Has this thread asked for its last failure since it was recorded? */
bool filchi_failure_was_read(void);

/* Tells the report hook. Keeps errno. */
void filchi_report(const char *format, ...) PRINTF_LIKE(1, 2);

#endif
