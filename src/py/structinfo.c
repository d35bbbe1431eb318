/*
 * structinfo.c - what a struct class says of itself: to inspect, to `match`,
 * to dataclasses and to pydantic.
 */
#include "py/rules.h"
#include "py/structtype.h"

#include "base/banned.h"

/* Lists within lists are described this deep. */
#define BOUNDS_MOST 16

/* Takes both, also when one of them is NULL. */
static PyObject *bound(PyObject *least, PyObject *most)
{
    return Py_BuildValue("(NN)", least, most);
}

/*
 * What C has room for, from the outside in: least and most length of a list,
 * length of a text in bytes, value of an int. For pydantic.
 */
static PyObject *bounds_of(const struct inlay_py_type *type)
{
    PyObject *bounds = PyList_New(0);

    for (bool last = false; bounds && type && !last; type = type->elem) {
        const struct inlay_type *c = type->c;
        _cleanup_decref_ PyObject *pair = NULL;

        last = true;
        if (c->kind == INLAY_KIND_OPTIONAL) {
            last = false;
            continue;
        } else if (c->kind == INLAY_KIND_SLICE) {
            last = false;
            pair = bound(PyLong_FromLong(0), Py_NewRef(Py_None));
        } else if (c->kind == INLAY_KIND_ARRAY) {
            last = false;
            pair = bound(PyLong_FromLong(c->count), PyLong_FromLong(c->count));
        } else if (c->kind == INLAY_KIND_CHAR) {
            pair = bound(PyLong_FromLong(1), PyLong_FromLong(1));
        } else if (c->kind == INLAY_KIND_CHARS) {
            pair = bound(PyLong_FromLong(0), PyLong_FromLong(c->size - 1));
        } else if (c->kind == INLAY_KIND_INT) {
            pair = bound(PyLong_FromLongLong(inlay_int_least(c->size)),
                         PyLong_FromLongLong(inlay_int_most(c->size)));
        } else if (c->kind == INLAY_KIND_UINT) {
            pair = bound(PyLong_FromLong(0),
                         PyLong_FromUnsignedLongLong(inlay_uint_most(c->size)));
        } else {
            break;
        }
        if (!pair || PyList_Append(bounds, pair) < 0)
            Py_CLEAR(bounds);
        if (bounds && PyList_GET_SIZE(bounds) == BOUNDS_MOST)
            break;
    }
    return bounds;
}

int inlay_py_struct_describe(struct inlay_py_record *record)
{
    PyObject *type = (PyObject *)record->type;
    _cleanup_decref_ PyObject *names = PyTuple_New((Py_ssize_t)record->nfields);
    _cleanup_decref_ PyObject *optional = PySet_New(NULL);
    _cleanup_decref_ PyObject *all_bounds = PyDict_New();
    _cleanup_decref_ PyObject *rules = inlay_py_rules_describe(record);

    if (!names || !optional || !all_bounds || !rules)
        return -1;
    for (size_t i = 0; i < record->nfields; i++) {
        PyObject *name = record->names[i];
        _cleanup_decref_ PyObject *bounds = bounds_of(record->types[i]);

        if (!bounds || PyDict_SetItem(all_bounds, name, bounds) < 0 ||
            (inlay_type_omissible(record->types[i]->c) &&
             PySet_Add(optional, name) < 0))
            return -1;
        PyTuple_SET_ITEM(names, (Py_ssize_t)i, Py_NewRef(name));
    }
    if (PyObject_SetAttrString(type, "__inlay_bounds__", all_bounds) < 0 ||
        PyObject_SetAttrString(type, "__inlay_optional__", optional) < 0 ||
        PyObject_SetAttrString(type, "__inlay_constraints__", rules) < 0 ||
        PyObject_SetAttrString(type, "__inlay_strict__",
                               record->c->strict ? Py_True : Py_False) < 0 ||
        PyObject_SetAttrString(type, "__inlay_rules__",
                               record->rules ? Py_True : Py_False) < 0)
        return -1;
    return PyObject_SetAttrString(type, "__match_args__", names);
}

int inlay_py_struct_annotate(struct inlay_py_record *record)
{
    _cleanup_decref_ PyObject *types = PyDict_New();

    for (size_t i = 0; types && i < record->nfields; i++) {
        _cleanup_decref_ PyObject *annotation =
            inlay_py_type_annotation(record->types[i]);
        if (!annotation ||
            PyDict_SetItem(types, record->names[i], annotation) < 0)
            return -1;
    }
    if (!types)
        return -1;
    return PyObject_SetAttrString((PyObject *)record->type, "__annotations__",
                                  types);
}

struct inlay_str inlay_py_struct_doc(struct inlay_py_module *module,
                                     const struct inlay_py_record *record,
                                     PyObject *name)
{
    struct inlay_str doc =
        inlay_arena_format(&module->arena, "%s(", PyUnicode_AsUTF8(name));
    bool optional = false;

    for (size_t i = 0; doc.ptr && i < record->nfields; i++) {
        bool was_optional = optional;

        optional = inlay_type_omissible(record->types[i]->c);
        if (was_optional && !optional)
            return inlay_arena_format(&module->arena, "A C struct.");
        doc = inlay_arena_format(
            &module->arena, "%s%s%s%s", doc.ptr, i ? ", " : "",
            PyUnicode_AsUTF8(record->names[i]), optional ? "=None" : "");
    }
    if (doc.ptr)
        doc = inlay_arena_format(&module->arena, "%s)\n--\n\nA C struct.",
                                 doc.ptr);
    return doc;
}
