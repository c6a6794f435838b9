/* values.c: arguments and results of any size and content arrive as they were, by every call that takes many or few
 * of them; what is too large, negative or upside down is refused with a message that names the call. */
#include "fuzz.h"

#include <filch/filch.h>
#include <stdatomic.h>

enum { MOST_ITEMS = 2000, MOST_CALLS = 10, LARGEST = 1 << 16 };

static filch_executor *executor;

static void check_refusal(filch_status status, const char *function) {
    CHECK(status == FILCH_INVALID || status == FILCH_NO_MEMORY);
    CHECK_EQ(filch_error_status(), status);
    CHECK_STR_HAS(filch_error_message(), function);
}

/* ---- one ---------------------------------------------------------------------------------------------- */

static size_t raw_arg_size, raw_result_size;

static unsigned char byte_at(size_t i) {
    return (unsigned char)(i * 7 + i / 251);
}

static int check_and_fill(const void *arg, void *result) {
    for (size_t i = 0; i < raw_arg_size; i++)
        if (((const unsigned char *)arg)[i] != byte_at(i))
            return 1;
    for (size_t i = 0; raw_result_size <= LARGEST && i < raw_result_size; i++)
        ((unsigned char *)result)[i] = byte_at(i + 1);
    return 0;
}

static void submit_raw(struct fuzz *fuzz) {
    static unsigned char bytes[LARGEST];
    raw_arg_size = fuzz_size(fuzz);
    raw_result_size = fuzz_size(fuzz);
    if (raw_arg_size > LARGEST) /* nobody has such an argument */
        raw_arg_size %= LARGEST;
    for (size_t i = 0; i < raw_arg_size; i++)
        bytes[i] = byte_at(i);
    filch_future *future =
        filch_submit_raw(executor, check_and_fill, bytes, raw_arg_size, raw_result_size, NULL);
    if (future == NULL) {
        CHECK_GT(raw_result_size, 1 << 20);
        check_refusal(filch_error_status(), "filch_submit_raw");
        return;
    }
    memset(bytes, 0, raw_arg_size);
    CHECK_EQ(filch_join(future), FILCH_OK);
    if (raw_result_size > 0 && raw_result_size <= LARGEST) {
        CHECK_EQ(filch_result_into(future, bytes, raw_result_size, FILCH_KIND_UNTYPED, 0),
                 FILCH_OK);
        for (size_t i = 0; i < raw_result_size; i++)
            CHECK_EQ(bytes[i], byte_at(i + 1));
    }
    filch_release(future);
}

/* What it was given, one behind the other. */
static filch_bytes join(const char *text, filch_bytes bytes, char c) {
    size_t length = text == NULL ? 0 : strlen(text);
    char *all = filch_result_alloc(length + bytes.size + 1);
    if (all == NULL)
        return (filch_bytes){NULL, 0};
    for (size_t i = 0; i < length; i++)
        all[i] = text[i];
    if (bytes.size > 0)
        memcpy(all + length, bytes.data, bytes.size);
    all[length + bytes.size] = c;
    return (filch_bytes){all, length + bytes.size + 1};
}
FILCH_TASK(filch_bytes, join, const char *, filch_bytes, char);

static char *copy(const char *text) {
    return text == NULL ? NULL : filch_own(strdup(text));
}
FILCH_TASK(char *, copy, const char *);

static void submit_text(struct fuzz *fuzz) {
    char text[300], content[300], c = (char)fuzz_byte(fuzz);
    size_t length = fuzz_byte(fuzz), size = fuzz_byte(fuzz);
    fuzz_copy(fuzz, text, length);
    text[length] = '\0';
    length = strlen(text);
    fuzz_copy(fuzz, content, size);
    const char *given = length == 0 && c % 2 ? NULL : text, *copied = NULL;
    filch_future *joined = filch_submit(executor, join, given, ((filch_bytes){content, size}), c);
    filch_future *alone = filch_submit(executor, copy, given);
    filch_bytes result = {NULL, 0};
    CHECK_EQ(filch_result(joined, &result), FILCH_OK);
    CHECK_EQ(result.size, length + size + 1);
    const char *bytes = result.data;
    CHECK(memcmp(bytes, text, length) == 0 && memcmp(bytes + length, content, size) == 0);
    CHECK_EQ(bytes[length + size], c);
    CHECK_EQ(filch_result(alone, &copied), FILCH_OK);
    CHECK_STR_EQ(copied, given);
    filch_release(joined);
    filch_release(alone);
}

/* ---- many --------------------------------------------------------------------------------------------- */

struct item {
    unsigned char bytes[72]; /* more than a block has room for */
};

static struct item turn(struct item item) {
    struct item turned;
    for (size_t i = 0; i < sizeof item.bytes; i++)
        turned.bytes[i] = item.bytes[sizeof item.bytes - 1 - i];
    return turned;
}
FILCH_TASK(struct item, turn, struct item);

static signed char negate(signed char x) {
    return (signed char)~x;
}
FILCH_TASK(signed char, negate, signed char);

static bool fails(signed char x) {
    if (x == 77)
        filch_raise(x, "on purpose");
    return x > 0;
}
FILCH_TASK(bool, fails, signed char);

static struct item items[MOST_ITEMS];
static signed char small[MOST_ITEMS];

static void fill_items(struct fuzz *fuzz, size_t n) {
    unsigned char first = fuzz_byte(fuzz);
    for (size_t i = 0; i < n; i++) {
        small[i] = (signed char)(first + i * 3);
        memset(&items[i], (int)(first + i), sizeof items[i]);
        items[i].bytes[0] = (unsigned char)(i >> 8);
    }
}

static void check_next(filch_results *results, unsigned which, size_t given) {
    struct item turned = {{0}};
    signed char negative = 0;
    bool is_positive = false;
    filch_status status = which == 0   ? filch_results_next(results, &turned)
                          : which == 1 ? filch_results_next(results, &negative)
                                       : filch_results_next(results, &is_positive);
    size_t i = filch_results_index(results);
    CHECK(i < MOST_ITEMS);
    if (which == 2 && small[i] == 77) {
        CHECK_EQ(status, FILCH_FAILED);
        CHECK_EQ(filch_results_exception(results)->code, 77);
        return;
    }
    CHECK_MSG(status == FILCH_OK, "item %zu: %s", given, filch_status_name(status));
    if (which == 0)
        CHECK(turned.bytes[71] == items[i].bytes[0] && turned.bytes[0] == items[i].bytes[71]);
    else
        CHECK(which == 1 ? negative == (signed char)~small[i] : is_positive == (small[i] > 0));
}

static void map(struct fuzz *fuzz) {
    size_t n = fuzz_word(fuzz) % MOST_ITEMS, n_wanted = n;
    unsigned which = fuzz_byte(fuzz) % 3;
    uint8_t flags = fuzz_byte(fuzz);
    filch_map_options options = {.size = sizeof options, .unordered = flags & 1};
    options.chunksize = flags & 2 ? (int)fuzz_word(fuzz) : fuzz_byte(fuzz);
    options.buffersize = flags & 4 ? (int)fuzz_word(fuzz) : fuzz_byte(fuzz) / 16;
    if (flags & 8)
        n_wanted = fuzz_byte(fuzz) < n ? fuzz_byte(fuzz) : n; /* left early */
    fill_items(fuzz, n);
    filch_results *results = which == 0   ? FILCH_MAP_WITH(executor, turn, items, n, &options)
                             : which == 1 ? FILCH_MAP_WITH(executor, negate, small, n, &options)
                                          : FILCH_MAP_WITH(executor, fails, small, n, &options);
    if (results == NULL) {
        CHECK(options.chunksize < 0 || options.buffersize < 0);
        check_refusal(filch_error_status(), "filch_map");
        return;
    }
    for (size_t i = 0; i < n_wanted && i < n; i++)
        check_next(results, which, i);
    if (n_wanted == n)
        CHECK_EQ(filch_results_skip(results), FILCH_END);
    filch_results_close(results);
}

static void submit_many(struct fuzz *fuzz) {
    static filch_future *futures[MOST_ITEMS];
    size_t n = fuzz_word(fuzz) % MOST_ITEMS;
    fill_items(fuzz, n);
    CHECK_EQ(filch_submit_many(executor, negate, small, n, futures), FILCH_OK);
    for (size_t i = 0; i < n; i++) {
        signed char value;
        CHECK(filch_result(futures[i], &value) == FILCH_OK && value == (signed char)~small[i]);
        filch_release(futures[i]);
    }
}

static atomic_int visits[MOST_ITEMS];
static size_t first_index;

static void visit(size_t begin, size_t end, void *arg) {
    (void)arg;
    for (size_t i = begin; i < end; i++)
        atomic_fetch_add(&visits[i - first_index], 1);
}

static void loop(struct fuzz *fuzz) {
    fuzz_copy(fuzz, &first_index, sizeof first_index);
    size_t n = fuzz_word(fuzz) % MOST_ITEMS;
    for (size_t i = 0; i < n; i++)
        atomic_store(&visits[i], 0);
    filch_status status = filch_for(executor, first_index, first_index + n, visit, NULL);
    if (first_index + n < first_index) {
        check_refusal(status, "filch_for");
        return;
    }
    CHECK_EQ(status, FILCH_OK);
    for (size_t i = 0; i < n; i++)
        CHECK_EQ(atomic_load(&visits[i]), 1);
}

static void share(struct fuzz *fuzz) {
    size_t size = fuzz_size(fuzz), wrong;
    fuzz_copy(fuzz, &wrong, sizeof wrong);
    unsigned char *memory = filch_shared_alloc(executor, size);
    if (memory == NULL) {
        CHECK_GT(size, 1 << 20);
        check_refusal(filch_error_status(), "filch_shared_alloc");
        return;
    }
    CHECK_EQ((uintptr_t)memory % 64, 0);
    CHECK(filch_shared_contains(executor, memory + (size == 0 ? 0 : size - 1)));
    CHECK(!filch_shared_contains(executor, &size));
    if (size < 1 << 20)
        memset(memory, 1, size);
    if (wrong % 64 != 0) /* no such memory, wherever that is */
        filch_shared_free(executor, (void *)(uintptr_t)wrong);
    filch_shared_free(executor, memory);
}

static filch_executor *pools[2];

static void close_pools(void) {
    filch_close(pools[0]);
    filch_close(pools[1]);
}

/* Of threads, and of threads that stand in for processes: a sanitizer follows them. */
static void open_pools(void) {
    pools[0] = filch_thread_pool(.max_workers = 2);
    pools[1] = filch_process_pool(.max_workers = 2, .start_method = FILCH_THREADS,
                                  .memory = (size_t)8 << 20);
    CHECK(pools[0] != NULL && pools[1] != NULL);
    CHECK_EQ(atexit(close_pools), 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (pools[0] == NULL)
        open_pools();
    struct fuzz fuzz = {data, size};
    for (int i = 0; i < MOST_CALLS && fuzz.left > 0; i++) {
        static void (*const calls[])(struct fuzz *) = {submit_raw,  submit_text, map,
                                                       submit_many, loop,        share};
        uint8_t choice = fuzz_byte(&fuzz);
        executor = pools[choice >> 7];
        calls[choice % 6](&fuzz);
    }
    return 0;
}
