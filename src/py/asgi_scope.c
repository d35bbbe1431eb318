/*
 * asgi_scope.c - the head of a request as an ASGI scope. Header lines and
 * addresses that came before are taken from small caches, which are indexed
 * by a hash and compare every byte.
 */
#include "py/py.h"

#include "py/asgi_request.h"

#include "base/banned.h"

/* --- Header lines -------------------------------------------------------- */

static PyObject *make_bytes(struct inlay_str text)
{
    return PyBytes_FromStringAndSize(text.ptr, (Py_ssize_t)text.len);
}

static PyObject *make_pair(const struct inlay_relay_line *line)
{
    PyObject *pair = PyTuple_New(2), *name, *value;

    if (!pair)
        return NULL;
    name = make_bytes(line->name);
    PyTuple_SET_ITEM(pair, 0, name);
    value = make_bytes(line->value);
    PyTuple_SET_ITEM(pair, 1, value);
    if (!name || !value) {
        Py_DECREF(pair);
        return NULL;
    }
    PyObject_GC_UnTrack(pair); /* bytes only: nothing for the collector */
    return pair;
}

static PyObject *line_pair(struct inlay_asgi *asgi,
                           const struct inlay_relay_line *line)
{
    if (line->hash == 0)
        return make_pair(line);
    struct inlay_asgi_line *slot =
        &asgi->lines[line->hash & (INLAY_ASGI_LINES - 1)];
    size_t len = line->name.len + line->value.len;

    if (slot->pair && slot->hash == line->hash &&
        slot->name_len == line->name.len &&
        slot->value_len == line->value.len &&
        memcmp(slot->text, line->name.ptr, len) == 0)
        return Py_NewRef(slot->pair);
    PyObject *pair = make_pair(line);
    if (!pair)
        return NULL;
    PyObject *old = slot->pair;
    slot->pair = Py_NewRef(pair);
    slot->hash = line->hash;
    slot->name_len = (uint16_t)line->name.len;
    slot->value_len = (uint16_t)line->value.len;
    memcpy(slot->text, line->name.ptr, len);
    Py_XDECREF(old);
    return pair;
}

static PyObject *make_headers(struct inlay_asgi *asgi,
                              const struct inlay_relay *relay)
{
    PyObject *list = PyList_New((Py_ssize_t)relay->nlines);

    for (size_t i = 0; list && i < relay->nlines; i++) {
        PyObject *pair = line_pair(asgi, &relay->lines[i]);

        if (!pair)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)i, pair);
    }
    return list;
}

/* --- Addresses ----------------------------------------------------------- */

static PyObject *make_address(struct inlay_str host, int port)
{
    PyObject *name =
        PyUnicode_DecodeUTF8(host.ptr, (Py_ssize_t)host.len, "surrogateescape");
    PyObject *address = name ? (port < 0 ? Py_BuildValue("(OO)", name, Py_None)
                                         : Py_BuildValue("(Oi)", name, port))
                             : NULL;

    Py_XDECREF(name);
    return address;
}

/* (host, port), (path, None) for a Unix socket, or None: not known. */
static PyObject *find_address(struct inlay_asgi *asgi,
                              struct inlay_str host,
                              int port)
{
    uint32_t hash = (uint32_t)port * 2654435761u;
    struct inlay_asgi_peer *slot;

    if (host.len == 0)
        Py_RETURN_NONE;
    for (size_t i = 0; i < host.len; i++)
        hash = (hash ^ (unsigned char)host.ptr[i]) * 16777619u;
    slot = &asgi->peers[(hash >> 8) & (INLAY_ASGI_PEERS - 1)];
    if (slot->address && slot->port == port && slot->len == host.len &&
        memcmp(slot->host, host.ptr, host.len) == 0)
        return Py_NewRef(slot->address);
    PyObject *address = make_address(host, port);
    if (address && host.len <= sizeof(slot->host)) {
        PyObject *old = slot->address;

        slot->address = Py_NewRef(address);
        slot->port = port;
        slot->len = host.len;
        memcpy(slot->host, host.ptr, host.len);
        Py_XDECREF(old);
    }
    return address;
}

/* --- The rest ------------------------------------------------------------ */

static PyObject *make_method(struct inlay_asgi *asgi,
                             const struct inlay_relay *relay)
{
    PyObject *known = asgi->methods[relay->method_id];

    if (known)
        return Py_NewRef(known);
    PyObject *method = PyUnicode_New((Py_ssize_t)relay->method.len, 127);
    for (size_t i = 0; method && i < relay->method.len; i++) {
        char c = relay->method.ptr[i];

        PyUnicode_WRITE(PyUnicode_1BYTE_KIND, PyUnicode_DATA(method), i,
                        (Py_UCS1)(c >= 'a' && c <= 'z' ? c & ~0x20 : c & 0x7f));
    }
    return method;
}

/* As uvicorn: the root path stands before the path that was asked for. */
static PyObject *make_path(struct inlay_asgi *asgi,
                           const struct inlay_relay *relay)
{
    PyObject *path = PyUnicode_DecodeUTF8(
        relay->path.ptr, (Py_ssize_t)relay->path.len, "replace");

    if (!path || PyUnicode_GET_LENGTH(asgi->root_path) == 0)
        return path;
    PyObject *whole = PyUnicode_Concat(asgi->root_path, path);
    Py_DECREF(path);
    return whole;
}

static PyObject *make_raw_path(struct inlay_asgi *asgi,
                               const struct inlay_relay *relay)
{
    PyObject *path = make_bytes(relay->raw_path);

    if (!path || PyBytes_GET_SIZE(asgi->raw_root_path) == 0)
        return path;
    PyObject *whole = Py_NewRef(asgi->raw_root_path);
    PyBytes_ConcatAndDel(&whole, path);
    return whole;
}

/* Steals `value`, which may be NULL: -1. */
static int set(PyObject *scope, PyObject *key, PyObject *value)
{
    int status = value ? PyDict_SetItem(scope, key, value) : -1;

    Py_XDECREF(value);
    return status;
}

static int fill(struct inlay_asgi *asgi,
                struct inlay_relay *relay,
                PyObject *scope)
{
    struct inlay_asgi_state *state = asgi->state;

    if (set(scope, state->name_asgi, PyDict_Copy(asgi->asgi_versions)) < 0 ||
        set(scope, state->name_method, make_method(asgi, relay)) < 0 ||
        set(scope, state->name_path, make_path(asgi, relay)) < 0 ||
        set(scope, state->name_raw_path, make_raw_path(asgi, relay)) < 0 ||
        set(scope, state->name_query_string, make_bytes(relay->query)) < 0 ||
        set(scope, state->name_headers, make_headers(asgi, relay)) < 0 ||
        set(scope, state->name_extensions, PyDict_New()) < 0 ||
        set(scope, state->name_client,
            find_address(asgi, relay->client, relay->client_port)) < 0 ||
        set(scope, state->name_server,
            find_address(asgi, relay->local, relay->local_port)) < 0)
        return -1;
    if (relay->https &&
        PyDict_SetItem(scope, state->name_scheme, state->name_https) < 0)
        return -1;
    if ((relay->http_major != 1 || relay->http_minor != 1) &&
        set(scope, state->name_http_version,
            relay->http_major > 1
                ? PyUnicode_FromFormat("%d", relay->http_major)
                : PyUnicode_FromFormat("%d.%d", relay->http_major,
                                       relay->http_minor)) < 0)
        return -1;
    if (asgi->lifespan_state &&
        set(scope, state->name_state, PyDict_Copy(asgi->lifespan_state)) < 0)
        return -1;
    return 0;
}

PyObject *inlay_asgi_scope(struct inlay_asgi *asgi, struct inlay_relay *relay)
{
    PyObject *scope = PyDict_Copy(asgi->scope);

    if (scope && fill(asgi, relay, scope) < 0)
        Py_CLEAR(scope);
    return scope;
}

static int init_methods(struct inlay_asgi *asgi)
{
    static const char *const names[] = {
        [INLAY_METHOD_GET] = "GET",         [INLAY_METHOD_HEAD] = "HEAD",
        [INLAY_METHOD_POST] = "POST",       [INLAY_METHOD_PUT] = "PUT",
        [INLAY_METHOD_PATCH] = "PATCH",     [INLAY_METHOD_DELETE] = "DELETE",
        [INLAY_METHOD_OPTIONS] = "OPTIONS", [INLAY_METHOD_CONNECT] = "CONNECT",
        [INLAY_METHOD_TRACE] = "TRACE",
    };

    for (size_t i = 0; i < inlay_array_size(names); i++) {
        if (names[i] &&
            !(asgi->methods[i] = PyUnicode_InternFromString(names[i])))
            return -1;
    }
    return 0;
}

/* All keys are in the template, so that a copy has room for every value. */
int inlay_asgi_scope_init(struct inlay_asgi *asgi)
{
    struct inlay_asgi_state *state = asgi->state;

    asgi->lines = PyMem_Calloc(INLAY_ASGI_LINES, sizeof(*asgi->lines));
    asgi->peers = PyMem_Calloc(INLAY_ASGI_PEERS, sizeof(*asgi->peers));
    if (!asgi->lines || !asgi->peers) {
        PyErr_NoMemory();
        return -1;
    }
    asgi->raw_root_path = PyUnicode_AsUTF8String(asgi->root_path);
    asgi->asgi_versions =
        Py_BuildValue("{ssss}", "version", "3.0", "spec_version", "2.5");
    asgi->scope = Py_BuildValue(
        "{OOOOOsOOOOOOOOOOOOOOOOOOOO}", state->name_type, state->name_http,
        state->name_asgi, Py_None, state->name_http_version, "1.1",
        state->name_server, Py_None, state->name_client, Py_None,
        state->name_scheme, state->name_http, state->name_method, Py_None,
        state->name_root_path, asgi->root_path, state->name_path, Py_None,
        state->name_raw_path, Py_None, state->name_query_string, Py_None,
        state->name_headers, Py_None, state->name_extensions, Py_None);
    if (!asgi->raw_root_path || !asgi->asgi_versions || !asgi->scope)
        return -1;
    if (asgi->lifespan_state &&
        PyDict_SetItem(asgi->scope, state->name_state, Py_None) < 0)
        return -1;
    return init_methods(asgi);
}
