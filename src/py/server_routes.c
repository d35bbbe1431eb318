/* server_routes.c - what inlay._core.Server says and is told of its native
 * routes; server.c has what each method means. */
#include "py/py.h"

#include <limits.h>
#include <stdio.h>

#include "py/asgi_request.h"
#include "py/errors.h"
#include "py/state.h"
#include "serve/alone.h"
#include "serve/layers.h"
#include "serve/lifted.h"
#include "serve/native.h"
#include "serve/quarantine.h"
#include "serve/server.h"

#include "base/banned.h"

static PyObject *route_dict(struct inlay_native_info info)
{
    return Py_BuildValue(
        "{sNsNsNsNsNsIsN}", "methods", inlay_py_text(info.methods), "path",
        inlay_py_text(info.path), "function", inlay_py_text(info.function),
        "module", inlay_py_text(info.module), "file",
        inlay_py_text(info.decl.file), "line", (unsigned)info.decl.line, "runs",
        inlay_py_text(info.runs));
}

PyObject *inlay_server_native_routes(PyObject *object,
                                     PyObject *unused inlay_unused)
{
    struct inlay_server_object *self = (struct inlay_server_object *)object;
    PyObject *list = inlay_server_running(self) ? PyList_New(0) : NULL;
    size_t count = list && self->native ? inlay_native_count(self->native) : 0;

    for (size_t i = 0; list && i < count; i++) {
        PyObject *route = route_dict(inlay_native_info(self->native, i));

        if (!route || PyList_Append(list, route) < 0)
            Py_CLEAR(list);
        Py_XDECREF(route);
    }
    return list;
}

/*
 * After a hot swap: the routes of the modules as they are now, or an error.
 * False: nothing has changed, as only a new server can do that.
 */
PyObject *inlay_server_replace_native(PyObject *object,
                                      PyObject *unused inlay_unused)
{
    struct inlay_server_object *self = (struct inlay_server_object *)object;
    PyObject *module = PyType_GetModule(Py_TYPE(object));
    struct inlay_module *const *modules;

    if (!inlay_server_running(self))
        return NULL;
    size_t nmodules = inlay_py_modules(inlay_py_state_of(module), &modules);
    struct inlay_error *error =
        inlay_layers_set(self->server, modules, nmodules);
    if (!error)
        error = inlay_native_replace(self->native, modules, nmodules);
    if (!error && self->alone)
        error = inlay_alone_update(self->alone);
    if (error && error->code == INLAY_ERROR_STATE) {
        inlay_error_destroy(error);
        Py_RETURN_FALSE;
    }
    if (error) {
        inlay_py_raise(error);
        return NULL;
    }
    Py_RETURN_TRUE;
}

PyObject *inlay_server_switch(PyObject *object, PyObject *args)
{
    struct inlay_server_object *self = (struct inlay_server_object *)object;
    const char *methods, *path;
    unsigned state;

    if (!PyArg_ParseTuple(args, "ssI:switch", &methods, &path, &state) ||
        !inlay_server_running(self))
        return NULL;
    if (state > INLAY_SWITCH_REFUSE) {
        PyErr_Format(PyExc_ValueError, "%u is no state of a route", state);
        return NULL;
    }
    enum inlay_switch_state wanted = (enum inlay_switch_state)state;
    struct inlay_str all = inlay_str_from(methods), at = inlay_str_from(path);
    size_t count = inlay_native_switch(self->native, all, at, wanted);
    if (self->lifted)
        count += inlay_lifted_switch(self->lifted, all, at, wanted);
    return PyLong_FromSize_t(count);
}

PyObject *inlay_server_alone(PyObject *object, PyObject *args)
{
    struct inlay_server_object *self = (struct inlay_server_object *)object;
    const char *path;
    int state;

    if (!PyArg_ParseTuple(args, "sp:alone", &path, &state) ||
        !inlay_server_running(self))
        return NULL;
    if (self->native)
        inlay_native_set_alone(self->native, inlay_str_from(path), state);
    Py_RETURN_NONE;
}

PyObject *inlay_server_stuck(PyObject *object, PyObject *most)
{
    struct inlay_server_object *self = (struct inlay_server_object *)object;
    unsigned long calls = PyLong_AsUnsignedLong(most);
    struct inlay_stuck stuck;
    char text[1024];

    if ((calls == (unsigned long)-1 && PyErr_Occurred()) ||
        !inlay_server_running(self))
        return NULL;
    if (!inlay_server_is_stuck(
            self->server, (unsigned)inlay_min(calls, (unsigned long)UINT_MAX),
            &stuck))
        Py_RETURN_NONE;
    int len = snprintf(text, sizeof(text), "I/O thread %u", stuck.index);
    if (stuck.func)
        len =
            snprintf(text, sizeof(text),
                     "I/O thread %u, in %.*s -> %.*s() at %.*s:%u", stuck.index,
                     inlay_str_arg(stuck.what), inlay_str_arg(stuck.func->name),
                     inlay_str_arg(stuck.func->decl.file),
                     (unsigned)stuck.func->decl.line);
    return inlay_py_text(
        inlay_str_make(text, inlay_min((size_t)len, sizeof(text) - 1)));
}

PyObject *inlay_server_openapi(PyObject *object, PyObject *unused inlay_unused)
{
    struct inlay_server_object *self = (struct inlay_server_object *)object;
    PyObject *bytes = NULL;
    struct inlay_buf out;

    if (!inlay_server_running(self))
        return NULL;
    inlay_buf_init(&out, 64u << 20);
    if (!self->native || inlay_native_openapi(self->native, &out) < 0) {
        PyErr_NoMemory();
    } else {
        struct inlay_str text = inlay_buf_view(&out);

        bytes = PyBytes_FromStringAndSize(text.ptr, (Py_ssize_t)text.len);
    }
    inlay_buf_deinit(&out);
    return bytes;
}
