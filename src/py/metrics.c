/*
 * metrics.c - inlay._core.Metrics: the memory in which workers count, and the
 * page that Prometheus reads, as a supervisor uses them.
 *
 *   class Metrics:
 *       fd: int
 *           """Of the memory; -1 once closed. A worker inherits it: its
 *           Server gets metrics_fd and metrics_slot."""
 *       def __init__(self, slots, io_threads, *, version="", python=""):
 *           """Room for so many workers at a time, successors that start
 *           included, of so many I/O threads each. ValueError, OSError"""
 *       def started(self, slot, pid):
 *           """A worker's process runs; one at a time per slot."""
 *       def spare(self, slot): """It has started up and waits."""
 *       def ready(self, slot): """It serves."""
 *       def give_back(self, slot):
 *           """Its process has ended: what it counted stays, the next worker
 *           in the slot counts on."""
 *       def restarted(self, reason):
 *           """A worker is replaced: "exit", "signal", "hung", "memory",
 *           "max_requests" or "reload". ValueError"""
 *       def route_crashed(self, route):
 *           """A native route ("GET /users/{id}") has crashed."""
 *       def route_quarantined(self, route, state):
 *           """It does not run any more, or does again."""
 *       def databases(self) -> dict[str, dict[str, int]]:
 *           """By their names what all workers count of them now, and have
 *           counted: "connections", "busy", "statements" and so on."""
 *       def render(self, open_metrics=False) -> bytes: """The page."""
 *       def serve(self, fds):
 *           """GET /metrics on these listening sockets (ints; stay the
 *           caller's), by a thread of its own that never takes the GIL."""
 *       def close(self): """Ends all that. More than once is allowed."""
 */
#include "py/py.h"

#include <unistd.h>

#include "base/mem.h"
#include "py/errors.h"
#include "py/state.h"
#include "serve/metrics_area.h"
#include "serve/server.h"

#include "base/banned.h"

#define PAGE_MOST ((size_t)256 << 20)

struct metrics_object {
    PyObject_HEAD
    struct inlay_metrics_area *area; /* NULL: closed */
    struct inlay_server *server;     /* NULL: not serving */
    pid_t pid;                       /* of the process that serves */
};

static struct inlay_metrics_area *area_of(PyObject *object)
{
    struct metrics_object *self = (struct metrics_object *)object;

    if (!self->area)
        PyErr_SetString(PyExc_RuntimeError, "the metrics are closed");
    return self->area;
}

/* --- Life ---------------------------------------------------------------- */

static int metrics_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"slots", "io_threads", "version",
                                        "python", NULL};
    struct metrics_object *self = (struct metrics_object *)object;
    const char *version = "", *python = "";
    unsigned slots, io_threads;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "II|$ss:Metrics",
                                     (char **)(uintptr_t)names, &slots,
                                     &io_threads, &version, &python))
        return -1;
    if (self->area) {
        PyErr_SetString(PyExc_RuntimeError, "the metrics were set up before");
        return -1;
    }
    struct inlay_metrics_info info = {
        .version = inlay_str_from(version),
        .python = inlay_str_from(python),
    };
    struct inlay_error *error =
        inlay_metrics_area_create(slots, io_threads, &info, &self->area);
    return error ? inlay_py_raise(error) : 0;
}

static void close_all(struct metrics_object *self)
{
    struct inlay_server *server = self->server;
    struct inlay_metrics_area *area = self->area;

    self->server = NULL;
    self->area = NULL;
    if (server && self->pid != getpid())
        return; /* a fork: the thread is the parent's */
    if (server) {
        Py_BEGIN_ALLOW_THREADS inlay_server_destroy(server);
        Py_END_ALLOW_THREADS
    }
    inlay_metrics_area_destroy(area);
}

static PyObject *metrics_close(PyObject *object, PyObject *unused inlay_unused)
{
    close_all((struct metrics_object *)object);
    Py_RETURN_NONE;
}

static void metrics_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    close_all((struct metrics_object *)object);
    type->tp_free(object);
    Py_DECREF(type);
}

/* --- Slots --------------------------------------------------------------- */

/* The area, when it has that slot; or NULL with an exception. */
static struct inlay_metrics_area *area_with(PyObject *object, unsigned slot)
{
    struct inlay_metrics_area *area = area_of(object);

    if (area && slot >= area->head->nslots) {
        PyErr_Format(PyExc_ValueError, "there is no slot %u", slot);
        return NULL;
    }
    return area;
}

static PyObject *metrics_started(PyObject *object, PyObject *args)
{
    unsigned slot;
    int pid;

    if (!PyArg_ParseTuple(args, "Ii:started", &slot, &pid))
        return NULL;
    struct inlay_metrics_area *area = area_with(object, slot);
    if (!area)
        return NULL;
    inlay_metrics_area_started(area, slot, pid);
    Py_RETURN_NONE;
}

static PyObject *set_state(PyObject *object,
                           PyObject *args,
                           enum inlay_metrics_state state)
{
    unsigned slot;

    if (!PyArg_ParseTuple(args, "I", &slot))
        return NULL;
    struct inlay_metrics_area *area = area_with(object, slot);
    if (!area)
        return NULL;
    inlay_metrics_area_set_state(area, slot, state);
    Py_RETURN_NONE;
}

static PyObject *metrics_spare(PyObject *object, PyObject *args)
{
    return set_state(object, args, INLAY_METRICS_SPARE);
}

static PyObject *metrics_ready(PyObject *object, PyObject *args)
{
    return set_state(object, args, INLAY_METRICS_READY);
}

static PyObject *metrics_give_back(PyObject *object, PyObject *args)
{
    unsigned slot;

    if (!PyArg_ParseTuple(args, "I:give_back", &slot))
        return NULL;
    struct inlay_metrics_area *area = area_with(object, slot);
    if (!area)
        return NULL;
    inlay_metrics_area_give_back(area, slot);
    Py_RETURN_NONE;
}

static PyObject *metrics_restarted(PyObject *object, PyObject *reason)
{
    static const char *const reasons[] = {
#define REASON(name, text) text,
        INLAY_METRICS_RESTARTS(REASON)
#undef REASON
    };
    struct inlay_metrics_area *area = area_of(object);

    if (!area)
        return NULL;
    for (size_t i = 0; PyUnicode_Check(reason) && i < inlay_array_size(reasons);
         i++) {
        if (PyUnicode_CompareWithASCIIString(reason, reasons[i]) == 0) {
            inlay_metrics_area_restarted(area, (enum inlay_metrics_restart)i);
            Py_RETURN_NONE;
        }
    }
    PyErr_Format(PyExc_ValueError, "%R is no reason of a restart", reason);
    return NULL;
}

static PyObject *metrics_route_crashed(PyObject *object, PyObject *args)
{
    struct inlay_metrics_area *area = area_of(object);
    const char *route;

    if (!area || !PyArg_ParseTuple(args, "s:route_crashed", &route))
        return NULL;
    inlay_metrics_route_crashed(&area->crashes, inlay_str_from(route));
    Py_RETURN_NONE;
}

static PyObject *metrics_route_quarantined(PyObject *object, PyObject *args)
{
    struct inlay_metrics_area *area = area_of(object);
    const char *route;
    int state;

    if (!area ||
        !PyArg_ParseTuple(args, "sp:route_quarantined", &route, &state))
        return NULL;
    inlay_metrics_route_quarantined(&area->crashes, inlay_str_from(route),
                                    state);
    Py_RETURN_NONE;
}

/* --- Databases ------------------------------------------------------------ */

static PyObject *describe_database(const struct inlay_metrics_database *counted)
{
    static const struct {
        const char *name;
        size_t word;
    } all[] = {
#define WORD(member) {#member, INLAY_METRICS_DB_WORD(member)}
        WORD(connections), WORD(held),   WORD(busy),      WORD(waiting),
        WORD(connected),   WORD(lost),   WORD(failed),    WORD(timeouts),
        WORD(waits),       WORD(errors), WORD(cancelled),
#undef WORD
    };
    const uint64_t *buckets = &counted->words[INLAY_METRICS_DB_WORD(buckets)];
    unsigned long long statements = 0;

    for (size_t i = 0; i < INLAY_DB_BUCKETS; i++)
        statements += buckets[i];
    PyObject *dict = Py_BuildValue("{sK}", "statements", statements);
    for (size_t i = 0; dict && i < inlay_array_size(all); i++) {
        _cleanup_decref_ PyObject *value =
            PyLong_FromUnsignedLongLong(counted->words[all[i].word]);

        if (!value || PyDict_SetItemString(dict, all[i].name, value) < 0)
            Py_CLEAR(dict);
    }
    return dict;
}

static PyObject *metrics_databases(PyObject *object,
                                   PyObject *unused inlay_unused)
{
    struct inlay_metrics_database found[INLAY_METRICS_DATABASES];
    struct inlay_metrics_area *area = area_of(object);

    if (!area)
        return NULL;
    size_t count = inlay_metrics_databases(area, found);
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict && i < count; i++) {
        _cleanup_decref_ PyObject *name = inlay_py_text(found[i].name);
        _cleanup_decref_ PyObject *each = describe_database(&found[i]);

        if (!name || !each || PyDict_SetItem(dict, name, each) < 0)
            Py_CLEAR(dict);
    }
    return dict;
}

/* --- The page ------------------------------------------------------------ */

static PyObject *metrics_render(PyObject *object,
                                PyObject *args,
                                PyObject *kwargs)
{
    static const char *const names[] = {"open_metrics", NULL};
    struct inlay_metrics_area *area = area_of(object);
    PyObject *page = NULL;
    struct inlay_buf out;
    int open_metrics = 0;

    if (!area ||
        !PyArg_ParseTupleAndKeywords(args, kwargs, "|p:render",
                                     (char **)(uintptr_t)names, &open_metrics))
        return NULL;
    inlay_buf_init(&out, PAGE_MOST);
    if (inlay_metrics_render(area, open_metrics, &out) < 0) {
        PyErr_NoMemory();
    } else {
        struct inlay_str text = inlay_buf_view(&out);

        page = PyBytes_FromStringAndSize(text.ptr, (Py_ssize_t)text.len);
    }
    inlay_buf_deinit(&out);
    return page;
}

static struct inlay_error *start(struct metrics_object *self,
                                 const int *fds,
                                 size_t nfds)
{
    struct inlay_server_config config;
    struct inlay_handler *handler;
    struct inlay_server *server;

    inlay_server_config_default(&config);
    config.listen_fds = fds;
    config.nlisten_fds = nfds;
    config.websockets = false;
    config.log.level = INLAY_LOG_WARNING;
    struct inlay_error *error = inlay_server_create(&config, &server);
    if (error)
        return error;
    error = inlay_metrics_handler_create(self->area, &handler);
    if (!error) {
        error = inlay_server_add_handler(server, handler);
        if (error)
            handler->ops->destroy(handler);
    }
    if (!error)
        error = inlay_server_start(server);
    if (error) {
        inlay_server_destroy(server);
        return error;
    }
    self->server = server;
    self->pid = getpid();
    return NULL;
}

static PyObject *metrics_serve(PyObject *object, PyObject *sequence)
{
    struct metrics_object *self = (struct metrics_object *)object;
    _cleanup_decref_ PyObject *list =
        PySequence_Fast(sequence, "fds must be a list of ints");

    if (!list || !area_of(object))
        return NULL;
    if (self->server) {
        PyErr_SetString(PyExc_RuntimeError, "the metrics are served already");
        return NULL;
    }
    Py_ssize_t count = PySequence_Fast_GET_SIZE(list);
    int *fds = inlay_calloc((size_t)count + 1, sizeof(*fds));
    if (!fds)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++) {
        fds[i] = PyObject_AsFileDescriptor(PySequence_Fast_GET_ITEM(list, i));
        if (fds[i] < 0) {
            inlay_free(fds);
            return NULL;
        }
    }
    struct inlay_error *error = start(self, fds, (size_t)count);
    inlay_free(fds);
    if (error) {
        inlay_py_raise(error);
        return NULL;
    }
    Py_RETURN_NONE;
}

/* --- The type ------------------------------------------------------------ */

static PyObject *get_fd(PyObject *object, void *unused inlay_unused)
{
    struct metrics_object *self = (struct metrics_object *)object;

    return PyLong_FromLong(self->area ? self->area->fd : -1);
}

static PyGetSetDef metrics_getset[] = {
    {"fd", get_fd, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef metrics_methods[] = {
    {"started", metrics_started, METH_VARARGS, NULL},
    {"spare", metrics_spare, METH_VARARGS, NULL},
    {"ready", metrics_ready, METH_VARARGS, NULL},
    {"give_back", metrics_give_back, METH_VARARGS, NULL},
    {"restarted", metrics_restarted, METH_O, NULL},
    {"route_crashed", metrics_route_crashed, METH_VARARGS, NULL},
    {"route_quarantined", metrics_route_quarantined, METH_VARARGS, NULL},
    {"databases", metrics_databases, METH_NOARGS, NULL},
    {"render", (PyCFunction)(void (*)(void))metrics_render,
     METH_VARARGS | METH_KEYWORDS, NULL},
    {"serve", metrics_serve, METH_O, NULL},
    {"close", metrics_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot metrics_slots[] = {
    {Py_tp_init, metrics_init},
    {Py_tp_dealloc, metrics_dealloc},
    {Py_tp_methods, metrics_methods},
    {Py_tp_getset, metrics_getset},
    {0, NULL},
};

static PyType_Spec metrics_spec = {
    .name = "inlay._core.Metrics",
    .basicsize = sizeof(struct metrics_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = metrics_slots,
};

int inlay_py_metrics_init(PyObject *module, struct inlay_py_state *state)
{
    state->metrics_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &metrics_spec, NULL);
    if (!state->metrics_type)
        return -1;
    return PyModule_AddObjectRef(module, "Metrics",
                                 (PyObject *)state->metrics_type);
}
