/* args.c - a call by the table: arguments to parameters, to C, and back. */
#include "py/callable.h"
#include "py/convert.h"
#include "py/errors.h"
#include "py/names.h"

#include "base/banned.h"

/* Room on the C stack; a function with more gets it from the arena. */
#define ROOM 768

static int fill_keywords(const struct inlay_py_function *self,
                         PyObject *const *values,
                         size_t positional,
                         PyObject *kwnames,
                         PyObject **given)
{
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(kwnames); k++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, k);
        Py_ssize_t i = inlay_py_names_find(self->names, self->nparams, name);

        if (i < 0)
            return -1;
        if ((size_t)i == self->nparams)
            return inlay_py_names_unexpected(self->name, name);
        if ((size_t)i < positional || given[i])
            return inlay_py_names_repeated(self->name, name);
        given[i] = values[k];
    }
    return 0;
}

static int check_missing(const struct inlay_py_function *self,
                         PyObject *const *given)
{
    _cleanup_decref_ PyObject *missing = PyList_New(0);

    if (!missing)
        return -1;
    for (size_t i = 0; i < self->nparams; i++)
        if (!given[i] && !self->params[i].fallback &&
            PyList_Append(missing, self->names[i]) < 0)
            return -1;
    return inlay_py_names_missing(self->name, missing);
}

/* given[i]: the argument of parameter i (borrowed), or NULL. */
static int fill_given(const struct inlay_py_function *self,
                      PyObject *const *args,
                      size_t nargs,
                      PyObject *kwnames,
                      PyObject **given)
{
    size_t positional = inlay_min(nargs, self->nparams);
    bool complete = true;

    for (size_t i = 0; i < self->nparams; i++)
        given[i] = i < positional ? args[i] : NULL;
    if (kwnames &&
        fill_keywords(self, args + nargs, positional, kwnames, given) < 0)
        return -1;
    if (nargs > self->nparams)
        return inlay_py_names_too_many(self->name, self->nrequired,
                                       self->nparams, nargs);
    for (size_t i = 0; i < self->nparams; i++)
        complete &= given[i] || self->params[i].fallback;
    return complete ? 0 : check_missing(self, given);
}

static PyObject *convert_and_call(const struct inlay_py_function *self,
                                  struct inlay_py_frame *frame,
                                  PyObject *const *given,
                                  char *room)
{
    struct inlay_py_state *state = self->module->state;
    struct inlay_py_conversion conversion = {state, frame, self->name};
    void **values = (void **)(void *)room + self->nparams;
    struct inlay_py_place place = {.outer = NULL};

    for (size_t i = 0; i < self->nparams; i++) {
        const struct inlay_py_param *param = &self->params[i];

        if (!given[i]) {
            values[i] = (void *)(uintptr_t)param->fallback;
            continue;
        }
        values[i] = room + param->offset;
        place.name = param->name;
        if (inlay_py_in(&conversion, param->type, given[i], values[i], &place) <
            0)
            return NULL;
    }
    void *result = room + self->result_offset;
    inlay_call_invoke(self->callable->plan, self->entry, values, result);
    if (inlay_unlikely(frame->context->error)) {
        inlay_py_raise_kind(state, frame->context->error,
                            frame->context->error_text);
        return NULL;
    }
    place.name = NULL;
    return inlay_py_out(&conversion, self->result, result, &place);
}

PyObject *inlay_py_call(PyObject *callable,
                        PyObject *const *args,
                        size_t nargsf,
                        PyObject *kwnames)
{
    struct inlay_py_function *self = (struct inlay_py_function *)callable;
    size_t nargs = (size_t)PyVectorcall_NARGS(nargsf);
    _Alignas(16) char local[ROOM];
    char *room = local;
    struct inlay_py_frame frame;
    PyObject *result = NULL;

    if (inlay_py_frame_begin(&frame, self->module->state) < 0)
        return NULL;
    if (inlay_unlikely(self->room > sizeof(local)))
        room = inlay_py_frame_alloc(&frame, self->room);
    if (!room)
        goto end;
    if (inlay_unlikely(kwnames || nargs != self->nparams)) {
        PyObject **given = (PyObject **)(void *)room;
        if (fill_given(self, args, nargs, kwnames, given) < 0)
            goto end;
        args = given;
    }
    result = convert_and_call(self, &frame, args, room);
end:
    inlay_py_frame_end(&frame);
    return result;
}
