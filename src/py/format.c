/*
 * format.c - types as formats of PEP 3118, for those who read our arrays.
 * Native order and alignment; padding is spelt out, as numpy does it.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "py/buffer.h"

#include "base/banned.h"

#define MOST ((size_t)1 << 20)

static bool aligned(const struct inlay_type *type, size_t offset)
{
    if (offset % type->align)
        return false;
    if (type->kind == INLAY_KIND_ARRAY)
        return aligned(type->elem, offset);
    if (type->kind == INLAY_KIND_STRUCT)
        for (size_t i = 0; i < type->nfields; i++)
            if (!aligned(type->fields[i].type, offset + type->fields[i].offset))
                return false;
    return true;
}

static int put(struct inlay_buf *buf, const char *text)
{
    return inlay_buf_append(buf, text, strlen(text));
}

/* "x", "7x" */
static int put_padding(struct inlay_buf *buf, size_t count)
{
    char text[24];

    if (count == 0)
        return 0;
    if (count == 1)
        return put(buf, "x");
    snprintf(text, sizeof(text), "%zux", count);
    return put(buf, text);
}

static int put_integer(struct inlay_buf *buf, uint32_t size, bool is_signed)
{
    const char *code = is_signed ? "b\0h\0i\0q" : "B\0H\0I\0Q";

    return put(buf, code + 2 * __builtin_ctz(size));
}

static int put_type(struct inlay_buf *buf, const struct inlay_type *type);

static int put_fields(struct inlay_buf *buf, const struct inlay_type *type)
{
    size_t at = 0;

    for (size_t i = 0; i < type->nfields; i++) {
        const struct inlay_field *field = &type->fields[i];

        if (put_padding(buf, field->offset - at) < 0 ||
            put_type(buf, field->type) < 0 || put(buf, ":") < 0 ||
            inlay_buf_append(buf, field->name.ptr, field->name.len) < 0 ||
            put(buf, ":") < 0)
            return -1;
        at = field->offset + field->type->size;
    }
    return put_padding(buf, type->size - at);
}

/* "(2,3)d" */
static int put_array(struct inlay_buf *buf, const struct inlay_type *type)
{
    char text[24], before = '(';

    for (; type->kind == INLAY_KIND_ARRAY; type = type->elem) {
        snprintf(text, sizeof(text), "%c%u", before, type->count);
        if (put(buf, text) < 0)
            return -1;
        before = ',';
    }
    return put(buf, ")") < 0 ? -1 : put_type(buf, type);
}

static int put_type(struct inlay_buf *buf, const struct inlay_type *type)
{
    if (type->kind == INLAY_KIND_BOOL)
        return put(buf, "?");
    if (type->kind == INLAY_KIND_FLOAT)
        return put(buf, type->size == 8 ? "d" : "f");
    if (type->kind == INLAY_KIND_ARRAY)
        return put_array(buf, type);
    if (type->kind != INLAY_KIND_STRUCT)
        return put_integer(buf, type->size, type->kind == INLAY_KIND_INT);
    return put(buf, "T{") < 0 || put_fields(buf, type) < 0 ? -1 : put(buf, "}");
}

char *inlay_py_format_write(const struct inlay_type *type)
{
    struct inlay_buf buf;

    inlay_buf_init(&buf, MOST);
    /* Standard sizes are the native ones; only alignment is not asked for. */
    if ((!aligned(type, 0) && put(&buf, "=") < 0) || put_type(&buf, type) < 0 ||
        inlay_buf_append(&buf, "", 1) < 0) {
        inlay_buf_deinit(&buf);
        PyErr_NoMemory();
        return NULL;
    }
    return buf.data;
}
