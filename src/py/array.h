/*
 * array.h - inlay.Array: memory of an inlay_array that Python took over. The
 * memory has a count of its own: Arrow consumers may give their share back
 * on any thread, without the GIL.
 */
#ifndef INLAY_PY_ARRAY_H
#define INLAY_PY_ARRAY_H

#include "py/py.h"

#include <stdatomic.h>

#include "py/convert.h"

/* What arrays, their views and Arrow exports share. Any thread. */
struct inlay_py_memory {
    atomic_size_t references;
    void *ptr; /* inlay_malloc'ed */
};

/*
 * Takes over `ptr`, also when it fails; one reference. NULL with MemoryError
 * (for a NULL `ptr` too).
 */
struct inlay_py_memory *inlay_py_memory_create(void *ptr);
struct inlay_py_memory *inlay_py_memory_retain(struct inlay_py_memory *memory);
void inlay_py_memory_release(struct inlay_py_memory *memory);

struct inlay_py_array {
    PyObject_HEAD
    struct inlay_py_memory *memory;
    char *items;               /* within the memory */
    Py_ssize_t len, size;      /* elements; bytes of one */
    struct inlay_py_type elem; /* numbers and structs of them */
    char *format;              /* PEP 3118, inlay_malloc'ed; NULL: not yet */
    PyObject *weakrefs;
};

/*
 * The OWNED value at `at` as a new inlay.Array, which takes its memory over
 * from the call. ValueError when that is not of inlay_array, or too short.
 */
PyObject *inlay_py_array_out(const struct inlay_py_conversion *conversion,
                             const struct inlay_py_type *type,
                             const void *at,
                             const struct inlay_py_place *place);

/* arrow_out.c - __arrow_c_array__ and __arrow_c_schema__ of it. */
PyObject *inlay_py_array_export(struct inlay_py_array *self);
PyObject *inlay_py_array_export_schema(struct inlay_py_array *self);

#endif
