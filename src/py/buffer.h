/*
 * buffer.h - arrays of others: numbers as they lie in memory, and the formats
 * of PEP 3118 that say how ("q", "T{q:id:d:score:}"). Hold the GIL.
 */
#ifndef INLAY_PY_BUFFER_H
#define INLAY_PY_BUFFER_H

#include "py/py.h"

#include "py/convert.h"

/* A number in foreign memory. */
struct inlay_py_item {
    enum inlay_kind kind; /* BOOL, INT, UINT, FLOAT; CHARS; VOID: others */
    uint32_t size;        /* 1, 2, 4 or 8; CHARS: any */
    bool swapped;         /* its bytes are in the other order */
};

/* Is it the very type `to`? */
static inline bool inlay_py_item_same(struct inlay_py_item from,
                                      const struct inlay_type *to)
{
    return from.kind == to->kind && from.size == to->size && !from.swapped;
}

/* May its values become `to` (each one still has to fit)? */
bool inlay_py_item_suits(struct inlay_py_item from,
                         const struct inlay_type *to);

/*
 * The number at `source` (any alignment) as a `to` that it suits. False when
 * `to` can't hold that value exactly: ints out of range, ints and doubles
 * that a FLOAT would round.
 */
bool inlay_py_item_store(struct inlay_py_item from,
                         const void *source,
                         const struct inlay_type *to,
                         void *at);

/*
 * `count` of them, which lie `from_stride` bytes apart, to where they are to
 * lie `stride` bytes apart. How many of them fitted: `count`, or the index
 * of the first that does not.
 */
size_t inlay_py_items_store(struct inlay_py_item from,
                            const void *source,
                            ptrdiff_t from_stride,
                            const struct inlay_type *to,
                            void *at,
                            size_t stride,
                            size_t count);

/* The number as a Python object. */
PyObject *inlay_py_item_object(struct inlay_py_item from, const void *source);

/* OverflowError for what inlay_py_item_store refused. Always -1. */
int inlay_py_item_fail(const struct inlay_py_conversion *conversion,
                       struct inlay_py_item from,
                       const void *source,
                       const struct inlay_py_type *to,
                       const struct inlay_py_place *place);

/* "int", "float"…: of what kind it is, for messages. */
const char *inlay_py_item_text(struct inlay_py_item from);

/*
 * The elements of a buffer as a slice: the very memory when they are of the
 * slice's type (and may be written, unless its elements are const), else a
 * copy in the frame's memory. 1: done; 0: the buffer is of no use, but its
 * elements may be; -1 with an exception.
 */
int inlay_py_buffer_in(const struct inlay_py_conversion *conversion,
                       const struct inlay_py_type *type,
                       PyObject *value,
                       void *at,
                       const struct inlay_py_place *place);

/* The slice {ptr, len} at `at`. */
void inlay_py_slice_store(const struct inlay_type *c,
                          void *at,
                          const void *ptr,
                          size_t len);

/*
 * The format of an Array's elements, with its padding; inlay_malloc'ed. NULL
 * with MemoryError.
 */
char *inlay_py_format_write(const struct inlay_type *type);

#endif
