/*
 * callable.h - inlay.Function: a C function as Python calls it. An own type
 * with vectorcall, because a built-in function can't carry annotations and
 * FastAPI needs them. Hold the GIL.
 */
#ifndef INLAY_PY_CALLABLE_H
#define INLAY_PY_CALLABLE_H

#include "py/py.h"

#include "py/binding.h"
#include "py/frame.h"

struct inlay_py_param {
    PyObject *name; /* interned */
    const struct inlay_py_type *type;
    const void *fallback; /* NULL: must be given */
    size_t offset;        /* of its value in the room of a call */
    size_t slot;          /* which parameter of the C function it is */
    /* ARROW_ARRAY: the slot of its ARROW_SCHEMA; else SIZE_MAX. */
    size_t companion;
};

/*
 * One generation of a function: what a call needs, never changed and never
 * freed, so that a call goes on with the one that it began with while a hot
 * swap stores another one into the function.
 */
struct inlay_py_plan {
    vectorcallfunc vectorcall; /* exact.c, args.c or async.c */
    void *entry;               /* callable->func->entry */
    const struct inlay_callable *callable; /* NULL: the function is gone */
    struct inlay_py_module *module;
    struct inlay_py_param *params; /* those that Python sees */
    PyObject **names;              /* the params' */
    size_t nparams;
    size_t nslots;    /* parameters of the C function */
    size_t nrequired; /* without a fallback */
    bool writes_back; /* a struct T * without const is among them */
    bool may_raise;   /* it sees Python objects: an exception may be set */
    const struct inlay_py_type *result;
    /*
     * The room of a call by the table: PyObject *given[nparams], void
     * *values[nslots], the values, the result; in bytes.
     */
    size_t room, result_offset;
    PyObject *name, *doc; /* strong; as long as the plan */
};

struct inlay_py_function {
    PyObject_HEAD
    vectorcallfunc vectorcall; /* the plan's */
    const struct inlay_py_plan *plan;
    PyObject *annotations; /* dict; NULL until asked for */
    PyObject *signature;   /* inspect.Signature; NULL until asked for */
    PyObject *dict, *weakrefs;
};

/*
 * The plan of a callable that can be called; lives as long as the module.
 * NULL with an exception.
 */
const struct inlay_py_plan *inlay_py_plan_create(
    struct inlay_py_module *module,
    const struct inlay_callable *callable);

/* The function calls `plan` from now on (a hot swap). */
void inlay_py_function_swap(struct inlay_py_function *self,
                            const struct inlay_py_plan *plan);

/* A new inlay.Function; the callable has a plan. */
PyObject *inlay_py_function_create(struct inlay_py_module *module,
                                   const struct inlay_callable *callable);

/* args.c - any arguments, by the table of the function's types. */
PyObject *inlay_py_call(PyObject *callable,
                        PyObject *const *args,
                        size_t nargsf,
                        PyObject *kwnames);

/*
 * exact.c - the handler compiled for just these types, or NULL. Whatever it
 * does not expect (keywords, large ints) it hands to inlay_py_call.
 */
vectorcallfunc inlay_py_exact_find(const struct inlay_func *func);

/*
 * A call by the table in three steps, for those that make the middle one
 * elsewhere: `begin` converts the arguments (with the GIL), `invoke` runs
 * the C function (with or without it, on any thread whose current context is
 * the frame's), `finish` makes the result or the exception.
 */
struct inlay_py_running {
    const struct inlay_py_plan *plan;
    struct inlay_py_frame *frame;
    PyObject *const *given; /* the arguments in order; kept by the caller */
    char *room;             /* plan->room bytes, aligned 16 */
};

/* `room` and `frame` are set. 0, or -1 with an exception. */
int inlay_py_running_begin(struct inlay_py_running *running,
                           PyObject *const *args,
                           size_t nargs,
                           PyObject *kwnames);
void inlay_py_running_invoke(const struct inlay_py_running *running);
PyObject *inlay_py_running_finish(const struct inlay_py_running *running);

/* signature.c - all return a new reference, or NULL with an exception. */
PyObject *inlay_py_annotations(const struct inlay_py_plan *plan);
PyObject *inlay_py_signature(const struct inlay_py_plan *plan);
PyObject *inlay_py_text_signature(const struct inlay_py_plan *plan);
PyObject *inlay_py_function_repr(PyObject *self);

#endif
