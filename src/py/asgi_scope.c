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

/* Steals `value`, which may be NULL: -1. */
static int set(PyObject *scope, PyObject *key, PyObject *value)
{
    int status = value ? PyDict_SetItem(scope, key, value) : -1;

    Py_XDECREF(value);
    return status;
}

static PyObject *decode_path(struct inlay_str text)
{
    return PyUnicode_DecodeUTF8(text.ptr, (Py_ssize_t)text.len, "replace");
}

/* As uvicorn: the root path stands before the path that was asked for. */
static int set_paths(struct inlay_asgi *asgi,
                     const struct inlay_relay *relay,
                     PyObject *scope)
{
    struct inlay_asgi_state *state = asgi->state;
    PyObject *path = decode_path(relay->path);
    PyObject *raw_path = make_bytes(relay->raw_path);

    if (inlay_unlikely(relay->root_path.ptr ||
                       PyBytes_GET_SIZE(asgi->raw_root_path) > 0)) {
        PyObject *root = relay->root_path.ptr ? decode_path(relay->root_path)
                                              : Py_NewRef(asgi->root_path);
        PyObject *raw_root = relay->root_path.ptr
                                 ? make_bytes(relay->root_path)
                                 : Py_NewRef(asgi->raw_root_path);
        PyObject *whole = root && path ? PyUnicode_Concat(root, path) : NULL;

        if (raw_root && raw_path)
            PyBytes_Concat(&raw_root, raw_path);
        else
            Py_CLEAR(raw_root);
        Py_XSETREF(path, whole);
        Py_XSETREF(raw_path, raw_root);
        if (set(scope, state->name_root_path, root) < 0)
            Py_CLEAR(path);
    }
    int status = set(scope, state->name_path, path);
    return set(scope, state->name_raw_path, raw_path) < 0 ? -1 : status;
}

static int set_version(struct inlay_asgi *asgi,
                       const struct inlay_relay *relay,
                       PyObject *scope)
{
    return set(scope, asgi->state->name_http_version,
               relay->http_major > 1
                   ? PyUnicode_FromFormat("%d", relay->http_major)
                   : PyUnicode_FromFormat("%d.%d", relay->http_major,
                                          relay->http_minor));
}

/* What the scopes of HTTP and WebSocket have in common. */
static int fill(struct inlay_asgi *asgi,
                struct inlay_relay *relay,
                PyObject *extensions,
                PyObject *scope)
{
    struct inlay_asgi_state *state = asgi->state;

    if (set(scope, state->name_asgi, PyDict_Copy(asgi->asgi_versions)) < 0 ||
        set_paths(asgi, relay, scope) < 0 ||
        set(scope, state->name_query_string, make_bytes(relay->query)) < 0 ||
        set(scope, state->name_headers, make_headers(asgi, relay)) < 0 ||
        set(scope, state->name_extensions, PyDict_Copy(extensions)) < 0 ||
        set(scope, state->name_client,
            find_address(asgi, relay->client, relay->client_port)) < 0 ||
        set(scope, state->name_server,
            find_address(asgi, relay->local, relay->local_port)) < 0)
        return -1;
    if ((relay->http_major != 1 || relay->http_minor != 1) &&
        set_version(asgi, relay, scope) < 0)
        return -1;
    if (asgi->lifespan_state)
        return set(scope, state->name_state, PyDict_Copy(asgi->lifespan_state));
    return 0;
}

PyObject *inlay_asgi_scope(struct inlay_asgi *asgi, struct inlay_relay *relay)
{
    struct inlay_asgi_state *state = asgi->state;
    PyObject *scope = PyDict_Copy(asgi->scope);

    if (scope &&
        (fill(asgi, relay, asgi->extensions, scope) < 0 ||
         set(scope, state->name_method, make_method(asgi, relay)) < 0 ||
         (relay->https &&
          PyDict_SetItem(scope, state->name_scheme, state->name_https) < 0)))
        Py_CLEAR(scope);
    return scope;
}

/* --- WebSocket ----------------------------------------------------------- */

/* Appends the items of a header's list. 0 or -1. */
static int add_subprotocols(PyObject *list, struct inlay_str text)
{
    while (text.len > 0) {
        const char *comma = memchr(text.ptr, ',', text.len);
        size_t len = comma ? (size_t)(comma - text.ptr) : text.len;
        struct inlay_str item = inlay_str_trim(inlay_str_make(text.ptr, len));

        text.ptr += comma ? len + 1 : len;
        text.len -= comma ? len + 1 : len;
        if (item.len == 0)
            continue;
        PyObject *name =
            PyUnicode_DecodeLatin1(item.ptr, (Py_ssize_t)item.len, NULL);
        int status = name ? PyList_Append(list, name) : -1;
        Py_XDECREF(name);
        if (status < 0)
            return -1;
    }
    return 0;
}

static PyObject *make_subprotocols(const struct inlay_relay *relay)
{
    PyObject *list = PyList_New(0);

    for (size_t i = 0; list && i < relay->nlines; i++) {
        const struct inlay_relay_line *line = &relay->lines[i];

        if (inlay_str_is(line->name, "sec-websocket-protocol") &&
            add_subprotocols(list, line->value) < 0)
            Py_CLEAR(list);
    }
    return list;
}

PyObject *inlay_asgi_websocket_scope(struct inlay_asgi *asgi,
                                     struct inlay_relay *relay)
{
    struct inlay_asgi_state *state = asgi->state;
    PyObject *scope = PyDict_Copy(asgi->websocket_scope);

    if (scope &&
        (fill(asgi, relay, asgi->websocket_extensions, scope) < 0 ||
         set(scope, state->name_subprotocols, make_subprotocols(relay)) < 0 ||
         (relay->https &&
          PyDict_SetItem(scope, state->name_scheme, state->name_wss) < 0)))
        Py_CLEAR(scope);
    return scope;
}

/* --- Templates ----------------------------------------------------------- */

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

static PyObject *make_extensions(struct inlay_asgi *asgi)
{
    struct inlay_asgi_state *state = asgi->state;
    PyObject *extensions = Py_BuildValue(
        "{O{}O{}O{}O{}}", state->name_pathsend, state->name_zerocopysend,
        state->name_response_trailers, state->name_early_hint);

    if (extensions && asgi->debug &&
        set(extensions, state->name_response_debug, PyDict_New()) < 0)
        Py_CLEAR(extensions);
    return extensions;
}

/* All keys are there, so that a copy has room for every value. */
static PyObject *make_template(struct inlay_asgi *asgi,
                               PyObject *type,
                               PyObject *scheme,
                               PyObject *own)
{
    struct inlay_asgi_state *state = asgi->state;
    PyObject *scope = Py_BuildValue(
        "{OOOOOsOOOOOOOOOOOOOOOOOOOO}", state->name_type, type,
        state->name_asgi, Py_None, state->name_http_version, "1.1",
        state->name_server, Py_None, state->name_client, Py_None,
        state->name_scheme, scheme, own, Py_None, state->name_root_path,
        asgi->root_path, state->name_path, Py_None, state->name_raw_path,
        Py_None, state->name_query_string, Py_None, state->name_headers,
        Py_None, state->name_extensions, Py_None);

    if (scope && asgi->lifespan_state &&
        PyDict_SetItem(scope, state->name_state, Py_None) < 0)
        Py_CLEAR(scope);
    return scope;
}

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
    asgi->extensions = make_extensions(asgi);
    asgi->websocket_extensions =
        Py_BuildValue("{O{}}", state->name_websocket_response);
    asgi->scope = make_template(asgi, state->name_http, state->name_http,
                                state->name_method);
    asgi->websocket_scope = make_template(
        asgi, state->name_websocket, state->name_ws, state->name_subprotocols);
    if (!asgi->raw_root_path || !asgi->asgi_versions || !asgi->extensions ||
        !asgi->websocket_extensions || !asgi->scope || !asgi->websocket_scope)
        return -1;
    return init_methods(asgi);
}
