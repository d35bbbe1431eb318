#include "look.h"

#include <stdio.h>
#include <stdlib.h>

#define DEPTH_MOST 5

static void require(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "not so: %s\n", what);
    abort();
}
#define REQUIRE(condition) require((condition), #condition)

static volatile uint64_t sum; /* so that every byte is read */

static void look_at_text(struct inlay_str text)
{
    sum += inlay_str_hash(text);
}

static void look_at_type(const struct inlay_type *type, int depth);

static void look_at_fields(const struct inlay_type *type, int depth)
{
    for (size_t i = 0; i < type->nfields; i++) {
        look_at_text(type->fields[i].name);
        look_at_text(type->fields[i].decl.file);
        look_at_type(type->fields[i].type, depth + 1);
    }
}

/* Whatever the function's reason says: all of it can be read. */
static void look_at_type(const struct inlay_type *type, int depth)
{
    look_at_text(type->name);
    look_at_text(type->decl.file);
    if (depth > DEPTH_MOST)
        return;
    switch (type->kind) {
    case INLAY_KIND_SLICE:
    case INLAY_KIND_OWNED:
    case INLAY_KIND_OPTIONAL:
    case INLAY_KIND_ARRAY:
    case INLAY_KIND_POINTER:
        look_at_type(type->elem, depth + 1);
        break;
    case INLAY_KIND_STRUCT:
        look_at_fields(type, depth);
        break;
    case INLAY_KIND_ENUM:
        for (size_t i = 0; i < type->nmembers; i++)
            look_at_text(type->members[i].name);
        break;
    case INLAY_KIND_CALLBACK:
        look_at_type(type->signature->result, depth + 1);
        for (size_t i = 0; i < type->signature->nparams; i++) {
            look_at_text(type->signature->names[i]);
            look_at_type(type->signature->params[i], depth + 1);
        }
        break;
    case INLAY_KIND_HANDLE:
        look_at_text(type->object->name);
        break;
    case INLAY_KIND_STR:
        look_at_text(type->media);
        break;
    case INLAY_KIND_UNSUPPORTED:
        look_at_text(type->reason);
        break;
    case INLAY_KIND_VOID:
    case INLAY_KIND_BOOL:
    case INLAY_KIND_INT:
    case INLAY_KIND_UINT:
    case INLAY_KIND_FLOAT:
    case INLAY_KIND_CHAR:
    case INLAY_KIND_CSTR:
    case INLAY_KIND_BYTES:
    case INLAY_KIND_DATE:
    case INLAY_KIND_DATETIME:
    case INLAY_KIND_UUID:
    case INLAY_KIND_CHARS:
    case INLAY_KIND_OBJECT:
    case INLAY_KIND_USERDATA:
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_ARROW_SCHEMA:
    case INLAY_KIND_INJECTED:
    case INLAY_KIND_UPLOAD:
        break;
    }
}

static void check_value(const struct inlay_type *type, int depth);

static void check_within(const struct inlay_type *type,
                         const struct inlay_type *inner,
                         uint32_t offset,
                         int depth)
{
    check_value(inner, depth + 1);
    REQUIRE(inner->size > 0);
    REQUIRE((uint64_t)offset + inner->size <= type->size);
    REQUIRE(offset % inner->align == 0);
}

static void check_fields(const struct inlay_type *type, int depth)
{
    uint64_t end = 0;

    REQUIRE(type->nfields > 0);
    for (size_t i = 0; i < type->nfields; i++) {
        const struct inlay_field *field = &type->fields[i];

        REQUIRE(field->name.len > 0);
        REQUIRE(field->offset >= end);
        check_within(type, field->type, field->offset, depth);
        end = (uint64_t)field->offset + field->type->size;
    }
}

static void check_signature(const struct inlay_type *type, int depth)
{
    size_t userdata = 0;

    REQUIRE(type->signature->result->kind != INLAY_KIND_UNSUPPORTED);
    for (size_t i = 0; i < type->signature->nparams; i++) {
        check_value(type->signature->params[i], depth + 1);
        userdata += type->signature->params[i]->kind == INLAY_KIND_USERDATA;
    }
    REQUIRE(userdata <= 1);
}

/* What a callable function's types promise to those who convert. */
static void check_value(const struct inlay_type *type, int depth)
{
    REQUIRE(type->align >= 1 && type->align <= 16);
    REQUIRE((type->align & (type->align - 1)) == 0);
    REQUIRE(type->size % type->align == 0);
    REQUIRE(type->kind == INLAY_KIND_VOID || type->size > 0);
    if (depth > DEPTH_MOST)
        return;
    switch (type->kind) {
    case INLAY_KIND_UNSUPPORTED:
        REQUIRE(!"an unsupported type in a callable function");
        break;
    case INLAY_KIND_OPTIONAL:
        REQUIRE(type->has_offset < type->size);
        check_within(type, type->elem, type->value_offset, depth);
        break;
    case INLAY_KIND_SLICE:
    case INLAY_KIND_OWNED:
        REQUIRE(type->size == 16);
        REQUIRE(type->ptr_offset + type->len_offset == 8);
        REQUIRE(type->elem->size > 0);
        check_value(type->elem, depth + 1);
        break;
    case INLAY_KIND_ARRAY:
        REQUIRE(type->count > 0);
        REQUIRE((uint64_t)type->count * type->elem->size == type->size);
        check_value(type->elem, depth + 1);
        break;
    case INLAY_KIND_CHARS:
        REQUIRE(type->count == type->size);
        break;
    case INLAY_KIND_POINTER:
        REQUIRE(type->size == 8 && type->elem->kind == INLAY_KIND_STRUCT);
        check_value(type->elem, depth + 1);
        break;
    case INLAY_KIND_STRUCT:
        check_fields(type, depth);
        break;
    case INLAY_KIND_ENUM:
        REQUIRE(type->nmembers > 0);
        for (size_t i = 0; i < type->nmembers; i++)
            REQUIRE(type->members[i].name.len > 0);
        break;
    case INLAY_KIND_CALLBACK:
        check_signature(type, depth);
        break;
    case INLAY_KIND_HANDLE:
        REQUIRE(type->object->create && type->object->destroy);
        REQUIRE(!type->object->create->reason.len);
        break;
    case INLAY_KIND_STR:
    case INLAY_KIND_BYTES:
    case INLAY_KIND_DATETIME:
    case INLAY_KIND_UUID:
        REQUIRE(type->size == 16);
        break;
    case INLAY_KIND_DATE:
        REQUIRE(type->size == 4);
        break;
    case INLAY_KIND_UPLOAD:
        REQUIRE(type->size == 48);
        break;
    case INLAY_KIND_CSTR:
    case INLAY_KIND_OBJECT:
    case INLAY_KIND_USERDATA:
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_ARROW_SCHEMA:
    case INLAY_KIND_INJECTED:
        REQUIRE(type->size == 8);
        break;
    case INLAY_KIND_VOID:
    case INLAY_KIND_BOOL:
    case INLAY_KIND_INT:
    case INLAY_KIND_UINT:
    case INLAY_KIND_FLOAT:
    case INLAY_KIND_CHAR:
        break;
    }
}

static void look_at_func(const struct inlay_func *func)
{
    bool callable = !func->reason.len;

    look_at_text(func->name);
    look_at_text(func->reason);
    look_at_text(func->decl.file);
    look_at_text(func->doc);
    for (size_t i = 0; i < func->nparams; i++) {
        const struct inlay_param *param = &func->params[i];

        look_at_text(param->name);
        look_at_text(param->fallback_text);
        if (param->type)
            look_at_type(param->type, 0);
        if (callable) {
            REQUIRE(param->type->kind != INLAY_KIND_VOID);
            REQUIRE(param->type->kind != INLAY_KIND_OWNED);
            check_value(param->type, 0);
        }
    }
    if (func->result)
        look_at_type(func->result, 0);
    if (callable)
        check_value(func->result, 0);
}

static void look_at_sites(const struct inlay_debug *debug)
{
    const struct inlay_section *section = &debug->sections[INLAY_SECTION_query];

    for (size_t i = 0; i < debug->nsites; i++) {
        const struct inlay_site *site = &debug->sites[i];

        REQUIRE(site->address - section->address < section->size);
        REQUIRE(i == 0 || debug->sites[i - 1].address < site->address);
        REQUIRE(site->nargs <= INLAY_QUERY_ARGS);
        look_at_type(site->row, 0);
        for (size_t j = 0; j < site->nargs; j++)
            look_at_type(site->args[j], 0);
    }
}

static void look_at_debug(const struct inlay_debug *debug)
{
    for (size_t i = 0; i < debug->nfuncs; i++)
        look_at_func(&debug->funcs[i]);
    look_at_sites(debug);
    for (size_t i = 0; i < debug->nobjects; i++) {
        const struct inlay_object *object = &debug->objects[i];

        look_at_text(object->name);
        look_at_text(object->decl.file);
        REQUIRE(object->create->object == object);
        REQUIRE(object->destroy->object == object);
        REQUIRE(!object->create->reason.len && !object->destroy->reason.len);
        REQUIRE(object->destroy->nparams == 1);
    }
}

static void look_at_lines(const struct inlay_lines *lines)
{
    const struct inlay_code *codes[4];

    for (size_t i = 0; i < lines->nfiles; i++)
        look_at_text(lines->files[i]);
    for (size_t i = 0; i < lines->count; i++) {
        const struct inlay_line *line = &lines->items[i];

        REQUIRE(i == 0 || lines->items[i - 1].address < line->address);
        REQUIRE(!line->line || line->file < lines->nfiles);
        REQUIRE(inlay_lines_find(lines, line->address, line->address) ==
                (line->line ? line : NULL));
        sum += inlay_codes_find(lines, line->address, codes,
                                inlay_array_size(codes));
    }
    for (size_t i = 0; i < lines->ncodes; i++)
        look_at_text(lines->codes[i].name);
}

void look_at_file(const char *path)
{
    struct inlay_arena arena;
    struct inlay_debug debug;
    struct inlay_lines lines;
    struct inlay_error *error;

    inlay_arena_init(&arena, (size_t)64 << 20);
    error = inlay_dwarf_read(path, INLAY_STR(""), &arena, &debug);
    if (!error)
        look_at_debug(&debug);
    inlay_error_destroy(error);
    inlay_arena_deinit(&arena);
    inlay_arena_init(&arena, (size_t)64 << 20);
    error = inlay_dwarf_lines(path, INLAY_STR(""), &arena, &lines);
    if (!error)
        look_at_lines(&lines);
    inlay_error_destroy(error);
    inlay_arena_deinit(&arena);
}
