/* executor/modules.c: dl_iterate_phdr, at the opening and now. */
#include "executor/modules.h"

#include "base/cc.h"
#include "base/status.h"
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

enum { ID_BYTES = 20 };

/* A module, as far as it can be told from another one at the same address. */
struct module {
    uintptr_t start, end; /* of all that is loaded of it */
    size_t name_at;       /* in `names` */
    size_t id_bytes;
    unsigned char id[ID_BYTES]; /* its build id */
};

struct modules {
    unsigned long long n_added, n_removed; /* since the program began */
    size_t n, n_room;
    struct module *all;
    char *names;
    size_t names_bytes;
    bool is_whole;
};

/* What was accepted last on this thread. */
static THREAD_LOCAL struct {
    uint64_t serial;
    const void *address;
} accepted;

static void read_id(const struct dl_phdr_info *info, const ElfW(Phdr) * header,
                    struct module *module) {
    const char *at = (const char *)info->dlpi_addr + header->p_vaddr;
    const char *end = at + header->p_memsz;
    while (end - at >= (ptrdiff_t)sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) note;
        memcpy(&note, at, sizeof note);
        const char *name = at + sizeof note;
        const char *bytes = name + round_up(note.n_namesz, 4);
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(name, "GNU", 4) == 0 &&
            (ptrdiff_t)note.n_descsz <= end - bytes) {
            module->id_bytes = note.n_descsz < ID_BYTES ? note.n_descsz : ID_BYTES;
            memcpy(module->id, bytes, module->id_bytes);
            return;
        }
        at = bytes + round_up(note.n_descsz, 4);
    }
}

static struct module read_module(const struct dl_phdr_info *info) {
    struct module module = {.start = UINTPTR_MAX};
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + header->p_vaddr, end = start + header->p_memsz;
        if (header->p_type == PT_LOAD) {
            module.start = start < module.start ? start : module.start;
            module.end = end > module.end ? end : module.end;
        } else if (header->p_type == PT_NOTE && module.id_bytes == 0) {
            read_id(info, header, &module);
        }
    }
    return module;
}

/* Is the address in what a segment maps, and not in a hole between two? */
static bool is_in_segment(const struct dl_phdr_info *info, uintptr_t address) {
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type == PT_LOAD &&
            address - (info->dlpi_addr + header->p_vaddr) < header->p_memsz)
            return true;
    }
    return false;
}

static bool has_room(struct modules *modules, size_t name_bytes) {
    if (modules->n == modules->n_room) {
        size_t n_room = modules->n_room == 0 ? 16 : 2 * modules->n_room;
        struct module *all = realloc(modules->all, n_room * sizeof *all);
        if (all == NULL)
            return false;
        modules->all = all;
        modules->n_room = n_room;
    }
    char *names = realloc(modules->names, modules->names_bytes + name_bytes);
    if (names == NULL)
        return false;
    modules->names = names;
    return true;
}

static int note_module(struct dl_phdr_info *info, size_t size, void *arg) {
    struct modules *modules = arg;
    (void)size;
    size_t name_bytes = strlen(info->dlpi_name) + 1;
    modules->is_whole = has_room(modules, name_bytes);
    if (!modules->is_whole)
        return 1;
    struct module module = read_module(info);
    module.name_at = modules->names_bytes;
    memcpy(modules->names + modules->names_bytes, info->dlpi_name, name_bytes);
    modules->names_bytes += name_bytes;
    modules->all[modules->n++] = module;
    modules->n_added = info->dlpi_adds;
    modules->n_removed = info->dlpi_subs;
    return 0;
}

struct modules *filchi_modules_open(void) {
    struct modules *modules = calloc(1, sizeof *modules);
    if (modules == NULL)
        return NULL;
    modules->is_whole = true;
    dl_iterate_phdr(note_module, modules);
    if (modules->is_whole)
        return modules;
    filchi_modules_close(modules);
    errno = ENOMEM;
    return NULL;
}

void filchi_modules_close(struct modules *modules) {
    if (modules == NULL)
        return;
    free(modules->all);
    free(modules->names);
    free(modules);
}

static const struct module *find_module(const struct modules *modules, uintptr_t address) {
    for (size_t i = 0; i < modules->n; i++)
        if (address >= modules->all[i].start && address < modules->all[i].end)
            return &modules->all[i];
    return NULL;
}

/* What is loaded at an address now. */
struct lookup {
    const struct modules *modules;
    uintptr_t address;
    bool is_loaded; /* something is there, */
    bool was_there; /* and it was when the pool was opened */
    char name[128]; /* of its file */
};

static bool is_same(const struct modules *modules, const struct module *then,
                    const struct dl_phdr_info *info) {
    struct module now = read_module(info);
    return then->start == now.start && then->end == now.end && then->id_bytes == now.id_bytes &&
           memcmp(then->id, now.id, now.id_bytes) == 0 &&
           strcmp(modules->names + then->name_at, info->dlpi_name) == 0;
}

static int look_up(struct dl_phdr_info *info, size_t size, void *arg) {
    struct lookup *lookup = arg;
    (void)size;
    if (!is_in_segment(info, lookup->address))
        return 0;
    const struct modules *modules = lookup->modules;
    const struct module *then = find_module(modules, lookup->address);
    lookup->is_loaded = true;
    lookup->was_there =
        then != NULL &&
        ((info->dlpi_adds == modules->n_added && info->dlpi_subs == modules->n_removed) ||
         is_same(modules, then, info));
    const char *slash = strrchr(info->dlpi_name, '/');
    const char *name = slash != NULL ? slash + 1 : info->dlpi_name;
    strncpy(lookup->name, name, sizeof lookup->name - 1);
    return 1;
}

static filch_status check_address(const char *function, const struct pool *pool, const char *name,
                                  const char *what, uintptr_t address) {
    struct lookup lookup = {.modules = pool->modules, .address = address};
    dl_iterate_phdr(look_up, &lookup);
    if (lookup.was_there)
        return FILCH_OK;
    if (lookup.is_loaded)
        return filchi_fail(FILCH_INVALID,
                           "%s: task '%s': its module %s was loaded after the pool was opened, so "
                           "the workers do not have it; load it before, or open the pool later",
                           function, name, lookup.name);
    return filchi_fail(FILCH_INVALID,
                       "%s: task '%s': %s lies in no loaded module, so the workers do not have it; "
                       "%s",
                       function, name, what,
                       strcmp(what, "its filch_task_type") == 0 ? "give it static storage"
                                                                : "submit a compiled function");
}

static bool is_accepted(const struct pool *pool, const void *address) {
    return accepted.address == address && accepted.serial == pool->serial;
}

static void accept(const struct pool *pool, const void *address) {
    accepted.address = address;
    accepted.serial = pool->serial;
}

filch_status filchi_modules_check_type(const char *function, struct pool *pool,
                                       const filch_task_type *type) {
    if (pool->modules == NULL || is_accepted(pool, type))
        return FILCH_OK;
    filch_status status =
        check_address(function, pool, type->name, "its filch_task_type", (uintptr_t)type);
    if (status == FILCH_OK)
        status = check_address(function, pool, type->name, "its function", (uintptr_t)type->run);
    if (status == FILCH_OK && type->run_many != NULL)
        status =
            check_address(function, pool, type->name, "its function", (uintptr_t)type->run_many);
    if (status == FILCH_OK)
        accept(pool, type);
    return status;
}

filch_status filchi_modules_check_code(const char *function, struct pool *pool, const char *name,
                                       void (*fn)(void)) {
    const void *address = (const void *)(uintptr_t)fn;
    if (pool->modules == NULL || is_accepted(pool, address))
        return FILCH_OK;
    filch_status status = check_address(function, pool, name, "its function", (uintptr_t)fn);
    if (status == FILCH_OK)
        accept(pool, address);
    return status;
}
