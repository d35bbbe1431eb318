/* asgi_message.c - parts of an application's messages, and what is said about
 * wrong ones. */
#include "py/py.h"

#include "http/header.h"
#include "py/asgi_request.h"

#include "base/banned.h"

/* --- Raising ------------------------------------------------------------- */

PyObject *inlay_asgi_raise_disconnected(struct inlay_asgi_state *state)
{
    PyErr_SetString(state->disconnected, "the client has disconnected");
    return NULL;
}

PyObject *inlay_asgi_raise_expected(const char *expected, PyObject *type)
{
    PyErr_Format(PyExc_RuntimeError,
                 "Expected ASGI message '%s', but got '%U'.", expected, type);
    return NULL;
}

PyObject *inlay_asgi_raise_over(struct inlay_asgi_request *request)
{
    request->left = true;
    inlay_relay_abort(request->relay);
    PyErr_Format(PyExc_RuntimeError,
                 "more than %u MiB are unsent, and send() was not awaited: "
                 "the connection is closed",
                 INLAY_RELAY_UNSENT >> 20);
    return NULL;
}

/* --- Values -------------------------------------------------------------- */

PyObject *inlay_asgi_get(PyObject *message, PyObject *name)
{
    PyObject *value = inlay_py_dict_get(message, name);

    if (value == Py_None)
        Py_CLEAR(value);
    return value;
}

int inlay_asgi_get_flag(PyObject *message, PyObject *name, bool otherwise)
{
    PyObject *value = inlay_py_dict_get(message, name);

    if (!value)
        return PyErr_Occurred() ? -1 : otherwise;
    int truth = PyObject_IsTrue(value);
    Py_DECREF(value);
    return truth;
}

int inlay_asgi_view(PyObject *object,
                    const char *what,
                    PyObject **keep,
                    struct inlay_str *ret)
{
    if (!PyBytes_Check(object)) {
        if (!PyObject_CheckBuffer(object)) {
            PyErr_Format(PyExc_TypeError, "%s must be bytes, not %s", what,
                         Py_TYPE(object)->tp_name);
            return -1;
        }
        object = *keep = PyBytes_FromObject(object);
        if (!object)
            return -1;
    }
    *ret = inlay_str_make(PyBytes_AS_STRING(object),
                          (size_t)PyBytes_GET_SIZE(object));
    return 0;
}

/* --- Headers ------------------------------------------------------------- */

int inlay_asgi_check_value(struct inlay_str value)
{
    if (inlay_header_value_valid(value))
        return 0;
    PyErr_SetString(PyExc_RuntimeError, "Invalid HTTP header value.");
    return -1;
}

typedef int adder(struct inlay_asgi_request *request,
                  struct inlay_str name,
                  struct inlay_str value);

static int add_header(struct inlay_asgi_request *request,
                      PyObject *first,
                      PyObject *second,
                      adder *add)
{
    _cleanup_decref_ PyObject *keep_name = NULL, *keep_value = NULL;
    struct inlay_str name, value;

    if (inlay_asgi_view(first, "a header's name", &keep_name, &name) < 0 ||
        inlay_asgi_view(second, "a header's value", &keep_value, &value) < 0)
        return -1;
    if (!inlay_header_name_valid(name)) {
        PyErr_SetString(PyExc_RuntimeError, "Invalid HTTP header name.");
        return -1;
    }
    if (inlay_asgi_check_value(value) < 0)
        return -1;
    return add(request, name, value);
}

static int add_pair(struct inlay_asgi_request *request,
                    PyObject *item,
                    adder *add)
{
    _cleanup_decref_ PyObject *pair =
        PySequence_Fast(item, "a header must be a pair of bytes");

    if (!pair)
        return -1;
    if (PySequence_Fast_GET_SIZE(pair) != 2) {
        PyErr_SetString(PyExc_ValueError, "a header must be a pair of bytes");
        return -1;
    }
    return add_header(request, PySequence_Fast_GET_ITEM(pair, 0),
                      PySequence_Fast_GET_ITEM(pair, 1), add);
}

/* A list that changes meanwhile is looked at anew. */
int inlay_asgi_headers(struct inlay_asgi_request *request,
                       PyObject *message,
                       adder *add)
{
    _cleanup_decref_ PyObject *given =
        inlay_py_dict_get(message, inlay_asgi_state(request)->name_headers);

    if (!given)
        return PyErr_Occurred() ? -1 : 0;
    _cleanup_decref_ PyObject *list =
        PySequence_Fast(given, "headers must be an iterable of pairs");
    if (!list)
        return -1;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(list); i++) {
        _cleanup_decref_ PyObject *item =
            Py_NewRef(PySequence_Fast_GET_ITEM(list, i));

        if (add_pair(request, item, add) < 0)
            return -1;
    }
    return 0;
}
