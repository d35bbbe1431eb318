/*
 * state.h - everything that lives as long as the extension module: types,
 * exceptions, the modules that were loaded. There is no other shared state.
 *
 * To add a part (a type, a function of `_core`): write its
 * `int inlay_py_<part>_init(PyObject *module, struct inlay_py_state *state)`
 * (-1 with an exception set), add one line to INLAY_PY_PARTS, and one to
 * INLAY_PY_REFS for each Python object that it keeps in the state.
 */
#ifndef INLAY_PY_STATE_H
#define INLAY_PY_STATE_H

#include "py/py.h"

#include <pthread.h>

#include "load/module.h"
#include "py/asgi.h"

/* Run in this order when `inlay._core` is imported. */
#define INLAY_PY_PARTS(X)                                                      \
    X(errors)                                                                  \
    X(frames)                                                                  \
    X(structs)                                                                 \
    X(arrays)                                                                  \
    X(functions)                                                               \
    X(objects)                                                                 \
    X(attributes)                                                              \
    X(modules)                                                                 \
    X(async)                                                                   \
    X(databases)                                                               \
    X(db)                                                                      \
    X(server)                                                                  \
    X(metrics)

/* Strong references; traversed and cleared with the module. */
#define INLAY_PY_REFS(X)                                                       \
    X(PyTypeObject, function_type)                                             \
    X(PyTypeObject, method_type)                                               \
    X(PyTypeObject, object_type) /* base of the classes of handles */          \
    X(PyTypeObject,                                                            \
      attribute_type)            /* what those classes work out: handle.c */   \
    X(PyTypeObject, struct_type) /* base of all struct classes */              \
    X(PyTypeObject, array_type)  /* inlay.Array */                             \
    X(PyTypeObject, module_type) /* NativeModule */                            \
    X(PyTypeObject, call_type)   /* inlay.Call */                              \
    X(PyTypeObject, metrics_type)                                              \
    X(PyTypeObject, lane_type)  /* lane.c */                                   \
    X(PyTypeObject, order_type) /* db.c */                                     \
    X(PyTypeObject, hold_type)                                                 \
    X(PyTypeObject, listener_type) /* db_listen.c */                           \
    X(PyObject, db_adapt)          /* inlay.database_values.adapt */           \
    X(PyObject, lanes)             /* WeakKeyDictionary: loop -> lane */       \
    X(PyObject, get_running_loop)                                              \
    X(PyObject, async_marks) /* attributes of coroutine functions */           \
    X(PyObject, module_list) /* list of NativeModule */                        \
    X(PyObject, error)       /* inlay.Error */                                 \
    X(PyObject, keywords)    /* frozenset of Python's keywords */              \
    X(PyObject, uuid_type)   /* uuid.UUID; NULL until it is needed */

#define INLAY_PY_COUNT_(name, status, text, exception) +1
enum { INLAY_PY_ERROR_KINDS = 0 INLAY_ERROR_KINDS(INLAY_PY_COUNT_) };
#undef INLAY_PY_COUNT_

struct inlay_py_state {
#define INLAY_PY_REF_(type, name) type *name;
    INLAY_PY_REFS(INLAY_PY_REF_)
#undef INLAY_PY_REF_
    PyObject *errors[INLAY_PY_ERROR_KINDS]; /* [kind - 1]: inlay.NotFound… */
    /* Of every loaded module, in the order of import; one per name. */
    struct inlay_module **modules;
    size_t nmodules, modules_size;
    struct inlay_py_class *classes; /* of C objects; handle.h */
    pthread_key_t thread_key;       /* struct inlay_py_thread, see frame.h */
    bool has_thread_key;
    struct inlay_asgi_state asgi;
    void *datetime; /* PyDateTime_CAPI; NULL until it is needed */
};

#define INLAY_PY_PART_(part)                                                   \
    int inlay_py_##part##_init(PyObject *module, struct inlay_py_state *state);
INLAY_PY_PARTS(INLAY_PY_PART_)
#undef INLAY_PY_PART_

static inline struct inlay_py_state *inlay_py_state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

/*
 * Every module that was imported, with its routes; the array is the state's
 * and valid until the next import. Hold the GIL.
 */
static inline size_t inlay_py_modules(const struct inlay_py_state *state,
                                      struct inlay_module *const **ret)
{
    *ret = state->modules;
    return state->nmodules;
}

#endif
