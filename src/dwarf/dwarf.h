/*
 * dwarf.h - ELF and debug information of a shared object -> the waist. Cold
 * code; everything it returns lives in the caller's arena, libdw is closed
 * again before it returns. Rules and pitfalls: docs/dwarf.md.
 */
#ifndef INLAY_DWARF_DWARF_H
#define INLAY_DWARF_DWARF_H

#include "base/arena.h"
#include "base/error.h"
#include "type/type.h"

/* A section of records, by its address in the file (add the load base). */
struct inlay_section {
    uint64_t address;
    uint64_t size; /* 0: there is none */
};

struct inlay_debug {
    /*
     * Exported functions of the module's own sources and functions that a
     * record names, in order of declaration (file, line, name). Functions
     * that can't be called are in it too, with their reason. `entry`,
     * fallbacks and docs are not filled in here, but fallback of OPTIONAL
     * parameters is (zeroed memory).
     */
    struct inlay_func *funcs;
    size_t nfuncs;
    struct inlay_section api, route, defaults, status; /* "inlay_api", … */
    struct inlay_section trait;
    /* What functions of the idiom make; their HANDLE types point here. */
    struct inlay_object *objects;
    size_t nobjects;
};

/*
 * Reads `path`. `root` is the folder of the module's own sources: functions
 * declared elsewhere are not the module's. Errors: INLAY_ERROR_IMPORT with a
 * message that says what is wrong with the file (no debug information,
 * built with -g1, not an ELF file of this machine…).
 */
struct inlay_error *inlay_dwarf_read(const char *path,
                                     struct inlay_str root,
                                     struct inlay_arena *arena,
                                     struct inlay_debug *ret);

/*
 * The documentation comment above the function declared at file:line, comment
 * markers stripped; "" when there is none or the file can't be read.
 * `cache` keeps the last file read; inlay_doc_cache_deinit frees it.
 */
struct inlay_doc_cache {
    char *path, *text;
    const char **lines;
    size_t nlines;
};

struct inlay_str inlay_doc_find(struct inlay_doc_cache *cache,
                                const struct inlay_source *source,
                                struct inlay_arena *arena);
void inlay_doc_cache_deinit(struct inlay_doc_cache *cache);

#endif
