/* read.c - one reading of a shared object, from opening to closing it. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "dwarf/reader.h"

#include "base/banned.h"

#define SCRATCH_LIMIT ((size_t)256 << 20)
#define STEPS_MOST 20000000u

/*
 * The root as it is on this machine, and as it is written: a shipped object
 * names a folder that need not exist (-ffile-prefix-map).
 */
static struct inlay_error *resolve_root(struct inlay_reader *reader,
                                        struct inlay_str root)
{
    char real[PATH_MAX];

    if (!root.len)
        return NULL;
    struct inlay_str path = inlay_arena_copy(&reader->scratch, root);
    if (!path.ptr)
        return inlay_error_no_memory();
    inlay_path_normalize((char *)path.ptr);
    reader->root = reader->real_root = path.ptr;
    if (realpath(path.ptr, real)) {
        struct inlay_str copy =
            inlay_arena_copy(&reader->scratch, inlay_str_from(real));

        if (!copy.ptr)
            return inlay_error_no_memory();
        reader->real_root = copy.ptr;
    }
    return NULL;
}

struct inlay_error *inlay_reader_open(struct inlay_reader *reader,
                                      const char *path,
                                      struct inlay_str root,
                                      struct inlay_arena *arena,
                                      struct inlay_debug *debug)
{
    *reader = (struct inlay_reader){
        .path = path,
        .arena = arena,
        .debug = debug,
        .fd = -1,
        .budget = STEPS_MOST,
    };
    inlay_arena_init(&reader->scratch, SCRATCH_LIMIT);
    struct inlay_error *error = resolve_root(reader, root);

    return error ? error : inlay_elf_open(reader);
}

void inlay_reader_close(struct inlay_reader *reader)
{
    inlay_elf_close(reader);
    inlay_arena_deinit(&reader->scratch);
}

struct inlay_error *inlay_dwarf_read(const char *path,
                                     struct inlay_str root,
                                     struct inlay_arena *arena,
                                     struct inlay_debug *ret)
{
    struct inlay_debug debug = {0};
    struct inlay_reader reader;
    struct inlay_error *error;

    (void)((error = inlay_reader_open(&reader, path, root, arena, &debug)) ||
           (error = inlay_elf_list(&reader)) ||
           (error = inlay_units_match(&reader)) ||
           (error = inlay_funcs_build(&reader)) ||
           (error = inlay_sites_build(&reader)) ||
           (error = inlay_docs_apply(&reader)));
    inlay_reader_close(&reader);
    if (!error)
        *ret = debug;
    return error;
}
