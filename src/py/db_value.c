/* db_value.c - values of Python <-> cells of a database. */
#include "base/mem.h"
#include "py/convert.h"
#include "py/db.h"
#include "py/errors.h"
#include "py/moment.h"

#include "base/banned.h"

/* How often inlay.database_values may say what a value is instead. */
#define DEPTH_MOST 4

/* moment.c goes by types of the waist. */
#define MOMENT(name, kind_, c_type)                                            \
    static const struct inlay_type name##_c = {                                \
        .kind = kind_, .size = sizeof(c_type), .align = _Alignof(c_type)};     \
    static const struct inlay_py_type name = {.c = &name##_c}
MOMENT(date_type, INLAY_KIND_DATE, inlay_date);
MOMENT(datetime_type, INLAY_KIND_DATETIME, inlay_datetime);
MOMENT(uuid_type, INLAY_KIND_UUID, inlay_uuid);

/* --- In ------------------------------------------------------------------- */

/* What all of these take: the order's arena has what `ret` points to. */
#define IN                                                                     \
    struct inlay_py_state *state, PyObject *value, struct inlay_arena *arena,  \
        struct inlay_cell *ret

static int value_in(IN, int depth);

static int copy_in(struct inlay_arena *arena,
                   const char *ptr,
                   Py_ssize_t len,
                   struct inlay_cell *ret)
{
    ret->text = inlay_arena_copy(arena, inlay_str_make(ptr, (size_t)len));
    if (ret->text.ptr)
        return 0;
    PyErr_NoMemory();
    return -1;
}

static int text_in(PyObject *value,
                   struct inlay_arena *arena,
                   enum inlay_cell_kind kind,
                   struct inlay_cell *ret)
{
    Py_ssize_t len;
    const char *text = PyUnicode_AsUTF8AndSize(value, &len);

    if (!text)
        return -1;
    if (memchr(text, '\0', (size_t)len)) {
        PyErr_SetString(PyExc_ValueError,
                        "text of a database can't have a NUL in it");
        return -1;
    }
    ret->kind = kind;
    return copy_in(arena, text, len, ret);
}

static int bytes_in(PyObject *value,
                    struct inlay_arena *arena,
                    struct inlay_cell *ret)
{
    Py_buffer view;

    if (PyObject_GetBuffer(value, &view, PyBUF_SIMPLE) < 0)
        return -1;
    ret->kind = INLAY_CELL_BYTES;
    int status = copy_in(arena, view.buf ? view.buf : "", view.len, ret);
    PyBuffer_Release(&view);
    return status;
}

static int int_in(PyObject *value, struct inlay_cell *ret)
{
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);

    if (overflow) {
        PyErr_SetString(PyExc_OverflowError,
                        "an int beyond 64 bits: give it as text or Decimal");
        return -1;
    }
    if (number == -1 && PyErr_Occurred())
        return -1;
    ret->kind = INLAY_CELL_INT;
    ret->integer = number;
    return 0;
}

/* 1 when it is a date, a moment or a UUID, 0 when not, -1 with an exception. */
static int moment_in(struct inlay_py_state *state,
                     PyObject *value,
                     struct inlay_cell *ret)
{
    const struct inlay_py_conversion conversion = {.state = state};
    enum inlay_kind kind;
    int status = inlay_py_moment_kind(state, value, &kind);

    if (status <= 0)
        return status;
    if (kind == INLAY_KIND_DATE) {
        ret->kind = INLAY_CELL_DATE;
        status = inlay_py_moment_in(&conversion, &date_type, value, &ret->date,
                                    NULL);
    } else if (kind == INLAY_KIND_DATETIME) {
        ret->kind = INLAY_CELL_DATETIME;
        status = inlay_py_moment_in(&conversion, &datetime_type, value,
                                    &ret->datetime, NULL);
    } else {
        ret->kind = INLAY_CELL_UUID;
        status = inlay_py_moment_in(&conversion, &uuid_type, value, &ret->uuid,
                                    NULL);
    }
    return status < 0 ? -1 : 1;
}

/* By inlay.database_values.adapt: JSON text, or a value to take instead. */
static int adapted_in(IN, int depth)
{
    if (!state->db_adapt) {
        _cleanup_decref_ PyObject *module =
            PyImport_ImportModule("inlay.database_values");
        if (module)
            state->db_adapt = PyObject_GetAttrString(module, "adapt");
        if (!state->db_adapt)
            return -1;
    }
    _cleanup_decref_ PyObject *pair =
        PyObject_CallOneArg(state->db_adapt, value);
    if (!pair)
        return -1;
    if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2 ||
        depth >= DEPTH_MOST) {
        PyErr_Format(PyExc_TypeError, "%.100s is no value of a database",
                     Py_TYPE(value)->tp_name);
        return -1;
    }
    PyObject *instead = PyTuple_GET_ITEM(pair, 1);
    if (PyTuple_GET_ITEM(pair, 0) == Py_True && PyUnicode_Check(instead))
        return text_in(instead, arena, INLAY_CELL_JSON, ret);
    return value_in(state, instead, arena, ret, depth + 1);
}

/* An ARRAY, unless something in it makes all of it JSON. */
static int list_in(IN, int depth)
{
    Py_ssize_t count = PySequence_Fast_GET_SIZE(value);
    struct inlay_cell *elements =
        inlay_arena_zalloc_array(arena, (size_t)count + 1, sizeof(*elements));

    if (!elements) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(value) && i < count;
         i++) {
        PyObject *item = Py_NewRef(PySequence_Fast_GET_ITEM(value, i));
        int status = PyList_Check(item) || PyTuple_Check(item)
                         ? 1
                         : value_in(state, item, arena, &elements[i], depth);

        Py_DECREF(item);
        if (status < 0)
            return -1;
        if (status == 1 || elements[i].kind == INLAY_CELL_JSON)
            return adapted_in(state, value, arena, ret, depth);
    }
    ret->kind = INLAY_CELL_ARRAY;
    ret->elements = elements;
    ret->nelements = (size_t)count;
    return 0;
}

static int value_in(IN, int depth)
{
    int status;

    if (value == Py_None) {
        ret->kind = INLAY_CELL_NULL;
        return 0;
    }
    if (PyBool_Check(value)) {
        ret->kind = INLAY_CELL_BOOL;
        ret->boolean = value == Py_True;
        return 0;
    }
    /* Not of subclasses: an Enum says itself what it is. */
    if (PyLong_CheckExact(value))
        return int_in(value, ret);
    if (PyUnicode_CheckExact(value))
        return text_in(value, arena, INLAY_CELL_TEXT, ret);
    if (PyFloat_CheckExact(value)) {
        ret->kind = INLAY_CELL_REAL;
        ret->real = PyFloat_AS_DOUBLE(value);
        return 0;
    }
    if (PyBytes_Check(value) || PyByteArray_Check(value) ||
        PyMemoryView_Check(value))
        return bytes_in(value, arena, ret);
    if (PyList_CheckExact(value) || PyTuple_CheckExact(value))
        return list_in(state, value, arena, ret, depth);
    status = moment_in(state, value, ret);
    if (status != 0)
        return status < 0 ? -1 : 0;
    return adapted_in(state, value, arena, ret, depth);
}

int inlay_py_db_in(IN)
{
    memset(ret, 0, sizeof(*ret));
    return value_in(state, value, arena, ret, 0);
}

/* --- Out ------------------------------------------------------------------ */

static PyObject *array_out(struct inlay_py_state *state,
                           const struct inlay_cell *cell)
{
    PyObject *list = PyList_New((Py_ssize_t)cell->nelements);

    for (size_t i = 0; list && i < cell->nelements; i++) {
        PyObject *item = inlay_py_db_out(state, &cell->elements[i]);

        if (item)
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
        else
            Py_CLEAR(list);
    }
    return list;
}

PyObject *inlay_py_db_out(struct inlay_py_state *state,
                          const struct inlay_cell *cell)
{
    const struct inlay_py_conversion conversion = {.state = state};

    switch (cell->kind) {
    case INLAY_CELL_NULL:
        return Py_NewRef(Py_None);
    case INLAY_CELL_BOOL:
        return PyBool_FromLong(cell->boolean);
    case INLAY_CELL_INT:
        return cell->too_wide
                   ? PyLong_FromUnsignedLongLong((uint64_t)cell->integer)
                   : PyLong_FromLongLong(cell->integer);
    case INLAY_CELL_REAL:
        return PyFloat_FromDouble(cell->real);
    case INLAY_CELL_TEXT:
    case INLAY_CELL_JSON:
        return inlay_py_text(cell->text);
    case INLAY_CELL_BYTES:
        return PyBytes_FromStringAndSize(cell->text.ptr ? cell->text.ptr : "",
                                         (Py_ssize_t)cell->text.len);
    case INLAY_CELL_DATE:
        return inlay_py_moment_out(&conversion, &date_type, &cell->date, NULL);
    case INLAY_CELL_DATETIME:
        return inlay_py_moment_out(&conversion, &datetime_type, &cell->datetime,
                                   NULL);
    case INLAY_CELL_UUID:
        return inlay_py_moment_out(&conversion, &uuid_type, &cell->uuid, NULL);
    case INLAY_CELL_ARRAY:
        return array_out(state, cell);
    }
    Py_RETURN_NONE;
}
