/*
 * callable.h - inlay.Function: a C function as Python calls it. An own type
 * with vectorcall, because a built-in function can't carry annotations and
 * FastAPI needs them. inlay.Method is the same, which binds to an object.
 * Hold the GIL.
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
    const struct inlay_constraints *constraints; /* NULL: none */
};

/* An inlay_db *, which Python does not see: the call has it made. */
struct inlay_py_db_param {
    struct inlay_str name; /* of the database; "": the default one */
    size_t slot;
    size_t offset; /* of a struct inlay_py_db in the room of a call */
};

/*
 * One generation of a function: what a call needs, never changed and never
 * freed, so that a call goes on with the one that it began with while a hot
 * swap stores another one into the function.
 */
struct inlay_py_plan {
    vectorcallfunc vectorcall; /* exact.c, args.c, async.c or db_call.c */
    void *entry;               /* callable->func->entry */
    const struct inlay_callable *callable; /* NULL: `gone` is set */
    struct inlay_py_module *module;
    struct inlay_py_param *params; /* those that Python sees */
    PyObject **names;              /* the params' */
    size_t nparams;
    size_t nslots;    /* parameters of the C function */
    size_t nrequired; /* without a fallback */
    struct inlay_py_db_param *dbs;
    size_t ndbs;
    bool writes_back; /* a struct T * without const is among them */
    bool may_raise;   /* it sees Python objects: an exception may be set */
    const struct inlay_py_type *result;
    /*
     * The room of a call by the table: PyObject *given[nparams], void
     * *values[nslots], the values, the result; in bytes.
     */
    size_t room, result_offset;
    /* Strong, as long as the plan. */
    PyObject *name; /* "add", "counter.add": as messages and pickle say it */
    PyObject *leaf; /* "add" */
    PyObject *doc;  /* str or None */
    PyObject *gone; /* why it can't be called any more; else NULL */
    bool method;    /* it is called on an object: inlay.Method */
    /*
     * Only `vectorcall` may make the call. CPython may read a function's
     * vectorcall, run other code, and then call it: whoever finds a plan
     * with this set that is not his own hands the call on.
     */
    bool detour;
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

/*
 * The plan of a function that is no more, or can't be called: calling it
 * raises RuntimeError with the text `why`. NULL with an exception.
 */
const struct inlay_py_plan *inlay_py_plan_create_gone(
    const struct inlay_py_plan *former,
    PyObject *why);

/*
 * The function calls `plan` from now on (a hot swap); calls that run go on
 * with the one they began with. Both have the same name.
 */
void inlay_py_function_swap(struct inlay_py_function *self,
                            const struct inlay_py_plan *plan);

/* A new inlay.Function, or inlay.Method. */
PyObject *inlay_py_function_create(const struct inlay_py_plan *plan);

/* args.c - the cheapest way to call that does what the function asks for. */
vectorcallfunc inlay_py_call_choose(const struct inlay_func *func);

/* Has it an inlay_db *? */
bool inlay_py_takes_db(const struct inlay_func *func);

/* args.c - does it take or give what only the server has? A call from Python
 * is a TypeError then. */
bool inlay_py_is_for_requests(const struct inlay_func *func);

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

/* flat.c - the handler for numbers and structs of numbers, or NULL. */
vectorcallfunc inlay_py_flat_find(const struct inlay_func *func);

/*
 * For both, when the call used its arena or failed: its error counts, not
 * the value, which is returned or dropped.
 */
PyObject *inlay_py_exact_settle(const struct inlay_py_plan *plan,
                                struct inlay_context *context,
                                PyObject *value);

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

typedef void (*inlay_py_invoke)(const struct inlay_py_running *running);

/* All three, by `invoke`. NULL with an exception. */
PyObject *inlay_py_running_call(const struct inlay_py_plan *plan,
                                PyObject *const *args,
                                size_t nargs,
                                PyObject *kwnames,
                                inlay_py_invoke invoke);

/*
 * db_call.c - `invoke` of a function with databases: they begin before it and
 * end behind it, on the thread of the call. And how Python calls one: with the
 * GIL but while it waits, or (INLAY_NOGIL) without.
 */
void inlay_py_db_invoke(const struct inlay_py_running *running);
PyObject *inlay_py_db_call(PyObject *callable,
                           PyObject *const *args,
                           size_t nargsf,
                           PyObject *kwnames);
PyObject *inlay_py_db_call_unlocked(PyObject *callable,
                                    PyObject *const *args,
                                    size_t nargsf,
                                    PyObject *kwnames);

/* Room for one in a call: its bytes. */
size_t inlay_py_db_room(void);

/* signature.c - all return a new reference, or NULL with an exception. */
PyObject *inlay_py_annotations(const struct inlay_py_plan *plan);
PyObject *inlay_py_signature(const struct inlay_py_plan *plan);
PyObject *inlay_py_text_signature(const struct inlay_py_plan *plan);
PyObject *inlay_py_function_repr(PyObject *self);
PyObject *inlay_py_file_name(const struct inlay_source *decl); /* "fast.c" */

#endif
