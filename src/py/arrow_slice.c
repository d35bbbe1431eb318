/*
 * arrow_slice.c - Arrow data -> slices. Its formats and layouts:
 * https://arrow.apache.org/docs/format/CDataInterface.html and Columnar.html.
 * What the producer says about sizes is checked; that its pointers are good
 * is part of the interface.
 */
#include "base/macros.h"
#include "py/arrow.h"
#include "py/buffer.h"
#include "py/errors.h"

#include "base/banned.h"

#define DEPTH_MOST 16

/* Elements `begin` to `begin + count` of an array, to go to `to`. */
struct range {
    const struct ArrowSchema *schema;
    const struct ArrowArray *array;
    int64_t begin, count; /* not counting the array's own offset */
};

/* Where they go, one every `stride` bytes, and what they are called. */
struct target {
    const struct inlay_py_conversion *conversion;
    const struct inlay_py_type *type; /* of one element */
    char *at;
    size_t stride;
    struct inlay_py_place *item; /* of the elements; its index is set here */
    Py_ssize_t first;            /* the index of the first one */
    /* Of the element, or of the field of it that is read. */
    const struct inlay_py_place *place;
    int depth;
};

static int read_range(const struct range *range, const struct target *target);

/* --- Errors ------------------------------------------------------------- */

/* `at`: which of the range. */
static void name_item(const struct target *target, int64_t at)
{
    target->item->index = target->first + (Py_ssize_t)at;
}

static int broken(const struct target *target, const char *what)
{
    return inlay_py_fail(target->conversion, target->place, PyExc_ValueError,
                         "broken Arrow data: %s", what);
}

static int unsuitable(const struct range *range, const struct target *target)
{
    _cleanup_decref_ PyObject *format =
        inlay_py_text(inlay_str_from(range->schema->format));
    _cleanup_decref_ PyObject *name = inlay_py_text(target->type->c->name);

    if (!format || !name)
        return -1;
    return inlay_py_fail(target->conversion, target->place, PyExc_TypeError,
                         "Arrow data of format %R can't become %U", format,
                         name);
}

/* --- Layouts ------------------------------------------------------------ */

static bool format_is(const struct ArrowSchema *schema, const char *format)
{
    return strcmp(schema->format, format) == 0;
}

/* The number behind a format; VOID for others, bool (a bitmap) among them. */
static struct inlay_py_item item_of(const struct ArrowSchema *schema)
{
    static const struct {
        char code;
        uint8_t size;
        enum inlay_kind kind;
    } codes[] = {
        {'c', 1, INLAY_KIND_INT},   {'s', 2, INLAY_KIND_INT},
        {'i', 4, INLAY_KIND_INT},   {'l', 8, INLAY_KIND_INT},
        {'C', 1, INLAY_KIND_UINT},  {'S', 2, INLAY_KIND_UINT},
        {'I', 4, INLAY_KIND_UINT},  {'L', 8, INLAY_KIND_UINT},
        {'f', 4, INLAY_KIND_FLOAT}, {'g', 8, INLAY_KIND_FLOAT},
    };

    for (size_t i = 0; i < inlay_array_size(codes) && !schema->format[1]; i++)
        if (schema->format[0] == codes[i].code)
            return (struct inlay_py_item){codes[i].kind, codes[i].size, false};
    return (struct inlay_py_item){INLAY_KIND_VOID, 0, false};
}

static bool bit(const void *bits, int64_t at)
{
    return ((const uint8_t *)bits)[at / 8] >> (at % 8) & 1;
}

/* Buffer `i`; NULL when there is none, which empty arrays may have. */
static const void *buffer(const struct range *range, int64_t i)
{
    return i < range->array->n_buffers && range->array->buffers
               ? range->array->buffers[i]
               : NULL;
}

/* An element's place in the buffers. */
static int64_t place_of(const struct range *range, int64_t at)
{
    return range->array->offset + range->begin + at;
}

/* Is the range within the array, and the array what one can be? */
static int check_range(const struct range *range, const struct target *target)
{
    const struct ArrowArray *array = range->array;
    int64_t end;

    if (!range->schema || !range->schema->format || !array ||
        array->length < 0 || array->offset < 0 || array->n_buffers < 0 ||
        array->length > INT64_MAX / 64 - array->offset)
        return broken(target, "a length or an offset is out of range");
    if (range->begin < 0 || range->count < 0 ||
        __builtin_add_overflow(range->begin, range->count, &end) ||
        end > array->length)
        return broken(target, "a child is shorter than its parent");
    if (target->depth > DEPTH_MOST)
        return broken(target, "nested too deep");
    return 0;
}

/* The bitmap of those that are not null; NULL when none is. */
static const void *validity(const struct range *range)
{
    return range->array->null_count == 0 ? NULL : buffer(range, 0);
}

static bool is_null(const struct range *range, int64_t at)
{
    const void *bits = validity(range);

    return format_is(range->schema, "n") ||
           (bits && !bit(bits, place_of(range, at)));
}

/* The first null of the range; its count when there is none. */
static int64_t find_null(const struct range *range)
{
    int64_t i = 0;

    if (!validity(range) && !format_is(range->schema, "n"))
        return range->count;
    while (i < range->count && !is_null(range, i))
        i++;
    return i;
}

/* TypeError for the first null of the range, as for a None in a list. */
static int refuse_nulls(const struct range *range, const struct target *target)
{
    int64_t at = find_null(range);

    if (at == range->count)
        return 0;
    name_item(target, at);
    return inlay_py_mismatch(target->conversion, target->type, Py_None,
                             target->place);
}

/* --- Numbers ------------------------------------------------------------ */

static int read_numbers(const struct range *range,
                        const struct target *target,
                        struct inlay_py_item item)
{
    const struct inlay_type *to = target->type->c;
    const char *from = buffer(range, 1);

    if (!inlay_py_item_suits(item, to)) {
        static const uint64_t zero;
        _cleanup_decref_ PyObject *like = inlay_py_item_object(item, &zero);

        return like ? inlay_py_mismatch(target->conversion, target->type, like,
                                        target->place)
                    : -1;
    }
    if (!from)
        return broken(target, "no values");
    from += (size_t)place_of(range, 0) * item.size;
    size_t count = (size_t)range->count,
           done = inlay_py_items_store(item, from, item.size, to, target->at,
                                       target->stride, count);
    if (done == count)
        return 0;
    name_item(target, (int64_t)done);
    return inlay_py_item_fail(target->conversion, item, from + done * item.size,
                              target->type, target->place);
}

static int read_bools(const struct range *range, const struct target *target)
{
    const struct inlay_py_item item = {INLAY_KIND_BOOL, 1, false};
    const void *bits = buffer(range, 1);
    char *at = target->at;

    if (!inlay_py_item_suits(item, target->type->c))
        return inlay_py_mismatch(target->conversion, target->type, Py_True,
                                 target->place);
    if (!bits)
        return broken(target, "no values");
    for (int64_t i = 0; i < range->count; i++) {
        uint8_t value = bit(bits, place_of(range, i));

        inlay_py_item_store(item, &value, target->type->c, at);
        at += target->stride;
    }
    return 0;
}

/* --- Text and bytes ----------------------------------------------------- */

/* Offsets of 4 or 8 bytes into one buffer. */
static const char *offset_text(const struct range *range,
                               int64_t at,
                               size_t width,
                               struct inlay_str *ret)
{
    const char *offsets = buffer(range, 1), *data = buffer(range, 2);
    int64_t pair[2];

    if (!offsets)
        return "no offsets";
    offsets += (size_t)place_of(range, at) * width;
    for (size_t i = 0; i < 2; i++) {
        int32_t narrow;

        memcpy(&narrow, offsets + i * width, sizeof(narrow));
        pair[i] = narrow;
        if (width == 8)
            memcpy(&pair[i], offsets + i * width, sizeof(pair[i]));
    }
    if (pair[0] < 0 || pair[1] < pair[0])
        return "offsets that go back";
    if (pair[1] > pair[0] && !data)
        return "no text";
    *ret =
        inlay_str_make(data ? data + pair[0] : "", (size_t)(pair[1] - pair[0]));
    return NULL;
}

/* Views of 16 bytes: short text is within, long text in further buffers. */
static const char *view_text(const struct range *range,
                             int64_t at,
                             struct inlay_str *ret)
{
    const char *views = buffer(range, 1);
    const int64_t *sizes = buffer(range, range->array->n_buffers - 1);
    int32_t words[4];

    if (!views)
        return "no views";
    views += (size_t)place_of(range, at) * sizeof(words);
    memcpy(words, views, sizeof(words));
    if (words[0] < 0)
        return "a text of negative length";
    if (words[0] <= 12) {
        *ret = inlay_str_make(views + 4, (size_t)words[0]);
        return NULL;
    }
    /* Validity, views, the further buffers, their sizes. */
    int64_t index = words[2], offset = words[3];
    bool known = index >= 0 && index < range->array->n_buffers - 3;
    const char *data = known ? buffer(range, 2 + index) : NULL;
    if (!data || !sizes || offset < 0 || offset + words[0] > sizes[index])
        return "a view beyond its buffer";
    *ret = inlay_str_make(data + offset, (size_t)words[0]);
    return NULL;
}

/* "u" and its like; text is NULL when the format is none of them. */
static const char *text_at(const struct range *range,
                           int64_t at,
                           struct inlay_str *ret)
{
    const char *format = range->schema->format;

    if (*format == 'v')
        return view_text(range, at, ret);
    return offset_text(range, at, *format == 'u' || *format == 'z' ? 4 : 8,
                       ret);
}

static bool is_text(const struct ArrowSchema *schema)
{
    return format_is(schema, "u") || format_is(schema, "U") ||
           format_is(schema, "vu");
}

static bool is_bytes(const struct ArrowSchema *schema)
{
    return format_is(schema, "z") || format_is(schema, "Z") ||
           format_is(schema, "vz");
}

/* As they lie: a view for each. */
static int read_texts(const struct range *range, const struct target *target)
{
    bool text = target->type->c->kind == INLAY_KIND_STR;
    char *at = target->at;

    for (int64_t i = 0; i < range->count; i++) {
        struct inlay_str view;
        const char *problem = text_at(range, i, &view);

        if (!problem && text && !inlay_utf8_valid(view))
            problem = "text that is not UTF-8";
        if (problem) {
            name_item(target, i);
            return broken(target, problem);
        }
        memcpy(at, &view, sizeof(view));
        at += target->stride;
    }
    return 0;
}

/* --- By way of Python objects ------------------------------------------- */

/* Value `at` for a type that has rules of its own: an enum, a char[N]. */
static PyObject *value_object(const struct range *range,
                              const struct target *target,
                              int64_t at)
{
    struct inlay_py_item item = item_of(range->schema);
    struct inlay_str view = {NULL, 0};
    const char *values = buffer(range, 1);

    if (item.kind != INLAY_KIND_VOID && values)
        return inlay_py_item_object(item, values + (size_t)place_of(range, at) *
                                                       item.size);
    if (format_is(range->schema, "b") && values)
        return PyBool_FromLong(bit(values, place_of(range, at)));
    const char *problem = text_at(range, at, &view);
    if (problem) {
        broken(target, problem);
        return NULL;
    }
    if (is_bytes(range->schema))
        return PyBytes_FromStringAndSize(view.ptr, (Py_ssize_t)view.len);
    return PyUnicode_DecodeUTF8(view.ptr, (Py_ssize_t)view.len,
                                "surrogateescape");
}

static int read_objects(const struct range *range, const struct target *target)
{
    for (int64_t i = 0; i < range->count; i++) {
        name_item(target, i);
        _cleanup_decref_ PyObject *value = value_object(range, target, i);
        if (!value || inlay_py_in(target->conversion, target->type, value,
                                  target->at + (size_t)i * target->stride,
                                  target->place) < 0)
            return -1;
    }
    return 0;
}

/* --- Nested ------------------------------------------------------------- */

/* The child that is called as the field; NULL: none. */
static int find_child(const struct range *range, struct inlay_str name)
{
    for (int i = 0; i < (int)range->schema->n_children; i++) {
        const struct ArrowSchema *child = range->schema->children[i];

        if (child && child->name &&
            inlay_str_equal(inlay_str_from(child->name), name))
            return i;
    }
    return -1;
}

static int read_field(const struct range *range,
                      const struct target *target,
                      size_t i)
{
    const struct inlay_field *field = &target->type->c->fields[i];
    const struct inlay_py_record *record = target->type->record;
    struct inlay_py_place place = {target->place, record->names[i], 0};
    struct target inner = *target;
    int found = find_child(range, field->name);

    if (found < 0) {
        if (inlay_type_omissible(record->types[i]->c))
            return 0;
        return inlay_py_fail(target->conversion, target->place, PyExc_TypeError,
                             "missing field %R", record->names[i]);
    }
    struct range child = {range->schema->children[found],
                          range->array->children[found], place_of(range, 0),
                          range->count};
    inner.type = record->types[i];
    inner.at += field->offset;
    inner.place = &place;
    inner.depth++;
    return read_range(&child, &inner);
}

static int read_structs(const struct range *range, const struct target *target)
{
    const struct inlay_type *c = target->type->c;

    if (range->array->n_children != range->schema->n_children ||
        range->schema->n_children < 0 ||
        range->schema->n_children > INT32_MAX ||
        (range->schema->n_children &&
         (!range->array->children || !range->schema->children)))
        return broken(target, "children that don't match");
    for (size_t i = 0; i < c->nfields; i++)
        if (read_field(range, target, i) < 0)
            return -1;
    return 0;
}

/* Value by value, those that are not null. */
static int read_optionals(const struct range *range,
                          const struct target *target)
{
    const struct inlay_type *c = target->type->c;

    for (int64_t i = 0; i < range->count; i++) {
        char *at = target->at + (size_t)i * target->stride;
        struct range one = *range;
        struct target value = *target;

        if (is_null(range, i))
            continue;
        at[c->has_offset] = 1;
        one.begin += i;
        one.count = 1;
        value.type = target->type->elem;
        value.at = at + c->value_offset;
        value.first += (Py_ssize_t)i;
        value.depth++;
        if (read_range(&one, &value) < 0)
            return -1;
    }
    return 0;
}

/* An index that says which value of the dictionary it is. */
static int read_dictionary(const struct range *range,
                           const struct target *target)
{
    struct inlay_py_item item = item_of(range->schema);
    const char *indices = buffer(range, 1);

    if ((item.kind != INLAY_KIND_INT && item.kind != INLAY_KIND_UINT) ||
        !indices)
        return broken(target, "no indices");
    for (int64_t i = 0; i < range->count; i++) {
        static const struct inlay_type index_type = {
            .kind = INLAY_KIND_INT, .size = 8, .align = 8};
        struct target one = *target;
        int64_t index;

        name_item(target, i);
        if (!inlay_py_item_store(
                item, indices + (size_t)place_of(range, i) * item.size,
                &index_type, &index))
            return broken(target, "an index out of range");
        struct range value = {range->schema->dictionary,
                              range->array->dictionary, index, 1};
        one.at += (size_t)i * target->stride;
        one.first += (Py_ssize_t)i;
        one.depth++;
        if (read_range(&value, &one) < 0)
            return -1;
    }
    return 0;
}

static int read_range(const struct range *range, const struct target *target)
{
    enum inlay_kind kind = target->type->c->kind;
    struct inlay_py_item item;

    if (check_range(range, target) < 0)
        return -1;
    if (range->count == 0)
        return 0;
    name_item(target, 0);
    if (kind == INLAY_KIND_OPTIONAL)
        return read_optionals(range, target);
    if (refuse_nulls(range, target) < 0)
        return -1;
    name_item(target, 0);
    if (range->schema->dictionary)
        return read_dictionary(range, target);
    item = item_of(range->schema);
    bool number = kind == INLAY_KIND_INT || kind == INLAY_KIND_UINT ||
                  kind == INLAY_KIND_FLOAT || kind == INLAY_KIND_BOOL;
    if (number && item.kind != INLAY_KIND_VOID)
        return read_numbers(range, target, item);
    if (number && format_is(range->schema, "b"))
        return read_bools(range, target);
    if ((kind == INLAY_KIND_STR && is_text(range->schema)) ||
        (kind == INLAY_KIND_BYTES && is_bytes(range->schema)))
        return read_texts(range, target);
    if (kind == INLAY_KIND_STRUCT && format_is(range->schema, "+s"))
        return read_structs(range, target);
    if (item.kind != INLAY_KIND_VOID || format_is(range->schema, "b") ||
        is_text(range->schema) || is_bytes(range->schema))
        return read_objects(range, target);
    return unsuitable(range, target);
}

/* --- Slices ------------------------------------------------------------- */

/* A chunk of the very numbers: no copy. */
static bool usable(const struct inlay_type *c, const struct range *chunk)
{
    const char *values = buffer(chunk, 1);

    return c->elem_const && !chunk->schema->dictionary &&
           inlay_py_item_same(item_of(chunk->schema), c->elem) && values &&
           (uintptr_t)values % c->elem->align == 0 &&
           find_null(chunk) == chunk->count;
}

static int copy_chunks(const struct inlay_py_arrow *arrow,
                       struct target *target,
                       size_t len)
{
    size_t size;

    if (__builtin_mul_overflow(len, target->stride, &size)) {
        PyErr_NoMemory();
        return -1;
    }
    target->at = inlay_py_frame_alloc(target->conversion->frame, size);
    if (!target->at)
        return -1;
    memset(target->at, 0, size);
    for (size_t i = 0; i < arrow->nchunks; i++) {
        struct range all = {arrow->schema, arrow->chunks[i], 0,
                            arrow->chunks[i]->length};

        if (read_range(&all, target) < 0)
            return -1;
        target->at += (size_t)all.count * target->stride;
        target->first += (Py_ssize_t)all.count;
    }
    target->at -= size;
    return 0;
}

/* How many elements there are in all; -1 when that can't be. */
static int64_t count_items(const struct inlay_py_arrow *arrow)
{
    int64_t count = 0;

    for (size_t i = 0; i < arrow->nchunks; i++)
        if (arrow->chunks[i]->length < 0 || arrow->chunks[i]->offset < 0 ||
            __builtin_add_overflow(count, arrow->chunks[i]->length, &count))
            return -1;
    return arrow->schema->format ? count : -1;
}

int inlay_py_arrow_slice_in(const struct inlay_py_conversion *conversion,
                            const struct inlay_py_type *type,
                            PyObject *value,
                            void *at,
                            const struct inlay_py_place *place)
{
    struct inlay_py_arrow arrow;
    struct inlay_py_place item = {.outer = place};
    struct target target = {conversion, type->elem, NULL,  type->elem->c->size,
                            &item,      0,          &item, 0};
    int found = inlay_py_arrow_open(conversion, value, SIZE_MAX, place, &arrow);

    if (found <= 0)
        return found;
    int64_t len = count_items(&arrow);
    if (len < 0) {
        target.place = place;
        return broken(&target, "a length or an offset is out of range");
    }
    if (arrow.nchunks == 1) {
        struct range all = {arrow.schema, arrow.chunks[0], 0, len};
        size_t size = type->elem->c->size;

        if (check_range(&all, &target) < 0)
            return -1;
        if (usable(type->c, &all)) {
            const char *values = buffer(&all, 1);

            inlay_py_slice_store(type->c, at,
                                 values + (size_t)place_of(&all, 0) * size,
                                 (size_t)len);
            return 1;
        }
    }
    if (copy_chunks(&arrow, &target, (size_t)len) < 0)
        return -1;
    inlay_py_slice_store(type->c, at, target.at, (size_t)len);
    return 1;
}
