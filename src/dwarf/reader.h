/*
 * reader.h - inside dwarf/: the state of one inlay_dwarf_read, shared by its
 * steps. elf.c says what is wanted, units.c finds the DIE of each, funcs.c
 * and types.c turn those into the waist.
 */
#ifndef INLAY_DWARF_READER_H
#define INLAY_DWARF_READER_H

#include <elfutils/libdw.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "dwarf/dwarf.h"

/* How well a DIE describes a wanted function; the best one counts. */
enum inlay_match {
    INLAY_MATCH_NONE,
    INLAY_MATCH_ADDRESS, /* code is there, the name differs: an alias */
    INLAY_MATCH_NAME,    /* no code of its own: folded into an equal twin */
    INLAY_MATCH_BOTH,
};

struct inlay_wanted {
    uint64_t address;
    const char *name; /* of the symbol; NULL: only a record names it */
    bool recorded;    /* a record names it */
    bool provides;    /* one of INLAY_PROVIDE or INLAY_STATE */
    enum inlay_match match;
    Dwarf_Die die; /* unless match is NONE */
};

/* One source file as a unit names it, and what it is on this machine. */
struct inlay_file {
    struct inlay_file *next;
    const char *raw; /* libdw's string: its address is the key */
    struct inlay_str path;
    bool own;       /* under the module's root */
    uint32_t index; /* in a table of lines; UINT32_MAX: it is not */
};

/* The language of a unit, as far as it makes a difference. */
enum inlay_language {
    INLAY_LANGUAGE_C,
    INLAY_LANGUAGE_CXX,
    INLAY_LANGUAGE_RUST,
    INLAY_LANGUAGE_OTHER,
};

struct inlay_compound;
struct inlay_scalar;
struct inlay_later;
struct inlay_idiom;
struct inlay_given;

struct inlay_reader {
    const char *path;
    /* No slash at the end; NULL: every file is own. As written, as it is. */
    const char *root, *real_root;
    struct inlay_arena *arena;  /* the caller's: what outlives the reading */
    struct inlay_arena scratch; /* what does not */
    struct inlay_debug *debug;

    int fd;
    Elf *elf;
    Dwarf *dwarf; /* NULL: there is none, and nothing is wanted */

    struct inlay_wanted *wanted; /* ascending address, then name */
    size_t nwanted;
    struct inlay_file *files, *recent; /* all; the one asked for last */
    struct inlay_str docs; /* section ".inlay_docs"; NULL: it has none */
    Dwarf_CU *unit;        /* whose language this is */
    enum inlay_language language;

    /* types.c: compound types by DIE, scalars by kind, size and name */
    struct inlay_compound **table;
    size_t table_size, table_count;
    struct inlay_scalar *scalars;
    struct inlay_later *later;  /* elements still to be resolved */
    struct inlay_given *given;  /* provided.c: structs that providers return */
    struct inlay_idiom *idioms; /* objects.c: structs that are objects */
    uint32_t mark;              /* of the newest search through types */

    bool typed;      /* a unit has types: it is not -g1 */
    bool prototyped; /* a function has a prototype */
    /*
     * Steps through debug information that are still allowed: a sibling
     * chain of a broken file can be a ring.
     */
    uint64_t budget;
    struct inlay_error *error; /* what ended the reading early, or NULL */
};

/* read.c: begins a reading, ends it (whether or not it could begin). */
struct inlay_error *inlay_reader_open(struct inlay_reader *reader,
                                      const char *path,
                                      struct inlay_str root,
                                      struct inlay_arena *arena,
                                      struct inlay_debug *debug);
void inlay_reader_close(struct inlay_reader *reader);

/* elf.c: opens the file; symbols, record sections, functions in records. */
struct inlay_error *inlay_elf_open(struct inlay_reader *reader);
struct inlay_error *inlay_elf_list(struct inlay_reader *reader);
void inlay_elf_close(struct inlay_reader *reader);

/* units.c: is the debug information well-formed as far as libdw trusts it? */
struct inlay_error *inlay_units_check(struct inlay_reader *reader,
                                      Dwarf *dwarf);
/* Finds the DIE of every wanted function. */
struct inlay_error *inlay_units_match(struct inlay_reader *reader);

/* funcs.c: DIEs -> debug->funcs. */
struct inlay_error *inlay_funcs_build(struct inlay_reader *reader);

/* codes.c: appends the functions of a unit; the table of all of them. */
void inlay_codes_read(struct inlay_reader *reader,
                      Dwarf_Die *unit,
                      struct inlay_buf *codes);
struct inlay_error *inlay_codes_make(struct inlay_arena *arena,
                                     const struct inlay_buf *codes,
                                     struct inlay_lines *ret);

/* sites.c: the places that ask a database -> debug->sites. */
struct inlay_error *inlay_sites_build(struct inlay_reader *reader);

/* doc.c: the embedded docs of all functions. */
struct inlay_error *inlay_docs_apply(struct inlay_reader *reader);

/* Members of these types, and these typedefs, have a meaning. */
enum inlay_mark {
    INLAY_MARK_LEN = 1 << 0,   /* inlay_len: a slice */
    INLAY_MARK_OWNED = 1 << 1, /* inlay_owned: an array that owns its memory */
    INLAY_MARK_HAS = 1 << 2,   /* inlay_has: an optional */
    INLAY_MARK_TEXT = 1 << 3,  /* inlay_text */
    INLAY_MARK_HTML = 1 << 4,  /* inlay_html */
};

/* A type without its typedefs and qualifiers, and what those said. */
struct inlay_peeled {
    Dwarf_Die die;      /* unless is_void */
    const char *alias;  /* the outermost typedef's name, or NULL */
    const char *direct; /* the innermost typedef's name, or NULL */
    bool is_void, is_const, is_atomic;
    uint64_t align; /* what a typedef says; 0: nothing */
    unsigned marks; /* enum inlay_mark */
    bool broken;    /* no end in sight */
};

struct inlay_peeled inlay_die_peel(Dwarf_Die *die);

/* What is made once per DIE: all but scalars and arrays. */
struct inlay_compound {
    struct inlay_type type;
    const void *die;  /* the DIE's address in libdw: the key */
    unsigned variant; /* the key too: inlay_text has the DIE of inlay_str */
    uint32_t mark;    /* of the last search that came by */
    bool building;    /* its members are being resolved */
};

/* A new one has kind VOID. NULL when the reading must end. */
struct inlay_compound *inlay_compound_intern(struct inlay_reader *reader,
                                             const void *die,
                                             unsigned variant);

/* Where a type stands: some have only places of their own. */
enum inlay_position {
    INLAY_AT_PARAM,
    INLAY_AT_RESULT,
    INLAY_AT_FIELD,
    INLAY_AT_ITEM,   /* of a slice */
    INLAY_AT_OWNED,  /* of an array that owns its memory */
    INLAY_AT_VALUE,  /* of an optional */
    INLAY_AT_ARRAY,  /* of T[N] */
    INLAY_AT_TARGET, /* of a pointer */
    INLAY_AT_CALLBACK,
    INLAY_AT_CALLBACK_RESULT,
    INLAY_AT_ARGUMENT, /* of a statement: a value, not a declaration */
};

/*
 * types.c: the type of a DIE, NULL standing for void; UNSUPPORTED when it
 * can't stand there. NULL when the reading must end (reader->error). What
 * pointers, slices and arrays hold is filled in by inlay_types_finish, to be
 * called before a type is searched. `depth` is that of values in values.
 */
const struct inlay_type *inlay_types_resolve(struct inlay_reader *reader,
                                             Dwarf_Die *die,
                                             enum inlay_position at,
                                             int depth);
bool inlay_types_finish(struct inlay_reader *reader);

/* A type without a Python form; the reason is a printf format. */
const struct inlay_type *inlay_types_refuse(struct inlay_reader *reader,
                                            Dwarf_Die *die,
                                            const char *format,
                                            ...) inlay_printf(3, 4);

/* One type per kind, size and name. */
const struct inlay_type *inlay_types_scalar(struct inlay_reader *reader,
                                            enum inlay_kind kind,
                                            uint32_t size,
                                            const char *name);

/* inlay_types_finish resolves `elem` into owner->elem; NULL is void. */
void inlay_types_later(struct inlay_reader *reader,
                       struct inlay_type *owner,
                       Dwarf_Die *elem);

/* pointer.c: the type of a pointer DIE. */
const struct inlay_type *inlay_pointer_resolve(
    struct inlay_reader *reader,
    const struct inlay_peeled *peeled,
    enum inlay_position at);

/* Does a pointer DIE lead to something const? */
bool inlay_pointer_is_const(struct inlay_reader *reader, Dwarf_Die *die);

/* callback.c: makes `type` that of a pointer to a function; or refuses. */
const struct inlay_type *inlay_callback_fill(struct inlay_reader *reader,
                                             struct inlay_type *type,
                                             Dwarf_Die *pointer,
                                             Dwarf_Die *function);

/* array.c: the types of T[N] and of enums. */
const struct inlay_type *inlay_array_resolve(struct inlay_reader *reader,
                                             const struct inlay_peeled *peeled,
                                             int depth);
/* Gives an ARRAY a name made of its elements': "int[3]". */
bool inlay_array_name(struct inlay_reader *reader, struct inlay_type *type);
const struct inlay_type *inlay_enum_resolve(struct inlay_reader *reader,
                                            const struct inlay_peeled *peeled);

/* compound.c: the type of a struct DIE. */
const struct inlay_type *inlay_compound_resolve(
    struct inlay_reader *reader,
    const struct inlay_peeled *peeled,
    int depth);

/* Its tag, or the name that a typedef gives it; "" when it has none. */
struct inlay_str inlay_compound_name(struct inlay_reader *reader,
                                     const struct inlay_peeled *peeled);

/*
 * A struct or enum without a tag or typedef is named after its place:
 * "outer.part". Does nothing to other types. False: the reading must end.
 */
bool inlay_compound_name_after(struct inlay_reader *reader,
                               const struct inlay_type *type,
                               struct inlay_str owner,
                               const char *part);

/* foreign.c: why a struct is none that C could have; NULL: it could. */
const char *inlay_foreign_problem(struct inlay_reader *reader, Dwarf_Die *die);

/* layout.c: tells one layout of a struct from another; 0: incomplete. */
uint64_t inlay_die_layout(struct inlay_reader *reader, Dwarf_Die *die);

/* objects.c: what a DIE with a type points to; false when it is no struct with
 * a name. Its key is its tag, else its typedef's name; NULL: it has none. */
bool inlay_die_points_to(Dwarf_Die *die, struct inlay_peeled *ret);
const char *inlay_die_key(const struct inlay_peeled *peeled);

/*
 * provided.c: the structs that providers return, before functions are built;
 * is a (peeled) struct one of them; the INJECTED type of a pointer to it (NULL:
 * it is none, or reader->error); of a provider's result.
 */
bool inlay_provided_find(struct inlay_reader *reader);
bool inlay_provided_has(struct inlay_reader *reader,
                        const struct inlay_peeled *to);
const struct inlay_type *inlay_provided_pointer(struct inlay_reader *reader,
                                                Dwarf_Die *pointer,
                                                const struct inlay_peeled *to);
const struct inlay_type *inlay_provided_result(struct inlay_reader *reader,
                                               Dwarf_Die *function);

/*
 * objects.c: the structs T with T_new and T_free, before functions are built;
 * the one that a (peeled) struct is, NULL when it is none; what is made of
 * it, when debug->funcs is complete.
 */
bool inlay_objects_find(struct inlay_reader *reader);
const struct inlay_object *inlay_objects_of(struct inlay_reader *reader,
                                            const struct inlay_peeled *peeled);
bool inlay_objects_finish(struct inlay_reader *reader);

/* problem.c: the first type reached that has no Python form, and where. */
struct inlay_problem {
    const struct inlay_type *type;  /* UNSUPPORTED; NULL: there is none */
    const struct inlay_type *owner; /* the struct that has `field`, or NULL */
    const struct inlay_field *field;
    const struct inlay_type *of_callback; /* its parameter or result, or NULL */
    size_t callback_param;                /* from 1; 0: its result */
};

struct inlay_problem inlay_types_problem(struct inlay_reader *reader,
                                         const struct inlay_type *type);

/* die.c: reading one DIE. Attributes of an origin count as its own. */
bool inlay_die_step(struct inlay_reader *reader); /* false: budget used up */
/* Its children with that tag; each child is a step. */
size_t inlay_die_count(struct inlay_reader *reader, Dwarf_Die *die, int tag);
/* Of a function's or a function type's DIE. */
struct inlay_shape {
    size_t nparams;
    bool variadic;
};
struct inlay_shape inlay_die_shape(struct inlay_reader *reader,
                                   Dwarf_Die *function);
bool inlay_die_flag(Dwarf_Die *die, unsigned name);
bool inlay_die_number(Dwarf_Die *die, unsigned name, uint64_t *ret);
bool inlay_die_type(Dwarf_Die *die, Dwarf_Die *ret); /* false: void */
/* With -fdebug-types-section a type is elsewhere, by its signature. */
Dwarf_Die inlay_die_described(Dwarf_Die *die);
enum inlay_language inlay_die_language(struct inlay_reader *reader,
                                       Dwarf_Die *die);
/*
 * The DIE whose children are a function's parameters as written: of an
 * optimized copy that is its abstract origin.
 */
Dwarf_Die inlay_die_parameters(Dwarf_Die *die);
/* A source file as a unit of that folder names it; NULL: reading must end. */
struct inlay_file *inlay_file_find(struct inlay_reader *reader,
                                   const char *raw,
                                   const char *folder);
/* "/a/./b//../c/" -> "/a/c", in place; "/" -> "". */
void inlay_path_normalize(char *path);
struct inlay_source inlay_die_source(struct inlay_reader *reader,
                                     Dwarf_Die *die,
                                     bool *own_ret);
/* A copy of its name in the arena; "" when it has none. */
struct inlay_str inlay_die_name(struct inlay_reader *reader, Dwarf_Die *die);

/* spell.c: the type as it is written in C, cut at `size`; never fails. */
void inlay_die_spell(Dwarf_Die *die, char *buf, size_t size);

/* Ends the reading with "out of memory"; for failed allocations. */
void inlay_reader_no_memory(struct inlay_reader *reader);

#endif
