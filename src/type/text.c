#include "type/text.h"

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
                       char *ret)
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
    case INLAY_KIND_UNSUPPORTED:
        break;
    }
    /* inlay_text_readable() was not asked. */
    return INLAY_FAULT_STRING_TYPE;
}

enum inlay_text_status inlay_text_read(struct inlay_str text,
                                       const struct inlay_type *type,
                                       struct inlay_arena *arena,
                                       const struct inlay_place *place,
                                       struct inlay_violations *violations,
                                       void *ret)
{
    struct inlay_str input = {"", 0};
    char *at = ret;

    if (type->kind == INLAY_KIND_OPTIONAL) {
        memset(ret, 0, type->size);
        *(uint8_t *)(at + type->has_offset) = 1;
        at += type->value_offset;
        type = type->elem;
    }
    int lax = read_scalar(text, type, arena, at);
    if (inlay_likely(lax == INLAY_LAX_OK))
        return INLAY_TEXT_OK;
    if (lax == INLAY_LAX_NO_MEMORY)
        return INLAY_TEXT_NO_MEMORY;
    if (violations->count < violations->most) {
        input = inlay_json_echo_text(text, arena);
        if (!input.ptr)
            return INLAY_TEXT_NO_MEMORY;
    }
    inlay_violations_add(violations, place, (enum inlay_fault)lax, input, type,
                         INLAY_STR(""));
    return violations->no_memory ? INLAY_TEXT_NO_MEMORY : INLAY_TEXT_INVALID;
}
