/* records.c - finding records in memory, and the functions they name. */
#include "load/records.h"

#include <link.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/banned.h"

struct lookup {
    uintptr_t base, address;
    size_t size;
    uint32_t flags;
    bool found;
};

static int look_at_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct lookup *lookup = arg;

    (void)size;
    if (info->dlpi_addr != lookup->base)
        return 0;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t at = lookup->address - info->dlpi_addr - segment->p_vaddr;

        if (segment->p_type == PT_LOAD && at <= segment->p_memsz &&
            lookup->size <= segment->p_memsz - at &&
            (segment->p_flags & lookup->flags) == lookup->flags)
            lookup->found = true;
    }
    return 1;
}

bool inlay_module_contains(const struct inlay_module *module,
                           uintptr_t address,
                           size_t size,
                           uint32_t flags)
{
    struct lookup lookup = {
        .base = module->base,
        .address = address,
        .size = size,
        .flags = flags,
    };

    dl_iterate_phdr(look_at_object, &lookup);
    return lookup.found;
}

struct inlay_error *inlay_records_find(const struct inlay_module *module,
                                       const struct inlay_section *section,
                                       size_t size,
                                       struct inlay_records *ret)
{
    uintptr_t address = module->base + section->address;

    if (section->size % size || address % 8 ||
        (section->size &&
         !inlay_module_contains(module, address, section->size, PF_R)))
        return inlay_error_create(INLAY_ERROR_IMPORT,
                                  "%.*s: its records are of another inlay.h: "
                                  "compile it again",
                                  inlay_str_arg(module->path));
    ret->items = (const void *)address;
    ret->count = section->size / size;
    return NULL;
}

static bool is_same_function(const struct inlay_func *a,
                             const struct inlay_func *b)
{
    return a->decl.line == b->decl.line &&
           inlay_str_equal(a->decl.file, b->decl.file);
}

struct inlay_error *inlay_records_function(const struct inlay_module *module,
                                           void (*function)(void),
                                           struct inlay_callable **ret)
{
    struct inlay_callable *found = NULL;

    for (size_t i = 0; i < module->ncallables; i++) {
        struct inlay_callable *at = &module->callables[i];

        if (at->func->entry != (void *)function)
            continue;
        if (!found)
            found = at;
        else if (!is_same_function(found->func, at->func))
            return inlay_error_create(
                INLAY_ERROR_IMPORT,
                "%.*s and %.*s were folded into one function: compile with "
                "-fno-ipa-icf",
                inlay_str_arg(found->func->name),
                inlay_str_arg(at->func->name));
    }
    if (!found)
        return inlay_error_create(INLAY_ERROR_IMPORT,
                                  "the function is not one of this module, or "
                                  "has no debug information");
    if (!found->plan)
        return inlay_error_create(INLAY_ERROR_IMPORT,
                                  "%.*s can't be called: %.*s",
                                  inlay_str_arg(found->func->name),
                                  inlay_str_arg(found->func->reason));
    *ret = found;
    return NULL;
}

int inlay_records_order(const struct inlay_source *a,
                        const struct inlay_source *b)
{
    size_t len = inlay_min(a->file.len, b->file.len);
    int order = len ? memcmp(a->file.ptr, b->file.ptr, len) : 0;

    if (order)
        return order;
    if (a->file.len != b->file.len)
        return a->file.len < b->file.len ? -1 : 1;
    return (a->line > b->line) - (a->line < b->line);
}

struct inlay_error *inlay_records_error(struct inlay_error *error,
                                        const char *file,
                                        uint32_t line,
                                        const char *what)
{
    struct inlay_error *whole;

    if (error->code != INLAY_ERROR_IMPORT)
        return error;
    whole = inlay_error_create(error->code, "%s:%u: %s: %s",
                               file ? file : "unknown file", line, what,
                               error->message);
    inlay_error_destroy(error);
    return whole;
}

struct inlay_error *inlay_records_wrong(const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return inlay_error_create(INLAY_ERROR_IMPORT, "%s", text);
}
