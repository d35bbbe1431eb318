/* args.c - a call by the table: arguments to parameters, to C, and back. */
#include "base/cleanup.h"
#include "py/async.h"
#include "py/callable.h"
#include "py/convert.h"
#include "py/errors.h"
#include "py/names.h"
#include "py/rules.h"

#include "base/banned.h"

/* Room on the C stack; a function with more gets it from the arena. */
#define ROOM 768

static int fill_keywords(const struct inlay_py_plan *plan,
                         PyObject *const *values,
                         size_t positional,
                         PyObject *kwnames,
                         PyObject **given)
{
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(kwnames); k++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, k);
        Py_ssize_t i = inlay_py_names_find(plan->names, plan->nparams, name);

        if (i < 0)
            return -1;
        if ((size_t)i == plan->nparams)
            return inlay_py_names_unexpected(plan->name, name);
        if ((size_t)i < positional || given[i])
            return inlay_py_names_repeated(plan->name, name);
        given[i] = values[k];
    }
    return 0;
}

static int check_missing(const struct inlay_py_plan *plan,
                         PyObject *const *given)
{
    _cleanup_decref_ PyObject *missing = PyList_New(0);

    if (!missing)
        return -1;
    for (size_t i = 0; i < plan->nparams; i++)
        if (!given[i] && !plan->params[i].fallback &&
            PyList_Append(missing, plan->names[i]) < 0)
            return -1;
    return inlay_py_names_missing(plan->name, missing);
}

/* given[i]: the argument of parameter i (borrowed), or NULL. */
static int fill_given(const struct inlay_py_plan *plan,
                      PyObject *const *args,
                      size_t nargs,
                      PyObject *kwnames,
                      PyObject **given)
{
    size_t positional = inlay_min(nargs, plan->nparams);
    bool complete = true;

    for (size_t i = 0; i < plan->nparams; i++)
        given[i] = i < positional ? args[i] : NULL;
    if (kwnames &&
        fill_keywords(plan, args + nargs, positional, kwnames, given) < 0)
        return -1;
    if (nargs > plan->nparams)
        return inlay_py_names_too_many(plan->name, plan->nrequired,
                                       plan->nparams, nargs);
    for (size_t i = 0; i < plan->nparams; i++)
        complete &= given[i] || plan->params[i].fallback;
    return complete ? 0 : check_missing(plan, given);
}

/* Arguments -> the slots of the C function. */
static int convert_params(const struct inlay_py_running *running,
                          PyObject *const *given)
{
    const struct inlay_py_plan *plan = running->plan;
    struct inlay_py_conversion conversion = {plan->module->state,
                                             running->frame, plan->name};
    void **values = (void **)(void *)running->room + plan->nparams;
    struct inlay_py_place place = {.outer = NULL};

    for (size_t i = 0; i < plan->nparams; i++) {
        const struct inlay_py_param *param = &plan->params[i];
        char *at = running->room + param->offset;

        if (!given[i]) {
            values[param->slot] = (void *)(uintptr_t)param->fallback;
            continue;
        }
        values[param->slot] = at;
        if (param->companion != SIZE_MAX)
            values[param->companion] = at + sizeof(void *);
        place.name = param->name;
        if (!inlay_py_quick_in(param->type->c, given[i], at) &&
            inlay_py_in(&conversion, param->type, given[i], at, &place) < 0)
            return -1;
        if (inlay_unlikely(param->constraints) &&
            inlay_py_rules_hold(&conversion, param->constraints, param->type->c,
                                given[i], at, &place) < 0)
            return -1;
    }
    return 0;
}

/* Those that Python does not see and nobody fills in are NULL. */
static void clear_slots(const struct inlay_py_running *running)
{
    static const uint64_t nothing;
    const struct inlay_py_plan *plan = running->plan;
    void **values = (void **)(void *)running->room + plan->nparams;

    if (inlay_likely(plan->nslots == plan->nparams))
        return;
    for (size_t i = 0; i < plan->nslots; i++)
        values[i] = (void *)(uintptr_t)&nothing;
}

int inlay_py_running_begin(struct inlay_py_running *running,
                           PyObject *const *args,
                           size_t nargs,
                           PyObject *kwnames)
{
    const struct inlay_py_plan *plan = running->plan;

    if (inlay_unlikely(kwnames || nargs != plan->nparams)) {
        PyObject **given = (PyObject **)(void *)running->room;
        if (fill_given(plan, args, nargs, kwnames, given) < 0)
            return -1;
        args = given;
    }
    running->given = args;
    clear_slots(running);
    return convert_params(running, args);
}

void inlay_py_running_invoke(const struct inlay_py_running *running)
{
    const struct inlay_py_plan *plan = running->plan;
    void **values = (void **)(void *)running->room + plan->nparams;

    inlay_call_invoke(plan->callable->plan, plan->entry, values,
                      running->room + plan->result_offset);
}

PyObject *inlay_py_running_finish(const struct inlay_py_running *running)
{
    const struct inlay_py_plan *plan = running->plan;
    struct inlay_py_state *state = plan->module->state;
    struct inlay_context *context = running->frame->context;
    struct inlay_py_conversion conversion = {state, running->frame, plan->name};
    struct inlay_py_place place = {.outer = NULL};

    void *at = running->room + plan->result_offset;
    if (inlay_unlikely(running->frame->exception)) {
        inlay_py_result_drop(plan->result, at);
        inlay_py_exception_restore(inlay_take(running->frame->exception));
        return NULL;
    }
    if (inlay_unlikely(context->error)) {
        inlay_py_result_drop(plan->result, at);
        inlay_py_raise_failed(state, context);
        return NULL;
    }
    if ((plan->may_raise && PyErr_Occurred()) ||
        (plan->writes_back && inlay_py_write_back(&conversion) < 0)) {
        inlay_py_result_drop(plan->result, at);
        return NULL;
    }
    return inlay_py_out(&conversion, plan->result, at, &place);
}

static void invoke_unlocked(const struct inlay_py_running *running)
{
    PyThreadState *thread = PyEval_SaveThread();

    inlay_py_running_invoke(running);
    PyEval_RestoreThread(thread);
}

static inline PyObject *call(const struct inlay_py_plan *plan,
                             PyObject *const *args,
                             size_t nargs,
                             PyObject *kwnames,
                             inlay_py_invoke invoke)
{
    _Alignas(16) char local[ROOM];
    struct inlay_py_frame frame;
    struct inlay_py_running running = {plan, &frame, NULL, local};
    PyObject *result = NULL;

    if (inlay_py_frame_begin(&frame, plan->module->state) < 0)
        return NULL;
    if (inlay_unlikely(plan->room > sizeof(local)))
        running.room = inlay_py_frame_alloc(&frame, plan->room);
    if (running.room &&
        inlay_py_running_begin(&running, args, nargs, kwnames) == 0) {
        invoke(&running);
        result = inlay_py_running_finish(&running);
    }
    inlay_py_frame_end(&frame);
    return result;
}

PyObject *inlay_py_running_call(const struct inlay_py_plan *plan,
                                PyObject *const *args,
                                size_t nargs,
                                PyObject *kwnames,
                                inlay_py_invoke invoke)
{
    return call(plan, args, nargs, kwnames, invoke);
}

PyObject *inlay_py_call(PyObject *callable,
                        PyObject *const *args,
                        size_t nargsf,
                        PyObject *kwnames)
{
    const struct inlay_py_plan *plan =
        ((struct inlay_py_function *)callable)->plan;

    /* Swapped while CPython unpacked keywords for this call. */
    if (inlay_unlikely(kwnames && plan->detour))
        return plan->vectorcall(callable, args, nargsf, kwnames);
    return call(plan, args, (size_t)PyVectorcall_NARGS(nargsf), kwnames,
                inlay_py_running_invoke);
}

/* Of an INLAY_NOGIL function. */
static PyObject *call_unlocked(PyObject *callable,
                               PyObject *const *args,
                               size_t nargsf,
                               PyObject *kwnames)
{
    const struct inlay_py_plan *plan =
        ((struct inlay_py_function *)callable)->plan;

    if (inlay_unlikely(plan->vectorcall != call_unlocked))
        return plan->vectorcall(callable, args, nargsf, kwnames);
    return call(plan, args, (size_t)PyVectorcall_NARGS(nargsf), kwnames,
                invoke_unlocked);
}

static const char *given_by_server(const struct inlay_type *type)
{
    if (type->kind != INLAY_KIND_INJECTED)
        return NULL;
    switch (type->injected) {
    case INLAY_INJECTED_REQUEST:
        return "the request that it works on";
    case INLAY_INJECTED_SOCKET:
        return "the WebSocket that it works on";
    case INLAY_INJECTED_DB:
        return NULL;
    case INLAY_INJECTED_PROVIDED:
        return "what an INLAY_STATE or INLAY_PROVIDE function returns";
    }
    return NULL;
}

bool inlay_py_is_for_requests(const struct inlay_func *func)
{
    bool found = given_by_server(func->result) != NULL;

    for (size_t i = 0; !found && i < func->nparams; i++)
        found = given_by_server(func->params[i].type) != NULL;
    return found;
}

/* What only the server has can't come from here. */
static PyObject *refuse(PyObject *callable,
                        PyObject *const *args,
                        size_t nargsf,
                        PyObject *kwnames)
{
    const struct inlay_py_plan *plan =
        ((struct inlay_py_function *)callable)->plan;
    const struct inlay_func *func =
        plan->callable ? plan->callable->func : NULL;

    /* It has just become another one: see `detour`. */
    if (!func || !inlay_py_is_for_requests(func))
        return plan->vectorcall(callable, args, nargsf, kwnames);
    for (size_t i = 0; i < func->nparams; i++) {
        const char *what = given_by_server(func->params[i].type);

        if (!what)
            continue;
        PyErr_Format(PyExc_TypeError,
                     "%U() answers requests: its parameter '%.200s' (%.200s) "
                     "is %s, which the server gives it; it can't be called "
                     "from Python",
                     plan->name, func->params[i].name.ptr,
                     func->params[i].type->name.ptr, what);
        return NULL;
    }
    PyErr_Format(PyExc_TypeError,
                 "%U() provides for requests: the server calls it, it can't be "
                 "called from Python",
                 plan->name);
    return NULL;
}

vectorcallfunc inlay_py_call_choose(const struct inlay_func *func)
{
    if (inlay_py_is_for_requests(func))
        return refuse;
    if (func->is_async)
        return inlay_py_async_call;
    if (inlay_py_takes_db(func))
        return func->nogil ? inlay_py_db_call_unlocked : inlay_py_db_call;
    if (func->nogil)
        return call_unlocked;
    for (size_t i = 0; i < func->nparams; i++)
        if (func->params[i].constraints)
            return inlay_py_call;
    vectorcallfunc special = inlay_py_exact_find(func);
    if (!special)
        special = inlay_py_flat_find(func);
    return special ? special : inlay_py_call;
}
