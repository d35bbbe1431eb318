/*
 * flat.c - the handler of functions that take and give numbers, text and
 * structs of those: as long as each argument is just what its type says, no
 * code of Python runs before the call and nothing is allocated, so there is no
 * frame and no place. Anything else: inlay_py_call.
 */
#include "py/callable.h"
#include "py/convert.h"
#include "py/structtype.h"

#include "base/banned.h"

#define ROOM 512
/* With more values this is no faster. */
#define TEXTS_MOST 8
#define FIELDS_MOST 8

/*
 * Text of fields: the C function may wait, and meanwhile another thread may
 * set the field.
 */
struct held {
    size_t count;
    PyObject *texts[TEXTS_MOST];
};

static inline void release(struct held *held)
{
    while (held->count > 0)
        Py_DECREF(held->texts[--held->count]);
}

static inline bool text_in(PyObject *value, void *at, struct held *held)
{
    if (!PyUnicode_CheckExact(value) || !PyUnicode_IS_COMPACT_ASCII(value))
        return false;
    *(struct inlay_str *)at =
        inlay_str_make((const char *)PyUnicode_1BYTE_DATA(value),
                       (size_t)PyUnicode_GET_LENGTH(value));
    held->texts[held->count++] = Py_NewRef(value);
    return true;
}

static inline bool leaf_in(const struct inlay_type *c,
                           PyObject *value,
                           void *at,
                           struct held *held)
{
    if (c->kind == INLAY_KIND_STR)
        return text_in(value, at, held);
    if (c->kind == INLAY_KIND_BOOL) {
        *(bool *)at = value == Py_True;
        return PyBool_Check(value);
    }
    return inlay_py_quick_in(c, value, at);
}

static inline bool struct_in(const struct inlay_py_type *type,
                             PyObject *value,
                             char *at,
                             struct held *held)
{
    const struct inlay_type *c = type->c;
    PyObject *const *values = ((struct inlay_py_struct *)value)->values;

    if (!inlay_py_struct_check(value, type->record))
        return false;
    /* Padding too; the room goes on behind it. */
    for (uint32_t i = 0; i < c->size; i += 8)
        memset(at + i, 0, 8);
    for (size_t i = 0; i < c->nfields; i++)
        if (!values[i] || !leaf_in(c->fields[i].type, values[i],
                                   at + c->fields[i].offset, held))
            return false;
    return true;
}

static inline bool params_in(const struct inlay_py_plan *plan,
                             PyObject *const *args,
                             char *room,
                             struct held *held)
{
    void **values = (void **)(void *)room + plan->nparams;

    for (size_t i = 0; i < plan->nparams; i++) {
        const struct inlay_py_type *type = plan->params[i].type;
        char *at = room + plan->params[i].offset;

        values[i] = at;
        if (inlay_unlikely(!(type->c->kind == INLAY_KIND_STRUCT
                                 ? struct_in(type, args[i], at, held)
                                 : leaf_in(type->c, args[i], at, held))))
            return false;
    }
    return true;
}

/* `field` is NULL for the result itself. */
static inline PyObject *leaf_out(const struct inlay_py_plan *plan,
                                 const struct inlay_py_type *type,
                                 const void *at,
                                 PyObject *field)
{
    const struct inlay_type *c = type->c;

    if (c->kind == INLAY_KIND_FLOAT && c->size == 8)
        return PyFloat_FromDouble(*(const double *)at);
    /* Unlike PyLong_FromLongLong it has a short way for one digit. */
    if (c->kind == INLAY_KIND_INT)
        return PyLong_FromLong((long)inlay_int_load(at, c->size));
    struct inlay_py_conversion conversion = {.function = plan->name};
    struct inlay_py_place outer = {.outer = NULL};
    struct inlay_py_place inner = {.outer = &outer, .name = field};
    return inlay_py_out(&conversion, type, at, field ? &inner : &outer);
}

static inline PyObject *result_out(const struct inlay_py_plan *plan,
                                   const char *at)
{
    const struct inlay_py_record *record = plan->result->record;
    const struct inlay_field *fields = plan->result->c->fields;
    struct inlay_py_struct *self;

    if (plan->result->c->kind != INLAY_KIND_STRUCT)
        return leaf_out(plan, plan->result, at, NULL);
    self = inlay_py_struct_alloc(record);
    for (size_t i = 0; self && i < record->nfields; i++) {
        self->values[i] = leaf_out(plan, record->types[i],
                                   at + fields[i].offset, record->names[i]);
        if (!self->values[i])
            Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static PyObject *call_flat(PyObject *callable,
                           PyObject *const *args,
                           size_t nargsf,
                           PyObject *kwnames)
{
    const struct inlay_py_plan *plan =
        ((struct inlay_py_function *)callable)->plan;
    struct inlay_context *context = inlay_context_current;
    struct held held = {.count = 0};
    _Alignas(16) char room[ROOM];
    void **values = (void **)(void *)room + plan->nparams;
    char *result = room + plan->result_offset;

    if (inlay_unlikely(kwnames ||
                       (size_t)PyVectorcall_NARGS(nargsf) != plan->nparams ||
                       plan->room > sizeof(room) || !context ||
                       context->dirty || !params_in(plan, args, room, &held))) {
        release(&held);
        return inlay_py_call(callable, args, nargsf, kwnames);
    }
    inlay_call_invoke(plan->callable->plan, plan->entry, values, result);
    PyObject *object = result_out(plan, result);
    if (inlay_unlikely(context->dirty))
        object = inlay_py_exact_settle(plan, context, object);
    release(&held);
    return object;
}

/* Can it be read without a call? `ntexts` counts those that are text. */
static bool is_leaf(const struct inlay_type *type, size_t *ntexts)
{
    *ntexts += type->kind == INLAY_KIND_STR;
    return (type->kind == INLAY_KIND_INT && type->size >= 4) ||
           (type->kind == INLAY_KIND_FLOAT && type->size == 8) ||
           type->kind == INLAY_KIND_BOOL || type->kind == INLAY_KIND_STR;
}

static bool is_flat(const struct inlay_type *type, size_t *ntexts)
{
    if (type->kind != INLAY_KIND_STRUCT)
        return is_leaf(type, ntexts);
    for (size_t i = 0; i < type->nfields; i++)
        if (!is_leaf(type->fields[i].type, ntexts))
            return false;
    return type->nfields <= FIELDS_MOST;
}

vectorcallfunc inlay_py_flat_find(const struct inlay_func *func)
{
    size_t ntexts = 0, ignored = 0;

    if (func->result->kind != INLAY_KIND_VOID &&
        !is_flat(func->result, &ignored))
        return NULL;
    for (size_t i = 0; i < func->nparams; i++)
        if (!is_flat(func->params[i].type, &ntexts))
            return NULL;
    return ntexts <= TEXTS_MOST ? call_flat : NULL;
}
