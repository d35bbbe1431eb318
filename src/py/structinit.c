/* structinit.c - user(1, name="a"): arguments into the fields of a struct. */
#include "py/structinit.h"

#include "py/names.h"

#include "base/banned.h"

static PyObject *class_name(const struct inlay_py_struct *self)
{
    return PyObject_GetAttrString((PyObject *)Py_TYPE(self), "__qualname__");
}

static void set_field(struct inlay_py_struct *self, size_t i, PyObject *value)
{
    Py_XSETREF(self->values[i], Py_NewRef(value));
}

static size_t count_required(const struct inlay_py_record *record)
{
    size_t count = 0;

    for (size_t i = 0; i < record->nfields; i++)
        count += record->types[i]->c->kind != INLAY_KIND_OPTIONAL;
    return count;
}

static int fill_keywords(struct inlay_py_struct *self,
                         PyObject *name,
                         size_t positional,
                         PyObject *kwargs)
{
    const struct inlay_py_record *record = self->record;
    PyObject *key, *value;
    Py_ssize_t at = 0;

    while (PyDict_Next(kwargs, &at, &key, &value)) {
        Py_ssize_t i = inlay_py_names_find(record->names, record->nfields, key);

        if (i < 0)
            return -1;
        if ((size_t)i == record->nfields)
            return inlay_py_names_unexpected(name, key);
        if ((size_t)i < positional)
            return inlay_py_names_repeated(name, key);
        set_field(self, (size_t)i, value);
    }
    return 0;
}

static int fill_absent(struct inlay_py_struct *self, PyObject *name)
{
    const struct inlay_py_record *record = self->record;
    _cleanup_decref_ PyObject *missing = PyList_New(0);

    if (!missing)
        return -1;
    for (size_t i = 0; i < record->nfields; i++) {
        if (self->values[i])
            continue;
        if (record->types[i]->c->kind == INLAY_KIND_OPTIONAL)
            set_field(self, i, Py_None);
        else if (PyList_Append(missing, record->names[i]) < 0)
            return -1;
    }
    if (PyList_GET_SIZE(missing) == 0)
        return 0;
    return inlay_py_names_missing(name, missing);
}

int inlay_py_struct_fill(struct inlay_py_struct *self,
                         PyObject *args,
                         PyObject *kwargs)
{
    const struct inlay_py_record *record = self->record;
    size_t given = (size_t)PyTuple_GET_SIZE(args);
    _cleanup_decref_ PyObject *name = class_name(self);

    if (!name)
        return -1;
    /* Called again, __init__ starts anew. */
    for (size_t i = 0; i < record->nfields; i++)
        Py_CLEAR(self->values[i]);
    for (size_t i = 0; i < given && i < record->nfields; i++)
        set_field(self, i, PyTuple_GET_ITEM(args, (Py_ssize_t)i));
    if (kwargs && fill_keywords(self, name, given, kwargs) < 0)
        return -1;
    if (given > record->nfields)
        return inlay_py_names_too_many(name, count_required(record),
                                       record->nfields, given);
    return fill_absent(self, name);
}
