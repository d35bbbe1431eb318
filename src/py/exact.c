/*
 * exact.c - handlers for the commonest signatures, compiled for just these
 * types: up to three of {int, int64_t, double, inlay_str}, giving one of
 * them. They read exact small ints, floats and ASCII text without a call; the
 * compiler makes the C call itself. Anything else: inlay_py_call.
 */
#include "py/callable.h"
#include "py/convert.h"

#include "base/banned.h"

/*
 * A letter per kind: I int64_t, D double, S inlay_str. As a parameter I is an
 * int as well: a small int fits, and what a callee does not look at, the upper
 * half of a register, may be anything (System V x86-64 3.2.3, AAPCS64 6.8.2).
 * As a result an int is N (narrow).
 */
_Static_assert(PyLong_SHIFT < 32, "a digit fits an int");

#define TYPE_I int64_t
#define TYPE_N int
#define TYPE_D double
#define TYPE_S struct inlay_str

#define READ_I(i)                                                              \
    int64_t x##i;                                                              \
    if (inlay_unlikely(!inlay_py_small_int(args[i], &x##i)))                   \
        goto table;
#define READ_D(i)                                                              \
    double x##i;                                                               \
    if (inlay_unlikely(!PyFloat_CheckExact(args[i])))                          \
        goto table;                                                            \
    x##i = PyFloat_AS_DOUBLE(args[i]);
#define READ_S(i)                                                              \
    struct inlay_str x##i;                                                     \
    if (inlay_unlikely(!PyUnicode_Check(args[i]) ||                            \
                       !PyUnicode_IS_COMPACT_ASCII(args[i])))                  \
        goto table;                                                            \
    x##i = inlay_str_make((const char *)PyUnicode_1BYTE_DATA(args[i]),         \
                          (size_t)PyUnicode_GET_LENGTH(args[i]));

#define MAKE(T)                                                                \
    const struct inlay_py_plan *plan, PyObject *const *args, size_t count,     \
        T value

static inline PyObject *make_I(MAKE(int64_t))
{
    (void)plan;
    (void)args;
    (void)count;
    /* Unlike PyLong_FromLongLong it has a short way for one digit. */
    return PyLong_FromLong((long)value);
}

#define make_N make_I

static inline PyObject *make_D(MAKE(double))
{
    (void)plan;
    (void)args;
    (void)count;
    return PyFloat_FromDouble(value);
}

static PyObject *make_S(MAKE(struct inlay_str))
{
    /* An argument that C hands back as it came is the same str. */
    for (size_t i = 0; i < count; i++)
        if (PyUnicode_CheckExact(args[i]) &&
            (const char *)PyUnicode_1BYTE_DATA(args[i]) == value.ptr &&
            (size_t)PyUnicode_GET_LENGTH(args[i]) == value.len)
            return Py_NewRef(args[i]);
    struct inlay_py_conversion conversion = {.function = plan->name};
    struct inlay_py_place place = {.outer = NULL};

    return inlay_py_out(&conversion, plan->result, &value, &place);
}

PyObject *inlay_py_exact_settle(const struct inlay_py_plan *plan,
                                struct inlay_context *context,
                                PyObject *value)
{
    if (context->error)
        Py_CLEAR(value);
    PyObject *exception = inlay_py_exception_take();
    if (inlay_py_context_settle(plan->module->state, context) < 0)
        Py_XDECREF(exception);
    else if (exception)
        inlay_py_exception_restore(exception);
    return value;
}

/* An int parameter is called as an int64_t: see above. */
#define ANY_TYPE __attribute__((no_sanitize("undefined")))

#define HANDLER(name, count, result, reads, types, values)                     \
    ANY_TYPE static PyObject *name(PyObject *callable, PyObject *const *args,  \
                                   size_t nargsf, PyObject *kwnames)           \
    {                                                                          \
        const struct inlay_py_plan *plan =                                     \
            ((struct inlay_py_function *)callable)->plan;                      \
        struct inlay_context *context = inlay_context_current;                 \
                                                                               \
        if (inlay_unlikely(kwnames || PyVectorcall_NARGS(nargsf) != (count) || \
                           !context || context->dirty))                        \
            goto table;                                                        \
        {                                                                      \
            reads TYPE_##result value =                                        \
                ((TYPE_##result(*) types)plan->entry)values;                   \
            PyObject *object = make_##result(plan, args, (count), value);      \
            if (inlay_unlikely(context->dirty))                                \
                object = inlay_py_exact_settle(plan, context, object);         \
            return object;                                                     \
        }                                                                      \
table:                                                                         \
        return inlay_py_call(callable, args, nargsf, kwnames);                 \
    }

#define HANDLER_0(R) HANDLER(call_##R, 0, R, , (void), ())
#define HANDLER_1(R, A)                                                        \
    HANDLER(call_##R##A, 1, R, READ_##A(0), (TYPE_##A), (x0))
#define HANDLER_2(R, A, B)                                                     \
    HANDLER(call_##R##A##B, 2, R, READ_##A(0) READ_##B(1),                     \
            (TYPE_##A, TYPE_##B), (x0, x1))
#define HANDLER_3(R, A, B, C)                                                  \
    HANDLER(call_##R##A##B##C, 3, R, READ_##A(0) READ_##B(1) READ_##C(2),      \
            (TYPE_##A, TYPE_##B, TYPE_##C), (x0, x1, x2))

/* X for every result and every combination of 0 to 3 parameters. */
#define EACH_3(X, R, A, B) X(R, A, B, I) X(R, A, B, D) X(R, A, B, S)
#define EACH_2(X, Y, R, A)                                                     \
    X(R, A, I)                                                                 \
    X(R, A, D)                                                                 \
    X(R, A, S) EACH_3(Y, R, A, I) EACH_3(Y, R, A, D) EACH_3(Y, R, A, S)
#define EACH_1(W, X, Y, R)                                                     \
    W(R, I)                                                                    \
    W(R, D) W(R, S) EACH_2(X, Y, R, I) EACH_2(X, Y, R, D) EACH_2(X, Y, R, S)
#define EACH(V, W, X, Y)                                                       \
    V(I)                                                                       \
    V(N)                                                                       \
    V(D)                                                                       \
    V(S)                                                                       \
    EACH_1(W, X, Y, I) EACH_1(W, X, Y, N) EACH_1(W, X, Y, D) EACH_1(W, X, Y, S)

EACH(HANDLER_0, HANDLER_1, HANDLER_2, HANDLER_3)

/* The letters of a signature, result first. */
struct exact {
    char letters[5];
    vectorcallfunc handler;
};

#define ROW_0(R) {#R, call_##R},
#define ROW_1(R, A) {#R #A, call_##R##A},
#define ROW_2(R, A, B) {#R #A #B, call_##R##A##B},
#define ROW_3(R, A, B, C) {#R #A #B #C, call_##R##A##B##C},

static const struct exact exacts[] = {EACH(ROW_0, ROW_1, ROW_2, ROW_3)};

/* '\0' for a type without a letter. */
static char letter_of(const struct inlay_type *type)
{
    if (type->kind == INLAY_KIND_INT && type->size >= 4)
        return 'I';
    if (type->kind == INLAY_KIND_FLOAT && type->size == 8)
        return 'D';
    return type->kind == INLAY_KIND_STR ? 'S' : '\0';
}

vectorcallfunc inlay_py_exact_find(const struct inlay_func *func)
{
    char letters[5] = {letter_of(func->result)};

    if (letters[0] == 'I' && func->result->size == 4)
        letters[0] = 'N';
    if (!letters[0] || func->nparams > 3)
        return NULL;
    for (size_t i = 0; i < func->nparams; i++) {
        letters[i + 1] = letter_of(func->params[i].type);
        if (!letters[i + 1])
            return NULL;
    }
    for (size_t i = 0; i < inlay_array_size(exacts); i++)
        if (strcmp(exacts[i].letters, letters) == 0)
            return exacts[i].handler;
    return NULL;
}
