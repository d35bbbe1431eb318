/* read.c - one reading of a shared object, from opening to closing it. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "dwarf/reader.h"

#include "base/banned.h"

#define SCRATCH_LIMIT ((size_t)256 << 20)
#define STEPS_MOST 20000000u

/* Without a slash at the end; "/" becomes "". */
static struct inlay_error *resolve_root(struct inlay_reader *reader,
                                        struct inlay_str root,
                                        char *real)
{
    if (!root.len)
        return NULL;
    struct inlay_str path = inlay_arena_copy(&reader->scratch, root);
    if (!path.ptr)
        return inlay_error_no_memory();
    reader->root = realpath(path.ptr, real) ? real : (char *)path.ptr;
    for (size_t len = strlen(reader->root); len && reader->root[len - 1] == '/';
         len--)
        reader->root[len - 1] = '\0';
    return NULL;
}

struct inlay_error *inlay_dwarf_read(const char *path,
                                     struct inlay_str root,
                                     struct inlay_arena *arena,
                                     struct inlay_debug *ret)
{
    char real[PATH_MAX];
    struct inlay_debug debug = {0};
    struct inlay_reader reader = {
        .path = path,
        .arena = arena,
        .debug = &debug,
        .fd = -1,
        .budget = STEPS_MOST,
    };
    struct inlay_error *error;

    inlay_arena_init(&reader.scratch, SCRATCH_LIMIT);
    (void)((error = resolve_root(&reader, root, real)) ||
           (error = inlay_elf_open(&reader)) ||
           (error = inlay_units_match(&reader)) ||
           (error = inlay_funcs_build(&reader)));
    inlay_elf_close(&reader);
    inlay_arena_deinit(&reader.scratch);
    if (!error)
        *ret = debug;
    return error;
}
