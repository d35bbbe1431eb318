/* callable.c - inlay.Function, inlay.Method; how they are called: args.c. */
#include "py/callable.h"

#include "py/async.h"
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

static PyObject *method_get(PyObject *object,
                            PyObject *instance,
                            PyObject *type)
{
    (void)type;
    if (!instance || instance == Py_None)
        return Py_NewRef(object);
    return PyMethod_New(object, instance);
}

/* Of a function that is gone: AttributeError, as for any other attribute. */
static const struct inlay_py_plan *plan_of(PyObject *object)
{
    const struct inlay_py_plan *plan =
        ((struct inlay_py_function *)object)->plan;

    if (!plan->gone)
        return plan;
    PyErr_SetObject(PyExc_AttributeError, plan->gone);
    return NULL;
}

static PyObject *get_name(PyObject *object, void *unused)
{
    (void)unused;
    return Py_NewRef(((struct inlay_py_function *)object)->plan->leaf);
}

static PyObject *get_qualname(PyObject *object, void *unused)
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
    const struct inlay_py_plan *plan = plan_of(object);

    (void)unused;
    if (plan && !self->annotations) {
        PyObject *made = inlay_py_annotations(plan);
        /* What ran meanwhile may have swapped the plan. */
        if (plan != self->plan)
            return made;
        Py_XSETREF(self->annotations, made);
    }
    return plan ? Py_XNewRef(self->annotations) : NULL;
}

static PyObject *get_signature(PyObject *object, void *unused)
{
    struct inlay_py_function *self = (struct inlay_py_function *)object;
    const struct inlay_py_plan *plan = plan_of(object);

    (void)unused;
    if (plan && !self->signature) {
        PyObject *made = inlay_py_signature(plan);
        if (plan != self->plan)
            return made;
        Py_XSETREF(self->signature, made);
    }
    return plan ? Py_XNewRef(self->signature) : NULL;
}

static PyObject *get_text_signature(PyObject *object, void *unused)
{
    const struct inlay_py_plan *plan = plan_of(object);

    (void)unused;
    return plan ? inlay_py_text_signature(plan) : NULL;
}

/* "/src/fast.c:12" */
static PyObject *get_source(PyObject *object, void *unused)
{
    const struct inlay_py_plan *plan = plan_of(object);

    (void)unused;
    if (!plan)
        return NULL;
    const struct inlay_source *decl = &plan->callable->func->decl;
    _cleanup_decref_ PyObject *file = inlay_py_text(decl->file);
    return file ? PyUnicode_FromFormat("%U:%u", file, decl->line) : NULL;
}

static PyObject *get_nogil(PyObject *object, void *unused)
{
    const struct inlay_py_plan *plan = plan_of(object);

    (void)unused;
    return plan ? PyBool_FromLong(plan->callable->func->nogil) : NULL;
}

static PyObject *get_for_requests(PyObject *object, void *unused)
{
    const struct inlay_py_plan *plan = plan_of(object);

    (void)unused;
    return plan
               ? PyBool_FromLong(inlay_py_is_for_requests(plan->callable->func))
               : NULL;
}

static PyObject *get_takes_db(PyObject *object, void *unused)
{
    const struct inlay_py_plan *plan = plan_of(object);

    (void)unused;
    return plan ? PyBool_FromLong(inlay_py_takes_db(plan->callable->func))
                : NULL;
}

/* Pickle by name: a string is an attribute of __module__. */
static PyObject *function_reduce(PyObject *object, PyObject *unused)
{
    (void)unused;
    return Py_NewRef(((struct inlay_py_function *)object)->plan->name);
}

static PyGetSetDef function_getset[] = {
    {"__name__", get_name, NULL, NULL, NULL},
    {"__qualname__", get_qualname, NULL, NULL, NULL},
    {"__doc__", get_doc, NULL, NULL, NULL},
    {"__annotations__", get_annotations, NULL, NULL, NULL},
    {"__signature__", get_signature, NULL, NULL, NULL},
    {"__text_signature__", get_text_signature, NULL, NULL, NULL},
    {"__inlay_source__", get_source, NULL, "file:line of the C function", NULL},
    {"__inlay_nogil__", get_nogil, NULL, "it is an INLAY_NOGIL", NULL},
    {"__inlay_for_requests__", get_for_requests, NULL,
     "only the server can call it", NULL},
    {"__inlay_takes_db__", get_takes_db, NULL, "it asks a database", NULL},
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

static PyTypeObject *make_type(PyObject *module,
                               const char *name,
                               PyTypeObject *base,
                               descrgetfunc get,
                               unsigned long flags)
{
    PyType_Slot slots[] = {
        {Py_tp_call, PyVectorcall_Call},      {Py_tp_dealloc, function_dealloc},
        {Py_tp_traverse, function_traverse},  {Py_tp_clear, function_clear},
        {Py_tp_repr, inlay_py_function_repr}, {Py_tp_descr_get, get},
        {Py_tp_getset, function_getset},      {Py_tp_methods, function_methods},
        {Py_tp_members, function_members},    {0, NULL},
    };
    PyType_Spec spec = {
        .name = name,
        .basicsize = sizeof(struct inlay_py_function),
        .flags = (unsigned int)(Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                                Py_TPFLAGS_HAVE_VECTORCALL |
                                Py_TPFLAGS_IMMUTABLETYPE |
                                Py_TPFLAGS_DISALLOW_INSTANTIATION | flags),
        .slots = slots,
    };
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(
        module, &spec, (PyObject *)base);

    if (type && PyModule_AddType(module, type) < 0)
        Py_CLEAR(type);
    return type;
}

int inlay_py_functions_init(PyObject *module, struct inlay_py_state *state)
{
    state->function_type = make_type(module, "inlay.Function", NULL,
                                     function_get, Py_TPFLAGS_BASETYPE);
    if (!state->function_type)
        return -1;
    /* c.add(1) is then a call of `add` with c before 1: nothing is made. */
    state->method_type = make_type(module, "inlay.Method", state->function_type,
                                   method_get, Py_TPFLAGS_METHOD_DESCRIPTOR);
    return state->method_type ? 0 : -1;
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
    for (size_t i = 0; i < plan->ndbs; i++) {
        at = (at + 15) & ~(size_t)15;
        plan->dbs[i].offset = at;
        at += inlay_py_db_room();
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

    param->type = inlay_py_param_bind(module, &func->params[slot]);
    param->name =
        inlay_py_identifier(module->state, func->params[slot].name, slot);
    if (!param->type || !param->name)
        return -1;
    param->slot = slot;
    param->companion = find_companion(func, slot);
    param->fallback = func->params[slot].fallback;
    param->constraints = func->params[slot].constraints;
    plan->names[plan->nparams++] = param->name;
    plan->nrequired += !param->fallback;
    plan->may_raise |= c->kind == INLAY_KIND_OBJECT;
    plan->writes_back |= c->kind == INLAY_KIND_POINTER && !c->elem_const;
    return 0;
}

/* INLAY_DB(f, db, "reports") says which; else it is the default one. */
static void bind_db(struct inlay_py_plan *plan, size_t slot)
{
    const struct inlay_param_source *sources = plan->callable->sources;
    struct inlay_py_db_param *db = &plan->dbs[plan->ndbs++];

    db->slot = slot;
    if (sources && sources[slot].given && sources[slot].kind == INLAY_SOURCE_DB)
        db->name = sources[slot].name;
}

static bool is_db(const struct inlay_type *type)
{
    return type->kind == INLAY_KIND_INJECTED &&
           type->injected == INLAY_INJECTED_DB;
}

bool inlay_py_takes_db(const struct inlay_func *func)
{
    bool found = false;

    for (size_t i = 0; !found && i < func->nparams; i++)
        found = is_db(func->params[i].type);
    return found;
}

static int bind_params(struct inlay_py_plan *plan,
                       const struct inlay_func *func)
{
    for (size_t i = 0; i < func->nparams; i++)
        if (is_db(func->params[i].type))
            bind_db(plan, i);
        else if (!inlay_param_hidden(&func->params[i]) &&
                 bind_param(plan, func, i) < 0)
            return -1;
    return 0;
}

/* counter_new makes `counter`, counter_add is its method `counter.add`. */
static int set_names(struct inlay_py_plan *plan, const struct inlay_func *func)
{
    struct inlay_py_state *state = plan->module->state;
    const struct inlay_object *object = func->object;
    size_t prefix = object ? object->name.len + 1 : 0;

    plan->method = object && func != object->create && func->name.len > prefix;
    if (plan->method) {
        struct inlay_str leaf = {func->name.ptr + prefix,
                                 func->name.len - prefix};
        _cleanup_decref_ PyObject *class =
            inlay_py_identifier(state, object->name, 0);
        plan->leaf = inlay_py_identifier(state, leaf, 0);
        plan->name = class && plan->leaf
                         ? PyUnicode_FromFormat("%U.%U", class, plan->leaf)
                         : NULL;
    } else {
        plan->leaf =
            inlay_py_identifier(state, object ? object->name : func->name, 0);
        plan->name = Py_XNewRef(plan->leaf);
    }
    return plan->name ? 0 : -1;
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
    plan->dbs =
        inlay_py_module_alloc(module, func->nparams, sizeof(*plan->dbs));
    plan->result = inlay_py_type_bind(module, func->result);
    plan->doc = func->doc.len ? inlay_py_text(func->doc) : Py_NewRef(Py_None);
    if (set_names(plan, func) < 0 || !plan->params || !plan->names ||
        !plan->dbs || !plan->result || !plan->doc ||
        bind_params(plan, func) < 0)
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
    struct inlay_func func = *callable->func;

    if (!plan)
        return NULL;
    plan->module = module;
    plan->callable = callable;
    plan->entry = callable->func->entry;
    /* Nobody can await a constructor: it only gives the GIL back. */
    if (func.object && callable->func == func.object->create && func.is_async) {
        func.is_async = false;
        func.nogil = true;
    }
    plan->vectorcall = inlay_py_call_choose(&func);
    plan->detour = func.is_async || func.nogil || inlay_py_takes_db(&func) ||
                   inlay_py_is_for_requests(&func);
    return bind(plan) < 0 ? NULL : plan;
}

static PyObject *call_gone(PyObject *callable,
                           PyObject *const *args,
                           size_t nargsf,
                           PyObject *kwnames)
{
    const struct inlay_py_plan *plan =
        ((struct inlay_py_function *)callable)->plan;

    /* It has just come back: see `detour`. */
    if (!plan->gone)
        return plan->vectorcall(callable, args, nargsf, kwnames);
    PyErr_SetObject(PyExc_RuntimeError, plan->gone);
    return NULL;
}

const struct inlay_py_plan *inlay_py_plan_create_gone(
    const struct inlay_py_plan *former,
    PyObject *why)
{
    struct inlay_py_plan *plan =
        inlay_py_module_alloc(former->module, 1, sizeof(*plan));

    if (!plan)
        return NULL;
    plan->vectorcall = call_gone;
    plan->module = former->module;
    plan->name = Py_NewRef(former->name);
    plan->leaf = Py_NewRef(former->leaf);
    plan->doc = Py_NewRef(why);
    plan->gone = Py_NewRef(why);
    plan->method = former->method;
    plan->detour = true;
    return plan;
}

void inlay_py_function_swap(struct inlay_py_function *self,
                            const struct inlay_py_plan *plan)
{
    self->plan = plan;
    self->vectorcall = plan->vectorcall;
    Py_CLEAR(self->annotations);
    Py_CLEAR(self->signature);
}

PyObject *inlay_py_function_create(const struct inlay_py_plan *plan)
{
    struct inlay_py_state *state = plan->module->state;
    PyTypeObject *type =
        plan->method ? state->method_type : state->function_type;
    PyObject *object = type->tp_alloc(type, 0);
    struct inlay_py_function *self = (struct inlay_py_function *)object;

    if (!object)
        return NULL;
    self->plan = plan;
    self->vectorcall = plan->vectorcall;
    /* The type's own __module__ hides a descriptor; the dict goes first. */
    self->dict = PyDict_New();
    if (!self->dict ||
        PyDict_SetItemString(self->dict, "__module__", plan->module->name) <
            0 ||
        inlay_py_async_mark(self) < 0)
        Py_CLEAR(object);
    return object;
}
