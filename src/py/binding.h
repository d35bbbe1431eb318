/*
 * binding.h - a loaded module as Python sees it: each C type with its struct
 * or enum class. Made once at import, then read by conversions. Lives for
 * ever, as the module does. Hold the GIL.
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
        struct inlay_py_enum *enumeration;  /* ENUM */
        struct inlay_py_object *object;     /* HANDLE: handle.h */
        struct inlay_py_signature *closure; /* CALLBACK: closure.h */
        /* ARRAY: a slice of the same elements, for whatever has them. */
        const struct inlay_py_type *slice;
    };
    /* POINTER, CALLBACK, of a parameter: None is refused. */
    bool required;
    /* POINTER, of a parameter: C may change the struct. */
    bool lent;
    struct inlay_py_type *next; /* of the module's types */
};

/* A struct and its class. */
struct inlay_py_record {
    const struct inlay_type *c;
    PyTypeObject *type; /* strong */
    size_t nfields;
    PyObject **names; /* interned; `from` is `from_` here */
    const struct inlay_py_type **types;
    bool flat;    /* no field leads to further fields or elements */
    bool rules;   /* it has constraints, a check or is strict: rules.h */
    bool guarded; /* it has rules, or leads to a struct that has */
    struct inlay_py_state *state;
    struct inlay_py_spares *spares;     /* structtype.c */
    const struct inlay_py_image *image; /* structimage.h; NULL: none */
    struct inlay_py_record *next;       /* of the module's records */
};

/* An enum and its class. */
struct inlay_py_enum {
    const struct inlay_type *c;
    PyObject *type;             /* strong; an IntEnum */
    PyObject *members;          /* strong; {value: member} */
    PyObject *names;            /* strong; {name: member} */
    struct inlay_py_enum *next; /* of the module's enums */
};

struct inlay_py_module {
    struct inlay_py_state *state;
    struct inlay_module *native;
    PyObject *name; /* str */
    struct inlay_arena arena;
    /*
     * The one whose place it takes (a hot swap), or NULL: structs and enums
     * that are still the same keep their classes. Set before the first bind.
     */
    const struct inlay_py_module *previous;
    struct inlay_py_type *types;
    struct inlay_py_record *records;
    struct inlay_py_enum *enums;
    struct inlay_py_object *objects; /* handle.c */
};

/* NULL with an exception. The same type gives the same object. */
const struct inlay_py_type *inlay_py_type_bind(struct inlay_py_module *module,
                                               const struct inlay_type *type);

/*
 * The type as that of a parameter: a pointer is never NULL unless its
 * fallback is, and C may change what it points to. NULL with an exception.
 */
const struct inlay_py_type *inlay_py_param_bind(
    struct inlay_py_module *module,
    const struct inlay_param *param);

/*
 * Puts the classes of structs and enums into `names`, a dict. One whose name a
 * function has gets a "_" behind it, and `reasons` (name -> text) says so. -1
 * with an exception.
 */
int inlay_py_classes_publish(struct inlay_py_module *module,
                             PyObject *names,
                             PyObject *reasons);

/*
 * A C name as Python can use it: `from` -> `from_`; an empty one is made up
 * from its position. Interned.
 */
PyObject *inlay_py_identifier(struct inlay_py_state *state,
                              struct inlay_str name,
                              size_t position);

/*
 * The names of `count` members, each the first part of a C struct of `stride`
 * bytes; no two are the same: a renamed one gets another underscore. NULL
 * with an exception.
 */
PyObject **inlay_py_identifiers(struct inlay_py_module *module,
                                const void *members,
                                size_t stride,
                                size_t count);

/* Zeroed memory of the module; NULL with MemoryError. */
void *inlay_py_module_alloc(struct inlay_py_module *module,
                            size_t count,
                            size_t size);

/* int, list[user], user | None…: what an annotation says (a new reference). */
PyObject *inlay_py_type_annotation(const struct inlay_py_type *type);

#endif
