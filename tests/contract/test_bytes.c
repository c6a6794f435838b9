/* E1: filch_bytes are copied, both ways, up to what memory can hold; filch_result_alloc. */
#include "pools.h"
#include <stdint.h>

/* E1: copied, allocated by the library, and everything between. */
static filch_bytes echo_bytes(filch_bytes bytes) {
    return bytes;
}
FILCH_TASK(filch_bytes, echo_bytes, filch_bytes);

enum way { WHOLE, SHORTER, INNER, OTHER, RAISED };

static filch_bytes allocated_bytes(size_t size, int way) {
    static const char other[] = "something else";
    unsigned char *data = filch_result_alloc(size);
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)i;
    switch (way) {
    case WHOLE:
        return (filch_bytes){data, size};
    case SHORTER:
        return (filch_bytes){data, size / 2};
    case INNER:
        return (filch_bytes){data + 10, size - 10};
    case OTHER:
        return (filch_bytes){other, sizeof other};
    default:
        filch_raise(EIO, "no bytes");
        return (filch_bytes){data, size};
    }
}
FILCH_TASK(filch_bytes, allocated_bytes, size_t, int);

CONTRACT(bytes, bytes) {
    filch_executor *ex = pool->open(1);
    static const size_t sizes[] = {0, 1, 15, 16, 48, 49, 1000, 65536, 20 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned char *data = malloc(sizes[i] + 1), *copy = malloc(sizes[i] + 1);
        for (size_t k = 0; k < sizes[i]; k++)
            data[k] = copy[k] = (unsigned char)(k * 31);
        filch_future *future = filch_submit(ex, echo_bytes, ((filch_bytes){data, sizes[i]}));
        CHECK_NOT_NULL(future);
        memset(data, 0, sizes[i]);
        filch_bytes back = {NULL, 1};
        CHECK_EQ(filch_result(future, &back), FILCH_OK);
        CHECK_EQ(back.size, sizes[i]);
        CHECK(sizes[i] == 0 || memcmp(back.data, copy, sizes[i]) == 0);
        filch_release(future);
        free(data);
        free(copy);
    }
    filch_future *future = filch_submit(ex, echo_bytes, ((filch_bytes){NULL, 0}));
    filch_bytes back = {"x", 1};
    CHECK_EQ(filch_result(future, &back), FILCH_OK);
    CHECK_EQ(back.size, 0);
    filch_release(future);
    filch_close(ex);
}

static void check_pattern(filch_bytes bytes, size_t from, size_t size) {
    CHECK_EQ(bytes.size, size);
    for (size_t i = 0; i < size; i++)
        CHECK_EQ(((const unsigned char *)bytes.data)[i], (unsigned char)(from + i));
}

CONTRACT(bytes, allocated_results) {
    filch_executor *ex = pool->open(1);
    static const size_t sizes[] = {20, 40, 64, 100, 5000, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int way = WHOLE; way <= RAISED; way++) {
            filch_future *future = filch_submit(ex, allocated_bytes, sizes[i], way);
            filch_bytes bytes = {NULL, 0};
            CHECK_EQ(filch_result(future, &bytes), way == RAISED ? FILCH_FAILED : FILCH_OK);
            if (way == WHOLE)
                check_pattern(bytes, 0, sizes[i]);
            else if (way == SHORTER)
                check_pattern(bytes, 0, sizes[i] / 2);
            else if (way == INNER)
                check_pattern(bytes, 10, sizes[i] - 10);
            else if (way == OTHER)
                CHECK_STR_EQ((const char *)bytes.data, "something else");
            filch_release(future);
        }
    filch_close(ex);
}

static size_t result_misalignment(size_t size) {
    return (uintptr_t)filch_result_alloc(size) % 64;
}
FILCH_TASK(size_t, result_misalignment, size_t);

static int refused_alloc(size_t size) {
    return filch_result_alloc(size) == NULL ? (int)filch_error_status() : -1;
}
FILCH_TASK(int, refused_alloc, size_t);

CONTRACT(bytes, result_alloc) {
    filch_executor *ex = pool->open(1);
    for (size_t size = 1; size < 10000; size *= 3) {
        filch_future *future = filch_submit(ex, result_misalignment, size);
        size_t off = 1;
        CHECK_EQ(filch_result(future, &off), FILCH_OK);
        CHECK_EQ(off, 0);
        filch_release(future);
    }
    static const size_t absurd[] = {SIZE_MAX, SIZE_MAX / 2, (size_t)1 << 60};
    for (int i = 0; i < 3; i++) {
        filch_future *future = filch_submit(ex, refused_alloc, absurd[i]);
        int status = 0;
        CHECK_EQ(filch_result(future, &status), FILCH_OK);
        CHECK_EQ(status, FILCH_NO_MEMORY);
        filch_release(future);
    }
    CHECK_NULL(filch_result_alloc(10));
    CHECK_EQ(filch_error_status(), FILCH_INVALID_STATE);
    filch_close(ex);
}

/* E1: larger than memory: refused, and the pool is none the worse. */
CONTRACT(bytes, absurd_sizes) {
    filch_executor *ex = pool->open(1);
    static const char small_buffer[] = "x";
    static const size_t absurd[] = {SIZE_MAX, SIZE_MAX - 64, SIZE_MAX / 2, (size_t)1 << 60};
    for (int i = 0; i < 4; i++) {
        CHECK_NULL(filch_submit(ex, echo_bytes, ((filch_bytes){small_buffer, absurd[i]})));
        CHECK(filch_error_status() == FILCH_NO_MEMORY || filch_error_status() == FILCH_INVALID);
        CHECK(filch_error_message()[0] != '\0');
    }
    check_long(filch_submit(ex, twice, 4), 8);
    filch_close(ex);
}

/* What filch_result_alloc lent to a task that returns something else comes back. */
static long borrow(long size) {
    return filch_result_alloc((size_t)size) != NULL;
}
FILCH_TASK(long, borrow, long);

CONTRACT(bytes, lent_memory_comes_back) {
    filch_executor *ex = pool->open(1);
    for (int i = ROUNDS(60000); i > 0; i--) { /* of 1 MiB: more than any machine has */
        long lent = 0;
        filch_future *future = filch_submit(ex, borrow, 1 << 20);
        CHECK_EQ(filch_result(future, &lent), FILCH_OK);
        CHECK_EQ(lent, 1);
        filch_release(future);
    }
    filch_close(ex);
}
