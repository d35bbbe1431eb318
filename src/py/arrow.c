/*
 * arrow.c - the PyCapsule protocol of Arrow: capsules of others, ours, and
 * parameters that are a struct ArrowArray *.
 */
#include "py/arrow.h"

#include "base/mem.h"
#include "py/errors.h"

#include "base/banned.h"

#define SCHEMA "arrow_schema"
#define ARRAY "arrow_array"
#define STREAM "arrow_array_stream"

/* As the specification has it: what has no `release` is no one's. */
#define DEFINE_CAPSULE(kind, T, NAME)                                          \
    static void destroy_##kind(PyObject *capsule)                              \
    {                                                                          \
        T *held = PyCapsule_GetPointer(capsule, NAME);                         \
                                                                               \
        if (held && held->release)                                             \
            held->release(held);                                               \
        inlay_free(held);                                                      \
    }                                                                          \
                                                                               \
    PyObject *inlay_py_arrow_##kind##_capsule(T **ret)                         \
    {                                                                          \
        T *held = inlay_calloc(1, sizeof(*held));                              \
        PyObject *capsule = held ? PyCapsule_New(held, NAME, destroy_##kind)   \
                                 : PyErr_NoMemory();                           \
                                                                               \
        if (capsule)                                                           \
            *ret = held;                                                       \
        else                                                                   \
            inlay_free(held);                                                  \
        return capsule;                                                        \
    }

DEFINE_CAPSULE(schema, struct ArrowSchema, SCHEMA)
DEFINE_CAPSULE(array, struct ArrowArray, ARRAY)

/* A method without arguments; NULL without an exception: there is none. */
static PyObject *call_method(PyObject *value, const char *name)
{
    _cleanup_decref_ PyObject *method = PyObject_GetAttrString(value, name);

    if (!method) {
        if (PyErr_ExceptionMatches(PyExc_AttributeError))
            PyErr_Clear();
        return NULL;
    }
    return PyObject_CallNoArgs(method);
}

static int wrong_capsule(const struct inlay_py_conversion *conversion,
                         PyObject *value,
                         const char *method,
                         const struct inlay_py_place *place)
{
    PyErr_Clear();
    return inlay_py_fail(conversion, place, PyExc_TypeError,
                         "%.100s.%s() did not return what Arrow's PyCapsule "
                         "interface asks for",
                         Py_TYPE(value)->tp_name, method);
}

static int open_array(const struct inlay_py_conversion *conversion,
                      PyObject *value,
                      PyObject *pair,
                      const struct inlay_py_place *place,
                      struct inlay_py_arrow *ret)
{
    struct ArrowSchema *schema = NULL;
    struct ArrowArray *array = NULL;

    if (PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) == 2) {
        schema = PyCapsule_GetPointer(PyTuple_GET_ITEM(pair, 0), SCHEMA);
        if (schema)
            array = PyCapsule_GetPointer(PyTuple_GET_ITEM(pair, 1), ARRAY);
    }
    if (!array || !schema->release || !array->release)
        return wrong_capsule(conversion, value, "__arrow_c_array__", place);
    ret->chunks = inlay_py_frame_alloc(conversion->frame, sizeof(*ret->chunks));
    /* The tuple keeps the capsules, which keep the data. */
    if (!ret->chunks || inlay_py_frame_keep(conversion->frame, pair) < 0)
        return -1;
    ret->schema = schema;
    ret->chunks[0] = array;
    ret->nchunks = 1;
    return 1;
}

/*
 * Without the GIL: the producer may wait for threads of its own that want it
 * (pyarrow does, for a file of Python's). Callbacks that need it take it.
 */
static int stream_get(struct ArrowArrayStream *stream,
                      struct ArrowSchema *schema,
                      struct ArrowArray *array)
{
    int code;

    Py_BEGIN_ALLOW_THREADS code = schema ? stream->get_schema(stream, schema)
                                         : stream->get_next(stream, array);
    Py_END_ALLOW_THREADS return code;
}

static int stream_fail(const struct inlay_py_conversion *conversion,
                       struct ArrowArrayStream *stream,
                       int code,
                       const struct inlay_py_place *place)
{
    const char *text =
        stream->get_last_error ? stream->get_last_error(stream) : NULL;
    _cleanup_decref_ PyObject *message =
        inlay_py_text(inlay_str_from(text ? text : strerror(code)));

    return message ? inlay_py_fail(conversion, place, PyExc_RuntimeError,
                                   "its Arrow stream failed: %U", message)
                   : -1;
}

/* The next chunk, kept by the frame; 0 at the end of the stream. */
static int next_chunk(const struct inlay_py_conversion *conversion,
                      struct ArrowArrayStream *stream,
                      const struct inlay_py_place *place,
                      struct ArrowArray **ret)
{
    _cleanup_decref_ PyObject *capsule = inlay_py_arrow_array_capsule(ret);

    if (!capsule)
        return -1;
    int code = stream_get(stream, NULL, *ret);
    if (code)
        return stream_fail(conversion, stream, code, place);
    if (!(*ret)->release)
        return 0;
    return inlay_py_frame_keep(conversion->frame, capsule) < 0 ? -1 : 1;
}

/* The array of chunks doubles: what it leaves behind goes with the frame. */
static int add_chunk(const struct inlay_py_conversion *conversion,
                     struct inlay_py_arrow *arrow,
                     struct ArrowArray *chunk)
{
    size_t count = arrow->nchunks;

    if ((count & (count - 1)) == 0) {
        struct ArrowArray **grown = inlay_py_frame_alloc(
            conversion->frame, 2 * (count ? count : 1) * sizeof(*grown));
        if (!grown)
            return -1;
        if (count)
            memcpy(grown, arrow->chunks, count * sizeof(*grown));
        arrow->chunks = grown;
    }
    arrow->chunks[arrow->nchunks++] = chunk;
    return 0;
}

static int read_stream(const struct inlay_py_conversion *conversion,
                       struct ArrowArrayStream *stream,
                       size_t most,
                       const struct inlay_py_place *place,
                       struct inlay_py_arrow *ret)
{
    struct ArrowArray *chunk;
    _cleanup_decref_ PyObject *schema =
        inlay_py_arrow_schema_capsule(&ret->schema);

    if (!schema)
        return -1;
    int code = stream_get(stream, ret->schema, NULL);
    if (code)
        return stream_fail(conversion, stream, code, place);
    if (!ret->schema->release)
        return inlay_py_fail(conversion, place, PyExc_ValueError,
                             "broken Arrow data: a stream without a schema");
    if (inlay_py_frame_keep(conversion->frame, schema) < 0)
        return -1;
    ret->chunks = NULL;
    ret->nchunks = 0;
    while (ret->nchunks < most) {
        int more = next_chunk(conversion, stream, place, &chunk);
        if (more < 0 || (more && add_chunk(conversion, ret, chunk) < 0))
            return -1;
        if (!more)
            break;
    }
    return 1;
}

static int open_stream(const struct inlay_py_conversion *conversion,
                       PyObject *value,
                       PyObject *capsule,
                       size_t most,
                       const struct inlay_py_place *place,
                       struct inlay_py_arrow *ret)
{
    struct ArrowArrayStream *stream = PyCapsule_GetPointer(capsule, STREAM);

    if (!stream || !stream->release || !stream->get_schema || !stream->get_next)
        return wrong_capsule(conversion, value, "__arrow_c_stream__", place);
    return read_stream(conversion, stream, most, place, ret);
}

int inlay_py_arrow_open(const struct inlay_py_conversion *conversion,
                        PyObject *value,
                        size_t most,
                        const struct inlay_py_place *place,
                        struct inlay_py_arrow *ret)
{
    _cleanup_decref_ PyObject *pair = call_method(value, "__arrow_c_array__");

    if (pair)
        return open_array(conversion, value, pair, place, ret);
    if (PyErr_Occurred())
        return -1;
    _cleanup_decref_ PyObject *capsule =
        call_method(value, "__arrow_c_stream__");
    if (capsule)
        return open_stream(conversion, value, capsule, most, place, ret);
    return PyErr_Occurred() ? -1 : 0;
}

int inlay_py_arrow_in(const struct inlay_py_conversion *conversion,
                      const struct inlay_py_type *type,
                      PyObject *value,
                      void *at,
                      const struct inlay_py_place *place)
{
    struct inlay_py_arrow arrow;
    int found = inlay_py_arrow_open(conversion, value, 2, place, &arrow);

    (void)type;
    if (found < 0)
        return -1;
    if (!found)
        return inlay_py_fail(conversion, place, PyExc_TypeError,
                             "expected an object with __arrow_c_array__, "
                             "got %.100s",
                             Py_TYPE(value)->tp_name);
    if (arrow.nchunks != 1)
        return inlay_py_fail(
            conversion, place, PyExc_TypeError,
            "expected one chunk of Arrow data, got %s: combine them first "
            "(combine_chunks() of pyarrow, rechunk() of polars)",
            arrow.nchunks ? "several" : "none");
    ((void **)at)[0] = arrow.chunks[0];
    ((void **)at)[1] = arrow.schema;
    return 0;
}
