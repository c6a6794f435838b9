/* executor/options.h: reading an options struct that another version of the library may know longer
 * or shorter. What the caller's struct has less is zero, the default; what it has more must be zero,
 * or the caller asks for something that this library does not know. */
#ifndef FILCHI_OPTIONS_H
#define FILCHI_OPTIONS_H

#include <filch/status.h>
#include <stddef.h>

/* Copies `given` (its first member is its size) to `known`; NULL means all defaults.
 * Returns: FILCH_OK, or FILCH_INVALID with the thread's failure set. */
filch_status filchi_options_read(const char *function, void *known, size_t known_size,
                                 const void *given);

/* A time option: 0 is no limit (FILCH_FOREVER), negative has passed already (0).
 * Returns: FILCH_OK, or FILCH_INVALID for NaN. */
filch_status filchi_options_timeout(const char *function, const char *option, double given,
                                    double *seconds);

#endif
