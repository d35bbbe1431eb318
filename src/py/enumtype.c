/* enumtype.c - C enums as IntEnum classes, and their values both ways. */
#include "py/enumtype.h"

#include "base/macros.h"

#include "base/banned.h"

/* An error lists this many names. */
#define NAMES_MOST 20

static PyObject *value_object(const struct inlay_type *c, uint64_t bits)
{
    if (!c->is_signed)
        return PyLong_FromUnsignedLongLong(bits);
    return PyLong_FromLongLong((int64_t)bits);
}

static PyObject *member_list(struct inlay_py_module *module,
                             const struct inlay_type *c)
{
    PyObject **names = inlay_py_identifiers(module, c->members,
                                            sizeof(*c->members), c->nmembers);
    PyObject *list = names ? PyList_New((Py_ssize_t)c->nmembers) : NULL;

    for (size_t i = 0; list && i < c->nmembers; i++) {
        PyObject *pair = Py_BuildValue(
            "(ON)", names[i], value_object(c, (uint64_t)c->members[i].value));
        if (pair)
            PyList_SET_ITEM(list, (Py_ssize_t)i, pair);
        else
            Py_CLEAR(list);
    }
    for (size_t i = 0; names && i < c->nmembers; i++)
        Py_XDECREF(names[i]);
    return list;
}

int inlay_py_enum_create(struct inlay_py_module *module,
                         struct inlay_py_enum *enumeration)
{
    const struct inlay_type *c = enumeration->c;
    _cleanup_decref_ PyObject *name =
        inlay_py_identifier(module->state, c->name, 0);
    _cleanup_decref_ PyObject *members = member_list(module, c);
    _cleanup_decref_ PyObject *enums = PyImport_ImportModule("inlay.enums");
    if (!name || !members || !enums)
        return -1;
    _cleanup_decref_ PyObject *made =
        PyObject_CallMethod(enums, "make", "OOO", name, members, module->name);
    if (!made || !PyArg_ParseTuple(made, "OO!O!", &enumeration->type,
                                   &PyDict_Type, &enumeration->members,
                                   &PyDict_Type, &enumeration->names))
        return -1;
    Py_INCREF(enumeration->type);
    Py_INCREF(enumeration->members);
    Py_INCREF(enumeration->names);
    return 0;
}

/* "RED, GREEN, BLUE" */
static PyObject *names_text(const struct inlay_py_enum *enumeration)
{
    _cleanup_decref_ PyObject *names = PySequence_List(enumeration->names);
    _cleanup_decref_ PyObject *comma = PyUnicode_FromString(", ");

    if (!names || !comma)
        return NULL;
    if (PyList_GET_SIZE(names) > NAMES_MOST) {
        _cleanup_decref_ PyObject *rest = PyUnicode_FromFormat(
            "%zd more", PyList_GET_SIZE(names) - NAMES_MOST);
        if (!rest || PyList_SetSlice(names, NAMES_MOST, PY_SSIZE_T_MAX, NULL) ||
            PyList_Append(names, rest) < 0)
            return NULL;
    }
    return PyUnicode_Join(comma, names);
}

static int no_member(const struct inlay_py_conversion *conversion,
                     const struct inlay_py_type *type,
                     PyObject *value,
                     const struct inlay_py_place *place)
{
    _cleanup_decref_ PyObject *names = names_text(type->enumeration);
    _cleanup_decref_ PyObject *class =
        PyObject_GetAttrString(type->enumeration->type, "__name__");
    _cleanup_decref_ PyObject *text =
        PyLong_Check(value) ? inlay_py_int_text(value) : PyObject_Repr(value);

    if (!names || !class || !text)
        return -1;
    return inlay_py_fail(conversion, place, PyExc_ValueError,
                         "%.200U is not a value of %U (%U)", text, class,
                         names);
}

int inlay_py_enum_in(const struct inlay_py_conversion *conversion,
                     const struct inlay_py_type *type,
                     PyObject *value,
                     void *at,
                     const struct inlay_py_place *place)
{
    const struct inlay_py_enum *enumeration = type->enumeration;
    _cleanup_decref_ PyObject *member = NULL;

    if (inlay_likely((PyObject *)Py_TYPE(value) == enumeration->type)) {
        member = Py_NewRef(value);
    } else if (PyUnicode_Check(value)) {
        member = inlay_py_dict_get(enumeration->names, value);
    } else if (PyIndex_Check(value)) {
        _cleanup_decref_ PyObject *number = PyNumber_Index(value);
        if (number)
            member = inlay_py_dict_get(enumeration->members, number);
    } else {
        return inlay_py_mismatch(conversion, type, value, place);
    }
    if (!member && PyErr_Occurred())
        return -1;
    if (!member)
        return no_member(conversion, type, value, place);
    inlay_int_store(at, type->c->size, PyLong_AsUnsignedLongLongMask(member));
    return 0;
}

PyObject *inlay_py_enum_out(const struct inlay_py_type *type, const void *at)
{
    _cleanup_decref_ PyObject *number =
        value_object(type->c, (uint64_t)inlay_enum_load(type->c, at));

    if (!number)
        return NULL;
    PyObject *member = inlay_py_dict_get(type->enumeration->members, number);
    if (member || PyErr_Occurred())
        return member;
    return Py_NewRef(number);
}
