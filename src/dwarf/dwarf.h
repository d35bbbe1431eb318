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

/*
 * Sections of records, "inlay_route" and so on, each of struct
 * inlay_route_record and so on; F: the record begins with a function, which is
 * the module's even if it is static.
 */
/* clang-format off */
#define INLAY_SECTIONS(F, X)                                                   \
    X(api) F(route) F(default) F(status) F(trait) F(source) X(constraint)      \
    F(check) F(provide) F(guard) X(layer) F(note) X(query)
/* clang-format on */

enum inlay_section_id {
#define INLAY_SECTION_ENUM_(name) INLAY_SECTION_##name,
    INLAY_SECTIONS(INLAY_SECTION_ENUM_, INLAY_SECTION_ENUM_)
#undef INLAY_SECTION_ENUM_
        INLAY_SECTION_COUNT
};

/*
 * A place that asks a database: a variable in section "inlay_query". Types may
 * be UNSUPPORTED, or have parts that are.
 */
struct inlay_site {
    uint64_t address; /* in the file */
    const struct inlay_type *row;
    const struct inlay_type **args; /* the first one first */
    size_t nargs;                   /* at most INLAY_QUERY_ARGS */
};

struct inlay_debug {
    /*
     * Exported functions of the module's own sources and functions that a
     * record names, in order of declaration (file, line, name). Functions
     * that can't be called are in it too, with their reason. `entry`,
     * fallbacks and docs are not filled in here, but fallback of OPTIONAL
     * parameters is (zeroed memory), and docs that the file carries.
     */
    struct inlay_func *funcs;
    size_t nfuncs;
    /*
     * It has a section ".inlay_docs" ("function\0doc\0function\0doc\0…"):
     * docs are filled in, the sources need not be there.
     */
    bool documented;
    struct inlay_section sections[INLAY_SECTION_COUNT];
    /* What functions of the idiom make; their HANDLE types point here. */
    struct inlay_object *objects;
    size_t nobjects;
    struct inlay_site *sites; /* ascending address, no two equal */
    size_t nsites;
};

/*
 * Reads `path`. `root` is the folder of the module's own sources: functions
 * declared elsewhere are not the module's. Errors: INLAY_ERROR_IMPORT with a
 * message that says what is wrong with the file (no debug information,
 * built with -g1, not an ELF file of this machine…).
 * When `root` or a source does not exist (an object that was built elsewhere,
 * with -ffile-prefix-map), their paths are compared as they are written.
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

/*
 * Which line of which source file an address belongs to, for crash reports:
 * a table that is plain data, so that a signal handler may search it. An
 * entry counts up to the next one's address.
 */
struct inlay_line {
    uint64_t address; /* in the file (add the load base) */
    uint32_t line;    /* 0: code of other files, or none, begins here */
    uint32_t file;    /* index in `files` */
};

/* A piece of a function's code; a function can have several. */
struct inlay_code {
    uint64_t begin, end; /* in the file */
    struct inlay_str name;
    bool is_inlined; /* lies within a piece of the function it is part of */
};

struct inlay_lines {
    const struct inlay_line *items; /* ascending address, no two equal */
    size_t count;
    const struct inlay_code *codes; /* ascending begin, then descending end */
    size_t ncodes;
    const struct inlay_str *files; /* absolute; NUL-terminated */
    size_t nfiles;
};

/*
 * Reads the line tables and functions of the shared object `path`; only those
 * of sources under `root` (as in inlay_dwarf_read) are kept. None is no error:
 * the table is empty then. Errors: INLAY_ERROR_IMPORT, memory. Everything
 * lives in the arena. Any thread.
 */
struct inlay_error *inlay_dwarf_lines(const char *path,
                                      struct inlay_str root,
                                      struct inlay_arena *arena,
                                      struct inlay_lines *ret);

/*
 * The entry for `address`; where code of other files was inlined, the last
 * own one before it, from `begin` (of the function) on. NULL: there is none.
 * Of a caller's frame ask for its return address - 1. Safe in signal handlers.
 */
const struct inlay_line *inlay_lines_find(const struct inlay_lines *lines,
                                          uint64_t begin,
                                          uint64_t address);

/*
 * The functions that `address` belongs to: the innermost inlined one first,
 * the one with the code last. Returns how many, at most `most`. Safe in
 * signal handlers.
 */
size_t inlay_codes_find(const struct inlay_lines *lines,
                        uint64_t address,
                        const struct inlay_code *ret[],
                        size_t most);

#endif
