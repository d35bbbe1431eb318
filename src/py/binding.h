/*
 * binding.h - a loaded module as Python sees it: each C type with its struct
 * class. Made once at import, then read by conversions. Lives for ever, as
 * the module does. Hold the GIL.
 */
#ifndef INLAY_PY_BINDING_H
#define INLAY_PY_BINDING_H

#include "py/py.h"

#include "base/arena.h"
#include "load/module.h"
#include "py/state.h"

/* A type of the waist, and what Python needs besides. */
struct inlay_py_type {
    const struct inlay_type *c;
    /* SLICE, OWNED, OPTIONAL, ARRAY, POINTER */
    const struct inlay_py_type *elem;
    union {
        struct inlay_py_record *record;     /* STRUCT */
        struct inlay_py_enum *enumeration;  /* ENUM: binding.c */
        struct inlay_py_object *object;     /* HANDLE: handle.h */
        struct inlay_py_signature *closure; /* CALLBACK: closure.h */
    };
    struct inlay_py_type *next;       /* of the module's types */
};

/* A struct and its class. */
struct inlay_py_record {
    const struct inlay_type *c;
    PyTypeObject *type; /* strong */
    size_t nfields;
    PyObject **names; /* interned; `from` is `from_` here */
    const struct inlay_py_type **types;
    struct inlay_py_record *next; /* of the module's records */
};

struct inlay_py_module {
    struct inlay_py_state *state;
    struct inlay_module *native;
    PyObject *name; /* str */
    struct inlay_arena arena;
    struct inlay_py_type *types;
    struct inlay_py_record *records;
};

/* NULL with an exception. The same type gives the same object. */
const struct inlay_py_type *inlay_py_type_bind(struct inlay_py_module *module,
                                               const struct inlay_type *type);

/*
 * A C name as Python can use it: `from` -> `from_`; an empty one is made up
 * from its position. Interned.
 */
PyObject *inlay_py_identifier(struct inlay_py_state *state,
                              struct inlay_str name,
                              size_t position);

/* Zeroed memory of the module; NULL with MemoryError. */
void *inlay_py_module_alloc(struct inlay_py_module *module,
                            size_t count,
                            size_t size);

/* int, list[user], user | None…: what an annotation says (a new reference). */
PyObject *inlay_py_type_annotation(const struct inlay_py_type *type);

#endif
