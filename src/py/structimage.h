/*
 * structimage.h - the C struct within an instance. A struct of a few numbers
 * and texts lies, as C has it, behind the values of its instance: C gets it
 * without reading the values, and of what C gave a number becomes a value
 * when somebody asks for it. Hold the GIL.
 */
#ifndef INLAY_PY_STRUCTIMAGE_H
#define INLAY_PY_STRUCTIMAGE_H

#include "py/py.h"

#include "py/convert.h"
#include "py/structtype.h"

enum {
    INLAY_PY_IMAGE_FIELDS = 8,
    INLAY_PY_IMAGE_WORDS = 16, /* eight texts */
};

/* Where the struct lies in the instances of a record. */
struct inlay_py_image {
    size_t offset; /* a multiple of 16 */
    size_t ntexts;
    struct inlay_py_image_text {
        uint32_t field;
        uint32_t offset; /* within the struct */
    } texts[INLAY_PY_IMAGE_FIELDS];
    uint64_t mask[INLAY_PY_IMAGE_WORDS]; /* 0 where there is padding */
};

/* Text that C has for the time of a call, and the str that it is of. */
struct inlay_py_texts {
    size_t count;
    struct {
        PyObject *object; /* strong, exactly a str */
        struct inlay_str text;
    } held[INLAY_PY_IMAGE_FIELDS];
};

/* Can instances of this struct have one? A number or text be in it? */
bool inlay_py_image_suits(const struct inlay_type *c);
bool inlay_py_image_suits_field(const struct inlay_type *c);

/* Sets record->image if the struct suits. -1 with MemoryError. */
int inlay_py_image_lay(struct inlay_py_module *module,
                       struct inlay_py_record *record);

/* The descriptor of a field; its index is the closure. */
PyObject *inlay_py_image_get(PyObject *object, void *index);
int inlay_py_image_set(PyObject *object, PyObject *value, void *index);

/*
 * Makes an instance fresh: then the struct at record->image->offset is what
 * C is given, a copy as fields may be set meanwhile; its texts are those of
 * the values. False without an exception: a value is missing or not just of
 * its type.
 */
bool inlay_py_image_pack(struct inlay_py_struct *self);

/* A str of `texts` that is just this text, as a new reference; or NULL. */
static inline PyObject *inlay_py_texts_find(const struct inlay_py_texts *texts,
                                            const struct inlay_str *text)
{
    for (size_t i = 0; i < texts->count; i++)
        if (texts->held[i].text.ptr == text->ptr &&
            texts->held[i].text.len == text->len)
            return Py_NewRef(texts->held[i].object);
    return NULL;
}

/*
 * A new instance of a record with an image, as inlay_py_out. Text of `texts`
 * is the same str again.
 */
PyObject *inlay_py_image_out(const struct inlay_py_conversion *conversion,
                             const struct inlay_py_type *type,
                             const void *at,
                             const struct inlay_py_place *place,
                             const struct inlay_py_texts *texts);

#endif
