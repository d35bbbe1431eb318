#include "type/schema.h"

#include "base/macros.h"
#include "type/constraint.h"
#include "type/json.h"

#include "base/banned.h"

#define REF "{\"$ref\":\"#/components/schemas/"

static bool is_letter(char c)
{
    c = inlay_ascii_lower(c);
    return (c >= 'a' && c <= 'z') || (unsigned char)c >= 0x80;
}

/* As Python's "sum_of".title().replace("_", " ").strip(). */
int inlay_schema_write_title(struct inlay_str name, struct inlay_buf *out)
{
    bool inside = false;

    while (name.len > 0 && name.ptr[0] == '_')
        name = inlay_str_make(name.ptr + 1, name.len - 1);
    while (name.len > 0 && name.ptr[name.len - 1] == '_')
        name.len--;
    for (size_t i = 0; i < name.len; i++) {
        char c = inlay_ascii_lower(name.ptr[i]);

        if (!inside && c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        inside = is_letter(c);
        if (inlay_buf_append_char(out, c == '_' ? ' ' : c) < 0)
            return -1;
    }
    return 0;
}

/* ,"title":"Sum Of"} or only the brace. */
static int close_titled(struct inlay_str title, struct inlay_buf *out)
{
    if (title.len > 0 && (inlay_buf_append_literal(out, ",\"title\":") < 0 ||
                          inlay_json_write_string(title, out) < 0))
        return -1;
    return inlay_buf_append_char(out, '}');
}

/* ,"minimum":0 */
static int write_bound(const char *name,
                       struct inlay_str bound,
                       struct inlay_buf *out)
{
    if (inlay_buf_append_literal(out, ",\"") < 0 ||
        inlay_buf_append_str(out, inlay_str_from(name)) < 0 ||
        inlay_buf_append_literal(out, "\":") < 0)
        return -1;
    return inlay_buf_append_str(out, bound);
}

static int write_limit(const char *name, uint64_t limit, struct inlay_buf *out)
{
    char text[20];

    return write_bound(
        name, inlay_str_make(text, inlay_format_u64(text, limit)), out);
}

/* Formats are of OpenAPI's registry; limits where int64 is not the whole. */
static int write_integer(const struct inlay_type *type,
                         const struct inlay_constraints *constraints,
                         struct inlay_buf *out)
{
    bool is_signed = type->kind == INLAY_KIND_INT;
    char text[20];
    int status = inlay_buf_append_literal(out, "{\"type\":\"integer\"");

    if (status == 0 && constraints->has_most)
        status = write_bound("maximum", constraints->most_text, out);
    else if (status == 0 && type->size < 8)
        status = write_limit("maximum",
                             is_signed ? (uint64_t)inlay_int_most(type->size)
                                       : inlay_uint_most(type->size),
                             out);
    if (status == 0 && constraints->has_least)
        status = write_bound("minimum", constraints->least_text, out);
    else if (status == 0 && (type->size < 8 || !is_signed))
        status = write_bound(
            "minimum",
            inlay_str_make(
                text, inlay_format_i64(
                          text, is_signed ? inlay_int_least(type->size) : 0)),
            out);
    if (status < 0 ||
        inlay_buf_append_str(out, is_signed
                                      ? INLAY_STR(",\"format\":\"int")
                                      : INLAY_STR(",\"format\":\"uint")) < 0 ||
        inlay_buf_append_u64(out, (uint64_t)type->size * 8) < 0)
        return -1;
    return inlay_buf_append_char(out, '"');
}

static int write_real(const struct inlay_type *type,
                      const struct inlay_constraints *constraints,
                      struct inlay_buf *out)
{
    if (inlay_buf_append_literal(out, "{\"type\":\"number\"") < 0 ||
        (constraints->has_most &&
         write_bound("maximum", constraints->most_text, out) < 0) ||
        (constraints->has_least &&
         write_bound("minimum", constraints->least_text, out) < 0))
        return -1;
    return inlay_buf_append_str(out, type->size == sizeof(float)
                                         ? INLAY_STR(",\"format\":\"float\"")
                                         : INLAY_STR(",\"format\":\"double\""));
}

/* {"enum":["red","green"],"type":"string"}, open. */
static int write_names(const struct inlay_type *type, struct inlay_buf *out)
{
    if (inlay_buf_append_literal(out, "{\"type\":\"string\",\"enum\":[") < 0)
        return -1;
    for (size_t i = 0; i < type->nmembers; i++) {
        if ((i && inlay_buf_append_char(out, ',') < 0) ||
            inlay_json_write_string(type->members[i].name, out) < 0)
            return -1;
    }
    return inlay_buf_append_char(out, ']');
}

/* Of texts and bytes: what the type has room for, or less. */
static int write_string(uint64_t least,
                        uint64_t most,
                        const struct inlay_constraints *constraints,
                        struct inlay_buf *out)
{
    least = inlay_max(least, (uint64_t)constraints->min_length);
    most = inlay_min(most, (uint64_t)constraints->max_length);
    if (inlay_buf_append_literal(out, "{\"type\":\"string\"") < 0 ||
        (most != SIZE_MAX && write_limit("maxLength", most, out) < 0) ||
        (least > 0 && write_limit("minLength", least, out) < 0))
        return -1;
    if (constraints->pattern.len == 0)
        return 0;
    if (inlay_buf_append_literal(out, ",\"pattern\":") < 0)
        return -1;
    return inlay_json_write_string(constraints->pattern, out);
}

static int write_list(const struct inlay_type *type,
                      const struct inlay_constraints *constraints,
                      struct inlay_buf *out)
{
    struct inlay_constraints inner = inlay_constraints_of_items(constraints);
    bool array = type->kind == INLAY_KIND_ARRAY;
    size_t least = array ? type->count : constraints->min_length;
    size_t most = array ? type->count : constraints->max_length;

    if (inlay_buf_append_literal(out, "{\"items\":") < 0 ||
        inlay_schema_write_within(type->elem, &inner, inlay_str_make("", 0),
                                  out) < 0 ||
        inlay_buf_append_literal(out, ",\"type\":\"array\"") < 0 ||
        (most != SIZE_MAX && write_limit("maxItems", most, out) < 0))
        return -1;
    return least > 0 ? write_limit("minItems", least, out) : 0;
}

static int write_ref(struct inlay_str name, struct inlay_buf *out)
{
    if (inlay_buf_append_literal(out, REF) < 0 ||
        inlay_buf_append_str(out, name) < 0)
        return -1;
    return inlay_buf_append_literal(out, "\"");
}

static int write_nullable(const struct inlay_type *type,
                          const struct inlay_constraints *constraints,
                          struct inlay_buf *out)
{
    if (inlay_buf_append_literal(out, "{\"anyOf\":[") < 0 ||
        inlay_schema_write_within(type->elem, constraints,
                                  inlay_str_make("", 0), out) < 0)
        return -1;
    return inlay_buf_append_literal(out, ",{\"type\":\"null\"}]");
}

/* The schema up to its title, without the last brace. */
static int write_open(const struct inlay_type *type,
                      const struct inlay_constraints *constraints,
                      struct inlay_buf *out)
{
    switch (type->kind) {
    case INLAY_KIND_VOID:
        return inlay_buf_append_literal(out, "{\"type\":\"null\"");
    case INLAY_KIND_BOOL:
        return inlay_buf_append_literal(out, "{\"type\":\"boolean\"");
    case INLAY_KIND_INT:
    case INLAY_KIND_UINT:
        return write_integer(type, constraints, out);
    case INLAY_KIND_FLOAT:
        return write_real(type, constraints, out);
    case INLAY_KIND_CSTR:
    case INLAY_KIND_STR:
        return write_string(0, SIZE_MAX, constraints, out);
    case INLAY_KIND_DATE:
        return inlay_buf_append_literal(
            out, "{\"type\":\"string\",\"format\":\"date\"");
    case INLAY_KIND_DATETIME:
        return inlay_buf_append_literal(
            out, "{\"type\":\"string\",\"format\":\"date-time\"");
    case INLAY_KIND_UUID:
        return inlay_buf_append_literal(
            out, "{\"type\":\"string\",\"format\":\"uuid\"");
    case INLAY_KIND_CHAR:
        return write_string(1, 1, constraints, out);
    case INLAY_KIND_CHARS:
        return write_string(0, type->size - 1, constraints, out);
    case INLAY_KIND_BYTES:
        if (write_string(0, SIZE_MAX, constraints, out) < 0)
            return -1;
        return inlay_buf_append_literal(
            out, ",\"contentEncoding\":\"base64\","
                 "\"contentMediaType\":\"application/octet-stream\"");
    case INLAY_KIND_SLICE:
    case INLAY_KIND_OWNED:
    case INLAY_KIND_ARRAY:
        return write_list(type, constraints, out);
    case INLAY_KIND_OPTIONAL:
    case INLAY_KIND_POINTER:
        return write_nullable(type, constraints, out);
    case INLAY_KIND_ENUM:
        return type->name.len ? write_ref(type->name, out)
                              : write_names(type, out);
    case INLAY_KIND_STRUCT:
        return write_ref(type->name, out);
    case INLAY_KIND_UPLOAD: /* in a form */
        return inlay_buf_append_literal(
            out, "{\"type\":\"string\","
                 "\"contentMediaType\":\"application/octet-stream\"");
    case INLAY_KIND_HANDLE:
    case INLAY_KIND_OBJECT:
    case INLAY_KIND_CALLBACK:
    case INLAY_KIND_USERDATA:
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_ARROW_SCHEMA:
    case INLAY_KIND_INJECTED:
    case INLAY_KIND_UNSUPPORTED:
        return -1;
    }
    return -1;
}

int inlay_schema_write_within(const struct inlay_type *type,
                              const struct inlay_constraints *constraints,
                              struct inlay_str title,
                              struct inlay_buf *out)
{
    static const struct inlay_constraints none = {.max_length = SIZE_MAX};

    if (write_open(type, constraints ? constraints : &none, out) < 0)
        return -1;
    /* FastAPI leaves a title next to a $ref to the definition. */
    if (inlay_schema_is_named(type))
        return inlay_buf_append_char(out, '}');
    return close_titled(title, out);
}

int inlay_schema_write(const struct inlay_type *type,
                       struct inlay_str title,
                       struct inlay_buf *out)
{
    return inlay_schema_write_within(type, NULL, title, out);
}

static int write_property(const struct inlay_field *field,
                          struct inlay_buf *title,
                          struct inlay_buf *out)
{
    const struct inlay_type *type = field->type;
    struct inlay_str text = {"", 0};

    inlay_buf_clear(title);
    if (inlay_schema_write_title(field->name, title) < 0)
        return -1;
    /* As FastAPI: what only refers to a definition takes its title. */
    if (!inlay_schema_is_nullable_ref(type))
        text = inlay_buf_view(title);
    if (inlay_json_write_string(field->name, out) < 0 ||
        inlay_buf_append_char(out, ':') < 0)
        return -1;
    return inlay_schema_write_within(type, field->constraints, text, out);
}

static int write_properties(const struct inlay_type *type,
                            struct inlay_buf *out)
{
    struct inlay_buf title;
    int status = 0;

    inlay_buf_init(&title, out->limit);
    for (size_t i = 0; i < type->nfields && status == 0; i++) {
        if (i)
            status = inlay_buf_append_char(out, ',');
        if (status == 0)
            status = write_property(&type->fields[i], &title, out);
    }
    inlay_buf_deinit(&title);
    return status;
}

/* ,"required":["id"], of every field that can't be left out. */
static int write_required(const struct inlay_type *type, struct inlay_buf *out)
{
    bool any = false;

    for (size_t i = 0; i < type->nfields; i++) {
        const struct inlay_field *field = &type->fields[i];

        if (inlay_type_omissible(field->type))
            continue;
        if (inlay_buf_append_str(out, any ? INLAY_STR(",")
                                          : INLAY_STR(",\"required\":[")) < 0 ||
            inlay_json_write_string(field->name, out) < 0)
            return -1;
        any = true;
    }
    return any ? inlay_buf_append_char(out, ']') : 0;
}

int inlay_schema_write_definition(const struct inlay_type *type,
                                  struct inlay_buf *out)
{
    if (type->kind == INLAY_KIND_ENUM)
        return write_names(type, out) < 0 ? -1 : close_titled(type->name, out);
    if (inlay_buf_append_str(
            out, type->strict ? INLAY_STR("{\"additionalProperties\":false,"
                                          "\"properties\":{")
                              : INLAY_STR("{\"properties\":{")) < 0 ||
        write_properties(type, out) < 0 ||
        inlay_buf_append_literal(out, "},\"type\":\"object\"") < 0 ||
        write_required(type, out) < 0)
        return -1;
    return close_titled(type->name, out);
}
