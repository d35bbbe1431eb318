/* server_config.c - the arguments of inlay._core.Server, checked. */
#include "py/server_config.h"

#include <limits.h>
#include <stddef.h>

#include "base/banned.h"

#define IO_THREADS 256 /* at most */
#define MEMORY_MOST (16u << 20)

/* --- Settings by name ---------------------------------------------------- */

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "one of them is enough");

enum kind { FLAG, INT, UINT, SIZE, SIGNED, TEXT, TEXTS };

struct setting {
    const char *name;
    size_t offset; /* in struct inlay_server_config */
    enum kind kind;
};

#define SETTING(kind, name)                                                    \
    {                                                                          \
#name, offsetof(struct inlay_server_config, name), kind                \
    }
#define LIMIT(kind, name)                                                      \
    {                                                                          \
#name, offsetof(struct inlay_server_config, limits.name), kind         \
    }
#define HEAD(name)                                                             \
    {                                                                          \
#name, offsetof(struct inlay_server_config, limits.head.name), SIZE    \
    }

static const struct setting settings[] = {
    SETTING(UINT, io_threads),
    SETTING(TEXT, root_path),
    SETTING(FLAG, date_header),
    SETTING(FLAG, server_header),
    SETTING(TEXTS, headers),
    SETTING(TEXT, access_format),
    SETTING(FLAG, request_id),
    SETTING(FLAG, server_timing),
    SETTING(TEXT, health_path),
    SETTING(FLAG, proxy_headers),
    SETTING(FLAG, proxy_protocol),
    SETTING(TEXTS, trusted),
    SETTING(TEXTS, layers),
    SETTING(TEXTS, static_mounts),
    SETTING(TEXT, static_index),
    SETTING(SIGNED, static_max_age),
    SETTING(TEXT, form_folder),
    SETTING(TEXTS, compress),
    SETTING(TEXTS, compress_types),
    SETTING(SIZE, compress_min_size),
    SETTING(FLAG, docs),
    SETTING(FLAG, websockets),
    SETTING(FLAG, ws_per_message_deflate),
    SETTING(INT, metrics_fd),
    SETTING(UINT, metrics_slot),
    SETTING(FLAG, metrics_requests),
    HEAD(head_bytes),
    HEAD(header_count),
    HEAD(trailer_bytes),
    LIMIT(SIZE, body_bytes),
    LIMIT(SIZE, native_body_bytes),
    LIMIT(SIZE, form_bytes),
    LIMIT(SIZE, form_fields),
    LIMIT(SIZE, form_files),
    LIMIT(SIZE, form_field_bytes),
    LIMIT(SIZE, form_file_memory),
    LIMIT(SIZE, body_window),
    LIMIT(SIZE, write_window),
    LIMIT(SIZE, request_memory),
    LIMIT(SIZE, connections),
    LIMIT(SIZE, address_connections),
    LIMIT(SIZE, concurrency),
    LIMIT(SIZE, queue),
    LIMIT(SIZE, ws_message_bytes),
    LIMIT(SIZE, ws_queue),
    LIMIT(UINT, header_timeout),
    LIMIT(UINT, body_timeout),
    LIMIT(UINT, body_rate),
    LIMIT(UINT, keep_alive_timeout),
    LIMIT(UINT, write_timeout),
    LIMIT(UINT, request_timeout),
    LIMIT(UINT, queue_timeout),
    LIMIT(UINT, watchdog),
    LIMIT(UINT, ws_ping_interval),
    LIMIT(UINT, ws_ping_timeout),
};

/* `number` is within what `kind` can hold. 0 or -1. */
static int read_number(const struct setting *setting,
                       PyObject *value,
                       long long *ret)
{
    static const long long most[] = {
        [INT] = INT_MAX,
        [UINT] = UINT32_MAX,
        [SIZE] = LLONG_MAX,
        [SIGNED] = LLONG_MAX,
    };
    int overflow;

    if (!PyLong_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s must be an int, not %s",
                     setting->name, Py_TYPE(value)->tp_name);
        return -1;
    }
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    long long least = setting->kind == INT || setting->kind == SIGNED ? -1 : 0;
    if (overflow || number < least || number > most[setting->kind]) {
        PyErr_Format(PyExc_ValueError, "%s: %S is out of range", setting->name,
                     value);
        return -1;
    }
    *ret = number;
    return 0;
}

static int read_text(struct inlay_server_options *options,
                     const struct setting *setting,
                     PyObject *value,
                     struct inlay_str *ret)
{
    Py_ssize_t len;

    if (!PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s must be a str, not %s", setting->name,
                     Py_TYPE(value)->tp_name);
        return -1;
    }
    const char *text = PyUnicode_AsUTF8AndSize(value, &len);
    if (!text)
        return -1;
    struct inlay_str copy =
        inlay_arena_copy(&options->memory, inlay_str_make(text, (size_t)len));
    if (!copy.ptr) {
        PyErr_NoMemory();
        return -1;
    }
    *ret = copy;
    return 0;
}

static int read_texts(struct inlay_server_options *options,
                      const struct setting *setting,
                      PyObject *value,
                      struct inlay_strs *ret)
{
    _cleanup_decref_ PyObject *list =
        PyUnicode_Check(value)
            ? NULL
            : PySequence_Fast(value, "a sequence of str is expected");

    if (!list) {
        PyErr_Format(PyExc_TypeError, "%s must be a sequence of str, not %s",
                     setting->name, Py_TYPE(value)->tp_name);
        return -1;
    }
    size_t count = (size_t)PySequence_Fast_GET_SIZE(list);
    struct inlay_str *items =
        inlay_arena_zalloc_array(&options->memory, count + 1, sizeof(*items));
    if (!items) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (read_text(options, setting,
                      PySequence_Fast_GET_ITEM(list, (Py_ssize_t)i),
                      &items[i]) < 0)
            return -1;
    }
    *ret = (struct inlay_strs){items, count};
    return 0;
}

static int read_setting(struct inlay_server_options *options,
                        const struct setting *setting,
                        PyObject *value)
{
    void *member = (char *)&options->config + setting->offset;
    long long number = 0;
    int truth;

    switch (setting->kind) {
    case FLAG:
        truth = PyObject_IsTrue(value);
        if (truth < 0)
            return -1;
        *(bool *)member = truth;
        return 0;
    case TEXT:
        return read_text(options, setting, value, member);
    case TEXTS:
        return read_texts(options, setting, value, member);
    case INT:
    case UINT:
    case SIZE:
    case SIGNED:
        break;
    }
    if (read_number(setting, value, &number) < 0)
        return -1;
    if (setting->kind == INT)
        *(int *)member = (int)number;
    else if (setting->kind == UINT)
        *(uint32_t *)member = (uint32_t)number;
    else
        *(int64_t *)member = number;
    return 0;
}

static const struct setting *find_setting(PyObject *name)
{
    for (size_t i = 0; i < inlay_array_size(settings); i++) {
        if (PyUnicode_CompareWithASCIIString(name, settings[i].name) == 0)
            return &settings[i];
    }
    return NULL;
}

/* --- What is no setting of the C server ---------------------------------- */

static int read_fds(struct inlay_server_options *options, PyObject *fds)
{
    _cleanup_decref_ PyObject *list =
        PySequence_Fast(fds, "fds must be a list of ints");

    if (!list)
        return -1;
    size_t count = (size_t)PySequence_Fast_GET_SIZE(list);
    int *array =
        inlay_arena_zalloc_array(&options->memory, count + 1, sizeof(int));
    if (!array) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        array[i] = PyObject_AsFileDescriptor(
            PySequence_Fast_GET_ITEM(list, (Py_ssize_t)i));
        if (array[i] < 0)
            return -1;
    }
    options->config.listen_fds = array;
    options->config.nlisten_fds = count;
    return 0;
}

static int check(const struct inlay_server_options *options)
{
    unsigned io_threads = options->config.io_threads;

    if (!options->loop) {
        PyErr_SetString(PyExc_TypeError, "Server() needs the event loop: loop");
        return -1;
    }
    if (options->app != Py_None && !PyCallable_Check(options->app)) {
        PyErr_Format(PyExc_TypeError, "app must be callable, not %s",
                     Py_TYPE(options->app)->tp_name);
        return -1;
    }
    if (options->debug != Py_None && !PyCallable_Check(options->debug)) {
        PyErr_Format(PyExc_TypeError, "debug must be callable, not %s",
                     Py_TYPE(options->debug)->tp_name);
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

static int read_keyword(struct inlay_server_options *options,
                        PyObject *name,
                        PyObject *value)
{
    const struct setting *setting = find_setting(name);
    int level;

    if (setting)
        return read_setting(options, setting, value);
    if (PyUnicode_CompareWithASCIIString(name, "loop") == 0) {
        options->loop = value;
    } else if (PyUnicode_CompareWithASCIIString(name, "state") == 0) {
        options->state = value;
    } else if (PyUnicode_CompareWithASCIIString(name, "debug") == 0) {
        options->debug = value;
    } else if (PyUnicode_CompareWithASCIIString(name, "access_sink") == 0) {
        options->access_sink = value;
    } else if (PyUnicode_CompareWithASCIIString(name, "native") == 0) {
        options->native = PyObject_IsTrue(value) > 0;
    } else if (PyUnicode_CompareWithASCIIString(name, "log_level") == 0) {
        level = (int)PyLong_AsLong(value);
        if (PyErr_Occurred())
            return -1;
        options->config.log.level = (enum inlay_log_level)level;
    } else {
        PyErr_Format(PyExc_TypeError, "Server() has no setting %R", name);
        return -1;
    }
    return 0;
}

static int read_keywords(struct inlay_server_options *options, PyObject *kwargs)
{
    PyObject *name, *value;
    Py_ssize_t at = 0;

    while (kwargs && PyDict_Next(kwargs, &at, &name, &value)) {
        if (read_keyword(options, name, value) < 0)
            return -1;
    }
    if (options->config.limits.body_window == 0)
        options->config.limits.body_window = 1;
    return 0;
}

static int read_all(struct inlay_server_options *options,
                    PyObject *args,
                    PyObject *kwargs)
{
    PyObject *fds;

    if (!PyArg_ParseTuple(args, "OO:Server", &options->app, &fds) ||
        read_keywords(options, kwargs) < 0 || check(options) < 0)
        return -1;
    return read_fds(options, fds);
}

static void init(struct inlay_server_options *options)
{
    *options = (struct inlay_server_options){.app = Py_None,
                                             .state = Py_None,
                                             .debug = Py_None,
                                             .access_sink = Py_None,
                                             .native = true};
    inlay_server_config_default(&options->config);
    options->config.log.level = INLAY_LOG_INFO;
    inlay_arena_init(&options->memory, MEMORY_MOST);
}

int inlay_server_options_read(struct inlay_server_options *options,
                              PyObject *args,
                              PyObject *kwargs)
{
    init(options);
    if (read_all(options, args, kwargs) == 0)
        return 0;
    inlay_server_options_free(options);
    return -1;
}

int inlay_server_settings_read(struct inlay_server_options *options,
                               PyObject *args,
                               PyObject *kwargs)
{
    init(options);
    if (PyArg_ParseTuple(args, ":check_settings") &&
        read_keywords(options, kwargs) == 0)
        return 0;
    inlay_server_options_free(options);
    return -1;
}

void inlay_server_options_free(struct inlay_server_options *options)
{
    inlay_arena_deinit(&options->memory);
}
