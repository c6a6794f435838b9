/* executor/options.c: versioned structs, as openat2(2) reads them. */
#include "executor/options.h"

#include "base/status.h"
#include <math.h>
#include <string.h>

filch_status filchi_options_read(const char *function, void *known, size_t known_size,
                                 const void *given) {
    memset(known, 0, known_size);
    if (given == NULL)
        return FILCH_OK;
    size_t size;
    memcpy(&size, given, sizeof size);
    if (size < sizeof size || size > 4096)
        return filchi_fail(FILCH_INVALID,
                           "%s: options.size is %zu; set it to the size of the options struct, or "
                           "use the macro, which does",
                           function, size);
    const unsigned char *bytes = given;
    for (size_t i = known_size; i < size; i++)
        if (bytes[i] != 0)
            return filchi_fail(FILCH_INVALID,
                               "%s: an option behind byte %zu of the struct is set, which this "
                               "version of filch does not know; update the library",
                               function, known_size);
    memcpy(known, given, size < known_size ? size : known_size);
    return FILCH_OK;
}

filch_status filchi_options_timeout(const char *function, const char *option, double given,
                                    double *seconds) {
    if (isnan(given))
        return filchi_fail(FILCH_INVALID, "%s: .%s is not a number; leave it out for no limit",
                           function, option);
    *seconds = given == 0 ? FILCH_FOREVER : given < 0 ? 0 : given;
    return FILCH_OK;
}
