/* fuzz.h: what the fuzz targets share: numbers and texts from the input. Behind its end all is 0.
 *
 * A target is LLVMFuzzerTestOneInput: with clang's libFuzzer a program that looks for inputs (tools/fuzz), else one
 * that plays the files that it is given (replay.c), as the tests do with the corpus. What is wrong aborts. */
#ifndef FILCH_FUZZ_H
#define FILCH_FUZZ_H

#include "test.h"
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
    const uint8_t *at;
    size_t left;
};

/* The next bytes; `to` is filled up with zeros. */
static inline void fuzz_copy(struct fuzz *fuzz, void *to, size_t size) {
    size_t n = size < fuzz->left ? size : fuzz->left;
    memset(to, 0, size);
    if (n > 0)
        memcpy(to, fuzz->at, n);
    fuzz->at += n;
    fuzz->left -= n;
}

static inline uint8_t fuzz_byte(struct fuzz *fuzz) {
    uint8_t byte;
    fuzz_copy(fuzz, &byte, sizeof byte);
    return byte;
}

static inline uint32_t fuzz_word(struct fuzz *fuzz) {
    uint32_t word;
    fuzz_copy(fuzz, &word, sizeof word);
    return word;
}

/* A size: mostly small, some beside a power of two, few of them huge. */
static inline size_t fuzz_size(struct fuzz *fuzz) {
    uint8_t kind = fuzz_byte(fuzz);
    if (kind < 0xa0)
        return kind;
    size_t power = (size_t)1 << kind % 64;
    return power + (size_t)(int8_t)fuzz_byte(fuzz);
}

#endif
