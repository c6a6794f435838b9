/* memory.c: extents of any size, taken and given back in any order, from a private or a shared arena: aligned, apart
 * from each other, found again by any address in them; and the arena is whole at the end. */
#include "fuzz.h"
#include "structures/extent.h"

enum { MOST = 64, ARENA_BYTES = 8 << 20, MOST_STEPS = 400 };

struct piece {
    unsigned char *at;
    size_t bytes;
    bool is_shared; /* the program's */
    unsigned char fill;
};

static struct piece pieces[MOST];
static size_t in_use; /* bytes of the pieces */

/* The first and the last page of it say that nobody else has written there. */
static void mark(const struct piece *piece) {
    size_t n = piece->bytes < 64 ? piece->bytes : 64;
    memset(piece->at, piece->fill, n);
    memset(piece->at + piece->bytes - n, piece->fill, n);
}

static void check_piece(const struct arena *arena, const struct piece *piece) {
    size_t n = piece->bytes < 64 ? piece->bytes : 64;
    for (size_t i = 0; i < n; i++)
        CHECK(piece->at[i] == piece->fill && piece->at[piece->bytes - 1 - i] == piece->fill);
    size_t bytes = 0, inside = piece->bytes == 0 ? 0 : piece->bytes - 1;
    void *found = filchi_extent_find_shared(arena, piece->at + inside, &bytes);
    CHECK_PTR_EQ(found, piece->is_shared ? piece->at : NULL);
    CHECK(!piece->is_shared || bytes >= piece->bytes);
}

static void take(struct extents *extents, struct piece *piece, size_t bytes, bool is_shared) {
    static unsigned char fill;
    unsigned char *at = filchi_extent_take(extents, bytes);
    if (at == NULL) {
        CHECK_MSG(bytes > CHUNK_BYTES || in_use > ARENA_BYTES / 4, "no memory for %zu bytes",
                  bytes);
        return;
    }
    in_use += bytes;
    CHECK_EQ((uintptr_t)at % 64, 0);
    CHECK_LE(bytes, ARENA_BYTES);
    *piece = (struct piece){at, bytes, is_shared, ++fill};
    mark(piece);
}

static void give(struct arena *arena, struct piece *piece) {
    check_piece(arena, piece);
    filchi_extent_give(arena, piece->at);
    piece->at = NULL;
    in_use -= piece->bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz fuzz = {data, size};
    bool is_shared = fuzz_byte(&fuzz) % 2 != 0;
    struct arena *arena =
        is_shared ? filchi_arena_open_shared(ARENA_BYTES) : filchi_arena_open(ARENA_BYTES);
    CHECK_NOT_NULL(arena);
    struct extents own, shared;
    filchi_extents_init(&own, arena);
    filchi_extents_init_shared(&shared, arena);
    for (int step = 0; fuzz.left > 0 && step < MOST_STEPS; step++) {
        uint8_t choice = fuzz_byte(&fuzz);
        struct piece *piece = &pieces[choice % MOST];
        if (piece->at != NULL)
            give(arena, piece);
        else
            take(choice >= 128 ? &shared : &own, piece, fuzz_size(&fuzz), choice >= 128);
    }
    for (int i = 0; i < MOST; i++)
        if (pieces[i].at != NULL)
            give(arena, &pieces[i]);
    char why[200] = "";
    CHECK_MSG(filchi_arena_is_valid(arena, why, sizeof why), "%s", why);
    filchi_arena_close(arena);
    return 0;
}
