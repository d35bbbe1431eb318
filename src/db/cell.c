/* cell.c - C -> cells. The way back is cell_to.c. */
#include "db/cell.h"

#include "type/calendar.h"
#include "type/json.h"

#include "base/banned.h"

const char inlay_cell_no_memory[] = "there is no memory for it in the call";
static const char bad_text[] = "its text is not UTF-8";
static const char nul_text[] = "its text has a NUL character in it";
static const char bad_view[] = "its ptr is NULL, but its length is not 0";

/* Bounds how deep optionals of optionals go; C has no type that needs it. */
#define DEPTH_MOST 8

struct maker {
    struct inlay_arena *arena;
    const char *why; /* static */
};

static int make(struct maker *maker,
                const struct inlay_type *type,
                const char *value,
                struct inlay_cell *ret,
                unsigned depth);

static inlay_cold int refuse(struct maker *maker, const char *why)
{
    maker->why = why;
    return -1;
}

static int make_view(struct maker *maker,
                     enum inlay_cell_kind kind,
                     struct inlay_str text,
                     struct inlay_cell *ret)
{
    if (!text.ptr) {
        if (text.len)
            return refuse(maker, bad_view);
        text.ptr = "";
    }
    ret->kind = kind;
    ret->text = text;
    return 0;
}

static int make_text(struct maker *maker,
                     struct inlay_str text,
                     struct inlay_cell *ret)
{
    if (make_view(maker, INLAY_CELL_TEXT, text, ret) < 0)
        return -1;
    if (!inlay_utf8_valid(ret->text))
        return refuse(maker, bad_text);
    if (ret->text.len && memchr(ret->text.ptr, '\0', ret->text.len))
        return refuse(maker, nul_text);
    return 0;
}

static int make_signed(int64_t value, struct inlay_cell *ret)
{
    ret->kind = INLAY_CELL_INT;
    ret->integer = value;
    return 0;
}

static int make_unsigned(uint64_t value, struct inlay_cell *ret)
{
    ret->kind = INLAY_CELL_INT;
    ret->too_wide = value > INT64_MAX;
    ret->integer = (int64_t)value;
    return 0;
}

static int make_real(const struct inlay_type *type,
                     const char *value,
                     struct inlay_cell *ret)
{
    float narrow;

    ret->kind = INLAY_CELL_REAL;
    ret->narrow = type->size == sizeof(narrow);
    if (ret->narrow) {
        memcpy(&narrow, value, sizeof(narrow));
        ret->real = (double)narrow;
    } else {
        memcpy(&ret->real, value, sizeof(ret->real));
    }
    return 0;
}

/* Its name; what has none, a combination of flags perhaps, is a number. */
static int make_enum(struct maker *maker,
                     const struct inlay_type *type,
                     const char *value,
                     struct inlay_cell *ret)
{
    int64_t number = inlay_enum_load(type, value);
    const struct inlay_enumerator *member = inlay_enum_find(type, number);

    if (member)
        return make_text(maker, member->name, ret);
    return type->is_signed ? make_signed(number, ret)
                           : make_unsigned((uint64_t)number, ret);
}

static int make_cstr(struct maker *maker,
                     const char *value,
                     struct inlay_cell *ret)
{
    const char *text;

    memcpy(&text, value, sizeof(text));
    return text ? make_text(maker, inlay_str_from(text), ret) : 0;
}

static int make_str(struct maker *maker,
                    const char *value,
                    struct inlay_cell *ret)
{
    struct inlay_str text;

    memcpy(&text, value, sizeof(text));
    return make_text(maker, text, ret);
}

static int make_bytes(struct maker *maker,
                      const char *value,
                      struct inlay_cell *ret)
{
    struct inlay_bytes bytes;

    memcpy(&bytes, value, sizeof(bytes));
    return make_view(maker, INLAY_CELL_BYTES,
                     inlay_str_make((const char *)bytes.ptr, bytes.len), ret);
}

static int make_date(struct maker *maker,
                     const char *value,
                     struct inlay_cell *ret)
{
    ret->kind = INLAY_CELL_DATE;
    memcpy(&ret->date, value, sizeof(ret->date));
    if (!inlay_time_date_valid(ret->date))
        return refuse(maker, "it is not a date of the years 1 to 9999");
    return 0;
}

static int make_datetime(struct maker *maker,
                         const char *value,
                         struct inlay_cell *ret)
{
    struct inlay_clock clock;

    ret->kind = INLAY_CELL_DATETIME;
    memcpy(&ret->datetime, value, sizeof(ret->datetime));
    if (!inlay_time_clock(ret->datetime, &clock))
        return refuse(maker, "it is not a moment of the years 1 to 9999, or "
                             "its offset is a day or more");
    return 0;
}

/* Written into a buffer that the arena's limit bounds, then copied. */
static int make_json(struct maker *maker,
                     const struct inlay_type *type,
                     const char *value,
                     struct inlay_cell *ret)
{
    struct inlay_buf out;
    int status;

    inlay_buf_init(&out, maker->arena->limit);
    status = inlay_json_write(type, value, &out);
    if (status == 0) {
        ret->kind = INLAY_CELL_JSON;
        ret->text = inlay_arena_copy(maker->arena, inlay_buf_view(&out));
    }
    inlay_buf_deinit(&out);
    if (status < 0)
        return refuse(maker, "it can't be written as JSON: a text in it is not "
                             "UTF-8, a date is none, or it is too large");
    return ret->text.ptr ? 0 : refuse(maker, inlay_cell_no_memory);
}

/* Has a list of these a form as an array of the database's own? */
static bool is_element(const struct inlay_type *type)
{
    switch (type->kind) {
    case INLAY_KIND_BOOL:
    case INLAY_KIND_INT:
    case INLAY_KIND_UINT:
    case INLAY_KIND_FLOAT:
    case INLAY_KIND_CHAR:
    case INLAY_KIND_ENUM:
    case INLAY_KIND_CSTR:
    case INLAY_KIND_STR:
    case INLAY_KIND_CHARS:
    case INLAY_KIND_BYTES:
    case INLAY_KIND_DATE:
    case INLAY_KIND_DATETIME:
    case INLAY_KIND_UUID:
        return true;
    case INLAY_KIND_OPTIONAL:
        return type->elem->kind != INLAY_KIND_OPTIONAL &&
               is_element(type->elem);
    default:
        return false;
    }
}

static int make_elements(struct maker *maker,
                         const struct inlay_type *elem,
                         const char *at,
                         size_t count,
                         struct inlay_cell *ret,
                         unsigned depth)
{
    struct inlay_cell *cells = NULL;

    if (count) {
        cells = inlay_arena_zalloc_array(maker->arena, count, sizeof(*cells));
        if (!cells)
            return refuse(maker, inlay_cell_no_memory);
    }
    if (count && !at)
        return refuse(maker, bad_view);
    for (size_t i = 0; i < count; i++)
        if (make(maker, elem, at + i * elem->size, &cells[i], depth) < 0)
            return -1;
    ret->kind = INLAY_CELL_ARRAY;
    ret->elements = cells;
    ret->nelements = count;
    return 0;
}

/* SLICE, OWNED, ARRAY. */
static int make_list(struct maker *maker,
                     const struct inlay_type *type,
                     const char *value,
                     struct inlay_cell *ret,
                     unsigned depth)
{
    const char *at = value;
    inlay_len count = type->count;

    if (!is_element(type->elem))
        return make_json(maker, type, value, ret);
    if (type->kind != INLAY_KIND_ARRAY) {
        memcpy(&at, value + type->ptr_offset, sizeof(at));
        memcpy(&count, value + type->len_offset, sizeof(count));
    }
    return make_elements(maker, type->elem, at, count, ret, depth);
}

static int make_pointer(struct maker *maker,
                        const struct inlay_type *type,
                        const char *value,
                        struct inlay_cell *ret)
{
    const char *at;

    memcpy(&at, value, sizeof(at));
    return at ? make_json(maker, type->elem, at, ret) : 0;
}

static int make(struct maker *maker,
                const struct inlay_type *type,
                const char *value,
                struct inlay_cell *ret,
                unsigned depth)
{
    memset(ret, 0, sizeof(*ret)); /* NULL */
    if (depth > DEPTH_MOST)
        return refuse(maker, "its type is nested too deeply");
    switch (type->kind) {
    case INLAY_KIND_BOOL:
        ret->kind = INLAY_CELL_BOOL;
        ret->boolean = *(const uint8_t *)value != 0;
        return 0;
    case INLAY_KIND_INT:
        return make_signed(inlay_int_load(value, type->size), ret);
    case INLAY_KIND_UINT:
        return make_unsigned(inlay_uint_load(value, type->size), ret);
    case INLAY_KIND_FLOAT:
        return make_real(type, value, ret);
    case INLAY_KIND_CHAR:
        return make_text(maker, inlay_str_make(value, 1), ret);
    case INLAY_KIND_ENUM:
        return make_enum(maker, type, value, ret);
    case INLAY_KIND_CSTR:
        return make_cstr(maker, value, ret);
    case INLAY_KIND_STR:
        return make_str(maker, value, ret);
    case INLAY_KIND_CHARS:
        return make_text(
            maker, inlay_str_make(value, strnlen(value, type->size)), ret);
    case INLAY_KIND_BYTES:
        return make_bytes(maker, value, ret);
    case INLAY_KIND_DATE:
        return make_date(maker, value, ret);
    case INLAY_KIND_DATETIME:
        return make_datetime(maker, value, ret);
    case INLAY_KIND_UUID:
        ret->kind = INLAY_CELL_UUID;
        memcpy(&ret->uuid, value, sizeof(ret->uuid));
        return 0;
    case INLAY_KIND_OPTIONAL:
        if (!*(const uint8_t *)(value + type->has_offset))
            return 0;
        return make(maker, type->elem, value + type->value_offset, ret,
                    depth + 1);
    case INLAY_KIND_SLICE:
    case INLAY_KIND_OWNED:
    case INLAY_KIND_ARRAY:
        return make_list(maker, type, value, ret, depth + 1);
    case INLAY_KIND_POINTER:
        return make_pointer(maker, type, value, ret);
    case INLAY_KIND_STRUCT:
        return make_json(maker, type, value, ret);
    case INLAY_KIND_VOID:
    case INLAY_KIND_UPLOAD:
    case INLAY_KIND_HANDLE:
    case INLAY_KIND_OBJECT:
    case INLAY_KIND_CALLBACK:
    case INLAY_KIND_USERDATA:
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_ARROW_SCHEMA:
    case INLAY_KIND_INJECTED:
    case INLAY_KIND_UNSUPPORTED:
        break;
    }
    return refuse(maker, "its type has no form in a database");
}

int inlay_cell_from(const struct inlay_type *type,
                    const void *value,
                    struct inlay_arena *arena,
                    struct inlay_cell *ret,
                    const char **why_ret)
{
    struct maker maker = {.arena = arena};

    if (make(&maker, type, value, ret, 0) == 0)
        return 0;
    *why_ret = maker.why;
    return -1;
}
