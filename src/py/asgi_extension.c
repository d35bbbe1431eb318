/*
 * asgi_extension.c - the messages of ASGI's extensions (docs/extensions.rst):
 * files, trailers, early hints, debug information.
 */
#include "py/py.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "py/asgi_request.h"
#include "serve/response.h"

#include "base/banned.h"

/* --- Files --------------------------------------------------------------- */

/* A part of a file, to be sent. */
struct span {
    int fd; /* ours */
    uint64_t offset;
    size_t len;
};

static PyObject *send_span(struct inlay_asgi_request *request,
                           struct span span,
                           bool more)
{
    if (request->left) {
        close(span.fd);
        return inlay_asgi_raise_disconnected(inlay_asgi_state(request));
    }
    if (inlay_asgi_body_check(request, span.len, more) < 0) {
        close(span.fd);
        return NULL;
    }
    request->mixed = true;
    return inlay_asgi_sent_part(
        request,
        inlay_relay_send_file(request->relay, span.fd, span.offset, span.len,
                              more || request->trailers),
        more);
}

/* Opens a regular file, without the GIL: disks may be slow. 0 or -1. */
static int open_path(PyObject *path, struct span *ret)
{
    PyObject *bytes;
    struct stat status;
    int fd;

    if (!PyUnicode_FSConverter(path, &bytes))
        return -1;
    const char *name = PyBytes_AS_STRING(bytes);
    Py_BEGIN_ALLOW_THREADS /* a FIFO would make it wait */
        fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0 && (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))) {
        errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
        close(fd);
        fd = -1;
    }
    Py_END_ALLOW_THREADS Py_DECREF(bytes);
    if (fd < 0) {
        PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
        return -1;
    }
    *ret = (struct span){.fd = fd, .len = (size_t)status.st_size};
    return 0;
}

static PyObject *pathsend(struct inlay_asgi_request *request, PyObject *message)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);
    struct span span;

    if (request->mixed) {
        PyErr_SetString(PyExc_RuntimeError,
                        "'http.response.pathsend' is the whole body: it "
                        "can't follow a part of one");
        return NULL;
    }
    _cleanup_decref_ PyObject *path =
        inlay_py_dict_get(message, state->name_path);
    if (!path) {
        if (!PyErr_Occurred())
            PyErr_SetObject(PyExc_KeyError, state->name_path);
        return NULL;
    }
    if (open_path(path, &span) < 0)
        return NULL;
    return send_span(request, span, false);
}

/* message[name] as a number from 0 on; `otherwise` if it is not there. */
static int get_number(PyObject *message,
                      PyObject *name,
                      long long otherwise,
                      long long *ret)
{
    _cleanup_decref_ PyObject *value = inlay_asgi_get(message, name);

    *ret = otherwise;
    if (!value)
        return PyErr_Occurred() ? -1 : 0;
    *ret = PyLong_AsLongLong(value);
    if (*ret == -1 && PyErr_Occurred())
        return -1;
    if (*ret < 0) {
        PyErr_Format(PyExc_ValueError, "%U must not be negative: %S", name,
                     value);
        return -1;
    }
    return 0;
}

/*
 * Where a file stands (`to` -1), or is to stand: as the object says, which may
 * have read ahead, or the descriptor. -1 with an exception.
 */
static long long place(struct inlay_asgi_state *state,
                       PyObject *file,
                       int fd,
                       long long to)
{
    PyObject *result = NULL;

    if (!PyLong_Check(file)) {
        result = to < 0 ? PyObject_CallMethodNoArgs(file, state->name_tell)
                        : PyObject_CallMethod(file, "seek", "L", to);
        if (!result && !PyErr_ExceptionMatches(PyExc_AttributeError))
            return -1;
        PyErr_Clear();
    }
    long long at =
        result ? PyLong_AsLongLong(result)
               : lseek(fd, to < 0 ? 0 : to, to < 0 ? SEEK_CUR : SEEK_SET);
    Py_XDECREF(result);
    if (at < 0 && !PyErr_Occurred())
        PyErr_SetFromErrno(PyExc_OSError);
    return at;
}

/* 0 or -1; span_ret->fd is a duplicate. */
static int read_span(struct inlay_asgi_state *state,
                     PyObject *message,
                     PyObject *file,
                     struct span *span_ret)
{
    struct stat status;
    long long offset, count;
    int fd = PyObject_AsFileDescriptor(file);

    if (fd < 0 || get_number(message, state->name_offset, -1, &offset) < 0 ||
        get_number(message, state->name_count, LLONG_MAX, &count) < 0)
        return -1;
    if (fstat(fd, &status) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    if (!S_ISREG(status.st_mode)) {
        PyErr_SetString(PyExc_ValueError, "file must be a regular file");
        return -1;
    }
    bool current = offset < 0;
    if (current && (offset = place(state, file, fd, -1)) < 0)
        return -1;
    long long left = inlay_max(0LL, (long long)status.st_size - offset);
    count = inlay_min(count, left);
    if (current && place(state, file, fd, offset + count) < 0)
        return -1;
    /* The application may close its own at once. */
    span_ret->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (span_ret->fd < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    span_ret->offset = (uint64_t)offset;
    span_ret->len = (size_t)count;
    return 0;
}

static PyObject *zerocopysend(struct inlay_asgi_request *request,
                              PyObject *message)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);
    int more = inlay_asgi_get_flag(message, state->name_more_body, false);
    struct span span;

    if (more < 0)
        return NULL;
    _cleanup_decref_ PyObject *file =
        inlay_py_dict_get(message, state->name_file);
    if (!file) {
        if (!PyErr_Occurred())
            PyErr_SetObject(PyExc_KeyError, state->name_file);
        return NULL;
    }
    if (read_span(state, message, file, &span) < 0)
        return NULL;
    return send_span(request, span, more);
}

/* --- Trailers ------------------------------------------------------------ */

static int add_trailer(struct inlay_asgi_request *request,
                       struct inlay_str name,
                       struct inlay_str value)
{
    if (!inlay_response_may_trail(name)) {
        PyErr_Format(PyExc_RuntimeError,
                     "the header '%.*s' can't be a trailer (RFC 9110 6.5.1)",
                     (int)inlay_min(name.len, (size_t)64), name.ptr);
        return -1;
    }
    if (inlay_record_pack(&request->relay->inbox, name, value) < 0) {
        PyErr_SetString(PyExc_RuntimeError, "the trailers are too large");
        return -1;
    }
    request->relay->ntrailers++;
    return 0;
}

static PyObject *send_trailers(struct inlay_asgi_request *request,
                               PyObject *message)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);
    struct inlay_relay *relay = request->relay;
    size_t end = relay->inbox.end, ntrailers = relay->ntrailers;
    int more = inlay_asgi_get_flag(message, state->name_more_trailers, false);

    if (more < 0)
        return NULL;
    if (inlay_asgi_headers(request, message, add_trailer) < 0) {
        relay->inbox.end = end;
        relay->ntrailers = ntrailers;
        return NULL;
    }
    if (more)
        return Py_NewRef(state->ready_none);
    request->trailers = false;
    return inlay_asgi_sent_part(request, inlay_relay_trailers(relay), false);
}

/* --- Early hints --------------------------------------------------------- */

static int pack_links(PyObject *links, struct inlay_buf *out, size_t *count_ret)
{
    _cleanup_decref_ PyObject *list =
        PySequence_Fast(links, "links must be an iterable of bytes");

    if (!list)
        return -1;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(list); i++) {
        _cleanup_decref_ PyObject *keep = NULL;
        struct inlay_str value;

        if (inlay_asgi_view(PySequence_Fast_GET_ITEM(list, i), "a link", &keep,
                            &value) < 0 ||
            inlay_asgi_check_value(value) < 0)
            return -1;
        if (inlay_record_pack(out, INLAY_STR("link"), value) < 0) {
            PyErr_SetString(PyExc_RuntimeError, "the links are too large");
            return -1;
        }
    }
    *count_ret = (size_t)PySequence_Fast_GET_SIZE(list);
    return 0;
}

/* Once the answer has begun there is nobody to hint to. */
static PyObject *early_hint(struct inlay_asgi_request *request,
                            PyObject *message)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);
    _cleanup_decref_ PyObject *links =
        inlay_py_dict_get(message, state->name_links);
    enum inlay_relay_status status = INLAY_RELAY_OK;
    struct inlay_buf packed;
    size_t count;

    if (!links) {
        if (!PyErr_Occurred())
            PyErr_SetObject(PyExc_KeyError, state->name_links);
        return NULL;
    }
    inlay_buf_init(&packed, INLAY_ANSWER_HEAD);
    int failed = pack_links(links, &packed, &count);
    if (!failed && count)
        status =
            inlay_relay_inform(request->relay, inlay_buf_view(&packed), count);
    inlay_buf_deinit(&packed);
    if (failed)
        return NULL;
    return inlay_asgi_sent_part(request, status, true);
}

/* --- Debug --------------------------------------------------------------- */

static PyObject *debug(struct inlay_asgi_request *request,
                       PyObject *type,
                       PyObject *message)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);

    if (request->started)
        return inlay_asgi_raise_expected("http.response.body", type);
    _cleanup_decref_ PyObject *info =
        inlay_py_dict_get(message, state->name_info);
    if (!info) {
        if (!PyErr_Occurred())
            PyErr_SetObject(PyExc_KeyError, state->name_info);
        return NULL;
    }
    PyObject *result = PyObject_CallOneArg(request->server->asgi.debug, info);
    Py_XDECREF(result);
    return result ? Py_NewRef(state->ready_none) : NULL;
}

/* --- Any of them --------------------------------------------------------- */

/* Is it one that is a part of the body? */
static bool is_body(struct inlay_asgi_state *state, PyObject *type)
{
    return inlay_asgi_is(type, state->name_pathsend) ||
           inlay_asgi_is(type, state->name_zerocopysend);
}

PyObject *inlay_asgi_extension_send(struct inlay_asgi_request *request,
                                    PyObject *type,
                                    PyObject *message)
{
    struct inlay_asgi_state *state = inlay_asgi_state(request);
    bool body = is_body(state, type);
    bool trailers = inlay_asgi_is(type, state->name_response_trailers);
    bool hint = inlay_asgi_is(type, state->name_early_hint);

    if (!body && !trailers && !hint &&
        (!request->server->asgi.debug ||
         !inlay_asgi_is(type, state->name_response_debug))) {
        PyErr_Format(PyExc_RuntimeError, "Unexpected ASGI message %R.", type);
        return NULL;
    }
    if (request->complete)
        return Py_NewRef(state->ready_none);
    if (hint)
        return early_hint(request, message);
    if (!body && !trailers)
        return debug(request, type, message);
    if (!request->started)
        return inlay_asgi_raise_expected("http.response.start", type);
    if (trailers)
        return request->trailing
                   ? send_trailers(request, message)
                   : inlay_asgi_raise_expected("http.response.body", type);
    if (request->trailing)
        return inlay_asgi_raise_expected("http.response.trailers", type);
    return inlay_asgi_is(type, state->name_pathsend)
               ? pathsend(request, message)
               : zerocopysend(request, message);
}
