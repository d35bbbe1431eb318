/*
 * arrow_out.c - inlay.Array as Arrow data: numbers as they lie, with a share
 * of the memory; bools as a bitmap and what lies in structs as copies. Who
 * gets it may release it on any thread, without the GIL: nothing here is
 * Python's.
 */
#include <stdio.h>

#include "base/mem.h"
#include "py/array.h"
#include "py/arrow.h"

#include "base/banned.h"

/* --- Schemas ------------------------------------------------------------ */

static void schema_release(struct ArrowSchema *schema)
{
    for (int64_t i = 0; i < schema->n_children; i++) {
        struct ArrowSchema *child = schema->children[i];

        if (child && child->release)
            child->release(child);
        inlay_free(child);
    }
    inlay_free(schema->children);
    inlay_free((void *)(uintptr_t)schema->format);
    inlay_free((void *)(uintptr_t)schema->name);
    schema->release = NULL;
}

static char *copy_text(struct inlay_str text)
{
    char *copy = inlay_malloc(text.len + 1);

    if (!copy)
        return NULL;
    if (text.len)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

/* "l", "+w:3" */
static struct inlay_str format_of(const struct inlay_type *type, char buf[24])
{
    static const char codes[] = "csilCSIL";
    int log = __builtin_ctz(type->size | 8);

    if (type->kind == INLAY_KIND_STRUCT)
        return INLAY_STR("+s");
    if (type->kind == INLAY_KIND_BOOL)
        return INLAY_STR("b");
    if (type->kind == INLAY_KIND_FLOAT)
        return type->size == 8 ? INLAY_STR("g") : INLAY_STR("f");
    if (type->kind == INLAY_KIND_ARRAY) {
        snprintf(buf, 24, "+w:%u", type->count);
        return inlay_str_from(buf);
    }
    return inlay_str_make(&codes[log + (type->kind == INLAY_KIND_INT ? 0 : 4)],
                          1);
}

static int schema_fill(struct ArrowSchema *schema,
                       const struct inlay_type *type,
                       struct inlay_str name);

static int add_schema(struct ArrowSchema *schema,
                      const struct inlay_type *type,
                      struct inlay_str name)
{
    struct ArrowSchema *child = inlay_calloc(1, sizeof(*child));

    if (!child)
        return -1;
    schema->children[schema->n_children++] = child;
    return schema_fill(child, type, name);
}

/* -1 without memory: what is there so far is released with the capsule. */
static int schema_fill(struct ArrowSchema *schema,
                       const struct inlay_type *type,
                       struct inlay_str name)
{
    char buf[24];
    size_t children = type->kind == INLAY_KIND_STRUCT  ? type->nfields
                      : type->kind == INLAY_KIND_ARRAY ? 1
                                                       : 0;

    schema->release = schema_release;
    schema->format = copy_text(format_of(type, buf));
    schema->name = copy_text(name);
    schema->children = inlay_calloc(children + 1, sizeof(*schema->children));
    if (!schema->format || !schema->name || !schema->children)
        return -1;
    if (type->kind == INLAY_KIND_ARRAY)
        return add_schema(schema, type->elem, INLAY_STR("item"));
    for (size_t i = 0; i < children; i++)
        if (add_schema(schema, type->fields[i].type, type->fields[i].name) < 0)
            return -1;
    return 0;
}

/* --- Arrays ------------------------------------------------------------- */

struct share {
    struct inlay_py_memory *memory; /* NULL: of structs */
    const void *buffers[2];         /* validity: none; values */
};

static void array_release(struct ArrowArray *array)
{
    struct share *share = array->private_data;

    for (int64_t i = 0; i < array->n_children; i++) {
        struct ArrowArray *child = array->children[i];

        if (child && child->release)
            child->release(child);
        inlay_free(child);
    }
    inlay_free(array->children);
    if (share && share->memory)
        inlay_py_memory_release(share->memory);
    inlay_free(share);
    array->release = NULL;
}

/* `len` values, one every `stride` bytes. */
struct values {
    struct inlay_py_memory *memory;
    const char *at;
    size_t len, stride;
};

static int array_fill(struct ArrowArray *array,
                      const struct inlay_type *type,
                      const struct values *values);

static int add_array(struct ArrowArray *array,
                     const struct inlay_type *type,
                     const struct values *values)
{
    struct ArrowArray *child = inlay_calloc(1, sizeof(*child));

    if (!child)
        return -1;
    array->children[array->n_children++] = child;
    return array_fill(child, type, values);
}

/* The values side by side, in memory of their own. */
static struct inlay_py_memory *gather(const struct inlay_type *type,
                                      const struct values *values)
{
    char *copy = inlay_malloc(values->len ? values->len * type->size : 1);

    for (size_t i = 0; copy && i < values->len; i++)
        memcpy(copy + i * type->size, values->at + i * values->stride,
               type->size);
    return inlay_py_memory_create(copy);
}

/* Bit by bit, the lowest first. */
static struct inlay_py_memory *pack(const struct values *values)
{
    uint8_t *bits = inlay_calloc(values->len / 8 + 1, 1);

    for (size_t i = 0; bits && i < values->len; i++)
        if (values->at[i * values->stride])
            bits[i / 8] |= (uint8_t)(1 << (i % 8));
    return inlay_py_memory_create(bits);
}

/* The lists of T[N] are one array of N times as many. */
static int fill_lists(struct ArrowArray *array,
                      const struct inlay_type *type,
                      const struct values *values)
{
    struct inlay_py_memory *memory = gather(type, values);
    int result = -1;

    if (memory) {
        const struct values inside = {
            memory, memory->ptr, values->len * type->count, type->elem->size};

        result = add_array(array, type->elem, &inside);
        inlay_py_memory_release(memory);
    }
    return result;
}

static int fill_fields(struct ArrowArray *array,
                       const struct inlay_type *type,
                       const struct values *values)
{
    for (size_t i = 0; i < type->nfields; i++) {
        struct values field = *values;

        field.at += type->fields[i].offset;
        if (add_array(array, type->fields[i].type, &field) < 0)
            return -1;
    }
    return 0;
}

static int fill_numbers(struct share *share,
                        const struct inlay_type *type,
                        const struct values *values)
{
    if (type->kind == INLAY_KIND_BOOL)
        share->memory = pack(values);
    else if (values->stride != type->size)
        share->memory = gather(type, values);
    else {
        share->memory = inlay_py_memory_retain(values->memory);
        share->buffers[1] = values->at;
        return 0;
    }
    if (!share->memory)
        return -1;
    share->buffers[1] = share->memory->ptr;
    return 0;
}

static int array_fill(struct ArrowArray *array,
                      const struct inlay_type *type,
                      const struct values *values)
{
    struct share *share = inlay_calloc(1, sizeof(*share));
    size_t children = type->kind == INLAY_KIND_STRUCT ? type->nfields : 1;

    array->release = array_release;
    array->private_data = share;
    array->children = inlay_calloc(children + 1, sizeof(*array->children));
    if (!share || !array->children)
        return -1;
    array->length = (int64_t)values->len;
    array->buffers = share->buffers;
    array->n_buffers = 1;
    if (type->kind == INLAY_KIND_STRUCT)
        return fill_fields(array, type, values);
    if (type->kind == INLAY_KIND_ARRAY)
        return fill_lists(array, type, values);
    array->n_buffers = 2;
    return fill_numbers(share, type, values);
}

/* --- Capsules ----------------------------------------------------------- */

static PyObject *no_memory(void)
{
    PyErr_Clear();
    return PyErr_NoMemory();
}

PyObject *inlay_py_array_export_schema(struct inlay_py_array *self)
{
    struct ArrowSchema *schema;
    _cleanup_decref_ PyObject *capsule = inlay_py_arrow_schema_capsule(&schema);

    if (!capsule)
        return NULL;
    if (schema_fill(schema, self->elem.c, INLAY_STR("")) < 0)
        return no_memory();
    return Py_NewRef(capsule);
}

PyObject *inlay_py_array_export(struct inlay_py_array *self)
{
    const struct values values = {self->memory, self->items, (size_t)self->len,
                                  (size_t)self->size};
    struct ArrowArray *array;
    _cleanup_decref_ PyObject *schema = inlay_py_array_export_schema(self);
    _cleanup_decref_ PyObject *capsule =
        schema ? inlay_py_arrow_array_capsule(&array) : NULL;

    if (!capsule)
        return NULL;
    if (array_fill(array, self->elem.c, &values) < 0)
        return no_memory();
    return PyTuple_Pack(2, schema, capsule);
}
