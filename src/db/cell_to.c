/*
 * cell_to.c - cells -> C. What loses nothing is taken: an integer of any width
 * that fits, into a double too, ISO text into a date (SQLite has no other).
 * Reals are rounded: a numeric's text into a double, a double into a float. The
 * reasons are for the programmer.
 */
#include <float.h>
#include <math.h>

#include "base/macros.h"
#include "db/cell.h"
#include "type/calendar.h"
#include "type/lax.h"
#include "type/uuid.h"

#include "base/banned.h"

/* Of a text in a message. */
#define SHOWN_SIZE 48

static const char bad_text[] = "text that is not UTF-8";

/* --- Reasons -------------------------------------------------------------- */

#define because(arena, ...) because_of(inlay_arena_format((arena), __VA_ARGS__))

static inlay_cold const char *because_of(struct inlay_str text)
{
    return text.ptr ? text.ptr : inlay_cell_no_memory;
}

static inlay_cold const char *name_of(const struct inlay_type *type,
                                      struct inlay_arena *arena)
{
    struct inlay_str name = inlay_arena_copy(arena, type->name);

    return name.ptr && name.len ? name.ptr : "the C type";
}

static const char *kind_text(const struct inlay_cell *cell)
{
    switch (cell->kind) {
    case INLAY_CELL_NULL:
        return "null";
    case INLAY_CELL_BOOL:
        return "a boolean";
    case INLAY_CELL_INT:
        return "an integer";
    case INLAY_CELL_REAL:
        return "a real number";
    case INLAY_CELL_TEXT:
        return "text";
    case INLAY_CELL_JSON:
        return "JSON";
    case INLAY_CELL_BYTES:
        return "bytes";
    case INLAY_CELL_DATE:
        return "a date";
    case INLAY_CELL_DATETIME:
        return "a timestamp";
    case INLAY_CELL_UUID:
        return "a UUID";
    case INLAY_CELL_ARRAY:
        return "an array";
    }
    return "no value";
}

/* "text is not an integer", "null". */
static inlay_cold const char *is_no(const struct inlay_cell *cell,
                                    struct inlay_arena *arena,
                                    const char *what)
{
    if (cell->kind == INLAY_CELL_NULL)
        return "null";
    return because(arena, "%s is not %s", kind_text(cell), what);
}

/* "abc" is not …. */
static inlay_cold const char *text_is_no(struct inlay_str text,
                                         struct inlay_arena *arena,
                                         const char *what)
{
    char shown[SHOWN_SIZE];

    inlay_str_quote(text, shown, sizeof(shown));
    return because(arena, "%s is not %s", shown, what);
}

static inlay_cold const char *too_large(struct inlay_str text,
                                        const struct inlay_type *type,
                                        struct inlay_arena *arena)
{
    return because(arena, "%.*s%s does not fit into %s",
                   (int)inlay_min(text.len, (size_t)SHOWN_SIZE), text.ptr,
                   text.len > SHOWN_SIZE ? "…" : "", name_of(type, arena));
}

/* --- Numbers -------------------------------------------------------------- */

static inlay_cold const char *integer_too_large(const struct inlay_cell *cell,
                                                const struct inlay_type *type,
                                                struct inlay_arena *arena)
{
    char text[24];
    size_t len = cell->too_wide
                     ? inlay_format_u64(text, (uint64_t)cell->integer)
                     : inlay_format_i64(text, cell->integer);

    return too_large(inlay_str_make(text, len), type, arena);
}

/* Only what databases write: no blanks, underscores or words. */
static bool is_number_text(struct inlay_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if ((c < '0' || c > '9') && c != '-' && c != '+' && c != '.' &&
            c != 'e' && c != 'E')
            return false;
    }
    return text.len > 0;
}

static const char *integer_of_text(struct inlay_str text,
                                   const struct inlay_type *type,
                                   struct inlay_arena *arena,
                                   void *ret)
{
    int lax = is_number_text(text) ? inlay_lax_integer_of_text(text, type, ret)
                                   : INLAY_FAULT_INT_PARSING;

    if (inlay_likely(lax == INLAY_LAX_OK))
        return NULL;
    if (lax == INLAY_FAULT_INT_PARSING)
        return text_is_no(text, arena, "an integer");
    return too_large(text, type, arena);
}

static const char *integer_of_real(double value,
                                   const struct inlay_type *type,
                                   struct inlay_arena *arena,
                                   void *ret)
{
    int lax = inlay_lax_integer_of_real(value, type, ret);

    if (inlay_likely(lax == INLAY_LAX_OK))
        return NULL;
    if (lax == INLAY_FAULT_INT_FROM_FLOAT || lax == INLAY_FAULT_FINITE_NUMBER)
        return because(arena, "%.17g is not an integer", value);
    return because(arena, "%.17g does not fit into %s", value,
                   name_of(type, arena));
}

/* Does the integer fit into INT, UINT or ENUM? */
static inline bool integer_fits(const struct inlay_cell *cell,
                                const struct inlay_type *type)
{
    bool is_signed = type->kind == INLAY_KIND_INT ||
                     (type->kind == INLAY_KIND_ENUM && type->is_signed);

    if (is_signed)
        return !cell->too_wide &&
               cell->integer >= inlay_int_least(type->size) &&
               cell->integer <= inlay_int_most(type->size);
    return (cell->too_wide || cell->integer >= 0) &&
           (uint64_t)cell->integer <= inlay_uint_most(type->size);
}

static const char *store_integer(const struct inlay_cell *cell,
                                 const struct inlay_type *type,
                                 struct inlay_arena *arena,
                                 void *ret)
{
    if (inlay_unlikely(!integer_fits(cell, type)))
        return integer_too_large(cell, type, arena);
    inlay_int_store(ret, type->size, (uint64_t)cell->integer);
    return NULL;
}

static const char *to_integer(const struct inlay_cell *cell,
                              const struct inlay_type *type,
                              struct inlay_arena *arena,
                              void *ret)
{
    switch (cell->kind) {
    case INLAY_CELL_INT:
        return store_integer(cell, type, arena, ret);
    case INLAY_CELL_BOOL:
        inlay_int_store(ret, type->size, cell->boolean);
        return NULL;
    case INLAY_CELL_REAL:
        return integer_of_real(cell->real, type, arena, ret);
    case INLAY_CELL_TEXT:
        return integer_of_text(cell->text, type, arena, ret);
    default:
        return is_no(cell, arena, "an integer");
    }
}

static const char *store_real(double value,
                              const struct inlay_type *type,
                              struct inlay_arena *arena,
                              void *ret)
{
    float narrow;

    if (type->size == sizeof(double)) {
        memcpy(ret, &value, sizeof(value));
        return NULL;
    }
    if (isfinite(value) && fabs(value) > (double)FLT_MAX)
        return because(arena, "%.17g does not fit into %s", value,
                       name_of(type, arena));
    narrow = (float)value;
    memcpy(ret, &narrow, sizeof(narrow));
    return NULL;
}

/* A numeric: its digits, or one of three words. */
static const char *real_of_text(struct inlay_str text,
                                const struct inlay_type *type,
                                struct inlay_arena *arena,
                                void *ret)
{
    int lax = INLAY_FAULT_FLOAT_PARSING;

    if (is_number_text(text))
        lax = inlay_lax_real_of_text(text, type, arena, ret);
    if (inlay_likely(lax == INLAY_LAX_OK))
        return NULL;
    if (lax == INLAY_LAX_NO_MEMORY)
        return inlay_cell_no_memory;
    if (inlay_str_is(text, "NaN"))
        return store_real((double)NAN, type, arena, ret);
    if (inlay_str_is(text, "Infinity"))
        return store_real((double)INFINITY, type, arena, ret);
    if (inlay_str_is(text, "-Infinity"))
        return store_real(-(double)INFINITY, type, arena, ret);
    if (lax == INLAY_FAULT_FLOAT_PARSING)
        return text_is_no(text, arena, "a number");
    return too_large(text, type, arena);
}

/* Without the zeroes behind them its digits have to have room. */
static bool real_is_exact(const struct inlay_cell *cell,
                          const struct inlay_type *type)
{
    uint64_t digits = (uint64_t)cell->integer;

    if (!cell->too_wide && cell->integer < 0)
        digits = 0 - digits;
    if (digits)
        digits >>= __builtin_ctzll(digits);
    return digits >>
               (type->size == sizeof(double) ? DBL_MANT_DIG : FLT_MANT_DIG) ==
           0;
}

static const char *real_of_integer(const struct inlay_cell *cell,
                                   const struct inlay_type *type,
                                   struct inlay_arena *arena,
                                   void *ret)
{
    if (inlay_unlikely(!real_is_exact(cell, type))) {
        const char *why = integer_too_large(cell, type, arena);

        return why == inlay_cell_no_memory ? why
                                           : because(arena, "%s exactly", why);
    }
    return store_real(cell->too_wide ? (double)(uint64_t)cell->integer
                                     : (double)cell->integer,
                      type, arena, ret);
}

/* A real is rounded: it stands for what is near it. An integer is itself. */
static const char *to_real(const struct inlay_cell *cell,
                           const struct inlay_type *type,
                           struct inlay_arena *arena,
                           void *ret)
{
    switch (cell->kind) {
    case INLAY_CELL_REAL:
        return store_real(cell->real, type, arena, ret);
    case INLAY_CELL_INT:
        return real_of_integer(cell, type, arena, ret);
    case INLAY_CELL_TEXT:
        return real_of_text(cell->text, type, arena, ret);
    default:
        return is_no(cell, arena, "a number");
    }
}

/* SQLite has no booleans: 0 and 1 are its. */
static const char *to_bool(const struct inlay_cell *cell,
                           struct inlay_arena *arena,
                           void *ret)
{
    uint8_t value;

    if (cell->kind == INLAY_CELL_BOOL)
        value = cell->boolean;
    else if (cell->kind != INLAY_CELL_INT)
        return is_no(cell, arena, "a boolean");
    else if (cell->too_wide || (cell->integer != 0 && cell->integer != 1))
        return because(arena, "%lld is not a boolean, 0 or 1",
                       (long long)cell->integer);
    else
        value = (uint8_t)cell->integer;
    memcpy(ret, &value, sizeof(value));
    return NULL;
}

/* --- Texts ---------------------------------------------------------------- */

/* Of what has one form as text: `room` is where it is written, if it must. */
static bool text_of(const struct inlay_cell *cell,
                    char room[INLAY_TIME_TEXT_MOST],
                    struct inlay_str *ret)
{
    static const struct inlay_type date = {.kind = INLAY_KIND_DATE};
    static const struct inlay_type datetime = {.kind = INLAY_KIND_DATETIME};
    int len;

    switch (cell->kind) {
    case INLAY_CELL_TEXT:
    case INLAY_CELL_JSON:
        *ret = cell->text;
        return true;
    case INLAY_CELL_DATE:
        len = inlay_time_write(&date, &cell->date, room);
        break;
    case INLAY_CELL_DATETIME:
        len = inlay_time_write(&datetime, &cell->datetime, room);
        break;
    case INLAY_CELL_UUID:
        len = inlay_uuid_write(&cell->uuid, room);
        break;
    default:
        return false;
    }
    *ret = inlay_str_make(room, len > 0 ? (size_t)len : 0);
    return len > 0;
}

static const char *chars_of(struct inlay_str text,
                            const struct inlay_type *type,
                            struct inlay_arena *arena,
                            void *ret)
{
    switch (inlay_lax_chars_of_text(text, type, ret)) {
    case INLAY_LAX_OK:
        return NULL;
    case INLAY_FAULT_STRING_NUL:
        return "text with a NUL character in it";
    default:
        return because(arena,
                       "text of %zu bytes does not fit into char[%u], which "
                       "also needs its NUL",
                       text.len, (unsigned)type->size);
    }
}

static const char *char_of(struct inlay_str text,
                           struct inlay_arena *arena,
                           void *ret)
{
    if (inlay_lax_char_of_text(text, ret) == INLAY_LAX_OK)
        return NULL;
    return text_is_no(text, arena, "one ASCII character");
}

/* A copy with a NUL behind it. */
static const char *copy_text(struct inlay_str text,
                             const struct inlay_type *type,
                             struct inlay_arena *arena,
                             void *ret)
{
    if (type->kind == INLAY_KIND_CSTR && text.len &&
        memchr(text.ptr, '\0', text.len))
        return "text with a NUL character in it: use an inlay_str";
    text = inlay_arena_copy(arena, text);
    if (!text.ptr)
        return inlay_cell_no_memory;
    if (type->kind == INLAY_KIND_CSTR)
        memcpy(ret, &text.ptr, sizeof(text.ptr));
    else
        memcpy(ret, &text, sizeof(text));
    return NULL;
}

/* STR, CSTR, CHARS, CHAR. */
static const char *to_text(const struct inlay_cell *cell,
                           const struct inlay_type *type,
                           struct inlay_arena *arena,
                           void *ret)
{
    char room[INLAY_TIME_TEXT_MOST];
    struct inlay_str text;

    if (inlay_unlikely(!text_of(cell, room, &text)))
        return cell->kind == INLAY_CELL_BYTES
                   ? "bytes are not text: use inlay_bytes"
                   : is_no(cell, arena,
                           "text: select it as text, or use another C type");
    if (inlay_unlikely(!inlay_utf8_valid(text)))
        return bad_text;
    if (type->kind == INLAY_KIND_CHARS)
        return chars_of(text, type, arena, ret);
    if (type->kind == INLAY_KIND_CHAR)
        return char_of(text, arena, ret);
    return copy_text(text, type, arena, ret);
}

static const char *to_bytes(const struct inlay_cell *cell,
                            struct inlay_arena *arena,
                            void *ret)
{
    struct inlay_bytes bytes;
    struct inlay_str copy;

    if (cell->kind != INLAY_CELL_BYTES && cell->kind != INLAY_CELL_TEXT &&
        cell->kind != INLAY_CELL_JSON)
        return is_no(cell, arena, "bytes");
    copy = inlay_arena_copy(arena, cell->text);
    if (!copy.ptr)
        return inlay_cell_no_memory;
    bytes = (struct inlay_bytes){(const uint8_t *)copy.ptr, copy.len};
    memcpy(ret, &bytes, sizeof(bytes));
    return NULL;
}

/* By name; by number, too: a value without a name has gone out as one. */
static const char *to_enum(const struct inlay_cell *cell,
                           const struct inlay_type *type,
                           struct inlay_arena *arena,
                           void *ret)
{
    if (cell->kind == INLAY_CELL_INT)
        return store_integer(cell, type, arena, ret);
    if (cell->kind != INLAY_CELL_TEXT)
        return is_no(cell, arena, "a name of the enum");
    if (inlay_lax_enum_of_text(cell->text, type, ret) == INLAY_LAX_OK)
        return NULL;
    char shown[SHOWN_SIZE];
    inlay_str_quote(cell->text, shown, sizeof(shown));
    return because(arena, "%s is not a name of %s", shown,
                   name_of(type, arena));
}

/* --- Dates, moments, UUIDs ------------------------------------------------ */

/* pydantic's lax mode takes numbers for timestamps; a column's are none. */
static bool is_date_text(struct inlay_str text)
{
    return text.len >= 10 && text.ptr[4] == '-' && text.ptr[7] == '-';
}

static const char *time_of_text(struct inlay_str text,
                                const struct inlay_type *type,
                                struct inlay_arena *arena,
                                void *ret)
{
    const char *what = type->kind == INLAY_KIND_DATE       ? "a date"
                       : type->kind == INLAY_KIND_DATETIME ? "a timestamp"
                                                           : "a UUID";
    char reason[INLAY_TIME_REASON_SIZE];
    int lax = INLAY_FAULT_DATE_PARSING;

    if (type->kind == INLAY_KIND_UUID || is_date_text(text))
        lax = inlay_time_of_text(text, type, arena, ret, reason);
    if (inlay_likely(lax == INLAY_LAX_OK))
        return NULL;
    if (lax == INLAY_LAX_NO_MEMORY)
        return inlay_cell_no_memory;
    return text_is_no(text, arena, what);
}

static const char *to_date(const struct inlay_cell *cell,
                           const struct inlay_type *type,
                           struct inlay_arena *arena,
                           void *ret)
{
    if (cell->kind == INLAY_CELL_TEXT)
        return time_of_text(cell->text, type, arena, ret);
    if (cell->kind == INLAY_CELL_DATETIME)
        return "a timestamp is not a date: use inlay_datetime, or select it "
               "as a date";
    if (cell->kind != INLAY_CELL_DATE)
        return is_no(cell, arena, "a date");
    memcpy(ret, &cell->date, sizeof(cell->date));
    return NULL;
}

/* A date alone is its midnight, without a zone. */
static const char *to_datetime(const struct inlay_cell *cell,
                               const struct inlay_type *type,
                               struct inlay_arena *arena,
                               void *ret)
{
    struct inlay_datetime made;

    if (cell->kind == INLAY_CELL_TEXT)
        return time_of_text(cell->text, type, arena, ret);
    /* Its padding, too: C may compare or hash the bytes. */
    memset(&made, 0, sizeof(made));
    if (cell->kind == INLAY_CELL_DATETIME) {
        made.us = cell->datetime.us;
        made.offset = cell->datetime.offset;
    } else if (cell->kind == INLAY_CELL_DATE) {
        made.us =
            inlay_time_days(cell->date.year, cell->date.month, cell->date.day) *
            86400 * 1000000;
        made.offset = INLAY_NAIVE;
    } else {
        return is_no(cell, arena, "a timestamp");
    }
    memcpy(ret, &made, sizeof(made));
    return NULL;
}

/* SQLite has them as text, or as their 16 bytes. */
static const char *to_uuid(const struct inlay_cell *cell,
                           const struct inlay_type *type,
                           struct inlay_arena *arena,
                           void *ret)
{
    if (cell->kind == INLAY_CELL_UUID)
        memcpy(ret, &cell->uuid, sizeof(cell->uuid));
    else if (cell->kind == INLAY_CELL_TEXT)
        return time_of_text(cell->text, type, arena, ret);
    else if (cell->kind == INLAY_CELL_BYTES &&
             cell->text.len == sizeof(inlay_uuid))
        memcpy(ret, cell->text.ptr, sizeof(inlay_uuid));
    else
        return is_no(cell, arena, "a UUID");
    return NULL;
}

/* --- Lists and structs ---------------------------------------------------- */

static const char *read_elements(const struct inlay_cell *cell,
                                 const struct inlay_type *elem,
                                 struct inlay_arena *arena,
                                 char *at)
{
    for (size_t i = 0; i < cell->nelements; i++) {
        const char *why =
            inlay_cell_to(&cell->elements[i], elem, arena, at + i * elem->size);

        if (inlay_unlikely(why == inlay_cell_no_memory))
            return why;
        if (inlay_unlikely(why != NULL))
            return because(arena, "its element %zu: %s%s", i, why,
                           cell->elements[i].kind == INLAY_CELL_NULL
                               ? " (make it a slice of an INLAY_OPTIONAL)"
                               : "");
    }
    return NULL;
}

void *inlay_cell_memory(const struct inlay_type *type,
                        size_t count,
                        struct inlay_arena *arena)
{
    size_t extra = type->align > 16 ? type->align : 0, size;
    char *at;

    if (__builtin_mul_overflow(count, (size_t)type->size, &size) ||
        __builtin_add_overflow(size, extra, &size))
        return NULL;
    at = inlay_arena_zalloc(arena, inlay_max(size, (size_t)1));
    if (at && extra)
        at += -(uintptr_t)at & (extra - 1);
    return at;
}

static const char *to_slice(const struct inlay_cell *cell,
                            const struct inlay_type *type,
                            struct inlay_arena *arena,
                            char *ret)
{
    inlay_len count = cell->nelements;
    void *memory;

    if (cell->kind == INLAY_CELL_JSON || cell->kind == INLAY_CELL_TEXT)
        return inlay_cell_of_json(cell->text, type, arena, ret);
    if (cell->kind != INLAY_CELL_ARRAY)
        return is_no(cell, arena, "an array");
    memory = inlay_cell_memory(type->elem, count, arena);
    if (!memory)
        return inlay_cell_no_memory;
    memcpy(ret + type->ptr_offset, &memory, sizeof(memory));
    memcpy(ret + type->len_offset, &count, sizeof(count));
    return read_elements(cell, type->elem, arena, memory);
}

/* T[N]. */
static const char *to_array(const struct inlay_cell *cell,
                            const struct inlay_type *type,
                            struct inlay_arena *arena,
                            char *ret)
{
    if (cell->kind == INLAY_CELL_JSON || cell->kind == INLAY_CELL_TEXT)
        return inlay_cell_of_json(cell->text, type, arena, ret);
    if (cell->kind != INLAY_CELL_ARRAY)
        return is_no(cell, arena, "an array");
    if (cell->nelements != type->count)
        return because(arena, "an array of %zu elements is not one of %u",
                       cell->nelements, (unsigned)type->count);
    return read_elements(cell, type->elem, arena, ret);
}

static const char *to_struct(const struct inlay_cell *cell,
                             const struct inlay_type *type,
                             struct inlay_arena *arena,
                             void *ret)
{
    if (cell->kind == INLAY_CELL_JSON || cell->kind == INLAY_CELL_TEXT)
        return inlay_cell_of_json(cell->text, type, arena, ret);
    return is_no(cell, arena, "JSON, which a struct within a row is read of");
}

/* What JSON is read into; texts and bytes get it as it is. */
static bool takes_json(enum inlay_kind kind)
{
    switch (kind) {
    case INLAY_KIND_BOOL:
    case INLAY_KIND_INT:
    case INLAY_KIND_UINT:
    case INLAY_KIND_FLOAT:
    case INLAY_KIND_ENUM:
    case INLAY_KIND_DATE:
    case INLAY_KIND_DATETIME:
    case INLAY_KIND_UUID:
    case INLAY_KIND_SLICE:
    case INLAY_KIND_ARRAY:
    case INLAY_KIND_STRUCT:
        return true;
    default:
        return false;
    }
}

static const char *to_optional(const struct inlay_cell *cell,
                               const struct inlay_type *type,
                               struct inlay_arena *arena,
                               char *ret)
{
    bool has = cell->kind != INLAY_CELL_NULL;
    const char *why = NULL;

    /* JSON has a null of its own. */
    if (cell->kind == INLAY_CELL_JSON && takes_json(type->elem->kind))
        return inlay_cell_of_json(cell->text, type, arena, ret);
    if (has)
        why = inlay_cell_to(cell, type->elem, arena, ret + type->value_offset);
    else
        memset(ret, 0, type->size);
    memcpy(ret + type->has_offset, &has, sizeof(has));
    return why;
}

static const char *to_cstr(const struct inlay_cell *cell,
                           const struct inlay_type *type,
                           struct inlay_arena *arena,
                           void *ret)
{
    if (cell->kind != INLAY_CELL_NULL)
        return to_text(cell, type, arena, ret);
    memset(ret, 0, type->size);
    return NULL;
}

const char *inlay_cell_to(const struct inlay_cell *cell,
                          const struct inlay_type *type,
                          struct inlay_arena *arena,
                          void *ret)
{
    if (inlay_unlikely(cell->kind == INLAY_CELL_JSON) && takes_json(type->kind))
        return inlay_cell_of_json(cell->text, type, arena, ret);
    switch (type->kind) {
    case INLAY_KIND_INT:
    case INLAY_KIND_UINT:
        return to_integer(cell, type, arena, ret);
    case INLAY_KIND_STR:
    case INLAY_KIND_CHARS:
    case INLAY_KIND_CHAR:
        return to_text(cell, type, arena, ret);
    case INLAY_KIND_FLOAT:
        return to_real(cell, type, arena, ret);
    case INLAY_KIND_BOOL:
        return to_bool(cell, arena, ret);
    case INLAY_KIND_OPTIONAL:
        return to_optional(cell, type, arena, ret);
    case INLAY_KIND_CSTR:
        return to_cstr(cell, type, arena, ret);
    case INLAY_KIND_ENUM:
        return to_enum(cell, type, arena, ret);
    case INLAY_KIND_BYTES:
        return to_bytes(cell, arena, ret);
    case INLAY_KIND_DATE:
        return to_date(cell, type, arena, ret);
    case INLAY_KIND_DATETIME:
        return to_datetime(cell, type, arena, ret);
    case INLAY_KIND_UUID:
        return to_uuid(cell, type, arena, ret);
    case INLAY_KIND_SLICE:
        return to_slice(cell, type, arena, ret);
    case INLAY_KIND_ARRAY:
        return to_array(cell, type, arena, ret);
    case INLAY_KIND_STRUCT:
        return to_struct(cell, type, arena, ret);
    default:
        return because(arena, "no column becomes a value of %s",
                       name_of(type, arena));
    }
}
