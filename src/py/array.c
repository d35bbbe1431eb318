/* array.c - the type inlay.Array: a sequence and a buffer. */
#include "py/array.h"

#include "base/macros.h"
#include "base/mem.h"
#include "py/buffer.h"
#include "py/errors.h"
#include "py/structtype.h"

#include "base/banned.h"

#define SHOWN 6 /* elements in a repr */

/* --- Memory ------------------------------------------------------------- */

struct inlay_py_memory *inlay_py_memory_create(void *ptr)
{
    struct inlay_py_memory *memory = inlay_malloc(sizeof(*memory));

    if (!memory || !ptr) {
        inlay_free(ptr);
        inlay_free(memory);
        PyErr_NoMemory();
        return NULL;
    }
    atomic_init(&memory->references, 1);
    memory->ptr = ptr;
    return memory;
}

struct inlay_py_memory *inlay_py_memory_retain(struct inlay_py_memory *memory)
{
    atomic_fetch_add_explicit(&memory->references, 1, memory_order_relaxed);
    return memory;
}

void inlay_py_memory_release(struct inlay_py_memory *memory)
{
    if (atomic_fetch_sub_explicit(&memory->references, 1,
                                  memory_order_acq_rel) != 1)
        return;
    inlay_free(memory->ptr);
    inlay_free(memory);
}

/* --- Making one --------------------------------------------------------- */

/* Takes a reference to `memory`, also when it fails. */
static PyObject *create(PyTypeObject *type,
                        struct inlay_py_memory *memory,
                        const struct inlay_py_type *elem,
                        const void *items,
                        size_t len)
{
    PyObject *object = memory ? type->tp_alloc(type, 0) : NULL;
    struct inlay_py_array *self = (struct inlay_py_array *)object;

    if (!object) {
        if (memory)
            inlay_py_memory_release(memory);
        return NULL;
    }
    self->memory = memory;
    self->elem = *elem;
    self->items = (char *)(uintptr_t)items;
    self->len = (Py_ssize_t)len;
    self->size = (Py_ssize_t)elem->c->size;
    return object;
}

/* The block that C returned, checked; NULL with an exception. */
static void *take(const struct inlay_py_conversion *conversion,
                  const struct inlay_type *c,
                  void *items,
                  size_t len,
                  const struct inlay_py_place *place)
{
    size_t size, had;

    /* A result of nothing needs no memory of anyone. */
    if (len == 0)
        return inlay_malloc(1);
    if (__builtin_mul_overflow(len, (size_t)c->elem->size, &size) ||
        size > PY_SSIZE_T_MAX) {
        inlay_py_fail(conversion, place, PyExc_ValueError,
                      "an array of %zu elements at %p", len, items);
        return NULL;
    }
    if (!inlay_context_take(conversion->frame->context, items, &had)) {
        _cleanup_decref_ PyObject *name = inlay_py_text(c->name);
        if (name)
            inlay_py_fail(conversion, place, PyExc_ValueError,
                          "an array of %zu elements whose memory is not of "
                          "inlay_array: make it with inlay_array(%U, len)",
                          len, name);
        return NULL;
    }
    if (size <= had)
        return items;
    inlay_free(items);
    inlay_py_fail(conversion, place, PyExc_ValueError,
                  "an array of %zu elements in memory for %zu", len,
                  had / c->elem->size);
    return NULL;
}

PyObject *inlay_py_array_out(const struct inlay_py_conversion *conversion,
                             const struct inlay_py_type *type,
                             const void *at,
                             const struct inlay_py_place *place)
{
    const struct inlay_type *c = type->c;
    void *items;
    size_t len;

    memcpy(&items, (const char *)at + c->ptr_offset, sizeof(items));
    memcpy(&len, (const char *)at + c->len_offset, sizeof(len));
    void *ptr = take(conversion, c, items, len, place);
    if (!ptr)
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    return create(conversion->state->array_type, inlay_py_memory_create(ptr),
                  type->elem, ptr, len);
}

/* --- Elements ----------------------------------------------------------- */

/* One element as Python sees it. */
static PyObject *item_out(const struct inlay_py_array *self, Py_ssize_t i)
{
    const char *at = self->items + i * self->size;
    struct inlay_py_conversion conversion = {.function = NULL};
    const struct inlay_py_place place = {.index = i};

    /* Numbers need no name for messages: they can't fail. */
    if (self->elem.c->kind != INLAY_KIND_STRUCT)
        return inlay_py_out(&conversion, &self->elem, at, &place);
    _cleanup_decref_ PyObject *name = PyUnicode_InternFromString("Array");
    conversion.function = name;
    return name ? inlay_py_out(&conversion, &self->elem, at, &place) : NULL;
}

static Py_ssize_t array_length(PyObject *object)
{
    return ((struct inlay_py_array *)object)->len;
}

static PyObject *array_item(PyObject *object, Py_ssize_t i)
{
    struct inlay_py_array *self = (struct inlay_py_array *)object;

    if (i >= 0 && i < self->len)
        return item_out(self, i);
    PyErr_SetString(PyExc_IndexError, "array index out of range");
    return NULL;
}

/* Every step-th element in memory of its own; step 1 shares the memory. */
static PyObject *array_slice(struct inlay_py_array *self, PyObject *slice)
{
    Py_ssize_t start, stop, step;

    if (PySlice_Unpack(slice, &start, &stop, &step) < 0)
        return NULL;
    Py_ssize_t len = PySlice_AdjustIndices(self->len, &start, &stop, step);
    const char *from = self->items + start * self->size;
    if (step == 1)
        return create(Py_TYPE(self), inlay_py_memory_retain(self->memory),
                      &self->elem, from, (size_t)len);
    char *items = inlay_malloc((size_t)inlay_max(len * self->size, 1));
    for (Py_ssize_t i = 0; items && i < len; i++)
        memcpy(items + i * self->size, from + i * step * self->size,
               (size_t)self->size);
    return create(Py_TYPE(self), inlay_py_memory_create(items), &self->elem,
                  items, (size_t)len);
}

static PyObject *array_subscript(PyObject *object, PyObject *key)
{
    if (PySlice_Check(key))
        return array_slice((struct inlay_py_array *)object, key);
    if (!PyIndex_Check(key))
        return PyErr_Format(PyExc_TypeError,
                            "array indices must be integers or slices, not "
                            "%.100s",
                            Py_TYPE(key)->tp_name);
    Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
    if (i == -1 && PyErr_Occurred())
        return NULL;
    return array_item(object, i < 0 ? i + array_length(object) : i);
}

static PyObject *list_of(const struct inlay_py_array *self, Py_ssize_t len)
{
    PyObject *list = PyList_New(len);

    for (Py_ssize_t i = 0; list && i < len; i++) {
        PyObject *item = item_out(self, i);
        if (item)
            PyList_SET_ITEM(list, i, item);
        else
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *array_tolist(PyObject *object, PyObject *unused)
{
    (void)unused;
    return list_of((struct inlay_py_array *)object, array_length(object));
}

static PyObject *array_index(PyObject *object, PyObject *value)
{
    Py_ssize_t i = PySequence_Index(object, value);

    return i < 0 ? NULL : PyLong_FromSsize_t(i);
}

static PyObject *array_count(PyObject *object, PyObject *value)
{
    Py_ssize_t count = PySequence_Count(object, value);

    return count < 0 ? NULL : PyLong_FromSsize_t(count);
}

/* Array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, ...], len=1000) */
static PyObject *array_repr(PyObject *object)
{
    Py_ssize_t len = array_length(object);
    _cleanup_decref_ PyObject *list =
        list_of((struct inlay_py_array *)object, inlay_min(len, SHOWN));
    _cleanup_decref_ PyObject *text = list ? PyObject_Repr(list) : NULL;

    if (!text || len <= SHOWN)
        return text ? PyUnicode_FromFormat("Array(%U)", text) : NULL;
    _cleanup_decref_ PyObject *inside =
        PyUnicode_Substring(text, 0, PyUnicode_GET_LENGTH(text) - 1);
    return inside
               ? PyUnicode_FromFormat("Array(%U, ...], len=%zd)", inside, len)
               : NULL;
}

/* 1 equal, 0 not, -1 with an exception. `other` is a sequence. */
static int items_equal(PyObject *object, PyObject *other)
{
    Py_ssize_t len = array_length(object);
    int equal = PySequence_Size(other) == len;

    for (Py_ssize_t i = 0; i < len && equal == 1; i++) {
        /* Comparing may run Python code, which may change a list. */
        _cleanup_decref_ PyObject *a = array_item(object, i);
        _cleanup_decref_ PyObject *b = PySequence_GetItem(other, i);

        equal = a && b ? PyObject_RichCompareBool(a, b, Py_EQ) : -1;
        if (!b && PyErr_ExceptionMatches(PyExc_IndexError)) {
            PyErr_Clear();
            equal = 0;
        }
    }
    return PyErr_Occurred() ? -1 : equal;
}

static PyObject *array_compare(PyObject *object, PyObject *other, int op)
{
    struct inlay_py_array *a = (struct inlay_py_array *)object;
    int equal = -1;

    if ((op != Py_EQ && op != Py_NE) ||
        (Py_TYPE(other) != Py_TYPE(object) && !PyList_Check(other) &&
         !PyTuple_Check(other)))
        Py_RETURN_NOTIMPLEMENTED;
    if (Py_TYPE(other) == Py_TYPE(object)) {
        struct inlay_py_array *b = (struct inlay_py_array *)other;
        enum inlay_kind kind = a->elem.c->kind;

        /* Integers without making any. */
        if ((kind == INLAY_KIND_INT || kind == INLAY_KIND_UINT) &&
            b->elem.c->kind == kind && a->size == b->size)
            equal = a->len == b->len &&
                    memcmp(a->items, b->items, (size_t)(a->len * a->size)) == 0;
    }
    if (equal < 0)
        equal = items_equal(object, other);
    if (equal < 0)
        return NULL;
    return PyBool_FromLong(op == Py_EQ ? equal : !equal);
}

/* --- Buffer ------------------------------------------------------------- */

static const char *format_of(struct inlay_py_array *self)
{
    if (!self->format)
        self->format = inlay_py_format_write(self->elem.c);
    return self->format;
}

static int array_getbuffer(PyObject *object, Py_buffer *view, int flags)
{
    struct inlay_py_array *self = (struct inlay_py_array *)object;
    bool format = (flags & PyBUF_FORMAT) == PyBUF_FORMAT;

    view->obj = NULL;
    if (format && !format_of(self))
        return -1;
    *view = (Py_buffer){
        .buf = self->items,
        .obj = Py_NewRef(object),
        .len = self->len * self->size,
        .itemsize = self->size,
        .ndim = 1,
        .format = format ? self->format : NULL,
        .shape = (flags & PyBUF_ND) == PyBUF_ND ? &self->len : NULL,
        .strides =
            (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? &self->size : NULL,
    };
    return 0;
}

static PyObject *array_export(PyObject *object,
                              PyObject *args,
                              PyObject *kwargs)
{
    static char *names[] = {(char *)(uintptr_t) "requested_schema", NULL};
    PyObject *requested = NULL;

    /* It may be ignored: what does not fit is for the consumer to cast. */
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:__arrow_c_array__",
                                     names, &requested))
        return NULL;
    return inlay_py_array_export((struct inlay_py_array *)object);
}

static PyObject *array_export_schema(PyObject *object, PyObject *unused)
{
    (void)unused;
    return inlay_py_array_export_schema((struct inlay_py_array *)object);
}

/* --- Pickle ------------------------------------------------------------- */

/* Numbers that have no class, by the format that pickle knows them by. */
static const struct inlay_type scalars[] = {
#define SCALAR(k, bytes, text)                                                 \
    {.kind = INLAY_KIND_##k,                                                   \
     .size = bytes,                                                            \
     .align = bytes,                                                           \
     .name = {text, sizeof(text) - 1}},
    SCALAR(BOOL, 1, "bool") SCALAR(INT, 1, "int8_t") SCALAR(INT, 2, "int16_t")
        SCALAR(INT, 4, "int32_t") SCALAR(INT, 8, "int64_t")
            SCALAR(UINT, 1, "uint8_t") SCALAR(UINT, 2, "uint16_t")
                SCALAR(UINT, 4, "uint32_t") SCALAR(UINT, 8, "uint64_t")
                    SCALAR(FLOAT, 4, "float") SCALAR(FLOAT, 8, "double")
#undef SCALAR
};

static bool format_matches(const struct inlay_type *type, const char *format)
{
    char *own = inlay_py_format_write(type);
    bool same = own && strcmp(own, format) == 0;

    inlay_free(own);
    return same;
}

/* The type of the elements; -1 with an exception. */
static int find_elem(PyObject *class,
                     const char *format,
                     struct inlay_py_type *ret)
{
    *ret = (struct inlay_py_type){.c = NULL};
    if (PyType_Check(class)) {
        const struct inlay_py_record *record =
            inlay_py_struct_record((PyTypeObject *)class);

        if (record && inlay_type_flat(record->c, false, NULL) &&
            format_matches(record->c, format)) {
            ret->c = record->c;
            ret->record = (struct inlay_py_record *)(uintptr_t)record;
            return 0;
        }
    } else if (class == Py_None) {
        for (size_t i = 0; i < inlay_array_size(scalars); i++)
            if (format_matches(&scalars[i], format)) {
                ret->c = &scalars[i];
                return 0;
            }
    }
    if (!PyErr_Occurred())
        PyErr_Format(PyExc_ValueError,
                     "an Array of %R can't have the format '%.200s'", class,
                     format);
    return -1;
}

/* Array(None, "d", bytes), Array(point, "T{d:x:d:y:}", bytes): a copy. */
static PyObject *array_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    struct inlay_py_type elem;
    PyObject *class, *result = NULL;
    const char *format;
    Py_buffer bytes;

    if (kwargs && PyDict_GET_SIZE(kwargs))
        return PyErr_Format(PyExc_TypeError,
                            "Array() takes no keyword arguments");
    if (!PyArg_ParseTuple(args, "Osy*:Array", &class, &format, &bytes))
        return NULL;
    if (find_elem(class, format, &elem) == 0) {
        size_t size = elem.c->size, len = (size_t)bytes.len / size;

        if (len * size == (size_t)bytes.len) {
            char *items = inlay_malloc(inlay_max((size_t)bytes.len, 1u));
            if (items)
                memcpy(items, bytes.buf, (size_t)bytes.len);
            result =
                create(type, inlay_py_memory_create(items), &elem, items, len);
        } else {
            PyErr_Format(PyExc_ValueError,
                         "%zd bytes are no Array of elements of %zu bytes",
                         bytes.len, size);
        }
    }
    PyBuffer_Release(&bytes);
    return result;
}

static PyObject *array_reduce(PyObject *object, PyObject *unused)
{
    struct inlay_py_array *self = (struct inlay_py_array *)object;
    PyObject *class = self->elem.c->kind == INLAY_KIND_STRUCT
                          ? (PyObject *)self->elem.record->type
                          : Py_None;

    (void)unused;
    if (!format_of(self))
        return NULL;
    return Py_BuildValue("(O(Osy#))", Py_TYPE(object), class, self->format,
                         self->items, self->len * self->size);
}

/* --- The type ----------------------------------------------------------- */

static void array_dealloc(PyObject *object)
{
    struct inlay_py_array *self = (struct inlay_py_array *)object;
    PyTypeObject *type = Py_TYPE(object);

    if (self->weakrefs)
        PyObject_ClearWeakRefs(object);
    inlay_py_memory_release(self->memory);
    inlay_free(self->format);
    type->tp_free(object);
    Py_DECREF(type);
}

/* For pydantic, which calls it with the type and a handler for others. */
static PyObject *array_schema(PyObject *type, PyObject *args)
{
    PyObject *source, *handler;

    if (!PyArg_ParseTuple(args, "OO", &source, &handler))
        return NULL;
    _cleanup_decref_ PyObject *schemas = PyImport_ImportModule("inlay.schemas");
    return schemas ? PyObject_CallMethod(schemas, "array_schema_of", "OOO",
                                         type, source, handler)
                   : NULL;
}

static PyMethodDef array_methods[] = {
    {"tolist", array_tolist, METH_NOARGS,
     "tolist($self, /)\n--\n\nThe elements as a list."},
    {"index", array_index, METH_O,
     "index($self, value, /)\n--\n\nThe first index of value."},
    {"count", array_count, METH_O,
     "count($self, value, /)\n--\n\nHow many elements equal value."},
    {"__arrow_c_array__", (PyCFunction)(void (*)(void))array_export,
     METH_VARARGS | METH_KEYWORDS,
     "__arrow_c_array__($self, requested_schema=None)\n--\n\n"
     "Arrow's PyCapsule interface."},
    {"__arrow_c_schema__", array_export_schema, METH_NOARGS, NULL},
    {"__reduce__", array_reduce, METH_NOARGS, NULL},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {"__get_pydantic_core_schema__", array_schema, METH_VARARGS | METH_CLASS,
     NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef array_members[] = {
    {"itemsize", Py_T_PYSSIZET,
     (Py_ssize_t)offsetof(struct inlay_py_array, size), Py_READONLY,
     "Bytes of an element."},
    {"__weaklistoffset__", Py_T_PYSSIZET,
     (Py_ssize_t)offsetof(struct inlay_py_array, weakrefs), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

/* isinstance(array, collections.abc.Sequence) */
static int register_sequence(PyObject *type)
{
    _cleanup_decref_ PyObject *abc = PyImport_ImportModule("collections.abc");
    _cleanup_decref_ PyObject *sequence =
        abc ? PyObject_GetAttrString(abc, "Sequence") : NULL;
    _cleanup_decref_ PyObject *done =
        sequence ? PyObject_CallMethod(sequence, "register", "O", type) : NULL;

    return done ? 0 : -1;
}

int inlay_py_arrays_init(PyObject *module, struct inlay_py_state *state)
{
    static const char doc[] =
        "Array(struct, format, bytes, /)\n--\n\n"
        "Numbers or structs of them that a C function returned: a sequence\n"
        "and a buffer of C's own memory, which numpy, pyarrow and polars use\n"
        "without a copy.";
    static PyType_Slot slots[] = {
        {Py_tp_new, array_new},
        {Py_tp_dealloc, array_dealloc},
        {Py_tp_doc, (char *)(uintptr_t)doc},
        {Py_tp_repr, array_repr},
        {Py_tp_richcompare, array_compare},
        {Py_tp_hash, PyObject_HashNotImplemented},
        {Py_tp_iter, PySeqIter_New},
        {Py_tp_methods, array_methods},
        {Py_tp_members, array_members},
        {Py_sq_length, array_length},
        {Py_sq_item, array_item},
        {Py_mp_length, array_length},
        {Py_mp_subscript, array_subscript},
        {Py_bf_getbuffer, array_getbuffer},
        {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "inlay.Array",
        .basicsize = sizeof(struct inlay_py_array),
        .flags =
            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_SEQUENCE,
        .slots = slots,
    };

    state->array_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    if (!state->array_type || PyModule_AddType(module, state->array_type) < 0)
        return -1;
    return register_sequence((PyObject *)state->array_type);
}
