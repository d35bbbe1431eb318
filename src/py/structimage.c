/* structimage.c - the C struct within an instance. */
#include "py/structimage.h"

#include "base/macros.h"

#include "base/banned.h"

bool inlay_py_image_suits_field(const struct inlay_type *c)
{
    return (c->kind == INLAY_KIND_INT && c->size >= 4) ||
           (c->kind == INLAY_KIND_FLOAT && c->size == 8) ||
           c->kind == INLAY_KIND_BOOL || c->kind == INLAY_KIND_STR;
}

bool inlay_py_image_suits(const struct inlay_type *c)
{
    if (c->kind != INLAY_KIND_STRUCT || c->align > 16 || !c->nfields ||
        c->nfields > INLAY_PY_IMAGE_FIELDS ||
        c->size > INLAY_PY_IMAGE_WORDS * 8)
        return false;
    for (size_t i = 0; i < c->nfields; i++) {
        const struct inlay_field *field = &c->fields[i];

        if (!inlay_py_image_suits_field(field->type) ||
            field->offset % field->type->align != 0)
            return false;
    }
    return true;
}

int inlay_py_image_lay(struct inlay_py_module *module,
                       struct inlay_py_record *record)
{
    const struct inlay_type *c = record->c;
    /* Instances with rules are looked at field by field. */
    size_t values = offsetof(struct inlay_py_struct, values) +
                    record->nfields * sizeof(PyObject *);
    struct inlay_py_image *image;

    if (record->rules || !inlay_py_image_suits(c))
        return 0;
    image = inlay_py_module_alloc(module, 1, sizeof(*image));
    if (!image)
        return -1;
    image->offset = (values + 15) & ~(size_t)15;
    for (size_t i = 0; i < c->nfields; i++) {
        const struct inlay_field *field = &c->fields[i];

        if (field->type->kind == INLAY_KIND_STR)
            image->texts[image->ntexts++] =
                (struct inlay_py_image_text){(uint32_t)i, field->offset};
        memset((char *)image->mask + field->offset, 0xff, field->type->size);
    }
    record->image = image;
    return 0;
}

/* --- Values ------------------------------------------------------------- */

/* A number as a value; texts are values from the beginning. */
static PyObject *number_out(const struct inlay_type *c, const void *at)
{
    if (c->kind == INLAY_KIND_FLOAT)
        return PyFloat_FromDouble(*(const double *)at);
    if (c->kind == INLAY_KIND_BOOL)
        return PyBool_FromLong(*(const uint8_t *)at);
    /* Unlike PyLong_FromLongLong it has a short way for one digit. */
    return PyLong_FromLong((long)inlay_int_load(at, c->size));
}

/* The value of a field of a fresh instance; borrowed. */
static PyObject *value_of(struct inlay_py_struct *self, size_t i)
{
    const struct inlay_field *field = &self->record->c->fields[i];

    if (!self->values[i])
        self->values[i] =
            number_out(field->type, (char *)self + self->record->image->offset +
                                        field->offset);
    return self->values[i];
}

int inlay_py_struct_read_slow(struct inlay_py_struct *self)
{
    for (size_t i = 0; i < self->record->nfields; i++)
        if (!value_of(self, i))
            return -1;
    return 0;
}

int inlay_py_struct_touch_slow(struct inlay_py_struct *self)
{
    if (inlay_py_struct_read_slow(self) < 0)
        return -1;
    self->fresh = false;
    /* Any object may be in it now. */
    if (!PyObject_GC_IsTracked((PyObject *)self))
        PyObject_GC_Track(self);
    return 0;
}

static int no_field(const struct inlay_py_struct *self, size_t i)
{
    PyErr_Format(PyExc_AttributeError, "'%.100s' object has no attribute '%U'",
                 Py_TYPE(self)->tp_name, self->record->names[i]);
    return -1;
}

PyObject *inlay_py_image_get(PyObject *object, void *index)
{
    struct inlay_py_struct *self = (struct inlay_py_struct *)object;
    size_t i = (uintptr_t)index;
    PyObject *value = self->fresh ? value_of(self, i) : self->values[i];

    if (inlay_unlikely(!value) && !self->fresh)
        no_field(self, i);
    return Py_XNewRef(value);
}

int inlay_py_image_set(PyObject *object, PyObject *value, void *index)
{
    struct inlay_py_struct *self = (struct inlay_py_struct *)object;
    size_t i = (uintptr_t)index;

    if (inlay_py_struct_touch(self) < 0)
        return -1;
    if (!value && !self->values[i])
        return no_field(self, i);
    Py_XSETREF(self->values[i], Py_XNewRef(value));
    return 0;
}

/* --- In ----------------------------------------------------------------- */

/* Without running code: exactly what the slow way would make of it. */
static bool number_in(const struct inlay_type *c, PyObject *value, void *at)
{
    int overflow;

    if (inlay_py_quick_in(c, value, at))
        return true;
    if (c->kind == INLAY_KIND_BOOL) {
        *(uint8_t *)at = value == Py_True;
        return PyBool_Check(value);
    }
    if (!PyLong_CheckExact(value) && !PyBool_Check(value))
        return false;
    if (c->kind == INLAY_KIND_FLOAT) {
        *(double *)at = PyLong_AsDouble(value);
        return *(double *)at != -1.0 || !PyErr_Occurred();
    }
    int64_t number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow || number < inlay_int_least(c->size) ||
        number > inlay_int_most(c->size))
        return false;
    inlay_int_store(at, c->size, (uint64_t)number);
    return true;
}

static bool text_in(PyObject *value, struct inlay_str *ret)
{
    const char *ptr;
    Py_ssize_t len;

    if (!PyUnicode_CheckExact(value))
        return false;
    ptr = PyUnicode_AsUTF8AndSize(value, &len);
    *ret = inlay_str_make(ptr, ptr ? (size_t)len : 0);
    return ptr;
}

bool inlay_py_image_pack(struct inlay_py_struct *self)
{
    const struct inlay_type *c = self->record->c;
    char *image = (char *)self + self->record->image->offset;

    /* Padding too: C may compare or hash the bytes. */
    memset(image, 0, c->size);
    for (size_t i = 0; i < c->nfields; i++) {
        const struct inlay_type *type = c->fields[i].type;
        PyObject *value = self->values[i];
        void *at = image + c->fields[i].offset;

        if (value &&
            (type->kind == INLAY_KIND_STR ? text_in(value, at)
                                          : number_in(type, value, at)))
            continue;
        /* The slow way raises it again, and says where. */
        if (PyErr_Occurred())
            PyErr_Clear();
        return false;
    }
    self->fresh = true;
    return true;
}

/* --- Out ---------------------------------------------------------------- */

static inline void copy(const struct inlay_py_image *image,
                        const char *from,
                        size_t size,
                        uint64_t *to)
{
    size_t words = size / 8, rest = size % 8;
    uint64_t word = 0;

    for (size_t i = 0; i < words; i++) {
        memcpy(&word, from + 8 * i, 8);
        to[i] = word & image->mask[i];
    }
    if (rest) {
        word = 0;
        memcpy(&word, from + 8 * words, rest);
        to[words] = word & image->mask[words];
    }
}

/*
 * Text that is no argument's: the bytes of C may go, so the image gets those
 * of the str. It has none if the text is not ASCII: then the image is not
 * kept, rather than the text twice.
 */
static bool text_out(const struct inlay_py_conversion *conversion,
                     const struct inlay_py_record *record,
                     const void *text,
                     const struct inlay_py_place *place,
                     size_t i,
                     struct inlay_str *ret,
                     PyObject **value_ret)
{
    struct inlay_py_place inner = {place, record->names[i], 0};
    PyObject *value = inlay_py_out(conversion, record->types[i], text, &inner);

    if (!value)
        return false;
    *value_ret = value;
    *ret = (struct inlay_str){NULL, 0};
    if (PyUnicode_IS_COMPACT_ASCII(value))
        *ret = inlay_str_make((const char *)PyUnicode_1BYTE_DATA(value),
                              (size_t)PyUnicode_GET_LENGTH(value));
    return true;
}

PyObject *inlay_py_image_out(const struct inlay_py_conversion *conversion,
                             const struct inlay_py_type *type,
                             const void *at,
                             const struct inlay_py_place *place,
                             const struct inlay_py_texts *texts)
{
    const struct inlay_py_record *record = type->record;
    const struct inlay_py_image *layout = record->image;
    struct inlay_py_struct *self = inlay_py_struct_alloc_bare(record);
    bool whole = true;
    char *image;

    if (inlay_unlikely(!self))
        return NULL;
    image = (char *)self + layout->offset;
    copy(layout, at, type->c->size, (uint64_t *)(void *)image);
    for (size_t k = 0; k < layout->ntexts; k++) {
        size_t i = layout->texts[k].field, offset = layout->texts[k].offset;
        /* Not what was just copied: it would have to wait for that. */
        const void *text = (const char *)at + offset;
        struct inlay_str *own = (void *)(image + offset);

        self->values[i] = texts ? inlay_py_texts_find(texts, text) : NULL;
        if (self->values[i])
            continue;
        if (!text_out(conversion, record, text, place, i, own,
                      &self->values[i])) {
            Py_DECREF(self);
            return NULL;
        }
        whole &= own->ptr != NULL;
    }
    self->fresh = true;
    if (!whole && inlay_py_struct_touch_slow(self) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}
