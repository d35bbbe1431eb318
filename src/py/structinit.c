/* structinit.c - user(1, name="a"): arguments into the fields of a struct. */
#include "py/structinit.h"

#include "base/macros.h"
#include "py/names.h"
#include "py/rules.h"

#include "base/banned.h"

static PyObject *class_name(const struct inlay_py_struct *self)
{
    return PyObject_GetAttrString((PyObject *)Py_TYPE(self), "__qualname__");
}

static void set_field(struct inlay_py_struct *self, size_t i, PyObject *value)
{
    /* Letting the former values go may have run code that passed it to C. */
    self->fresh = false;
    Py_XSETREF(self->values[i], Py_NewRef(value));
}

int inlay_py_struct_keyword(struct inlay_py_struct *self,
                            size_t positional,
                            PyObject *key,
                            PyObject *value)
{
    const struct inlay_py_record *record = self->record;
    Py_ssize_t i = inlay_py_names_find(record->names, record->nfields, key);

    if (i < 0)
        return -1;
    if ((size_t)i >= positional && (size_t)i < record->nfields) {
        set_field(self, (size_t)i, value);
        return 0;
    }
    _cleanup_decref_ PyObject *name = class_name(self);
    if (!name)
        return -1;
    if ((size_t)i == record->nfields)
        return inlay_py_names_unexpected(name, key);
    return inlay_py_names_repeated(name, key);
}

static int too_many(const struct inlay_py_struct *self, size_t given)
{
    const struct inlay_py_record *record = self->record;
    _cleanup_decref_ PyObject *name = class_name(self);
    size_t required = 0;

    for (size_t i = 0; i < record->nfields; i++)
        required += !inlay_type_omissible(record->types[i]->c);
    return name
               ? inlay_py_names_too_many(name, required, record->nfields, given)
               : -1;
}

static int missing(const struct inlay_py_struct *self)
{
    const struct inlay_py_record *record = self->record;
    _cleanup_decref_ PyObject *name = class_name(self);
    _cleanup_decref_ PyObject *names = PyList_New(0);

    for (size_t i = 0; names && i < record->nfields; i++)
        if (!self->values[i] && PyList_Append(names, record->names[i]) < 0)
            return -1;
    return name && names ? inlay_py_names_missing(name, names) : -1;
}

void inlay_py_struct_positional(struct inlay_py_struct *self,
                                PyObject *const *args,
                                size_t given)
{
    size_t count = inlay_min(given, self->record->nfields);

    for (size_t i = 0; i < count; i++)
        set_field(self, i, args[i]);
}

int inlay_py_struct_complete(struct inlay_py_struct *self, size_t given)
{
    const struct inlay_py_record *record = self->record;
    bool complete = true;

    if (given > record->nfields)
        return too_many(self, given);
    for (size_t i = 0; i < record->nfields; i++) {
        if (self->values[i])
            continue;
        if (inlay_type_omissible(record->types[i]->c))
            set_field(self, i, Py_None);
        else
            complete = false;
    }
    if (!complete)
        return missing(self);
    return inlay_unlikely(record->rules) ? inlay_py_rules_verify(self) : 0;
}
