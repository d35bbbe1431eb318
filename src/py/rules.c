#include "py/rules.h"

#include "type/constraint.h"

#include "base/banned.h"

bool inlay_py_rules_any(const struct inlay_type *type)
{
    bool any = type->check || type->strict;

    for (size_t i = 0; i < type->nfields; i++)
        any |= type->fields[i].constraints != NULL;
    return any;
}

static bool has_none(void *arg, const struct inlay_type *type)
{
    (void)arg;
    return type->kind != INLAY_KIND_STRUCT || !inlay_py_rules_any(type);
}

bool inlay_py_rules_within(const struct inlay_type *type)
{
    return !inlay_type_walk(type, has_none, NULL);
}

/* "must be at most 150"; `bound` is JSON of ASCII but for a pattern. */
static PyObject *say(const struct inlay_breach *breach, struct inlay_str bound)
{
    _cleanup_decref_ PyObject *limit =
        PyUnicode_DecodeUTF8(bound.ptr, (Py_ssize_t)bound.len, "replace");
    bool one = inlay_str_is(bound, "1");
    const char *unit = "items", *single = "item";

    if (!limit)
        return NULL;
    if (breach->fault == INLAY_FAULT_GREATER_EQUAL)
        return PyUnicode_FromFormat("must be at least %U", limit);
    if (breach->fault == INLAY_FAULT_LESS_EQUAL)
        return PyUnicode_FromFormat("must be at most %U", limit);
    if (breach->fault == INLAY_FAULT_STRING_PATTERN)
        return PyUnicode_FromFormat("must match the pattern %R", limit);
    if (breach->fault == INLAY_FAULT_STRING_SHORT ||
        breach->fault == INLAY_FAULT_STRING_LONG) {
        unit = "characters";
        single = "character";
    } else if (breach->fault == INLAY_FAULT_BYTES_SHORT ||
               breach->fault == INLAY_FAULT_BYTES_LONG) {
        unit = "bytes";
        single = "byte";
    }
    bool least = breach->fault == INLAY_FAULT_STRING_SHORT ||
                 breach->fault == INLAY_FAULT_LIST_SHORT ||
                 breach->fault == INLAY_FAULT_BYTES_SHORT;
    return PyUnicode_FromFormat("must have at %s %U %s",
                                least ? "least" : "most", limit,
                                one ? single : unit);
}

int inlay_py_rules_hold(const struct inlay_py_conversion *conversion,
                        const struct inlay_constraints *constraints,
                        const struct inlay_type *type,
                        PyObject *value,
                        const void *at,
                        const struct inlay_py_place *place)
{
    struct inlay_breach breach;
    char buf[INLAY_BOUND_SIZE];

    if (inlay_constraints_hold(constraints, type, at, &breach))
        return 0;
    _cleanup_decref_ PyObject *words =
        say(&breach, inlay_constraints_bound(constraints, breach.fault, buf));
    if (!words)
        return -1;
    struct inlay_py_place item = {.outer = place,
                                  .index = (Py_ssize_t)breach.index};
    if (breach.in_list)
        return inlay_py_fail(conversion, &item, PyExc_ValueError, "%U", words);
    if (breach.fault == INLAY_FAULT_LIST_SHORT ||
        breach.fault == INLAY_FAULT_LIST_LONG)
        return inlay_py_fail(conversion, place, PyExc_ValueError, "%U, got %zu",
                             words, breach.count);
    return inlay_py_fail(conversion, place, PyExc_ValueError, "%U, got %.100R",
                         words, value);
}

static int run_check(const struct inlay_py_conversion *conversion,
                     const struct inlay_type *type,
                     const void *at,
                     const struct inlay_py_place *place)
{
    const char *wrong = type->check ? type->check(at) : NULL;

    if (!wrong)
        return 0;
    _cleanup_decref_ PyObject *words =
        PyUnicode_DecodeUTF8(wrong, (Py_ssize_t)strlen(wrong), "replace");
    if (!words)
        return -1;
    if (place)
        return inlay_py_fail(conversion, place, PyExc_ValueError, "%U", words);
    PyErr_SetObject(PyExc_ValueError, words);
    return -1;
}

int inlay_py_rules_struct(const struct inlay_py_conversion *conversion,
                          const struct inlay_py_type *type,
                          const void *at,
                          const struct inlay_py_place *place)
{
    const struct inlay_py_record *record = type->record;
    const struct inlay_type *c = type->c;

    for (size_t i = 0; i < c->nfields; i++) {
        const struct inlay_field *field = &c->fields[i];
        struct inlay_py_place inner = {.outer = place,
                                       .name = record->names[i]};
        struct inlay_breach breach;

        if (!field->constraints ||
            inlay_constraints_hold(field->constraints, field->type,
                                   (const char *)at + field->offset, &breach))
            continue;
        _cleanup_decref_ PyObject *is =
            inlay_py_out(conversion, record->types[i],
                         (const char *)at + field->offset, &inner);
        return is ? inlay_py_rules_hold(
                        conversion, field->constraints, field->type, is,
                        (const char *)at + field->offset, &inner)
                  : -1;
    }
    return run_check(conversion, c, at, place);
}

int inlay_py_rules_keys(const struct inlay_py_conversion *conversion,
                        const struct inlay_py_record *record,
                        PyObject *dict,
                        const struct inlay_py_place *place)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;

    while (PyDict_Next(dict, &at, &key, &value)) {
        bool known = false;

        for (size_t i = 0; !known && i < record->nfields; i++)
            known = PyUnicode_Check(key) &&
                    PyUnicode_Compare(key, record->names[i]) == 0;
        if (!known)
            return inlay_py_fail(conversion, place, PyExc_ValueError,
                                 "unexpected field %.100R", key);
    }
    return 0;
}

/* One field of a new instance to its place. */
static int verify_field(const struct inlay_py_conversion *conversion,
                        const struct inlay_py_struct *self,
                        size_t i,
                        char *memory)
{
    const struct inlay_py_record *record = self->record;
    const struct inlay_field *field = &record->c->fields[i];
    struct inlay_py_place place = {.name = record->names[i]};
    _cleanup_decref_ PyObject *value = Py_XNewRef(self->values[i]);

    if (!value || (!field->constraints && !record->c->check))
        return 0;
    if (inlay_py_in(conversion, record->types[i], value, memory + field->offset,
                    &place) < 0)
        return -1;
    return field->constraints
               ? inlay_py_rules_hold(conversion, field->constraints,
                                     field->type, value, memory + field->offset,
                                     &place)
               : 0;
}

int inlay_py_rules_verify(struct inlay_py_struct *self)
{
    const struct inlay_py_record *record = self->record;
    struct inlay_py_state *state = record->state;
    _cleanup_decref_ PyObject *name =
        PyObject_GetAttrString((PyObject *)Py_TYPE(self), "__qualname__");
    struct inlay_py_frame frame;
    struct inlay_py_conversion conversion = {state, &frame, name};
    int result = 0;

    if (!name || inlay_py_frame_begin(&frame, state) < 0)
        return -1;
    char *memory = inlay_py_frame_alloc(&frame, record->c->size);
    if (memory)
        memset(memory, 0, record->c->size);
    else
        result = -1;
    for (size_t i = 0; result == 0 && i < record->nfields; i++)
        result = verify_field(&conversion, self, i, memory);
    if (result == 0)
        result = run_check(&conversion, record->c, memory, NULL);
    inlay_py_frame_end(&frame);
    return result;
}

/* A bound as int or float. */
static int put_bound(PyObject *dict, const char *name, struct inlay_str bound)
{
    _cleanup_decref_ PyObject *text =
        PyUnicode_DecodeUTF8(bound.ptr, (Py_ssize_t)bound.len, "strict");
    bool real =
        memchr(bound.ptr, '.', bound.len) || memchr(bound.ptr, 'e', bound.len);
    _cleanup_decref_ PyObject *number =
        !text  ? NULL
        : real ? PyFloat_FromString(text)
               : PyLong_FromUnicodeObject(text, 10);

    return number ? PyDict_SetItemString(dict, name, number) : -1;
}

static int put_length(PyObject *dict, const char *name, size_t length)
{
    _cleanup_decref_ PyObject *number = PyLong_FromSize_t(length);

    return number ? PyDict_SetItemString(dict, name, number) : -1;
}

PyObject *inlay_py_rules_dict(const struct inlay_constraints *constraints)
{
    PyObject *dict = PyDict_New();
    int result = dict ? 0 : -1;

    if (result < 0 || !constraints)
        return dict;
    if (constraints->has_least)
        result = put_bound(dict, "ge", constraints->least_text);
    if (result == 0 && constraints->has_most)
        result = put_bound(dict, "le", constraints->most_text);
    if (result == 0 && constraints->min_length > 0)
        result = put_length(dict, "min_length", constraints->min_length);
    if (result == 0 && constraints->max_length != SIZE_MAX)
        result = put_length(dict, "max_length", constraints->max_length);
    if (result == 0 && constraints->regex) {
        _cleanup_decref_ PyObject *pattern = PyUnicode_DecodeUTF8(
            constraints->pattern.ptr, (Py_ssize_t)constraints->pattern.len,
            "strict");

        result = pattern ? PyDict_SetItemString(dict, "pattern", pattern) : -1;
    }
    if (result < 0)
        Py_CLEAR(dict);
    return dict;
}

PyObject *inlay_py_rules_describe(const struct inlay_py_record *record)
{
    PyObject *all = PyDict_New();

    for (size_t i = 0; all && i < record->nfields; i++) {
        const struct inlay_constraints *constraints =
            record->c->fields[i].constraints;
        _cleanup_decref_ PyObject *dict = NULL;

        if (!constraints)
            continue;
        dict = inlay_py_rules_dict(constraints);
        if (!dict || PyDict_SetItem(all, record->names[i], dict) < 0)
            Py_CLEAR(all);
    }
    return all;
}
