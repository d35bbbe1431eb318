/*
 * slice_in.c - lists, tuples, buffers, Arrow data and other sequences ->
 * {ptr, len}. Memory that is an array of the elements already is passed as
 * it is; anything else is copied into the memory of the call.
 */
#include "py/arrow.h"
#include "py/buffer.h"
#include "py/convert.h"

#include "base/banned.h"

#define IN                                                                     \
    const struct inlay_py_conversion *conversion,                              \
        const struct inlay_py_type *type, PyObject *value, void *at,           \
        const struct inlay_py_place *place

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

/* The loop over ints of one type, from min to max. */
#define INTS(T, least, most)                                                   \
    for (T *to = (T *)(void *)at; i < count; i++) {                            \
        if (!inlay_py_small_int(items[i], &small) ||                           \
            (sizeof(T) < 8 && (small < (least) || small > (most))))            \
            break;                                                             \
        to[i] = (T)small;                                                      \
    }

/* The commonest elements without a call; how many of them there were. */
static Py_ssize_t fast_items(const struct inlay_type *elem,
                             PyObject *list,
                             char *at)
{
    PyObject *const *items = PySequence_Fast_ITEMS(list);
    Py_ssize_t count = PySequence_Fast_GET_SIZE(list), i = 0;
    int64_t small;

    if (elem->kind == INLAY_KIND_INT && elem->size == 8) {
        INTS(int64_t, INT64_MIN, INT64_MAX)
    } else if (elem->kind == INLAY_KIND_INT && elem->size == 4) {
        INTS(int32_t, INT32_MIN, INT32_MAX)
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
        inlay_py_slice_store(type->c, at, items, (size_t)count);
    return result;
}

/* Structs with rules are looked at one by one. */
static bool is_guarded(const struct inlay_py_type *elem)
{
    return elem->c->kind == INLAY_KIND_STRUCT && elem->record->guarded;
}

int inlay_py_slice_in(IN)
{
    int done = 0;

    if (PyList_Check(value) || PyTuple_Check(value))
        return list_in(conversion, type, value, at, place);
    if (PyUnicode_Check(value))
        return inlay_py_mismatch(conversion, type, value, place);
    bool plain = !is_guarded(type->elem);
    if (plain && PyObject_CheckBuffer(value))
        done = inlay_py_buffer_in(conversion, type, value, at, place);
    if (plain && !done)
        done = inlay_py_arrow_slice_in(conversion, type, value, at, place);
    if (done)
        return done < 0 ? -1 : 0;
    if (!PySequence_Check(value) || PyDict_Check(value))
        return inlay_py_mismatch(conversion, type, value, place);
    _cleanup_decref_ PyObject *list = PySequence_List(value);
    if (!list || inlay_py_frame_keep(conversion->frame, list) < 0)
        return -1;
    return list_in(conversion, type, list, at, place);
}
