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
    enum inlay_match match;
    Dwarf_Die die; /* unless match is NONE */
};

/* One source file as a unit names it, and what it is on this machine. */
struct inlay_file {
    struct inlay_file *next;
    const char *raw; /* libdw's string: its address is the key */
    struct inlay_str path;
    bool own; /* under the module's root */
};

struct inlay_compound;
struct inlay_scalar;
struct inlay_later;

struct inlay_reader {
    const char *path;
    char *root; /* absolute, no slash at the end; NULL: every file is own */
    struct inlay_arena *arena;  /* the caller's: what outlives the reading */
    struct inlay_arena scratch; /* what does not */
    struct inlay_debug *debug;

    int fd;
    Elf *elf;
    Dwarf *dwarf; /* NULL: there is none, and nothing is wanted */

    struct inlay_wanted *wanted; /* ascending address, then name */
    size_t nwanted;
    struct inlay_file *files;

    /* types.c: compound types by DIE, scalars by kind, size and name */
    struct inlay_compound **table;
    size_t table_size, table_count;
    struct inlay_scalar *scalars;
    struct inlay_later *later; /* elements still to be resolved */
    uint32_t mark;             /* of the newest search through types */

    bool typed;      /* a unit has types: it is not -g1 */
    bool prototyped; /* a function has a prototype */
    /*
     * Steps through debug information that are still allowed: a sibling
     * chain of a broken file can be a ring.
     */
    uint64_t budget;
    struct inlay_error *error; /* what ended the reading early, or NULL */
};

/* elf.c: opens the file; symbols, record sections, functions in records. */
struct inlay_error *inlay_elf_open(struct inlay_reader *reader);
void inlay_elf_close(struct inlay_reader *reader);

/* units.c: finds the DIE of every wanted function. */
struct inlay_error *inlay_units_match(struct inlay_reader *reader);

/* funcs.c: DIEs -> debug->funcs. */
struct inlay_error *inlay_funcs_build(struct inlay_reader *reader);

/* A type without its typedefs and qualifiers, and what those said. */
struct inlay_peeled {
    Dwarf_Die die;      /* unless is_void */
    const char *alias;  /* the outermost typedef's name, or NULL */
    const char *direct; /* the innermost typedef's name, or NULL */
    bool is_void, is_const, is_atomic;
    uint64_t align;                  /* what a typedef says; 0: nothing */
    bool has_len_mark, has_has_mark; /* inlay_len, inlay_has */
    bool broken;                     /* no end in sight */
};

struct inlay_peeled inlay_die_peel(Dwarf_Die *die);

/* Structs, slices, optionals and inlay_str: made once per DIE. */
struct inlay_compound {
    struct inlay_type type;
    const void *die; /* the DIE's address in libdw: the key */
    uint32_t mark;   /* of the last search that came by */
    bool building;   /* its members are being resolved */
};

/*
 * types.c: the type of a DIE, NULL standing for void. NULL when the reading
 * must end (reader->error). Elements of slices are filled in by
 * inlay_types_finish, to be called before a type is searched.
 */
const struct inlay_type *inlay_types_resolve(struct inlay_reader *reader,
                                             Dwarf_Die *die);
bool inlay_types_finish(struct inlay_reader *reader);

/* The same for a value within another one: void is refused. */
const struct inlay_type *inlay_types_value(struct inlay_reader *reader,
                                           Dwarf_Die *die,
                                           int depth);

/* A type without a Python form; the reason is a printf format. */
const struct inlay_type *inlay_types_refuse(struct inlay_reader *reader,
                                            Dwarf_Die *die,
                                            const char *format,
                                            ...) inlay_printf(3, 4);

/* inlay_types_finish resolves `elem` into slice->elem; NULL is void. */
void inlay_types_later(struct inlay_reader *reader,
                       struct inlay_type *slice,
                       Dwarf_Die *elem);

/* compound.c: the type of a struct DIE. */
const struct inlay_type *inlay_compound_resolve(
    struct inlay_reader *reader,
    const struct inlay_peeled *peeled,
    int depth);

/*
 * A struct without a tag or typedef is named after its place: "outer.part".
 * Does nothing to other types. False: the reading must end.
 */
bool inlay_compound_name_after(struct inlay_reader *reader,
                               const struct inlay_type *type,
                               struct inlay_str owner,
                               const char *part);

/* problem.c: the first type reached that has no Python form, and where. */
struct inlay_problem {
    const struct inlay_type *type;  /* UNSUPPORTED; NULL: there is none */
    const struct inlay_type *owner; /* the struct that has `field`, or NULL */
    const struct inlay_field *field;
};

struct inlay_problem inlay_types_problem(struct inlay_reader *reader,
                                         const struct inlay_type *type);

/* die.c: reading one DIE. Attributes of an origin count as its own. */
bool inlay_die_step(struct inlay_reader *reader); /* false: budget used up */
bool inlay_die_flag(Dwarf_Die *die, unsigned name);
bool inlay_die_number(Dwarf_Die *die, unsigned name, uint64_t *ret);
bool inlay_die_type(Dwarf_Die *die, Dwarf_Die *ret); /* false: void */
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
