/* errors.c - inlay.Error and its kinds; core errors as exceptions. */
#include "py/errors.h"

#include "load/context.h"

#include "base/banned.h"

PyObject *inlay_py_text(struct inlay_str text)
{
    return PyUnicode_DecodeUTF8(text.ptr ? text.ptr : "", (Py_ssize_t)text.len,
                                "replace");
}

static PyObject *exception_of(enum inlay_error_code code)
{
    switch (code) {
#define CASE(name, exception)                                                  \
    case INLAY_ERROR_##name:                                                   \
        return PyExc_##exception;
        INLAY_ERROR_CODES(CASE)
#undef CASE
    }
    return PyExc_RuntimeError;
}

int inlay_py_raise(struct inlay_error *error)
{
    _cleanup_error_ struct inlay_error *owned = error;
    _cleanup_decref_ PyObject *text =
        inlay_py_text(inlay_str_from(owned->message));

    if (!text)
        return -1;
    if (owned->code == INLAY_ERROR_SYSTEM && owned->system) {
        _cleanup_decref_ PyObject *args =
            Py_BuildValue("(iO)", owned->system, text);
        if (args)
            PyErr_SetObject(PyExc_OSError, args);
        return -1;
    }
    PyErr_SetObject(exception_of(owned->code), text);
    return -1;
}

int inlay_py_raise_kind(struct inlay_py_state *state,
                        int kind,
                        struct inlay_str text)
{
    PyObject *type = state->error;
    _cleanup_decref_ PyObject *message = inlay_py_text(text);

    /* An application may fail with a number that is no kind of ours. */
    if (kind > 0 && kind <= INLAY_PY_ERROR_KINDS)
        type = state->errors[kind - 1];
    if (message)
        PyErr_SetObject(type, message);
    return -1;
}

int inlay_py_raise_stated(struct inlay_py_state *state,
                          int kind,
                          struct inlay_str text,
                          const char *sqlstate,
                          bool may_retry)
{
    inlay_py_raise_kind(state, kind, text);
    if (!*sqlstate && !may_retry)
        return -1;
    PyObject *exception = inlay_py_exception_take();
    if (!exception)
        return -1;
    _cleanup_decref_ PyObject *code = PyUnicode_FromString(sqlstate);
    if (!code || PyObject_SetAttrString(exception, "sqlstate", code) < 0 ||
        PyObject_SetAttrString(exception, "may_retry",
                               may_retry ? Py_True : Py_False) < 0)
        PyErr_Clear();
    inlay_py_exception_restore(exception);
    return -1;
}

int inlay_py_raise_failed(struct inlay_py_state *state,
                          const struct inlay_context *context)
{
    return inlay_py_raise_stated(state, context->error, context->error_text,
                                 context->sqlstate, context->may_retry);
}

static int add_exception(PyObject *module,
                         const char *name,
                         const char *doc,
                         PyObject *bases,
                         PyObject *dict,
                         PyObject **ret)
{
    _cleanup_decref_ PyObject *full = PyUnicode_FromFormat("inlay.%s", name);

    if (!full)
        return -1;
    *ret = PyErr_NewExceptionWithDoc(PyUnicode_AsUTF8(full), doc, bases, dict);
    if (!*ret)
        return -1;
    return PyModule_AddObjectRef(module, name, *ret);
}

static int add_kind(PyObject *module,
                    struct inlay_py_state *state,
                    int kind,
                    const char *name,
                    int status,
                    PyObject *exception)
{
    _cleanup_decref_ PyObject *bases = PyTuple_Pack(2, state->error, exception);
    _cleanup_decref_ PyObject *dict = Py_BuildValue("{s:i}", "status", status);

    if (!bases || !dict)
        return -1;
    return add_exception(module, name, "Raised by inlay_fail in C.", bases,
                         dict, &state->errors[kind - 1]);
}

int inlay_py_errors_init(PyObject *module, struct inlay_py_state *state)
{
    _cleanup_decref_ PyObject *dict =
        Py_BuildValue("{s:i,s:s,s:O,s:O}", "status", 500, "sqlstate", "",
                      "may_retry", Py_False, "detail", Py_None);

    if (!dict ||
        add_exception(module, "Error",
                      "A C function ended with inlay_fail.\n\n"
                      "status is the HTTP status that it stands for; sqlstate, "
                      "of a database, its code (or \"\").",
                      NULL, dict, &state->error) < 0)
        return -1;
#define KIND(name, status, text, exception)                                    \
    if (add_kind(module, state, INLAY_##name, text, status,                    \
                 PyExc_##exception) < 0)                                       \
        return -1;
    INLAY_ERROR_KINDS(KIND)
#undef KIND
    return 0;
}
