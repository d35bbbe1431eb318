/*
 * asgi_send.c - the send callable: messages of the application, checked and
 * handed to the I/O thread. A message counts from the call on; what is wrong
 * with it is raised where the result is awaited, as a coroutine would.
 */
#include "py/py.h"

#include "http/header.h"
#include "py/asgi_request.h"

#include "base/banned.h"

PyObject *inlay_asgi_raise_disconnected(struct inlay_asgi_state *state)
{
    PyErr_SetString(state->disconnected, "the client has disconnected");
    return NULL;
}

/* --- http.response.start ------------------------------------------------- */

/* A borrowed view of bytes, or of a copy of other bytes-like (new: *keep). */
static int view_bytes(PyObject *object,
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

static int read_length(struct inlay_asgi_request *request,
                       struct inlay_str value)
{
    int64_t length = inlay_header_length(value);

    if (length < 0 || (request->expected >= 0 && request->expected != length)) {
        PyErr_SetString(PyExc_RuntimeError, "Invalid Content-Length header.");
        return -1;
    }
    request->expected = length;
    return 0;
}

static bool is_length(struct inlay_str name)
{
    static const char length[] = "content-length";

    if (name.len != sizeof(length) - 1)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (inlay_ascii_lower(name.ptr[i]) != length[i])
            return false;
    }
    return true;
}

static int add_header(struct inlay_asgi_request *request,
                      PyObject *first,
                      PyObject *second)
{
    _cleanup_decref_ PyObject *keep_name = NULL, *keep_value = NULL;
    struct inlay_str name, value;

    if (view_bytes(first, "a header's name", &keep_name, &name) < 0 ||
        view_bytes(second, "a header's value", &keep_value, &value) < 0)
        return -1;
    if (!inlay_header_name_valid(name)) {
        PyErr_SetString(PyExc_RuntimeError, "Invalid HTTP header name.");
        return -1;
    }
    if (!inlay_header_value_valid(value)) {
        PyErr_SetString(PyExc_RuntimeError, "Invalid HTTP header value.");
        return -1;
    }
    if (is_length(name)) {
        bool again = request->expected >= 0;

        if (read_length(request, value) < 0)
            return -1;
        if (again)
            return 0;
    }
    if (inlay_relay_header(request->relay, name, value) != INLAY_RELAY_OK) {
        PyErr_SetString(PyExc_RuntimeError, "the headers are too large");
        return -1;
    }
    return 0;
}

static int add_pair(struct inlay_asgi_request *request, PyObject *item)
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
                      PySequence_Fast_GET_ITEM(pair, 1));
}

/* Any iterable of pairs; a list that changes meanwhile is looked at anew. */
static int add_headers(struct inlay_asgi_request *request, PyObject *message)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);
    _cleanup_decref_ PyObject *given =
        inlay_py_dict_get(message, state->name_headers);

    if (!given)
        return PyErr_Occurred() ? -1 : 0;
    _cleanup_decref_ PyObject *list =
        PySequence_Fast(given, "headers must be an iterable of pairs");
    if (!list)
        return -1;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(list); i++) {
        _cleanup_decref_ PyObject *item =
            Py_NewRef(PySequence_Fast_GET_ITEM(list, i));

        if (add_pair(request, item) < 0)
            return -1;
    }
    return 0;
}

static int read_status(struct inlay_asgi_request *request,
                       PyObject *message,
                       int *ret)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);
    _cleanup_decref_ PyObject *given =
        inlay_py_dict_get(message, state->name_status);

    if (!given) {
        if (!PyErr_Occurred())
            PyErr_SetObject(PyExc_KeyError, state->name_status);
        return -1;
    }
    if (!PyLong_Check(given)) {
        PyErr_Format(PyExc_TypeError, "status must be an int, not %s",
                     Py_TYPE(given)->tp_name);
        return -1;
    }
    int overflow;
    long status = PyLong_AsLongAndOverflow(given, &overflow);
    if (overflow || status < 200 || status > 999) {
        PyErr_Format(PyExc_ValueError, "%S is no status of a final response",
                     given);
        return -1;
    }
    *ret = (int)status;
    return 0;
}

static int send_start(struct inlay_asgi_request *request, PyObject *message)
{
    int status;

    if (request->started) {
        if (request->complete)
            return 0;
        PyErr_SetString(PyExc_RuntimeError,
                        "Expected ASGI message 'http.response.body', but got "
                        "'http.response.start'.");
        return -1;
    }
    if (read_status(request, message, &status) < 0)
        return -1;
    request->expected = -1;
    inlay_relay_start(request->relay, status);
    if (add_headers(request, message) < 0)
        return -1;
    request->bodiless = status == 204 || status == 304 ||
                        request->relay->method_id == INLAY_METHOD_HEAD;
    request->started = true;
    return 0;
}

/* --- http.response.body -------------------------------------------------- */

static int check_length(struct inlay_asgi_request *request,
                        size_t len,
                        bool more)
{
    if (request->bodiless || request->expected < 0)
        return 0;
    if (len > (uint64_t)request->expected) {
        PyErr_SetString(PyExc_RuntimeError,
                        "Response content longer than Content-Length");
        return -1;
    }
    if (!more && len < (uint64_t)request->expected) {
        PyErr_SetString(PyExc_RuntimeError,
                        "Response content shorter than Content-Length");
        return -1;
    }
    request->expected -= (int64_t)len;
    return 0;
}

/* What send() is to return, or NULL with an exception. */
static PyObject *hand_over(struct inlay_asgi_request *request,
                           struct inlay_str bytes,
                           bool more)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);

    if (request->left)
        return inlay_asgi_raise_disconnected(state);
    if (check_length(request, bytes.len, more) < 0)
        return NULL;
    if (request->bodiless && request->relay->answered)
        bytes.len = 0;
    enum inlay_relay_status status =
        inlay_relay_send(request->relay, bytes, more);
    if (status == INLAY_RELAY_GONE)
        return inlay_asgi_raise_disconnected(state);
    if (status == INLAY_RELAY_FULL)
        return PyErr_NoMemory();
    if (!more) {
        request->complete = true;
        inlay_asgi_wake(request);
    } else if (status == INLAY_RELAY_WAIT) {
        return inlay_asgi_wait(request, INLAY_ASGI_DRAIN);
    }
    return Py_NewRef(state->ready_none);
}

static PyObject *send_body(struct inlay_asgi_request *request,
                           PyObject *message)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);

    if (!request->started) {
        PyErr_SetString(PyExc_RuntimeError,
                        "Expected ASGI message 'http.response.start', but got "
                        "'http.response.body'.");
        return NULL;
    }
    if (request->complete)
        return Py_NewRef(state->ready_none);
    _cleanup_decref_ PyObject *flag =
        inlay_py_dict_get(message, state->name_more_body);
    int more = flag ? PyObject_IsTrue(flag) : 0;
    if (more < 0 || (!flag && PyErr_Occurred()))
        return NULL;
    _cleanup_decref_ PyObject *body =
        inlay_py_dict_get(message, state->name_body);
    if (!body) {
        if (PyErr_Occurred())
            return NULL;
        return hand_over(request, inlay_str_make("", 0), more);
    }
    if (PyBytes_Check(body))
        return hand_over(request,
                         inlay_str_make(PyBytes_AS_STRING(body),
                                        (size_t)PyBytes_GET_SIZE(body)),
                         more);
    Py_buffer buffer;
    if (!PyObject_CheckBuffer(body)) {
        PyErr_Format(PyExc_TypeError, "body must be bytes, not %s",
                     Py_TYPE(body)->tp_name);
        return NULL;
    }
    if (PyObject_GetBuffer(body, &buffer, PyBUF_SIMPLE) < 0)
        return NULL;
    PyObject *result = hand_over(
        request, inlay_str_make(buffer.buf, (size_t)buffer.len), more);
    PyBuffer_Release(&buffer);
    return result;
}

/* --- The callable -------------------------------------------------------- */

static bool is_type(PyObject *type, PyObject *name)
{
    return type == name || PyUnicode_Compare(type, name) == 0;
}

static PyObject *send_message(struct inlay_asgi_request *request,
                              PyObject *message)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);

    if (!PyDict_Check(message)) {
        PyErr_Format(PyExc_TypeError, "a message must be a dict, not %s",
                     Py_TYPE(message)->tp_name);
        return NULL;
    }
    _cleanup_decref_ PyObject *type =
        inlay_py_dict_get(message, state->name_type);
    if (!type) {
        if (!PyErr_Occurred())
            PyErr_SetObject(PyExc_KeyError, state->name_type);
        return NULL;
    }
    if (PyUnicode_Check(type)) {
        if (is_type(type, state->name_response_body))
            return send_body(request, message);
        if (is_type(type, state->name_response_start)) {
            if (send_start(request, message) < 0)
                return NULL;
            return Py_NewRef(state->ready_none);
        }
    }
    PyErr_Format(PyExc_RuntimeError, "Unexpected ASGI message %R.", type);
    return NULL;
}

PyObject *inlay_asgi_send_call(PyObject *self,
                               PyObject *const *args,
                               size_t nargsf,
                               PyObject *kwnames)
{
    struct inlay_asgi_request *request =
        ((struct inlay_asgi_callable *)self)->request;
    Py_ssize_t nkeywords = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    PyObject *result;

    /* One argument: by position, or as send(message=…). */
    if (PyVectorcall_NARGS(nargsf) + nkeywords != 1 ||
        (nkeywords && PyUnicode_CompareWithASCIIString(
                          PyTuple_GET_ITEM(kwnames, 0), "message") != 0)) {
        PyErr_SetString(PyExc_TypeError, "send() takes one message");
        return NULL;
    }
    result = send_message(request, args[0]);
    if (!result)
        result = inlay_asgi_failed(inlay_asgi_state(request));
    return result;
}
