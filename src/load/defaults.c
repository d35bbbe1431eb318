/* defaults.c - INLAY_DEFAULT: a literal becomes a value of the parameter. */
#include <math.h>
#include <string.h>

#include "load/records.h"
#include "type/calendar.h"
#include "type/lax.h"

#include "base/banned.h"

#define ARENA_LIMIT ((size_t)64 << 10)

static struct inlay_error *wrong_kind(const struct inlay_type *type,
                                      const char *hint)
{
    return inlay_records_wrong("the parameter has type %.*s: write %s",
                               inlay_str_arg(type->name), hint);
}

static bool is_integer(const struct inlay_default_record *default_)
{
    return default_->kind == INLAY_DEFAULT_INT ||
           default_->kind == INLAY_DEFAULT_UINT;
}

/* Is it below zero? An unsigned one only looks like it. */
static bool is_negative(const struct inlay_default_record *default_)
{
    return default_->kind == INLAY_DEFAULT_INT && default_->integer < 0;
}

/* In C it may be any number; here it is one of its members, as in requests. */
static struct inlay_error *check_member(
    const struct inlay_default_record *default_,
    const struct inlay_type *type)
{
    return inlay_enum_find(type, default_->integer)
               ? NULL
               : inlay_records_wrong("%.*s has no member of this value",
                                     inlay_str_arg(type->name));
}

/* Into INT, UINT and ENUM. */
static struct inlay_error *put_integer(
    const struct inlay_default_record *default_,
    void *at,
    const struct inlay_type *type)
{
    bool is_signed = type->kind == INLAY_KIND_INT ||
                     (type->kind == INLAY_KIND_ENUM && type->is_signed);
    bool negative = is_negative(default_);
    int64_t value = default_->integer, least = 0;
    uint64_t most = inlay_uint_most(type->size);

    if (!is_integer(default_))
        return wrong_kind(type, "an integer");
    if (is_signed) {
        least = inlay_int_least(type->size);
        most = (uint64_t)inlay_int_most(type->size);
    }
    if (negative ? value < least : (uint64_t)value > most)
        return inlay_records_wrong(
            "%s%llu does not fit %.*s (%lld to %llu)", negative ? "-" : "",
            (unsigned long long)(negative ? 0 - (uint64_t)value
                                          : (uint64_t)value),
            inlay_str_arg(type->name), (long long)least,
            (unsigned long long)most);
    if (type->kind == INLAY_KIND_ENUM) {
        struct inlay_error *error = check_member(default_, type);

        if (error)
            return error;
    }
    inlay_int_store(at, type->size, (uint64_t)value);
    return NULL;
}

static struct inlay_error *put_bool(const struct inlay_default_record *default_,
                                    void *at,
                                    const struct inlay_type *type)
{
    if (!is_integer(default_) || default_->integer < 0 || default_->integer > 1)
        return wrong_kind(type, "true or false");
    *(bool *)at = default_->integer == 1;
    return NULL;
}

/* 'x' is an int in C. */
static struct inlay_error *put_char(const struct inlay_default_record *default_,
                                    void *at,
                                    const struct inlay_type *type)
{
    if (!is_integer(default_) || default_->integer < 0 ||
        default_->integer > 0x7F)
        return wrong_kind(type, "an ASCII character, as 'x'");
    *(char *)at = (char)default_->integer;
    return NULL;
}

static struct inlay_error *put_float(
    const struct inlay_default_record *default_,
    void *at,
    const struct inlay_type *type)
{
    double value = default_->real;

    if (is_negative(default_))
        value = (double)default_->integer;
    else if (is_integer(default_))
        value = (double)(uint64_t)default_->integer;
    else if (default_->kind != INLAY_DEFAULT_DOUBLE)
        return wrong_kind(type, "a number");
    if (!isfinite(value) || (type->size == 4 && !isfinite((float)value)))
        return inlay_records_wrong("%s does not fit %.*s", default_->text,
                                   inlay_str_arg(type->name));
    if (type->size == 4)
        *(float *)at = (float)value;
    else
        *(double *)at = value;
    return NULL;
}

static bool is_null(const struct inlay_default_record *default_)
{
    return default_->kind == INLAY_DEFAULT_NULL ||
           (default_->kind == INLAY_DEFAULT_STRING && !default_->string);
}

/* Literals live as long as the module: for ever. */
static struct inlay_error *put_text(const struct inlay_default_record *default_,
                                    void *at,
                                    const struct inlay_type *type)
{
    if (type->kind == INLAY_KIND_CSTR && is_null(default_))
        return NULL;
    if (default_->kind != INLAY_DEFAULT_STRING || is_null(default_))
        return wrong_kind(type, "a string");
    struct inlay_str text = inlay_str_from(default_->string);
    if (type->kind == INLAY_KIND_BYTES) {
        *(struct inlay_bytes *)at =
            (struct inlay_bytes){(const uint8_t *)default_->string, text.len};
        return NULL;
    }
    if (!inlay_utf8_valid(text))
        return inlay_records_wrong("the string is not UTF-8");
    if (type->kind == INLAY_KIND_CSTR)
        *(const char **)at = default_->string;
    else
        *(struct inlay_str *)at = text;
    return NULL;
}

/* "2026-11-21": a string that reads as requests' texts do. */
static struct inlay_error *put_time(const struct inlay_default_record *default_,
                                    void *at,
                                    const struct inlay_type *type)
{
    char reason[INLAY_TIME_REASON_SIZE];
    struct inlay_arena arena;
    int lax;

    if (default_->kind != INLAY_DEFAULT_STRING || is_null(default_))
        return wrong_kind(type, type->kind == INLAY_KIND_UUID
                                    ? "a string, as \"f81d4fae-…\""
                                    : "a string, as \"2026-11-21\"");
    inlay_arena_init(&arena, ARENA_LIMIT);
    lax = inlay_time_of_text(inlay_str_from(default_->string), type, &arena, at,
                             reason);
    inlay_arena_deinit(&arena);
    if (lax == INLAY_LAX_OK)
        return NULL;
    if (lax == INLAY_LAX_NO_MEMORY)
        return inlay_error_no_memory();
    return inlay_records_wrong("%s is no %.*s%s%s", default_->text,
                               inlay_str_arg(type->name), *reason ? ": " : "",
                               reason);
}

static struct inlay_error *put(const struct inlay_default_record *default_,
                               void *at,
                               const struct inlay_type *type)
{
    switch (type->kind) {
    case INLAY_KIND_BOOL:
        return put_bool(default_, at, type);
    case INLAY_KIND_INT:
    case INLAY_KIND_UINT:
    case INLAY_KIND_ENUM:
        return put_integer(default_, at, type);
    case INLAY_KIND_FLOAT:
        return put_float(default_, at, type);
    case INLAY_KIND_CHAR:
        return put_char(default_, at, type);
    case INLAY_KIND_CSTR:
    case INLAY_KIND_STR:
    case INLAY_KIND_BYTES:
        return put_text(default_, at, type);
    case INLAY_KIND_DATE:
    case INLAY_KIND_DATETIME:
    case INLAY_KIND_UUID:
        return put_time(default_, at, type);
    case INLAY_KIND_POINTER:
    case INLAY_KIND_HANDLE:
    case INLAY_KIND_CALLBACK:
        return is_null(default_) ? NULL : wrong_kind(type, "NULL");
    case INLAY_KIND_OPTIONAL:
        if (is_null(default_))
            return NULL;
        *((bool *)at + type->has_offset) = true;
        return put(default_, (char *)at + type->value_offset, type->elem);
    case INLAY_KIND_UPLOAD:
    case INLAY_KIND_SLICE:
    case INLAY_KIND_STRUCT:
    case INLAY_KIND_VOID:
    case INLAY_KIND_OWNED:
    case INLAY_KIND_CHARS:
    case INLAY_KIND_ARRAY:
    case INLAY_KIND_OBJECT:
    case INLAY_KIND_USERDATA:
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_ARROW_SCHEMA:
    case INLAY_KIND_INJECTED:
    case INLAY_KIND_UNSUPPORTED:
        break;
    }
    return inlay_records_wrong(
        "a parameter of type %.*s can't have a default: make it an "
        "INLAY_OPTIONAL",
        inlay_str_arg(type->name));
}

static struct inlay_param *find_param(const struct inlay_func *func,
                                      struct inlay_str name)
{
    for (size_t i = 0; i < func->nparams; i++) {
        if (inlay_str_equal(func->params[i].name, name))
            return &func->params[i];
    }
    return NULL;
}

static struct inlay_error *apply_to(struct inlay_module *module,
                                    const struct inlay_default_record *default_,
                                    const struct inlay_func *func)
{
    struct inlay_param *param =
        find_param(func, inlay_str_from(default_->param));

    if (!param)
        return inlay_records_wrong("%.*s has no parameter %s",
                                   inlay_str_arg(func->name), default_->param);
    if (param->fallback_text.len)
        return inlay_records_wrong("%s has a default already", default_->param);
    void *value = inlay_arena_zalloc(&module->arena, param->type->size);
    if (!value)
        return inlay_error_no_memory();
    struct inlay_error *error = put(default_, value, param->type);
    if (error)
        return error;
    param->fallback = value;
    param->fallback_text = inlay_str_from(default_->text);
    return NULL;
}

/* One function can have several names: each has parameters of its own. */
static struct inlay_error *apply(struct inlay_module *module,
                                 const struct inlay_default_record *default_,
                                 struct inlay_str *name_ret)
{
    struct inlay_callable *callable;
    struct inlay_error *error;

    if (!default_->param || !default_->text)
        return inlay_records_wrong("the record is empty");
    error = inlay_records_function(module, default_->func, &callable);
    if (error)
        return error;
    *name_ret = callable->func->name;
    for (size_t i = 0; !error && i < module->ncallables; i++) {
        if (module->callables[i].func->entry == callable->func->entry)
            error = apply_to(module, default_, module->callables[i].func);
    }
    return error;
}

struct inlay_error *inlay_defaults_apply(struct inlay_module *module,
                                         const struct inlay_debug *debug)
{
    struct inlay_records records;
    struct inlay_error *error;

    error = inlay_records_find(module, &debug->sections[INLAY_SECTION_default],
                               sizeof(struct inlay_default_record), &records);
    for (size_t i = 0; !error && i < records.count; i++) {
        const struct inlay_default_record *default_ =
            (const struct inlay_default_record *)records.items + i;
        struct inlay_str name = INLAY_STR("...");

        error = apply(module, default_, &name);
        if (!error)
            continue;
        struct inlay_str what = inlay_arena_format(
            &module->arena, "INLAY_DEFAULT(%.*s, %s, %s)", inlay_str_arg(name),
            default_->param ? default_->param : "",
            default_->text ? default_->text : "");
        error = inlay_records_error(error, default_->file, default_->line,
                                    what.ptr ? what.ptr : "INLAY_DEFAULT");
    }
    return error;
}
