/* coverage.h: in builds of tools/coverage every file begins with this: a process that ends by _exit, as workers do,
 * writes its counters before. (Who is killed writes none.) */
#ifndef FILCH_COVERAGE_H
#define FILCH_COVERAGE_H

#include <gcov.h>
#include <unistd.h>

static inline __attribute__((unused, noreturn)) void coverage_exit(int status) {
    __gcov_dump();
    _exit(status);
}
#define _exit coverage_exit

#endif
