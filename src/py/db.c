/* db.c - inlay._core.Order and Hold, of which inlay.db is made. */
#include "py/db.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "py/errors.h"

#include "base/banned.h"

/* Texts of one result, while its values are made. */
#define RESULT_MEMORY ((size_t)1 << 32)

/* As much of a statement as a message has, with the quotes. */
#define SHOWN_SQL 80

struct hold_object {
    PyObject_HEAD
    struct inlay_py_hold *hold; /* NULL: released */
};

struct order_object {
    PyObject_HEAD
    struct inlay_py_order *order; /* NULL: dropped, or its loop is gone */
};

static const char *const kinds[] = {
    [INLAY_ORDER_QUERY] = "query", [INLAY_ORDER_BATCH] = "batch",
    [INLAY_ORDER_COPY] = "copy",   [INLAY_ORDER_SCRIPT] = "script",
    [INLAY_ORDER_BEGIN] = "begin", [INLAY_ORDER_COMMIT] = "commit",
    [INLAY_ORDER_OPEN] = "open",   [INLAY_ORDER_FETCH] = "fetch",
    [INLAY_ORDER_CLOSE] = "close",
};

/* --- Holds ---------------------------------------------------------------- */

static PyObject *hold_release(PyObject *object, PyObject *unused)
{
    struct hold_object *self = (struct hold_object *)object;

    (void)unused;
    inlay_py_hold_unref(inlay_take(self->hold));
    Py_RETURN_NONE;
}

static PyObject *hold_is_broken(PyObject *object, void *unused)
{
    const struct hold_object *self = (struct hold_object *)object;

    (void)unused;
    return PyBool_FromLong(!self->hold || self->hold->broken);
}

static void hold_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    inlay_py_hold_unref(((struct hold_object *)object)->hold);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *hold_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args, (void)kwargs;
    PyObject *object = type->tp_alloc(type, 0);

    if (object) {
        ((struct hold_object *)object)->hold = inlay_py_hold_create();
        if (!((struct hold_object *)object)->hold)
            Py_CLEAR(object);
    }
    return object;
}

/* --- What is asked -------------------------------------------------------- */

static int read_kind(PyObject *name, enum inlay_order_kind *ret)
{
    for (size_t i = 0; i < inlay_array_size(kinds); i++)
        if (PyUnicode_CompareWithASCIIString(name, kinds[i]) == 0) {
            *ret = (enum inlay_order_kind)i;
            return 0;
        }
    PyErr_Format(PyExc_ValueError, "there is no order %R", name);
    return -1;
}

static int read_sql(struct inlay_py_order *order, PyObject *sql)
{
    Py_ssize_t len;
    const char *text = PyUnicode_AsUTF8AndSize(sql, &len);

    if (!text)
        return -1;
    if (memchr(text, '\0', (size_t)len)) {
        PyErr_SetString(PyExc_ValueError, "SQL can't have a NUL in it");
        return -1;
    }
    /* Drivers get a NUL behind it. */
    order->order.sql =
        inlay_arena_copy(&order->arena, inlay_str_make(text, (size_t)len));
    if (order->order.sql.ptr)
        return 0;
    PyErr_NoMemory();
    return -1;
}

/* The pending exception says which value it is about, if a text is all that it
 * has. `set`: of a row, from 0; SIZE_MAX: there are no rows. */
static void say_which(const struct inlay_py_order *order,
                      size_t set,
                      size_t index)
{
    _cleanup_decref_ PyObject *exception = inlay_py_exception_take();
    char sql[SHOWN_SQL], row[32] = "";

    if (!exception)
        return;
    PyObject *type = (PyObject *)Py_TYPE(exception);
    if (type != PyExc_TypeError && type != PyExc_ValueError &&
        type != PyExc_OverflowError) {
        inlay_py_exception_restore(Py_NewRef(exception));
        return;
    }
    _cleanup_decref_ PyObject *text = PyObject_Str(exception);
    if (!text)
        return;
    if (set != SIZE_MAX)
        snprintf(row, sizeof(row), "row %zu, ", set);
    inlay_str_quote(order->order.sql, sql, sizeof(sql));
    PyErr_Format(type, "%s$%zu of %s: %U", row, index + 1, sql, text);
}

static int read_values(struct inlay_py_state *state,
                       struct inlay_py_order *order,
                       PyObject *values,
                       struct inlay_cell *cells,
                       size_t count,
                       size_t set)
{
    for (size_t i = 0; i < count; i++) {
        /* What converts one may run code that changes a list. */
        if ((size_t)PySequence_Fast_GET_SIZE(values) != count) {
            PyErr_SetString(PyExc_RuntimeError, "a row changed meanwhile");
            return -1;
        }
        PyObject *value =
            Py_NewRef(PySequence_Fast_GET_ITEM(values, (Py_ssize_t)i));
        int status = inlay_py_db_in(state, value, &order->arena, &cells[i]);

        Py_DECREF(value);
        if (status < 0) {
            say_which(order, set, i);
            return -1;
        }
    }
    return 0;
}

static struct inlay_cell *make_cells(struct inlay_py_order *order, size_t count)
{
    struct inlay_cell *cells =
        inlay_arena_zalloc_array(&order->arena, count + 1, sizeof(*cells));

    if (!cells)
        PyErr_NoMemory();
    order->order.params = cells;
    return cells;
}

static int read_params(struct inlay_py_state *state,
                       struct inlay_py_order *order,
                       PyObject *params)
{
    size_t count = (size_t)PyTuple_GET_SIZE(params);
    struct inlay_cell *cells = make_cells(order, count);

    order->order.nparams = count;
    return cells ? read_values(state, order, params, cells, count, SIZE_MAX)
                 : -1;
}

/* A tuple of rows, each with as many values as the first. */
static int read_sets(struct inlay_py_state *state,
                     struct inlay_py_order *order,
                     PyObject *rows)
{
    size_t sets = (size_t)PyTuple_GET_SIZE(rows), width = 0;
    struct inlay_cell *cells = NULL;

    for (size_t i = 0; i < sets; i++) {
        _cleanup_decref_ PyObject *row =
            PySequence_Fast(PyTuple_GET_ITEM(rows, (Py_ssize_t)i),
                            "a row is a sequence of values");
        if (!row)
            return -1;
        size_t count = (size_t)PySequence_Fast_GET_SIZE(row);
        if (!cells) {
            width = count;
            if (width && sets > SIZE_MAX / width / sizeof(*cells)) {
                PyErr_NoMemory();
                return -1;
            }
            cells = make_cells(order, sets * width);
            if (!cells)
                return -1;
        }
        if (count != width) {
            PyErr_Format(PyExc_ValueError,
                         "row %zu has %zu values, the first one has %zu", i,
                         count, width);
            return -1;
        }
        if (read_values(state, order, row, cells + i * width, width, i) < 0)
            return -1;
    }
    order->order.nparams = width;
    order->order.sets = sets;
    return 0;
}

static int read_cursor(struct inlay_py_state *state,
                       struct inlay_py_order *order,
                       PyObject *opened)
{
    if (opened == Py_None)
        return 0;
    if (Py_TYPE(opened) != state->order_type ||
        !((struct order_object *)opened)->order) {
        PyErr_SetString(PyExc_TypeError, "a cursor is the order of its open");
        return -1;
    }
    order->order.cursor = ((struct order_object *)opened)->order->order.cursor;
    return 0;
}

static struct inlay_database *find(PyObject *name)
{
    struct inlay_database *database;
    Py_ssize_t len;
    const char *text = PyUnicode_AsUTF8AndSize(name, &len);

    if (!text)
        return NULL;
    struct inlay_error *error =
        inlay_database_find(inlay_str_make(text, (size_t)len), &database);
    if (!error)
        return database;
    inlay_py_raise(error);
    return NULL;
}

static struct inlay_py_hold *hold_of(struct inlay_py_state *state,
                                     PyObject *object)
{
    struct inlay_py_hold *hold = NULL;

    if (Py_TYPE(object) == state->hold_type)
        hold = ((struct hold_object *)object)->hold;
    if (!hold)
        PyErr_SetString(PyExc_RuntimeError,
                        "the transaction (or cursor) has ended");
    return hold;
}

/* db_order(database, kind, sql, params, hold, cursor) */
static PyObject *db_order(PyObject *module, PyObject *args)
{
    struct inlay_py_state *state = inlay_py_state_of(module);
    PyObject *name, *kind_name, *sql, *params, *hold_given, *opened;
    struct inlay_py_hold *hold = NULL;
    enum inlay_order_kind kind;

    if (!PyArg_ParseTuple(args, "UUUO!OO:db_order", &name, &kind_name, &sql,
                          &PyTuple_Type, &params, &hold_given, &opened) ||
        read_kind(kind_name, &kind) < 0)
        return NULL;
    struct inlay_database *database = find(name);
    if (!database)
        return NULL;
    if (hold_given != Py_None && !(hold = hold_of(state, hold_given)))
        return NULL;
    PyObject *object = state->order_type->tp_alloc(state->order_type, 0);
    struct inlay_py_order *order =
        object ? inlay_py_order_create(database, hold) : NULL;
    if (!order) {
        Py_XDECREF(object);
        return NULL;
    }
    ((struct order_object *)object)->order = order;
    order->order.kind = kind;
    order->order.keep = true;
    bool many = kind == INLAY_ORDER_BATCH || kind == INLAY_ORDER_COPY;
    if (read_sql(order, sql) < 0 || read_cursor(state, order, opened) < 0 ||
        (many ? read_sets(state, order, params)
              : read_params(state, order, params)) < 0)
        Py_CLEAR(object);
    return object;
}

/* --- Orders --------------------------------------------------------------- */

static struct inlay_py_order *order_of(PyObject *object)
{
    struct inlay_py_order *order = ((struct order_object *)object)->order;

    if (!order)
        PyErr_SetString(PyExc_RuntimeError, "the order was dropped");
    return order;
}

static PyObject *order_start(PyObject *object, PyObject *loop)
{
    struct order_object *self = (struct order_object *)object;
    PyObject *future;

    if (!order_of(object) ||
        inlay_py_order_start(PyType_GetModuleState(Py_TYPE(object)),
                             &self->order, object, loop, &future) < 0)
        return NULL;
    return future;
}

static PyObject *order_wait(PyObject *object, PyObject *unused)
{
    (void)unused;
    if (!order_of(object) ||
        inlay_py_order_wait(&((struct order_object *)object)->order) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *order_drop(PyObject *object, PyObject *unused)
{
    struct order_object *self = (struct order_object *)object;
    struct inlay_py_order *order = self->order;

    (void)unused;
    /* A thread that blocks for it lets go of it by itself. */
    if (!order || (order->blocks && !order->finished))
        Py_RETURN_NONE;
    self->order = NULL;
    inlay_py_order_drop(order);
    Py_RETURN_NONE;
}

static PyObject *make_names(const struct inlay_rowset *rows)
{
    PyObject *names = PyTuple_New((Py_ssize_t)rows->ncolumns);

    for (size_t i = 0; names && i < rows->ncolumns; i++) {
        PyObject *name = inlay_py_text(rows->ops->name(rows, i));

        if (name) {
            PyUnicode_InternInPlace(&name);
            PyTuple_SET_ITEM(names, (Py_ssize_t)i, name);
        } else {
            Py_CLEAR(names);
        }
    }
    return names;
}

static bool is_json(const struct inlay_cell *cell)
{
    bool found = cell->kind == INLAY_CELL_JSON;

    for (size_t i = 0;
         cell->kind == INLAY_CELL_ARRAY && !found && i < cell->nelements; i++)
        found = cell->elements[i].kind == INLAY_CELL_JSON;
    return found;
}

static PyObject *make_row(struct inlay_py_state *state,
                          const struct inlay_rowset *rows,
                          size_t row,
                          struct inlay_arena *arena,
                          bool *json)
{
    PyObject *tuple = PyTuple_New((Py_ssize_t)rows->ncolumns);

    for (size_t i = 0; tuple && i < rows->ncolumns; i++) {
        struct inlay_cell cell = {0};
        const char *why = rows->ops->cell(rows, row, i, arena, &cell);
        PyObject *value = NULL;

        if (why) {
            _cleanup_decref_ PyObject *name =
                inlay_py_text(rows->ops->name(rows, i));
            if (name)
                PyErr_Format(state->errors[INLAY_INTERNAL - 1], "column %U: %s",
                             name, why);
        } else {
            json[i] |= is_json(&cell);
            value = inlay_py_db_out(state, &cell);
        }
        if (value)
            PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, value);
        else
            Py_CLEAR(tuple);
    }
    return tuple;
}

static PyObject *make_rows(struct inlay_py_state *state,
                           const struct inlay_rowset *rows,
                           bool *json)
{
    PyObject *list = PyList_New((Py_ssize_t)rows->nrows);
    struct inlay_arena arena;

    inlay_arena_init(&arena, RESULT_MEMORY);
    for (size_t i = 0; list && i < rows->nrows; i++) {
        PyObject *row = make_row(state, rows, i, &arena, json);

        if (row)
            PyList_SET_ITEM(list, (Py_ssize_t)i, row);
        else
            Py_CLEAR(list);
        inlay_arena_reset(&arena);
    }
    inlay_arena_deinit(&arena);
    return list;
}

/* The indexes of columns that are JSON. */
static PyObject *make_indexes(const bool *json, size_t count)
{
    _cleanup_decref_ PyObject *list = PyList_New(0);

    for (size_t i = 0; list && i < count; i++) {
        if (!json[i])
            continue;
        _cleanup_decref_ PyObject *index = PyLong_FromSize_t(i);
        if (!index || PyList_Append(list, index) < 0)
            return NULL;
    }
    return list ? PyList_AsTuple(list) : NULL;
}

static struct inlay_py_order *done_order(PyObject *object)
{
    struct inlay_py_order *order = order_of(object);

    if (!order)
        return NULL;
    if (!order->started || order->errand.owner ||
        (order->blocks && !order->finished)) {
        PyErr_SetString(PyExc_RuntimeError, "the order is not done");
        return NULL;
    }
    /* Orders may last: frames of an exception's traceback have them. */
    inlay_py_hold_unref(inlay_take(order->hold));
    if (!order->order.failure.kind)
        return order;
    inlay_py_db_raise(PyType_GetModuleState(Py_TYPE(object)),
                      &order->order.failure);
    return NULL;
}

/* (names, indexes of JSON columns, rows); rows can be taken once. */
static PyObject *order_rows(PyObject *object, PyObject *unused)
{
    struct inlay_py_state *state = PyType_GetModuleState(Py_TYPE(object));
    struct inlay_py_order *order = done_order(object);

    (void)unused;
    if (!order)
        return NULL;
    struct inlay_rowset *rows = inlay_take(order->order.rows);
    if (!rows)
        return Py_BuildValue("(()()[])");
    bool *json = inlay_calloc(rows->ncolumns + 1, sizeof(*json));
    if (!json) {
        inlay_rowset_destroy(rows);
        return PyErr_NoMemory();
    }
    _cleanup_decref_ PyObject *names = make_names(rows);
    _cleanup_decref_ PyObject *list =
        names ? make_rows(state, rows, json) : NULL;
    _cleanup_decref_ PyObject *indexes =
        list ? make_indexes(json, rows->ncolumns) : NULL;
    inlay_free(json);
    inlay_rowset_destroy(rows);
    return indexes ? PyTuple_Pack(3, names, indexes, list) : NULL;
}

/* How many rows it changed. */
static PyObject *order_changed(PyObject *object, PyObject *unused)
{
    const struct inlay_py_order *order = done_order(object);

    (void)unused;
    return order ? PyLong_FromLongLong(order->order.changed) : NULL;
}

static PyObject *order_more(PyObject *object, PyObject *unused)
{
    const struct inlay_py_order *order = done_order(object);

    (void)unused;
    return order ? PyBool_FromLong(order->order.more) : NULL;
}

static void order_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    Py_XDECREF(order_drop(object, NULL));
    type->tp_free(object);
    Py_DECREF(type);
}

/* --- The part ------------------------------------------------------------- */

static PyMethodDef hold_methods[] = {
    {"release", hold_release, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef hold_getset[] = {
    {"broken", hold_is_broken, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot hold_slots[] = {
    {Py_tp_new, hold_new},
    {Py_tp_dealloc, hold_dealloc},
    {Py_tp_methods, hold_methods},
    {Py_tp_getset, hold_getset},
    {0, NULL},
};

static PyType_Spec hold_spec = {
    .name = "inlay._core.Hold",
    .basicsize = sizeof(struct hold_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = hold_slots,
};

static PyMethodDef order_methods[] = {
    {"start", order_start, METH_O, NULL},
    {"wait", order_wait, METH_NOARGS, NULL},
    {"drop", order_drop, METH_NOARGS, NULL},
    {"rows", order_rows, METH_NOARGS, NULL},
    {"changed", order_changed, METH_NOARGS, NULL},
    {"more", order_more, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot order_slots[] = {
    {Py_tp_dealloc, order_dealloc},
    {Py_tp_methods, order_methods},
    {0, NULL},
};

static PyType_Spec order_spec = {
    .name = "inlay._core.Order",
    .basicsize = sizeof(struct order_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = order_slots,
};

static PyMethodDef functions[] = {
    {"db_order", db_order, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

int inlay_py_db_init(PyObject *module, struct inlay_py_state *state)
{
    state->hold_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &hold_spec, NULL);
    state->order_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &order_spec, NULL);
    if (!state->hold_type || !state->order_type ||
        PyModule_AddType(module, state->hold_type) < 0 ||
        PyModule_AddType(module, state->order_type) < 0 ||
        inlay_py_db_listen_init(module, state) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}
