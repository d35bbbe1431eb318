/*
 * server.c - inlay._core.Server: the C server as a worker process uses it.
 *
 *   class Server:
 *       def __init__(self, app, fds, *, loop, state=None, native=True,
 *                    access_sink=None, debug=None, log_level=20, **settings):
 *           """app: an ASGI 3 callable, or None: native routes only.
 *           fds: listening sockets (ints; stay the caller's).
 *           loop: the event loop whose thread calls everything here.
 *           state: dict of the lifespan; requests get a shallow copy.
 *           native: are native routes served?
 *           access_sink: is called with lines of the access log, as one str,
 *           in place of stdout.
 *           debug: is called with the info of each http.response.debug, an
 *           extension that is offered only then. For tests.
 *           settings: members of struct inlay_server_config and of its limits
 *           (serve/server.h, with units and defaults); server_config.c lists
 *           them. ValueError says what is wrong with one.
 *           Binds the native routes of all modules loaded so far: ValueError,
 *           TypeError with file:line when that is impossible."""
 *       def start(self): """From within the running loop. OSError…"""
 *       def drain(self): """Accept no more, close idle connections."""
 *       def retire(self): """The same, but idle connections have their usual
 *           time: another process takes over."""
 *       def accepting(self) -> bool: """Does an I/O thread still accept? Once
 *           it does not after drain(), close the listening sockets, so that
 *           clients are refused and not left waiting."""
 *       def connections(self) -> int: """Open ones."""
 *       def in_flight(self) -> int: """ASGI requests whose application has
 *           not returned (background tasks included)."""
 *       def requests(self) -> int: """Ended ones, native included, ever."""
 *       def stuck(self, most) -> str | None: """Asks the I/O threads for a
 *           sign of life: one that gave none in so many calls in a row, in
 *           words, with the route that holds it if that is known. Between
 *           start() and stop(), from one thread."""
 *       def cancel(self, message=None) -> int: """Cancels the tasks of all
 *           running requests; says how many."""
 *       def stop(self): """Cuts what is left, joins the I/O threads. More
 *           than once is allowed; also done when the object goes."""
 *       def native_routes(self) -> list[dict]: """methods, path, function,
 *           module, file, line, runs ("I/O thread")"""
 *       def switch(self, methods, path, state) -> int:
 *           """The native and lifted routes that have these run (0), leave it
 *           to the application (1) or refuse (2); "guard" and a pattern: the
 *           guards. Says how many. Any thread."""
 *       def alone(self, path, state): """Has the application nothing for what
 *           native routes of this path match? Then it is not asked for other
 *           methods. Any thread."""
 *       def lift(self, routes):
 *           """These endpoints of the application are answered without it, in
 *           place of all that were: (methods, path, function, status, does
 *           inlay_fail explain itself?, has the application a root path of
 *           its own?, ((methods, path) of those before it that may match too,
 *           …)); see lift.py. ValueError, ImportError."""
 *       def openapi(self) -> bytes: """OpenAPI of the native routes, JSON"""
 *
 *   def check_settings(**settings): """Those of Server; ValueError or OSError,
 *       without asyncio: for a process that serves nothing itself."""
 *
 * A worker: lifespan startup; server.start(); wait for the signal; drain();
 * until the deadline wait for connections() == in_flight() == 0; then
 * cancel(); stop(); lifespan shutdown. Messages of the core go to
 * logging.getLogger("inlay.error").
 */
#include "py/py.h"

#include <limits.h>
#include <stddef.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "py/asgi_request.h"
#include "py/errors.h"
#include "py/server_config.h"
#include "py/state.h"
#include "serve/alone.h"
#include "serve/chain.h"
#include "serve/layers.h"
#include "serve/lifted.h"
#include "serve/native.h"
#include "serve/static.h"

#include "base/banned.h"

#define BATCH_NS 500000u /* a batch of requests ends after about this time */
#define BATCH 64         /* or after so many letters */

/* --- The batch ----------------------------------------------------------- */

/* Lines of the access log, to Python's logging: see logs.py. */
static void pass_lines(struct inlay_server_object *self, PyObject *text)
{
    PyObject *sink = Py_XNewRef(self->access_sink);
    PyObject *result = sink ? PyObject_CallOneArg(sink, text) : NULL;

    if (sink && !result)
        PyErr_WriteUnraisable(sink);
    Py_XDECREF(result);
    Py_XDECREF(sink);
}

static void write_notes(struct inlay_server_object *self)
{
    struct inlay_bridge *bridge = self->asgi.bridge;
    struct inlay_bridge_note *note;

    while ((note = inlay_bridge_note(bridge))) {
        PyObject *text =
            PyUnicode_DecodeUTF8(note->text, (Py_ssize_t)note->len, "replace");

        if (!text)
            PyErr_Clear();
        else if (note->access)
            pass_lines(self, text);
        else
            inlay_asgi_log(self->asgi.state, (int)note->level, NULL, "%U",
                           text);
        Py_XDECREF(text);
        inlay_free(note);
    }
    if (inlay_unlikely(atomic_load(&bridge->lost_lines)))
        inlay_asgi_log(self->asgi.state, INLAY_LOG_WARNING, NULL,
                       "logging was too slow for the access log: %zu lines are "
                       "missing",
                       atomic_exchange(&bridge->lost_lines, 0));
}

/*
 * The event loop calls this while the bridge's eventfd is readable, which it
 * stays while something is left: other callbacks have their turn in between.
 */
static PyObject *server_poll(PyObject *object, PyObject *unused inlay_unused)
{
    struct inlay_server_object *self = (struct inlay_server_object *)object;
    struct inlay_bridge *bridge = self->asgi.bridge;
    uint64_t now = inlay_clock_ns(), end = now + BATCH_NS;
    struct inlay_relay *relay;

    if (!bridge)
        Py_RETURN_NONE;
    Py_INCREF(self);
    self->asgi.now = now;
    if (self->asgi.metrics)
        inlay_asgi_metrics_poll(&self->asgi);
    write_notes(self);
    inlay_asgi_take_back(bridge);
    inlay_bridge_batch_begin(bridge);
    for (int i = 0; i < BATCH; i++) {
        relay = inlay_bridge_next(bridge);
        if (!relay)
            break;
        inlay_asgi_handle(self, relay, true);
        self->asgi.now = inlay_clock_ns();
        if (self->asgi.now > end)
            break;
    }
    inlay_bridge_batch_end(bridge);
    if (self->asgi.metrics)
        inlay_asgi_metrics_polled(&self->asgi);
    Py_DECREF(self);
    Py_RETURN_NONE;
}

/* --- Life ---------------------------------------------------------------- */

static PyObject *server_new(PyTypeObject *type,
                            PyObject *args inlay_unused,
                            PyObject *kwargs inlay_unused)
{
    struct inlay_server_object *self =
        (struct inlay_server_object *)type->tp_alloc(type, 0);

    if (!self)
        return NULL;
    inlay_list_init(&self->asgi.requests);
    PyObject *module = PyType_GetModule(type);
    if (!module) {
        Py_DECREF(self);
        return NULL;
    }
    self->asgi.state = &inlay_py_state_of(module)->asgi;
    return (PyObject *)self;
}

/* Takes the handler, also when that fails. */
static int add(struct inlay_server_object *self,
               struct inlay_handler *handler,
               bool application)
{
    struct inlay_error *error =
        application ? inlay_server_add_application(self->server, handler)
                    : inlay_server_add_handler(self->server, handler);

    if (!error)
        return 0;
    if (handler->ops->destroy)
        handler->ops->destroy(handler);
    return inlay_py_raise(error);
}

/* The routes of all modules; of none when they are not to be served. */
static int add_native(struct inlay_server_object *self, bool wanted)
{
    PyObject *module = PyType_GetModule(Py_TYPE(self));
    struct inlay_module *const *modules;
    size_t nmodules = inlay_py_modules(inlay_py_state_of(module), &modules);
    struct inlay_error *error = inlay_chain_add_native(
        self->server, modules, wanted ? nmodules : 0, &self->native);

    return error ? inlay_py_raise(error) : 0;
}

/* What stands in the application's place when there is none. */
static int add_alone(struct inlay_server_object *self)
{
    struct inlay_error *error =
        inlay_chain_add_alone(self->server, self->native, &self->alone);

    return error ? inlay_py_raise(error) : 0;
}

/* The application, and before it those of its endpoints that are C. */
static int add_application(struct inlay_server_object *self,
                           struct inlay_bridge *bridge)
{
    struct inlay_error *error = inlay_lifted_create(&self->lifted);

    if (error || add(self, self->lifted, false) < 0) {
        inlay_bridge_unref(bridge); /* the handler's reference */
        return error ? inlay_py_raise(error) : -1;
    }
    return add(self, &bridge->handler, true);
}

/* Guards, files, native routes, the application. */
static int init_parts(struct inlay_server_object *self,
                      struct inlay_server_config *config,
                      bool native)
{
    struct inlay_bridge *bridge;
    struct inlay_error *error =
        inlay_bridge_create(&config->limits, config->io_threads, &bridge);

    if (error)
        return inlay_py_raise(error);
    self->asgi.bridge = bridge;
    config->log.sink = inlay_bridge_log;
    config->log.arg = bridge;
    if (self->access_sink) {
        config->access_sink = inlay_bridge_access;
        config->access_arg = bridge;
    }
    error = inlay_server_create(config, &self->server);
    if (error || add_native(self, native) < 0) {
        inlay_bridge_unref(bridge); /* the handler's reference */
        return error ? inlay_py_raise(error) : -1;
    }
    if (self->server->metrics &&
        inlay_asgi_metrics_init(&self->asgi, self->server->metrics) < 0) {
        inlay_bridge_unref(bridge);
        return -1;
    }
    if (self->asgi.app != Py_None)
        return add_application(self, bridge);
    inlay_bridge_unref(bridge); /* it never becomes a handler */
    return add_alone(self);
}

static int server_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    struct inlay_server_object *self = (struct inlay_server_object *)object;
    struct inlay_asgi *asgi = &self->asgi;
    struct inlay_server_options options;
    int status = -1;

    if (asgi->loop) {
        PyErr_SetString(PyExc_RuntimeError, "the server was set up before");
        return -1;
    }
    if (inlay_asgi_runtime_init(asgi->state) < 0 ||
        inlay_server_options_read(&options, args, kwargs) < 0)
        return -1;
    asgi->app = Py_NewRef(options.app);
    asgi->loop = Py_NewRef(options.loop);
    asgi->root_path =
        PyUnicode_DecodeUTF8(options.config.root_path.ptr,
                             (Py_ssize_t)options.config.root_path.len, NULL);
    asgi->lifespan_state =
        options.state == Py_None ? NULL : Py_NewRef(options.state);
    asgi->debug = options.debug == Py_None ? NULL : Py_NewRef(options.debug);
    self->access_sink =
        options.access_sink == Py_None ? NULL : Py_NewRef(options.access_sink);
    if (asgi->root_path && inlay_asgi_scope_init(asgi) == 0)
        status = init_parts(self, &options.config, options.native);
    inlay_server_options_free(&options);
    return status;
}

static int watch(struct inlay_server_object *self)
{
    struct inlay_asgi *asgi = &self->asgi;
    PyObject *poll = PyObject_GetAttrString((PyObject *)self, "_poll");
    PyObject *fd = PyLong_FromLong(asgi->bridge->wake);
    PyObject *result = NULL;

    if (poll && fd)
        result = PyObject_CallMethodObjArgs(
            asgi->loop, asgi->state->name_add_reader, fd, poll, NULL);
    Py_XDECREF(poll);
    Py_XDECREF(fd);
    Py_XDECREF(result);
    self->reading = result != NULL;
    return result ? 0 : -1;
}

static void unwatch(struct inlay_server_object *self)
{
    PyObject *pending = inlay_py_exception_take();
    PyObject *result = PyObject_CallMethod(self->asgi.loop, "remove_reader",
                                           "i", self->asgi.bridge->wake);

    self->reading = false;
    if (!result)
        PyErr_Clear(); /* the loop was closed: it watches nothing */
    Py_XDECREF(result);
    if (pending)
        inlay_py_exception_restore(pending);
}

struct inlay_server *inlay_server_running(struct inlay_server_object *self)
{
    if (!self->server)
        PyErr_SetString(PyExc_RuntimeError, "the server has been stopped");
    return self->server;
}

/* What the end of the I/O threads left in the queue: disconnects. */
static void handle_rest(struct inlay_server_object *self)
{
    struct inlay_relay *relay;

    while ((relay = inlay_bridge_next(self->asgi.bridge)))
        inlay_asgi_handle(self, relay, false);
    write_notes(self);
    inlay_asgi_take_back(self->asgi.bridge);
}

static void stop(struct inlay_server_object *self)
{
    struct inlay_server *server = self->server;

    if (!server)
        return;
    self->server = NULL;
    self->asgi.stopping = true;
    if (self->started && self->pid != getpid())
        return; /* a fork: threads and the loop's epoll are the parent's */
    /* It may be a request that stops the server, in the middle of a batch. */
    inlay_bridge_batch_end(self->asgi.bridge);
    if (self->reading)
        unwatch(self);
    Py_BEGIN_ALLOW_THREADS inlay_server_destroy(server);
    Py_END_ALLOW_THREADS self->native = NULL;
    self->lifted = self->alone = NULL;
    inlay_asgi_metrics_stop(&self->asgi);
    handle_rest(self);
}

/* 0 or -1 */
static int start(struct inlay_server_object *self)
{
    if (inlay_asgi_tasks_init(&self->asgi) < 0 || watch(self) < 0)
        return -1;
    struct inlay_error *error = inlay_server_start(self->server);
    if (error)
        return inlay_py_raise(error);
    self->pid = getpid();
    self->started = true;
    return 0;
}

static PyObject *server_start(PyObject *object, PyObject *unused inlay_unused)
{
    struct inlay_server_object *self = (struct inlay_server_object *)object;

    if (!inlay_server_running(self))
        return NULL;
    if (self->started) {
        PyErr_SetString(PyExc_RuntimeError, "the server runs already");
        return NULL;
    }
    if (start(self) == 0)
        Py_RETURN_NONE;
    /* What was started can't be taken back in part: it is stopped. */
    PyObject *exception = inlay_py_exception_take();
    stop(self);
    inlay_py_exception_restore(exception);
    return NULL;
}

static PyObject *server_stop(PyObject *object, PyObject *unused inlay_unused)
{
    struct inlay_server_object *self = (struct inlay_server_object *)object;

    if (self->server)
        self->ended = inlay_server_requests(self->server);
    stop(self);
    Py_RETURN_NONE;
}

/* While everything that stop() may need is still whole. */
static void server_finalize(PyObject *object)
{
    struct inlay_server_object *self = (struct inlay_server_object *)object;
    PyObject *pending = inlay_py_exception_take();

    while (!inlay_list_empty(&self->asgi.requests)) {
        struct inlay_asgi_request *request = inlay_list_entry(
            self->asgi.requests.next, struct inlay_asgi_request, node);

        /* It goes too: no news for it any more. */
        request->relay->owner = NULL;
        inlay_asgi_forget(request);
    }
    if (self->asgi.bridge)
        stop(self);
    inlay_py_exception_restore(pending);
}

static int server_traverse(PyObject *object, visitproc visit, void *arg)
{
    struct inlay_asgi *asgi = &((struct inlay_server_object *)object)->asgi;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(asgi->app);
    Py_VISIT(asgi->loop);
    Py_VISIT(asgi->lifespan_state);
    Py_VISIT(((struct inlay_server_object *)object)->access_sink);
    Py_VISIT(asgi->scope);
    Py_VISIT(asgi->context);
    Py_VISIT(asgi->debug);
    Py_VISIT(asgi->websocket_scope);
    Py_VISIT(asgi->create_task);
    Py_VISIT(asgi->loop_dict);
    Py_VISIT(asgi->capture);
    if (inlay_asgi_metrics_traverse(asgi->metrics, visit, arg))
        return 1;
    inlay_list_for_each (node, &asgi->requests)
        Py_VISIT(inlay_list_entry(node, struct inlay_asgi_request, node));
    return 0;
}

/* Only what may lead back here: requests still read the rest. */
static int server_clear(PyObject *object)
{
    struct inlay_server_object *self = (struct inlay_server_object *)object;

    Py_CLEAR(self->asgi.lifespan_state);
    Py_CLEAR(self->access_sink);
    Py_CLEAR(self->asgi.debug);
    Py_CLEAR(self->asgi.capture);
    Py_CLEAR(self->asgi.context);
    return 0;
}

static void free_caches(struct inlay_asgi *asgi)
{
    for (size_t i = 0; asgi->lines && i < INLAY_ASGI_LINES; i++)
        Py_XDECREF(asgi->lines[i].pair);
    for (size_t i = 0; asgi->peers && i < INLAY_ASGI_PEERS; i++)
        Py_XDECREF(asgi->peers[i].address);
    PyMem_Free(asgi->lines);
    PyMem_Free(asgi->peers);
    for (size_t i = 0; i < inlay_array_size(asgi->methods); i++)
        Py_XDECREF(asgi->methods[i]);
}

static void server_dealloc(PyObject *object)
{
    struct inlay_server_object *self = (struct inlay_server_object *)object;
    struct inlay_asgi *asgi = &self->asgi;
    PyTypeObject *type = Py_TYPE(object);

    if (PyObject_CallFinalizerFromDealloc(object) < 0)
        return;
    PyObject_GC_UnTrack(object);
    server_clear(object);
    if (asgi->bridge) {
        inlay_asgi_take_back(asgi->bridge);
        inlay_bridge_unref(asgi->bridge);
    }
    free_caches(asgi);
    inlay_asgi_metrics_free(asgi);
    Py_XDECREF(asgi->app);
    Py_XDECREF(asgi->loop);
    Py_XDECREF(asgi->root_path);
    Py_XDECREF(asgi->raw_root_path);
    Py_XDECREF(asgi->scope);
    Py_XDECREF(asgi->asgi_versions);
    Py_XDECREF(asgi->extensions);
    Py_XDECREF(asgi->websocket_scope);
    Py_XDECREF(asgi->websocket_extensions);
    Py_XDECREF(asgi->create_task);
    Py_XDECREF(asgi->loop_dict);
    type->tp_free(object);
    Py_DECREF(type);
}

/* --- While it runs ------------------------------------------------------- */

static PyObject *server_drain(PyObject *object, PyObject *unused inlay_unused)
{
    struct inlay_server_object *self = (struct inlay_server_object *)object;

    if (self->server && self->started)
        inlay_server_drain(self->server);
    Py_RETURN_NONE;
}

static PyObject *server_retire(PyObject *object, PyObject *unused inlay_unused)
{
    struct inlay_server_object *self = (struct inlay_server_object *)object;

    if (self->server && self->started)
        inlay_server_retire(self->server);
    Py_RETURN_NONE;
}

static PyObject *server_accepting(PyObject *object,
                                  PyObject *unused inlay_unused)
{
    struct inlay_server_object *self = (struct inlay_server_object *)object;

    return PyBool_FromLong(self->server && self->started &&
                           inlay_server_accepting(self->server));
}

static PyObject *server_connections(PyObject *object,
                                    PyObject *unused inlay_unused)
{
    struct inlay_server_object *self = (struct inlay_server_object *)object;

    return PyLong_FromSize_t(
        self->server ? inlay_server_connections(self->server) : 0);
}

static PyObject *server_in_flight(PyObject *object,
                                  PyObject *unused inlay_unused)
{
    struct inlay_server_object *self = (struct inlay_server_object *)object;

    return PyLong_FromSize_t(
        self->asgi.bridge ? atomic_load(&self->asgi.bridge->in_flight) : 0);
}

static PyObject *server_requests(PyObject *object,
                                 PyObject *unused inlay_unused)
{
    struct inlay_server_object *self = (struct inlay_server_object *)object;

    return PyLong_FromSize_t(self->server ? inlay_server_requests(self->server)
                                          : self->ended);
}

/* The tasks of all running requests, as a list. */
static PyObject *running_tasks(struct inlay_server_object *self)
{
    PyObject *tasks = PyList_New(0);

    inlay_list_for_each (node, &self->asgi.requests) {
        struct inlay_asgi_request *request =
            inlay_list_entry(node, struct inlay_asgi_request, node);

        if (tasks && request->task && PyList_Append(tasks, request->task) < 0)
            Py_CLEAR(tasks);
    }
    return tasks;
}

static PyObject *server_cancel(PyObject *object,
                               PyObject *const *args,
                               Py_ssize_t nargs)
{
    struct inlay_server_object *self = (struct inlay_server_object *)object;
    PyObject *message = nargs > 0 ? args[0] : Py_None;

    if (nargs > 1) {
        PyErr_SetString(PyExc_TypeError, "cancel() takes one message at most");
        return NULL;
    }
    PyObject *tasks = running_tasks(self);
    if (!tasks)
        return NULL;
    self->asgi.stopping = true;
    Py_ssize_t count = PyList_GET_SIZE(tasks);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *result = PyObject_CallMethodOneArg(
            PyList_GET_ITEM(tasks, i), self->asgi.state->name_cancel, message);

        if (!result) {
            Py_DECREF(tasks);
            return NULL;
        }
        Py_DECREF(result);
    }
    Py_DECREF(tasks);
    return PyLong_FromSsize_t(count);
}

/* --- The type ------------------------------------------------------------ */

static PyMethodDef server_methods[] = {
    {"start", server_start, METH_NOARGS, NULL},
    {"drain", server_drain, METH_NOARGS, NULL},
    {"retire", server_retire, METH_NOARGS, NULL},
    {"accepting", server_accepting, METH_NOARGS, NULL},
    {"connections", server_connections, METH_NOARGS, NULL},
    {"in_flight", server_in_flight, METH_NOARGS, NULL},
    {"requests", server_requests, METH_NOARGS, NULL},
    {"stuck", inlay_server_stuck, METH_O, NULL},
    {"cancel", (PyCFunction)(void (*)(void))server_cancel, METH_FASTCALL, NULL},
    {"stop", server_stop, METH_NOARGS, NULL},
    {"native_routes", inlay_server_native_routes, METH_NOARGS, NULL},
    {"replace_native", inlay_server_replace_native, METH_NOARGS, NULL},
    {"switch", inlay_server_switch, METH_VARARGS, NULL},
    {"alone", inlay_server_alone, METH_VARARGS, NULL},
    {"lift", inlay_server_lift, METH_O, NULL},
    {"openapi", inlay_server_openapi, METH_NOARGS, NULL},
    {"_poll", server_poll, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot server_slots[] = {
    {Py_tp_new, server_new},         {Py_tp_init, server_init},
    {Py_tp_methods, server_methods}, {Py_tp_traverse, server_traverse},
    {Py_tp_clear, server_clear},     {Py_tp_finalize, server_finalize},
    {Py_tp_dealloc, server_dealloc}, {0, NULL},
};

static PyType_Spec server_spec = {
    .name = "inlay._core.Server",
    .basicsize = sizeof(struct inlay_server_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = server_slots,
};

/* --- Settings without a server -------------------------------------------- */

static struct inlay_error *check(const struct inlay_server_config *config)
{
    struct inlay_handler *files = NULL;
    struct inlay_server *server;
    struct inlay_error *error = inlay_server_create(config, &server);

    if (error)
        return error;
    error = inlay_static_create(&server->config, &files);
    if (files)
        files->ops->destroy(files);
    inlay_server_destroy(server);
    return error;
}

static PyObject *check_settings(PyObject *module inlay_unused,
                                PyObject *args,
                                PyObject *kwargs)
{
    struct inlay_server_options options;

    if (inlay_server_settings_read(&options, args, kwargs) < 0)
        return NULL;
    struct inlay_error *error = check(&options.config);
    inlay_server_options_free(&options);
    if (error) {
        inlay_py_raise(error);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"check_settings", (PyCFunction)(void (*)(void))check_settings,
     METH_VARARGS | METH_KEYWORDS, NULL},
    {NULL, NULL, 0, NULL},
};

int inlay_asgi_server_init(PyObject *module, struct inlay_asgi_state *state)
{
    if (inlay_asgi_type_create(module, &server_spec, &state->server_type) < 0)
        return -1;
    if (PyModule_AddFunctions(module, functions) < 0)
        return -1;
    return PyModule_AddObjectRef(module, "Server",
                                 (PyObject *)state->server_type);
}
