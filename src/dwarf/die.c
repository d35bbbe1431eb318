/* die.c - reading one DIE, whatever form its attributes have. */
#include <dwarf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dwarf/reader.h"

#include "base/banned.h"

void inlay_reader_no_memory(struct inlay_reader *reader)
{
    if (!reader->error)
        reader->error = inlay_error_no_memory();
}

bool inlay_die_step(struct inlay_reader *reader)
{
    if (reader->budget && !reader->error) {
        reader->budget--;
        return true;
    }
    if (!reader->error)
        reader->error = inlay_error_create(
            INLAY_ERROR_IMPORT, "%s: debug information is too large or broken",
            reader->path);
    return false;
}

size_t inlay_die_count(struct inlay_reader *reader, Dwarf_Die *die, int tag)
{
    Dwarf_Die child;
    size_t count = 0;

    if (dwarf_child(die, &child))
        return 0;
    do {
        if (!inlay_die_step(reader))
            return 0;
        count += dwarf_tag(&child) == tag;
    } while (dwarf_siblingof(&child, &child) == 0);
    return count;
}

struct inlay_shape inlay_die_shape(struct inlay_reader *reader,
                                   Dwarf_Die *function)
{
    struct inlay_shape shape = {0, false};
    Dwarf_Die child;

    if (dwarf_child(function, &child))
        return shape;
    do {
        if (!inlay_die_step(reader))
            break;
        int tag = dwarf_tag(&child);
        shape.nparams += tag == DW_TAG_formal_parameter;
        shape.variadic |= tag == DW_TAG_unspecified_parameters;
    } while (dwarf_siblingof(&child, &child) == 0);
    return shape;
}

bool inlay_die_flag(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attribute;
    bool value = false;

    return dwarf_attr_integrate(die, name, &attribute) &&
           dwarf_formflag(&attribute, &value) == 0 && value;
}

/* An offset of old DWARF is an expression: DW_OP_plus_uconst N. */
static bool expression_number(Dwarf_Attribute *attribute, uint64_t *ret)
{
    Dwarf_Op *ops;
    size_t count;

    if (dwarf_getlocation(attribute, &ops, &count) || count != 1 ||
        ops[0].atom != DW_OP_plus_uconst)
        return false;
    *ret = ops[0].number;
    return true;
}

bool inlay_die_number(Dwarf_Die *die, unsigned name, uint64_t *ret)
{
    Dwarf_Attribute attribute;
    Dwarf_Word word;
    Dwarf_Sword sword;

    if (!dwarf_attr_integrate(die, name, &attribute))
        return false;
    switch (dwarf_whatform(&attribute)) {
    case DW_FORM_sdata:
    case DW_FORM_implicit_const:
        if (dwarf_formsdata(&attribute, &sword) || sword < 0)
            return false;
        *ret = (uint64_t)sword;
        return true;
    case DW_FORM_block:
    case DW_FORM_block1:
    case DW_FORM_block2:
    case DW_FORM_block4:
    case DW_FORM_exprloc:
        return expression_number(&attribute, ret);
    default:
        if (dwarf_formudata(&attribute, &word))
            return false;
        *ret = word;
        return true;
    }
}

bool inlay_die_type(Dwarf_Die *die, Dwarf_Die *ret)
{
    Dwarf_Attribute attribute;

    return dwarf_attr_integrate(die, DW_AT_type, &attribute) &&
           dwarf_formref_die(&attribute, ret);
}

Dwarf_Die inlay_die_described(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    Dwarf_Die found;

    return dwarf_attr(die, DW_AT_signature, &attribute) &&
                   dwarf_formref_die(&attribute, &found)
               ? found
               : *die;
}

Dwarf_Die inlay_die_parameters(Dwarf_Die *die)
{
    Dwarf_Die at = *die, origin;
    Dwarf_Attribute attribute;

    for (int hops = 0; hops < 8; hops++) {
        if (!dwarf_attr(&at, DW_AT_abstract_origin, &attribute) ||
            !dwarf_formref_die(&attribute, &origin))
            break;
        at = origin;
    }
    return at;
}

static enum inlay_language language_of(Dwarf_Die *die)
{
    Dwarf_Die unit;

    if (!dwarf_cu_die(die->cu, &unit, NULL, NULL, NULL, NULL, NULL, NULL))
        return INLAY_LANGUAGE_OTHER;
    switch (dwarf_srclang(&unit)) {
    case DW_LANG_C:
    case DW_LANG_C89:
    case DW_LANG_C99:
    case DW_LANG_C11:
    case 0x2c: /* DW_LANG_C17 */
    case 0x3e: /* DW_LANG_C23 */
        return INLAY_LANGUAGE_C;
    case DW_LANG_C_plus_plus:
    case DW_LANG_C_plus_plus_03:
    case DW_LANG_C_plus_plus_11:
    case DW_LANG_C_plus_plus_14:
    case 0x2b: /* DW_LANG_C_plus_plus_17 */
    case 0x2e: /* DW_LANG_C_plus_plus_20 */
    case 0x3a: /* DW_LANG_C_plus_plus_23 */
        return INLAY_LANGUAGE_CXX;
    case DW_LANG_Rust:
        return INLAY_LANGUAGE_RUST;
    default:
        return INLAY_LANGUAGE_OTHER;
    }
}

enum inlay_language inlay_die_language(struct inlay_reader *reader,
                                       Dwarf_Die *die)
{
    if (reader->unit != die->cu) {
        reader->unit = die->cu;
        reader->language = language_of(die);
    }
    return reader->language;
}

struct inlay_str inlay_die_name(struct inlay_reader *reader, Dwarf_Die *die)
{
    const char *name = dwarf_diename(die);

    if (!name || !*name)
        return INLAY_STR("");
    struct inlay_str copy =
        inlay_arena_copy(reader->arena, inlay_str_from(name));
    if (!copy.ptr)
        inlay_reader_no_memory(reader);
    return copy;
}

/*
 * The file's name as the line table has it, and the unit's folder. Not
 * dwarf_decl_file: libdw 0.188 answers NULL for index 0, which is the
 * primary file in DWARF 5.
 */
static const char *raw_file(Dwarf_Die *die, const char **folder_ret)
{
    Dwarf_Attribute attribute, folder;
    Dwarf_Word index;
    Dwarf_Die unit;
    Dwarf_Files *files;
    size_t count;

    if (!dwarf_attr_integrate(die, DW_AT_decl_file, &attribute) ||
        dwarf_formudata(&attribute, &index) ||
        !dwarf_cu_die(attribute.cu, &unit, NULL, NULL, NULL, NULL, NULL,
                      NULL) ||
        dwarf_getsrcfiles(&unit, &files, &count) || index >= count)
        return NULL;
    *folder_ret = dwarf_attr_integrate(&unit, DW_AT_comp_dir, &folder)
                      ? dwarf_formstring(&folder)
                      : NULL;
    return dwarf_filesrc(files, index, NULL, NULL);
}

void inlay_path_normalize(char *path)
{
    char *to = path;

    for (const char *at = path; *at;) {
        const char *end = strchrnul(at + 1, '/');
        size_t len = (size_t)(end - at);

        if (*at == '/' && (len == 1 || (len == 2 && at[1] == '.'))) {
            at = end; /* "//", "/." */
            continue;
        }
        if (len == 3 && memcmp(at, "/..", 3) == 0 && *path == '/') {
            while (to > path && *--to != '/')
                ;
            at = end;
            continue;
        }
        memmove(to, at, len);
        to += len;
        at = end;
    }
    *to = '\0';
}

static bool is_under(const char *path, const char *root)
{
    size_t len;

    if (!root)
        return true;
    len = strlen(root);
    return strncmp(path, root, len) == 0 && path[len] == '/';
}

static struct inlay_file *add_file(struct inlay_reader *reader,
                                   const char *raw,
                                   const char *folder)
{
    struct inlay_file *file =
        inlay_arena_new(&reader->scratch, struct inlay_file);
    char joined[PATH_MAX], real[PATH_MAX];
    bool joins = *raw != '/' && folder;
    int len = snprintf(joined, sizeof(joined), "%s%s%s", joins ? folder : "",
                       joins ? "/" : "", raw);
    const char *path = joined;

    if (!file) {
        inlay_reader_no_memory(reader);
        return NULL;
    }
    if (len < 0 || (size_t)len >= sizeof(joined))
        joined[0] = '\0'; /* nobody could open it */
    if (realpath(joined, real)) {
        path = real;
        file->own = is_under(real, reader->real_root);
    } else {
        inlay_path_normalize(joined);
        file->own = is_under(joined, reader->root) ||
                    is_under(joined, reader->real_root);
    }
    file->raw = raw;
    file->index = UINT32_MAX;
    file->path = inlay_arena_copy(reader->arena, inlay_str_from(path));
    if (!file->path.ptr) {
        inlay_reader_no_memory(reader);
        return NULL;
    }
    file->next = reader->files;
    reader->files = file;
    return file;
}

struct inlay_file *inlay_file_find(struct inlay_reader *reader,
                                   const char *raw,
                                   const char *folder)
{
    struct inlay_file *file = reader->recent;

    if (file && file->raw == raw)
        return file;
    for (file = reader->files; file && file->raw != raw; file = file->next)
        ;
    if (!file)
        file = add_file(reader, raw, folder);
    reader->recent = file;
    return file;
}

struct inlay_source inlay_die_source(struct inlay_reader *reader,
                                     Dwarf_Die *die,
                                     bool *own_ret)
{
    struct inlay_source source = {INLAY_STR(""), 0};
    const char *folder = NULL, *raw = raw_file(die, &folder);
    struct inlay_file *file;
    uint64_t line;

    if (own_ret)
        *own_ret = false;
    if (!raw || !*raw)
        return source;
    file = inlay_file_find(reader, raw, folder);
    if (!file)
        return source;
    source.file = file->path;
    if (inlay_die_number(die, DW_AT_decl_line, &line) && line <= UINT32_MAX)
        source.line = (uint32_t)line;
    if (own_ret)
        *own_ret = file->own;
    return source;
}
