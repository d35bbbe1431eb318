/*
 * lift.c - Server.lift(): what lift.py has decided, handed to the handler of
 * lifted routes.
 */
#include "py/py.h"

#include "py/asgi_request.h"
#include "py/callable.h"
#include "py/errors.h"
#include "py/state.h"
#include "serve/lifted.h"

#include "base/banned.h"

#define LIFT_MEMORY ((size_t)64 << 20)

/* A str as text in the arena. 0, or -1 with an exception. */
static int read_str(PyObject *value,
                    struct inlay_arena *arena,
                    struct inlay_str *ret)
{
    Py_ssize_t len;
    const char *text = PyUnicode_AsUTF8AndSize(value, &len);

    if (!text)
        return -1;
    *ret = inlay_arena_copy(arena, inlay_str_make(text, (size_t)len));
    if (ret->ptr)
        return 0;
    PyErr_NoMemory();
    return -1;
}

static int read_barriers(PyObject *given,
                         struct inlay_arena *arena,
                         struct inlay_lifted_decl *decl)
{
    size_t count = (size_t)PyTuple_GET_SIZE(given);
    struct inlay_lifted_barrier *barriers =
        inlay_arena_zalloc_array(arena, count + 1, sizeof(*barriers));

    if (!barriers) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        PyObject *pair = PyTuple_GET_ITEM(given, (Py_ssize_t)i);

        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
            PyErr_SetString(PyExc_TypeError, "a pair of str is expected");
            return -1;
        }
        if (read_str(PyTuple_GET_ITEM(pair, 0), arena, &barriers[i].methods) <
                0 ||
            read_str(PyTuple_GET_ITEM(pair, 1), arena, &barriers[i].path) < 0)
            return -1;
    }
    decl->barriers = barriers;
    decl->nbarriers = count;
    return 0;
}

static int read_route(PyTypeObject *function_type,
                      PyObject *given,
                      struct inlay_arena *arena,
                      struct inlay_lifted_decl *decl)
{
    PyObject *methods, *path, *function, *barriers;
    int explains, own_root;

    if (!PyTuple_Check(given)) {
        PyErr_SetString(PyExc_TypeError, "lift() takes a list of tuples");
        return -1;
    }
    if (!PyArg_ParseTuple(given, "UUO!ippO!:lift", &methods, &path,
                          function_type, &function, &decl->status, &explains,
                          &own_root, &PyTuple_Type, &barriers) ||
        read_str(methods, arena, &decl->methods) < 0 ||
        read_str(path, arena, &decl->path) < 0)
        return -1;
    const struct inlay_py_plan *plan =
        ((struct inlay_py_function *)function)->plan;
    if (!plan->callable) {
        PyErr_Format(PyExc_ValueError, "%S can't be called", plan->name);
        return -1;
    }
    decl->callable = plan->callable;
    decl->module = plan->module->native;
    decl->explains = explains;
    decl->own_root = own_root;
    return read_barriers(barriers, arena, decl);
}

static int lift(struct inlay_server_object *self,
                PyObject *routes,
                struct inlay_arena *arena)
{
    PyTypeObject *type =
        inlay_py_state_of(PyType_GetModule(Py_TYPE(self)))->function_type;
    size_t count = (size_t)PyList_GET_SIZE(routes);
    struct inlay_lifted_decl *decls =
        inlay_arena_zalloc_array(arena, count + 1, sizeof(*decls));

    if (!decls) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < count; i++)
        if (read_route(type, PyList_GET_ITEM(routes, (Py_ssize_t)i), arena,
                       &decls[i]) < 0)
            return -1;
    struct inlay_error *error =
        inlay_lifted_replace(self->lifted, decls, count);
    return error ? inlay_py_raise(error) : 0;
}

PyObject *inlay_server_lift(PyObject *object, PyObject *routes)
{
    struct inlay_server_object *self = (struct inlay_server_object *)object;
    struct inlay_arena arena;

    if (!PyList_Check(routes)) {
        PyErr_SetString(PyExc_TypeError, "lift() takes a list of tuples");
        return NULL;
    }
    if (!self->lifted) {
        PyErr_SetString(PyExc_RuntimeError,
                        "the server has no application, or has been stopped");
        return NULL;
    }
    inlay_arena_init(&arena, LIFT_MEMORY);
    int status = lift(self, routes, &arena);
    inlay_arena_deinit(&arena);
    if (status < 0)
        return NULL;
    Py_RETURN_NONE;
}
