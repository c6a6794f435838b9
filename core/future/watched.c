/* future/watched.c: slots, and a table with linear probing (Knuth 6.4, algorithm L). */
#include "future/watched.h"

#include <stdlib.h>
#include <string.h>

enum { LEAST = 16 };

static size_t hash(const filch_future *future) {
    return (size_t)(((uint64_t)(uintptr_t)future >> 7) * UINT64_C(0x9E3779B97F4A7C15) >> 20);
}

/* Where the table says it is, or where it would say so. */
static size_t find(const struct watched *watched, const filch_future *future) {
    size_t at = hash(future) & watched->mask;
    while (watched->table[at] != 0 && watched->slots[watched->table[at] - 1].future != future)
        at = (at + 1) & watched->mask;
    return at;
}

/* Fills an empty table. */
static void fill(struct watched *watched) {
    for (size_t i = 0; i < watched->n_slots; i++)
        if (watched->slots[i].future != NULL)
            watched->table[find(watched, watched->slots[i].future)] = i + 1;
    watched->n_used = watched->n_futures;
}

bool filchi_watched_reserve(struct watched *watched, size_t n) {
    if (n <= watched->capacity)
        return true;
    size_t capacity = watched->capacity == 0 ? LEAST : watched->capacity;
    while (capacity < n) {
        if (capacity > SIZE_MAX / 4 / sizeof(struct slot))
            return false;
        capacity *= 2;
    }
    size_t *table = calloc(2 * capacity, sizeof *table);
    struct slot *slots = table == NULL ? NULL : realloc(watched->slots, capacity * sizeof *slots);
    if (slots == NULL) {
        free(table);
        return false;
    }
    free(watched->table);
    watched->slots = slots;
    watched->capacity = capacity;
    watched->table = table;
    watched->mask = 2 * capacity - 1;
    fill(watched);
    return true;
}

size_t filchi_watched_put(struct watched *watched, filch_future *future, bool *is_new) {
    if (watched->n_used > watched->mask / 4 * 3) { /* most of it is of slots that were given */
        memset(watched->table, 0, (watched->mask + 1) * sizeof *watched->table);
        fill(watched);
    }
    size_t at = find(watched, future);
    *is_new = watched->table[at] == 0;
    if (!*is_new)
        return watched->table[at] - 1;
    size_t number = watched->first_free != 0 ? watched->first_free - 1 : watched->n_slots++;
    struct slot *slot = &watched->slots[number];
    if (watched->first_free != 0)
        watched->first_free = slot->next;
    *slot = (struct slot){.future = future};
    watched->table[at] = number + 1;
    watched->n_used++;
    watched->n_futures++;
    return number;
}

void filchi_watched_remove(struct watched *watched, size_t number) {
    watched->slots[number] = (struct slot){.next = watched->first_free};
    watched->first_free = number + 1;
    watched->n_futures--;
}

void filchi_watched_fini(struct watched *watched) {
    free(watched->slots);
    free(watched->table);
}
