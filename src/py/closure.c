/* closure.c - function pointers for C over Python callables, by libffi. */
#include "py/closure.h"

#include <ffi.h>

#include "base/macros.h"
#include "base/mem.h"
#include "py/buffer.h"
#include "py/structtype.h"

#include "base/banned.h"

/* Parameters of a callback; members of a struct or array in it, and bytes. */
#define PARAMS_MOST 64
#define MEMBERS_MOST 1024
#define SIZE_MOST 65536
#define CAPSULE "inlay.closure"

struct inlay_py_cif {
    ffi_cif cif;
    ffi_type *result, **params;
};

struct closure {
    ffi_closure *ffi;
    void *code;
    const struct inlay_py_signature *signature;
    PyObject *callable;
    PyObject *function; /* str, for messages */
    struct inlay_py_state *state;
    struct inlay_py_frame *outer;
};

/* One call of it. Several may run: within each other, on other threads. */
struct call {
    const struct closure *closure;
    struct inlay_py_conversion conversion;
    struct inlay_py_frame frame; /* nobody's current one */
    void *ret, **values;         /* libffi's */
};

/* --- Layouts ------------------------------------------------------------ */

static ffi_type *integer_type(uint32_t size, bool is_signed)
{
    switch (size) {
    case 1:
        return is_signed ? &ffi_type_sint8 : &ffi_type_uint8;
    case 2:
        return is_signed ? &ffi_type_sint16 : &ffi_type_uint16;
    case 4:
        return is_signed ? &ffi_type_sint32 : &ffi_type_uint32;
    default:
        return is_signed ? &ffi_type_sint64 : &ffi_type_uint64;
    }
}

/* A scalar; NULL for what consists of several. */
static ffi_type *scalar_type(const struct inlay_type *type)
{
    switch (type->kind) {
    case INLAY_KIND_BOOL:
        return &ffi_type_uint8;
    case INLAY_KIND_INT:
        return integer_type(type->size, true);
    case INLAY_KIND_UINT:
        return integer_type(type->size, false);
    case INLAY_KIND_CHAR:
        return (char)-1 < 0 ? &ffi_type_sint8 : &ffi_type_uint8;
    case INLAY_KIND_ENUM:
        return integer_type(type->size, type->is_signed);
    case INLAY_KIND_FLOAT:
        return type->size == 8 ? &ffi_type_double : &ffi_type_float;
    case INLAY_KIND_VOID:
        return &ffi_type_void;
    case INLAY_KIND_CSTR:
    case INLAY_KIND_POINTER:
    case INLAY_KIND_HANDLE:
    case INLAY_KIND_OBJECT:
    case INLAY_KIND_CALLBACK:
    case INLAY_KIND_USERDATA:
    case INLAY_KIND_ARROW_ARRAY:
    case INLAY_KIND_ARROW_SCHEMA:
    case INLAY_KIND_INJECTED:
        return &ffi_type_pointer;
    case INLAY_KIND_STR:
    case INLAY_KIND_BYTES:
    case INLAY_KIND_DATE:
    case INLAY_KIND_DATETIME:
    case INLAY_KIND_UUID:
    case INLAY_KIND_UPLOAD:
    case INLAY_KIND_SLICE:
    case INLAY_KIND_OWNED:
    case INLAY_KIND_OPTIONAL:
    case INLAY_KIND_STRUCT:
    case INLAY_KIND_CHARS:
    case INLAY_KIND_ARRAY:
    case INLAY_KIND_UNSUPPORTED:
        break;
    }
    return NULL;
}

static int make_type(struct inlay_py_module *module,
                     const struct inlay_type *type,
                     ffi_type **ret);

static size_t count_members(const struct inlay_type *type)
{
    if (type->kind == INLAY_KIND_STRUCT)
        return type->nfields;
    if (type->kind == INLAY_KIND_ARRAY)
        return type->count;
    if (type->kind == INLAY_KIND_CHARS || type->kind == INLAY_KIND_UUID)
        return type->size;
    if (type->kind == INLAY_KIND_DATE)
        return 3;
    return type->kind == INLAY_KIND_UNSUPPORTED ? 0 : 2;
}

/* Member i, in order of the offsets, and where it is. */
static int make_member(struct inlay_py_module *module,
                       const struct inlay_type *type,
                       size_t i,
                       size_t *offset,
                       ffi_type **ret)
{
    bool has_first = type->has_offset < type->value_offset;

    if (type->kind == INLAY_KIND_STRUCT) {
        *offset = type->fields[i].offset;
        return make_type(module, type->fields[i].type, ret);
    }
    if (type->kind == INLAY_KIND_ARRAY) {
        *offset = i * type->elem->size;
        return make_type(module, type->elem, ret);
    }
    if (type->kind == INLAY_KIND_OPTIONAL && (i == 1) == has_first) {
        *offset = type->value_offset;
        return make_type(module, type->elem, ret);
    }
    if (type->kind == INLAY_KIND_DATE) {
        *offset = i ? 1 + i : 0;
        *ret = i ? &ffi_type_uint8 : &ffi_type_sint16;
        return 0;
    }
    if (type->kind == INLAY_KIND_DATETIME) {
        *offset = 8 * i;
        *ret = i ? &ffi_type_sint32 : &ffi_type_sint64;
        return 0;
    }
    if (type->kind == INLAY_KIND_OPTIONAL || type->kind == INLAY_KIND_CHARS ||
        type->kind == INLAY_KIND_UUID) {
        *offset = type->kind == INLAY_KIND_OPTIONAL ? type->has_offset : i;
        *ret = &ffi_type_uint8;
        return 0;
    }
    /* A pointer and a length, in any order: words both. */
    *offset = 8 * i;
    *ret = &ffi_type_pointer;
    return 0;
}

/*
 * *ret is NULL for what libffi can't pass: it lays out structs by itself, so
 * that packed and over-aligned ones are not as it thinks.
 */
static int make_type(struct inlay_py_module *module,
                     const struct inlay_type *type,
                     ffi_type **ret)
{
    size_t count = count_members(type);

    *ret = scalar_type(type);
    if (*ret || count == 0 || count > MEMBERS_MOST || type->size > SIZE_MOST)
        return 0;
    ffi_type *made = inlay_py_module_alloc(module, 1, sizeof(*made));
    ffi_type **members =
        inlay_py_module_alloc(module, count + 1, sizeof(*members));
    size_t *offsets = inlay_py_module_alloc(module, 2 * count, sizeof(size_t));
    if (!made || !members || !offsets)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (make_member(module, type, i, &offsets[i], &members[i]) < 0)
            return -1;
        if (!members[i])
            return 0;
    }
    *made = (ffi_type){.type = FFI_TYPE_STRUCT, .elements = members};
    if (ffi_get_struct_offsets(FFI_DEFAULT_ABI, made, offsets + count) ==
            FFI_OK &&
        memcmp(offsets, offsets + count, count * sizeof(size_t)) == 0 &&
        made->size == type->size && made->alignment == type->align)
        *ret = made;
    return 0;
}

/* --- At bind ------------------------------------------------------------ */

/* Sets signature->cif when libffi can make such a call. */
static int prepare(struct inlay_py_module *module,
                   const struct inlay_signature *c,
                   struct inlay_py_signature *signature)
{
    struct inlay_py_cif *cif = inlay_py_module_alloc(module, 1, sizeof(*cif));

    if (!cif)
        return -1;
    cif->params =
        inlay_py_module_alloc(module, c->nparams, sizeof(*cif->params));
    if (!cif->params || make_type(module, c->result, &cif->result) < 0)
        return -1;
    bool complete = cif->result && signature->nparams <= PARAMS_MOST;
    for (size_t i = 0; i < c->nparams; i++) {
        if (make_type(module, c->params[i], &cif->params[i]) < 0)
            return -1;
        complete &= cif->params[i] != NULL;
    }
    if (complete &&
        ffi_prep_cif(&cif->cif, FFI_DEFAULT_ABI, (unsigned)c->nparams,
                     cif->result, cif->params) == FFI_OK)
        signature->cif = cif;
    return 0;
}

int inlay_py_closure_bind(struct inlay_py_module *module,
                          struct inlay_py_type *type)
{
    const struct inlay_signature *c = type->c->signature;
    size_t count = c->nparams;
    struct inlay_py_signature *made =
        inlay_py_module_alloc(module, 1, sizeof(*made));

    if (!made)
        return -1;
    type->closure = made;
    made->result = inlay_py_type_bind(module, c->result);
    made->params = inlay_py_module_alloc(module, count, sizeof(*made->params));
    made->names = inlay_py_module_alloc(module, count, sizeof(*made->names));
    made->slots = inlay_py_module_alloc(module, count, sizeof(*made->slots));
    if (!made->result || !made->params || !made->names || !made->slots)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (c->params[i]->kind == INLAY_KIND_USERDATA)
            continue;
        size_t k = made->nparams++;
        made->params[k] = inlay_py_type_bind(module, c->params[i]);
        made->names[k] = inlay_py_identifier(module->state, c->names[i], i);
        made->slots[k] = i;
        if (!made->params[k] || !made->names[k])
            return -1;
    }
    return prepare(module, c, made);
}

/* --- When C calls ------------------------------------------------------- */

/* libffi wants results narrower than a register as a whole one. */
static void store_result(const struct inlay_type *type,
                         const void *value,
                         void *ret)
{
    bool is_signed = type->kind == INLAY_KIND_INT ||
                     (type->kind == INLAY_KIND_ENUM && type->is_signed) ||
                     (type->kind == INLAY_KIND_CHAR && (char)-1 < 0);
    const ffi_type *scalar = scalar_type(type);

    if (!scalar || type->kind == INLAY_KIND_FLOAT)
        memcpy(ret, value, type->size);
    else if (is_signed)
        *(ffi_sarg *)ret = (ffi_sarg)inlay_int_load(value, type->size);
    else
        *(ffi_arg *)ret = (ffi_arg)inlay_uint_load(value, type->size);
}

/* What the callable returned: numbers and structs of them, so copies. */
static int convert_result(struct call *call, PyObject *object)
{
    const struct inlay_py_type *type = call->closure->signature->result;
    const struct inlay_py_place place = {.outer = NULL};
    uint64_t scalar = 0;
    void *value = &scalar;

    if (type->c->kind == INLAY_KIND_VOID)
        return 0;
    if (type->c->size > sizeof(scalar))
        value = inlay_py_frame_alloc(&call->frame, type->c->size);
    if (!value ||
        inlay_py_in(&call->conversion, type, object, value, &place) < 0)
        return -1;
    store_result(type->c, value, call->ret);
    return 0;
}

/*
 * The flat fields of a struct that the callable got by a pointer without
 * const: what it changed in them, C gets. Text and slices stay as they were:
 * theirs would end with the call, and C may keep the struct.
 */
static int fields_back(const struct call *call,
                       const struct inlay_py_type *type,
                       PyObject *object,
                       char *at,
                       const struct inlay_py_place *place)
{
    const struct inlay_py_record *record = type->record;
    struct inlay_py_struct *self = (struct inlay_py_struct *)object;
    struct inlay_py_place inner = {.outer = place};
    int result = inlay_py_struct_read(self);

    for (size_t i = 0; i < record->nfields && result == 0; i++) {
        const struct inlay_py_type *field = record->types[i];
        char *to = at + type->c->fields[i].offset;
        /* Converting it may run Python code, which may change the field. */
        _cleanup_decref_ PyObject *value = Py_XNewRef(self->values[i]);

        inner.name = record->names[i];
        if (!value)
            result = inlay_py_fail(&call->conversion, &inner, PyExc_TypeError,
                                   "it was deleted");
        else if (inlay_type_flat(field->c, true, NULL))
            result = inlay_py_in(&call->conversion, field, value, to, &inner);
        else if (field->c->kind == INLAY_KIND_STRUCT &&
                 inlay_py_struct_check(value, field->record))
            result = fields_back(call, field, value, to, &inner);
    }
    return result;
}

static int write_back(const struct call *call, PyObject **args)
{
    const struct inlay_py_signature *signature = call->closure->signature;

    for (size_t i = 0; i < signature->nparams; i++) {
        const struct inlay_py_type *type = signature->params[i];
        const struct inlay_py_place place = {NULL, signature->names[i], 0};

        if (type->c->kind == INLAY_KIND_POINTER && !type->c->elem_const &&
            args[i] != Py_None &&
            fields_back(call, type->elem, args[i],
                        *(char **)call->values[signature->slots[i]],
                        &place) < 0)
            return -1;
    }
    return 0;
}

static int call_python(struct call *call)
{
    const struct inlay_py_signature *signature = call->closure->signature;
    /* The first is for the callable: a method puts its object there. */
    PyObject *args[1 + PARAMS_MOST] = {NULL};
    size_t count;
    int result = -1;

    for (count = 0; count < signature->nparams; count++) {
        const struct inlay_py_place place = {NULL, signature->names[count], 0};

        args[1 + count] =
            inlay_py_out(&call->conversion, signature->params[count],
                         call->values[signature->slots[count]], &place);
        if (!args[1 + count])
            break;
    }
    if (count == signature->nparams) {
        PyObject *object =
            PyObject_Vectorcall(call->closure->callable, args + 1,
                                count | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);

        if (object && write_back(call, args + 1) == 0)
            result = convert_result(call, object);
        Py_XDECREF(object);
    }
    while (count--)
        Py_DECREF(args[1 + count]);
    return result;
}

/* The call ends with the pending exception; C can see that it has failed. */
static void fail_call(const struct closure *closure)
{
    struct inlay_context *context = closure->outer->context;
    PyObject *exception = inlay_py_exception_take();

    /* Another thread's callback may have failed while this one ran. */
    if (closure->outer->exception) {
        Py_XDECREF(exception);
        return;
    }
    closure->outer->exception = exception;
    /* The context is for the thread that runs the call. */
    if (inlay_context_current == context && !context->error) {
        context->dirty = true;
        context->error = INLAY_INTERNAL;
    }
}

/* Any thread that C calls from. */
static void on_call(ffi_cif *cif, void *ret, void **values, void *arg)
{
    const struct closure *closure = arg;
    size_t size = cif->rtype->size;
    struct call call = {
        .closure = closure,
        .conversion = {closure->state, &call.frame, closure->function},
        .ret = ret,
        .values = values,
    };
    PyGILState_STATE gil = PyGILState_Ensure();

    if (cif->rtype->type != FFI_TYPE_VOID)
        memset(ret, 0, inlay_max(size, sizeof(ffi_arg)));
    if (!closure->outer->exception) {
        /* C may call back while an exception of its own is on its way. */
        PyObject *pending = PyErr_Occurred() ? inlay_py_exception_take() : NULL;

        if (Py_EnterRecursiveCall(" in a callback of C") == 0) {
            inlay_py_frame_open(&call.frame);
            if (call_python(&call) < 0)
                fail_call(closure);
            inlay_py_frame_end(&call.frame);
            Py_LeaveRecursiveCall();
        } else {
            fail_call(closure);
        }
        if (pending)
            inlay_py_exception_restore(pending);
    }
    PyGILState_Release(gil);
}

/* --- One call's closure ------------------------------------------------- */

static void closure_destroy(struct closure *closure)
{
    if (closure->ffi)
        ffi_closure_free(closure->ffi);
    Py_DECREF(closure->callable);
    Py_XDECREF(closure->function);
    inlay_free(closure);
}

static void capsule_destroy(PyObject *capsule)
{
    closure_destroy(PyCapsule_GetPointer(capsule, CAPSULE));
}

static struct closure *closure_create(
    const struct inlay_py_conversion *conversion,
    const struct inlay_py_signature *signature,
    PyObject *callable,
    PyObject *name)
{
    struct closure *closure = inlay_calloc(1, sizeof(*closure));

    if (!closure) {
        PyErr_NoMemory();
        return NULL;
    }
    closure->signature = signature;
    closure->callable = Py_NewRef(callable);
    closure->outer = conversion->frame;
    closure->state = conversion->state;
    /* "sort.less(): result: expected bool, got str" */
    closure->function =
        PyUnicode_FromFormat("%U.%U", conversion->function, name);
    closure->ffi = ffi_closure_alloc(sizeof(*closure->ffi), &closure->code);
    if (closure->function && closure->ffi &&
        ffi_prep_closure_loc(closure->ffi, &signature->cif->cif, on_call,
                             closure, closure->code) == FFI_OK)
        return closure;
    if (closure->function)
        PyErr_NoMemory();
    closure_destroy(closure);
    return NULL;
}

int inlay_py_closure_in(const struct inlay_py_conversion *conversion,
                        const struct inlay_py_type *type,
                        PyObject *value,
                        void *at,
                        const struct inlay_py_place *place)
{
    if (value == Py_None && !type->required) {
        *(void **)at = NULL;
        return 0;
    }
    if (!PyCallable_Check(value))
        return inlay_py_fail(conversion, place, PyExc_TypeError,
                             "expected a callable, got %.100s",
                             Py_TYPE(value)->tp_name);
    if (!type->closure->cif)
        return inlay_py_fail(
            conversion, place, PyExc_TypeError,
            "no Python callable can be called as this "
            "function pointer: it has a packed, "
            "aligned or large struct, or more than %d parameters",
            PARAMS_MOST);
    struct closure *closure =
        closure_create(conversion, type->closure, value, place->name);
    if (!closure)
        return -1;
    _cleanup_decref_ PyObject *capsule =
        PyCapsule_New(closure, CAPSULE, capsule_destroy);
    if (!capsule) {
        closure_destroy(closure);
        return -1;
    }
    if (inlay_py_frame_keep(conversion->frame, capsule) < 0)
        return -1;
    *(void **)at = closure->code;
    return 0;
}
