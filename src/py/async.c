/* async.c - inlay.Call, the coroutine of a call that runs on the pool. */
#include "py/async.h"

#include "py/asgi_request.h"
#include "py/job.h"

#include "base/banned.h"

enum call_state { CALL_CREATED, CALL_WAITING, CALL_OVER };

struct call {
    PyObject_HEAD
    enum call_state state;
    struct inlay_py_job *job; /* NULL when OVER, and when its loop is */
    const struct inlay_py_plan *plan;
    PyObject *future, *iterator; /* while WAITING */
    bool stepping;               /* the loop's code runs within a step */
    PyObject *weakrefs;
};

static PyObject *running_loop(struct inlay_py_state *core)
{
    if (!core->get_running_loop) {
        _cleanup_decref_ PyObject *events =
            PyImport_ImportModule("asyncio.events");
        if (events)
            core->get_running_loop =
                PyObject_GetAttrString(events, "get_running_loop");
        if (!core->get_running_loop)
            return NULL;
    }
    return PyObject_CallNoArgs(core->get_running_loop);
}

/* The first step. 0, or -1 with an exception. */
static int start(struct call *self)
{
    _cleanup_decref_ PyObject *loop = running_loop(self->plan->module->state);

    if (!loop || inlay_py_job_submit(&self->job, (PyObject *)self, loop,
                                     &self->future) < 0)
        return -1;
    self->iterator = PyObject_CallMethod(self->future, "__await__", NULL);
    return self->iterator ? 0 : -1;
}

/* --- The coroutine -------------------------------------------------------- */

/* Over, whatever the call does; a pending exception stays. */
static void call_end(struct call *self)
{
    struct inlay_py_job *job = self->job;

    self->state = CALL_OVER;
    self->job = NULL;
    Py_CLEAR(self->iterator);
    Py_CLEAR(self->future);
    if (job)
        inlay_py_job_drop(job);
}

static PyObject *call_result(struct call *self)
{
    if (self->job && inlay_py_job_here(self->job))
        return inlay_py_job_result(self->job);
    PyErr_Format(PyExc_RuntimeError, "%U(): resumed before the call was done",
                 self->plan->name);
    return NULL;
}

/* -1 with an exception when no step can be made, or taken back, now. */
static int check_still(const struct call *self)
{
    if (!self->stepping)
        return 0;
    PyErr_SetString(PyExc_ValueError, "coroutine already executing");
    return -1;
}

static int check_open(const struct call *self)
{
    if (self->state != CALL_OVER)
        return check_still(self);
    PyErr_SetString(PyExc_RuntimeError,
                    "cannot reuse already awaited coroutine");
    return -1;
}

static PySendResult step(struct call *self, PyObject *value, PyObject **ret)
{
    if (self->state == CALL_CREATED) {
        if (value && value != Py_None) {
            PyErr_SetString(PyExc_TypeError, "can't send non-None value to a "
                                             "just-started coroutine");
            return PYGEN_ERROR;
        }
        self->state = CALL_WAITING;
        if (start(self) < 0)
            return PYGEN_ERROR;
    }
    PySendResult status = PyIter_Send(self->iterator, Py_None, ret);
    if (status != PYGEN_RETURN)
        return status;
    Py_DECREF(*ret);
    *ret = call_result(self);
    return *ret ? PYGEN_RETURN : PYGEN_ERROR;
}

static PySendResult call_send(PyObject *object, PyObject *value, PyObject **ret)
{
    struct call *self = (struct call *)object;

    *ret = NULL;
    if (check_open(self) < 0)
        return PYGEN_ERROR;
    Py_INCREF(object);
    self->stepping = true;
    PySendResult status = step(self, value, ret);
    self->stepping = false;
    if (status != PYGEN_NEXT)
        call_end(self);
    Py_DECREF(object);
    return status;
}

static PyObject *call_next(PyObject *object)
{
    PyObject *result;
    PySendResult status = call_send(object, Py_None, &result);

    return inlay_asgi_sent(status, result);
}

static PyObject *call_method_send(PyObject *object, PyObject *value)
{
    PyObject *result;
    PySendResult status = call_send(object, value, &result);

    return inlay_asgi_sent(status, result);
}

static PyObject *call_throw(PyObject *object,
                            PyObject *const *args,
                            Py_ssize_t nargs)
{
    struct call *self = (struct call *)object;

    if (check_open(self) < 0)
        return NULL;
    call_end(self);
    return inlay_asgi_throw(args, nargs);
}

static PyObject *call_close(PyObject *object, PyObject *unused)
{
    (void)unused;
    if (check_still((struct call *)object) < 0)
        return NULL;
    call_end((struct call *)object);
    Py_RETURN_NONE;
}

static PyObject *call_name(PyObject *object, void *unused)
{
    (void)unused;
    return Py_NewRef(((struct call *)object)->plan->leaf);
}

static PyObject *call_qualname(PyObject *object, void *unused)
{
    (void)unused;
    return Py_NewRef(((struct call *)object)->plan->name);
}

static PyObject *call_repr(PyObject *object)
{
    struct call *self = (struct call *)object;

    return PyUnicode_FromFormat("<inlay.Call of %U at %p>", self->plan->name,
                                object);
}

static void call_finalize(PyObject *object)
{
    struct call *self = (struct call *)object;

    if (self->state != CALL_CREATED)
        return;
    PyObject *exception = inlay_py_exception_take();
    if (PyErr_WarnFormat(PyExc_RuntimeWarning, 1,
                         "coroutine '%U' was never awaited",
                         self->plan->name) < 0)
        PyErr_WriteUnraisable(object);
    inlay_py_exception_restore(exception);
}

static int call_traverse(PyObject *object, visitproc visit, void *arg)
{
    struct call *self = (struct call *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->future);
    Py_VISIT(self->iterator);
    /* Those of a call that is on its way are held by its thread. */
    if (self->job && inlay_py_job_here(self->job))
        for (size_t i = 0; i < self->job->nargs; i++)
            Py_VISIT(self->job->args[i]);
    return 0;
}

static int call_clear(PyObject *object)
{
    call_end((struct call *)object);
    return 0;
}

static void call_dealloc(PyObject *object)
{
    struct call *self = (struct call *)object;
    PyTypeObject *type = Py_TYPE(object);

    if (PyObject_CallFinalizerFromDealloc(object) < 0)
        return;
    PyObject_GC_UnTrack(object);
    if (self->weakrefs)
        PyObject_ClearWeakRefs(object);
    call_end(self);
    type->tp_free(object);
    Py_DECREF(type);
}

/* A coroutine that makes this call; NULL with an exception. */
static PyObject *call_create(const struct inlay_py_plan *plan,
                             PyObject *const *args,
                             size_t nargs,
                             PyObject *kwnames)
{
    struct inlay_py_job *job = inlay_py_job_create(plan, args, nargs, kwnames);
    PyTypeObject *type = plan->module->state->call_type;
    PyObject *object = job ? type->tp_alloc(type, 0) : NULL;
    struct call *self = (struct call *)object;

    if (object) {
        self->state = CALL_CREATED;
        self->job = job;
        self->plan = plan;
    } else if (job) {
        inlay_py_job_drop(job);
    }
    return object;
}

PyObject *inlay_py_async_call(PyObject *callable,
                              PyObject *const *args,
                              size_t nargsf,
                              PyObject *kwnames)
{
    const struct inlay_py_plan *plan =
        ((struct inlay_py_function *)callable)->plan;

    /* Swapped since it was looked up: it is not asynchronous now. */
    if (plan->vectorcall != inlay_py_async_call)
        return plan->vectorcall(callable, args, nargsf, kwnames);
    return call_create(plan, args, (size_t)PyVectorcall_NARGS(nargsf), kwnames);
}

/* --- inlay.run_in_pool and the pool's limits ------------------------------ */

static PyObject *refuse(PyObject *what)
{
    PyErr_Format(PyExc_TypeError,
                 "run_in_pool() takes a function of a native module, not "
                 "%R; use asyncio.to_thread",
                 what);
    return NULL;
}

/* `args`: the bound self, if there is one, and what was given. */
static PyObject *run(struct inlay_py_state *core,
                     PyObject *function,
                     PyObject *const *args,
                     size_t nargs,
                     PyObject *kwnames)
{
    if (Py_TYPE(function) != core->function_type &&
        Py_TYPE(function) != core->method_type)
        return refuse(function);
    const struct inlay_py_plan *plan =
        ((struct inlay_py_function *)function)->plan;
    /* It is gone: calling it says so. */
    if (!plan->callable)
        return PyObject_Vectorcall(function, args, nargs, kwnames);
    if (plan->may_raise) {
        PyErr_Format(PyExc_TypeError,
                     "%U() takes or gives a PyObject *, which needs Python's "
                     "lock: it can't run in the pool; use asyncio.to_thread",
                     plan->name);
        return NULL;
    }
    return call_create(plan, args, nargs, kwnames);
}

static PyObject *run_in_pool(PyObject *module,
                             PyObject *const *args,
                             Py_ssize_t nargs,
                             PyObject *kwnames)
{
    struct inlay_py_state *core = inlay_py_state_of(module);
    PyObject *function = nargs > 0 ? args[0] : NULL;

    if (!function) {
        PyErr_SetString(PyExc_TypeError,
                        "run_in_pool() missing the function to call");
        return NULL;
    }
    if (!PyMethod_Check(function))
        return run(core, function, args + 1, (size_t)nargs - 1, kwnames);
    /* With self where the method was, and behind it what was given. */
    size_t count =
        (size_t)nargs + (kwnames ? (size_t)PyTuple_GET_SIZE(kwnames) : 0);
    PyObject **all = PyMem_New(PyObject *, count);
    if (!all)
        return PyErr_NoMemory();
    memcpy(all, args, count * sizeof(*all));
    all[0] = PyMethod_GET_SELF(function);
    PyObject *call =
        run(core, PyMethod_GET_FUNCTION(function), all, (size_t)nargs, kwnames);
    PyMem_Free(all);
    return call;
}

static PyObject *pool_limits(PyObject *module, PyObject *args)
{
    struct inlay_workers_limits limits = {0};

    (void)module;
    if (!PyArg_ParseTuple(args, "In:pool_limits", &limits.threads,
                          &limits.queue))
        return NULL;
    inlay_workers_configure(&limits);
    Py_RETURN_NONE;
}

static PyObject *pool_stats(PyObject *module, PyObject *unused)
{
    struct inlay_workers_stats stats;

    (void)module;
    (void)unused;
    inlay_workers_stats(&stats);
    return Py_BuildValue("(IInIn)", stats.threads, stats.running,
                         (Py_ssize_t)stats.waiting, stats.limits.threads,
                         (Py_ssize_t)stats.limits.queue);
}

/* --- Coroutine functions -------------------------------------------------- */

/* The attributes of one, which differ between versions of Python. */
static PyObject *marks_of(struct inlay_py_state *core)
{
    if (!core->async_marks) {
        _cleanup_decref_ PyObject *module =
            PyImport_ImportModule("inlay.asyncs");
        if (module)
            core->async_marks = PyObject_CallMethod(module, "marks", NULL);
    }
    return core->async_marks;
}

int inlay_py_async_mark(struct inlay_py_function *function)
{
    const struct inlay_py_plan *plan = function->plan;
    struct inlay_py_state *core = plan->module->state;
    PyObject *name, *value;
    Py_ssize_t at = 0;

    if (!function->dict)
        return 0;
    if (plan->vectorcall == inlay_py_async_call) {
        PyObject *marks = marks_of(core);
        return marks ? PyDict_Update(function->dict, marks) : -1;
    }
    while (core->async_marks &&
           PyDict_Next(core->async_marks, &at, &name, &value))
        if (PyDict_Contains(function->dict, name) > 0 &&
            PyDict_DelItem(function->dict, name) < 0)
            return -1;
    return 0;
}

/* --- The part ------------------------------------------------------------- */

static PyMethodDef call_methods[] = {
    {"send", call_method_send, METH_O, NULL},
    {"throw", (PyCFunction)(void (*)(void))call_throw, METH_FASTCALL, NULL},
    {"close", call_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef call_getset[] = {
    {"__name__", call_name, NULL, NULL, NULL},
    {"__qualname__", call_qualname, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef call_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET,
     (Py_ssize_t)offsetof(struct call, weakrefs), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot call_slots[] = {
    {Py_am_await, PyObject_SelfIter},
    {Py_am_send, call_send},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, call_next},
    {Py_tp_methods, call_methods},
    {Py_tp_getset, call_getset},
    {Py_tp_members, call_members},
    {Py_tp_repr, call_repr},
    {Py_tp_finalize, call_finalize},
    {Py_tp_traverse, call_traverse},
    {Py_tp_clear, call_clear},
    {Py_tp_dealloc, call_dealloc},
    {0, NULL},
};

static PyType_Spec call_spec = {
    .name = "inlay.Call",
    .basicsize = sizeof(struct call),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = call_slots,
};

static PyMethodDef functions[] = {
    {"run_in_pool", (PyCFunction)(void (*)(void))run_in_pool,
     METH_FASTCALL | METH_KEYWORDS,
     "run_in_pool($module, function, /, *args, **kwargs)\n--\n\n"
     "Call a native function on a thread of the pool; await the result."},
    {"pool_limits", pool_limits, METH_VARARGS, NULL},
    {"pool_stats", pool_stats, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

int inlay_py_async_init(PyObject *module, struct inlay_py_state *state)
{
    state->call_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &call_spec, NULL);
    if (!state->call_type || inlay_py_lanes_init(module, state) < 0 ||
        PyModule_AddType(module, state->call_type) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}
