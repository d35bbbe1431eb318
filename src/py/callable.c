/* callable.c - the type inlay.Function; how it is called: args.c, exact.c. */
#include "py/callable.h"

#include "py/convert.h"
#include "py/errors.h"

#include "base/banned.h"

static int function_traverse(PyObject *object, visitproc visit, void *arg)
{
    struct inlay_py_function *self = (struct inlay_py_function *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->annotations);
    Py_VISIT(self->signature);
    Py_VISIT(self->dict);
    return 0;
}

static int function_clear(PyObject *object)
{
    struct inlay_py_function *self = (struct inlay_py_function *)object;

    Py_CLEAR(self->annotations);
    Py_CLEAR(self->signature);
    Py_CLEAR(self->dict);
    return 0;
}

static void function_dealloc(PyObject *object)
{
    struct inlay_py_function *self = (struct inlay_py_function *)object;
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    if (self->weakrefs)
        PyObject_ClearWeakRefs(object);
    function_clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}

/* As an attribute of a class it stays itself, as built-in functions do. */
static PyObject *function_get(PyObject *object,
                              PyObject *instance,
                              PyObject *type)
{
    (void)instance;
    (void)type;
    return Py_NewRef(object);
}

static PyObject *get_name(PyObject *object, void *unused)
{
    (void)unused;
    return Py_NewRef(((struct inlay_py_function *)object)->plan->name);
}

static PyObject *get_doc(PyObject *object, void *unused)
{
    (void)unused;
    return Py_NewRef(((struct inlay_py_function *)object)->plan->doc);
}

static PyObject *get_annotations(PyObject *object, void *unused)
{
    struct inlay_py_function *self = (struct inlay_py_function *)object;

    (void)unused;
    if (!self->annotations)
        self->annotations = inlay_py_annotations(self->plan);
    return Py_XNewRef(self->annotations);
}

static PyObject *get_signature(PyObject *object, void *unused)
{
    struct inlay_py_function *self = (struct inlay_py_function *)object;

    (void)unused;
    if (!self->signature)
        self->signature = inlay_py_signature(self->plan);
    return Py_XNewRef(self->signature);
}

static PyObject *get_text_signature(PyObject *object, void *unused)
{
    (void)unused;
    return inlay_py_text_signature(
        ((struct inlay_py_function *)object)->plan);
}

/* "/src/fast.c:12" */
static PyObject *get_source(PyObject *object, void *unused)
{
    const struct inlay_func *func =
        ((struct inlay_py_function *)object)->plan->callable->func;
    _cleanup_decref_ PyObject *file = inlay_py_text(func->decl.file);

    (void)unused;
    return file ? PyUnicode_FromFormat("%U:%u", file, func->decl.line) : NULL;
}

/* Pickle by name: a string is an attribute of __module__. */
static PyObject *function_reduce(PyObject *object, PyObject *unused)
{
    (void)unused;
    return Py_NewRef(((struct inlay_py_function *)object)->plan->name);
}

static PyGetSetDef function_getset[] = {
    {"__name__", get_name, NULL, NULL, NULL},
    {"__qualname__", get_name, NULL, NULL, NULL},
    {"__doc__", get_doc, NULL, NULL, NULL},
    {"__annotations__", get_annotations, NULL, NULL, NULL},
    {"__signature__", get_signature, NULL, NULL, NULL},
    {"__text_signature__", get_text_signature, NULL, NULL, NULL},
    {"__inlay_source__", get_source, NULL, "file:line of the C function", NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef function_methods[] = {
    {"__reduce__", function_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

#define OFFSET(member) (Py_ssize_t) offsetof(struct inlay_py_function, member)

static PyMemberDef function_members[] = {
    {"__vectorcalloffset__", Py_T_PYSSIZET, OFFSET(vectorcall), Py_READONLY,
     NULL},
    {"__dictoffset__", Py_T_PYSSIZET, OFFSET(dict), Py_READONLY, NULL},
    {"__weaklistoffset__", Py_T_PYSSIZET, OFFSET(weakrefs), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

int inlay_py_functions_init(PyObject *module, struct inlay_py_state *state)
{
    static PyType_Slot slots[] = {
        {Py_tp_call, PyVectorcall_Call},      {Py_tp_dealloc, function_dealloc},
        {Py_tp_traverse, function_traverse},  {Py_tp_clear, function_clear},
        {Py_tp_repr, inlay_py_function_repr}, {Py_tp_descr_get, function_get},
        {Py_tp_getset, function_getset},      {Py_tp_methods, function_methods},
        {Py_tp_members, function_members},    {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "inlay.Function",
        .basicsize = sizeof(struct inlay_py_function),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                 Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE |
                 Py_TPFLAGS_DISALLOW_INSTANTIATION,
        .slots = slots,
    };

    state->function_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    if (!state->function_type)
        return -1;
    return PyModule_AddType(module, state->function_type);
}

/* Where each value goes in the room of a call. */
static void lay_out(struct inlay_py_plan *plan)
{
    size_t at =
        plan->nparams * sizeof(PyObject *) + plan->nslots * sizeof(void *);

    for (size_t i = 0; i < plan->nparams; i++) {
        struct inlay_py_param *param = &plan->params[i];

        at = (at + 15) & ~(size_t)15;
        param->offset = at;
        /* Behind an array its schema. */
        at += param->type->c->size +
              (param->companion == SIZE_MAX ? 0 : sizeof(void *));
    }
    /* The call may write a whole register of a narrow result. */
    at = (at + 15) & ~(size_t)15;
    plan->result_offset = at;
    plan->room = at + inlay_max(plan->result->c->size, 16u);
}

/* The schema that comes with the array in `slot`: the one next to it. */
static size_t find_companion(const struct inlay_func *func, size_t slot)
{
    size_t beside[2] = {slot + 1, slot - 1};

    if (func->params[slot].type->kind != INLAY_KIND_ARROW_ARRAY)
        return SIZE_MAX;
    for (size_t i = 0; i < 2; i++)
        if (beside[i] < func->nparams &&
            func->params[beside[i]].type->kind == INLAY_KIND_ARROW_SCHEMA)
            return beside[i];
    return SIZE_MAX;
}

static int bind_param(struct inlay_py_plan *plan,
                      const struct inlay_func *func,
                      size_t slot)
{
    struct inlay_py_module *module = plan->module;
    struct inlay_py_param *param = &plan->params[plan->nparams];
    const struct inlay_type *c = func->params[slot].type;

    param->type = inlay_py_type_bind(module, c);
    param->name =
        inlay_py_identifier(module->state, func->params[slot].name, slot);
    if (!param->type || !param->name)
        return -1;
    param->slot = slot;
    param->companion = find_companion(func, slot);
    param->fallback = func->params[slot].fallback;
    plan->names[plan->nparams++] = param->name;
    plan->nrequired += !param->fallback;
    plan->may_raise |= c->kind == INLAY_KIND_OBJECT;
    plan->writes_back |= c->kind == INLAY_KIND_POINTER && !c->elem_const;
    return 0;
}

static int bind(struct inlay_py_plan *plan)
{
    const struct inlay_func *func = plan->callable->func;
    struct inlay_py_module *module = plan->module;

    plan->nslots = func->nparams;
    plan->params =
        inlay_py_module_alloc(module, func->nparams, sizeof(*plan->params));
    plan->names =
        inlay_py_module_alloc(module, func->nparams, sizeof(*plan->names));
    plan->result = inlay_py_type_bind(module, func->result);
    plan->name = inlay_py_identifier(module->state, func->name, 0);
    plan->doc =
        func->doc.len ? inlay_py_text(func->doc) : Py_NewRef(Py_None);
    if (!plan->params || !plan->names || !plan->result || !plan->name ||
        !plan->doc)
        return -1;
    for (size_t i = 0; i < func->nparams; i++)
        if (!inlay_param_hidden(&func->params[i]) &&
            bind_param(plan, func, i) < 0)
            return -1;
    plan->may_raise |= func->result->kind == INLAY_KIND_OBJECT;
    lay_out(plan);
    return 0;
}

const struct inlay_py_plan *inlay_py_plan_create(
    struct inlay_py_module *module,
    const struct inlay_callable *callable)
{
    struct inlay_py_plan *plan =
        inlay_py_module_alloc(module, 1, sizeof(*plan));

    if (!plan)
        return NULL;
    plan->module = module;
    plan->callable = callable;
    plan->entry = callable->func->entry;
    plan->vectorcall = inlay_py_exact_find(callable->func);
    if (!plan->vectorcall)
        plan->vectorcall = inlay_py_call;
    return bind(plan) < 0 ? NULL : plan;
}

void inlay_py_function_swap(struct inlay_py_function *self,
                            const struct inlay_py_plan *plan)
{
    self->plan = plan;
    self->vectorcall = plan->vectorcall;
    Py_CLEAR(self->annotations);
    Py_CLEAR(self->signature);
}

PyObject *inlay_py_function_create(struct inlay_py_module *module,
                                   const struct inlay_callable *callable)
{
    PyTypeObject *type = module->state->function_type;
    const struct inlay_py_plan *plan = inlay_py_plan_create(module, callable);
    PyObject *object = plan ? type->tp_alloc(type, 0) : NULL;
    struct inlay_py_function *self = (struct inlay_py_function *)object;

    if (!object)
        return NULL;
    inlay_py_function_swap(self, plan);
    /* The type's own __module__ hides a descriptor; the dict goes first. */
    self->dict = PyDict_New();
    if (!self->dict ||
        PyDict_SetItemString(self->dict, "__module__", module->name) < 0)
        Py_CLEAR(object);
    return object;
}
