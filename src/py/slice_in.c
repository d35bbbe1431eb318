/*
 * slice_in.c - lists, tuples, buffers and other sequences -> {ptr, len}.
 * A buffer of the very type of the elements is passed as it is; anything
 * else is copied into the memory of the call, element by element.
 */
#include "py/convert.h"

#include "base/banned.h"

#define IN                                                                     \
    const struct inlay_py_conversion *conversion,                              \
        const struct inlay_py_type *type, PyObject *value, void *at,           \
        const struct inlay_py_place *place

static void store(const struct inlay_type *c, void *at, void *ptr, size_t len)
{
    memset(at, 0, c->size);
    memcpy((char *)at + c->ptr_offset, &ptr, sizeof(ptr));
    memcpy((char *)at + c->len_offset, &len, sizeof(len));
}

/* Kind and size of a native format of struct and PEP 3118 ("q", "<d"). */
static bool format_is(const char *format, const struct inlay_type *elem)
{
    enum inlay_kind kind;

    format = format ? format : "B";
    /* Little-endian is native on every platform of ours. */
    if (*format == '@' || *format == '=' || *format == '<')
        format++;
    if (format[0] == '\0' || format[1] != '\0')
        return false;
    if (strchr("bhilqn", *format))
        kind = INLAY_KIND_INT;
    else if (strchr("BHILQN", *format))
        kind = INLAY_KIND_UINT;
    else if (strchr("fd", *format))
        kind = INLAY_KIND_FLOAT;
    else if (*format == '?')
        kind = INLAY_KIND_BOOL;
    else
        return false;
    return kind == elem->kind;
}

static bool usable(const Py_buffer *view, const struct inlay_type *c)
{
    const struct inlay_type *elem = c->elem;

    return view->ndim == 1 && view->itemsize == (Py_ssize_t)elem->size &&
           format_is(view->format, elem) &&
           (c->elem_const || !view->readonly) &&
           (uintptr_t)view->buf % elem->align == 0 &&
           PyBuffer_IsContiguous(view, 'C');
}

/* 1: done; 0: it has to be copied; -1 with an exception. */
static int buffer_in(IN)
{
    const struct inlay_type *c = type->c;

    (void)place;
    Py_buffer *view =
        inlay_py_frame_view(conversion->frame, value, PyBUF_RECORDS_RO);
    if (!view) {
        /* It has no such view now: its elements may do. */
        if (PyErr_ExceptionMatches(PyExc_MemoryError) ||
            !PyErr_ExceptionMatches(PyExc_Exception))
            return -1;
        PyErr_Clear();
        return 0;
    }
    if (!usable(view, c)) {
        inlay_py_frame_drop(conversion->frame);
        return 0;
    }
    store(c, at, view->buf, (size_t)view->len / c->elem->size);
    return 1;
}

static PyObject *item_at(PyObject *list, Py_ssize_t i)
{
    if (PyTuple_Check(list))
        return PyTuple_GET_ITEM(list, i);
    /* Converting the items before may have made it shorter. */
    return i < PyList_GET_SIZE(list) ? PyList_GET_ITEM(list, i) : NULL;
}

static int item_in(const struct inlay_py_conversion *conversion,
                   const struct inlay_py_type *elem,
                   PyObject *list,
                   char *at,
                   const struct inlay_py_place *place)
{
    _cleanup_decref_ PyObject *item = Py_XNewRef(item_at(list, place->index));

    if (!item)
        return inlay_py_fail(conversion, place, PyExc_RuntimeError,
                             "the list changed while it was read");
    return inlay_py_in(conversion, elem, item, at, place);
}

/* The commonest elements without a call; how many of them there were. */
static Py_ssize_t fast_items(const struct inlay_type *elem,
                             PyObject *list,
                             char *at)
{
    PyObject *const *items = PySequence_Fast_ITEMS(list);
    Py_ssize_t count = PySequence_Fast_GET_SIZE(list), i = 0;

    if (elem->kind == INLAY_KIND_INT && elem->size == 8) {
        int64_t *to = (int64_t *)(void *)at;
        while (i < count && inlay_py_small_int(items[i], &to[i]))
            i++;
    } else if (elem->kind == INLAY_KIND_FLOAT && elem->size == 8) {
        double *to = (double *)(void *)at;
        for (; i < count && PyFloat_CheckExact(items[i]); i++)
            to[i] = PyFloat_AS_DOUBLE(items[i]);
    }
    return i;
}

/* `value` is a list or a tuple. */
static int list_in(IN)
{
    const struct inlay_py_type *elem = type->elem;
    Py_ssize_t count = PySequence_Fast_GET_SIZE(value);
    struct inlay_py_place inner = {.outer = place};
    size_t size;

    if (__builtin_mul_overflow((size_t)count, (size_t)elem->c->size, &size)) {
        PyErr_NoMemory();
        return -1;
    }
    char *items = inlay_py_frame_alloc(conversion->frame, size);
    if (!items)
        return -1;
    if (Py_EnterRecursiveCall(" while a list is converted"))
        return -1;
    int result = 0;
    /* Large ints between small ones: back to the fast loop is not worth it. */
    for (inner.index = fast_items(elem->c, value, items);
         inner.index < count && result == 0; inner.index++)
        result = item_in(conversion, elem, value,
                         items + (size_t)inner.index * elem->c->size, &inner);
    Py_LeaveRecursiveCall();
    if (result == 0)
        store(type->c, at, items, (size_t)count);
    return result;
}

int inlay_py_slice_in(IN)
{
    if (PyList_Check(value) || PyTuple_Check(value))
        return list_in(conversion, type, value, at, place);
    if (PyUnicode_Check(value))
        return inlay_py_mismatch(conversion, type, value, place);
    if (PyObject_CheckBuffer(value)) {
        int done = buffer_in(conversion, type, value, at, place);
        if (done)
            return done < 0 ? -1 : 0;
    }
    if (!PySequence_Check(value) || PyDict_Check(value))
        return inlay_py_mismatch(conversion, type, value, place);
    _cleanup_decref_ PyObject *list = PySequence_List(value);
    if (!list || inlay_py_frame_keep(conversion->frame, list) < 0)
        return -1;
    return list_in(conversion, type, list, at, place);
}
