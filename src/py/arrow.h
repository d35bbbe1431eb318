/*
 * arrow.h - the Arrow C data interface: its structs, as
 * https://arrow.apache.org/docs/format/CDataInterface.html lays them down,
 * and Python objects that offer them by the PyCapsule protocol (pyarrow,
 * polars, inlay.Array). Hold the GIL.
 */
#ifndef INLAY_PY_ARROW_H
#define INLAY_PY_ARROW_H

#include "py/py.h"

#include "py/convert.h"

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
    const char *format, *name, *metadata;
    int64_t flags, n_children;
    struct ArrowSchema **children, *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children, *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

#endif

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

#endif

/* Arrow data of a Python object; all of it is the frame's. */
struct inlay_py_arrow {
    struct ArrowSchema *schema;
    struct ArrowArray **chunks;
    size_t nchunks;
};

/*
 * What `value` offers by __arrow_c_array__ or __arrow_c_stream__, of which
 * no more than `most` chunks are read. 1: `ret` is set; 0: it offers
 * nothing; -1 with an exception.
 */
int inlay_py_arrow_open(const struct inlay_py_conversion *conversion,
                        PyObject *value,
                        size_t most,
                        const struct inlay_py_place *place,
                        struct inlay_py_arrow *ret);

/*
 * arrow_slice.c - Arrow data as a slice: numbers without nulls, in one chunk,
 * for a slice of const, as they lie; else a copy in the frame's memory. 1:
 * done; 0: `value` offers no Arrow data; -1 with an exception.
 */
int inlay_py_arrow_slice_in(const struct inlay_py_conversion *conversion,
                            const struct inlay_py_type *type,
                            PyObject *value,
                            void *at,
                            const struct inlay_py_place *place);

/*
 * Capsules that own an empty struct, to be filled in: what that then holds
 * is released with the capsule, unless it was moved out.
 */
PyObject *inlay_py_arrow_schema_capsule(struct ArrowSchema **ret);
PyObject *inlay_py_arrow_array_capsule(struct ArrowArray **ret);

/*
 * An ARROW_ARRAY parameter: writes the struct ArrowArray * to `at` and the
 * struct ArrowSchema * behind it (16 bytes in all). Both are the frame's; C
 * may move what they hold out, by setting `release` to NULL in them.
 */
int inlay_py_arrow_in(const struct inlay_py_conversion *conversion,
                      const struct inlay_py_type *type,
                      PyObject *value,
                      void *at,
                      const struct inlay_py_place *place);

#endif
