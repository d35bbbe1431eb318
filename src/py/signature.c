/* signature.c - what inspect, help() and FastAPI want to know. */
#include <math.h>

#include "py/callable.h"
#include "py/convert.h"
#include "py/errors.h"
#include "py/handle.h"

#include "base/banned.h"

/* What a constructor gives is never None: that is MemoryError. */
static PyObject *result_annotation(const struct inlay_py_plan *plan)
{
    const struct inlay_func *func = plan->callable->func;

    if (func->object && !plan->method)
        return Py_NewRef((PyObject *)plan->result->object->class->type);
    return inlay_py_type_annotation(plan->result);
}

PyObject *inlay_py_annotations(const struct inlay_py_plan *plan)
{
    _cleanup_decref_ PyObject *dict = PyDict_New();

    for (size_t i = 0; dict && i < plan->nparams; i++) {
        _cleanup_decref_ PyObject *annotation =
            inlay_py_type_annotation(plan->params[i].type);
        if (!annotation || PyDict_SetItem(dict, plan->names[i], annotation) < 0)
            return NULL;
    }
    _cleanup_decref_ PyObject *result = result_annotation(plan);
    if (!dict || !result || PyDict_SetItemString(dict, "return", result) < 0)
        return NULL;
    return Py_NewRef(dict);
}

/* The value that stands for an absent argument, as Python sees it. */
static PyObject *default_of(const struct inlay_py_plan *plan, size_t i)
{
    struct inlay_py_conversion conversion = {.function = plan->name};
    struct inlay_py_place place = {.name = plan->names[i]};

    return inlay_py_out(&conversion, plan->params[i].type,
                        plan->params[i].fallback, &place);
}

/*
 * C may give the first parameter a default and not the last; Python can't
 * say that: what stands behind a default is then by keyword only.
 */
static PyObject *make_parameter(const struct inlay_py_plan *plan,
                                size_t i,
                                PyObject *class,
                                bool *after_default)
{
    const struct inlay_py_param *param = &plan->params[i];
    const char *kind = "POSITIONAL_OR_KEYWORD";

    if (!param->fallback && *after_default)
        kind = "KEYWORD_ONLY";
    _cleanup_decref_ PyObject *args = PyTuple_New(2);
    _cleanup_decref_ PyObject *kwargs = PyDict_New();
    _cleanup_decref_ PyObject *annotation =
        inlay_py_type_annotation(param->type);
    PyObject *kind_value = PyObject_GetAttrString(class, kind);
    if (!args || !kwargs || !annotation || !kind_value) {
        Py_XDECREF(kind_value);
        return NULL;
    }
    PyTuple_SET_ITEM(args, 0, Py_NewRef(param->name));
    PyTuple_SET_ITEM(args, 1, kind_value);
    if (PyDict_SetItemString(kwargs, "annotation", annotation) < 0)
        return NULL;
    if (param->fallback) {
        _cleanup_decref_ PyObject *value = default_of(plan, i);
        *after_default = true;
        if (!value || PyDict_SetItemString(kwargs, "default", value) < 0)
            return NULL;
    }
    return PyObject_Call(class, args, kwargs);
}

static PyObject *make_parameters(const struct inlay_py_plan *plan,
                                 PyObject *inspect)
{
    _cleanup_decref_ PyObject *class =
        PyObject_GetAttrString(inspect, "Parameter");
    _cleanup_decref_ PyObject *plain = PyList_New(0);
    _cleanup_decref_ PyObject *by_keyword = PyList_New(0);
    bool after_default = false;

    if (!class || !plain || !by_keyword)
        return NULL;
    for (size_t i = 0; i < plan->nparams; i++) {
        bool only = after_default && !plan->params[i].fallback;
        _cleanup_decref_ PyObject *parameter =
            make_parameter(plan, i, class, &after_default);
        if (!parameter ||
            PyList_Append(only ? by_keyword : plain, parameter) < 0)
            return NULL;
    }
    return PySequence_Concat(plain, by_keyword);
}

PyObject *inlay_py_signature(const struct inlay_py_plan *plan)
{
    _cleanup_decref_ PyObject *inspect = PyImport_ImportModule("inspect");
    _cleanup_decref_ PyObject *parameters =
        inspect ? make_parameters(plan, inspect) : NULL;
    _cleanup_decref_ PyObject *class =
        parameters ? PyObject_GetAttrString(inspect, "Signature") : NULL;
    _cleanup_decref_ PyObject *result = result_annotation(plan);

    if (!class || !result)
        return NULL;
    _cleanup_decref_ PyObject *args = PyTuple_Pack(1, parameters);
    _cleanup_decref_ PyObject *kwargs =
        Py_BuildValue("{s:O}", "return_annotation", result);
    return args && kwargs ? PyObject_Call(class, args, kwargs) : NULL;
}

/* "b=20"; what no literal can say is "b=...", as in stubs. */
static PyObject *parameter_text(const struct inlay_py_plan *plan, size_t i)
{
    if (!plan->params[i].fallback)
        return Py_NewRef(plan->names[i]);
    _cleanup_decref_ PyObject *value = default_of(plan, i);
    if (!value)
        return NULL;
    bool literal =
        value == Py_None || PyBool_Check(value) || PyLong_CheckExact(value) ||
        PyUnicode_CheckExact(value) || PyBytes_CheckExact(value) ||
        (PyFloat_CheckExact(value) && isfinite(PyFloat_AS_DOUBLE(value)));
    return literal ? PyUnicode_FromFormat("%U=%R", plan->names[i], value)
                   : PyUnicode_FromFormat("%U=...", plan->names[i]);
}

/* "(a, b=20)"; "(b=20, *, a)" for C's a behind b: see make_parameter. */
PyObject *inlay_py_text_signature(const struct inlay_py_plan *plan)
{
    _cleanup_decref_ PyObject *parts = PyList_New(0);
    _cleanup_decref_ PyObject *comma = PyUnicode_FromString(", ");
    _cleanup_decref_ PyObject *star = PyUnicode_FromString("*");

    if (!parts || !comma || !star)
        return NULL;
    for (int by_keyword = 0; by_keyword < 2; by_keyword++) {
        bool after_default = false;

        for (size_t i = 0; i < plan->nparams; i++) {
            bool optional = plan->params[i].fallback != NULL;
            bool only = after_default && !optional;

            after_default |= optional;
            if (only != (by_keyword == 1))
                continue;
            _cleanup_decref_ PyObject *part = parameter_text(plan, i);
            if (!part || (only && star && PyList_Append(parts, star) < 0) ||
                PyList_Append(parts, part) < 0)
                return NULL;
            if (only)
                Py_CLEAR(star);
        }
    }
    _cleanup_decref_ PyObject *text = PyUnicode_Join(comma, parts);
    return text ? PyUnicode_FromFormat("(%U)", text) : NULL;
}

PyObject *inlay_py_file_name(const struct inlay_source *decl)
{
    struct inlay_str file = decl->file;

    for (size_t i = file.len; i > 0; i--)
        if (file.ptr[i - 1] == '/') {
            file = inlay_str_make(file.ptr + i, file.len - i);
            break;
        }
    return inlay_py_text(file);
}

/* <inlay function fast.sum(a: int, b: int) -> int at fast.c:12> */
PyObject *inlay_py_function_repr(PyObject *object)
{
    const struct inlay_py_plan *plan =
        ((struct inlay_py_function *)object)->plan;
    const char *what = plan->method ? "method" : "function";

    if (plan->gone)
        return PyUnicode_FromFormat("<inlay %s %U.%U, gone>", what,
                                    plan->module->name, plan->name);
    const struct inlay_source *decl = &plan->callable->func->decl;
    _cleanup_decref_ PyObject *signature =
        PyObject_GetAttrString(object, "__signature__");
    _cleanup_decref_ PyObject *file = inlay_py_file_name(decl);
    if (!signature || !file)
        return NULL;
    return PyUnicode_FromFormat("<inlay %s %U.%U%S at %U:%u>", what,
                                plan->module->name, plan->name, signature, file,
                                decl->line);
}
