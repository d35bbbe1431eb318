/* server_config.c - the arguments of inlay._core.Server, checked. */
#include "py/server_config.h"

#include <limits.h>
#include <stddef.h>

#include "base/banned.h"

#define IO_THREADS 256 /* at most */

/* --- Limits by name ------------------------------------------------------ */

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "limits are of two sizes");

static const struct limit {
    const char *name;
    size_t offset;
    bool small; /* uint32_t; else uint64_t or size_t */
} limits[] = {
#define LIMIT(name, small)                                                     \
    {                                                                          \
#name, offsetof(struct inlay_limits, name), small                      \
    }
#define HEAD(name)                                                             \
    {                                                                          \
#name, offsetof(struct inlay_limits, head.name), false                 \
    }
    HEAD(head_bytes),
    HEAD(header_count),
    HEAD(trailer_bytes),
    LIMIT(body_bytes, false),
    LIMIT(native_body_bytes, false),
    LIMIT(body_window, false),
    LIMIT(write_window, false),
    LIMIT(request_memory, false),
    LIMIT(connections, false),
    LIMIT(header_timeout, true),
    LIMIT(body_timeout, true),
    LIMIT(keep_alive_timeout, true),
    LIMIT(write_timeout, true),
#undef LIMIT
#undef HEAD
};

static int set_limit(struct inlay_limits *to, PyObject *key, PyObject *value)
{
    for (size_t i = 0; i < inlay_array_size(limits); i++) {
        const struct limit *limit = &limits[i];
        void *member = (char *)to + limit->offset;

        if (PyUnicode_CompareWithASCIIString(key, limit->name) != 0)
            continue;
        unsigned long long number = PyLong_AsUnsignedLongLong(value);
        if (number == (unsigned long long)-1 && PyErr_Occurred())
            return -1;
        if (number > (limit->small ? UINT32_MAX : INT64_MAX)) {
            PyErr_Format(PyExc_ValueError, "limit %U: %S is too large", key,
                         value);
            return -1;
        }
        if (limit->small)
            *(uint32_t *)member = (uint32_t)number;
        else
            *(uint64_t *)member = number;
        return 0;
    }
    PyErr_Format(PyExc_ValueError, "there is no limit %R", key);
    return -1;
}

static int read_limits(struct inlay_limits *to, PyObject *dict)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;

    inlay_limits_default(to);
    while (dict && PyDict_Next(dict, &at, &key, &value)) {
        if (!PyUnicode_Check(key) || !PyLong_Check(value)) {
            PyErr_SetString(PyExc_TypeError, "limits maps names to ints");
            return -1;
        }
        if (set_limit(to, key, value) < 0)
            return -1;
    }
    if (to->body_window == 0)
        to->body_window = 1;
    return 0;
}

/* --- The rest ------------------------------------------------------------ */

static int read_fds(struct inlay_server_config *config, PyObject *fds)
{
    PyObject *list = PySequence_Fast(fds, "fds must be a list of ints");

    if (!list)
        return -1;
    Py_ssize_t count = PySequence_Fast_GET_SIZE(list);
    int *array = PyMem_New(int, (size_t)count + 1);
    if (!array) {
        Py_DECREF(list);
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        array[i] = PyObject_AsFileDescriptor(PySequence_Fast_GET_ITEM(list, i));
        if (array[i] < 0) {
            PyMem_Free(array);
            Py_DECREF(list);
            return -1;
        }
    }
    Py_DECREF(list);
    config->listen_fds = array;
    config->nlisten_fds = (size_t)count;
    return 0;
}

static int read_root_path(struct inlay_server_options *options,
                          PyObject *root_path)
{
    Py_ssize_t len;

    options->root_path =
        root_path ? Py_NewRef(root_path) : PyUnicode_FromString("");
    if (!options->root_path)
        return -1;
    const char *text = PyUnicode_AsUTF8AndSize(options->root_path, &len);
    options->config.root_path = inlay_str_make(text, (size_t)len);
    return text ? 0 : -1;
}

static int check(const struct inlay_server_options *options, int io_threads)
{
    if (options->app != Py_None && !PyCallable_Check(options->app)) {
        PyErr_Format(PyExc_TypeError, "app must be callable, not %s",
                     Py_TYPE(options->app)->tp_name);
        return -1;
    }
    if (options->state != Py_None && !PyDict_Check(options->state)) {
        PyErr_SetString(PyExc_TypeError, "state must be a dict or None");
        return -1;
    }
    if (io_threads < 1 || io_threads > IO_THREADS) {
        PyErr_Format(PyExc_ValueError, "io_threads must be 1 to %d",
                     IO_THREADS);
        return -1;
    }
    return 0;
}

int inlay_server_options_read(struct inlay_server_options *options,
                              PyObject *args,
                              PyObject *kwargs)
{
    static const char *const names[] = {
        "app",        "fds",        "loop",        "state",         "root_path",
        "io_threads", "access_log", "date_header", "server_header", "log_level",
        "limits",     "native",     NULL};
    struct inlay_server_config *config = &options->config;
    PyObject *fds, *limit_dict = NULL, *root_path = NULL;
    int io_threads = 1, access_log = 1, date = 1, server = 1, level = 20;
    int native = 1;

    *options = (struct inlay_server_options){.state = Py_None};
    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, "OO|$OOUipppiO!p:Server", (char **)names,
            &options->app, &fds, &options->loop, &options->state, &root_path,
            &io_threads, &access_log, &date, &server, &level, &PyDict_Type,
            &limit_dict, &native))
        return -1;
    if (!options->loop) {
        PyErr_SetString(PyExc_TypeError, "Server() needs the event loop: loop");
        return -1;
    }
    if (check(options, io_threads) < 0 ||
        read_limits(&config->limits, limit_dict) < 0 ||
        read_fds(config, fds) < 0)
        return -1;
    if (read_root_path(options, root_path) < 0) {
        inlay_server_options_free(options);
        return -1;
    }
    options->native = native;
    config->io_threads = (unsigned)io_threads;
    config->access_log = access_log;
    config->date_header = date;
    config->server_header = server;
    config->log.level = (enum inlay_log_level)level;
    return 0;
}

void inlay_server_options_free(struct inlay_server_options *options)
{
    PyMem_Free((void *)options->config.listen_fds);
    Py_CLEAR(options->root_path);
}
