/*
 * struct_in.c - Python -> C: structs by value and behind pointers. Whatever
 * has the fields will do, but for a struct that C may change: that has to be
 * an instance of its class, into which it is read back (struct_out.c).
 */
#include "py/convert.h"
#include "py/rules.h"
#include "py/structimage.h"

#include "base/banned.h"

#define IN                                                                     \
    const struct inlay_py_conversion *conversion,                              \
        const struct inlay_py_type *type, PyObject *value, void *at,           \
        const struct inlay_py_place *place

/*
 * The value of a field, a new reference. NULL without an exception: there is
 * none.
 */
static PyObject *field_of(PyObject *value,
                          const struct inlay_py_record *record,
                          size_t i)
{
    PyObject *field;

    if (inlay_py_struct_check(value, record))
        return Py_XNewRef(((struct inlay_py_struct *)value)->values[i]);
    if (PyDict_Check(value))
        return inlay_py_dict_get(value, record->names[i]);
    field = PyObject_GetAttr(value, record->names[i]);
    if (!field && PyErr_ExceptionMatches(PyExc_AttributeError))
        PyErr_Clear();
    return field;
}

/* `name` is a field that has to be there; NULL: it has none of them. */
static int missing_field(IN, PyObject *name)
{
    const char *class = type->record->type->tp_name;

    (void)at;
    if (name &&
        (PyDict_Check(value) || inlay_py_struct_check(value, type->record)))
        return inlay_py_fail(conversion, place, PyExc_TypeError,
                             "missing field %R", name);
    if (!name)
        return inlay_py_fail(conversion, place, PyExc_TypeError,
                             "expected %s, a dict or an object with its "
                             "fields, got %.100s",
                             class, Py_TYPE(value)->tp_name);
    return inlay_py_fail(conversion, place, PyExc_TypeError,
                         "expected %s, a dict or an object with its fields, "
                         "got %.100s without %R",
                         class, Py_TYPE(value)->tp_name, name);
}

static int field_in(IN, size_t i, bool *found)
{
    const struct inlay_py_record *record = type->record;
    struct inlay_py_place inner = {.outer = place, .name = record->names[i]};
    _cleanup_decref_ PyObject *item = field_of(value, record, i);

    if (item) {
        *found = true;
        return inlay_py_in(conversion, record->types[i], item,
                           (char *)at + type->c->fields[i].offset, &inner);
    }
    if (PyErr_Occurred())
        return -1;
    if (inlay_type_omissible(record->types[i]->c))
        return 0;
    return missing_field(conversion, type, value, at, place, record->names[i]);
}

/* Of an instance. Its numbers are read where they are: that runs no code. */
static int own_fields_in(IN)
{
    const struct inlay_py_struct *self = (struct inlay_py_struct *)value;
    const struct inlay_field *fields = type->c->fields;
    bool found;

    for (size_t i = 0; i < type->record->nfields; i++) {
        PyObject *item = self->values[i];

        if (!(item && inlay_py_quick_in(fields[i].type, item,
                                        (char *)at + fields[i].offset)) &&
            field_in(conversion, type, value, at, place, i, &found) < 0)
            return -1;
    }
    return 0;
}

static int fields_in(IN)
{
    bool found = PyDict_Check(value);

    if (inlay_py_struct_check(value, type->record))
        return own_fields_in(conversion, type, value, at, place);
    for (size_t i = 0; i < type->record->nfields; i++)
        if (field_in(conversion, type, value, at, place, i, &found) < 0)
            return -1;
    /* All fields may be absent: still 5 is no such struct. */
    return found ? 0 : missing_field(conversion, type, value, at, place, NULL);
}

/* As C has it already. The texts are held: the fields may be set. */
static int image_in(IN)
{
    const struct inlay_py_image *layout = type->record->image;
    PyObject *const *values = ((struct inlay_py_struct *)value)->values;

    (void)place;
    memcpy(at, (char *)value + layout->offset, type->c->size);
    for (size_t i = 0; i < layout->ntexts; i++)
        if (inlay_py_frame_keep(conversion->frame,
                                values[layout->texts[i].field]) < 0)
            return -1;
    return 0;
}

/* What it must be, besides. */
static int rules_in(IN)
{
    const struct inlay_py_record *record = type->record;

    if (type->c->strict && PyDict_Check(value) &&
        inlay_py_rules_keys(conversion, record, value, place) < 0)
        return -1;
    return inlay_py_rules_struct(conversion, type, at, place);
}

int inlay_py_struct_in(IN)
{
    struct inlay_py_struct *self = (struct inlay_py_struct *)value;

    if (type->record->image && inlay_py_struct_check(value, type->record) &&
        (self->fresh || inlay_py_image_pack(self)))
        return image_in(conversion, type, value, at, place);
    /* Padding too: C may compare or hash the bytes. */
    memset(at, 0, type->c->size);
    if (inlay_likely(type->record->flat && !type->record->rules))
        return fields_in(conversion, type, value, at, place);
    if (Py_EnterRecursiveCall(" while a struct is converted"))
        return -1;
    int result = fields_in(conversion, type, value, at, place);
    if (result == 0 && type->record->rules)
        result = rules_in(conversion, type, value, at, place);
    Py_LeaveRecursiveCall();
    return result;
}

/* By class: generations of a module have records of their own. */
static struct inlay_py_lent *find_lent(const struct inlay_py_frame *frame,
                                       PyObject *instance,
                                       const struct inlay_py_record *record)
{
    struct inlay_py_lent *lent = frame->lent;

    while (lent && (lent->instance != instance ||
                    lent->type->record->type != record->type))
        lent = lent->next;
    return lent;
}

/*
 * The struct of an instance, in memory of the frame. It is known before its
 * fields are read: one of them may lead back to it.
 */
static int lend(IN)
{
    struct inlay_py_frame *frame = conversion->frame;
    const struct inlay_py_type *elem = type->elem;
    size_t size = elem->c->size;
    struct inlay_py_lent *lent = inlay_py_frame_alloc(frame, sizeof(*lent));
    char *memory = inlay_py_frame_alloc(frame, 2 * (size ? size : 1));
    struct inlay_py_conversion inner = *conversion;

    if (!lent || !memory || inlay_py_frame_keep(frame, value) < 0)
        return -1;
    *lent = (struct inlay_py_lent){
        .next = frame->lent,
        .instance = value,
        .type = elem,
        .at = memory,
        .before = memory + size,
        .name = place->name,
        .changes = !type->c->elem_const,
    };
    frame->lent = lent;
    inner.lends = true;
    *(void **)at = memory;
    if (inlay_py_struct_in(&inner, elem, value, memory, place) < 0)
        return -1;
    memcpy(memory + size, memory, size);
    return 0;
}

int inlay_py_pointer_in(IN)
{
    const struct inlay_py_record *record = type->elem->record;
    struct inlay_py_frame *frame = conversion->frame;
    bool instance = inlay_py_struct_check(value, record);

    if (value == Py_None) {
        *(void **)at = NULL;
        return type->required
                   ? inlay_py_mismatch(conversion, type, value, place)
                   : 0;
    }
    if (type->lent && !instance)
        return inlay_py_fail(conversion, place, PyExc_TypeError,
                             "C changes it: pass a %s, not %.100s",
                             record->type->tp_name, Py_TYPE(value)->tp_name);
    struct inlay_py_lent *lent =
        instance ? find_lent(frame, value, record) : NULL;
    if (lent) {
        lent->changes |= !type->c->elem_const;
        *(void **)at = lent->at;
        return 0;
    }
    if (instance && (type->lent || conversion->lends))
        return lend(conversion, type, value, at, place);
    void *memory = inlay_py_frame_alloc(frame, type->elem->c->size);
    if (!memory)
        return -1;
    *(void **)at = memory;
    return inlay_py_struct_in(conversion, type->elem, value, memory, place);
}
