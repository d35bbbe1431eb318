#include "type/text.h"

#include "base/macros.h"
#include "type/calendar.h"
#include "type/constraint.h"
#include "type/json.h"
#include "type/json_inside.h"
#include "type/lax.h"

#include "base/banned.h"

bool inlay_text_readable(const struct inlay_type *type)
{
    if (type->kind == INLAY_KIND_OPTIONAL)
        type = type->elem;
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
    case INLAY_KIND_DATE:
    case INLAY_KIND_DATETIME:
    case INLAY_KIND_UUID:
        return true;
    case INLAY_KIND_VOID:
    case INLAY_KIND_SLICE:
    case INLAY_KIND_OPTIONAL:
    case INLAY_KIND_STRUCT:
    case INLAY_KIND_BYTES:
    case INLAY_KIND_OWNED:
    case INLAY_KIND_ARRAY:
    case INLAY_KIND_POINTER:
    case INLAY_KIND_HANDLE:
    case INLAY_KIND_OBJECT:
    case INLAY_KIND_CALLBACK:
    case INLAY_KIND_USERDATA:
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_ARROW_SCHEMA:
    case INLAY_KIND_INJECTED:
    case INLAY_KIND_UPLOAD:
    case INLAY_KIND_UNSUPPORTED:
        return false;
    }
    return false;
}

static int read_text(struct inlay_str text,
                     const struct inlay_type *type,
                     struct inlay_arena *arena,
                     char *ret)
{
    if (!inlay_utf8_valid(text))
        return INLAY_FAULT_STRING_UNICODE;
    if (type->kind == INLAY_KIND_STR) {
        memcpy(ret, &text, sizeof(text));
        return INLAY_LAX_OK;
    }
    if (type->kind == INLAY_KIND_CHAR)
        return inlay_lax_char_of_text(text, ret);
    if (type->kind == INLAY_KIND_CHARS)
        return inlay_lax_chars_of_text(text, type, ret);
    if (text.len > 0 && memchr(text.ptr, '\0', text.len))
        return INLAY_FAULT_STRING_NUL;
    struct inlay_str copy = inlay_arena_copy(arena, text);
    if (!copy.ptr)
        return INLAY_LAX_NO_MEMORY;
    memcpy(ret, &copy.ptr, sizeof(copy.ptr));
    return INLAY_LAX_OK;
}

static int read_scalar(struct inlay_str text,
                       const struct inlay_type *type,
                       struct inlay_arena *arena,
                       char *ret,
                       char *reason)
{
    switch (type->kind) {
    case INLAY_KIND_BOOL:
        return inlay_lax_bool_of_text(text, ret);
    case INLAY_KIND_INT:
    case INLAY_KIND_UINT:
        return inlay_lax_integer_of_text(text, type, ret);
    case INLAY_KIND_FLOAT:
        return inlay_lax_real_of_text(text, type, arena, ret);
    case INLAY_KIND_ENUM:
        return inlay_lax_enum_of_text(text, type, ret);
    case INLAY_KIND_DATE:
    case INLAY_KIND_DATETIME:
    case INLAY_KIND_UUID:
        /* What is said of it shows the text, as Python decodes it. */
        text = inlay_json_readable(text, arena);
        return text.ptr ? inlay_time_of_text(text, type, arena, ret, reason)
                        : INLAY_LAX_NO_MEMORY;
    case INLAY_KIND_CHAR:
    case INLAY_KIND_CSTR:
    case INLAY_KIND_STR:
    case INLAY_KIND_CHARS:
        return read_text(text, type, arena, ret);
    case INLAY_KIND_VOID:
    case INLAY_KIND_SLICE:
    case INLAY_KIND_OPTIONAL:
    case INLAY_KIND_STRUCT:
    case INLAY_KIND_BYTES:
    case INLAY_KIND_OWNED:
    case INLAY_KIND_ARRAY:
    case INLAY_KIND_POINTER:
    case INLAY_KIND_HANDLE:
    case INLAY_KIND_OBJECT:
    case INLAY_KIND_CALLBACK:
    case INLAY_KIND_USERDATA:
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_ARROW_SCHEMA:
    case INLAY_KIND_INJECTED:
    case INLAY_KIND_UPLOAD:
    case INLAY_KIND_UNSUPPORTED:
        break;
    }
    /* inlay_text_readable() was not asked. */
    return INLAY_FAULT_STRING_TYPE;
}

static int read_constrained(struct inlay_str text,
                            const struct inlay_type *type,
                            const struct inlay_constraints *constraints,
                            struct inlay_arena *arena,
                            char *ret,
                            char *reason,
                            struct inlay_violations *violations)
{
    int lax = read_scalar(text, type, arena, ret, reason);

    return inlay_unlikely(constraints) && lax == INLAY_LAX_OK
               ? inlay_constraints_test(constraints, type, ret, violations)
               : lax;
}

static inlay_cold enum inlay_text_status add_violation(
    struct inlay_str text,
    const struct inlay_type *type,
    const struct inlay_constraints *constraints,
    const struct inlay_place *place,
    struct inlay_violations *violations,
    enum inlay_fault fault,
    const char *reason)
{
    struct inlay_str input = {"", 0}, detail = inlay_str_from(reason);

    if (violations->count < violations->most) {
        input = inlay_json_echo_text(text, violations->arena);
        if (!input.ptr)
            return INLAY_TEXT_NO_MEMORY;
    }
    if (constraints)
        inlay_constraints_violated(constraints, violations, place, fault, input,
                                   type, detail);
    else
        inlay_violations_add(violations, place, fault, input, type, detail);
    return violations->no_memory ? INLAY_TEXT_NO_MEMORY : INLAY_TEXT_INVALID;
}

enum inlay_text_status inlay_text_read_within(
    struct inlay_str text,
    const struct inlay_type *type,
    const struct inlay_constraints *constraints,
    struct inlay_arena *arena,
    const struct inlay_place *place,
    struct inlay_violations *violations,
    void *ret)
{
    char reason[INLAY_TIME_REASON_SIZE];
    char *at = ret;

    reason[0] = '\0';
    if (type->kind == INLAY_KIND_OPTIONAL) {
        memset(ret, 0, type->size);
        *(uint8_t *)(at + type->has_offset) = 1;
        at += type->value_offset;
        type = type->elem;
    }
    int lax = read_constrained(text, type, constraints, arena, at, reason,
                               violations);
    if (inlay_likely(lax == INLAY_LAX_OK))
        return INLAY_TEXT_OK;
    if (lax == INLAY_LAX_NO_MEMORY)
        return INLAY_TEXT_NO_MEMORY;
    return add_violation(text, type, constraints, place, violations,
                         (enum inlay_fault)lax, reason);
}

enum inlay_text_status inlay_text_read(struct inlay_str text,
                                       const struct inlay_type *type,
                                       struct inlay_arena *arena,
                                       const struct inlay_place *place,
                                       struct inlay_violations *violations,
                                       void *ret)
{
    return inlay_text_read_within(text, type, NULL, arena, place, violations,
                                  ret);
}
