/*
 * handle.h - C's object idiom as a class: struct counter * with counter_new,
 * counter_free and counter_…. Hold the GIL.
 *
 * An instance owns its pointer: counter_free is called once, by close(), the
 * end of a with-block or the end of the instance. While a call has it, it is
 * pinned and can't be closed. A pointer that C gives back is the instance
 * that owns it; an unknown one gets a new instance, which owns it unless C
 * says const: then it is lent, by the first object that the call was given.
 *
 * A class outlives its code: after a hot swap it has the new methods and the
 * new constructor. An instance is freed by the code that made it, and meets
 * other code only if the layout of its struct is known to be the same.
 */
#ifndef INLAY_PY_HANDLE_H
#define INLAY_PY_HANDLE_H

#include "py/py.h"

#include "py/binding.h"
#include "py/convert.h"

struct inlay_py_instance {
    PyObject_HEAD
    struct inlay_py_class *class;
    /* Whose code made it; NULL: its constructor has not run. */
    const struct inlay_py_object *object;
    void *ptr;                      /* NULL: closed, or not made yet */
    struct inlay_py_instance *next; /* in its bucket of the class */
    size_t pins;                    /* calls that have it */
    bool borrowed;                  /* of const T: not freed, not changed */
    /*
     * Borrowed: the first object of the call that gave it, or NULL. It is kept,
     * and when it is closed, this one can't be used any more. Strong.
     */
    struct inlay_py_instance *lender;
    PyObject *weakrefs;
};

/* A class, through all generations of its module. Never freed. */
struct inlay_py_class {
    PyTypeObject *type; /* strong; NULL until the module is published */
    PyObject *name;     /* "fast.counter" */
    PyObject *leaf;     /* "counter" */
    /* Of the newest generation. */
    PyObject *create;    /* inlay.Function; NULL: it can't be called */
    PyObject *no_create; /* why it can't; or NULL */
    PyObject *members;   /* what the type has of it; or NULL */
    /* Live instances by pointer, each once; borrowed references. */
    struct inlay_py_instance **buckets;
    size_t nbuckets; /* a power of two */
    size_t count;
    struct inlay_py_class *next; /* of the state's */
};

/* One generation of it: what counter.c says. */
struct inlay_py_object {
    const struct inlay_object *c;
    struct inlay_py_module *module;
    struct inlay_py_class *class;
    const struct inlay_callable *destroy;
    struct inlay_str doc; /* the comment above the struct, or counter_new's */
    PyObject *create;     /* the next class->create, which gets `plan` */
    const struct inlay_py_plan *plan;
    PyObject *no_create;          /* the next class->no_create */
    PyObject *members;            /* {"add": Method, or why there is none} */
    struct inlay_py_object *next; /* of the module's */
};

/* --- handle.c: values ---------------------------------------------------- */

/* Sets type->object; type->c is a HANDLE. -1 with an exception. */
int inlay_py_handle_bind(struct inlay_py_module *module,
                         struct inlay_py_type *type);

/* The class (a new reference), `counter | None` unless type->required. */
PyObject *inlay_py_handle_annotation(const struct inlay_py_type *type);

/* For inlay_py_in and inlay_py_out. */
int inlay_py_handle_in(const struct inlay_py_conversion *conversion,
                       const struct inlay_py_type *type,
                       PyObject *value,
                       void *at,
                       const struct inlay_py_place *place);
PyObject *inlay_py_handle_out(const struct inlay_py_conversion *conversion,
                              const struct inlay_py_type *type,
                              const void *at,
                              const struct inlay_py_place *place);

/*
 * The result of a call that went well, and that nobody wants any more: what
 * it gives away is freed. Does nothing to types that are no HANDLE.
 */
void inlay_py_handle_drop(const struct inlay_py_type *type, const void *at);

/*
 * A class of handles; the first one is the base of the others. CPython 3.10
 * keeps the pointer to the name. NULL with an exception.
 */
PyTypeObject *inlay_py_handle_type(struct inlay_py_state *state,
                                   PyObject *module,
                                   const char *name,
                                   const char *doc);

/* counter(…), as its type's tp_vectorcall. */
PyObject *inlay_py_handle_create(PyObject *type,
                                 PyObject *const *args,
                                 size_t nargsf,
                                 PyObject *kwnames);

/* --- handleclass.c: classes ---------------------------------------------- */

/* The module's generation of `c`, made when it is new. NULL: exception. */
struct inlay_py_object *inlay_py_object_bind(struct inlay_py_module *module,
                                             const struct inlay_object *c);

/*
 * What a function of the idiom is to its class: `value` is its Function or
 * Method, which has or gets `plan`; or a str: why it can't be called. -1 with
 * an exception.
 */
int inlay_py_object_add(struct inlay_py_object *object,
                        const struct inlay_func *func,
                        const struct inlay_py_plan *plan,
                        PyObject *value);

/*
 * When all functions are there: makes the classes that are new and puts all
 * into `names`. Classes of the former generation stay as they are. -1 with
 * an exception.
 */
int inlay_py_objects_publish(struct inlay_py_module *module, PyObject *names);

/*
 * From now on classes have this generation's constructor and methods. -1 with
 * an exception, when there is no memory.
 */
int inlay_py_objects_commit(struct inlay_py_module *module);

#endif
