/*
 * asgi_task.c - a request as an asyncio task. The task is a real one, so that
 * current_task(), cancel, anyio and whatever else knows tasks finds one; but
 * its first step is run at once, and most requests need no other.
 */
#include "py/py.h"

#include <stddef.h>

#include "py/asgi_request.h"

#include "base/banned.h"

/* Stands in for loop.call_soon while a task is made, and keeps its step. */
struct capture {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *step, *context;
};

static PyObject *capture_call(PyObject *self,
                              PyObject *const *args,
                              size_t nargsf,
                              PyObject *kwnames)
{
    struct capture *capture = (struct capture *)self;
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);

    if (nargs != 1) {
        PyErr_SetString(PyExc_TypeError, "a task's first step is expected");
        return NULL;
    }
    Py_XSETREF(capture->step, Py_NewRef(args[0]));
    if (kwnames && PyTuple_GET_SIZE(kwnames) == 1)
        Py_XSETREF(capture->context, Py_NewRef(args[1]));
    Py_RETURN_NONE;
}

static int capture_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((struct capture *)self)->step);
    Py_VISIT(((struct capture *)self)->context);
    return 0;
}

static int capture_clear(PyObject *self)
{
    Py_CLEAR(((struct capture *)self)->step);
    Py_CLEAR(((struct capture *)self)->context);
    return 0;
}

static void capture_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    capture_clear(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMemberDef capture_members[] = {
    {"__vectorcalloffset__", Py_T_PYSSIZET,
     offsetof(struct capture, vectorcall), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot capture_slots[] = {
    {Py_tp_call, PyVectorcall_Call},    {Py_tp_members, capture_members},
    {Py_tp_traverse, capture_traverse}, {Py_tp_clear, capture_clear},
    {Py_tp_dealloc, capture_dealloc},   {0, NULL},
};

static PyType_Spec capture_spec = {
    .name = "inlay._core.Capture",
    .basicsize = sizeof(struct capture),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = capture_slots,
};

static PyObject *capture_create(struct inlay_asgi_state *state)
{
    struct capture *capture =
        PyObject_GC_New(struct capture, state->capture_type);

    if (!capture)
        return NULL;
    capture->vectorcall = capture_call;
    capture->step = capture->context = NULL;
    PyObject_GC_Track(capture);
    return (PyObject *)capture;
}

/* --- The three ways ------------------------------------------------------ */

static PyObject *run_eager(struct inlay_asgi_request *request)
{
    struct inlay_asgi *asgi = &request->server->asgi;
    struct inlay_asgi_state *state = asgi->state;
    PyObject *context = PyContext_Copy(asgi->context);
    PyObject *args[] = {(PyObject *)request, asgi->loop, context, Py_True};

    if (!context)
        return NULL;
    PyObject *task =
        PyObject_Vectorcall(state->task_class, args, 1, state->task_keywords);
    Py_DECREF(context);
    return task;
}

/*
 * A task whose constructor hands its first step to us. No collection may run
 * meanwhile: a finalizer that calls call_soon would be caught as well.
 */
static PyObject *make_captured(struct inlay_asgi_request *request)
{
    struct inlay_asgi *asgi = &request->server->asgi;
    struct inlay_asgi_state *state = asgi->state;
    PyObject *args[] = {(PyObject *)request, asgi->loop};
    PyObject *own = inlay_py_dict_get(asgi->loop_dict, state->name_call_soon);

    if (PyDict_SetItem(asgi->loop_dict, state->name_call_soon, asgi->capture) <
        0) {
        Py_XDECREF(own);
        return NULL;
    }
    int collecting = PyGC_Disable();
    PyObject *task =
        PyObject_Vectorcall(state->task_class, args, 1, state->task_keywords);
    if (collecting)
        PyGC_Enable();
    PyObject *exception = inlay_py_exception_take();
    int restored =
        own ? PyDict_SetItem(asgi->loop_dict, state->name_call_soon, own)
            : PyDict_DelItem(asgi->loop_dict, state->name_call_soon);
    Py_XDECREF(own);
    if (exception)
        inlay_py_exception_restore(exception);
    if (restored < 0)
        Py_CLEAR(task);
    return task;
}

static int run_step(struct capture *capture)
{
    PyObject *step = capture->step, *context = capture->context, *result;

    capture->step = capture->context = NULL;
    if (!step)
        return 0; /* it was scheduled some other way */
    if (context && PyContext_Enter(context) < 0) {
        result = NULL;
    } else {
        result = PyObject_CallNoArgs(step);
        PyObject *exception = inlay_py_exception_take();
        if (context && PyContext_Exit(context) < 0)
            PyErr_WriteUnraisable(step);
        if (exception)
            inlay_py_exception_restore(exception);
    }
    Py_DECREF(step);
    Py_XDECREF(context);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* A new task copies the context that it is made in. */
static PyObject *run_in_context(struct inlay_asgi_request *request)
{
    struct inlay_asgi *asgi = &request->server->asgi;
    PyObject *task;

    if (PyContext_Enter(asgi->context) < 0)
        return NULL;
    task = asgi->tasks == INLAY_ASGI_CAPTURED
               ? make_captured(request)
               : PyObject_CallOneArg(asgi->create_task, (PyObject *)request);
    PyObject *exception = inlay_py_exception_take();
    if (PyContext_Exit(asgi->context) < 0)
        PyErr_WriteUnraisable(asgi->context);
    if (exception)
        inlay_py_exception_restore(exception);
    if (task && asgi->tasks == INLAY_ASGI_CAPTURED &&
        run_step((struct capture *)asgi->capture) < 0)
        PyErr_WriteUnraisable(task);
    return task;
}

int inlay_asgi_task_run(struct inlay_asgi_request *request)
{
    PyObject *task = request->server->asgi.tasks == INLAY_ASGI_EAGER
                         ? run_eager(request)
                         : run_in_context(request);

    if (!task)
        return -1;
    if (request->finished)
        Py_DECREF(task);
    else
        request->task = task;
    return 0;
}

/* --- Set-up -------------------------------------------------------------- */

static int init_captured(struct inlay_asgi *asgi)
{
    asgi->loop_dict = PyObject_GetAttrString(asgi->loop, "__dict__");
    if (!asgi->loop_dict || !PyDict_CheckExact(asgi->loop_dict)) {
        PyErr_Clear();
        Py_CLEAR(asgi->loop_dict);
        asgi->tasks = INLAY_ASGI_CREATED;
        return 0;
    }
    asgi->tasks = INLAY_ASGI_CAPTURED;
    asgi->capture = capture_create(asgi->state);
    return asgi->capture ? 0 : -1;
}

int inlay_asgi_tasks_init(struct inlay_asgi *asgi)
{
    struct inlay_asgi_state *state = asgi->state;
    PyObject *factory =
        PyObject_CallMethodNoArgs(asgi->loop, state->name_get_task_factory);

    if (!factory)
        return -1;
    bool plain = factory == Py_None;
    Py_DECREF(factory);
    asgi->create_task = PyObject_GetAttr(asgi->loop, state->name_create_task);
    asgi->context = PyContext_CopyCurrent();
    if (!asgi->create_task || !asgi->context)
        return -1;
    asgi->tasks = plain ? INLAY_ASGI_EAGER : INLAY_ASGI_CREATED;
    if (plain && PY_VERSION_HEX < 0x030c0000)
        return init_captured(asgi);
    return 0;
}

int inlay_asgi_task_init(PyObject *module, struct inlay_asgi_state *state)
{
    state->task_keywords =
        PY_VERSION_HEX >= 0x030c0000
            ? PyTuple_Pack(3, state->name_loop, state->name_context,
                           state->name_eager_start)
            : PyTuple_Pack(1, state->name_loop);
    if (!state->task_keywords)
        return -1;
    return inlay_asgi_type_create(module, &capture_spec, &state->capture_type);
}
