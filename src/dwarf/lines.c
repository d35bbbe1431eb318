/*
 * lines.c - the line tables of a module's own sources as one sorted array.
 * A row of a table counts up to the next row of its sequence; where one ends
 * and no other begins, line 0 says that nothing is known.
 */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "dwarf/reader.h"

#include "base/banned.h"

#define ROWS_LIMIT ((size_t)64 << 20) /* bytes */

struct row {
    struct inlay_line line;
    bool is_end;
    uint32_t order; /* of two on one address the later one counts */
};

struct tables {
    struct inlay_reader *reader;
    struct inlay_buf rows, files, codes;
};

/* Does the unit belong to the module? Then its code is read. */
static bool unit_is_own(struct inlay_reader *reader, Dwarf_Die *unit)
{
    Dwarf_Attribute attribute;
    const char *name = dwarf_diename(unit), *folder = NULL;

    /* gcc's -flto has one unit for all sources: "<artificial>". */
    if (!reader->root || !name || *name == '<')
        return true;
    if (dwarf_attr_integrate(unit, DW_AT_comp_dir, &attribute))
        folder = dwarf_formstring(&attribute);
    const struct inlay_file *file = inlay_file_find(reader, name, folder);
    return file && file->own;
}

/* Every unit has names of its own for the same files. */
static bool number_file(struct tables *tables, struct inlay_file *file)
{
    const struct inlay_str *all =
        (const struct inlay_str *)(const void *)inlay_buf_view(&tables->files)
            .ptr;
    size_t count = inlay_buf_len(&tables->files) / sizeof(*all), i = 0;

    while (i < count && !inlay_str_equal(all[i], file->path))
        i++;
    if (i == count &&
        inlay_buf_append(&tables->files, &file->path, sizeof(file->path)) < 0) {
        inlay_reader_no_memory(tables->reader);
        return false;
    }
    file->index = (uint32_t)i;
    return true;
}

/* Index of a file of the module's own; UINT32_MAX of another one. */
static bool file_index(struct tables *tables,
                       const char *raw,
                       const char *folder,
                       uint32_t *ret)
{
    struct inlay_file *file = inlay_file_find(tables->reader, raw, folder);

    if (!file)
        return false;
    if (file->own && file->index == UINT32_MAX && !number_file(tables, file))
        return false;
    *ret = file->index;
    return true;
}

static bool add_row(struct tables *tables, Dwarf_Line *at, const char *folder)
{
    struct row row = {{0, 0, UINT32_MAX}, false, 0};
    const char *raw = dwarf_linesrc(at, NULL, NULL);
    int line = 0;

    if (!inlay_die_step(tables->reader))
        return false;
    if (dwarf_lineaddr(at, &row.line.address) ||
        dwarf_lineendsequence(at, &row.is_end) || dwarf_lineno(at, &line))
        return true;
    row.order = (uint32_t)(inlay_buf_len(&tables->rows) / sizeof(row));
    if (!row.is_end && raw && *raw &&
        !file_index(tables, raw, folder, &row.line.file))
        return false;
    if (row.line.file != UINT32_MAX && line > 0)
        row.line.line = (uint32_t)line;
    if (inlay_buf_append(&tables->rows, &row, sizeof(row)) < 0)
        inlay_reader_no_memory(tables->reader);
    return !tables->reader->error;
}

static void read_unit(struct tables *tables, Dwarf_Die *unit)
{
    Dwarf_Attribute attribute;
    Dwarf_Lines *lines;
    const char *folder = NULL;
    size_t count;

    if (dwarf_getsrclines(unit, &lines, &count))
        return;
    if (dwarf_attr_integrate(unit, DW_AT_comp_dir, &attribute))
        folder = dwarf_formstring(&attribute);
    for (size_t i = 0; i < count; i++) {
        if (!add_row(tables, dwarf_onesrcline(lines, i), folder))
            return;
    }
}

static int compare_rows(const void *left, const void *right)
{
    const struct row *a = left, *b = right;

    if (a->line.address != b->line.address)
        return a->line.address < b->line.address ? -1 : 1;
    if (a->is_end != b->is_end)
        return a->is_end ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

/* Rows, sorted, to the lines that tell something new. */
static size_t reduce(struct row *rows, size_t count, struct inlay_line *ret)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        struct inlay_line line = rows[i].line;

        if (i + 1 < count && rows[i + 1].line.address == line.address)
            continue;
        if (!line.line)
            line.file = 0;
        if (kept ? ret[kept - 1].line == line.line &&
                       ret[kept - 1].file == line.file
                 : !line.line)
            continue;
        ret[kept++] = line;
    }
    return kept;
}

static struct inlay_error *make_table(struct tables *tables,
                                      struct inlay_lines *ret)
{
    struct inlay_arena *arena = tables->reader->arena;
    size_t nrows = inlay_buf_len(&tables->rows) / sizeof(struct row);
    size_t nfiles = inlay_buf_len(&tables->files) / sizeof(struct inlay_str);
    struct inlay_str *files =
        inlay_arena_zalloc_array(arena, nfiles + 1, sizeof(*files));
    struct inlay_line *items =
        inlay_arena_zalloc_array(arena, nrows + 1, sizeof(*items));

    if (!files || !items)
        return inlay_error_no_memory();
    *ret = (struct inlay_lines){
        .items = items,
        .files = files,
        .nfiles = nfiles,
    };
    if (nfiles)
        memcpy(files, inlay_buf_view(&tables->files).ptr,
               nfiles * sizeof(*files));
    if (nrows) {
        struct row *rows = (struct row *)(void *)tables->rows.data;

        qsort(rows, nrows, sizeof(*rows), compare_rows);
        ret->count = reduce(rows, nrows, items);
    }
    return inlay_codes_make(arena, &tables->codes, ret);
}

static struct inlay_error *read_units(struct tables *tables)
{
    struct inlay_reader *reader = tables->reader;
    Dwarf_CU *unit = NULL, *next;
    Dwarf_Die die;
    uint8_t type;

    while (!reader->error && dwarf_get_units(reader->dwarf, unit, &next, NULL,
                                             &type, &die, NULL) == 0) {
        unit = next;
        if (!inlay_die_step(reader))
            break;
        if ((type == DW_UT_compile || type == DW_UT_skeleton) &&
            unit_is_own(reader, &die)) {
            read_unit(tables, &die);
            inlay_codes_read(reader, &die, &tables->codes);
        }
    }
    return inlay_take(reader->error);
}

struct inlay_error *inlay_dwarf_lines(const char *path,
                                      struct inlay_str root,
                                      struct inlay_arena *arena,
                                      struct inlay_lines *ret)
{
    struct inlay_debug debug = {0};
    struct inlay_reader reader;
    struct tables tables = {.reader = &reader};
    struct inlay_error *error =
        inlay_reader_open(&reader, path, root, arena, &debug);

    inlay_buf_init(&tables.rows, ROWS_LIMIT);
    inlay_buf_init(&tables.files, ROWS_LIMIT);
    inlay_buf_init(&tables.codes, ROWS_LIMIT);
    if (!error && reader.dwarf)
        error = inlay_units_check(&reader, reader.dwarf);
    if (!error && reader.dwarf)
        error = read_units(&tables);
    if (!error)
        error = make_table(&tables, ret);
    inlay_buf_deinit(&tables.rows);
    inlay_buf_deinit(&tables.files);
    inlay_buf_deinit(&tables.codes);
    inlay_reader_close(&reader);
    return error;
}

const struct inlay_line *inlay_lines_find(const struct inlay_lines *lines,
                                          uint64_t begin,
                                          uint64_t address)
{
    size_t low = 0, high = lines->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (lines->items[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    while (low-- > 0) {
        const struct inlay_line *line = &lines->items[low];

        if (line->line)
            return line;
        if (line->address <= begin)
            break;
    }
    return NULL;
}
