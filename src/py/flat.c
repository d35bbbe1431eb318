/*
 * flat.c - the handler of functions that take and give numbers, text and
 * structs of those: as long as each argument is just what its type says, no
 * code of Python runs before the call and nothing is allocated, so there is no
 * frame and no place. Anything else: inlay_py_call.
 */
#include "py/callable.h"
#include "py/convert.h"
#include "py/structimage.h"

#include "base/banned.h"

#define ROOM 512

static inline void release(struct inlay_py_texts *texts)
{
    while (texts->count > 0)
        Py_DECREF(texts->held[--texts->count].object);
}

/* The C function may wait, and meanwhile another thread may set the field. */
static inline void hold(struct inlay_py_texts *texts,
                        PyObject *object,
                        const void *text)
{
    texts->held[texts->count].object = Py_NewRef(object);
    texts->held[texts->count++].text = *(const struct inlay_str *)text;
}

static inline bool leaf_in(const struct inlay_type *c,
                           PyObject *value,
                           void *at,
                           struct inlay_py_texts *texts)
{
    if (c->kind == INLAY_KIND_STR) {
        if (!PyUnicode_CheckExact(value) || !PyUnicode_IS_COMPACT_ASCII(value))
            return false;
        *(struct inlay_str *)at =
            inlay_str_make((const char *)PyUnicode_1BYTE_DATA(value),
                           (size_t)PyUnicode_GET_LENGTH(value));
        hold(texts, value, at);
        return true;
    }
    if (c->kind == INLAY_KIND_BOOL) {
        *(bool *)at = value == Py_True;
        return PyBool_Check(value);
    }
    return inlay_py_quick_in(c, value, at);
}

/* Where the struct is; NULL when it is not so simple. */
static inline void *struct_in(const struct inlay_py_type *type,
                              PyObject *value,
                              struct inlay_py_texts *texts)
{
    const struct inlay_py_image *layout = type->record->image;
    struct inlay_py_struct *self = (struct inlay_py_struct *)value;

    if (!inlay_py_struct_check(value, type->record) ||
        (inlay_unlikely(!self->fresh) && !inlay_py_image_pack(self)))
        return NULL;
    char *image = (char *)self + layout->offset;
    for (size_t i = 0; i < layout->ntexts; i++)
        hold(texts, self->values[layout->texts[i].field],
             image + layout->texts[i].offset);
    return image;
}

static inline bool params_in(const struct inlay_py_plan *plan,
                             PyObject *const *args,
                             char *room,
                             struct inlay_py_texts *texts)
{
    void **values = (void **)(void *)room + plan->nparams;

    for (size_t i = 0; i < plan->nparams; i++) {
        const struct inlay_py_type *type = plan->params[i].type;

        values[i] = room + plan->params[i].offset;
        if (type->c->kind == INLAY_KIND_STRUCT) {
            values[i] = struct_in(type, args[i], texts);
            if (inlay_unlikely(!values[i]))
                return false;
        } else if (inlay_unlikely(
                       !leaf_in(type->c, args[i], values[i], texts))) {
            return false;
        }
    }
    return true;
}

static inline PyObject *result_out(const struct inlay_py_plan *plan,
                                   const char *at,
                                   const struct inlay_py_texts *texts)
{
    const struct inlay_type *c = plan->result->c;
    struct inlay_py_conversion conversion = {.function = plan->name};
    struct inlay_py_place place = {.outer = NULL};
    PyObject *same;

    if (c->kind == INLAY_KIND_STRUCT)
        return inlay_py_image_out(&conversion, plan->result, at, &place, texts);
    if (c->kind == INLAY_KIND_FLOAT)
        return PyFloat_FromDouble(*(const double *)at);
    /* Unlike PyLong_FromLongLong it has a short way for one digit. */
    if (c->kind == INLAY_KIND_INT)
        return PyLong_FromLong((long)inlay_int_load(at, c->size));
    if (c->kind == INLAY_KIND_STR &&
        (same = inlay_py_texts_find(texts, (const void *)at)))
        return same;
    return inlay_py_out(&conversion, plan->result, at, &place);
}

static PyObject *call_flat(PyObject *callable,
                           PyObject *const *args,
                           size_t nargsf,
                           PyObject *kwnames)
{
    const struct inlay_py_plan *plan =
        ((struct inlay_py_function *)callable)->plan;
    struct inlay_context *context = inlay_context_current;
    struct inlay_py_texts texts;
    _Alignas(16) char room[ROOM];
    void **values = (void **)(void *)room + plan->nparams;
    char *result = room + plan->result_offset;
    PyObject *object = NULL;

    texts.count = 0;
    if (inlay_unlikely(
            kwnames || (size_t)PyVectorcall_NARGS(nargsf) != plan->nparams ||
            plan->room > sizeof(room) || !context || context->dirty ||
            !params_in(plan, args, room, &texts))) {
        release(&texts);
        return inlay_py_call(callable, args, nargsf, kwnames);
    }
    inlay_call_invoke(plan->callable->plan, plan->entry, values, result);
    /* What a call that failed returns is nothing. */
    if (inlay_likely(!context->error))
        object = result_out(plan, result, &texts);
    if (inlay_unlikely(context->dirty))
        object = inlay_py_exact_settle(plan, context, object);
    release(&texts);
    return object;
}

/* Can it be read without a call? `ntexts` counts those that are text. */
static bool is_flat(const struct inlay_type *c, size_t *ntexts)
{
    if (c->kind == INLAY_KIND_STRUCT) {
        for (size_t i = 0; i < c->nfields; i++)
            *ntexts += c->fields[i].type->kind == INLAY_KIND_STR;
        return inlay_py_image_suits(c);
    }
    *ntexts += c->kind == INLAY_KIND_STR;
    return inlay_py_image_suits_field(c);
}

vectorcallfunc inlay_py_flat_find(const struct inlay_func *func)
{
    struct inlay_py_texts *texts;
    size_t ntexts = 0, ignored = 0;

    if (func->result->kind != INLAY_KIND_VOID &&
        !is_flat(func->result, &ignored))
        return NULL;
    for (size_t i = 0; i < func->nparams; i++)
        if (!is_flat(func->params[i].type, &ntexts))
            return NULL;
    return ntexts <= inlay_array_size(texts->held) ? call_flat : NULL;
}
